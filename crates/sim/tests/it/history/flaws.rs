//! The checks accept a service that keeps its promises, and catch each promise that is broken.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_consensus::Seed;
use quorate_sim::Draws;
use quorate_sim::check::history::{Guarantee, Searched, Tally, Violation};
use quorate_sim::clients::{OperationId, Plan};

use super::service::{Flaw, Service, asked};

const TIME: Duration = Duration::from_secs(20);

fn plan(seed: u64) -> Plan {
    if seed.is_multiple_of(2) { Plan::default() } else { Plan::draw(Draws::new(Seed(seed))) }
}

fn run(seed: u64, flaw: Flaw) -> Result<(Tally, Searched, usize), Violation> {
    let mut service = Service::new(seed, plan(seed), flaw);
    service.run(TIME)?;
    let history = &service.history;
    Ok((history.tally(), history.searched(), history.never_committed()))
}

#[test]
fn a_service_that_keeps_its_promises_passes() {
    let mut total = Tally::default();
    let mut windows = Searched::default();
    let mut never = 0;
    for seed in 0..12 {
        let (tally, searched, missing) = match run(seed, Flaw::None) {
            Ok(found) => found,
            Err(violation) => panic!("seed {seed}: {violation}"),
        };
        assert!(0 < tally.compared(), "seed {seed} compares nothing");
        total.acknowledged += tally.acknowledged;
        total.declined += tally.declined;
        total.refused += tally.refused;
        total.unknown += tally.unknown;
        total.linearizable_reads += tally.linearizable_reads;
        total.serializable_reads += tally.serializable_reads;
        windows.windows += searched.windows;
        windows.operations += searched.operations;
        windows.undecided += searched.undecided;
        never += missing;
    }
    println!("{total:?} {windows:?}, {never} unknown commands never happened");
    assert!(4_000 < total.acknowledged && 40 < total.declined, "{total:?}");
    assert!(50 < total.refused && 50 < total.unknown, "{total:?}");
    assert!(1_500 < total.linearizable_reads && 300 < total.serializable_reads, "{total:?}");
    assert!(0 < never, "some unknown commands never happen");
    assert!(150 < windows.windows && 5_000 < windows.operations, "{windows:?}");
    assert!(windows.undecided == 0, "{windows:?}");
}

#[test]
fn each_broken_promise_is_caught_by_its_name() {
    let flaws = [
        (Flaw::StaleRead, Guarantee::ReadsAreFresh),
        (Flaw::AcknowledgedWithoutCommit, Guarantee::AcknowledgedIsCommitted),
        (Flaw::RefusedAndDone, Guarantee::RefusedMeansNever),
        (Flaw::DoneTwice, Guarantee::CommittedAsAsked),
        (Flaw::GoesBack, Guarantee::NodesGoForward),
        (Flaw::Foretells, Guarantee::NothingIsForetold),
        (Flaw::WrongRevision, Guarantee::AnswersAreTrue),
        (Flaw::MissingKey, Guarantee::AnswersAreTrue),
        (Flaw::EndsTwice, Guarantee::OneOutcome),
        (Flaw::Invented, Guarantee::CommittedAsAsked),
    ];
    for (flaw, guarantee) in flaws {
        let caught = (0..20).find_map(|seed| run(seed, flaw).err());
        let violation = caught.unwrap_or_else(|| panic!("{flaw:?} went unnoticed"));
        assert_eq!(violation.guarantee, guarantee, "{flaw:?}: {violation}");
    }
}

#[test]
fn the_same_seed_asks_the_same() {
    let requests = |seed| {
        let mut service = Service::new(seed, plan(seed), Flaw::None);
        service.run(TIME).expect("it keeps its promises");
        service.requests
    };
    assert_eq!(requests(5), requests(5));
    assert_ne!(requests(5), requests(7));
}

#[test]
fn an_operation_that_is_left_out_leaves_the_others_as_they_were() {
    let requests = |without: BTreeSet<OperationId>| {
        let mut service = Service::new(3, Plan::default(), Flaw::None).steady();
        service.clients = service.clients.clone().without(without);
        service.run(TIME).expect("it keeps its promises");
        asked(&service.requests)
    };
    let all = requests(BTreeSet::new());
    let without: BTreeSet<OperationId> = all.keys().copied().step_by(3).collect();
    let rest = requests(without.clone());
    assert!(without.iter().all(|operation| !rest.contains_key(operation)));
    let left = all.iter().filter(|(operation, _)| !without.contains(operation));
    let (mut same, mut count) = (0, 0);
    for (operation, ask) in left {
        count += 1;
        let kept = rest.get(operation).expect("what is not left out is asked");
        // What it compares with, deletes or compacts may depend on what its client has seen.
        same += usize::from(kept == ask);
    }
    assert!(200 < count && count * 7 < same * 10, "{same} of {count} are the same");
}
