//! A whole cluster in a test's hands: virtual disks, network, clock and state machines, and the
//! checks that hold after every step.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::raft::{AppendResult, Body, Message, Raft, Verdict};
use crate::*;

/// The durable state of a node: what a restart finds.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub hard: HardState,
    pub meta: Meta,
    pub entries: BTreeMap<Index, Entry>,
    /// The state machine's own durable state: applied index and history hash.
    pub applied: (Index, u64),
    /// Issued and not durable: what a crash loses.
    pub queue: VecDeque<WriteBatch>,
}

impl Disk {
    pub(super) fn new(members: &Members) -> Self {
        let meta = Meta {
            index: Index::ZERO,
            ballot: Ballot::ZERO,
            time: ClusterTime(0),
            members: members.clone(),
        };
        Self {
            hard: HardState::default(),
            meta,
            entries: BTreeMap::new(),
            applied: (Index::ZERO, 0),
            queue: VecDeque::new(),
        }
    }

    fn store(&mut self, write: Write) {
        match write {
            Write::Hard(hard) => {
                assert!(self.hard.promise.round <= hard.promise.round, "a durable term regressed");
                if self.hard.promise.round == hard.promise.round && self.hard.promise.to.is_some() {
                    assert_eq!(self.hard.promise.to, hard.promise.to, "voted twice in a term");
                }
                self.hard = hard;
            }
            Write::Put(entry) => {
                self.entries.insert(entry.index, entry);
            }
            Write::TruncateFrom(first) => {
                self.entries.retain(|&index, _| index < first);
            }
            Write::CompactTo(meta) => {
                assert!(meta.index <= self.applied.0, "compacted beyond the state machine");
                self.entries.retain(|&index, _| meta.index < index);
                self.meta = meta;
            }
            Write::Install(meta) => {
                self.entries.retain(|&index, _| meta.index < index);
                self.meta = meta;
            }
        }
    }

    pub(super) fn last(&self) -> Index {
        self.entries.last_key_value().map_or(self.meta.index, |(&index, _)| index)
    }

    pub(super) fn ballot_at(&self, index: Index) -> Option<Ballot> {
        if index == self.meta.index {
            return Some(self.meta.ballot);
        }
        self.entries.get(&index).map(|entry| entry.ballot)
    }

    /// What a start finds, with the newest `in_memory` entries.
    pub(super) fn recovered(&self, in_memory: usize) -> Recovered {
        let mut ballots: Vec<BallotRun> = Vec::new();
        for (&index, entry) in &self.entries {
            match ballots.last_mut() {
                Some(run) if run.ballot == entry.ballot => run.last = index,
                _ => ballots.push(BallotRun { first: index, last: index, ballot: entry.ballot }),
            }
        }
        let skipped = self.entries.len().saturating_sub(in_memory);
        let configurations = self.entries.values().filter_map(|entry| match &entry.payload {
            Payload::Members(members) => Some((entry.index, Members::clone(members))),
            _ => None,
        });
        Recovered {
            hard: self.hard,
            meta: self.meta.clone(),
            ballots,
            tail: self.entries.values().skip(skipped).cloned().collect(),
            configurations: configurations.collect(),
            applied: self.applied.0,
            time: self.entries.last_key_value().map_or(self.meta.time, |(_, entry)| entry.time),
        }
    }
}

/// A running node and its host.
pub(super) struct Node<R: Rules> {
    pub engine: Raft<R>,
    /// Entries handed over and not applied.
    pub inbox: VecDeque<Entry>,
    /// Applied index and history hash.
    pub applied: (Index, u64),
    /// The position, stamp and hash of every applied entry of this life.
    pub history: BTreeMap<Index, (Ballot, ClusterTime, u64)>,
    pub staged: Option<(Meta, u64)>,
    pub installing: Option<(Meta, u64, WriteId)>,
    pub delivered: Index,
}

/// What may happen next beside messages and disks.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    Fetch { node: NodeId, fetch: Fetch },
    Snapshot { from: NodeId, wanted: SendSnapshot },
}

