//! The two halves of a node and the queues between them, as the server's threads drive them.

use core::time::Duration;

use quorate_codec::encode_command;
use quorate_codec::peer::PeerMessage;
use quorate_consensus::{Engine, Entry, Fetch, NodeId, Summary};
use quorate_kv::{Command, Damage};
use quorate_replica::{ApplyingEffects, Note, OrderingEffects, OrderingInput, Ticket, Waiters};

use super::World;
use super::clock::SimTime;
use super::director::Happening;
use super::event::Event;
use super::node::{Open, Running, ToApplying, ToStore};
use super::trace::Fact;
use crate::clients::{Ask, End};
use crate::draws::Site;
use crate::marks::Mark;
use crate::protocol::Protocol;
use crate::watched::Passed;

const TURN: Site = Site::new("a half's turn");
const FETCH: Site = Site::new("a fetch");

impl<P: Protocol> World<P> {
    /// Has the halves woken for what waits, and for their deadlines.
    pub(super) fn schedule_halves(&mut self, node: NodeId) {
        self.schedule_order(node);
        self.schedule_apply(node);
    }

    fn turn_delay(&self, node: NodeId) -> Duration {
        let turns = self.node(node).running.as_ref().map_or(0, |running| running.turns);
        let keys = [node.0, u64::from(self.node(node).life), turns];
        let usual = self.profile.timing.turn.draw(self.draws, TURN, keys);
        let extra = self.node(node).turn_extra;
        usual + extra.map_or(Duration::ZERO, |extra| extra.draw(self.draws, TURN, keys))
    }

    pub(super) fn schedule_order(&mut self, node: NodeId) {
        let soon = self.now + self.turn_delay(node);
        let (now, life) = (self.now, self.node(node).life);
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        let at = if running.inbox.is_empty() {
            running.order_due(now).map(|due| due.max(soon))
        } else {
            Some(soon)
        };
        if let Some(at) = at.filter(|at| running.order.claim(*at)) {
            self.queue.push(at, Event::Order { node, life });
        }
    }

    pub(super) fn schedule_apply(&mut self, node: NodeId) {
        let soon = self.now + self.turn_delay(node);
        let (now, life) = (self.now, self.node(node).life);
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        let at = if running.work.is_empty() {
            running.apply_due(now).map(|due| due.max(soon))
        } else {
            Some(soon)
        };
        if let Some(at) = at.filter(|at| running.apply.claim(*at)) {
            self.queue.push(at, Event::Apply { node, life });
        }
    }

    /// Puts something into the ordering half's queue.
    pub(super) fn feed(&mut self, node: NodeId, input: OrderingInput<P::Message>) {
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        running.inbox.push_back(input);
        self.schedule_order(node);
    }

    pub(super) fn on_order(&mut self, node: NodeId, life: u32) {
        let now = self.now;
        let Some(running) = self.node_mut(node).process(life) else { return };
        if !running.order.take(now) {
            return;
        }
        let is_due = running.order_due(now).is_some_and(|due| due <= now);
        if running.inbox.is_empty() && !is_due {
            self.schedule_order(node);
            return;
        }
        self.steps += 1;
        self.order(node, now);
        self.schedule_order(node);
    }

    fn order(&mut self, node: NodeId, now: SimTime) {
        let running = self.nodes[super::slot(node)].running.as_deref_mut();
        let running = running.expect("a half that has its turn runs");
        running.turns += 1;
        let local = running.clock.read(now);
        for input in core::mem::take(&mut running.inbox) {
            observe(running, &input);
            running.ordering.handle(local, input);
        }
        if running.ordering.deadline(local).is_some_and(|deadline| deadline <= local) {
            running.ordering.handle(local, OrderingInput::Wake);
        }
        let effects = running.ordering.effects(local);
        let passed = running.ordering.engine().take_passed();
        let after = running.ordering.engine().summary();
        self.perform(node, &after, &passed, effects);
        self.schedule_apply(node);
    }

