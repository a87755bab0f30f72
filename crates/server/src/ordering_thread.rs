//! The thread that orders: it feeds the engine everything that waits, then does what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use quorate_codec::Wire;
use quorate_codec::peer::PeerMessage;
use quorate_consensus::{Engine, Entry, Fetch, Index, Instant, Meta, NodeId, What, WriteId};
use quorate_replica::{
    Ending, Ordering, OrderingEffects, OrderingInput, ReadRequest, Ticket, Waiters,
};

use crate::clock::Clock;
use crate::fatal::Alarm;
use crate::fetcher::FetchOrder;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::queue::{Nothing, Receiver, Sender};
use crate::waiter::{Ask, ToApplying, ToLog, ToOrdering, Waiter, Waiting};

/// Most messages fed to the engine between two drains.
const BATCH_MAX: usize = 4096;

/// Most bytes of commands fed to the engine between two drains, and one message more. What is
/// drained at once is made durable by one sync, and this is what one sync is to take.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// What other threads may know of the engine without asking.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The term, for response headers.
    pub(crate) term: AtomicU64,
    /// The leader's id, zero while none is known.
    pub(crate) leader: AtomicU64,
    /// Leaders seen since the start.
    pub(crate) leader_changes: AtomicU64,
}

/// Where the ordering thread sends its work.
pub(crate) struct Outlets<M> {
    pub(crate) log: Sender<ToLog>,
    pub(crate) applying: Sender<ToApplying>,
    pub(crate) fetcher: Sender<FetchOrder>,
    pub(crate) peers: Arc<Peers<M>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The ordering half and its surroundings.
pub(crate) struct OrderingThread<E: Engine> {
    ordering: Ordering<E>,
    clock: Clock,
    inbox: Receiver<ToOrdering<E::Message>>,
    outlets: Outlets<E::Message>,
    shared: Arc<Shared>,
    alarm: Alarm,
    writes: Waiting<Pending>,
    /// A snapshot to be installed once this write is durable.
    install: Option<(WriteId, Meta)>,
    is_stopping: bool,
}

/// A client's request in the hands of the ordering half.
enum Pending {
    Write(Waiter),
    Read(ReadRequest, Waiter),
}

impl Pending {
    fn into_waiter(self) -> Waiter {
        match self {
            Self::Write(waiter) | Self::Read(_, waiter) => waiter,
        }
    }
}

impl<E: Engine<Message: Wire>> OrderingThread<E> {
    /// A thread around an ordering half that has just been made.
    pub(crate) fn new(
        ordering: Ordering<E>,
        clock: Clock,
        inbox: Receiver<ToOrdering<E::Message>>,
        outlets: Outlets<E::Message>,
        shared: Arc<Shared>,
        alarm: Alarm,
    ) -> Self {
        Self {
            ordering,
            clock,
            inbox,
            outlets,
            shared,
            alarm,
            writes: Waiting::default(),
            install: None,
            is_stopping: false,
        }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let _guard = self.alarm.guard("ordering");
        while !self.is_stopping {
            self.receive();
            let now = self.clock.now();
            let effects = self.ordering.effects(now);
            self.perform(effects);
            self.outlets.applying.wake();
            self.publish();
        }
    }

    /// Waits for work or the deadline, and feeds in everything that is there.
    fn receive(&mut self) {
        let now = self.clock.now();
        let mut bytes = 0;
        match self.wait(now) {
            Some(message) => {
                bytes += message.bytes();
                self.take(message);
            }
            None => self.feed(OrderingInput::Wake),
        }
        let mut taken = 1;
        while taken <= BATCH_MAX && bytes < BATCH_BYTES_MAX {
            let Some(message) = self.inbox.try_recv() else { break };
            bytes += message.bytes();
            self.take(message);
            taken += 1;
        }
        self.wake_if_due();
        self.outlets.metrics.threads.ordering_turn.observe(taken as u64);
    }

    /// What the engine does by itself is not put off by what others want of it: under load there
    /// may always be a message. One that came in time counts first.
    fn wake_if_due(&mut self) {
        let due = self.ordering.engine().deadline();
        if due.is_some_and(|due| due <= self.clock.now()) {
            self.feed(OrderingInput::Wake);
        }
    }

    fn wait(&mut self, now: Instant) -> Option<ToOrdering<E::Message>> {
        let Some(deadline) = self.ordering.deadline(now) else {
            return self.inbox.recv().or(Some(ToOrdering::Stop));
        };
        match self.inbox.recv_timeout(deadline.since(now)) {
            Ok(message) => Some(message),
            Err(Nothing::Timeout) => None,
            Err(Nothing::Disconnected) => Some(ToOrdering::Stop),
        }
    }