pub(super) struct World<R: Rules> {
    pub now: Instant,
    pub rules: R,
    pub random: u64,
    pub config: Config,
    pub members: Members,
    pub disks: BTreeMap<NodeId, Disk>,
    pub nodes: BTreeMap<NodeId, Node<R>>,
    pub network: Vec<(NodeId, NodeId, Message)>,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    pub errands: Vec<Errand>,
    /// Whether errands are left undone.
    pub is_host_idle: bool,
    pub traces: Vec<(NodeId, TraceEvent)>,
    pub misbehaved: Vec<(NodeId, Misbehaved)>,
    pub outcomes: BTreeMap<ProposalId, Proposed>,
    pub transfers: Vec<(RequestId, Result<(), TransferError>)>,
    pub reads: BTreeMap<RequestId, Result<Index, Refusal>>,
    /// Each read's lower bound, and the node it waits at.
    reads_open: BTreeMap<RequestId, (NodeId, Index)>,
    proposals_open: BTreeMap<ProposalId, NodeId>,
    /// Ghosts: who led which term; what each position holds; what is committed.
    leaders: BTreeMap<u64, NodeId>,
    positions: BTreeMap<(Index, Ballot), (Ballot, Option<ProposalId>)>,
    pub committed: BTreeMap<Index, (Ballot, Option<ProposalId>)>,
    hashes: BTreeMap<Index, u64>,
    commits_seen: BTreeMap<NodeId, Index>,
    next_id: u64,
    pub marks: BTreeMap<&'static str, u64>,
}

