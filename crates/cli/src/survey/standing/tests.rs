//! What states of members mean, told of members that were made up.

use std::time::Duration;

use quorate_etcdapi::etcdserverpb::{ResponseHeader, StatusResponse};
use quorate_server::HttpUrl;

use super::*;
use crate::survey::{Scrape, Seen};

/// A member that answers, in term 3, with this leader.
pub(crate) fn up(id: u64, leader: u64) -> Surveyed {
    let header = Some(ResponseHeader { member_id: id, ..ResponseHeader::default() });
    let status = StatusResponse {
        header,
        version: "3.6.0".to_owned(),
        leader,
        raft_term: 3,
        raft_index: 1042,
        raft_applied_index: 1042,
        db_size: 24_600,
        ..StatusResponse::default()
    };
    let facts = Facts { status, ..Facts::default() };
    let port = 2379 + u16::try_from(id - 1).unwrap() * 10_000;
    Surveyed {
        id,
        name: format!("n{id}"),
        url: Some(HttpUrl::new("127.0.0.1", port)),
        is_learner: false,
        seen: Seen::Up(Box::new(facts)),
    }
}

/// A member that does not answer.
pub(crate) fn down(id: u64) -> Surveyed {
    Surveyed { seen: Seen::Down("nothing listens there".to_owned()), ..up(id, 0) }
}

/// A cluster that serves a read, if it has a leader.
pub(crate) fn survey(members: Vec<Surveyed>) -> Survey {
    let mut survey = Survey { members, read: None };
    survey.read = survey.leader().map(|_| Duration::from_millis(1));
    survey
}

fn with_scrape(mut member: Surveyed, text: &str) -> Surveyed {
    if let Seen::Up(facts) = &mut member.seen {
        facts.scrape = Scrape::new(text.to_owned());
    }
    member
}

#[test]
fn what_answers_decides_how_a_cluster_is() {
    let cases = [
        (
            vec![up(1, 1), up(2, 1), up(3, 1)],
            Standing::Healthy,
            "all 3 members answer, n1 leads, 1 more may fail",
        ),
        (
            vec![up(1, 2), up(2, 2), down(3)],
            Standing::Degraded,
            "2 of 3 members answer, n2 leads, none may fail",
        ),
        (
            vec![up(1, 0), up(2, 0), down(3)],
            Standing::NoLeader,
            "2 of 3 members answer, and nobody leads",
        ),
        (
            vec![up(1, 0), down(2), down(3)],
            Standing::NoQuorum,
            "1 of 3 members answers, and 2 must: nothing can be decided",
        ),
        (vec![up(1, 1)], Standing::Healthy, "the one member answers, n1 leads, none may fail"),
    ];
    for (members, standing, sentence) in cases {
        let survey = survey(members);
        assert_eq!((survey.standing(), survey.sentence().as_str()), (standing, sentence));
    }
}

#[test]
fn a_leader_that_serves_no_read_does_not_lead() {
    let mut cut_off = survey(vec![up(1, 1), up(2, 1), up(3, 1)]);
    cut_off.read = None;
    assert_eq!(cut_off.standing(), Standing::NoLeader);
    assert!(cut_off.sentence().contains("n1 says that it leads, and no read is served"));
}

#[test]
fn learners_do_not_count() {
    let learner = Surveyed { is_learner: true, ..up(3, 1) };
    let survey = survey(vec![up(1, 1), up(2, 1), learner]);
    assert_eq!((survey.voters(), survey.quorum(), survey.tolerated()), (2, 2, 0));
}

#[test]
fn lag_full_disks_and_alarms_are_complaints() {
    let leader = with_scrape(up(1, 1), "quorate_peer_lag_entries{To=\"2\"} 5000\n");
    let full = with_scrape(up(3, 1), "quorate_log_disk_full 1\n");
    let mut alarmed = up(2, 1);
    if let Seen::Up(facts) = &mut alarmed.seen {
        facts.status.errors = vec!["memberID:2 alarm:NOSPACE ".to_owned()];
    }
    let survey = survey(vec![leader, alarmed, full]);
    let expected =
        ["n2 is 5000 entries behind", "the disk of n3 is full", "the alarm NOSPACE is raised"];
    assert_eq!(survey.complaints(), expected);
    assert_eq!(survey.standing(), Standing::Degraded);
}
