//! Elections, votes, stickiness, transfer, and leaders that should not go on.

use super::world::{N1, N2, N3, Watch, World, millis};
use crate::log::Position;
use crate::raft::{Body, Cause, Confirmation, Message, Term, Verdict};
use crate::*;

fn three() -> World<Strict> {
    let mut world = World::new(3, Strict, 1);
    world.start_all();
    world
}

fn led_by_n1() -> World<Strict> {
    let mut world = three();
    world.elect(N1);
    world
}

fn count(messages: &[Message], is_wanted: fn(&Body) -> bool) -> usize {
    messages.iter().filter(|message| is_wanted(&message.body)).count()
}

/// A node on a fresh disk.
fn fresh(voters: &[NodeId], seed: u64) -> raft::Raft<Strict> {
    let members = Members::of_voters(voters.iter().copied());
    let (ballot, time) = (Ballot::ZERO, ClusterTime::default());
    let recovered = Recovered {
        hard: HardState::default(),
        meta: Meta { index: Index::ZERO, ballot, time, members },
        ballots: Vec::new(),
        tail: Vec::new(),
        configurations: Vec::new(),
        applied: Index::ZERO,
        time,
    };
    Engine::new(Config::new(N1), Strict, Seed(seed), recovered, Instant::ORIGIN)
}

/// A living leader is given two heartbeats to speak; a whole timeout would only delay a start.
#[test]
fn the_first_election_after_a_start_comes_early() {
    let config = Config::new(N1);
    let least = Instant::ORIGIN + config.heartbeat_interval * 2;
    let most = least + config.election_timeout / 2;
    for seed in 0..100 {
        let deadline = fresh(&[N1, N2, N3], seed).deadline().expect("it waits for a leader");
        assert!(least <= deadline && deadline <= most, "seed {seed}: {deadline:?}");
        assert_eq!(fresh(&[N1], seed).deadline(), Some(Instant::ORIGIN), "it need not wait");
    }
}

/// Raft paper §5.2: the vote and its term are on the disk before the answer leaves (openraft
/// `io_ordering.md`, etcd `raft.go` `send`).
#[test]
fn lesson_13_a_vote_waits_for_the_disk() {
    let mut world = three();
    world.handle(N1, Input::Campaign);
    world.drain(N1);
    let [ask] = world.take_messages(N1, N2).try_into().expect("one pre-vote");
    world.deliver_message(N1, N2, ask);
    world.drain(N2);
    let [may] = world.take_messages(N2, N1).try_into().expect("one answer");
    world.deliver_message(N2, N1, may);
    world.drain(N1);
    assert_eq!(world.take_messages(N1, N2), [], "the candidate's own vote is not durable");
    world.sync_one(N1);
    world.drain(N1);
    let [vote] = world.take_messages(N1, N2).try_into().expect("one request");
    world.deliver_message(N1, N2, vote);
    world.drain(N2);
    assert_eq!(world.take_messages(N2, N1), [], "the vote is not durable");
    world.sync_one(N2);
    world.drain(N2);
    let granted = Body::VoteReply { asked: Term(1), verdict: Verdict::Granted };
    assert_eq!(world.take_messages(N2, N1), [Message { term: Term(1), body: granted }]);
}

/// A grant whose term has passed by the time it is durable is void.
#[test]
fn a_held_vote_is_dropped_when_its_term_is_over() {
    let mut world = three();
    world.watch = Watch::Off;
    let ask = |term| Message {
        term: Term(term),
        body: Body::Vote { last: Position::ZERO, cause: Cause::LeaderLost },
    };
    world.handle(N2, Input::Message { from: N1, message: ask(1) });
    world.drain(N2);
    world.handle(N2, Input::Message { from: N3, message: ask(2) });
    world.drain(N2);
    world.sync_one(N2);
    world.sync_one(N2);
    world.drain(N2);
    assert_eq!(world.take_messages(N2, N1), []);
    assert_eq!(world.take_messages(N2, N3).len(), 1);
}

/// etcd#8334, raft-rs#84: two nodes whose leader died must not refuse each other because each
/// still remembers it.
#[test]
fn lesson_5_pre_candidates_forget_their_leader() {
    let mut world = led_by_n1();
    world.crash(N1);
    world.pass(millis(450));
    assert!(world.leader().is_some());
}

/// etcd#8501: a node that is behind asks in its own term and is told the newer one.
#[test]
fn lesson_6_a_pre_vote_of_an_older_term_is_answered_with_the_newer_one() {
    let mut world = led_by_n1();
    let message = Message { term: Term(0), body: Body::PreVote { last: Position::ZERO } };
    world.handle(N2, Input::Message { from: N3, message });
    world.drain(N2);
    let answer = Message { term: Term(1), body: Body::StaleTerm };
    assert_eq!(world.take_messages(N2, N3), [answer]);
}

