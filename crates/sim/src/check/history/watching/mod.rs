//! Whether watches tell what they promise: every change that was asked for, once, in order, whole,
//! and progress that never overtakes it.
//!
//! The changes are those of the committed log, as the model makes them. Each response is judged as
//! its node hands it to the client's connection, which loses and reorders nothing while it stands.

mod events;
mod told;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use quorate_consensus::NodeId;
use quorate_kv::{
    CancelCause, Record, Revision, StreamId, WatchId, WatchLimits, WatchRefusal, WatchRequest,
    WatchResponse,
};

use super::guarantee::{Guarantee, Violation};
use events::{Events, is_empty_range};
use told::{Told, Watch};

/// A promise that a response breaks.
struct Flaw {
    guarantee: Guarantee,
    evidence: String,
}

/// A stream that is open at its node.
#[derive(Clone, Debug)]
struct Stream {
    node: NodeId,
    /// Watches asked for, whose beginning was not told yet.
    asked: VecDeque<WatchRequest>,
    /// The most names that were taken at its node, or asked for, since the oldest of these was.
    crowd: usize,
    /// Whether the client did not take what it is told while some of these waited: they may have
    /// begun long before they are told so.
    is_asked_late: bool,
    watches: BTreeMap<WatchId, Watch>,
    /// How often the client wants to end the watch of a name: one that was ended, and whose name is
    /// given again, before the client hears of either is ended twice.
    ending: BTreeMap<WatchId, u32>,
    /// Watches that a compaction ended: their names stay taken until the client ends them too.
    ended: BTreeSet<WatchId>,
    /// The newest revision that it was told.
    shown: i64,
    /// The newest progress of all its watches.
    progress: i64,
}

/// All streams of a run.
#[derive(Clone, Debug)]
pub struct Watching {
    events: Events,
    /// The newest revision, and what is compacted, of the committed log.
    newest: i64,
    compacted: i64,
    limits: WatchLimits,
    streams: BTreeMap<StreamId, Stream>,
    /// How often each promise was looked at.
    counts: BTreeMap<&'static str, u64>,
    /// Changes that were told and compared.
    told: u64,
}

impl Watching {
    /// Nothing has changed, and nobody watches. These are the bounds of every node.
    pub fn new(limits: WatchLimits) -> Self {
        let watched = Guarantee::OF_CHANGES.into_iter().chain([Guarantee::WatchEndsForReason]);
        Self {
            events: Events::default(),
            newest: quorate_kv::REVISION_INITIAL,
            compacted: quorate_kv::COMPACTED_NEVER,
            limits,
            streams: BTreeMap::new(),
            counts: watched.map(|it| (it.name(), 0)).collect(),
            told: 0,
        }
    }

    /// How often each promise was looked at, by its name.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// How many changes were told and compared.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// The committed log has come to this revision, with these changes.
    pub fn on_commit(&mut self, changed: &[(Revision, Record)], newest: i64, compacted: i64) {
        for (revision, record) in changed {
            self.events.push(*revision, record);
        }
        self.newest = newest;
        self.compacted = compacted;
    }

    /// A node opens a stream.
    pub fn on_open(&mut self, node: NodeId, stream: StreamId) {
        let opened = Stream {
            node,
            asked: VecDeque::new(),
            crowd: 0,
            is_asked_late: false,
            watches: BTreeMap::new(),
            ending: BTreeMap::new(),
            ended: BTreeSet::new(),
            shown: 0,
            progress: 0,
        };
        let earlier = self.streams.insert(stream, opened);
        assert!(earlier.is_none(), "a stream is opened once");
    }

    /// A node is asked for a watch.
    pub fn on_create(&mut self, stream: StreamId, request: &WatchRequest) {
        let Some(open) = self.streams.get_mut(&stream) else { return };
        if open.asked.is_empty() {
            open.crowd = 0;
            open.is_asked_late = false;
        }
        open.asked.push_back(request.clone());
        let node = open.node;
        let of_node = |stream: &&Stream| stream.node == node;
        let wanted = |stream: &Stream| stream.taken() + stream.asked.len();
        let crowd = self.streams.values().filter(of_node).map(wanted).sum();
        for stream in self.streams.values_mut().filter(|stream| stream.node == node) {
            stream.crowd = stream.crowd.max(crowd);
        }
    }

    /// A node is asked to end a watch.
    pub fn on_cancel(&mut self, stream: StreamId, watch: WatchId) {
        if let Some(open) = self.streams.get_mut(&stream) {
            *open.ending.entry(watch).or_default() += 1;
        }
    }

