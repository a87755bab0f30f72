//! Streams of watches between clients and the applying halves of nodes, driven as the server
//! drives them: a node hands batches to a connection as long as that has room, and goes on when
//! the client has taken one.

use std::collections::{BTreeSet, VecDeque};

use quorate_consensus::{Instant, NodeId};
use quorate_kv::{CancelCause, Damage, StreamId, WatchResponse};
use quorate_replica::Ticket;

use super::World;
use super::clock::SimTime;
use super::event::Event;
use super::node::ToApplying;
use super::trace::Fact;
use crate::clients::{OperationId, Reachable, Said, StreamWord, Watchers};
use crate::draws::Site;
use crate::marks::Mark;
use crate::protocol::Protocol;

/// Batches that a connection holds, as in the server.
const BATCHES_MAX: usize = 2;

const WAY: Site = Site::new("a stream's way");

/// A connection between a client that watches and a node: what is on its way arrives in order.
pub(super) struct Connection {
    /// The life of the node that it leads to; none until it has come there.
    life: Option<u32>,
    said: VecDeque<StreamWord>,
    told: VecDeque<Vec<WatchResponse>>,
    /// When the last of them arrives, on either side.
    said_at: SimTime,
    told_at: SimTime,
    /// How many words and batches it has carried.
    carried: u64,
}

/// A node's side of a stream.
#[derive(Default)]
pub(super) struct Outlet {
    /// Batches that the client has not taken.
    held: usize,
    /// Whether the client did not keep up, and has not caught up since.
    is_slow: bool,
}

impl<P: Protocol> World<P> {
    pub(super) fn begin_watchers(&mut self) {
        let Some(plan) = self.profile.clients.clone() else { return };
        self.watchers = Some(Watchers::new(self.draws, plan, self.now.instant()));
        self.schedule_watchers();
    }

    pub(super) fn leave_out_streams(&mut self, operations: BTreeSet<OperationId>) {
        self.watchers = self.watchers.take().map(|watchers| watchers.without(operations));
    }

    /// The clients that watch come to rest.
    pub(super) fn settle_watchers(&mut self) {
        let now = self.now.instant();
        if let Some(watchers) = &mut self.watchers {
            watchers.settle(now);
            self.schedule_watchers();
        }
    }

    fn schedule_watchers(&mut self) {
        let deadline = self.watchers.as_ref().and_then(Watchers::deadline);
        let Some(deadline) = deadline else { return };
        let at = SimTime(deadline.as_micros()).max(self.now);
        if self.watchers_at.claim(at) {
            self.queue.push(at, Event::Watchers);
        }
    }

    pub(super) fn on_watchers(&mut self) {
        if !self.watchers_at.take(self.now) {
            return;
        }
        self.steps += 1;
        let Some(mut watchers) = self.watchers.take() else { return };
        let nodes: Vec<NodeId> = self.up().collect();
        let said = watchers.wake(self.now.instant(), Reachable { nodes: &nodes, leader: None });
        self.watchers = Some(watchers);
        self.carry_all(said);
        self.schedule_watchers();
    }

    fn carry_all(&mut self, said: Vec<Said>) {
        for Said { stream, node, word } in said {
            self.carry(stream, node, word);
        }
    }

    /// A word leaves its client.
    fn carry(&mut self, stream: StreamId, node: NodeId, word: StreamWord) {
        if word == StreamWord::Open {
            self.connections.insert(stream, Connection::new(self.now));
        }
        let Some(connection) = self.connections.get_mut(&stream) else { return };
        connection.carried += 1;
        let keys = [stream.0, connection.carried];
        let delay = self.profile.timing.client.draw(self.draws, WAY, keys);
        connection.said_at = connection.said_at.max(self.now + delay);
        connection.said.push_back(word);
        self.queue.push(connection.said_at, Event::StreamSaid { node, stream });
    }

    /// A word arrives at its node.
    pub(super) fn on_stream_said(&mut self, node: NodeId, stream: StreamId) {
        self.steps += 1;
        let life = self.node(node).running.is_some().then_some(self.node(node).life);
        let Some(connection) = self.connections.get_mut(&stream) else { return };
        let Some(word) = connection.said.pop_front() else { return };
        if word == StreamWord::Open {
            connection.life = life;
        }
        if life.is_none() || connection.life != life {
            self.lose_stream(stream);
            return;
        }
        let what = what_of(&word);
        self.note(node, Fact::Asked { ticket: Ticket(stream.0), what });
        let running = self.node_mut(node).running.as_deref_mut().expect("it has this life");
        running.work.push_back(ToApplying::Stream(stream, word));
        self.schedule_apply(node);
    }