    fn perform(
        &mut self,
        node: NodeId,
        after: &Summary,
        passed: &[Passed],
        effects: OrderingEffects<P::Message>,
    ) {
        for event in effects.trace {
            self.note(node, Fact::Engine(event));
        }
        self.checks.on_given(node, passed);
        if let Some(write) = effects.write {
            self.note(node, Fact::Wrote { write: write.id });
            self.checks.on_write(node, &write);
            let running = self.running_mut(node);
            if let Some(meta) = effects.install {
                running.install = Some((write.id, meta));
            }
            running.log.waiting.push(write);
            self.write_log(node);
        }
        self.checks.on_step(node, after);
        for (to, message) in effects.messages {
            self.send(node, to, message);
        }
        self.checks.on_outcomes(node, passed);
        for passed in passed {
            if let Passed::Ended(outcome) = passed
                && let Some(mark) = Mark::of_outcome(outcome)
            {
                self.marks.hit(mark);
            }
        }
        self.deliver(node, effects.committed);
        for (ticket, at) in effects.released {
            let running = self.running_mut(node);
            let open = running.open.get_mut(&ticket).expect("what is released is open");
            let read = open.read.take().expect("only reads are released, each once");
            running.work.push_back(ToApplying::Read(ticket, read, at));
        }
        for (ticket, ending) in effects.endings {
            self.end(node, ticket, End::Ending(ending));
        }
        for fetch in effects.fetches {
            self.fetch(node, fetch);
        }
        let running = self.running_mut(node);
        running.work.extend(effects.snapshots.into_iter().map(ToApplying::Needed));
        for misbehaved in effects.misbehaved {
            self.checks.on_blamed(node, misbehaved);
            self.hang_up(node, misbehaved.peer);
        }
    }

    fn deliver(&mut self, node: NodeId, committed: Vec<(Entry, Waiters)>) {
        for (entry, waiters) in committed {
            self.checks.on_committed(node, &entry);
            let work = ToApplying::Entry(Box::new(entry), waiters);
            self.running_mut(node).work.push_back(work);
        }
    }

    fn running_mut(&mut self, node: NodeId) -> &mut Running<P> {
        self.node_mut(node).running.as_deref_mut().expect("a half that has its turn runs")
    }

    /// A request has ended at its node.
    fn end(&mut self, node: NodeId, ticket: Ticket, end: End) {
        self.running_mut(node).open.remove(&ticket);
        self.tell(node, ticket, end);
    }

    fn fetch(&mut self, node: NodeId, fetch: Fetch) {
        let life = self.node(node).life;
        let keys = [node.0, u64::from(life), fetch.first.0, self.steps];
        let delay = self.profile.timing.disk.draw(self.draws, FETCH, keys);
        let delay = delay * self.node(node).disk_factor;
        self.queue.push(self.now + delay, Event::Fetched { node, life, fetch });
    }

    pub(super) fn on_apply(&mut self, node: NodeId, life: u32) {
        let now = self.now;
        let Some(running) = self.node_mut(node).process(life) else { return };
        if !running.apply.take(now) {
            return;
        }
        let is_due = running.apply_due(now).is_some_and(|due| due <= now);
        if running.work.is_empty() && !is_due {
            self.schedule_apply(node);
            return;
        }
        self.steps += 1;
        if self.apply(node, now).is_err() {
            self.fail(node, "the state machine's file is damaged");
            return;
        }
        self.schedule_halves(node);
    }

