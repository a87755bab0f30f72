//! The world of a script: nodes, their network, one virtual time, and the checks after every step.

use std::collections::BTreeMap;

use quorate_consensus::invariants::Invariants;
use quorate_consensus::{Effects, Fetch, Index, Input, Members, NodeId, Role, SendSnapshot};

use crate::fault::{Check, ensure, fail};
use crate::host::{Hold, Host};
use crate::journal::Journal;
use crate::network::{Flight, Network};
use crate::protocol::Protocol;
use crate::requests::Requests;

/// Steps of one node without the script going on; more means that it never comes to rest.
const STEPS_MAX: usize = 10_000;

/// Everything that exists while a script runs.
pub(crate) struct Cluster<P: Protocol> {
    pub(crate) hosts: BTreeMap<NodeId, Host<P>>,
    pub(crate) network: Network<P>,
    pub(crate) requests: Requests,
    pub(crate) invariants: Invariants,
    /// Round trips that stepping back one by one would take, by leader and peer.
    pub(crate) one_by_one: BTreeMap<(NodeId, NodeId), u64>,
    pub(crate) journal: Journal,
    pub(crate) members: Members,
    /// Script time in microseconds.
    pub(crate) now: u64,
    /// When the last mark was made, and how many leaders there had been.
    pub(crate) mark: (u64, u64),
    /// Snapshots asked for since the last mark.
    pub(crate) snapshots_asked: BTreeMap<(NodeId, NodeId), u64>,
    /// How long a sync takes, in microseconds.
    pub(crate) sync_latency: u64,
    rules: P::Rules,
}

impl<P: Protocol> Cluster<P> {
    /// A world without nodes.
    pub(crate) fn new(rules: P::Rules, members: Members) -> Self {
        Self {
            hosts: BTreeMap::new(),
            network: Network::new(0, 0),
            requests: Requests::default(),
            invariants: Invariants::new(P::ORDER),
            one_by_one: BTreeMap::new(),
            journal: Journal::default(),
            members,
            now: 0,
            mark: (0, 0),
            snapshots_asked: BTreeMap::new(),
            sync_latency: 0,
            rules,
        }
    }

    pub(crate) fn host(&self, node: NodeId) -> Check<&Host<P>> {
        match self.hosts.get(&node) {
            Some(host) => Ok(host),
            None => fail!("there is no {node}"),
        }
    }

    pub(crate) fn host_mut(&mut self, node: NodeId) -> Check<&mut Host<P>> {
        match self.hosts.get_mut(&node) {
            Some(host) => Ok(host),
            None => fail!("there is no {node}"),
        }
    }

    pub(crate) fn nodes_up(&self) -> Vec<NodeId> {
        self.hosts.values().filter(|host| host.is_up()).map(|host| host.id).collect()
    }

    /// Starts a node from its disk.
    pub(crate) fn start(&mut self, node: NodeId) -> Check {
        let (now, rules) = (self.now, self.rules.clone());
        let host = self.host_mut(node)?;
        host.start(now, rules)?;
        let found = host.disk.durable.recovered(host.machine.meta.index, usize::MAX);
        self.invariants.on_start(node, &found)?;
        self.pump(node)
    }

    /// Stops a node at once; the first `kept` unsynced batches survive.
    pub(crate) fn crash(&mut self, node: NodeId, kept: usize) -> Check {
        let host = self.host_mut(node)?;
        ensure!(host.is_up(), "{node} is down already");
        host.crash(kept);
        self.requests.on_crash(node);
        self.invariants.on_crash(node, None)?;
        Ok(())
    }

    /// Feeds inputs to a node and lets it come to rest.
    pub(crate) fn feed(&mut self, node: NodeId, inputs: Vec<Input<P::Message>>) -> Check {
        let now = self.now;
        let host = self.host_mut(node)?;
        for input in inputs {
            host.handle(now, input)?;
        }
        self.pump(node)
    }

    /// Hands over messages that arrived, all of a node's in one go.
    pub(crate) fn arrive(&mut self, flights: Vec<Flight<P::Message>>) -> Check {
        let mut inputs: BTreeMap<NodeId, Vec<Input<P::Message>>> = BTreeMap::new();
        for flight in flights {
            let Flight { from, to, message, .. } = flight;
            let Some(host) = self.hosts.get(&to).filter(|host| host.is_up()) else { continue };
            let is_unusable =
                P::snapshot_in(&message).is_some_and(|meta| !host.staged.contains_key(&meta.index));
            if !is_unusable {
                inputs.entry(to).or_default().push(Input::Message { from, message });
            }
        }
        inputs.into_iter().try_for_each(|(node, inputs)| self.feed(node, inputs))
    }