    /// A stream has ended, at its node.
    pub fn on_close(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    /// A node's process is gone, and its streams with it.
    pub fn on_node_gone(&mut self, node: NodeId) {
        self.streams.retain(|_, stream| stream.node != node);
    }

    /// A node's state was replaced: what lies between is read from history.
    pub fn on_installed(&mut self, node: NodeId) {
        let streams = self.streams.values_mut().filter(|stream| stream.node == node);
        streams.for_each(Stream::may_lag);
    }

    /// A client does not take what waits for it.
    pub fn on_full(&mut self, stream: StreamId) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.may_lag();
        }
    }

    /// A node, where this is compacted, hands responses to a stream's connection.
    pub fn on_told(
        &mut self,
        stream: StreamId,
        compacted: i64,
        responses: &[WatchResponse],
    ) -> Result<(), Violation> {
        for response in responses {
            self.judge(stream, compacted, response).map_err(|Flaw { guarantee, evidence }| {
                Violation { guarantee, ticket: None, evidence: format!("{stream:?}: {evidence}") }
            })?;
        }
        Ok(())
    }

    /// What one of these nodes owes to a stream, now that nothing happens any more.
    pub fn owed(&mut self, nodes: &BTreeSet<NodeId>) -> Option<String> {
        let (newest, events) = (self.newest, &self.events);
        let streams = self.streams.iter_mut().filter(|(_, stream)| nodes.contains(&stream.node));
        for (id, stream) in streams {
            if !stream.asked.is_empty() {
                return Some(format!("{id:?} waits for the beginning of watches"));
            }
            for (name, watch) in &mut stream.watches {
                if let Some(event) = watch.missing(newest, events) {
                    let (node, at) = (stream.node, event.revision);
                    return Some(format!("{name:?} of {id:?} at {node} was not told {at:?}"));
                }
            }
            let is_owed = |watch: &Watch| !watch.is_future(newest);
            let is_quiet = stream.watches.is_empty() || !stream.watches.values().all(is_owed);
            if !is_quiet && stream.progress < newest {
                let (node, at) = (stream.node, stream.progress);
                return Some(format!("{id:?} at {node} has come to {at} of {newest}"));
            }
        }
        None
    }

    fn judge(
        &mut self,
        id: StreamId,
        compacted: i64,
        response: &WatchResponse,
    ) -> Result<(), Flaw> {
        let Some(mut stream) = self.streams.remove(&id) else {
            return odd(format!("it is closed, and was told {response:?}"));
        };
        let verdict = self.judge_open(&mut stream, compacted, response);
        self.streams.insert(id, stream);
        verdict
    }

    fn judge_open(
        &mut self,
        stream: &mut Stream,
        compacted: i64,
        response: &WatchResponse,
    ) -> Result<(), Flaw> {
        match response {
            WatchResponse::Created { watch, revision } => {
                self.show(stream, *revision)?;
                self.on_created(stream, *watch, *revision)
            }
            WatchResponse::Refused { refusal, revision } => {
                self.show(stream, *revision)?;
                self.on_refused(stream, *refusal)
            }
            WatchResponse::Changes { watch, revision, changes, wants_previous, is_fragment } => {
                let (wants_previous, is_fragment) = (*wants_previous, *is_fragment);
                let told = Told { revision: *revision, changes, wants_previous, is_fragment };
                self.on_changes(stream, compacted, *watch, told)
            }
            WatchResponse::Progress { watch, revision } => {
                self.show(stream, *revision)?;
                self.on_progress(stream, *watch, *revision)
            }
            WatchResponse::Canceled { watch, cause } => self.on_canceled(stream, *watch, *cause),
        }
    }

    /// A stream is told of this revision: it is committed, and no older than one told before.
    fn show(&mut self, stream: &mut Stream, revision: i64) -> Result<(), Flaw> {
        self.count(Guarantee::WatchOrdered);
        if self.newest < revision {
            let evidence = format!("it was told of {revision}, and {} is the newest", self.newest);
            return Err(Flaw { guarantee: Guarantee::WatchTellsTruth, evidence });
        }
        if revision < stream.shown {
            let evidence = format!("it was told of {revision} after {}", stream.shown);
            return Err(Flaw { guarantee: Guarantee::WatchOrdered, evidence });
        }
        stream.shown = revision;
        Ok(())
    }

    fn on_created(
        &mut self,
        stream: &mut Stream,
        watch: WatchId,
        revision: i64,
    ) -> Result<(), Flaw> {
        self.count(Guarantee::WatchAsAsked);
        let Some(asked) = stream.asked.pop_front() else {
            return odd(format!("{watch:?} begins, and nobody asked for it"));
        };
        let is_named = asked.id == 0 || asked.id == watch.0;
        let can_begin = 0 <= asked.start_revision && !is_empty_range(&asked);
        if !is_named || !can_begin || stream.is_taken(watch) {
            return odd(format!("{watch:?} begins as {asked:?}"));
        }
        let mut begun = Watch::new(asked, revision, &self.events);
        if stream.is_asked_late {
            begun.may_lag();
        }
        stream.watches.insert(watch, begun);
        Ok(())
    }

    fn on_refused(&mut self, stream: &mut Stream, refusal: WatchRefusal) -> Result<(), Flaw> {
        self.count(Guarantee::WatchEndsForReason);
        let Some(asked) = stream.asked.pop_front() else {
            return odd(format!("{refusal:?}, and nobody asked for anything"));
        };
        let holds = match refusal {
            WatchRefusal::EmptyRange => is_empty_range(&asked),
            WatchRefusal::NegativeRevision => asked.start_revision < 0,
            WatchRefusal::DuplicateId => stream.is_taken(WatchId(asked.id)),
            // Others may have ended since, and this one itself is counted.
            WatchRefusal::TooMany { watches_max } => {
                self.limits.watches_max == watches_max && watches_max < stream.crowd
            }
            // All keys of a run are far shorter together.
            WatchRefusal::KeysTooLong { .. } => false,
        };
        if holds {
            return Ok(());
        }
        let evidence = format!("{asked:?} was refused: {refusal:?}");
        Err(Flaw { guarantee: Guarantee::WatchEndsForReason, evidence })
    }

    fn on_changes(
        &mut self,
        stream: &mut Stream,
        compacted: i64,
        id: WatchId,
        told: Told<'_>,
    ) -> Result<(), Flaw> {
        self.told += told.changes.len() as u64;
        for guarantee in Guarantee::OF_CHANGES {
            self.count(guarantee);
        }
        let Some(watch) = stream.watches.get_mut(&id) else {
            return odd(format!("{id:?} has ended, or never began, and was told {told:?}"));
        };
        if self.newest < told.revision {
            let evidence =
                format!("{id:?} was told up to {}, beyond {}", told.revision, self.newest);
            return Err(Flaw { guarantee: Guarantee::WatchTellsTruth, evidence });
        }
        watch.on_changes(id, told, compacted, &self.events)
    }

    fn on_progress(
        &mut self,
        stream: &mut Stream,
        watch: Option<WatchId>,
        revision: i64,
    ) -> Result<(), Flaw> {
        self.count(Guarantee::WatchBookmarkable);
        if let Some(id) = watch {
            let Some(watch) = stream.watches.get_mut(&id) else {
                return odd(format!("{id:?} has ended, or never began, and has come on"));
            };
            return watch.on_progress(id, revision, &self.events);
        }
        for (id, watch) in &mut stream.watches {
            watch.on_progress(*id, revision, &self.events)?;
        }
        stream.progress = stream.progress.max(revision);
        Ok(())
    }

    fn on_canceled(
        &mut self,
        stream: &mut Stream,
        id: WatchId,
        cause: CancelCause,
    ) -> Result<(), Flaw> {
        self.count(Guarantee::WatchEndsForReason);
        let Some(watch) = stream.watches.remove(&id) else {
            return stream.on_canceled_again(id, cause);
        };
        let holds = match cause {
            CancelCause::Asked { .. } => stream.is_ending(id),
            CancelCause::Compacted { compacted } => {
                stream.ended.insert(id);
                let is_passed = watch.resumes_at() < compacted && compacted <= self.compacted;
                is_passed && (watch.can_lag() || self.is_tight())
            }
        };
        if holds {
            return Ok(());
        }
        let (compacted, at) = (self.compacted, watch.resumes_at());
        let evidence =
            format!("{id:?} ends at {at}: {cause:?}, and {compacted} is compacted: {watch:?}");
        Err(Flaw { guarantee: Guarantee::WatchEndsForReason, evidence })
    }

    /// Whether a stream holds so little that its watches may fall behind at any time.
    fn is_tight(&self) -> bool {
        self.limits.outbox_bytes_max < WatchLimits::default().outbox_bytes_max
    }

    fn count(&mut self, guarantee: Guarantee) {
        *self.counts.entry(guarantee.name()).or_default() += 1;
    }
}