    /// The applying half takes a word.
    pub(super) fn on_stream_word(
        &mut self,
        node: NodeId,
        now: Instant,
        stream: StreamId,
        word: &StreamWord,
    ) -> Result<(), Damage> {
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return Ok(()) };
        let is_open = running.streams.contains_key(&stream);
        match word {
            StreamWord::Open => {
                running.applying.watches().open(stream);
                running.streams.insert(stream, Outlet::default());
            }
            StreamWord::Create(request) | StreamWord::Resume(request) if is_open => {
                running.applying.watch(now, stream, request)?;
            }
            StreamWord::Create(_) | StreamWord::Resume(_) => {}
            StreamWord::Cancel(watch) => running.applying.watches().cancel(stream, *watch),
            StreamWord::Progress => running.applying.watches().request_progress(stream),
            StreamWord::Taken => {
                if let Some(outlet) = running.streams.get_mut(&stream) {
                    outlet.held -= 1;
                }
            }
            StreamWord::Close => {
                running.applying.watches().close(stream);
                running.streams.remove(&stream);
                self.connections.remove(&stream);
            }
        }
        self.checks.on_stream(node, stream, word);
        if *word == StreamWord::Taken {
            self.hand_out(node, stream);
        }
        Ok(())
    }

    /// Gives a stream what waits for it, as far as its connection takes it.
    pub(super) fn hand_out(&mut self, node: NodeId, stream: StreamId) {
        let batch_bytes = self.batch_bytes();
        loop {
            let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
            let Some(outlet) = running.streams.get_mut(&stream) else { return };
            if BATCHES_MAX <= outlet.held {
                outlet.is_slow = true;
                self.checks.on_stream_full(stream);
                return;
            }
            let batch = running.applying.watches().take(stream, batch_bytes);
            if batch.is_empty() {
                let caught_up = core::mem::take(&mut outlet.is_slow);
                self.marks.hit_if(Mark::WatcherCaughtUp, caught_up);
                return;
            }
            outlet.held += 1;
            let compacted = running.applying.store().compacted();
            self.checks.on_watched(stream, compacted, &batch);
            self.note_told(node, stream, &batch);
            self.tell_stream(stream, batch);
        }
    }

    fn batch_bytes(&self) -> usize {
        self.profile.clients.as_ref().map_or(usize::MAX, |plan| plan.watching.batch_bytes)
    }

    fn note_told(&mut self, node: NodeId, stream: StreamId, batch: &[WatchResponse]) {
        for response in batch {
            let (what, revision) = told_of(response);
            self.note(node, Fact::Watched { stream, what, revision });
        }
    }

    fn tell_stream(&mut self, stream: StreamId, batch: Vec<WatchResponse>) {
        let Some(connection) = self.connections.get_mut(&stream) else { return };
        connection.carried += 1;
        let keys = [stream.0, connection.carried];
        let delay = self.profile.timing.client.draw(self.draws, WAY, keys);
        connection.told_at = connection.told_at.max(self.now + delay);
        connection.told.push_back(batch);
        self.queue.push(connection.told_at, Event::StreamTold { stream });
    }

    /// A batch arrives at its client.
    pub(super) fn on_stream_told(&mut self, stream: StreamId) {
        self.steps += 1;
        let Some(connection) = self.connections.get_mut(&stream) else { return };
        let Some(batch) = connection.told.pop_front() else { return };
        let Some(watchers) = &mut self.watchers else { return };
        let said = watchers.on_told(stream, batch);
        self.carry_all(said);
    }

    /// The streams of a node that has no process any more are gone.
    pub(super) fn lose_streams(&mut self, node: NodeId, streams: impl Iterator<Item = StreamId>) {
        for stream in streams {
            self.note(node, Fact::Watched { stream, what: "lost", revision: 0 });
            self.lose_stream(stream);
        }
    }

    /// A stream leads nowhere: its client hears of it.
    fn lose_stream(&mut self, stream: StreamId) {
        let Some(connection) = self.connections.remove(&stream) else { return };
        let keys = [stream.0, connection.carried + 1];
        let delay = self.profile.timing.client.draw(self.draws, WAY, keys);
        self.queue.push(self.now + delay, Event::StreamLost { stream });
    }

    pub(super) fn on_stream_lost(&mut self, stream: StreamId) {
        self.steps += 1;
        let now = self.now.instant();
        if let Some(watchers) = &mut self.watchers {
            watchers.on_lost(now, stream);
            self.schedule_watchers();
        }
    }
}

impl Connection {
    fn new(now: SimTime) -> Self {
        Self {
            life: None,
            said: VecDeque::new(),
            told: VecDeque::new(),
            said_at: now,
            told_at: now,
            carried: 0,
        }
    }
}

fn what_of(word: &StreamWord) -> &'static str {
    match word {
        StreamWord::Open => "a stream",
        StreamWord::Create(_) => "a watch",
        StreamWord::Resume(_) => "a watch to go on",
        StreamWord::Cancel(_) => "no more of a watch",
        StreamWord::Progress => "progress",
        StreamWord::Taken => "more",
        StreamWord::Close => "no more of a stream",
    }
}

/// What a response is called in traces, and the revision that it speaks of.
fn told_of(response: &WatchResponse) -> (&'static str, i64) {
    match response {
        WatchResponse::Created { revision, .. } => ("begun", *revision),
        WatchResponse::Refused { revision, .. } => ("refused", *revision),
        WatchResponse::Changes { revision, is_fragment: true, .. } => ("a fragment", *revision),
        WatchResponse::Changes { revision, .. } => ("changes", *revision),
        WatchResponse::Progress { revision, .. } => ("progress", *revision),
        WatchResponse::Canceled { cause: CancelCause::Asked { revision }, .. } => {
            ("ended", *revision)
        }
        WatchResponse::Canceled { cause: CancelCause::Compacted { compacted }, .. } => {
            ("compacted", *compacted)
        }
    }
}
