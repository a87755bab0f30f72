//! The applying half: the state machine, the clients that wait for it, and its durability.
//!
//! Committed entries come in, answers go out. Between two entries it serves released reads, slices
//! of large ranges, and snapshots for peers.

mod leasing;
mod pieces;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use quorate_codec::peer::{SnapshotMessage, TransferId};
use quorate_codec::{decode_command, encode_command};
use quorate_consensus::{Entry, Index, Instant, Meta, NodeId, Payload, SendSnapshot};
use quorate_kv::{
    Command, CommitId, Context, Damage, LeaseId, NodeTime, Response, Step, Store, StreamId,
    WatchLimits, WatchRequest, Watches,
};

use crate::applying_io::{Answer, ApplyingEffects, Note, StagingFailed};
use crate::backups::Backups;
use crate::compaction::{CommitPolicy, Compaction};
use crate::counts::Counts;
use crate::incoming::{Incoming, Reaction};
use crate::meta::{clock_of, members_to_bytes, meta_of};
use crate::ordering_io::LeaseClock;
use crate::outgoing::Outgoing;
use crate::reading::{Moment, ReadRequest, Reading};
use crate::request::{Ticket, Waiters};
use crate::rules::{Rule, Rules, Strict};
use crate::streams::RangeStreams;

/// The applying half of one node.
pub struct Applying<R: quorate_kv::Rules, N: Rules = Strict> {
    store: Store<R>,
    rules: N,
    watches: Watches<R>,
    reading: Reading,
    /// Compactions whose client waits until the bytes are gone, by revision.
    compacting: VecDeque<(i64, Ticket, Response)>,
    outgoing: Outgoing,
    incoming: Incoming,
    backups: Backups,
    streams: RangeStreams,
    compaction: Compaction,
    /// What the commit under way will make durable.
    committing: Option<(CommitId, Meta)>,
    effects: ApplyingEffects,
    applied_told: u64,
    backlog_told: u64,
    wish_told: Option<Command>,
    counts: Counts,
    leases_told: Option<LeaseClock>,
    /// When this node proposed the last renewal of a lease that was applied.
    renewed: BTreeMap<LeaseId, Instant>,
    /// When the store's clock last moved.
    clock_moved_at: Option<Instant>,
    has_compaction_work: bool,
    is_installing: bool,
}

/// Work done between two looks at the queue: records read for large ranges, or removed for
/// compactions.
const SLICE_RECORDS: usize = 1_000;

/// Most bytes of one commit to the disk map: enough to make its syncs few.
const COMMIT_BYTES_MAX: u64 = 16 << 20;

/// A change of the backlog smaller than this is not worth a note.
const BACKLOG_STEP_BYTES: u64 = 4 << 20;

impl<R: quorate_kv::Rules> Applying<R> {
    /// The applying half around a store that has just been opened.
    ///
    /// `compacted` is where the log begins; transfers are numbered above `first_number`.
    pub fn new(store: Store<R>, policy: CommitPolicy, compacted: Index, first_number: u64) -> Self {
        Self::with_rules(store, policy, compacted, first_number, Strict)
    }
}

impl<R: quorate_kv::Rules, N: Rules> Applying<R, N> {
    /// As [`Applying::new`], by rules of which one may be broken.
    pub fn with_rules(
        store: Store<R>,
        policy: CommitPolicy,
        compacted: Index,
        first_number: u64,
        rules: N,
    ) -> Self {
        let applied_told = store.position().index;
        let of_store = store.rules().clone();
        Self {
            watches: Watches::new(WatchLimits::default(), store.revision(), of_store),
            rules,
            reading: Reading::default(),
            compacting: VecDeque::new(),
            outgoing: Outgoing::new(first_number),
            incoming: Incoming::default(),
            backups: Backups::default(),
            streams: RangeStreams::default(),
            compaction: Compaction::new(policy, compacted.0),
            committing: None,
            effects: ApplyingEffects::default(),
            applied_told,
            backlog_told: 0,
            wish_told: None,
            counts: Counts::default(),
            leases_told: None,
            renewed: BTreeMap::new(),
            clock_moved_at: None,
            has_compaction_work: true,
            is_installing: false,
            store,
        }
    }

    /// The same, with these bounds on watches, of which there are none yet.
    pub fn with_watch_limits(self, limits: WatchLimits) -> Self {
        assert!(self.watches.count() == 0, "limits are set before watches begin");
        let rules = self.store.rules().clone();
        Self { watches: Watches::new(limits, self.store.revision(), rules), ..self }
    }

