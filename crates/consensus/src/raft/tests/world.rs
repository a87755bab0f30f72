//! A whole cluster in a test's hands: virtual disks, network, clock and state machines, and the
//! checks that hold after every step.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::invariants::{Claims, Invariants, Verdict};
use crate::raft::{Body, Message, Raft};
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
            Write::Hard(hard) => self.hard = hard,
            Write::Put(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
            }
            Write::TruncateFrom(first) => {
                self.entries.retain(|&index, _| index < first);
            }
            Write::CompactTo(meta) => {
                self.entries.retain(|&index, _| meta.index < index);
                self.meta = meta;
            }
            Write::Install(meta) => {
                self.entries.retain(|&index, _| meta.index < index);
                self.meta = meta;
            }
        }
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
    /// Where each read waits.
    reads_open: BTreeMap<RequestId, NodeId>,
    proposals_open: BTreeMap<ProposalId, NodeId>,
    pub invariants: Invariants,
    pub watch: Watch,
    hashes: BTreeMap<Index, u64>,
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

/// Whether a broken promise stops the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// It does.
    On,
    /// It does not: the test invents messages or disks that no run could bring about.
    Off,
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
            invariants: Invariants::new(Raft::<R>::ORDER),
            watch: Watch::On,
            hashes: BTreeMap::from([(Index::ZERO, 0)]),
            next_id: 0,
            marks: BTreeMap::new(),
        };
        world.config.election_timeout = millis(100);
        world.config.heartbeat_interval = millis(10);
        world.config.disk_stall_timeout = millis(100);
        world
    }

    /// Stops the test at the first promise that is broken.
    #[track_caller]
    fn keeps(&self, verdict: Verdict) {
        if let (Watch::On, Err(violation)) = (self.watch, verdict) {
            panic!("{violation}");
        }
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
        let verdict = self.invariants.on_start(node, &disk.recovered(usize::MAX));
        self.keeps(verdict);
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
    }

    /// Kills the process and the power: what was not durable is gone.
    pub(super) fn crash(&mut self, node: NodeId) {
        if self.nodes.remove(&node).is_none() {
            return;
        }
        self.disks.get_mut(&node).expect("a node has a disk").queue.clear();
        let verdict = self.invariants.on_crash(node, Some(WriteId(0)));
        self.keeps(verdict);
        self.errands.retain(|errand| match errand {
            Errand::Fetch { node: at, .. } | Errand::Snapshot { from: at, .. } => *at != node,
        });
        self.reads_open.retain(|_, at| *at != node);
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
        let after = host.engine.summary();
        let verdict = self.invariants.on_effects::<Raft<R>>(node, &effects, &after);
        self.keeps(verdict);
        for outcome in effects.outcomes {
            self.on_outcome(node, outcome);
        }
        for envelope in effects.messages {
            assert_ne!(envelope.to, node, "a node writes to itself");
            self.network.push((node, envelope.to, envelope.message));
        }
        self.traces.extend(effects.trace.into_iter().map(|event| (node, event)));
        self.misbehaved.extend(effects.misbehaved.into_iter().map(|report| (node, report)));
        self.errands.extend(effects.fetches.into_iter().map(|fetch| Errand::Fetch { node, fetch }));
        self.errands.extend(
            effects.snapshots.into_iter().map(|wanted| Errand::Snapshot { from: node, wanted }),
        );
        if let Some(batch) = effects.write {
            self.on_write(node, batch, effects.install.map(|meta| *meta));
        } else {
            assert!(effects.install.is_none(), "an install without its write");
        }
        let host = self.nodes.get_mut(&node).expect("the node is up");
        if let Some(entry) = effects.committed.iter().flatten().next_back() {
            host.delivered = entry.index;
        }
        host.inbox.extend(effects.committed.iter().flatten().cloned());
    }

    fn on_write(&mut self, node: NodeId, batch: WriteBatch, install: Option<Meta>) {
        assert!(!batch.writes.is_empty());
        if let Some(meta) = install {
            let host = self.nodes.get_mut(&node).expect("the node is up");
            let (staged, hash) = host.staged.take().expect("installs what was staged");
            assert_eq!(staged, meta);
            host.installing = Some((meta, hash, batch.id));
        }
        self.disks.get_mut(&node).expect("a node has a disk").queue.push_back(batch);
    }

    fn on_outcome(&mut self, node: NodeId, outcome: Outcome) {
        match outcome {
            Outcome::Proposal { id, result } => {
                assert_eq!(self.proposals_open.remove(&id), Some(node), "{id:?} ended twice");
                self.outcomes.insert(id, result);
                if matches!(result, Proposed::Displaced) {
                    self.mark("displaced");
                }
                if let Proposed::Committed { .. } = result {
                    self.mark("proposal committed");
                }
            }
            Outcome::Read { id, result } => {
                let at = self.reads_open.remove(&id).expect("a read ended twice");
                assert_eq!(at, node);
                if result.is_ok() {
                    self.mark("read released");
                }
                self.reads.insert(id, result);
            }
            Outcome::Transfer { id, result } => self.transfers.push((id, result)),
        }
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
        self.invariants.on_proposed(id);
        let payload = Bytes::from(vec![self.next_id as u8; size]);
        self.handle(node, Input::Propose { id, payload });
        id
    }

    pub(super) fn read(&mut self, node: NodeId) -> RequestId {
        self.next_id += 1;
        let id = RequestId(self.next_id);
        if self.nodes.contains_key(&node) {
            self.reads_open.insert(id, node);
            let verdict = self.invariants.on_read_asked(node, id);
            self.keeps(verdict);
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
        let verdict = self.invariants.on_persisted(node, write);
        self.keeps(verdict);
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
        let verdict = self.invariants.on_installed(node, &meta);
        self.keeps(verdict);
        self.handle(node, Input::Installed { meta: Box::new(meta) });
    }

    pub(super) fn apply_one(&mut self, node: NodeId) {
        let Some(host) = self.nodes.get_mut(&node) else { return };
        let Some(entry) = host.inbox.pop_front() else { return };
        let id = entry.id.map_or(0, |id| id.sequence);
        let hash =
            mix(host.applied.1 ^ mix(entry.index.0 ^ (id << 20) ^ (entry.ballot.round << 50)));
        host.applied = (entry.index, hash);
        host.history.insert(entry.index, (entry.ballot, entry.time, hash));
        let verdict = self.invariants.on_apply(node, &entry);
        self.keeps(verdict);
        let known = *self.hashes.entry(entry.index).or_insert(hash);
        assert_eq!(known, hash, "state machines differ at {}", entry.index);
        self.handle(node, Input::Applied { upto: entry.index, clock: Clock::default() });
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
        let meta = Box::new(Meta { index, ballot, time, members });
        self.handle(node, Input::Compacted { meta });
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
            let is_held = host.staged.as_ref().is_some_and(|(staged, _)| *staged == **meta);
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
                self.handle(from, Input::SnapshotSent { to: wanted.to, meta: Box::new(meta) });
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
            let entry = Entry {
                index,
                ballot,
                born: ballot,
                id: None,
                time: ClusterTime(0),
                payload: Payload::Noop,
            };
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
        let reads = self.reads_open.iter().map(|(id, node)| format!("{id:?} at {node}"));
        let proposals = self.proposals_open.iter().map(|(id, node)| format!("{id:?} at {node}"));
        reads.chain(proposals).collect()
    }
}
