//! Bounds, and messages that no correct node sends.

use bytes::Bytes;

use super::world::{N1, N2, N3, Watch, World, millis};
use crate::log::Position;
use crate::raft::{AppendResult, Body, Cause, Confirmation, Message, Raft, Term, Verdict};
use crate::*;

fn led_by_n1(configure: fn(&mut Config)) -> World<Strict> {
    let mut world = World::new(3, Strict, 1);
    configure(&mut world.config);
    world.start_all();
    world.elect(N1);
    world
}

/// cockroach#27983: what awaits a quorum is bounded, in number and in bytes.
#[test]
fn lesson_41_proposals_in_flight_are_bounded() {
    let mut world = led_by_n1(|config| {
        config.in_flight_max = 4;
        config.in_flight_bytes_max = 1_000;
    });
    let ids: Vec<ProposalId> = (0..5).map(|_| world.propose(N1)).collect();
    world.settle();
    let overloaded = Proposed::Refused(Refusal::Overloaded { in_flight_max: 4 });
    assert!(matches!(world.outcomes[&ids[3]], Proposed::Committed { .. }));
    assert_eq!(world.outcomes[&ids[4]], overloaded);

    let large: Vec<ProposalId> = (0..2).map(|_| world.propose_bytes(N1, 600)).collect();
    world.settle();
    assert!(matches!(world.outcomes[&large[0]], Proposed::Committed { .. }));
    assert_eq!(world.outcomes[&large[1]], overloaded);

    let huge = world.propose_bytes(N1, 5_000);
    world.settle();
    assert!(matches!(world.outcomes[&huge], Proposed::Committed { .. }), "one alone always fits");
}

#[test]
fn a_peer_that_does_not_answer_is_sent_one_window() {
    let mut world = led_by_n1(|config| {
        config.window_messages_max = 3;
        config.append_bytes_max = 1;
    });
    for _ in 0..10 {
        world.propose(N1);
    }
    world.drain(N1);
    world.drain(N1);
    assert_eq!(world.take_messages(N1, N2).len(), 3);
    assert_eq!(world.status(N1).peers[0].in_flight, 3);
    world.pass(millis(50));
    assert_eq!(world.status(N2).last, Index(11));
}

#[test]
fn what_is_not_applied_is_bounded() {
    let mut world = led_by_n1(|config| config.apply_bytes_max = 200);
    for _ in 0..10 {
        world.propose(N1);
    }
    for _ in 0..10 {
        world.drain_all();
        for (from, to, message) in core::mem::take(&mut world.network) {
            world.deliver_message(from, to, message);
        }
        for node in [N1, N2, N3] {
            world.sync_one(node);
        }
    }
    let host = &world.nodes[&N1];
    assert_eq!(world.status(N1).committed, Index(11));
    assert_eq!(host.inbox.len(), 2, "each entry costs 80 bytes, and none is applied");
    world.settle();
    assert_eq!(world.status(N1).applied, Index(11));
}

#[test]
fn entries_that_left_memory_come_back_from_the_disk() {
    let mut world = led_by_n1(|config| config.tail_bytes_max = 0);
    world.crash(N3);
    for _ in 0..10 {
        world.propose(N1);
        world.settle();
    }
    world.start(N3);
    world.pass(millis(100));
    assert!(world.marks.contains_key("fetched"));
    assert_eq!(world.nodes[&N3].applied, world.nodes[&N1].applied);
}

#[test]
fn a_follower_whose_disk_is_behind_takes_no_more() {
    let mut world = led_by_n1(|config| {
        config.tail_bytes_max = 100;
        config.window_bytes_max = 100;
    });
    let term = Term(1);
    let ballot = term.ballot(N1);
    let mut results = Vec::new();
    for at in 1..4 {
        let previous = Position { ballot, index: Index(at) };
        let entry = Entry {
            index: Index(at + 1),
            ballot,
            born: ballot,
            id: None,
            time: ClusterTime(1 << 40),
            payload: Payload::Command(Bytes::from_static(&[0; 100])),
        };
        let entries = Entries::from(entry);
        let body = Body::Append { previous, entries, commit: Index(0), confirm: None };
        world.handle(N2, Input::Message { from: N1, message: Message { term, body } });
        world.drain(N2);
        results.extend(world.take_messages(N2, N1));
    }
    let busy = AppendResult::Busy;
    let answer = Body::AppendReply { result: busy, storage: StorageState::Writable };
    assert_eq!(results, [Message { term, body: answer.clone() }, Message { term, body: answer }]);
    assert_eq!(world.status(N2).last, Index(2));
}

