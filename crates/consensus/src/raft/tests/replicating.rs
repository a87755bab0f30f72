//! Replication, commitment, snapshots and compaction.

use super::world::{Errand, N1, N2, N3, Watch, World, millis};
use crate::log::Position;
use crate::raft::{AppendResult, Body, Confirmation, Message, Term};
use crate::*;

fn led_by_n1() -> World<Strict> {
    let mut world = World::new(3, Strict, 1);
    world.start_all();
    world.elect(N1);
    world
}

fn position(index: u64, round: u64, node: NodeId) -> Position {
    Position { ballot: Ballot { round, node }, index: Index(index) }
}

fn entry(index: u64, round: u64, node: NodeId) -> Entry {
    Entry {
        index: Index(index),
        ballot: Ballot { round, node },
        born: Ballot { round, node },
        id: None,
        time: ClusterTime(0),
        payload: Payload::Noop,
    }
}

/// An append of `N1`, the leader of `round`.
fn append(round: u64, previous: Position, entries: Vec<Entry>, commit: u64) -> Message {
    let entries = Entries::from(entries);
    let body = Body::Append { previous, entries, commit: Index(commit), confirm: None };
    Message { term: Term(round), body }
}

/// A lone follower with a log of these terms, all of which `N1` led.
fn follower(terms: &[u64]) -> World<Strict> {
    let mut world = World::new(3, Strict, 1);
    world.seed_log(N2, terms, |_| N1);
    world.start(N2);
    world
}

fn tell(world: &mut World<Strict>, message: Message) -> Vec<AppendResult> {
    world.handle(N2, Input::Message { from: N1, message });
    let host = world.nodes.get_mut(&N2).expect("the node is up");
    let effects = host.engine.effects();
    let mut messages = effects.messages;
    if let Some(batch) = effects.write {
        host.engine.handle(world.now, Input::Persisted { write: batch.id });
        messages.extend(host.engine.effects().messages);
    }
    world.misbehaved.extend(effects.misbehaved.into_iter().map(|report| (N2, report)));
    let result = |envelope: Envelope<Message>| match envelope.message.body {
        Body::AppendReply { result, .. } => Some(result),
        _ => None,
    };
    messages.into_iter().filter_map(result).collect()
}

fn matched(index: u64) -> AppendResult {
    AppendResult::Matched { index: Index(index) }
}

/// openraft `9540c904`, redpanda#17895: entries that are there stay, and so does what follows.
#[test]
fn lesson_16_a_late_duplicate_truncates_nothing() {
    let mut world = follower(&[]);
    let first = append(1, Position::ZERO, vec![entry(1, 1, N1)], 0);
    let both = append(1, Position::ZERO, vec![entry(1, 1, N1), entry(2, 1, N1)], 2);
    assert_eq!(tell(&mut world, first.clone()), [matched(1)]);
    assert_eq!(tell(&mut world, both), [matched(2)]);
    assert_eq!(tell(&mut world, first), [matched(2)], "it reports all it holds of this leader");
    assert_eq!(world.terms(N2), [1, 1]);
}

#[test]
fn a_conflict_removes_what_the_leader_does_not_have() {
    let mut world = follower(&[1, 2, 2, 2]);
    let message = append(3, position(1, 1, N1), vec![entry(2, 3, N1)], 1);
    assert_eq!(tell(&mut world, message), [matched(1), matched(2)]);
    assert_eq!(world.terms(N2), [1, 3]);
    assert_eq!(world.misbehaved, []);
}

#[test]
fn appends_are_acknowledged_when_they_are_durable() {
    let mut world = led_by_n1();
    world.propose(N1);
    world.drain(N1);
    for message in world.take_messages(N1, N2) {
        world.deliver_message(N1, N2, message);
    }
    world.drain(N2);
    assert_eq!(world.take_messages(N2, N1), []);
    world.sync_one(N2);
    world.drain(N2);
    let [answer] = world.take_messages(N2, N1).try_into().expect("one answer");
    assert!(matches!(answer.body, Body::AppendReply { result, .. } if result == matched(2)));
}

/// etcd#14370: a single node answered before its disk did, and lost data.
#[test]
fn lesson_15_the_leaders_own_copy_counts_when_it_is_durable() {
    let mut world = World::new(1, Strict, 1);
    world.start_all();
    world.elect(N1);
    let id = world.propose(N1);
    world.drain_all();
    world.drain_all();
    assert!(!world.outcomes.contains_key(&id));
    world.sync_one(N1);
    world.drain_all();
    assert_eq!(world.outcomes[&id], Proposed::Committed { index: Index(2) });
}

