//! Scenarios that bring a mutant's mistake about at once, where random faults take long to.
//!
//! Each ends in what the checks found, or in a violation of what the scenario itself looks for.

use quorate_consensus::raft::Body;
use quorate_consensus::{NodeId, Role};

use super::stage::{MS, N1, N2, N3, Stage};
use crate::broken::Broken;
use crate::check::Violation;
use crate::clients::Ask;
use crate::profile::{Profile, Span, Timing};
use crate::protocol::{Protocol, RaftProtocol};
use crate::world::director::Fate;

/// A transfer of leadership ends, whatever becomes of its target.
pub(super) const TRANSFERS_END: &str = "transfers-end";
/// A leader whose disk stalls gives way.
pub(super) const STALLED_DISK_YIELDS: &str = "stalled-disk-yields";
/// No more proposals are in flight than the limit says.
pub(super) const BOUNDS_HOLD: &str = "bounds-hold";
/// Nobody else is elected while a quorum hears a leader.
pub(super) const LIVING_LEADER_STAYS: &str = "living-leader-stays";
/// Nodes that start together elect one of them.
pub(super) const STARTS_ELECT: &str = "starts-elect";
/// Learners never seek to lead.
pub(super) const LEARNERS_LISTEN: &str = "learners-listen";
/// A node that was left behind catches up as soon as it is reached again.
pub(super) const LAGGARDS_CATCH_UP: &str = "laggards-catch-up";
/// A deposed leader follows as soon as it hears of a newer term.
pub(super) const DEPOSED_LEADERS_FOLLOW: &str = "deposed-leaders-follow";
/// A leader that no quorum answers leads no longer.
pub(super) const UNHEARD_LEADERS_YIELD: &str = "unheard-leaders-yield";
/// No read is served without a confirmation of its own.
pub(super) const READS_ARE_CONFIRMED: &str = "reads-are-confirmed";

/// A leader hands over to a node that cannot hear it; then it serves on.
pub(super) fn transfer_to_the_deaf<P: Protocol>(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<P>::new(broken);
    stage.lead(N1);
    stage.director.cut(N1, N3);
    stage.director.ask(N1, Ask::Transfer(N3));
    stage.run(MS * 2_000);
    let write = stage.write(N1, "after");
    stage.run(MS * 1_500);
    let holds = stage.is_answered(write);
    stage.verdict(TRANSFERS_END, holds, "the leader still refuses writes")
}

/// The leader's disk stalls while its network is well.
pub(super) fn stalled_disk<P: Protocol>(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<P>::new(broken);
    stage.lead(N1);
    stage.director.slow_disk(N1, 1_000_000);
    stage.write(N1, "stuck");
    stage.run(MS * 5_000);
    let holds = !stage.leads(N1);
    stage.verdict(STALLED_DISK_YIELDS, holds, "n1 still leads")
}

/// The leader hears nobody any more.
pub(super) fn unheard_leader<P: Protocol>(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<P>::new(broken);
    stage.lead(N1);
    stage.isolate(N1, 3);
    stage.run(MS * 5_000);
    let holds = !stage.leads(N1);
    stage.verdict(UNHEARD_LEADERS_YIELD, holds, "n1 still leads")
}

/// More writes come than may be in flight.
pub(super) fn flood<P: Protocol>(broken: Broken) -> Option<Violation> {
    let mut profile = Profile::calm();
    profile.engine.in_flight_max = 4;
    let mut stage = Stage::<P>::of(profile, broken);
    stage.lead(N1);
    stage.isolate(N1, 3);
    for number in 0..20 {
        stage.write(N1, &format!("flood/{number}"));
    }
    stage.run(MS * 100);
    let in_flight = stage.status(N1).map_or(0, |status| status.in_flight);
    let said = format!("{in_flight} proposals are in flight");
    stage.verdict(BOUNDS_HOLD, in_flight <= 4, &said)
}

/// One follower does not hear the leader that all others hear.
pub(super) fn deaf_follower(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<RaftProtocol>::new(broken);
    stage.lead(N1);
    let round = stage.status(N1).map(|status| status.ballot.round);
    stage.director.cut(N1, N3);
    stage.run(MS * 5_000);
    let now = stage.status(N1).map(|status| status.ballot.round);
    let holds = stage.leads(N1) && round == now;
    stage.verdict(LIVING_LEADER_STAYS, holds, "n3 has disturbed the others")
}

