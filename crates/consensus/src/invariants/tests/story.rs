//! Words to tell stories in: what nodes write, sync, say and become.

use bytes::Bytes;

use crate::invariants::{Claim, Invariants, Order, Verdict};
use crate::*;

/// A run told step by step. Every step but the last must hold.
pub(super) struct Story {
    pub(super) checks: Invariants,
    members: Members,
    batches: u64,
}

pub(super) fn node(number: u64) -> NodeId {
    NodeId(number)
}

pub(super) fn ballot(round: u64, owner: u64) -> Ballot {
    Ballot { round, node: node(owner) }
}

/// The name of proposal `sequence`, made at n1.
pub(super) fn name(sequence: u64) -> ProposalId {
    ProposalId { node: node(1), incarnation: Incarnation(1), sequence }
}

/// A no-op.
pub(super) fn noop(index: u64, ballot: Ballot) -> Entry {
    let (index, time) = (Index(index), ClusterTime(0));
    Entry { index, ballot, born: Ballot::ZERO, id: None, time, payload: Payload::Noop }
}

/// A command with its name.
pub(super) fn command(index: u64, ballot: Ballot, sequence: u64) -> Entry {
    let payload = Payload::Command(Bytes::from(sequence.to_le_bytes().to_vec()));
    Entry { id: Some(name(sequence)), payload, ..noop(index, ballot) }
}

pub(super) fn swear(round: u64, to: u64) -> Write {
    let to = (to != 0).then_some(node(to));
    Write::Hard(HardState { promise: Promise { round, to }, committed: Index::ZERO })
}

/// A node's state: role, round and the last, committed and applied positions.
pub(super) fn state(role: Role, round: u64, marks: [u64; 3]) -> Summary {
    let [last, committed, applied] = marks.map(Index);
    let ballot = Ballot { round, node: NodeId::default() };
    let compacted = Index::ZERO;
    Summary { role, ballot, compacted, last, persisted: last, committed, applied }
}

impl Story {
    /// New nodes n1 to n`size` under Raft.
    pub(super) fn raft(size: u64) -> Self {
        let mut story = Self::of(Order::Terms, size);
        (1..=size).for_each(|at| story.start(at, 0, &[]));
        story
    }

    /// New nodes n1 to n`size` under Paxos.
    pub(super) fn paxos(size: u64) -> Self {
        let mut story = Self::of(Order::Ballots, size);
        (1..=size).for_each(|at| story.start(at, 0, &[]));
        story
    }

    /// No node has started.
    pub(super) fn of(order: Order, size: u64) -> Self {
        let members = Members::of_voters((1..=size).map(NodeId));
        Self { checks: Invariants::new(order), members, batches: 0 }
    }

    pub(super) fn meta(&self, index: u64, ballot: Ballot) -> Meta {
        let members = self.members.clone();
        Meta { index: Index(index), ballot, time: ClusterTime(0), members }
    }

    /// What a node finds that took part in `round` and holds these entries.
    fn found(&self, round: u64, entries: &[Entry]) -> Recovered {
        let run = |entry: &Entry| BallotRun {
            first: entry.index,
            last: entry.index,
            ballot: entry.ballot,
        };
        Recovered {
            hard: HardState { promise: Promise { round, to: None }, committed: Index::ZERO },
            meta: self.meta(0, Ballot::ZERO),
            ballots: entries.iter().map(run).collect(),
            tail: entries.to_vec(),
            configurations: Vec::new(),
            applied: Index::ZERO,
            time: ClusterTime(0),
        }
    }

    pub(super) fn starts(&mut self, at: u64, round: u64, entries: &[Entry]) -> Verdict {
        let found = self.found(round, entries);
        self.checks.on_start(node(at), &found)
    }

    pub(super) fn starts_with(&mut self, at: u64, promise: Promise, entries: &[Entry]) -> Verdict {
        let mut found = self.found(promise.round, entries);
        found.hard.promise = promise;
        self.checks.on_start(node(at), &found)
    }

    pub(super) fn start(&mut self, at: u64, round: u64, entries: &[Entry]) {
        self.starts(at, round, entries).expect("the start is as it should be");
    }

    pub(super) fn writes(&mut self, at: u64, writes: &[Write]) -> Verdict {
        self.batches += 1;
        let batch = WriteBatch { id: WriteId(self.batches), writes: writes.to_vec() };
        self.checks.on_write(node(at), &batch)
    }

    pub(super) fn write(&mut self, at: u64, writes: &[Write]) {
        self.writes(at, writes).expect("the write is as it should be");
    }

    pub(super) fn syncs(&mut self, at: u64) -> Verdict {
        self.checks.on_persisted(node(at), WriteId(self.batches))
    }

    pub(super) fn sync(&mut self, at: u64) {
        self.syncs(at).expect("the sync is as it should be");
    }

    /// Writes and syncs.
    pub(super) fn store(&mut self, at: u64, writes: &[Write]) {
        self.write(at, writes);
        self.sync(at);
    }

    pub(super) fn is(&mut self, at: u64, state: Summary) -> Verdict {
        self.checks.on_step(node(at), &state)
    }

    pub(super) fn become_(&mut self, at: u64, state: Summary) {
        self.is(at, state).expect("the step is as it should be");
    }

    pub(super) fn claims(&mut self, at: u64, claim: &Claim<'_>) -> Verdict {
        self.checks.on_claim(node(at), claim)
    }

    pub(super) fn claim(&mut self, at: u64, claim: &Claim<'_>) {
        self.claims(at, claim).expect("the message is as it should be");
    }

    /// Raft: `voter` votes for `leader`, durably.
    pub(super) fn vote(&mut self, voter: u64, round: u64, leader: u64) {
        self.store(voter, &[swear(round, leader)]);
        self.claim(voter, &Claim::Votes { round, candidate: node(leader) });
    }

    /// Raft: n`leader` wins `round` with the vote of the node after it; its first entry is
    /// written, and not durable.
    pub(super) fn elect(&mut self, leader: u64, round: u64) {
        self.store(leader, &[swear(round, leader)]);
        self.vote(leader % 3 + 1, round, leader);
        self.write(leader, &[Write::Put(noop(1, ballot(round, leader)).into())]);
        self.become_(leader, state(Role::Leader, round, [1, 0, 0]));
    }

    /// Raft: n1 leads round 1, and its entries up to `last` are committed; n2 has them too.
    pub(super) fn commit(&mut self, last: u64) {
        self.elect(1, 1);
        for index in 2..=last {
            self.write(1, &[Write::Put(command(index, ballot(1, 1), index).into())]);
        }
        self.sync(1);
        self.store(2, &[Write::Put(noop(1, ballot(1, 1)).into())]);
        for index in 2..=last {
            self.store(2, &[Write::Put(command(index, ballot(1, 1), index).into())]);
        }
        self.become_(1, state(Role::Leader, 1, [last, last, 0]));
    }

    /// Paxos: these nodes promise a ballot, durably.
    pub(super) fn promise(&mut self, round: u64, owner: u64, nodes: &[u64]) {
        for at in nodes {
            self.store(*at, &[swear(round, owner)]);
        }
    }

    /// Paxos: these nodes vote, durably.
    pub(super) fn accept(&mut self, entry: &Entry, nodes: &[u64]) {
        for at in nodes {
            self.store(*at, &[Write::Put(entry.clone().into())]);
        }
    }
}