    /// The streams of watches: to be opened and closed, and taken from.
    pub fn watches(&mut self) -> &mut Watches<R> {
        &mut self.watches
    }

    /// Begins a watch on an open stream.
    pub fn watch(
        &mut self,
        now: Instant,
        stream: StreamId,
        request: &WatchRequest,
    ) -> Result<(), Damage> {
        self.watches.create(node_time(now), &self.store, stream, request)
    }

    /// The state machine, for questions that change nothing.
    pub fn store(&self) -> &Store<R> {
        &self.store
    }

    /// What was applied since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The last applied position.
    pub fn applied(&self) -> Index {
        Index(self.store.position().index)
    }

    /// Applies the next entry and answers whoever waits for it.
    pub fn apply(&mut self, now: Instant, entry: &Entry, waiters: Waiters) -> Result<(), Damage> {
        assert!(
            entry.index == self.applied().next(),
            "entries are applied in order, each once: {} after {}",
            entry.index,
            self.applied()
        );
        let context = self.begin_entry(entry);
        self.compaction.on_dirty(now);
        if self.store.now() < context.time {
            self.clock_moved_at = Some(now);
        }
        match &entry.payload {
            Payload::Noop => self.store.apply_nothing(context),
            Payload::Members(members) => {
                self.store.set_members(members_to_bytes(members));
                self.store.apply_nothing(context);
            }
            Payload::Command(bytes) => self.apply_command(context, bytes, waiters)?,
        }
        Ok(())
    }

    /// A command is decoded where it is proposed and checksummed all the way: one that does not
    /// decode here came from a newer program, and going on would make this replica differ.
    fn apply_command(
        &mut self,
        context: Context,
        bytes: &Bytes,
        waiters: Waiters,
    ) -> Result<(), Damage> {
        let command = decode_command(bytes.clone())
            .expect("a committed command decodes: upgrade this node to the cluster's version");
        let is_compaction = matches!(command, Command::Compact(_));
        if is_compaction {
            self.watches.on_applied(&self.store)?;
        }
        let result = self.store.apply(context, &command)?;
        self.has_compaction_work |= is_compaction;
        self.counts.on_applied(&result);
        match (waiters, &command, result) {
            (Waiters::Nobody, ..) => {}
            (Waiters::One(ticket), Command::Compact(compact), Ok(response)) if compact.physical => {
                self.compacting.push_back((compact.revision, ticket, response));
            }
            (Waiters::One(ticket), _, result) => self.answer(ticket, Answer::Command(result)),
            (
                Waiters::Renewals { since, all },
                Command::LeaseRenew(request),
                Ok(Response::LeaseRenew(renewal)),
            ) => {
                self.note_renewals(since, &request.ids, &renewal);
                self.answer_renewals(all, renewal);
            }
            (Waiters::Renewals { .. }, command, _) => {
                unreachable!("renewals wait for their entry, not for {command:?}")
            }
        }
        Ok(())
    }

    /// A read that may be served once `at` is applied.
    pub fn read(&mut self, ticket: Ticket, request: ReadRequest, at: Index, deadline: Instant) {
        self.reading.admit(ticket, request, at, deadline);
    }

    /// A peer needs a snapshot.
    pub fn on_snapshot_needed(&mut self, now: Instant, needed: SendSnapshot) {
        assert!(needed.at_least <= self.applied(), "a snapshot is needed beyond what is applied");
        let message = self.outgoing.offer(now, needed, &mut self.store, meta_of);
        self.effects.messages.push((needed.to, message));
        self.has_compaction_work = true;
    }

    /// A peer's message about a snapshot.
    pub fn on_message(
        &mut self,
        now: Instant,
        from: NodeId,
        message: SnapshotMessage,
    ) -> Result<(), Damage> {
        match message {
            SnapshotMessage::Offer { transfer, meta, .. } => {
                self.on_offer(now, from, transfer, meta);
            }
            SnapshotMessage::Pull { transfer, from: revision } => {
                let chunk = self.outgoing.chunk(now, from, transfer, revision, &self.store)?;
                self.effects.messages.push((from, chunk));
            }
            SnapshotMessage::Chunk(chunk) => {
                let reaction = self.incoming.on_chunk(now, from, chunk, &self.rules);
                self.react(reaction);
            }
            SnapshotMessage::Held { transfer, .. } => {
                if let Some(meta) = self.end_outgoing(from, transfer) {
                    self.effects.notes.push(Note::SnapshotSent { to: from, meta });
                }
            }
            SnapshotMessage::Aborted { transfer } => self.on_aborted(from, transfer),
        }
        Ok(())
    }

