//! The faults of the schedule as they strike, last and end.

use core::time::Duration;

use quorate_consensus::NodeId;
use quorate_replica::Ticket;
use quorate_storage::{Failure, Survival};

use super::World;
use super::clock::Rate;
use super::event::Event;
use super::faults::{Fault, FaultId, FaultKind, schedule};
use super::inject::Crash;
use super::node::Standing;
use super::topology::Topology;
use super::trace::Fact;
use super::weather::{Front, Weather};
use crate::clients::Ask;
use crate::draws::{Chance, Site};
use crate::profile::Span;
use crate::protocol::Protocol;

const WHOM: Site = Site::new("whom a fault hits");
const HOW: Site = Site::new("how hard a fault hits");
const AMBUSH: Site = Site::new("when in its work a disk is interrupted");

impl<P: Protocol> World<P> {
    pub(super) fn begin_faults(&mut self) {
        self.schedule = schedule(self.draws, &self.profile.faults, self.profile.duration);
        for (id, fault) in &self.schedule {
            self.queue.push(fault.at, Event::Fault(*id));
        }
    }

    /// The schedule of this run.
    pub fn schedule(&self) -> impl Iterator<Item = &Fault> {
        self.schedule.values()
    }

    /// Leaves items of the schedule out; all else stays as it is. Before the first step.
    #[must_use]
    pub fn without(mut self, faults: &std::collections::BTreeSet<FaultId>) -> Self {
        assert!(self.steps == 0, "the run has begun");
        self.schedule.retain(|id, _| !faults.contains(id));
        self
    }

    pub(super) fn on_fault(&mut self, id: FaultId) {
        let Some(fault) = self.schedule.get(&id).copied() else { return };
        if self.is_healed {
            return;
        }
        self.steps += 1;
        if self.strike(fault).is_none() {
            return;
        }
        *self.struck.entry(fault.kind).or_default() += 1;
        if lasts(fault.kind) {
            self.queue.push(self.now + fault.lasts, Event::FaultEnds(id));
        }
    }

    /// A number below `bound`, drawn for this fault.
    fn how(&self, fault: Fault, key: u64, bound: u64) -> u64 {
        self.draws.below(HOW, [u64::from(fault.id.0), key], bound)
    }

    /// The node that a fault hits: any, or in a third of the cases the leader.
    fn whom(&self, fault: Fault) -> NodeId {
        let id = u64::from(fault.id.0);
        let leader = self.leader().filter(|_| self.draws.below(WHOM, [id, 0], 3) == 0);
        let any = NodeId(1 + self.draws.below(WHOM, [id, 1], self.nodes.len() as u64));
        leader.unwrap_or(any)
    }

    /// The node that a fault hits, if its process runs.
    fn whom_up(&mut self, fault: Fault) -> Option<NodeId> {
        let node = self.whom(fault);
        let is_up = self.node(node).standing == Standing::Up;
        if is_up {
            self.tell_fault(node, fault);
        }
        is_up.then_some(node)
    }

    fn tell_fault(&mut self, node: NodeId, fault: Fault) {
        self.note(node, Fact::Fault { fault: fault.id, what: fault.kind.name() });
    }

    /// Does it; none if there was nobody to do it to.
    fn strike(&mut self, fault: Fault) -> Option<()> {
        match fault.kind {
            FaultKind::Loss
            | FaultKind::Duplicate
            | FaultKind::LateDuplicate
            | FaultKind::Delay
            | FaultKind::Corrupt
            | FaultKind::SlowLink => {
                self.strike_links(fault);
                Some(())
            }
            FaultKind::Reset => self.strike_connection(fault),
            FaultKind::Partition => self.strike_network(fault),
            FaultKind::Flapping => self.on_flap(fault, 0),
            FaultKind::Kill | FaultKind::PowerLoss => self.strike_process(fault),
            FaultKind::Absence => self.whom_up(fault).map(|node| self.end_and_start(fault, node)),
            FaultKind::Blackout => {
                self.strike_all(fault);
                Some(())
            }
            FaultKind::RecoveryCrash => self.strike_start(fault),
            FaultKind::Pause => self.whom_up(fault).map(|node| self.pause(node)),
            FaultKind::Wipe => self.strike_directory(fault),
            FaultKind::SlowNode => self.strike_speed(fault),
            FaultKind::WriteFails
            | FaultKind::SyncFails
            | FaultKind::ShortWrite
            | FaultKind::ReadFails
            | FaultKind::DiskFull
            | FaultKind::DiskStall
            | FaultKind::SlowDisk => self.strike_disk(fault),
            FaultKind::Rot => self.strike_rest(fault),
            FaultKind::ClockRate | FaultKind::ClockJump => self.strike_clock(fault),
            FaultKind::Transfer => self.strike_leader(fault),
            FaultKind::RollingRestart => self.on_roll(fault, 0),
        }
    }

