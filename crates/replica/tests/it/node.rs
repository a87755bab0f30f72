//! One node in a test's hands: both halves, and the threads of the server as queues.

use std::collections::{BTreeMap, VecDeque};

use quorate_codec::peer::{PeerMessage, SnapshotMessage};
use quorate_consensus::raft::{Message, Raft};
use quorate_consensus::{
    Config, Engine, Entry, Incarnation, Index, Instant, Members, Meta, Misbehaved, NodeId, Seed,
    SendSnapshot, WriteId,
};
use quorate_kv::{Commit, StateHash, Store, Strict};
use quorate_replica::{
    Answer, Applying, ApplyingEffects, CommitPolicy, Ending, Limits, Note, Ordering,
    OrderingEffects, OrderingInput, Origin, ReadRequest, StagingFailed, StagingOp, Ticket, Waiters,
    members_to_bytes,
};

use crate::disk::Disk;
use crate::mutants::Broken;

/// How nodes are made.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) policy: CommitPolicy,
    pub(crate) store: quorate_kv::Config,
    /// How many entries a start puts into the engine's memory.
    pub(crate) tail_max: usize,
    /// The rule of its two halves that it breaks, if any.
    pub(crate) broken: Broken,
}

/// What of a node waits until a test lets it go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holds {
    pub(crate) sync: bool,
    pub(crate) apply: bool,
    pub(crate) store: bool,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Ending(Ending),
    Answer(Answer),
    /// The node crashed.
    Lost,
}

/// What a node has to say to its surroundings.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) messages: Vec<(NodeId, PeerMessage<Message>)>,
    pub(crate) ends: Vec<(Ticket, End)>,
    pub(crate) misbehaved: Vec<Misbehaved>,
    pub(crate) hashes: Vec<(Index, StateHash)>,
}

enum ToApplying {
    Entry(Entry, Waiters),
    Read(Ticket, Index),
    Needed(SendSnapshot),
    Snapshot(NodeId, SnapshotMessage),
    Install(Meta),
}

enum ToStore {
    Commit(Commit),
    Stage(Vec<StagingOp>),
    Activate(Meta),
}

/// A node that is up.
pub(crate) struct Running {
    pub(crate) ordering: Ordering<Raft, Broken>,
    pub(crate) applying: Applying<Strict, Broken>,
    /// Requests that have not ended.
    pub(crate) open: BTreeMap<Ticket, Option<ReadRequest>>,
    to_ordering: VecDeque<OrderingInput<Message>>,
    to_applying: VecDeque<ToApplying>,
    to_store: VecDeque<ToStore>,
    install: Option<(WriteId, Meta)>,
}

/// A node, up or down.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) setup: Setup,
    pub(crate) disk: Disk,
    pub(crate) holds: Holds,
    pub(crate) up: Option<Running>,
    pub(crate) output: Output,
    boots: u32,
}

impl Node {
    pub(crate) fn new(id: NodeId, setup: Setup, members: Members) -> Self {
        Self {
            id,
            setup: Setup { config: Config { node: id, ..setup.config }, ..setup },
            disk: Disk::new(members),
            holds: Holds::default(),
            up: None,
            output: Output::default(),
            boots: 0,
        }
    }

    pub(crate) fn running(&mut self) -> &mut Running {
        self.up.as_mut().expect("the node is up")
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.boots += 1;
        let origin =
            Origin { node: self.id, incarnation: Incarnation(self.id.0 * 100), boots: self.boots };
        let mut store = self.open_store();
        if store.members().is_empty() {
            store.set_members(members_to_bytes(&self.disk.log.meta.members));
        }
        let applied = Index(store.position().index);
        let recovered = self.disk.recovered(applied, self.setup.tail_max);
        let compacted = recovered.meta.index;
        let seed = Seed(self.id.0 << 32 | u64::from(self.boots));
        let config = self.setup.config.clone();
        let engine = Raft::new(config, quorate_consensus::Strict, seed, recovered, now);
        let policy = self.setup.policy.clone();
        let broken = self.setup.broken;
        self.up = Some(Running {
            ordering: Ordering::with_rules(engine, origin, self.setup.limits.clone(), broken),
            applying: Applying::with_rules(store, policy, compacted, origin.first_number(), broken),
            open: BTreeMap::new(),
            to_ordering: VecDeque::new(),
            to_applying: VecDeque::new(),
            to_store: VecDeque::new(),
            install: None,
        });
    }