impl Stream {
    fn is_taken(&self, watch: WatchId) -> bool {
        self.watches.contains_key(&watch) || self.ended.contains(&watch)
    }

    /// How many names are taken.
    fn taken(&self) -> usize {
        self.watches.len() + self.ended.len()
    }

    /// Whether the client wants to end this one. Each request of it counts once.
    fn is_ending(&mut self, id: WatchId) -> bool {
        let Some(times) = self.ending.get_mut(&id) else { return false };
        *times -= 1;
        if *times == 0 {
            self.ending.remove(&id);
        }
        true
    }

    /// The client wants to end what a compaction has ended, and is told so as well.
    fn on_canceled_again(&mut self, id: WatchId, cause: CancelCause) -> Result<(), Flaw> {
        let is_asked = matches!(cause, CancelCause::Asked { .. }) && self.is_ending(id);
        if is_asked && self.ended.remove(&id) {
            return Ok(());
        }
        odd(format!("{id:?} has ended before, or never began"))
    }

    fn may_lag(&mut self) {
        self.is_asked_late |= !self.asked.is_empty();
        self.watches.values_mut().for_each(Watch::may_lag);
    }
}

/// Something that no client asked for.
fn odd<T>(evidence: String) -> Result<T, Flaw> {
    Err(Flaw { guarantee: Guarantee::WatchAsAsked, evidence })
}

#[cfg(test)]
mod tests;