    fn on_offer(&mut self, now: Instant, from: NodeId, transfer: TransferId, meta: Meta) {
        let reaction = if self.is_installing {
            self.incoming.on_offer_while_installing(from, transfer, meta)
        } else {
            let applied = self.applied().0;
            self.incoming.on_offer(now, from, transfer, meta, applied)
        };
        self.react(reaction);
    }

    fn on_aborted(&mut self, from: NodeId, transfer: TransferId) {
        self.incoming.on_aborted(from, transfer);
        if self.end_outgoing(from, transfer).is_some() {
            self.effects.notes.push(Note::SnapshotFailed { to: from });
        }
    }

    /// What the snapshot held back may now be compacted.
    fn end_outgoing(&mut self, to: NodeId, transfer: TransferId) -> Option<Meta> {
        let meta = self.outgoing.end(to, transfer, &mut self.store)?;
        self.has_compaction_work = true;
        Some(meta)
    }

    /// The host has done the staging work of one drain; `Err` if it could not.
    pub fn on_staged(&mut self, now: Instant, result: Result<(), StagingFailed>) {
        let has_more = !self.incoming.is_last_acknowledged(&self.rules);
        if has_more || !self.effects.staging.is_empty() {
            return;
        }
        let reaction = match result {
            Ok(()) => self.incoming.on_staging_done(now),
            Err(StagingFailed) => self.incoming.on_staging_failed(),
        };
        self.react(reaction);
    }

    fn react(&mut self, reaction: Reaction) {
        self.effects.messages.extend(reaction.message);
        self.effects.staging.extend(reaction.staging);
        self.effects.notes.extend(reaction.staged.map(Note::Staged));
    }

    /// The commit is durable.
    pub fn on_committed(&mut self, id: CommitId) {
        let (under_way, meta) = self.committing.take().expect("a commit ended that was not begun");
        assert!(under_way == id, "commits end in order");
        self.store.finish_commit(id);
        if let Some(meta) = self.compaction.on_durable(meta) {
            self.effects.notes.push(Note::Compacted(meta));
        }
    }

    /// A snapshot is about to take the place of the state machine: from here on no commit begins,
    /// and nothing is staged that could get in its way.
    pub fn prepare_install(&mut self) {
        self.is_installing = true;
        self.incoming.stop_unless_held();
        self.effects.staging.clear();
    }

    /// The staged snapshot has taken the place of the old state machine.
    ///
    /// The old map must have no commit under way.
    pub fn install(&mut self, store: Store<R>, meta: Meta) {
        assert!(self.committing.is_none(), "a commit to the replaced map is under way");
        assert!(store.position().index == meta.index.0, "the snapshot is not what it claims");
        self.store = store;
        self.clock_moved_at = None;
        self.watches.on_installed(&self.store);
        self.is_installing = false;
        for to in self.outgoing.clear() {
            self.effects.notes.push(Note::SnapshotFailed { to });
        }
        self.incoming.clear();
        self.backups.clear();
        self.streams.clear();
        self.compaction.on_installed(meta.index.0);
        self.has_compaction_work = true;
        self.reading.restart();
        let compacting = core::mem::take(&mut self.compacting);
        for (_, ticket, response) in compacting {
            self.answer(ticket, Answer::Command(Ok(response)));
        }
        self.applied_told = meta.index.0;
        self.effects.notes.push(Note::Installed(meta));
    }

    /// Whether a commit is under way.
    pub fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// Begins a commit of all that waits, at once: before a stop, or before an install.
    pub fn flush(&mut self, now: Instant) {
        if self.committing.is_none() {
            self.begin_commit(now);
        }
    }

    fn begin_commit(&mut self, now: Instant) {
        if self.is_installing {
            return;
        }
        self.compaction.on_commit_begun(self.store.uncommitted_bytes());
        let Some(commit) = self.store.begin_commit(COMMIT_BYTES_MAX) else { return };
        if commit.checkpoint.position != self.store.position() || self.store.has_removes() {
            self.compaction.on_dirty(now);
        }
        let meta = meta_of(&commit.checkpoint);
        if self.rules.breaks(Rule::CompactAboveDurable) {
            self.effects.notes.push(Note::Compacted(meta.clone()));
        }
        self.committing = Some((commit.id, meta));
        self.effects.commit = Some(commit);
    }