/// Raft paper §5.4.2 and Figure 8, dissertation Figure 3.7: an entry of an older term on a majority
/// is not committed by counting, for it may still be overwritten.
#[test]
fn lesson_1_only_own_entries_are_committed_by_counting() {
    fn figure_8(rules: impl Rules) -> Index {
        let mut world = World::new(5, rules, 1);
        world.watch = Watch::Off;
        // S1 led term 2 and left entry 2 on itself and S2; S5 led term 3.
        world.seed_log(N1, &[1, 2], |_| N1);
        world.seed_log(N2, &[1, 2], |_| N1);
        for node in [3, 4, 5] {
            world.seed_log(NodeId(node), &[1], |_| N1);
        }
        world.disks.get_mut(&N1).expect("a disk").hard.promise.round = 3;
        for node in [N1, N2, N3] {
            world.start(node);
        }
        // S1 leads term 4 and replicates entry 2, but its own entry gets nowhere.
        world.handle(N1, Input::Campaign);
        for _ in 0..40 {
            world.drain_all();
            for (from, to, mut message) in core::mem::take(&mut world.network) {
                if let Body::Append { entries, commit, .. } = &mut message.body {
                    let old = |entry: &Entry| entry.ballot.round < 4;
                    *entries = entries.iter().filter(|e| old(e)).cloned().collect();
                    *commit = (*commit).min(Index(2));
                }
                world.deliver_message(from, to, message);
            }
            for node in [N1, N2, N3] {
                world.sync_one(node);
            }
        }
        assert_eq!(world.terms(N3), [1, 2], "a majority holds entry 2");
        world.status(N1).committed
    }
    assert_eq!(figure_8(Strict), Index::ZERO);
    assert_eq!(figure_8(Mutant(Rule::CommitOlderTerm)), Index(2));
}

/// etcd `raft.go`: what a heartbeat commits must be in the receiver's log, with that ballot.
#[test]
fn lesson_18_a_heartbeat_commits_only_what_is_verified() {
    let mut world = follower(&[1, 1, 2]);
    let beat = |commit| Message {
        term: Term(4),
        body: Body::Heartbeat { commit, confirm: Confirmation(1) },
    };
    tell(&mut world, beat(position(3, 3, N1)));
    assert_eq!(world.status(N2).committed, Index::ZERO, "entry 3 is of term 2 here");
    tell(&mut world, beat(position(9, 2, N1)));
    assert_eq!(world.status(N2).committed, Index::ZERO, "etcd#10166: nothing panics either");
    tell(&mut world, beat(position(2, 1, N1)));
    assert_eq!(world.status(N2).committed, Index(2));
    assert_eq!(world.misbehaved, []);
}

#[test]
fn an_append_commits_only_what_it_carries_up_to() {
    let mut world = follower(&[1, 2, 2, 2]);
    // The leader of term 3 has committed 4 entries, of which this node has verified one.
    tell(&mut world, append(3, position(1, 1, N1), vec![], 4));
    assert_eq!(world.status(N2).committed, Index(1));
}

/// etcd `raft.go`, `stepLeader`: hints on both sides make one round trip per term, not per entry.
#[test]
fn lesson_30_a_divergent_tail_is_found_in_one_probe_per_term() {
    let mut world = World::new(3, Strict, 1);
    let long: Vec<u64> = [1; 10].into_iter().chain([4; 200]).chain([6; 200]).collect();
    let astray: Vec<u64> = [1; 10].into_iter().chain([2; 300]).chain([3; 300]).collect();
    world.seed_log(N1, &long, |_| N1);
    world.seed_log(N3, &long, |_| N1);
    world.seed_log(N2, &astray, |_| N2);
    world.start_all();
    world.elect(N1);
    let steps = world
        .traces
        .iter()
        .filter(|(_, event)| matches!(event.what, What::Backtracked { peer, .. } if peer == N2));
    assert!(steps.count() <= 3);
    assert_eq!(world.terms(N2), world.terms(N1));
}