/// Invariant R15: asking changes no term, here or there.
#[test]
fn a_pre_vote_never_raises_a_term() {
    let mut world = led_by_n1();
    let message = Message { term: Term(7), body: Body::PreVote { last: Position::ZERO } };
    world.handle(N2, Input::Message { from: N3, message });
    world.drain(N2);
    assert_eq!(world.status(N2).ballot.round, 1);
}

/// redpanda#31547: a node in a newer term answers everything with that term, so the leader catches
/// up and the cluster goes on.
#[test]
fn lesson_7_a_node_in_a_newer_term_is_not_stuck() {
    let mut world = three();
    world.watch = Watch::Off;
    world.crash(N3);
    world.disks.get_mut(&N3).expect("a node has a disk").hard.promise.round = 9;
    world.elect(N1);
    world.start(N3);
    world.pass(millis(600));
    let leader = world.leader().expect("a leader that all three follow");
    assert!(9 < world.status(leader).ballot.round);
    assert_eq!(world.status(N3).leader, Some(leader));
}

/// redpanda#2071: an append that does not fit still comes from a living leader.
#[test]
fn lesson_7_a_rejected_append_resets_the_election_timer() {
    let mut world = led_by_n1();
    let term = Term(1);
    let far = Position { ballot: term.ballot(N1), index: Index(99) };
    for _ in 0..60 {
        world.now = world.now + millis(5);
        let body = Body::Append {
            previous: far,
            entries: Entries::default(),
            commit: Index(0),
            confirm: None,
        };
        world.handle(N2, Input::Message { from: N1, message: Message { term, body } });
        world.wake_due(N2);
        world.drain(N2);
        assert_eq!(world.status(N2).role, Role::Follower);
    }
}

/// openraft#2080: a leader that a majority cannot hear must go silent, or it keeps a bridge node
/// from electing another.
#[test]
fn lesson_8_a_leader_without_a_quorum_goes_silent() {
    let mut world = World::new(5, Strict, 3);
    world.start_all();
    world.elect(N1);
    let others = [N3, NodeId(4), NodeId(5)];
    // N2 hears both sides; N1 hears only N2.
    world.partition(&[N1], &others);
    world.pass(millis(600));
    let leader = world.leader().expect("the connected majority elects");
    assert_ne!(leader, N1);
    assert_ne!(world.status(N1).role, Role::Leader);
}

#[test]
fn without_check_quorum_an_isolated_leader_leads_for_ever() {
    fn isolated(rules: impl Rules) -> Role {
        let mut world = World::new(3, rules, 3);
        world.start_all();
        world.elect(N1);
        world.partition(&[N1], &[N2, N3]);
        world.pass(millis(250));
        world.status(N1).role
    }
    assert_ne!(isolated(Strict), Role::Leader);
    assert_eq!(isolated(Mutant(Rule::SkipCheckQuorum)), Role::Leader);
}

/// Dissertation §9.6: a server that comes back from a partition disturbs nobody.
#[test]
fn a_rejoining_node_does_not_depose_the_leader() {
    let mut world = led_by_n1();
    world.partition(&[N3], &[N1, N2]);
    world.pass(millis(1_000));
    assert_eq!(world.status(N3).ballot.round, 1, "pre-votes raise no term");
    world.cut.clear();
    world.pass(millis(300));
    assert_eq!((world.leader(), world.status(N1).ballot.round), (Some(N1), 1));
}

/// etcd#10998, raft-rs#57: a promoted learner may not know yet that it votes.
#[test]
fn lesson_25_a_learner_grants_its_vote_and_never_campaigns() {
    let mut world = World::new(3, Strict, 1);
    for disk in world.disks.values_mut() {
        disk.meta.members.voters.remove(&N3);
        disk.meta.members.learners.insert(N3);
    }
    world.start_all();
    let body = Body::Vote { last: Position::ZERO, cause: Cause::LeaderLost };
    world.handle(N3, Input::Message { from: N1, message: Message { term: Term(1), body } });
    world.drain(N3);
    world.sync_one(N3);
    world.drain(N3);
    let granted = Body::VoteReply { asked: Term(1), verdict: Verdict::Granted };
    assert_eq!(world.take_messages(N3, N1), [Message { term: Term(1), body: granted }]);
    world.partition(&[N3], &[N1, N2]);
    world.pass(millis(1_000));
    assert_eq!((world.status(N3).role, world.status(N3).ballot.round), (Role::Follower, 1));
}