    /// Does a slice of what is waiting and hands out everything the host must do.
    pub fn effects(&mut self, now: Instant) -> Result<ApplyingEffects, Damage> {
        self.serve_reads(now)?;
        self.tell_watches(now)?;
        self.wake_transfers(now);
        self.compact_a_little(now)?;
        if self.committing.is_none() && self.compaction.is_due(now, self.store.uncommitted_bytes())
        {
            self.begin_commit(now);
        }
        self.tell_progress();
        if !self.effects.staging.is_empty() {
            self.incoming.on_staging_given();
        }
        Ok(core::mem::take(&mut self.effects))
    }

    /// A read that ended lets compaction go on.
    fn serve_reads(&mut self, now: Instant) -> Result<(), Damage> {
        let applied = self.applied();
        let had_slices = self.reading.has_slices();
        let cluster = self.cluster_time(now);
        let moment = Moment { now, cluster, applied, renewed: &self.renewed };
        let answers = self.reading.serve(moment, &mut self.store, SLICE_RECORDS, &self.rules)?;
        self.has_compaction_work |= had_slices && !answers.is_empty();
        self.effects.answers.extend(answers);
        Ok(())
    }

    /// Those that keep up are told all that is new, those that do not a slice of history.
    fn tell_watches(&mut self, now: Instant) -> Result<(), Damage> {
        self.watches.catch_up(&self.store)?;
        self.watches.on_time(node_time(now));
        self.effects.watched.extend(self.watches.take_ready());
        Ok(())
    }

    fn wake_transfers(&mut self, now: Instant) {
        let reaction = self.incoming.wake(now);
        self.react(reaction);
        for to in self.outgoing.expire(now, &mut self.store) {
            self.has_compaction_work = true;
            self.effects.notes.push(Note::SnapshotFailed { to });
        }
        self.effects.messages.extend(self.outgoing.repeat_offers(now));
    }

    /// What is removed here leaves the disk with the next commit.
    fn compact_a_little(&mut self, now: Instant) -> Result<(), Damage> {
        if self.has_compaction_work {
            self.has_compaction_work = self.store.compact_step(SLICE_RECORDS)? == Step::More;
            if self.store.has_removes() {
                self.compaction.on_dirty(now);
            }
        }
        while let Some((revision, ..)) = self.compacting.front() {
            if !self.store.is_compacted_physically(*revision) {
                break;
            }
            let (_, ticket, response) = self.compacting.pop_front().expect("it has a front");
            self.answer(ticket, Answer::Command(Ok(response)));
        }
        Ok(())
    }

    fn tell_progress(&mut self) {
        self.tell_leases();
        let applied = self.applied();
        if self.applied_told < applied.0 {
            self.applied_told = applied.0;
            let clock = clock_of(&self.store);
            self.effects.notes.push(Note::Applied { upto: applied, clock });
        }
        let backlog = self.store.uncommitted_bytes();
        if backlog.abs_diff(self.backlog_told) >= BACKLOG_STEP_BYTES {
            self.backlog_told = backlog;
            self.effects.notes.push(Note::Backlog(backlog));
        }
        let wish = self.store.quota_command();
        if wish != self.wish_told {
            self.effects.notes.push(Note::Wish(wish.as_ref().map(encode_command)));
            self.wish_told = wish;
        }
    }

    /// When to look again if nothing else happens before.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let has_reads = self.reading.has_slices() || self.reading.has_ready(self.applied());
        if has_reads || self.has_compaction_work || self.watches.is_behind() {
            return Some(now);
        }
        let commit =
            self.compaction.deadline().filter(|_| self.committing.is_none() && !self.is_installing);
        let progress = self.watches.deadline().map(|at| Instant::from_micros(at.0));
        let transfers = [self.incoming.deadline(), self.outgoing.deadline()];
        let others = [commit, self.reading.deadline(), progress];
        transfers.into_iter().chain(others).flatten().min()
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.effects.answers.push((ticket, answer));
    }
}

/// The state machine's name for a moment of this node's clock.
fn node_time(now: Instant) -> NodeTime {
    NodeTime(now.as_micros())
}
