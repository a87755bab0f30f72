//! Elections.

use quorate_etcdapi::v3electionpb::LeaderKey;

use super::super::script::{Request, Script, bytes, everything, put};
use super::{Case, case};

const LONG: i64 = 600;

fn campaign(s: &mut Script, lease: i64, value: &str) {
    s.ask(Request::campaign("e", lease, value));
}

fn leader(s: &mut Script) {
    s.ask(Request::Leader(bytes("e")));
}

fn key(lease: i64, rev: i64) -> LeaderKey {
    LeaderKey { name: bytes("e"), key: bytes(format!("e/{lease:x}")), rev, lease }
}

fn proclaim(s: &mut Script, leader: Option<LeaderKey>, value: &str) {
    s.ask(Request::Proclaim { leader, value: bytes(value) });
}

pub(super) const CASES: &[Case] = &[
    case("election_campaign", &["election.campaign", "election.leader"], |s| {
        s.grant(0xabc, LONG);
        campaign(s, 0xabc, "one");
        leader(s);
        s.range(everything());
    }),
    case("election_campaign_again", &["election.again"], |s| {
        s.grant(7, LONG);
        campaign(s, 7, "one");
        s.put(put("x", "1"));
        campaign(s, 7, "one");
        campaign(s, 7, "two");
        s.range(everything());
    }),
    case("election_without_a_leader", &["election.no-leader"], |s| {
        leader(s);
        s.grant(7, LONG);
        campaign(s, 7, "one");
        s.revoke(7);
        leader(s);
    }),
    case("election_under_an_unknown_lease", &["election.unknown-lease"], |s| {
        campaign(s, 7, "one");
        leader(s);
    }),
    case("election_proclaim", &["election.proclaim"], |s| {
        s.grant(7, LONG);
        campaign(s, 7, "one");
        let created = s.at(1);
        proclaim(s, Some(key(7, created)), "two");
        leader(s);
        proclaim(s, Some(key(7, created + 1)), "three");
        proclaim(s, Some(key(8, created)), "three");
        leader(s);
    }),
    case("election_without_a_leader_key", &["election.missing-key"], |s| {
        proclaim(s, None, "one");
        s.ask(Request::Resign(None));
        proclaim(s, Some(LeaderKey::default()), "one");
        s.ask(Request::Resign(Some(LeaderKey::default())));
    }),
    case("election_proclaim_under_another_lease", &["election.proclaim"], |s| {
        s.grant(7, LONG);
        campaign(s, 7, "one");
        let created = s.at(1);
        proclaim(s, Some(LeaderKey { lease: 9, ..key(7, created) }), "two");
        s.grant(8, LONG);
        proclaim(s, Some(LeaderKey { lease: 8, ..key(7, created) }), "three");
        leader(s);
        s.time_to_live(7);
    }),
    case("election_resign", &["election.resign"], |s| {
        s.grant(7, LONG);
        campaign(s, 7, "one");
        let created = s.at(1);
        s.ask(Request::Resign(Some(key(7, created + 1))));
        s.ask(Request::Resign(Some(key(8, created))));
        leader(s);
        s.ask(Request::Resign(Some(key(7, created))));
        leader(s);
        s.ask(Request::Resign(Some(key(7, created))));
    }),
    case("election_waits_for_the_resignation", &["election.waits"], |s| {
        s.grant(7, LONG);
        s.grant(8, LONG);
        campaign(s, 7, "one");
        let leads = key(7, s.at(1));
        s.waits(Request::campaign("e", 8, "two"), "e", Request::Resign(Some(leads)));
        leader(s);
        s.waits(Request::campaign("e", 7, "three"), "e", Request::Revoke(8));
        leader(s);
    }),
    case("election_observed", &["election.observe"], |s| {
        s.grant(7, LONG);
        s.grant(8, LONG);
        campaign(s, 7, "one");
        let leads = key(7, s.at(1));
        s.ask(Request::Observe {
            name: bytes("e"),
            steps: vec![
                Request::Proclaim { leader: Some(leads), value: bytes("two") },
                Request::campaign("e", 7, "three"),
                Request::Each(vec![Request::Revoke(7), Request::campaign("e", 8, "four")]),
            ],
        });
    }),
];