    fn apply(&mut self, node: NodeId, now: SimTime) -> Result<(), Damage> {
        let timeout = self.profile.limits.request_timeout;
        let running = self.running_mut(node);
        running.turns += 1;
        let local = running.clock.read(now);
        for work in core::mem::take(&mut running.work) {
            let running = self.running_mut(node);
            match work {
                ToApplying::Stream(stream, word) => {
                    self.on_stream_word(node, local, stream, &word)?;
                }
                ToApplying::Entry(entry, waiters) => {
                    running.applying.apply(local, &entry, waiters)?;
                    let hash = running.applying.store().state_hash();
                    self.checks.on_applied(node, &entry, hash);
                    if let Some(desk) = &mut self.desk {
                        desk.tell(now, Happening::Applied(node, (*entry).clone()));
                    }
                    self.note(node, Fact::Applied { index: entry.index, hash: hash.0 as u64 });
                }
                ToApplying::Read(ticket, read, at) => {
                    running.applying.read(ticket, *read, at, local + timeout);
                }
                ToApplying::Needed(needed) => running.applying.on_snapshot_needed(local, needed),
                ToApplying::Snapshot(from, message) => {
                    running.applying.on_message(local, from, *message)?;
                }
                ToApplying::Install(meta) => {
                    running.applying.prepare_install();
                    running.store.queue.push_back(ToStore::Activate(meta));
                }
            }
        }
        let effects = self.running_mut(node).applying.effects(local)?;
        self.perform_applied(node, effects);
        Ok(())
    }

    fn perform_applied(&mut self, node: NodeId, effects: ApplyingEffects) {
        for (ticket, answer) in effects.answers {
            self.end(node, ticket, End::Answer(answer));
        }
        for stream in effects.watched {
            self.hand_out(node, stream);
        }
        for (to, message) in effects.messages {
            self.send(node, to, PeerMessage::Snapshot(message));
        }
        let running = self.running_mut(node);
        running.inbox.extend(effects.notes.into_iter().map(input_of));
        running.store.queue.extend(effects.commit.map(Box::new).map(ToStore::Commit));
        if !effects.staging.is_empty() {
            running.store.queue.push_back(ToStore::Stage(effects.staging));
        }
        self.work_store(node);
    }

    /// A client's request reaches its node.
    pub(super) fn on_asked(&mut self, node: NodeId, ticket: Ticket, ask: Ask) {
        self.steps += 1;
        self.note(node, Fact::Asked { ticket, what: what_of(&ask) });
        self.checks.on_asked(self.now.instant(), ticket, node, &ask);
        let Some(running) = self.node_mut(node).running.as_deref_mut() else {
            self.tell(node, ticket, End::Lost);
            return;
        };
        let is_compaction = matches!(&ask, Ask::Command(Command::Compact(it)) if it.physical);
        let (read, input) = match ask {
            Ask::Command(command) => {
                let command = encode_command(&command);
                (None, Some(OrderingInput::Write { ticket, command }))
            }
            Ask::Linearizable(read) => (Some(read), Some(OrderingInput::Read { ticket })),
            Ask::Serializable(read) => (Some(read), None),
            Ask::KeepAlive(lease) => (None, Some(OrderingInput::Renew { ticket, lease })),
            Ask::Transfer(to) => (None, Some(OrderingInput::Transfer { ticket, to })),
        };
        let earlier = running.open.insert(ticket, Open { is_compaction, read: read.map(Box::new) });
        assert!(earlier.is_none(), "a ticket was used twice");
        match input {
            Some(input) => self.feed(node, input),
            None => self.read_locally(node, ticket),
        }
    }

    fn read_locally(&mut self, node: NodeId, ticket: Ticket) {
        let running = self.running_mut(node);
        let open = running.open.get_mut(&ticket).expect("it was opened a moment ago");
        let read = open.read.take().expect("it is a read");
        running.work.push_back(ToApplying::Read(ticket, read, quorate_consensus::Index::ZERO));
        self.schedule_apply(node);
    }
}

/// An install waits for its write.
fn observe<P: Protocol>(running: &mut Running<P>, input: &OrderingInput<P::Message>) {
    let OrderingInput::Persisted(durable) = input else { return };
    if let Some((_, meta)) = running.install.take_if(|(write, _)| *write <= *durable) {
        running.work.push_back(ToApplying::Install(Box::new(meta)));
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

fn what_of(ask: &Ask) -> &'static str {
    match ask {
        Ask::Command(_) => "a write",
        Ask::Linearizable(_) => "a read",
        Ask::Serializable(_) => "a local read",
        Ask::KeepAlive(_) => "a lease kept alive",
        Ask::Transfer(_) => "a transfer",
    }
}
