//! Runs that once found something wrong. A change of what is drawn makes other runs of them: what
//! each found has a test of its own beside the part that was wrong.

use quorate_sim::world::{Options, Report, run};
use quorate_sim::{Broken, Draws, Named, PaxosProtocol, Profile, Protocol, RaftProtocol, Seed};

/// On Raft: a snapshot offered for ever, the stamp of an entry that was truncated, a check that did
/// not hear of the time before a clock's rate changed (2300, on both), and one that took for a loop
/// what a full window cost on a network that reorders (4425).
const RAFT: [u64; 4] = [699_038_031_823_460_884, 1_367, 2_300, 4_425];

/// On Multi-Paxos: stamps of votes that lost (27, 2509, 5024) or were taken up late (5902), a watch
/// ended twice (5231), one passed by a compaction before it was told that it began (2291), and a
/// node that caught up by one entry a message, which took longer than it was given (the last).
const PAXOS: [u64; 8] = [27, 2_291, 2_300, 2_509, 5_024, 5_231, 5_902, 7_047_762_249_487_679_099];

#[test]
fn nothing_goes_wrong_any_more_on_raft() {
    RAFT.map(Seed).into_iter().for_each(assert_well::<RaftProtocol>);
}

#[test]
fn nothing_goes_wrong_any_more_on_multi_paxos() {
    PAXOS.map(Seed).into_iter().for_each(assert_well::<PaxosProtocol>);
}

fn assert_well<P: Protocol>(seed: Seed) {
    let profile = Profile::draw(Named::Default, Draws::new(seed));
    let report: Report = run::<P>(seed, profile, Broken::NOTHING, Options::default());
    assert!(report.found.is_none(), "{seed:?}: {:?}", report.found);
}