    pub(super) fn on_fault_ends(&mut self, id: FaultId) {
        let Some(fault) = self.schedule.get(&id).copied() else { return };
        self.steps += 1;
        self.note(NodeId(0), Fact::FaultEnded { fault: id, what: fault.kind.name() });
        self.clear(id);
        self.mend_all(id);
        let node = fault_node(self, fault);
        match fault.kind {
            FaultKind::Pause => self.resume(node),
            FaultKind::SlowNode => self.node_mut(node).turn_extra = None,
            FaultKind::DiskFull => self.node(node).disk.limit(None),
            FaultKind::SlowDisk => self.node_mut(node).disk_factor = 1,
            FaultKind::ClockRate => self.set_rate(node, Rate::TRUE),
            _ => {}
        }
        self.hit.remove(&id);
    }

    fn mend_all(&mut self, id: FaultId) {
        for (from, to) in self.cuts.remove(&id).unwrap_or_default() {
            self.mend(from, to);
        }
    }

    pub(super) fn on_fault_step(&mut self, id: FaultId, step: u32) {
        let Some(fault) = self.schedule.get(&id).copied() else { return };
        if self.is_healed {
            return;
        }
        self.steps += 1;
        match fault.kind {
            FaultKind::Flapping => drop(self.on_flap(fault, step)),
            FaultKind::RollingRestart => drop(self.on_roll(fault, step)),
            FaultKind::Kill | FaultKind::PowerLoss => {
                let node = NodeId(u64::from(step));
                if self.node(node).running.is_some() {
                    self.end_and_start(fault, node);
                }
            }
            _ => {}
        }
    }

    fn strike_links(&mut self, fault: Fault) {
        let chance = Chance::percent([1, 5, 10, 20, 40][self.how(fault, 0, 5) as usize]);
        let longer = Span::micros(1_000, 1_000 << self.how(fault, 1, 10));
        let weather = match fault.kind {
            FaultKind::Loss => Weather::Loss(chance),
            FaultKind::Duplicate => Weather::Duplicate(chance, longer),
            FaultKind::LateDuplicate => {
                Weather::Duplicate(Chance::percent(2), Span::micros(1_000_000, 15_000_000))
            }
            FaultKind::Delay => Weather::Delay(chance, longer),
            FaultKind::Corrupt => Weather::Corrupt(Chance(2_000 << self.how(fault, 2, 5))),
            _ => Weather::Slow(4_000 << self.how(fault, 3, 6)),
        };
        let links = self.some_links(fault);
        self.network.fronts.push(Front { fault: fault.id, weather, links });
        self.tell_fault(NodeId(0), fault);
    }

    /// All links, those of one node, or one alone.
    fn some_links(&self, fault: Fault) -> u128 {
        let node = self.whom(fault);
        let other = NodeId(1 + self.how(fault, 9, self.nodes.len() as u64));
        let place = |from, to| 1_u128 << self.network.place(from, to);
        match self.how(fault, 8, 4) {
            0 | 1 => u128::MAX,
            2 => {
                let peers = self.peers_of(node);
                peers.map(|peer| place(node, peer) | place(peer, node)).sum()
            }
            _ => place(node, other),
        }
    }

    fn strike_connection(&mut self, fault: Fault) -> Option<()> {
        let from = self.whom(fault);
        let to = NodeId(1 + self.how(fault, 0, self.nodes.len() as u64));
        let session = self.network.link(from, to).session()?;
        self.tell_fault(from, fault);
        self.close(from, to, session);
        Some(())
    }

