//! How clusters that were made up are printed.

use super::*;
use crate::output::{ByteForm, Format, Printer};
use crate::survey::{Scrape, Seen, fixture};

const TIME: &str = "2026-01-02T03:04:05Z";

fn printed(survey: &Survey, format: Format) -> String {
    printed_as(survey, format, Width::Narrow)
}

fn printed_as(survey: &Survey, format: Format, width: Width) -> String {
    let view = View { survey: survey.clone(), time: TIME.to_owned(), width };
    let bytes = Printer::new(format, ByteForm::Raw).render(&view).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn measured(engine: &str) -> Survey {
    let mut leader = fixture::up(1, 1);
    if let Seen::Up(facts) = &mut leader.seen {
        let scrape = "\
quorate_peer_lag_entries{To=\"2\"} 7
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.002\"} 99
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 100
etcd_disk_wal_fsync_duration_seconds_sum 0.15
etcd_disk_wal_fsync_duration_seconds_count 100
process_resident_memory_bytes 12345678
";
        facts.scrape = Scrape::new(scrape.to_owned());
        facts.own = serde_json::json!({
            "engine": engine, "role": "Leader", "version": "0.1.0",
            "persisted": 1043, "revision": 17,
        });
        facts.round_trips = [(2, Some(312)), (3, None)].into();
    }
    let mut follower = fixture::up(2, 1);
    if let Seen::Up(facts) = &mut follower.seen {
        facts.own = serde_json::json!({ "role": "Follower", "version": "0.1.0" });
    }
    fixture::survey(vec![leader, follower, fixture::down(3)])
}

#[test]
fn a_table_has_a_line_for_each_member_and_a_sentence() {
    let expected = "\
NAME  ROLE      TERM  APPLIED  LAG     RTT  SYNC P99  DB SIZE  ENDPOINT
n1    leader       3     1042    -       -    2.0 ms    25 kB  127.0.0.1:2379
n2    follower     3     1042    7  0.3 ms         -    25 kB  127.0.0.1:12379
n3    DOWN         -        -    -       -         -        -  127.0.0.1:22379
degraded: 2 of 3 members answer, n1 leads, none may fail (raft)
  n3 does not answer (127.0.0.1:22379: nothing listens there); start it again
";
    assert_eq!(printed(&measured("raft"), Format::Simple), expected);
    let paxos = printed(&measured("paxos"), Format::Table);
    assert!(paxos.contains("| BALLOT | SLOT |"), "{paxos}");
}

#[test]
fn a_wide_table_has_everything_in_full() {
    let mut survey = measured("raft");
    survey.members[2].name = "a-name-that-somebody-has-generated".to_owned();
    assert_eq!(printed_as(&survey, Format::Simple, Width::Wide), include_str!("wide.txt"));
    let table = printed_as(&survey, Format::Table, Width::Wide);
    assert!(table.contains("| COMMITTED | PERSISTED | APPLIED |"), "{table}");
    assert!(!printed(&survey, Format::Fields).contains("COMMITTED"));
    let fields = printed_as(&survey, Format::Fields, Width::Wide);
    assert!(fields.contains("\"REVISION\" : \"17\"\n"), "{fields}");
}

#[test]
fn a_table_fits_100_columns_whatever_names_are_like() {
    let mut survey = measured("raft");
    for member in &mut survey.members {
        member.name = "a-name-that-somebody-has-generated-somewhere".to_owned();
        member.url = Some(quorate_server::HttpUrl::new("2001:db8:85a3:1:2:8a2e:370:7334", 2379));
        if let Seen::Up(facts) = &mut member.seen {
            facts.status.raft_applied_index = 123_456_789;
            facts.status.raft_term = 1_234;
        }
    }
    let printed = printed(&survey, Format::Simple);
    for line in printed.lines().take(1 + survey.members.len()) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn json_says_the_same_to_programs() {
    let json: serde_json::Value =
        serde_json::from_str(&printed(&measured("raft"), Format::Json)).unwrap();
    assert_eq!((&json["time"], &json["standing"]), (&TIME.into(), &"degraded".into()));
    assert_eq!((&json["tolerated"], &json["leader"]), (&0.into(), &"n1".into()));
    assert_eq!(json["members"][1]["round_trip_us"], 312);
    assert_eq!(json["members"][1]["lag"], 7);
    assert_eq!(json["members"][2]["reason"], "nothing listens there");
    assert_eq!(json["members"][0]["memory"], 12_345_678);
    let lines = printed_as(&measured("raft"), Format::JsonLines, Width::Wide);
    assert_eq!(lines, printed(&measured("raft"), Format::Json), "one line for each look");
}
