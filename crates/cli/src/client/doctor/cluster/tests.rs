//! Findings about clusters that were made up.

use serde_json::json;

use super::super::finding::Level;
use super::*;
use crate::survey::{Scrape, Seen, fixture};

/// Three members whose syncs and round trips take this long, in milliseconds.
fn measured(sync: f64, trip: u64) -> Survey {
    let scrape = format!("{SYNC}_sum {}\n{SYNC}_count 10\n", sync / 100.0);
    let member = |id: u64| {
        let mut member = fixture::up(id, 1);
        if let Seen::Up(facts) = &mut member.seen {
            facts.scrape = Scrape::new(scrape.clone());
            facts.own = json!({
                "version": "0.1.0", "election_timeout_ms": 1000, "clock_us": 1_000_000_000,
            });
            facts.asked = (1_000_000_000, Duration::from_millis(2));
            let others = (1..=3).filter(|other| *other != id);
            facts.round_trips = others.map(|other| (other, Some(trip * 1000))).collect();
        }
        member
    };
    fixture::survey(vec![member(1), member(2), member(3)])
}

fn facts_of(survey: &mut Survey, place: usize) -> &mut Facts {
    match &mut survey.members[place].seen {
        Seen::Up(facts) => facts,
        Seen::Down(_) => panic!("it is up"),
    }
}

#[test]
fn the_ratio_of_times_decides() {
    let levels = [(2.0, 1, Level::Fine), (100.0, 20, Level::Warning), (250.0, 50, Level::Bad)];
    for (sync, trip, level) in levels {
        let finding = timing(&measured(sync, trip)).unwrap();
        assert_eq!(finding.level, level, "{finding:?}");
    }
    let finding = timing(&measured(100.0, 20)).unwrap();
    assert!(finding.what.contains("1 to 8;"), "{finding:?}");
    assert!(finding.fix.contains("--election-timeout 1200 "), "{finding:?}");
}

#[test]
fn a_peer_port_that_is_not_reached_is_named() {
    let mut survey = measured(1.0, 1);
    assert_eq!(peer_ports(&survey).unwrap().level, Level::Fine);
    facts_of(&mut survey, 0).round_trips.insert(3, None);
    let finding = peer_ports(&survey).unwrap();
    assert_eq!(finding.level, Level::Bad);
    assert!(finding.what.ends_with(": n1 -> n3"), "{finding:?}");
}

#[test]
fn clocks_and_timeouts_that_differ_are_told() {
    let mut survey = measured(1.0, 1);
    assert_eq!(clocks(&survey).unwrap().level, Level::Fine);
    assert_eq!(timeouts(&survey), None);
    let facts = facts_of(&mut survey, 1);
    facts.own["clock_us"] = 1_002_000_000_u64.into();
    facts.own["election_timeout_ms"] = 3000.into();
    let finding = clocks(&survey).unwrap();
    assert_eq!(finding.level, Level::Warning);
    assert!(finding.what.contains("2000.0 ms apart"), "{finding:?}");
    assert!(timeouts(&survey).unwrap().what.contains("n2 3000 ms"));
}