pub(super) const N1: NodeId = NodeId(1);
pub(super) const N2: NodeId = NodeId(2);
pub(super) const N3: NodeId = NodeId(3);

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl<R: Rules> World<R> {
    pub(super) fn new(size: u64, rules: R, seed: u64) -> Self {
        let members = Members::of_voters((1..=size).map(NodeId));
        let mut world = Self {
            now: Instant::from_micros(1_000),
            rules,
            random: mix(seed.wrapping_add(0x1234_5678)),
            config: Config::new(NodeId(0)),
            disks: (1..=size).map(|node| (NodeId(node), Disk::new(&members))).collect(),
            members,
            nodes: BTreeMap::new(),
            network: Vec::new(),
            cut: BTreeSet::new(),
            errands: Vec::new(),
            is_host_idle: false,
            traces: Vec::new(),
            misbehaved: Vec::new(),
            outcomes: BTreeMap::new(),
            transfers: Vec::new(),
            reads: BTreeMap::new(),
            reads_open: BTreeMap::new(),
            proposals_open: BTreeMap::new(),
            leaders: BTreeMap::new(),
            positions: BTreeMap::new(),
            committed: BTreeMap::new(),
            hashes: BTreeMap::from([(Index::ZERO, 0)]),
            commits_seen: BTreeMap::new(),
            next_id: 0,
            marks: BTreeMap::new(),
        };
        world.config.election_timeout = millis(100);
        world.config.heartbeat_interval = millis(10);
        world.config.disk_stall_timeout = millis(100);
        world
    }

    pub(super) fn start_all(&mut self) {
        for node in self.members.nodes() {
            self.start(node);
        }
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random) % bound.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn mark(&mut self, what: &'static str) {
        *self.marks.entry(what).or_default() += 1;
    }

    pub(super) fn start(&mut self, node: NodeId) {
        let in_memory = self.below(8) as usize;
        let seed = Seed(self.below(u64::MAX));
        let disk = &self.disks[&node];
        assert!(disk.applied.0 <= disk.last(), "the state machine ran ahead of the log");
        assert!(disk.meta.index <= disk.applied.0, "the state machine lost its snapshot");
        let config = Config { node, ..self.config.clone() };
        let recovered = disk.recovered(in_memory);
        let engine = Raft::new(config, self.rules.clone(), seed, recovered, self.now);
        let applied = disk.applied;
        let history = BTreeMap::from([(disk.meta.index, (disk.meta.ballot, disk.meta.time, 0))]);
        let node_state = Node {
            engine,
            inbox: VecDeque::new(),
            applied,
            history,
            staged: None,
            installing: None,
            delivered: applied.0,
        };
        self.nodes.insert(node, node_state);
        self.commits_seen.insert(node, Index::ZERO);
    }

    /// Kills the process and the power: what was not durable is gone.
    pub(super) fn crash(&mut self, node: NodeId) {
        if self.nodes.remove(&node).is_none() {
            return;
        }
        self.disks.get_mut(&node).expect("a node has a disk").queue.clear();
        self.errands.retain(|errand| match errand {
            Errand::Fetch { node: at, .. } | Errand::Snapshot { from: at, .. } => *at != node,
        });
        self.reads_open.retain(|_, (at, _)| *at != node);
        self.proposals_open.retain(|_, at| *at != node);
    }

    pub(super) fn handle(&mut self, node: NodeId, input: Input<Message>) {
        let now = self.now;
        let Some(host) = self.nodes.get_mut(&node) else { return };
        host.engine.handle(now, input);
    }

    pub(super) fn drain(&mut self, node: NodeId) {
        let Some(host) = self.nodes.get_mut(&node) else { return };
        let effects = host.engine.effects();
        for outcome in effects.outcomes {
            self.on_outcome(node, outcome);
        }
        for envelope in effects.messages {
            assert_ne!(envelope.to, node, "a node writes to itself");
            self.check_promise(node, &envelope);
            self.network.push((node, envelope.to, envelope.message));
        }
        self.traces.extend(effects.trace.into_iter().map(|event| (node, event)));
        self.misbehaved.extend(effects.misbehaved.into_iter().map(|report| (node, report)));
        self.errands.extend(effects.fetches.into_iter().map(|fetch| Errand::Fetch { node, fetch }));
        self.errands.extend(
            effects.snapshots.into_iter().map(|wanted| Errand::Snapshot { from: node, wanted }),
        );
        if let Some(batch) = effects.write {
            self.on_write(node, batch, effects.install);
        } else {
            assert!(effects.install.is_none(), "an install without its write");
        }
        self.on_committed(node, effects.committed);
        self.check(node);
    }

    /// Whatever a message promises is durable.
    fn check_promise(&self, node: NodeId, envelope: &Envelope<Message>) {
        let disk = &self.disks[&node];
        let promise = disk.hard.promise;
        let round = envelope.message.term.0;
        let promised = match envelope.message.body {
            Body::VoteReply { verdict: Verdict::Granted, .. } => Some(envelope.to),
            Body::Vote { .. } => Some(node),
            Body::AppendReply { result: AppendResult::Matched { index }, .. } => {
                assert!(index <= disk.last(), "{node} acknowledges what is not durable");
                return;
            }
            _ => return,
        };
        assert_eq!(promise, Promise { round, to: promised }, "{node} sends a vote before its disk");
    }

    fn on_write(&mut self, node: NodeId, batch: WriteBatch, install: Option<Meta>) {
        assert!(!batch.writes.is_empty());
        for write in &batch.writes {
            if let Write::Put(entry) = write {
                self.check_log_matching(node, entry);
            }
        }
        if let Some(meta) = install {
            let host = self.nodes.get_mut(&node).expect("the node is up");
            let (staged, hash) = host.staged.take().expect("installs what was staged");
            assert_eq!(staged, meta);
            host.installing = Some((meta, hash, batch.id));
        }
        self.disks.get_mut(&node).expect("a node has a disk").queue.push_back(batch);
    }

    /// Log matching: a position determines the one before it.
    fn check_log_matching(&mut self, node: NodeId, entry: &Entry) {
        let previous = self.ballot_before(node, entry);
        let Some(previous) = previous else { return };
        let value = (previous, entry.id);
        let known = self.positions.entry((entry.index, entry.ballot)).or_insert(value);
        assert_eq!(*known, value, "two logs hold the same position with different pasts");
    }

    fn ballot_before(&self, node: NodeId, entry: &Entry) -> Option<Ballot> {
        // The engine's memory holds the log as written, durable or not.
        self.nodes[&node].engine.log.ballot_at(entry.index.previous()).filter(|_| {
            // A later write of the same batch may have replaced it already.
            self.nodes[&node].engine.log.ballot_at(entry.index) == Some(entry.ballot)
        })
    }

    fn on_outcome(&mut self, node: NodeId, outcome: Outcome) {
        match outcome {
            Outcome::Proposal { id, result } => {
                assert_eq!(self.proposals_open.remove(&id), Some(node), "{id:?} ended twice");
                self.outcomes.insert(id, result);
                if matches!(result, Proposed::Displaced) {
                    self.mark("displaced");
                }
                if let Proposed::Committed { index } = result {
                    self.mark("proposal committed");
                    self.see_commits(node);
                    let committed = self.committed.get(&index).map(|(_, id)| *id);
                    assert_eq!(committed, Some(Some(id)), "something else is committed there");
                }
            }
            Outcome::Read { id, result } => {
                let (at, bound) = self.reads_open.remove(&id).expect("a read ended twice");
                assert_eq!(at, node);
                if let Ok(index) = result {
                    self.mark("read released");
                    assert!(bound <= index, "a stale read: {index} released, {bound} committed");
                }
                self.reads.insert(id, result);
            }
            Outcome::Transfer { id, result } => self.transfers.push((id, result)),
        }
    }

    fn on_committed(&mut self, node: NodeId, entries: Vec<Entry>) {
        self.see_commits(node);
        let host = self.nodes.get_mut(&node).expect("the node is up");
        for entry in entries {
            assert_eq!(entry.index, host.delivered.next(), "a gap in what is handed over");
            host.delivered = entry.index;
            let known = self.committed.get(&entry.index).copied();
            assert_eq!(known, Some((entry.ballot, entry.id)), "state machine safety");
            host.inbox.push_back(entry);
        }
    }

    /// Records what a node takes for committed, and compares it with what others took.
    fn see_commits(&mut self, node: NodeId) {
        let engine = &self.nodes[&node].engine;
        let seen = self.commits_seen[&node];
        let upto = engine.log.committed();
        let leads = matches!(engine.status().role, Role::Leader);
        let mut fresh = Vec::new();
        let mut index = seen.max(engine.log.compacted().index);
        while index < upto {
            index = index.next();
            fresh.push((index, engine.log.ballot_at(index).expect("committed is in the log")));
        }
        self.commits_seen.insert(node, upto);
        for (index, ballot) in fresh {
            if let Some((known, _)) = self.committed.get(&index) {
                assert_eq!(*known, ballot, "two entries are committed at {index}");
                continue;
            }
            assert!(leads, "{node} commits {index} before its leader did");
            let (_, id) = *self.positions.get(&(index, ballot)).expect("it was written");
            self.committed.insert(index, (ballot, id));
            let holders = |node: NodeId| self.disks[&node].ballot_at(index) == Some(ballot);
            // The leader may have compacted it already on others' disks; it is durable there then.
            let durable = |node: NodeId| holders(node) || index <= self.disks[&node].meta.index;
            assert!(
                self.members.quorum().is_reached(durable),
                "{index} is committed without being durable on a quorum"
            );
        }
    }

    /// What always holds.
    fn check(&mut self, node: NodeId) {
        let engine = &self.nodes[&node].engine;
        let role = engine.state.role();
        if role != Role::Leader {
            return;
        }
        let leader = *self.leaders.entry(engine.term.0).or_insert(node);
        assert_eq!(leader, node, "two leaders in term {}", engine.term);
        let hard = self.disks[&node].hard;
        assert_eq!(hard.promise.round, engine.term.0, "leads a term that is not durable");
        // Leader completeness.
        if let Some((&index, (ballot, _))) = self.committed.last_key_value()
            && self.commits_seen[&node] < index
        {
            let commit_term = self.leaders.iter().rev().find(|&(&term, _)| term < engine.term.0);
            if commit_term.is_some() && ballot.round < engine.term.0 {
                let held = engine.log.ballot_at(index);
                let compacted = index <= engine.log.compacted().index;
                let newer = self.committed_later(index, engine.term.0);
                assert!(
                    compacted || newer || held == Some(*ballot),
                    "leader {node} of term {} lacks committed {index}",
                    engine.term
                );
            }
        }
    }

    /// Whether a leader of a later term may have committed `index` after the one of `term`
    /// was elected.
    fn committed_later(&self, _index: Index, term: u64) -> bool {
        self.leaders.keys().any(|&led| term < led)
    }

    // Actions.

    pub(super) fn propose(&mut self, node: NodeId) -> ProposalId {
        self.propose_bytes(node, 16)
    }

    pub(super) fn propose_bytes(&mut self, node: NodeId, size: usize) -> ProposalId {
        self.next_id += 1;
        let id = ProposalId { node, incarnation: Incarnation(1), sequence: self.next_id };
        if self.nodes.contains_key(&node) {
            self.proposals_open.insert(id, node);
        }
        let payload = Bytes::from(vec![self.next_id as u8; size]);
        self.handle(node, Input::Propose { id, payload });
        id
    }

    pub(super) fn read(&mut self, node: NodeId) -> RequestId {
        self.next_id += 1;
        let id = RequestId(self.next_id);
        let bound = self.committed.last_key_value().map_or(Index::ZERO, |(&index, _)| index);
        if self.nodes.contains_key(&node) {
            self.reads_open.insert(id, (node, bound));
        }
        self.handle(node, Input::Read { id });
        id
    }

    /// Makes the oldest batch of a node durable.
    pub(super) fn sync_one(&mut self, node: NodeId) {
        if !self.nodes.contains_key(&node) {
            return;
        }
        let disk = self.disks.get_mut(&node).expect("a node has a disk");
        let Some(batch) = disk.queue.pop_front() else { return };
        let write = batch.id;
        for write in batch.writes {
            disk.store(write);
        }
        self.handle(node, Input::Persisted { write });
        self.install_staged(node, write);
    }

    fn install_staged(&mut self, node: NodeId, write: WriteId) {
        let host = self.nodes.get_mut(&node).expect("the node is up");
        let Some((meta, hash, id)) = host.installing.take() else { return };
        if write < id {
            host.installing = Some((meta, hash, id));
            return;
        }
        assert_eq!(self.hashes.get(&meta.index), Some(&hash), "an untrue snapshot");
        host.applied = (meta.index, hash);
        host.delivered = meta.index;
        host.inbox.clear();
        host.history = BTreeMap::from([(meta.index, (meta.ballot, meta.time, hash))]);
        self.disks.get_mut(&node).expect("a node has a disk").applied = (meta.index, hash);
        self.mark("snapshot installed");
        self.handle(node, Input::Installed { meta });
    }

    pub(super) fn apply_one(&mut self, node: NodeId) {
        let Some(host) = self.nodes.get_mut(&node) else { return };
        let Some(entry) = host.inbox.pop_front() else { return };
        let id = entry.id.map_or(0, |id| id.sequence);
        let hash =
            mix(host.applied.1 ^ mix(entry.index.0 ^ (id << 20) ^ (entry.ballot.round << 50)));
        host.applied = (entry.index, hash);
        host.history.insert(entry.index, (entry.ballot, entry.time, hash));
        let known = *self.hashes.entry(entry.index).or_insert(hash);
        assert_eq!(known, hash, "state machines differ at {}", entry.index);
        self.handle(node, Input::Applied { upto: entry.index });
    }

    /// Makes the state machine durable, and lets go of the log below.
    pub(super) fn checkpoint(&mut self, node: NodeId) {
        let Some(host) = self.nodes.get(&node) else { return };
        if host.installing.is_some() {
            return;
        }
        let disk = self.disks.get_mut(&node).expect("a node has a disk");
        disk.applied = host.applied;
        let (index, hash) = host.applied;
        let Some(&(ballot, time, _)) = host.history.get(&index) else { return };
        let members = self.members.clone();
        let _ = hash;
        self.handle(node, Input::Compacted { meta: Meta { index, ballot, time, members } });
        self.mark("compacted");
    }

    pub(super) fn wake_due(&mut self, node: NodeId) {
        let Some(host) = self.nodes.get(&node) else { return };
        if host.engine.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.handle(node, Input::Wake);
        }
    }

    pub(super) fn deliver_message(&mut self, from: NodeId, to: NodeId, message: Message) {
        if self.cut.contains(&(from, to)) {
            return;
        }
        let Some(host) = self.nodes.get(&to) else { return };
        if let Body::Snapshot { meta } = &message.body {
            let is_held = host.staged.as_ref().is_some_and(|(staged, _)| staged == meta);
            if !is_held {
                return;
            }
        }
        self.handle(to, Input::Message { from, message });
    }

    pub(super) fn run_errand(&mut self, which: usize) {
        match self.errands.swap_remove(which) {
            Errand::Fetch { node, fetch } => self.fetch(node, fetch),
            Errand::Snapshot { from, wanted } => self.send_snapshot(from, wanted),
        }
    }

    fn fetch(&mut self, node: NodeId, fetch: Fetch) {
        let disk = &self.disks[&node];
        let mut bytes = 0;
        let mut entries = Vec::new();
        for (_, entry) in disk.entries.range(fetch.first..=fetch.last) {
            bytes += entry.cost();
            if !entries.is_empty() && fetch.bytes_max < bytes {
                break;
            }
            entries.push(entry.clone());
        }
        let is_compacted = fetch.first <= disk.meta.index;
        if is_compacted {
            entries.clear();
        } else if entries.first().is_none_or(|entry| entry.index != fetch.first) {
            // The log was cut since: only a host that answers late sees this.
            entries.clear();
        }
        self.mark("fetched");
        self.handle(node, Input::Fetched { reason: fetch.reason, entries });
    }

    fn send_snapshot(&mut self, from: NodeId, wanted: SendSnapshot) {
        let host = &self.nodes[&from];
        let (index, hash) = host.applied;
        let point = host.history.get(&index).copied();
        let fails = self.chance(20);
        let Some((ballot, time, _)) = point.filter(|_| wanted.at_least <= index && !fails) else {
            return self.handle(from, Input::SnapshotFailed { to: wanted.to });
        };
        let meta = Meta { index, ballot, time, members: self.members.clone() };
        let is_cut = self.cut.contains(&(from, wanted.to));
        match self.nodes.get_mut(&wanted.to) {
            Some(peer) if !is_cut && peer.installing.is_none() => {
                peer.staged = Some((meta.clone(), hash));
                self.handle(from, Input::SnapshotSent { to: wanted.to, meta });
            }
            _ => self.handle(from, Input::SnapshotFailed { to: wanted.to }),
        }
    }

    pub(super) fn drain_all(&mut self) {
        for node in self.members.nodes() {
            self.drain(node);
        }
    }

    /// Everything that can happen without time passing happens, in order.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            self.drain_all();
            let is_quiet = self.network.is_empty()
                && (self.errands.is_empty() || self.is_host_idle)
                && self.nodes.values().all(|host| host.inbox.is_empty())
                && self.nodes.keys().all(|node| self.disks[node].queue.is_empty());
            if is_quiet {
                return;
            }
            for (from, to, message) in core::mem::take(&mut self.network) {
                self.deliver_message(from, to, message);
            }
            for node in self.members.nodes() {
                self.sync_one(node);
                self.apply_one(node);
            }
            if !self.errands.is_empty() && !self.is_host_idle {
                self.run_errand(0);
            }
        }
        panic!("the world never settles");
    }

    /// Lets time pass in small steps, settling after each.
    pub(super) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.now = self.now + millis(1);
            for node in self.members.nodes() {
                self.wake_due(node);
            }
            self.settle();
        }
    }

    /// Has a node elected, while no other leads.
    pub(super) fn elect(&mut self, node: NodeId) {
        self.handle(node, Input::Campaign);
        self.settle();
        assert_eq!(self.leader(), Some(node), "{node} is not elected");
    }

    /// Cuts every link between the two sides.
    pub(super) fn partition(&mut self, left: &[NodeId], right: &[NodeId]) {
        for &one in left {
            for &other in right {
                self.cut.insert((one, other));
                self.cut.insert((other, one));
            }
        }
    }

    /// Takes the messages from one node to another out of the network.
    pub(super) fn take_messages(&mut self, from: NodeId, to: NodeId) -> Vec<Message> {
        let mut taken = Vec::new();
        self.network.retain(|(sender, receiver, message)| {
            let is_wanted = (*sender, *receiver) == (from, to);
            if is_wanted {
                taken.push(message.clone());
            }
            !is_wanted
        });
        taken
    }

    /// Gives a node that is down a durable log with entries of these terms, led by `leader_of`.
    pub(super) fn seed_log(&mut self, node: NodeId, terms: &[u64], leader_of: fn(u64) -> NodeId) {
        let disk = self.disks.get_mut(&node).expect("a node has a disk");
        for (at, &round) in terms.iter().enumerate() {
            let index = Index(at as u64 + 1);
            let ballot = Ballot { round, node: leader_of(round) };
            let before = disk.ballot_at(index.previous()).expect("seeded in order");
            let entry =
                Entry { index, ballot, id: None, time: ClusterTime(0), payload: Payload::Noop };
            self.positions.insert((index, ballot), (before, None));
            disk.entries.insert(index, entry);
        }
        let round = terms.last().copied().unwrap_or_default();
        disk.hard.promise = Promise { round, to: None };
    }

    /// The terms of a node's log.
    pub(super) fn terms(&self, node: NodeId) -> Vec<u64> {
        let log = &self.nodes[&node].engine.log;
        let first = log.compacted().index.0 + 1;
        (first..=log.last().0)
            .map(|index| log.ballot_at(Index(index)).expect("it is in the log").round)
            .collect()
    }

    pub(super) fn leader(&self) -> Option<NodeId> {
        let leads = |host: &Node<R>| host.engine.state.role() == Role::Leader;
        self.nodes
            .iter()
            .filter(|(_, host)| leads(host))
            .map(|(&node, _)| node)
            .max_by_key(|node| self.nodes[node].engine.term)
    }

    pub(super) fn status(&self, node: NodeId) -> Status {
        self.nodes[&node].engine.status()
    }

    /// What waits for its end, and where.
    pub(super) fn open_requests(&self) -> Vec<String> {
        let reads = self.reads_open.iter().map(|(id, (node, _))| format!("{id:?} at {node}"));
        let proposals = self.proposals_open.iter().map(|(id, node)| format!("{id:?} at {node}"));
        reads.chain(proposals).collect()
    }
}