    /// Drains a node and does what it asks for, until it asks for nothing that happens by itself.
    pub(crate) fn pump(&mut self, node: NodeId) -> Check {
        for _ in 0..STEPS_MAX {
            let Some(engine) = self.hosts.get_mut(&node).and_then(|host| host.engine.as_mut())
            else {
                return Ok(());
            };
            let effects = engine.effects();
            let has_fetched = !effects.fetches.is_empty();
            self.act(node, effects)?;
            self.observe(node)?;
            if !self.advance(node)? && !has_fetched {
                return Ok(());
            }
        }
        fail!("{node} never comes to rest")
    }

    /// The next thing a node's surroundings do by themselves, if any.
    fn advance(&mut self, node: NodeId) -> Check<bool> {
        Ok(self.sync_if_due(node)?
            || self.install_if_durable(node)?
            || self.apply_if_free(node)?
            || self.stream_if_free(node)?)
    }

    fn act(&mut self, node: NodeId, effects: Effects<P::Message>) -> Check {
        for event in &effects.trace {
            self.journal.event(node, event);
        }
        if let Some(misbehaved) = effects.misbehaved.first() {
            fail!("{node} says that {} misbehaved: {}", misbehaved.peer, misbehaved.reason);
        }
        self.act_on_write(node, &effects)?;
        // A leader's role must be known before its messages and outcomes are judged.
        self.observe(node)?;
        for envelope in effects.messages {
            self.invariants.on_send::<P>(node, envelope.to, &envelope.message)?;
            self.network.send(self.now, node, envelope.to, envelope.message);
        }
        for outcome in effects.outcomes {
            let words = self.requests.end(node, outcome)?;
            self.invariants.on_outcome(node, &outcome)?;
            self.journal.line(format!("  {node} {words}"));
        }
        for send in &effects.snapshots {
            *self.snapshots_asked.entry((node, send.to)).or_default() += 1;
        }
        for entry in effects.committed.iter().flatten() {
            self.invariants.on_committed(node, entry)?;
        }
        let host = self.host_mut(node)?;
        host.unapplied.extend(effects.committed.iter().flatten().cloned());
        host.streams.extend(effects.snapshots);
        effects.fetches.iter().try_for_each(|fetch| self.fetch(node, fetch))
    }

    fn act_on_write(&mut self, node: NodeId, effects: &Effects<P::Message>) -> Check {
        let done_at = self.now + self.sync_latency;
        let Self { hosts, invariants, .. } = self;
        let Some(host) = hosts.get_mut(&node) else { fail!("there is no {node}") };
        if let Some(batch) = &effects.write {
            ensure!(!batch.writes.is_empty(), "{node} issues an empty batch");
            ensure!(
                host.disk.newest_pending().is_none_or(|newest| newest < batch.id),
                "{node} issues batch {} out of order",
                batch.id.0
            );
            invariants.on_write(node, batch)?;
            batch.writes.iter().for_each(|write| host.disk.issued.apply(write));
            host.disk.push(batch.clone(), done_at);
        }
        if let Some(meta) = &effects.install {
            let is_recorded = host.disk.issued.meta.index == meta.index;
            ensure!(is_recorded, "{node} installs a snapshot without a log record");
            host.installs.push_back(meta.as_ref().clone());
        }
        Ok(())
    }

    fn observe(&mut self, node: NodeId) -> Check {
        let elections = self.invariants.elections();
        let Some(engine) = &self.host(node)?.engine else { return Ok(()) };
        let summary = engine.summary();
        self.invariants.on_step(node, &summary)?;
        if summary.role == Role::Leader && elections < self.invariants.elections() {
            self.count_one_by_one(node, summary.ballot.round);
        }
        Ok(())
    }

    /// How many round trips a new leader would need to find where each peer's log agrees with its
    /// own, stepping back one entry at a time.
    fn count_one_by_one(&mut self, leader: NodeId, round: u64) {
        let log = &self.hosts[&leader].disk.issued;
        for (peer, host) in self.hosts.iter().filter(|(peer, _)| **peer != leader) {
            let count = log.one_by_one(&host.disk.issued, round);
            self.one_by_one.insert((leader, *peer), count);
        }
    }

    /// Serves entries from the durable log, as many as fit; none if they are compacted.
    fn fetch(&mut self, node: NodeId, fetch: &Fetch) -> Check {
        let now = self.now;
        let host = self.host_mut(node)?;
        let log = &host.disk.durable;
        let mut entries = Vec::new();
        if log.meta.index < fetch.first {
            let mut bytes = 0;
            for index in (fetch.first.0..=fetch.last.0).map(Index) {
                let Some(entry) = log.entries.get(&index) else {
                    fail!("{node} fetches {index}, which is not durable");
                };
                bytes += entry.cost();
                if fetch.bytes_max < bytes && !entries.is_empty() {
                    break;
                }
                entries.push(entry.clone());
            }
        }
        host.handle(now, Input::Fetched { reason: fetch.reason, entries })
    }