/// Raft paper §5.2: one vote in a term, even across a crash.
#[test]
fn a_vote_survives_a_crash() {
    let mut world = three();
    let message = Message {
        term: Term(1),
        body: Body::Vote { last: Position::ZERO, cause: Cause::LeaderLost },
    };
    world.handle(N3, Input::Message { from: N1, message: message.clone() });
    world.drain(N3);
    world.sync_one(N3);
    world.drain(N3);
    world.crash(N3);
    world.start(N3);
    world.network.clear();
    world.handle(N3, Input::Message { from: N2, message: message.clone() });
    world.handle(N3, Input::Message { from: N1, message });
    world.drain(N3);
    let refused = Body::VoteReply { asked: Term(1), verdict: Verdict::Refused };
    assert_eq!(world.take_messages(N3, N2), [Message { term: Term(1), body: refused }]);
    let again = Body::VoteReply { asked: Term(1), verdict: Verdict::Granted };
    assert_eq!(world.take_messages(N3, N1), [Message { term: Term(1), body: again }]);
}

/// Raft paper §5.4.1: the log that ends in the newer term, or is longer in the same, wins.
#[test]
fn only_a_log_that_is_not_behind_gets_a_vote() {
    fn verdict(rules: impl Rules, terms: &[u64], last: (u64, u64)) -> Verdict {
        let mut world = World::new(3, rules, 1);
        world.seed_log(N2, terms, |_| N3);
        world.start_all();
        let ballot = Ballot { round: last.0, node: N3 };
        let last = Position { ballot, index: Index(last.1) };
        let body = Body::Vote { last, cause: Cause::LeaderLost };
        world.handle(N2, Input::Message { from: N1, message: Message { term: Term(9), body } });
        world.drain(N2);
        world.sync_one(N2);
        world.drain(N2);
        let [answer] = world.take_messages(N2, N1).try_into().expect("one answer");
        match answer.body {
            Body::VoteReply { verdict, .. } => verdict,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(verdict(Strict, &[1, 2, 2], (2, 3)), Verdict::Granted);
    assert_eq!(verdict(Strict, &[1, 2, 2], (3, 1)), Verdict::Granted);
    assert_eq!(verdict(Strict, &[1, 2, 2], (2, 2)), Verdict::Refused);
    assert_eq!(verdict(Strict, &[1, 2, 2], (1, 9)), Verdict::Refused);
    let broken = Mutant(Rule::VoteForShorterLog);
    assert_eq!(verdict(broken, &[1, 2, 2], (2, 2)), Verdict::Granted);
}

#[test]
fn a_living_leader_keeps_its_votes_unless_it_hands_over() {
    let mut world = led_by_n1();
    let last = Position { ballot: Term(1).ballot(N1), index: Index(1) };
    let ask = |cause| Message { term: Term(2), body: Body::Vote { last, cause } };
    world.handle(N2, Input::Message { from: N3, message: ask(Cause::LeaderLost) });
    assert_eq!(world.status(N2).ballot.round, 1, "stickiness does not touch the term");
    world.handle(N2, Input::Message { from: N3, message: ask(Cause::Transfer) });
    assert_eq!(world.status(N2).ballot.round, 2);
}

#[test]
fn a_broken_connection_to_the_leader_makes_failover_fast() {
    let mut world = led_by_n1();
    world.pass(millis(30));
    world.crash(N1);
    world.handle(N2, Input::Disconnected { peer: N1 });
    world.handle(N3, Input::Disconnected { peer: N1 });
    world.pass(millis(20));
    assert!(world.leader().is_some(), "a tenth of the timeout, and a round or two");
}

#[test]
fn a_broken_connection_to_another_follower_means_nothing() {
    let mut world = led_by_n1();
    let before = world.nodes[&N2].engine.deadline();
    world.handle(N2, Input::Disconnected { peer: N3 });
    assert_eq!(world.nodes[&N2].engine.deadline(), before);
}

/// hashicorp/raft#503, #683: heartbeats alone must not keep a leader whose disk hangs.
#[test]
fn lesson_32_a_leader_whose_disk_stalls_steps_down_and_stays_down() {
    let mut world = led_by_n1();
    let id = world.propose(N1);
    // The others work, N1's disk does not.
    for _ in 0..400 {
        world.now = world.now + millis(1);
        for node in [N1, N2, N3] {
            world.wake_due(node);
        }
        world.drain_all();
        for (from, to, message) in core::mem::take(&mut world.network) {
            world.deliver_message(from, to, message);
        }
        for node in [N2, N3] {
            world.sync_one(node);
            world.apply_one(node);
        }
    }
    let leader = world.leader().expect("another leads");
    assert_ne!(leader, N1);
    assert!(matches!(world.outcomes[&id], Proposed::Committed { .. }), "two disks are enough");
    let stalled = TraceEvent {
        what: What::Became {
            role: Role::Follower,
            ballot: Ballot { round: 1, node: NodeId::default() },
        },
        reason: Reason::DiskStalled,
    };
    assert!(world.traces.contains(&(N1, stalled)));
    let ran = |(node, event): &(NodeId, TraceEvent)| {
        let ran = matches!(event.what, What::Became { role: Role::PreCandidate, .. });
        *node == N1 && ran && event.reason != Reason::Requested
    };
    assert!(!world.traces.iter().any(ran), "a stalled node does not campaign");
}

/// vault#14372: a full disk moves leadership away and leaves reads alone.
#[test]
fn lesson_34_a_full_disk_hands_leadership_to_a_node_with_room() {
    let mut world = led_by_n1();
    world.handle(N1, Input::Storage(StorageState::Full));
    let id = world.propose(N1);
    world.settle();
    let refused = matches!(world.outcomes[&id], Proposed::Refused(Refusal::Transferring { .. }));
    assert!(refused, "{:?}", world.outcomes[&id]);
    let leader = world.leader().expect("another leads");
    assert_ne!(leader, N1);
    assert_eq!(world.transfers, [], "nobody asked");
}

#[test]
fn where_every_disk_is_full_the_leader_stays_for_reads() {
    let mut world = led_by_n1();
    for node in [N2, N3, N1] {
        world.handle(node, Input::Storage(StorageState::Full));
        world.pass(millis(30));
    }
    world.pass(millis(300));
    let leader = world.leader().expect("reads need a leader");
    let (write, read) = (world.propose(leader), world.read(leader));
    world.settle();
    assert_eq!(world.outcomes[&write], Proposed::Refused(Refusal::StorageFull));
    assert!(world.reads[&read].is_ok());
}

#[test]
fn leadership_moves_on_request() {
    let mut world = led_by_n1();
    world.propose(N1);
    world.handle(N1, Input::Transfer { id: RequestId(1), to: N3 });
    world.settle();
    assert_eq!(world.leader(), Some(N3));
    assert_eq!(world.transfers, [(RequestId(1), Ok(()))]);
}

/// hashicorp/raft#696, openraft#2088, redpanda#24404: a transfer to a dead node blocks writes for
/// an election timeout and not longer.
#[test]
fn lesson_39_a_transfer_that_takes_too_long_ends() {
    let mut world = led_by_n1();
    world.crash(N3);
    world.propose(N1);
    world.settle();
    world.handle(N1, Input::Transfer { id: RequestId(1), to: N3 });
    let blocked = world.propose(N1);
    world.pass(millis(101));
    let free = world.propose(N1);
    world.pass(millis(5));
    let refused = Proposed::Refused(Refusal::Transferring { to: N3 });
    assert_eq!(world.outcomes[&blocked], refused);
    assert_eq!(world.transfers, [(RequestId(1), Err(TransferError::TimedOut))]);
    assert!(matches!(world.outcomes[&free], Proposed::Committed { .. }));
}

#[test]
fn a_transfer_says_what_is_wrong_with_it() {
    let mut world = led_by_n1();
    world.handle(N2, Input::Transfer { id: RequestId(1), to: N3 });
    world.handle(N1, Input::Transfer { id: RequestId(2), to: N1 });
    world.handle(N1, Input::Transfer { id: RequestId(3), to: NodeId(8) });
    world.drain_all();
    let bad = Err(TransferError::BadTarget);
    let mut ends = world.transfers.clone();
    ends.sort_by_key(|(id, _)| *id);
    let not_leader = Err(TransferError::NotLeader { leader: Some(N1) });
    assert_eq!(ends, [(RequestId(1), not_leader), (RequestId(2), bad), (RequestId(3), bad)]);
}

#[test]
fn an_idle_leader_speaks_once_an_interval_and_a_busy_one_less() {
    let mut world = led_by_n1();
    world.pass(millis(15));
    let is_heartbeat = |body: &Body| match body {
        Body::Heartbeat { confirm, .. } => *confirm != Confirmation::default(),
        _ => false,
    };
    let mut beats = 0;
    for _ in 0..100 {
        world.now = world.now + millis(1);
        for node in [N1, N2, N3] {
            world.wake_due(node);
        }
        world.drain_all();
        beats += count(&world.take_messages(N1, N2), is_heartbeat);
        world.settle();
    }
    // They were taken off the wire, so none was ever suppressed.
    assert!((9..=11).contains(&beats), "{beats}");
    for _ in 0..100 {
        world.propose(N1);
        world.now = world.now + millis(1);
        world.wake_due(N1);
        world.drain(N1);
        let sent: Vec<Message> =
            world.network.iter().map(|(_, _, message)| message.clone()).collect();
        assert_eq!(count(&sent, is_heartbeat), 0, "appends say that the leader is alive");
        world.settle();
    }
}