/// etcd#14633: everything in a full window was lost; the follower is alive; the leader asks.
#[test]
fn lesson_29_a_full_window_that_lost_everything_is_probed() {
    fn caught_up(rules: impl Rules) -> bool {
        let mut world = World::new(3, rules, 1);
        world.config.window_messages_max = 2;
        world.start_all();
        world.elect(N1);
        for _ in 0..6 {
            world.propose(N1);
            world.drain(N1);
            let lost = world.take_messages(N1, N2);
            assert!(lost.len() <= 1);
            world.settle();
        }
        world.pass(millis(60));
        world.status(N2).last == world.status(N1).last
    }
    assert!(caught_up(Strict));
    assert!(!caught_up(Mutant(Rule::SkipProbe)));
}

#[test]
fn followers_learn_of_a_commit_without_waiting_for_a_heartbeat() {
    let mut world = led_by_n1();
    world.propose(N1);
    world.settle();
    assert_eq!(world.status(N2).committed, Index(2));
    assert_eq!(world.status(N3).applied, Index(2));
}

#[test]
fn one_drain_makes_one_append_per_peer_and_one_write() {
    let mut world = led_by_n1();
    for _ in 0..100 {
        world.propose(N1);
    }
    world.drain(N1);
    assert_eq!(world.disks[&N1].queue.len(), 1);
    let sent = world.take_messages(N1, N2);
    let [Message { body: Body::Append { entries, .. }, .. }] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(entries.len(), 100);
}

/// redpanda#3003: a proposal succeeds when it is committed, not while it is in the log.
#[test]
fn lesson_17_a_proposal_that_was_overwritten_ends_as_displaced() {
    let mut world = led_by_n1();
    world.partition(&[N1], &[N2, N3]);
    let ids: Vec<ProposalId> = (0..3).map(|_| world.propose(N1)).collect();
    world.settle();
    world.pass(millis(400));
    let leader = world.leader().expect("the majority elects another");
    assert_ne!(leader, N1);
    assert!(ids.iter().all(|id| !world.outcomes.contains_key(id)), "nobody can know yet");
    world.cut.clear();
    world.pass(millis(50));
    for id in &ids {
        assert_eq!(world.outcomes[id], Proposed::Displaced);
    }
}

#[test]
fn a_deposed_leaders_proposal_may_still_be_committed() {
    let mut world = led_by_n1();
    let id = world.propose(N1);
    world.drain(N1);
    for message in world.take_messages(N1, N2) {
        world.deliver_message(N1, N2, message);
    }
    world.drain(N2);
    world.sync_one(N2);
    // N2 holds the entry durably, and its answer is lost with N1's connection.
    world.network.clear();
    world.partition(&[N1], &[N2, N3]);
    world.handle(N2, Input::Disconnected { peer: N1 });
    world.handle(N3, Input::Disconnected { peer: N1 });
    world.pass(millis(400));
    assert_eq!(world.leader(), Some(N2));
    world.cut.clear();
    world.pass(millis(50));
    assert_eq!(world.outcomes[&id], Proposed::Committed { index: Index(2) });
}

/// raft-rs `lib.rs`, tikv#4560: the state machine's durable state may be ahead of the durable
/// commit mark, and what is applied is committed.
#[test]
fn lesson_37_applied_may_exceed_the_durable_commit_mark() {
    let mut world = World::new(3, Strict, 1);
    world.seed_log(N2, &[1, 1, 1], |_| N1);
    let disk = world.disks.get_mut(&N2).expect("a disk");
    disk.applied.0 = Index(2);
    disk.hard.committed = Index(1);
    world.start(N2);
    assert_eq!(world.status(N2).committed, Index(2));
}

#[test]
fn entries_are_handed_over_once_committed_and_durable() {
    let mut world = led_by_n1();
    let before = world.nodes[&N1].delivered;
    world.propose(N1);
    world.drain(N1);
    for _ in 0..4 {
        for (from, to, message) in core::mem::take(&mut world.network) {
            world.deliver_message(from, to, message);
        }
        world.sync_one(N2);
        world.sync_one(N3);
        world.drain_all();
    }
    assert_eq!(world.status(N1).committed, Index(2), "two disks are a quorum");
    assert_eq!(world.nodes[&N1].delivered, before, "the leader's own disk has not answered");
    world.settle();
    assert_eq!(world.nodes[&N1].delivered, Index(2));
}