    fn sync_if_due(&mut self, node: NodeId) -> Check<bool> {
        let now = self.now;
        let host = self.host_mut(node)?;
        if host.disk.next_sync_at().is_none_or(|at| now < at) {
            return Ok(false);
        }
        self.sync_one(node)
    }

    /// Completes the oldest write of a node, held or not.
    pub(crate) fn sync_one(&mut self, node: NodeId) -> Check<bool> {
        let now = self.now;
        let host = self.host_mut(node)?;
        let Some(write) = host.disk.sync_one() else { return Ok(false) };
        if host.is_up() {
            host.handle(now, Input::Persisted { write })?;
            self.invariants.on_persisted(node, write)?;
        }
        Ok(true)
    }

    fn install_if_durable(&mut self, node: NodeId) -> Check<bool> {
        let now = self.now;
        let host = self.host_mut(node)?;
        let durable = host.disk.durable.meta.index;
        let Some(meta) = host.installs.pop_front_if(|meta| meta.index <= durable) else {
            return Ok(false);
        };
        let Some(machine) = host.staged.get(&meta.index) else {
            fail!("{node} installs a snapshot it does not hold, {}", meta.index);
        };
        host.machine = machine.clone();
        host.checkpoint = machine.clone();
        host.unapplied.retain(|entry| meta.index < entry.index);
        host.handle(now, Input::Installed { meta: Box::new(meta.clone()) })?;
        self.invariants.on_installed(node, &meta)?;
        Ok(true)
    }

    fn apply_if_free(&mut self, node: NodeId) -> Check<bool> {
        let host = self.host(node)?;
        let waits = host.holds.apply == Hold::Held || !host.installs.is_empty();
        if waits || host.unapplied.is_empty() {
            return Ok(false);
        }
        self.apply_all(node)?;
        Ok(true)
    }

    /// Applies everything that waits.
    pub(crate) fn apply_all(&mut self, node: NodeId) -> Check {
        let now = self.now;
        let Self { hosts, invariants, .. } = self;
        let Some(host) = hosts.get_mut(&node) else { fail!("there is no {node}") };
        for entry in core::mem::take(&mut host.unapplied) {
            invariants.on_apply(node, &entry)?;
            host.machine.apply(entry)?;
        }
        let (upto, clock) = (host.machine.meta.index, host.machine.clock);
        host.handle(now, Input::Applied { upto, clock })
    }

    fn stream_if_free(&mut self, node: NodeId) -> Check<bool> {
        let host = self.host(node)?;
        if host.holds.snapshots == Hold::Held || host.streams.is_empty() {
            return Ok(false);
        }
        self.stream_all(node)?;
        Ok(true)
    }

    /// Streams every snapshot that was asked for; those that cannot arrive fail.
    pub(crate) fn stream_all(&mut self, node: NodeId) -> Check {
        for send in core::mem::take(&mut self.host_mut(node)?.streams) {
            self.stream(node, send)?;
        }
        Ok(())
    }

    fn stream(&mut self, node: NodeId, send: SendSnapshot) -> Check {
        let to = send.to;
        let machine = self.host(node)?.machine.clone();
        ensure!(
            send.at_least <= machine.meta.index,
            "{node} asks for a snapshot at {}, applied {}",
            send.at_least,
            machine.meta.index
        );
        let arrives = !self.network.is_cut(node, to)
            && !self.network.is_cut(to, node)
            && self.hosts.get(&to).is_some_and(Host::is_up);
        let now = self.now;
        if !arrives {
            return self.host_mut(node)?.handle(now, Input::SnapshotFailed { to });
        }
        let meta = Box::new(machine.meta.clone());
        self.host_mut(to)?.staged.insert(meta.index, machine);
        self.host_mut(node)?.handle(now, Input::SnapshotSent { to, meta })
    }

    /// Makes the state machine durable at a position and lets the engine forget the log up to it.
    pub(crate) fn compact(&mut self, node: NodeId, index: Index) -> Check {
        let host = self.host_mut(node)?;
        ensure!(index <= host.disk.durable.last(), "{index} is not durable at {node}");
        ensure!(host.checkpoint.meta.index < index, "{node} has compacted {index} already");
        host.checkpoint = host.machine.at(index)?;
        let meta = Box::new(host.checkpoint.meta.clone());
        self.feed(node, vec![Input::Compacted { meta }])
    }
}