#[test]
fn reconfiguration_is_refused_plainly() {
    let mut world = led_by_n1(|_| ());
    let id = ProposalId { node: N1, incarnation: Incarnation(1), sequence: 99 };
    let host = world.nodes.get_mut(&N1).expect("up");
    let change = Change::Remove { node: N3 };
    host.engine.handle(world.now, Input::Reconfigure { id, change });
    let refused = Proposed::Refused(Refusal::Unsupported);
    assert_eq!(host.engine.effects().outcomes, [Outcome::Proposal { id, result: refused }]);
}

#[test]
fn engines_can_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Raft>();
}

fn position(index: u64, round: u64) -> Position {
    Position { ballot: Ballot { round, node: N1 }, index: Index(index) }
}

fn entry(index: u64, round: u64, node: NodeId) -> Entry {
    Entry {
        index: Index(index),
        ballot: Ballot { round, node },
        born: Ballot { round, node },
        id: None,
        time: ClusterTime(index),
        payload: Payload::Noop,
    }
}

fn append(previous: Position, entries: Vec<Entry>) -> Body {
    Body::Append { previous, entries: entries.into(), commit: Index(0), confirm: None }
}

/// Messages of term 5 that `N1`, or whoever is named, can never have sent.
fn impossible() -> Vec<(NodeId, u64, Body)> {
    let max = u64::MAX;
    let members = Members::of_voters([N1]);
    let meta = |index, round| Meta {
        index: Index(index),
        ballot: Ballot { round, node: N1 },
        time: ClusterTime(0),
        members: members.clone(),
    };
    let reply = |result| Body::AppendReply { result, storage: StorageState::Writable };
    let heartbeat = |commit| Body::Heartbeat { commit, confirm: Confirmation(max) };
    vec![
        (N2, 5, append(Position::ZERO, vec![])),
        (NodeId(0), 5, append(Position::ZERO, vec![])),
        (N1, 0, append(Position::ZERO, vec![])),
        (N1, max, append(Position::ZERO, vec![])),
        (N1, 5, append(position(max, 1), vec![entry(1, 1, N1)])),
        (N1, 5, append(position(max, 1), vec![])),
        (N1, 5, append(position(1, 0), vec![])),
        (N1, 5, append(position(1, 6), vec![])),
        (N1, 5, append(Position::ZERO, vec![entry(2, 1, N1)])),
        (N1, 5, append(Position::ZERO, vec![entry(1, 1, N1), entry(3, 1, N1)])),
        (N1, 5, append(Position::ZERO, vec![entry(1, 3, N1), entry(2, 2, N1)])),
        (N1, 5, append(Position::ZERO, vec![entry(1, 2, N1), entry(2, 2, N3)])),
        (N1, 5, append(Position::ZERO, vec![entry(1, 5, N3)])),
        (N1, 5, append(Position::ZERO, vec![entry(1, 6, N1)])),
        (N1, 5, append(Position::ZERO, vec![entry(1, 0, N1)])),
        (N1, 5, heartbeat(position(max, 1))),
        (N1, 5, heartbeat(position(3, 6))),
        (N1, 5, Body::Vote { last: position(3, 5), cause: Cause::LeaderLost }),
        (N1, 5, Body::PreVote { last: position(3, 6) }),
        (N1, 5, Body::Snapshot { meta: Box::new(meta(0, 0)) }),
        (N1, 5, Body::Snapshot { meta: Box::new(meta(max, 1)) }),
        (N1, 5, Body::Snapshot { meta: Box::new(meta(4, 9)) }),
        (N1, 5, reply(AppendResult::Matched { index: Index(max) })),
        (N1, 5, reply(AppendResult::Rejected { refused: Index(max), hint: position(1, 1) })),
        (N1, 5, reply(AppendResult::Rejected { refused: Index(2), hint: position(2, 1) })),
        (N1, 5, reply(AppendResult::Rejected { refused: Index(0), hint: Position::ZERO })),
    ]
}

#[test]
fn impossible_messages_are_reported_and_change_nothing() {
    for (from, term, body) in impossible() {
        let mut world = World::new(3, Strict, 1);
        world.start(N2);
        let engine = &mut world.nodes.get_mut(&N2).expect("up").engine;
        let before = engine.fingerprint();
        let message = Message { term: Term(term), body };
        engine.handle(world.now, Input::Message { from, message: message.clone() });
        assert_eq!(engine.fingerprint(), before, "{message:?}");
        let effects = engine.effects();
        assert_eq!(effects.misbehaved.len(), 1, "{message:?}");
        assert_eq!(effects.messages, []);
    }
}