/// A world where N3 needs what N1 has compacted.
fn lagging() -> World<Strict> {
    let mut world = led_by_n1();
    world.crash(N3);
    for _ in 0..5 {
        world.propose(N1);
        world.settle();
    }
    world.checkpoint(N1);
    world.checkpoint(N2);
    world.settle();
    assert_eq!(world.status(N1).compacted, Index(6));
    world.start(N3);
    world
}

#[test]
fn a_snapshot_reconnects_a_log_that_lags_behind_the_compacted_part() {
    let mut world = lagging();
    world.propose(N1);
    world.pass(millis(400));
    assert_eq!(world.nodes[&N3].applied, world.nodes[&N1].applied);
    assert!(world.marks.contains_key("snapshot installed"));
}

/// Its match has no ballot any more, so nothing can be said about it; not even once per drain.
#[test]
fn a_peer_that_waits_for_a_snapshot_is_not_told_of_commits() {
    let mut world = led_by_n1();
    world.propose(N1);
    world.settle();
    world.partition(&[N3], &[N1, N2]);
    for _ in 0..5 {
        world.propose(N1);
        world.settle();
    }
    world.checkpoint(N1);
    world.cut.clear();
    world.is_host_idle = true;
    world.pass(millis(50));
    assert_eq!(world.status(N1).peers[1].flow, Flow::Snapshot);
    world.propose(N1);
    world.settle();
    for _ in 0..5 {
        world.drain(N1);
        assert_eq!(world.network, []);
    }
}

/// etcd#10225: a host that never reports must not park the peer for ever.
#[test]
fn lesson_27_a_snapshot_that_nobody_reports_is_asked_for_again() {
    let mut world = lagging();
    world.is_host_idle = true;
    let silence = world.config.election_timeout * 60;
    world.pass(silence * 2);
    let wants = |errand: &&Errand| matches!(errand, Errand::Snapshot { .. });
    let asked = world.errands.iter().filter(wants).count();
    assert!((2..=3).contains(&asked), "{asked} requests in two silences");
}

#[test]
fn a_failed_snapshot_is_asked_for_again() {
    let mut world = lagging();
    while world.errands.is_empty() {
        world.now = world.now + millis(1);
        world.wake_due(N1);
        world.drain_all();
        for (from, to, message) in core::mem::take(&mut world.network) {
            world.deliver_message(from, to, message);
        }
    }
    world.errands.clear();
    world.handle(N1, Input::SnapshotFailed { to: N3 });
    world.pass(millis(600));
    assert_eq!(world.nodes[&N3].applied, world.nodes[&N1].applied);
}

/// A full peer cannot take the probe of a new leader. That says nothing of where their logs agree:
/// it needs no snapshot (simulator, default seed 699038031823460884).
#[test]
fn a_full_peer_of_a_new_leader_is_not_sent_a_snapshot() {
    let mut world = World::new(3, Strict, 1);
    world.config.append_bytes_max = 100;
    world.start_all();
    world.elect(N1);
    world.handle(N2, Input::Storage(StorageState::Full));
    world.propose_bytes(N1, 200);
    world.settle();
    for node in [N1, N2, N3] {
        world.checkpoint(node);
    }
    world.settle();
    world.is_host_idle = true;
    world.handle(N1, Input::Transfer { id: RequestId(1), to: N3 });
    world.pass(millis(600));
    assert_eq!(world.leader(), Some(N3));
    let is_wanted = |errand: &Errand| matches!(errand, Errand::Snapshot { .. });
    assert!(!world.errands.iter().any(is_wanted), "what it holds was offered");
    assert!(world.status(N2).last < world.status(N3).last, "it took what it has no room for");
    world.handle(N2, Input::Storage(StorageState::Writable));
    world.pass(millis(600));
    assert_eq!(world.status(N2).applied, world.status(N3).last);
}

fn snapshot_at(index: u64, round: u64) -> Message {
    let meta = Meta {
        index: Index(index),
        ballot: Ballot { round, node: N1 },
        time: ClusterTime(0),
        members: Members::of_voters([N1, N2, N3]),
    };
    Message { term: Term(round.max(3)), body: Body::Snapshot { meta: Box::new(meta) } }
}

