//! Watches: who is told of which changes, and how far each has been told.
//!
//! A watch is a cursor over the history of the store. One that keeps up stands in the index of
//! those that are `current`: each batch of changes is matched against it once, and all who match
//! share one copy. One that is behind reads history, in slices, together with all others that
//! are behind, until it is current; replay and live changes meet at the cursor, so nothing is told
//! twice and nothing is left out. When a client does not take what it is told, the cursors of its
//! watches stop where they are: a slow client costs the bound of its stream, and nobody else waits.
//!
//! Nothing here is replicated: every member serves watches from its own store.

mod intervals;
mod replay;
mod stream;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::{Damage, Record, Revision, Rule, Rules, Store, Strict};
use intervals::{Interval, Intervals};
use stream::Stream;

pub use types::{
    CancelCause, Change, NodeTime, StreamId, WatchFilter, WatchId, WatchLimits, WatchRefusal,
    WatchRequest, WatchResponse,
};

/// About how many changes are looked at in one go.
const SLICE_RECORDS: usize = 1_000;

/// A watch, among all of this node.
type Name = (StreamId, WatchId);

/// All watches of a node.
#[derive(Debug)]
pub struct Watches<R: Rules = Strict> {
    limits: WatchLimits,
    rules: R,
    streams: BTreeMap<StreamId, Stream>,
    watches: BTreeMap<Name, Watch>,
    /// The bytes of the keys that these begin and end at.
    key_bytes: usize,
    /// Names that are taken without a watch.
    ended: usize,
    /// Watches that have been told everything up to `seen`.
    current: Intervals<Name>,
    /// Watches that are behind, and read history.
    behind: Intervals<Name>,
    /// The same by their cursors.
    cursors: BTreeSet<(i64, Name)>,
    /// The revision that has been matched against the current ones.
    seen: i64,
    /// Streams with something for their clients.
    ready: BTreeSet<StreamId>,
    /// Streams that asked for their progress and were not told yet.
    asking: BTreeSet<StreamId>,
    /// When watches that want progress are looked at.
    alarms: BTreeSet<(NodeTime, Name)>,
}

#[derive(Debug)]
struct Watch {
    interval: Interval,
    place: Place,
    /// Nothing below it is told: it was asked for, or what was told before.
    from: i64,
    wants_previous: bool,
    wants_fragments: bool,
    filter: WatchFilter,
    progress: Option<Progress>,
}

/// Where a watch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has been told everything that was seen.
    Current,
    /// It reads history, from `from` on.
    Behind,
    /// Its client does not take what it is told; it goes on at `from`.
    Stuck,
}

/// The progress that a watch is told while it is quiet.
#[derive(Clone, Copy, Debug)]
struct Progress {
    at: NodeTime,
    is_quiet: bool,
}

/// What may wait for a stream's client however many streams there are.
const OUTBOX_BYTES_MIN: usize = 16 << 10;

/// Changes that wait to be handed to the watches they match.
type Matched = BTreeMap<Name, Vec<Arc<Change>>>;

impl<R: Rules> Watches<R> {
    /// No watches, beside a store at this revision.
    pub fn new(limits: WatchLimits, revision: i64, rules: R) -> Self {
        Self {
            limits,
            rules,
            streams: BTreeMap::new(),
            watches: BTreeMap::new(),
            key_bytes: 0,
            ended: 0,
            current: Intervals::default(),
            behind: Intervals::default(),
            cursors: BTreeSet::new(),
            seen: revision,
            ready: BTreeSet::new(),
            asking: BTreeSet::new(),
            alarms: BTreeSet::new(),
        }
    }

    /// How many watches there are.
    pub fn count(&self) -> usize {
        self.watches.len()
    }

    /// A client opens a stream, under a name that no open one has.
    pub fn open(&mut self, stream: StreamId) {
        let earlier = self.streams.insert(stream, Stream::default());
        assert!(earlier.is_none(), "{stream:?} is open");
    }

    /// A stream has ended, and its watches with it. One that is not open has ended before.
    pub fn close(&mut self, stream: StreamId) {
        let Some(closed) = self.streams.remove(&stream) else { return };
        for watch in closed.watches() {
            self.forget((stream, watch));
        }
        self.ended -= closed.ended();
        self.ready.remove(&stream);
        self.asking.remove(&stream);
    }