    fn take(&mut self, message: ToOrdering<E::Message>) {
        match message {
            ToOrdering::Ask(ask) => self.answer(ask),
            ToOrdering::Input { input, permit } => {
                self.observe(&input);
                self.feed(input);
                drop(permit);
            }
            ToOrdering::Stop => self.is_stopping = true,
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Write { command, waiter } => {
                let ticket = self.writes.admit(Pending::Write(waiter));
                self.feed(OrderingInput::Write { ticket, command });
            }
            Ask::Renew { lease, waiter } => {
                let ticket = self.writes.admit(Pending::Write(waiter));
                self.feed(OrderingInput::Renew { ticket, lease });
            }
            Ask::Read { request, waiter } => {
                let ticket = self.writes.admit(Pending::Read(request, waiter));
                self.feed(OrderingInput::Read { ticket });
            }
            Ask::Transfer { to, waiter } => {
                let ticket = self.writes.admit(Pending::Write(waiter));
                self.feed(OrderingInput::Transfer { ticket, to });
            }
            Ask::Status(answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.ordering.status());
            }
        }
    }

    fn feed(&mut self, input: OrderingInput<E::Message>) {
        self.ordering.handle(self.clock.now(), input);
    }

    /// An install waits for its write.
    fn observe(&mut self, input: &OrderingInput<E::Message>) {
        let OrderingInput::Persisted(durable) = input else { return };
        if let Some((_, meta)) = self.install.take_if(|(write, _)| *write <= *durable) {
            self.to_applying(ToApplying::Install(meta));
        }
    }

    fn perform(&mut self, effects: OrderingEffects<E::Message>) {
        if let Some(meta) = effects.install {
            let write = effects.write.as_ref().expect("an install comes with its write").id;
            self.install = Some((write, meta));
        }
        if let Some(write) = effects.write {
            self.outlets.log.send(ToLog::Append(write)).ok();
        }
        for (to, message) in effects.messages {
            self.outlets.peers.send(to, message);
        }
        self.outlets.peers.flush();
        self.deliver(effects.committed);
        for (ticket, index) in effects.released {
            self.release(ticket, index);
        }
        for (ticket, ending) in effects.endings {
            self.end(ticket, ending);
        }
        self.fetch(effects.fetches);
        for needed in effects.snapshots {
            self.to_applying(ToApplying::SnapshotNeeded(needed));
        }
        for misbehaved in effects.misbehaved {
            let (peer, reason) = (misbehaved.peer, misbehaved.reason);
            tracing::warn!(%peer, reason, "a peer broke the protocol; its connection is closed");
            self.outlets.metrics.threads.misbehaved.increment();
            self.outlets.peers.disconnect(peer);
        }
        for event in effects.trace {
            if let What::Became { role, .. } = event.what {
                self.outlets.metrics.threads.on_role(role);
            }
            tracing::debug!(what = ?event.what, reason = ?event.reason, "engine");
        }
    }

    fn deliver(&mut self, committed: Vec<(Entry, Waiters)>) {
        if committed.is_empty() {
            return;
        }
        let entries = committed
            .into_iter()
            .map(|(entry, tickets)| {
                (entry, tickets.map(|ticket| self.writes.take(ticket).into_waiter()))
            })
            .collect();
        self.to_applying(ToApplying::Committed(entries));
    }

    fn release(&mut self, ticket: Ticket, at: Index) {
        match self.writes.take(ticket) {
            Pending::Read(request, waiter) => {
                self.to_applying(ToApplying::Read { request, waiter, at });
            }
            Pending::Write(_) => unreachable!("only reads are released"),
        }
    }

    fn end(&mut self, ticket: Ticket, ending: Ending) {
        self.writes.take(ticket).into_waiter().send(Err(ending));
    }

    fn fetch(&mut self, fetches: Vec<Fetch>) {
        for fetch in fetches {
            // The fetcher is gone only when the node stops.
            let _ = self.outlets.fetcher.send(FetchOrder::Fetch(fetch));
        }
    }

    /// Leaves something for the applying thread, which is woken once a turn.
    fn to_applying(&self, message: ToApplying) {
        // The applying thread is gone only when the node stops.
        let _ = self.outlets.applying.leave(message);
    }

    fn publish(&self) {
        let leader = self.ordering.leader();
        if let Some(ballot) = leader {
            self.shared.term.fetch_max(ballot.round, Memory::Relaxed);
        }
        let node = leader.map_or(NodeId(0), |ballot| ballot.node).0;
        let before = self.shared.leader.swap(node, Memory::Relaxed);
        if before != node && node != 0 {
            self.shared.leader_changes.fetch_add(1, Memory::Relaxed);
            tracing::info!(leader = %NodeId(node), "a leader is known");
        }
    }
}

/// Leaves a peer's message to the half that it is for, which finds it when it is woken.
pub(crate) fn route<M>(
    from: NodeId,
    message: PeerMessage<M>,
    permit: tokio::sync::OwnedSemaphorePermit,
    ordering: &Sender<ToOrdering<M>>,
    applying: &Sender<ToApplying>,
) {
    // Either thread is gone only when the node stops.
    match message {
        PeerMessage::Snapshot(message) => {
            let _ = applying.leave(ToApplying::Snapshot { from, message, permit: Some(permit) });
        }
        message => {
            let input = OrderingInput::Peer { from, message };
            let _ = ordering.leave(ToOrdering::Input { input, permit: Some(permit) });
        }
    }
}

#[cfg(test)]
mod tests;
