//! The thread that applies: committed entries in, answers out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use quorate_codec::Wire;
use quorate_codec::peer::PeerMessage;
use quorate_consensus::{Entry, Index, Meta};
use quorate_kv::{Damage, Store, Strict};
use quorate_replica::{
    Answer, Applying, ApplyingEffects, Ending, Note, OrderingInput, ReadRequest, ReadResponse,
    Waiters,
};

use crate::backup;
use crate::clock::Clock;
use crate::fatal::{Alarm, Failure};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::queue::{Nothing, Receiver, Sender};
use crate::range_stream;
use crate::room::Room;
use crate::waiter::{End, Figures, Held, ToApplying, ToOrdering, ToStore, Waiter, Waiting};
use crate::watching::Streams;

/// Most messages taken between two looks at what follows from them.
const BATCH_MAX: usize = 1024;

/// Most bytes of entries that are applied before the ordering thread is woken to learn of it: few,
/// beside what it may have delivered and not seen applied.
const UNTOLD_BYTES_MAX: u64 = 1 << 20;

/// What answers hold at most that their clients were not sent yet, in KiB: as much as the ranges
/// that are being read, each of which may become one answer.
pub(crate) const ANSWERS_KIB_MAX: usize = 256 << 10;

/// Most bytes that are applied and not on the state machine's disk before no more is applied. A
/// leader takes no writes long before ([`quorate_replica::Limits::backlog_bytes_max`]); a member
/// whose own disk alone is slow comes here, and lags.
const BACKLOG_BYTES_MAX: u64 = 384 << 20;

/// Answers of less are not counted: all requests together bound those.
const HELD_BYTES_MIN: usize = 4 << 10;

/// Applying that takes longer is counted as slow, as in etcd.
const APPLY_SLOW: Duration = Duration::from_millis(100);

/// The applying half and its surroundings.
pub(crate) struct ApplyingThread<M> {
    pub(crate) applying: Applying<Strict>,
    pub(crate) clock: Clock,
    pub(crate) inbox: Receiver<ToApplying>,
    pub(crate) ordering: Sender<ToOrdering<M>>,
    pub(crate) store: Sender<ToStore>,
    pub(crate) peers: Arc<Peers<M>>,
    pub(crate) alarm: Alarm,
    /// How long a released read may wait for its position.
    pub(crate) read_timeout: Duration,
    pub(crate) waiting: Waiting<Waiter>,
    /// Room for answers on their way to clients.
    pub(crate) answers: Room,
    pub(crate) streams: Streams,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lag: Lag,
}

/// How far the halves are apart.
#[derive(Default)]
pub(crate) struct Lag {
    /// Committed entries for which the state machine's disk is too slow.
    unapplied: VecDeque<Vec<(Entry, Waiters<Waiter>)>>,
    /// Bytes of entries applied since the ordering thread was last woken.
    untold_bytes: u64,
}