    /// Begins a watch. What it comes to is the next thing the stream is told.
    pub fn create(
        &mut self,
        now: NodeTime,
        store: &Store<R>,
        stream: StreamId,
        request: &WatchRequest,
    ) -> Result<(), Damage> {
        // Changes that are not matched yet come before the watch.
        self.on_applied(store)?;
        let revision = store.revision();
        let created = self.admit(now, revision, stream, request);
        let response = match created {
            Ok(watch) => WatchResponse::Created { watch, revision },
            Err(refusal) => WatchResponse::Refused { refusal, revision },
        };
        self.tell(stream, response);
        Ok(())
    }

    /// Ends a watch. One that does not exist stays silent, and one that a compaction ended is
    /// answered, as with etcd.
    pub fn cancel(&mut self, stream: StreamId, watch: WatchId) {
        let Some(open) = self.streams.get_mut(&stream) else { return };
        if open.release(watch) {
            self.ended -= 1;
        } else if open.remove(watch) {
            self.forget((stream, watch));
        } else {
            return;
        }
        let cause = CancelCause::Asked { revision: self.seen };
        self.tell(stream, WatchResponse::Canceled { watch, cause });
        self.answer_progress(stream);
    }

    /// The client asks how far its watches have come. It is told once all of them are current;
    /// without watches there is nothing to tell.
    pub fn request_progress(&mut self, stream: StreamId) {
        if self.streams.get(&stream).is_some_and(Stream::has_watches) {
            self.asking.insert(stream);
            self.answer_progress(stream);
        }
    }

    /// Whether [`Watches::catch_up`] has something to do. A client that takes what it is told may
    /// let watches go on that stood still.
    pub fn is_behind(&self) -> bool {
        !self.cursors.is_empty()
    }

    /// The streams that have something new for their clients, each told once: again when there is
    /// more, or when something is left after [`Watches::take`].
    pub fn take_ready(&mut self) -> BTreeSet<StreamId> {
        core::mem::take(&mut self.ready)
    }

    /// What a stream's client is told next, about as many bytes of it; nothing if there is none.
    pub fn take(&mut self, stream: StreamId, bytes_max: usize) -> Vec<WatchResponse> {
        let (share, outbox_bytes_max) = (self.outbox_share(), self.outbox_bytes_max());
        let Some(open) = self.streams.get_mut(&stream) else { return Vec::new() };
        let taken = open.take(bytes_max.min(share));
        if open.is_empty() {
            self.ready.remove(&stream);
        } else {
            self.ready.insert(stream);
        }
        if open.bytes() <= outbox_bytes_max / 2 {
            for watch in open.unstick() {
                self.go_on((stream, watch));
            }
        }
        taken
    }

    /// Bytes that may wait for one stream's client.
    fn outbox_bytes_max(&self) -> usize {
        self.limits.outbox_bytes_max.min(self.outbox_share())
    }

    /// One stream's part of what may wait for all clients.
    fn outbox_share(&self) -> usize {
        let share = self.limits.outboxes_bytes_max / self.streams.len().max(1);
        share.max(OUTBOX_BYTES_MIN)
    }

    /// When [`Watches::on_time`] is to be called next.
    pub fn deadline(&self) -> Option<NodeTime> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Tells quiet watches their progress, where they want that and the time has come.
    pub fn on_time(&mut self, now: NodeTime) {
        while let Some((alarm, name)) = self.alarms.first().copied()
            && alarm <= now
        {
            self.alarms.pop_first();
            let seen = self.seen;
            let at = self.next_alarm(now, name);
            let watch = self.watches.get_mut(&name).expect("an alarm is of a watch");
            let is_due = watch.is_told_upto(seen);
            let progress = watch.progress.as_mut().expect("an alarm is of one that wants it");
            let is_quiet = core::mem::replace(progress, Progress { at, is_quiet: true }).is_quiet;
            self.alarms.insert((at, name));
            if is_quiet && is_due {
                let (stream, id) = name;
                self.tell(stream, WatchResponse::Progress { watch: Some(id), revision: seen });
            }
        }
    }