/// Everything takes exactly as long at every node.
pub(super) fn lockstep(broken: Broken) -> Option<Violation> {
    let timing = Timing {
        hop: Span::exactly(1_000),
        turn: Span::exactly(10),
        log: Span::exactly(500),
        ..Profile::calm().timing
    };
    let mut stage = Stage::<RaftProtocol>::of(Profile { timing, ..Profile::calm() }, broken);
    stage.run(MS * 10_000);
    let holds = [N1, N2, N3].into_iter().any(|node| stage.leads(node));
    stage.verdict(STARTS_ELECT, holds, "20 election timeouts without a leader")
}

/// A learner is asked to campaign, and nobody answers it.
pub(super) fn ambitious_learner(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<RaftProtocol>::of(Profile { learners: 1, ..Profile::calm() }, broken);
    stage.lead(N1);
    let learner = NodeId(4);
    stage.isolate(learner, 4);
    stage.director.campaign(learner);
    stage.run(MS * 10);
    let role = stage.status(learner).map(|status| status.role);
    stage.verdict(LEARNERS_LISTEN, role == Some(Role::Follower), "n4 seeks to lead")
}

/// A follower loses all that fills its window, and is reached again.
pub(super) fn lost_window(broken: Broken) -> Option<Violation> {
    let mut profile = Profile::calm();
    profile.engine.window_messages_max = 2;
    let mut stage = Stage::<RaftProtocol>::of(profile, broken);
    stage.lead(N1);
    stage.lose(N1, N3, |message| matches!(message.body, Body::Append { .. }), 2);
    for number in 0..5 {
        stage.write(N1, &format!("window/{number}"));
        stage.run(MS * 5);
    }
    stage.run(MS * 3_000);
    level(stage)
}

/// A follower misses so much that it needs a snapshot, and the word to install it is lost.
pub(super) fn lost_snapshot(broken: Broken) -> Option<Violation> {
    let mut profile = Profile::calm();
    profile.policy.snapshot_count = 20;
    profile.policy.catch_up_entries = 1;
    let mut stage = Stage::<RaftProtocol>::of(profile, broken);
    stage.lead(N1);
    stage.isolate(N3, 3);
    for number in 0..200 {
        stage.write(N1, &format!("behind/{number}"));
        stage.run(MS * 10);
    }
    stage.lose(N1, N3, |message| matches!(message.body, Body::Snapshot { .. }), 1);
    stage.rejoin(N3, 3);
    stage.run(MS * 8_000);
    level(stage)
}

/// A follower lacks what the leader had before it was elected.
pub(super) fn short_log(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<RaftProtocol>::new(broken);
    stage.lead(N1);
    stage.isolate(N3, 3);
    for number in 0..5 {
        stage.write(N1, &format!("missed/{number}"));
    }
    stage.run(MS * 100);
    stage.director.ask(N1, Ask::Transfer(N2));
    stage.run(MS * 100);
    stage.rejoin(N3, 3);
    stage.run(MS * 5_000);
    level(stage)
}

/// A leader is deposed while it is cut off for a moment, and hears of it.
pub(super) fn deposed(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<RaftProtocol>::new(broken);
    stage.lead(N1);
    // The newer term begins by a transfer, which voters do not shield the leader from.
    stage.director.cut(N2, N1);
    stage.director.ask(N1, Ask::Transfer(N2));
    stage.run(MS * 100);
    stage.director.mend(N2, N1);
    stage.run(MS * 200);
    let holds = !stage.leads(N1);
    stage.verdict(DEPOSED_LEADERS_FOLLOW, holds, "n1 leads beside its successor")
}

/// Whether all three stand at the same position.
fn level<P: Protocol>(stage: Stage<P>) -> Option<Violation> {
    let applied = [N1, N2, N3].map(|node| stage.director.world().applied(node));
    let holds = applied[0].is_some() && applied.windows(2).all(|pair| pair[0] == pair[1]);
    let said = format!("they stand at {applied:?}");
    stage.verdict(LAGGARDS_CATCH_UP, holds, &said)
}

/// A read is confirmed while the answers to an earlier one are still on their way.
pub(super) fn late_confirmation<P: Protocol>(broken: Broken) -> Option<Violation> {
    let mut stage = Stage::<P>::new(broken);
    stage.lead(N1);
    stage.read(N1, "x");
    stage.run(MS * 50);
    // From here on n1 hears nobody, and somebody else leads.
    for other in [N2, N3] {
        stage.order(other, N1, |_| true, Fate::Hold, usize::MAX);
        stage.director.cut(N1, other);
    }
    let stale = stage.read(N1, "x");
    stage.run(MS * 100);
    let is_served = stage.is_answered(stale);
    stage.verdict(READS_ARE_CONFIRMED, !is_served, "n1 serves a read that nobody confirmed")
}