#[test]
fn messages_that_contradict_the_state_are_reported_and_change_nothing() {
    let term = Term(1);
    let state = StorageState::Writable;
    let to_leader = [
        append(position(1, 1), vec![]),
        Body::Heartbeat { commit: Position::ZERO, confirm: Confirmation(1) },
        Body::AppendReply { result: AppendResult::Matched { index: Index(9) }, storage: state },
        Body::HeartbeatReply { confirm: Confirmation(99), storage: state },
        Body::TimeoutNow,
    ];
    let mut world = led_by_n1(|_| ());
    world.settle();
    world.watch = Watch::Off;
    for body in to_leader {
        world.handle(N1, Input::Message { from: N2, message: Message { term, body } });
        world.drain(N1);
        assert_eq!(world.misbehaved.len(), 1);
        world.misbehaved.clear();
    }
    // Entry 1 of term 1 is committed at N2.
    let to_follower = [
        (term, append(Position::ZERO, vec![entry(1, 1, N1), entry(2, 1, N1)]), 0),
        (Term(3), append(position(1, 2), vec![]), 1),
        (Term(3), append(Position::ZERO, vec![entry(1, 2, N1)]), 1),
        (Term(3), Body::Heartbeat { commit: position(1, 2), confirm: Confirmation(1) }, 1),
    ];
    for (term, body, reports) in to_follower {
        world.handle(N2, Input::Message { from: N1, message: Message { term, body } });
        world.drain(N2);
        assert_eq!(world.misbehaved.len(), reports);
        world.misbehaved.clear();
        assert_eq!(world.status(N2).committed, Index(1));
    }
    // A leader never replaces its own entry.
    let next = Entry { time: ClusterTime(1 << 40), ..entry(3, 3, N1) };
    for previous in [position(2, 1), position(2, 3)] {
        let second = Entry { ballot: previous.ballot, born: previous.ballot, ..entry(2, 3, N1) };
        let body = append(position(1, 1), vec![second, next.clone()]);
        world.handle(N2, Input::Message { from: N1, message: Message { term: Term(3), body } });
        world.drain(N2);
    }
    assert_eq!(world.misbehaved.len(), 1);
}

/// Any message of any shape from any node: no panic, and the checks hold.
#[test]
fn random_messages_never_panic() {
    for seed in 0..300 {
        let mut world = World::new(3, Strict, seed);
        world.start_all();
        world.elect(N1);
        for _ in 0..3 {
            world.propose(N1);
            world.settle();
        }
        let node = NodeId(world.below(3) + 1);
        for _ in 0..60 {
            let (from, message) = random_message(&mut world);
            let engine = &mut world.nodes.get_mut(&node).expect("up").engine;
            let is_install = Raft::<Strict>::snapshot_in(&message).is_some();
            if !is_install {
                engine.handle(world.now, Input::Message { from, message });
            }
            if let Some(batch) = engine.effects().write {
                engine.handle(world.now, Input::Persisted { write: batch.id });
            }
        }
    }
}

fn number(world: &mut World<Strict>) -> u64 {
    match world.below(10) {
        0 => u64::MAX,
        1 => 1 << 62,
        _ => world.below(7),
    }
}

fn random_position(world: &mut World<Strict>) -> Position {
    let ballot = Ballot { round: number(world), node: NodeId(world.below(4)) };
    Position { ballot, index: Index(number(world)) }
}

fn random_message(world: &mut World<Strict>) -> (NodeId, Message) {
    let last = random_position(world);
    let index = Index(number(world));
    let confirm = Confirmation(number(world));
    let storage = if world.chance(50) { StorageState::Full } else { StorageState::Writable };
    let verdict = if world.chance(50) { Verdict::Granted } else { Verdict::Refused };
    let asked = Term(number(world));
    let body = match world.below(12) {
        0 => Body::PreVote { last },
        1 => Body::PreVoteReply { asked, verdict },
        2 => Body::Vote { last, cause: Cause::LeaderLost },
        3 => Body::Vote { last, cause: Cause::Transfer },
        4 => Body::VoteReply { asked, verdict },
        5 | 6 => {
            let mut at = last.index;
            let entries = (0..world.below(4)).map(|_| {
                at = if world.chance(90) { Index(at.0.wrapping_add(1)) } else { index };
                entry(at.0, last.ballot.round, last.ballot.node)
            });
            let entries: Vec<Entry> = entries.collect();
            append(last, entries)
        }
        7 => {
            let result = AppendResult::Rejected { refused: index, hint: last };
            Body::AppendReply { result, storage }
        }
        8 => Body::AppendReply { result: AppendResult::Matched { index }, storage },
        9 => Body::Heartbeat { commit: last, confirm },
        10 => Body::HeartbeatReply { confirm, storage },
        _ => Body::TimeoutNow,
    };
    (NodeId(world.below(4)), Message { term: Term(number(world)), body })
}