    fn admit(
        &mut self,
        now: NodeTime,
        revision: i64,
        stream: StreamId,
        request: &WatchRequest,
    ) -> Result<WatchId, WatchRefusal> {
        let key = if request.key.is_empty() { &Bytes::from_static(b"\0") } else { &request.key };
        // Of two faults, etcd names the revision.
        if request.start_revision < 0 {
            return Err(WatchRefusal::NegativeRevision);
        }
        let interval = Interval::new(key, &request.range_end).ok_or(WatchRefusal::EmptyRange)?;
        if self.limits.watches_max <= self.watches.len() + self.ended {
            return Err(WatchRefusal::TooMany { watches_max: self.limits.watches_max });
        }
        let key_bytes = self.key_bytes + interval.bytes();
        if self.limits.key_bytes_max < key_bytes {
            return Err(WatchRefusal::KeysTooLong { key_bytes_max: self.limits.key_bytes_max });
        }
        let open = self.streams.get_mut(&stream).expect("watches begin on open streams");
        let id = open.admit(request.id).ok_or(WatchRefusal::DuplicateId)?;
        let name = (stream, id);
        let from = if request.start_revision == 0 { revision + 1 } else { request.start_revision };
        let at = self.next_alarm(now, name);
        let progress = request.wants_progress.then_some(Progress { at, is_quiet: true });
        if progress.is_some() {
            self.alarms.insert((at, name));
        }
        self.key_bytes = key_bytes;
        self.watches.insert(name, Watch::new(request, interval, from, progress));
        self.go_on(name);
        Ok(id)
    }

    /// The alarms of many watches are spread over a tenth of the interval.
    fn next_alarm(&self, now: NodeTime, (stream, watch): Name) -> NodeTime {
        let interval = self.limits.progress_interval_micros;
        let spread = stream.0.wrapping_mul(31).wrapping_add(watch.0.cast_unsigned()) % 101;
        NodeTime(now.0 + interval + interval / 1_000 * spread)
    }

    /// Tells a stream that asked for its progress, if all of its watches are current.
    fn answer_progress(&mut self, stream: StreamId) {
        if !self.asking.contains(&stream) {
            return;
        }
        let open = &self.streams[&stream];
        let is_told = |watch| self.watches[&(stream, watch)].is_told_upto(self.seen);
        if open.watches().all(is_told) || self.rules.breaks(Rule::WatchProgressAhead) {
            self.asking.remove(&stream);
            let revision = self.seen;
            self.tell(stream, WatchResponse::Progress { watch: None, revision });
        }
    }

    fn tell(&mut self, stream: StreamId, response: WatchResponse) {
        let open = self.streams.get_mut(&stream).expect("only open streams are told anything");
        open.push(response);
        self.ready.insert(stream);
    }

    /// Puts a watch, which is in no index, into the one of its place.
    fn put(&mut self, name: Name, place: Place) {
        let watch = self.watches.get_mut(&name).expect("a watch that is moved exists");
        watch.place = place;
        match place {
            Place::Current => self.current.insert(&watch.interval, name),
            Place::Behind => {
                self.behind.insert(&watch.interval, name);
                self.cursors.insert((watch.from, name));
            }
            Place::Stuck => {}
        }
    }

    /// Takes a watch out of the index of its place.
    fn lift(&mut self, name: Name) {
        let watch = &self.watches[&name];
        match watch.place {
            Place::Current => self.current.remove(&watch.interval, name),
            Place::Behind => {
                self.behind.remove(&watch.interval, name);
                assert!(self.cursors.remove(&(watch.from, name)), "its cursor is where it is");
            }
            Place::Stuck => {}
        }
    }

    /// Puts a watch, which is in no index, where its cursor belongs.
    fn go_on(&mut self, name: Name) {
        let is_behind = self.watches[&name].from <= self.seen;
        self.put(name, if is_behind { Place::Behind } else { Place::Current });
    }

    fn forget(&mut self, name: Name) {
        self.lift(name);
        let watch = self.watches.remove(&name).expect("it was just found");
        self.key_bytes -= watch.interval.bytes();
        if let Some(progress) = watch.progress {
            self.alarms.remove(&(progress.at, name));
        }
    }
}

impl Watch {
    fn new(
        request: &WatchRequest,
        interval: Interval,
        from: i64,
        progress: Option<Progress>,
    ) -> Self {
        Self {
            interval,
            place: Place::Stuck,
            from,
            wants_previous: request.wants_previous,
            wants_fragments: request.wants_fragments,
            filter: request.filter,
            progress,
        }
    }

    /// Whether it wants to know of a change to a key in its range.
    fn wants<R: Rules>(&self, revision: Revision, record: &Record, rules: &R) -> bool {
        (self.from <= revision.main || rules.breaks(Rule::WatchTellsEarly))
            && (self.filter.passes(record.kind) || rules.breaks(Rule::WatchIgnoresFilter))
    }

    /// Whether nothing up to `revision` is left to be told. One that begins later has not come
    /// that far.
    fn is_told_upto(&self, revision: i64) -> bool {
        self.place == Place::Current && self.from <= revision + 1
    }
}