    fn strike_network(&mut self, fault: Fault) -> Option<()> {
        let topology = Topology::ALL[self.how(fault, 0, Topology::ALL.len() as u64) as usize];
        let (key, count) = (u64::from(fault.id.0), self.nodes.len() as u64);
        let cuts = topology.cuts(self.draws, key, count, self.leader());
        if cuts.is_empty() {
            return None;
        }
        self.note(NodeId(0), Fact::Fault { fault: fault.id, what: topology.name() });
        *self.shapes.entry(topology).or_default() += 1;
        for (from, to) in &cuts {
            self.cut(*from, *to);
        }
        self.cuts.insert(fault.id, cuts);
        Some(())
    }

    fn on_flap(&mut self, fault: Fault, step: u32) -> Option<()> {
        if step.is_multiple_of(2) {
            self.strike_network(fault)?;
        } else {
            self.mend_all(fault.id);
        }
        let period = Duration::from_millis(20 << self.how(fault, 1, 6));
        if self.now + period < fault.at + fault.lasts {
            let next = Event::FaultStep { fault: fault.id, step: step + 1 };
            self.queue.push(self.now + period, next);
        }
        Some(())
    }

    /// At once, or as soon as the disk is at work.
    fn strike_process(&mut self, fault: Fault) -> Option<()> {
        let node = self.whom_up(fault)?;
        if self.how(fault, 0, 2) == 0 {
            self.node_mut(node).ambush = Some(fault.id);
        } else {
            self.end_and_start(fault, node);
        }
        Some(())
    }

    /// A disk begins a piece of work: whatever waits for that strikes somewhere within.
    pub(super) fn spring_ambush(&mut self, node: NodeId, work: Duration) {
        let Some(fault) = self.node_mut(node).ambush.take() else { return };
        let keys = [u64::from(fault.0)];
        let after = self.draws.duration(AMBUSH, keys, Duration::ZERO, work);
        let step = node.0 as u32;
        self.queue.push(self.now + after, Event::FaultStep { fault, step });
    }

    fn end_and_start(&mut self, fault: Fault, node: NodeId) {
        let is_kill = match fault.kind {
            FaultKind::Kill => true,
            FaultKind::PowerLoss => false,
            _ => self.how(fault, 4, 2) == 0,
        };
        let crash = if is_kill { Crash::Kill } else { Crash::Power(self.survival(fault, node)) };
        self.crash(node, crash);
        self.start_after(node, fault.lasts);
    }

    fn survival(&self, fault: Fault, node: NodeId) -> Survival {
        match self.how(fault, 5, 8) {
            0 => Survival::Lost,
            1 => Survival::Kept,
            _ => self.torn(node),
        }
    }

    fn strike_all(&mut self, fault: Fault) {
        self.tell_fault(NodeId(0), fault);
        for id in 1..=self.nodes.len() as u64 {
            let node = NodeId(id);
            if self.node(node).running.is_some() {
                let survival = self.survival(fault, node);
                self.crash(node, Crash::Power(survival));
                let more = Duration::from_millis(self.how(fault, 10 + id, 500));
                self.start_after(node, fault.lasts + more);
            }
        }
    }

    fn strike_start(&mut self, fault: Fault) -> Option<()> {
        let node = self.whom_up(fault)?;
        let survival = self.torn(node);
        self.crash(node, Crash::Power(survival));
        self.node_mut(node).interrupt_start = Some(self.how(fault, 1, 40));
        self.start_after(node, fault.lasts);
        Some(())
    }

    /// Whether the cluster survives the loss of this node's directory: a minority may go, and all
    /// who stay must know the directory that goes, or they would take the next one for it.
    pub(super) fn may_lose(&self, node: NodeId) -> bool {
        let voters = &self.nodes[..usize::from(self.profile.voters)];
        let gone = voters.iter().filter(|it| it.is_lost || it.is_rotten || it.id == node).count();
        let incarnation = self.node(node).incarnation;
        let others = self.nodes.iter().filter(|it| it.id != node && !it.is_lost);
        let is_known = incarnation.is_some()
            && others.into_iter().all(|it| it.known.get(&node).copied() == incarnation);
        gone <= (voters.len() - 1) / 2 && is_known && !self.node(node).is_lost
    }