/// openraft `eed681d5`, `ac3e5a89`: a snapshot behind the commit mark, or of a log that this node
/// holds, changes nothing.
#[test]
fn lesson_28_a_stale_snapshot_changes_nothing() {
    let mut world = follower(&[1, 1, 2, 2]);
    tell(&mut world, append(3, position(3, 2, N1), vec![], 3));
    assert_eq!(tell(&mut world, snapshot_at(2, 1)), [matched(3)]);
    assert_eq!(world.terms(N2), [1, 1, 2, 2]);
    assert_eq!(tell(&mut world, snapshot_at(4, 2)), [matched(4)], "it holds that very position");
    assert_eq!((world.status(N2).committed, world.status(N2).compacted), (Index(4), Index::ZERO));
}

#[test]
fn a_snapshot_replaces_a_log_that_conflicts_and_is_acknowledged_when_installed() {
    let mut world = follower(&[1, 1, 2, 2]);
    let message = snapshot_at(3, 3);
    world.handle(N2, Input::Message { from: N1, message: message.clone() });
    let engine = &mut world.nodes.get_mut(&N2).expect("up").engine;
    let effects = engine.effects();
    let Body::Snapshot { meta } = message.body else { unreachable!() };
    let batch = effects.write.expect("the install is written");
    assert!(batch.writes.contains(&Write::TruncateFrom(Index(4))), "what conflicts goes");
    assert!(batch.writes.contains(&Write::Install(Meta::clone(&meta))));
    assert_eq!(effects.install, Some(meta.clone()));
    assert_eq!(effects.messages, []);
    engine.handle(world.now, Input::Persisted { write: batch.id });
    assert_eq!(engine.effects().messages, [], "the state machine is not replaced yet");
    engine.handle(world.now, Input::Installed { meta });
    let answers = engine.effects().messages;
    let result = matched(3);
    let body = Body::AppendReply { result, storage: StorageState::Writable };
    let answer = Envelope { to: N1, message: Message { term: Term(3), body } };
    assert_eq!(answers, [answer]);
    assert_eq!(world.status(N2).applied, Index(3));
}

#[test]
fn a_proposal_under_a_snapshot_ends_as_unknown() {
    let mut world = led_by_n1();
    world.partition(&[N1], &[N2, N3]);
    let id = world.propose(N1);
    world.settle();
    world.pass(millis(400));
    let leader = world.leader().expect("the majority elects another");
    for _ in 0..5 {
        world.propose(leader);
        world.settle();
    }
    world.checkpoint(N2);
    world.checkpoint(N3);
    world.settle();
    world.cut.clear();
    world.pass(millis(500));
    assert_eq!(world.outcomes[&id], Proposed::Unknown);
    assert_eq!(world.nodes[&N1].applied, world.nodes[&leader].applied);
}

/// canonical/raft#329, camunda#57386: a configuration counts from the moment it is in the log, and
/// truncating it brings the one before back.
#[test]
fn lesson_26_truncating_a_configuration_restores_the_one_before() {
    let mut world = follower(&[1]);
    world.watch = Watch::Off;
    let bigger = Members::of_voters((1..=5).map(NodeId));
    let change = Entry { payload: Payload::Members(Box::new(bigger.clone())), ..entry(2, 1, N1) };
    tell(&mut world, append(1, position(1, 1, N1), vec![change.clone()], 1));
    assert_eq!(world.status(N2).members, bigger);
    // The next leader does not have it.
    let message = append(2, position(1, 1, N1), vec![entry(2, 2, N1)], 1);
    tell(&mut world, message);
    assert_eq!(world.status(N2).members, Members::of_voters([N1, N2, N3]));
    // One found on the disk counts too.
    world.disks.get_mut(&N2).expect("a disk").entries.insert(Index(2), change);
    world.crash(N2);
    world.start(N2);
    assert_eq!(world.status(N2).members, bigger);
}

#[test]
fn stamps_never_decrease_and_pause_without_a_leader() {
    let mut world = led_by_n1();
    world.pass(millis(50));
    world.propose(N1);
    world.settle();
    world.crash(N1);
    world.pass(millis(300));
    let leader = world.leader().expect("another leads");
    world.propose(leader);
    world.settle();
    let stamps: Vec<u64> =
        world.disks[&leader].entries.values().map(|entry| entry.time.0 / 1_000).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    let (before, resumed) = (stamps[1], stamps[2]);
    assert!((50..60).contains(&before), "{stamps:?}");
    assert_eq!(resumed, before, "a new leader resumes where the log ends");
}