/// Whether the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl<M: Wire + Send + 'static> ApplyingThread<M> {
    /// Runs until told to stop, or until the disk is found to have lied.
    pub(crate) fn run(mut self) {
        let _guard = self.alarm.guard("applying");
        loop {
            match self.turn() {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stop) => return,
                Err(damage) => {
                    self.alarm.raise(Failure::Map(damage.to_string()));
                    return;
                }
            }
        }
    }

    fn turn(&mut self) -> Result<Flow, Damage> {
        let now = self.clock.now();
        let first = match self.applying.deadline(now) {
            None => self.inbox.recv().ok_or(Nothing::Disconnected),
            Some(deadline) => self.inbox.recv_timeout(deadline.since(now)),
        };
        let mut flow = match first {
            Ok(message) => self.take(message)?,
            Err(Nothing::Timeout) => Flow::Continue,
            Err(Nothing::Disconnected) => Flow::Stop,
        };
        let mut taken = 1;
        for _ in 0..BATCH_MAX {
            let Some(message) = self.inbox.try_recv() else { break };
            taken += 1;
            if self.take(message)? == Flow::Stop {
                flow = Flow::Stop;
            }
        }
        self.metrics.threads.applying_turn.observe(taken);
        let effects = self.applying.effects(self.clock.now())?;
        self.perform(effects);
        Ok(flow)
    }

    fn take(&mut self, message: ToApplying) -> Result<Flow, Damage> {
        let now = self.clock.now();
        match message {
            ToApplying::Committed(entries) => {
                self.lag.unapplied.push_back(entries);
                self.apply_what_fits()?;
            }
            ToApplying::Read { request, waiter, at } => self.read(request, waiter, at),
            ToApplying::Snapshot { from, message, permit } => {
                self.applying.on_message(now, from, message)?;
                drop(permit);
            }
            ToApplying::SnapshotNeeded(needed) => self.applying.on_snapshot_needed(now, needed),
            ToApplying::Install(meta) => self.install(meta),
            ToApplying::Installed(store, meta) => self.installed(*store, meta),
            ToApplying::Committing(id) => {
                self.applying.on_committed(id);
                self.apply_what_fits()?;
            }
            ToApplying::Staged(result) => self.applying.on_staged(now, result),
            ToApplying::Watches(message) => {
                self.streams.take(now, message, &mut self.applying)?;
            }
            ToApplying::Ranges(message) => range_stream::take(message, &mut self.applying)?,
            ToApplying::Backups(message) => backup::take(message, &mut self.applying)?,
            ToApplying::Figures(answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.figures());
            }
            ToApplying::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::Continue)
    }

    /// Applies what the state machine's disk keeps up with. The rest waits: the ordering half hands
    /// over no more than a bound beyond what was applied.
    fn apply_what_fits(&mut self) -> Result<(), Damage> {
        while self.applying.store().uncommitted_bytes() < BACKLOG_BYTES_MAX
            && let Some(entries) = self.lag.unapplied.pop_front()
        {
            self.apply(entries)?;
        }
        Ok(())
    }

    fn apply(&mut self, entries: Vec<(Entry, Waiters<Waiter>)>) -> Result<(), Damage> {
        let now = self.clock.now();
        let count = entries.len() as u64;
        for (entry, waiters) in entries {
            self.lag.untold_bytes += entry.cost();
            let tickets = waiters.map(|waiter| self.waiting.admit(waiter));
            self.applying.apply(now, &entry, tickets)?;
        }
        let took = self.clock.now().since(now);
        let threads = &self.metrics.threads;
        threads.apply_batch.observe(count);
        threads.apply_seconds.observe_duration(took);
        if APPLY_SLOW <= took {
            threads.apply_slow.increment();
        }
        Ok(())
    }

    fn read(&mut self, request: ReadRequest, waiter: Waiter, at: Index) {
        let ticket = self.waiting.admit(waiter);
        let deadline = self.clock.now() + self.read_timeout;
        self.applying.read(ticket, request, at, deadline);
    }

    /// The store thread works in order, so a commit under way ends before the new map opens.
    fn install(&mut self, meta: Meta) {
        self.applying.prepare_install();
        self.to_store(ToStore::Activate(meta));
    }

    /// What was handed over before the snapshot lies within it, and what became of each command
    /// there is not told.
    fn installed(&mut self, store: Store<Strict>, meta: Meta) {
        for (_, waiters) in std::mem::take(&mut self.lag.unapplied).into_iter().flatten() {
            waiters.map(|waiter| waiter.send(Err(Ending::Unknown)));
        }
        self.applying.install(store, meta);
    }

    fn figures(&mut self) -> Figures {
        let watches = self.applying.watches().count();
        let store = self.applying.store();
        Figures {
            sizes: store.sizes(),
            applied: self.applying.applied(),
            state_hash: store.state_hash(),
            revision: store.revision(),
            attributes: store.attributes().clone(),
            alarms: store.alarms().clone(),
            compacted: store.compacted(),
            uncommitted_bytes: store.uncommitted_bytes(),
            watches,
            watch_streams: self.streams.count(),
            watch_events: self.streams.told(),
            lease_counts: store.lease_counts(),
            counts: self.applying.counts(),
        }
    }

    fn perform(&mut self, effects: ApplyingEffects) {
        let mut wakers = Vec::with_capacity(effects.answers.len());
        for (ticket, answer) in effects.answers {
            if let Answer::Read(Ok(ReadResponse::Range(_))) = answer {
                self.metrics.requests.ranges.increment();
            }
            let end = self.hold(answer);
            wakers.extend(self.waiting.take(ticket).leave(end));
        }
        wakers.into_iter().for_each(Waker::wake);
        for stream in effects.watched {
            self.streams.hand_out(stream, &mut self.applying);
        }
        for (to, message) in effects.messages {
            self.peers.send(to, PeerMessage::Snapshot(message));
        }
        self.tell(effects.notes);
        if let Some(commit) = effects.commit {
            self.to_store(ToStore::Commit(commit));
        }
        if !effects.staging.is_empty() {
            self.to_store(ToStore::Stage(effects.staging));
        }
    }

    /// Makes room for an answer until its client was sent it. Without room it is not sent: then a
    /// read has not been served, and what became of a command is not told.
    fn hold(&self, answer: Answer) -> End {
        let bytes = answer.bytes();
        if bytes < HELD_BYTES_MIN {
            return Ok(Held { answer, share: None });
        }
        let mut share = self.answers.share();
        match (share.fit(bytes), &answer) {
            (Ok(()), _) => Ok(Held { answer, share: Some(share) }),
            (Err(_), Answer::Command(_)) => Err(Ending::Unknown),
            (Err(_), _) => Ok(Held { answer: Answer::Overloaded, share: None }),
        }
    }

    /// That entries are applied is no reason to wake the ordering thread: it learns of it when it
    /// wakes for another one, and long before it would hold back what it has to deliver.
    fn tell(&mut self, notes: Vec<Note>) {
        let is_urgent = notes.iter().any(|note| !matches!(note, Note::Applied { .. }));
        for note in notes {
            self.observe(&note);
            // The ordering thread is gone only when the node stops.
            let _ = self.ordering.leave(input_of(note).into());
        }
        if is_urgent || UNTOLD_BYTES_MAX <= self.lag.untold_bytes {
            self.lag.untold_bytes = 0;
            self.ordering.wake();
        }
    }

    fn observe(&self, note: &Note) {
        match note {
            Note::SnapshotSent { to, .. } => {
                self.metrics.peers.of(*to).inspect(|peer| peer.snapshots_sent.increment());
            }
            Note::SnapshotFailed { to } => {
                self.metrics.peers.of(*to).inspect(|peer| peer.snapshots_failed.increment());
            }
            _ => {}
        }
    }

    fn to_store(&self, message: ToStore) {
        // The store thread is gone only when the node stops.
        let _ = self.store.send(message);
    }
}

fn input_of<M>(note: Note) -> OrderingInput<M> {
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