    fn open_store(&self) -> Store<Strict> {
        Store::open(self.disk.map.clone(), self.setup.store, Strict).expect("the map is sound")
    }

    /// Stops at once; what is not durable is lost, and so is whoever waits.
    pub(crate) fn crash(&mut self) {
        let running = self.up.take().expect("the node is up");
        self.output.ends.extend(running.open.into_keys().map(|ticket| (ticket, End::Lost)));
        self.disk.crash();
    }

    pub(crate) fn input(&mut self, input: OrderingInput<Message>) {
        self.running().to_ordering.push_back(input);
    }

    /// Hands a message to the half that it is for.
    pub(crate) fn receive(&mut self, from: NodeId, message: PeerMessage<Message>) {
        let Some(running) = &mut self.up else { return };
        match message {
            PeerMessage::Snapshot(message) => {
                running.to_applying.push_back(ToApplying::Snapshot(from, message));
            }
            message => running.to_ordering.push_back(OrderingInput::Peer { from, message }),
        }
    }

    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let running = self.up.as_ref()?;
        let applying = running.applying.deadline(now).filter(|_| !self.holds.apply);
        [running.ordering.deadline(now), applying].into_iter().flatten().min()
    }

    /// Does everything that happens by itself, until nothing is left or all is held.
    pub(crate) fn pump(&mut self, now: Instant) {
        for _ in 0..100_000 {
            if self.up.is_none() || !self.turn(now) {
                return;
            }
        }
        panic!("{} never comes to rest", self.id);
    }

    fn turn(&mut self, now: Instant) -> bool {
        self.order(now);
        let mut is_busy = !self.holds.sync && self.sync();
        if !self.holds.apply {
            is_busy |= self.apply(now);
        }
        is_busy |= !self.holds.store && self.store_one(now);
        let running = self.running();
        is_busy || !running.to_ordering.is_empty() || running.ordering.deadline(now) == Some(now)
    }

    fn order(&mut self, now: Instant) {
        let running = self.running();
        for input in core::mem::take(&mut running.to_ordering) {
            running.ordering.handle(now, input);
        }
        if running.ordering.deadline(now).is_some_and(|deadline| deadline <= now) {
            running.ordering.handle(now, OrderingInput::Wake);
        }
        let effects = running.ordering.effects(now);
        self.perform(effects);
    }

    fn perform(&mut self, effects: OrderingEffects<Message>) {
        let running = self.up.as_mut().expect("the node is up");
        if let Some(meta) = effects.install {
            let write = effects.write.as_ref().expect("an install comes with its write").id;
            running.install = Some((write, meta));
        }
        self.disk_push(effects.write);
        let running = self.up.as_mut().expect("the node is up");
        for fetch in &effects.fetches {
            let entries = self.disk.fetch(fetch);
            let reason = fetch.reason;
            running.to_ordering.push_back(OrderingInput::Fetched { reason, entries });
        }
        let queue = &mut running.to_applying;
        queue.extend(
            effects.committed.into_iter().map(|(entry, ticket)| ToApplying::Entry(entry, ticket)),
        );
        queue.extend(effects.released.into_iter().map(|(ticket, at)| ToApplying::Read(ticket, at)));
        queue.extend(effects.snapshots.into_iter().map(ToApplying::Needed));
        for (ticket, ending) in effects.endings {
            running.open.remove(&ticket).expect("a request ends once");
            self.output.ends.push((ticket, End::Ending(ending)));
        }
        self.output.messages.extend(effects.messages);
        self.output.misbehaved.extend(effects.misbehaved);
    }

    fn disk_push(&mut self, write: Option<quorate_consensus::WriteBatch>) {
        if let Some(write) = write {
            self.disk.push(write);
        }
    }

    /// Makes one batch durable.
    pub(crate) fn sync(&mut self) -> bool {
        let Some(durable) = self.disk.sync() else { return false };
        let running = self.running();
        running.to_ordering.push_back(OrderingInput::Persisted(durable));
        if let Some((_, meta)) = running.install.take_if(|(write, _)| *write <= durable) {
            running.to_applying.push_back(ToApplying::Install(meta));
        }
        true
    }

    fn apply(&mut self, now: Instant) -> bool {
        let running = self.up.as_mut().expect("the node is up");
        let queue = core::mem::take(&mut running.to_applying);
        let has_work = !queue.is_empty();
        let deadline = now + self.setup.limits.request_timeout;
        for message in queue {
            match message {
                ToApplying::Entry(entry, ticket) => {
                    running.applying.apply(now, &entry, ticket).expect("memory is sound");
                    let hash = running.applying.store().state_hash();
                    self.output.hashes.push((entry.index, hash));
                }
                ToApplying::Read(ticket, at) => {
                    let request = running.open.get(&ticket).cloned().flatten();
                    let request = request.expect("what is released is an open read");
                    running.applying.read(ticket, request, at, deadline);
                }
                ToApplying::Needed(needed) => running.applying.on_snapshot_needed(now, needed),
                ToApplying::Snapshot(from, message) => {
                    running.applying.on_message(now, from, message).expect("memory is sound");
                }
                ToApplying::Install(meta) => {
                    running.applying.prepare_install();
                    running.to_store.push_back(ToStore::Activate(meta));
                }
            }
        }
        let effects = running.applying.effects(now).expect("memory is sound");
        self.perform_applied(effects) || has_work
    }

    fn perform_applied(&mut self, effects: ApplyingEffects) -> bool {
        let running = self.up.as_mut().expect("the node is up");
        let is_quiet = effects.notes.is_empty() && effects.answers.is_empty();
        for (ticket, answer) in effects.answers {
            running.open.remove(&ticket).expect("a request ends once");
            self.output.ends.push((ticket, End::Answer(answer)));
        }
        let messages = effects.messages.into_iter();
        self.output.messages.extend(messages.map(|(to, it)| (to, PeerMessage::Snapshot(it))));
        running.to_ordering.extend(effects.notes.into_iter().map(input_of));
        running.to_store.extend(effects.commit.map(ToStore::Commit));
        if !effects.staging.is_empty() {
            running.to_store.push_back(ToStore::Stage(effects.staging));
        }
        !is_quiet
    }

    /// Does the store thread's next piece of work.
    pub(crate) fn store_one(&mut self, now: Instant) -> bool {
        let running = self.up.as_mut().expect("the node is up");
        match running.to_store.pop_front() {
            None => return false,
            Some(ToStore::Commit(commit)) => {
                self.disk.commit(&commit);
                running.applying.on_committed(commit.id);
            }
            Some(ToStore::Stage(operations)) => {
                let is_done =
                    operations.into_iter().all(|operation| perform(&mut self.disk, operation));
                let result = if is_done { Ok(()) } else { Err(StagingFailed) };
                running.applying.on_staged(now, result);
            }
            Some(ToStore::Activate(meta)) => {
                self.disk.activate(&meta);
                let store = self.open_store();
                self.output.hashes.push((meta.index, store.state_hash()));
                self.running().applying.install(store, meta);
            }
        }
        true
    }
}

fn perform(disk: &mut Disk, operation: StagingOp) -> bool {
    match operation {
        StagingOp::Begin(meta) => {
            disk.begin_staging(meta);
            true
        }
        StagingOp::Write(records) => disk.stage(records),
        StagingOp::WriteLeases(leases) => disk.stage_leases(leases),
        StagingOp::Finish(checkpoint) => disk.finish_staging(*checkpoint),
    }
}

fn input_of(note: Note) -> OrderingInput<Message> {
    match note {
        Note::Applied { upto, clock } => OrderingInput::Applied { upto, clock },
        Note::Compacted(meta) => OrderingInput::Compacted(meta),
        Note::Staged(meta) => OrderingInput::Staged(meta),
        Note::SnapshotSent { to, meta } => OrderingInput::SnapshotSent { to, meta },
        Note::SnapshotFailed { to } => OrderingInput::SnapshotFailed { to },
        Note::Installed(meta) => OrderingInput::Installed(meta),
        Note::Backlog(bytes) => OrderingInput::Backlog(bytes),
        Note::Wish(command) => OrderingInput::Wish(command),
        Note::Leases(clock) => OrderingInput::Leases(clock),
    }
}