    fn strike_directory(&mut self, fault: Fault) -> Option<()> {
        let node = self.whom(fault);
        if self.node(node).running.is_none() || !self.may_lose(node) {
            return None;
        }
        self.tell_fault(node, fault);
        self.wipe(node);
        self.start_after(node, fault.lasts);
        Some(())
    }

    fn strike_speed(&mut self, fault: Fault) -> Option<()> {
        let node = self.whom_up(fault)?;
        self.hit.insert(fault.id, node);
        let most = 1_000 << self.how(fault, 0, 7);
        self.node_mut(node).turn_extra = Some(Span::micros(100, most));
        Some(())
    }

    fn strike_disk(&mut self, fault: Fault) -> Option<()> {
        let node = self.whom_up(fault)?;
        self.hit.insert(fault.id, node);
        let disk = self.node(node).disk.clone();
        let change = disk.changes() + self.how(fault, 0, 6);
        match fault.kind {
            FaultKind::WriteFails => disk.fail_change(change, Failure::Error),
            FaultKind::SyncFails => disk.fail_sync(),
            FaultKind::ShortWrite => {
                let bytes = self.how(fault, 1, 600) as usize;
                disk.fail_change(change, Failure::Short { bytes });
            }
            FaultKind::ReadFails => disk.fail_read(disk.reads() + self.how(fault, 2, 3)),
            FaultKind::DiskFull => {
                let room = self.how(fault, 3, 2 * self.profile.segment_bytes);
                disk.limit(Some(disk.used_bytes() + room));
            }
            FaultKind::DiskStall => {
                let until = self.now + fault.lasts;
                let it = self.node_mut(node);
                it.stalled_until = it.stalled_until.max(until);
            }
            _ => self.node_mut(node).disk_factor = 2 << self.how(fault, 4, 6),
        }
        Some(())
    }

    fn strike_clock(&mut self, fault: Fault) -> Option<()> {
        let node = self.whom_up(fault)?;
        self.hit.insert(fault.id, node);
        if fault.kind == FaultKind::ClockRate {
            self.set_rate(node, Rate(950_000 + self.how(fault, 0, 100_001)));
        } else {
            let by = Duration::from_millis(10 << self.how(fault, 1, 11));
            self.jump(node, by);
        }
        Some(())
    }

    fn strike_leader(&mut self, fault: Fault) -> Option<()> {
        let leader = self.leader()?;
        self.tell_fault(leader, fault);
        let to = NodeId(1 + self.how(fault, 0, u64::from(self.profile.nodes())));
        let ticket = self.fresh_ticket();
        self.ask(leader, ticket, Ask::Transfer(to));
        Some(())
    }

    /// A ticket for a request of the world's own.
    pub fn fresh_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        assert!(self.tickets < 1 << 32, "tickets from there on are the clients'");
        Ticket(self.tickets)
    }

    fn on_roll(&mut self, fault: Fault, step: u32) -> Option<()> {
        let node = NodeId(1 + u64::from(step));
        if self.nodes.len() as u64 <= u64::from(step) {
            return None;
        }
        self.tell_fault(node, fault);
        if self.node(node).running.is_some() {
            self.crash(node, Crash::Kill);
            self.start_again(node);
        }
        let next = Event::FaultStep { fault: fault.id, step: step + 1 };
        self.queue.push(self.now + fault.lasts, next);
        Some(())
    }
}

/// The node that a fault in force has hit.
fn fault_node<P: Protocol>(world: &World<P>, fault: Fault) -> NodeId {
    world.hit.get(&fault.id).copied().unwrap_or_else(|| world.whom(fault))
}

/// Whether something of the kind has an end of its own.
fn lasts(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Loss
            | FaultKind::Duplicate
            | FaultKind::LateDuplicate
            | FaultKind::Delay
            | FaultKind::Corrupt
            | FaultKind::SlowLink
            | FaultKind::Partition
            | FaultKind::Flapping
            | FaultKind::Pause
            | FaultKind::SlowNode
            | FaultKind::DiskFull
            | FaultKind::SlowDisk
            | FaultKind::ClockRate
    )
}
