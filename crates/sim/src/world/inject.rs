//! What can be done to a node: end its process, cut its power, stop it for a while, wipe its disk.

use core::time::Duration;

use quorate_consensus::NodeId;
use quorate_storage::{SimDisk, Survival};

use super::World;
use super::event::Event;
use super::node::Standing;
use super::trace::Fact;
use crate::draws::Site;
use crate::protocol::Protocol;

const INTERRUPT: Site = Site::new("how far the disk came before the end");
const RESTART: Site = Site::new("the time to the next start");
const TORN: Site = Site::new("what of a write survives");

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: what it wrote stays in the system's cache, and its peers are told
    /// that its connections are closed.
    Kill,
    /// The power is cut: what was not synced survives as told, and nobody tells its peers.
    Power(Survival),
}

impl<P: Protocol> World<P> {
    /// Ends a node's process at once, in the midst of whatever its disk is doing.
    pub fn crash(&mut self, node: NodeId, crash: Crash) {
        self.interrupt_disk(node);
        match crash {
            Crash::Kill => {
                self.end_process(node, "killed");
                self.close_all(node);
                self.node(node).disk.kill();
            }
            Crash::Power(survival) => {
                self.end_process(node, "lost power");
                self.forget_calls(node);
                self.node(node).disk.crash(survival);
            }
        }
    }

    /// A seed for what survives a power cut, other at each.
    pub(super) fn torn(&self, node: NodeId) -> Survival {
        let keys = [node.0, u64::from(self.node(node).life), self.now.0];
        Survival::Torn(self.draws.bits(TORN, keys))
    }

    /// What the disk was given before the end may be done, half done, or not begun.
    fn interrupt_disk(&mut self, node: NodeId) {
        let life = u64::from(self.node(node).life);
        let Some(running) = self.node(node).running.as_deref() else { return };
        let under_way =
            [running.log.is_busy, running.log.reservation.is_some(), running.store.is_busy];
        let first = self.draws.below(INTERRUPT, [node.0, life, 0], 3);
        for place in 0..3 {
            let which = (first + place) % 3;
            if under_way[which as usize] && !self.node(node).disk.is_halted() {
                self.interrupt_one(node, which);
            }
        }
    }

    fn interrupt_one(&mut self, node: NodeId, which: u64) {
        let keys = [node.0, u64::from(self.node(node).life), 1 + which];
        let disk = self.node(node).disk.clone();
        match self.draws.below(INTERRUPT, keys, 8) {
            0 | 1 => return,
            2 => {}
            calls => disk.halt_before(disk.changes() + calls - 3),
        }
        // Whatever comes of it, nobody hears of it any more.
        match which {
            0 => drop(self.append(node)),
            1 => self.finish_reservation(node),
            _ => drop(self.store_first(node)),
        }
    }

    /// Stops a node's process as it stands. It goes on where it was; its clock does not stop.
    pub fn pause(&mut self, node: NodeId) {
        if self.node(node).standing == Standing::Up {
            self.node_mut(node).standing = Standing::Paused;
            self.note(node, Fact::Paused);
        }
    }

    /// Lets a stopped process go on.
    pub fn resume(&mut self, node: NodeId) {
        if self.node(node).standing != Standing::Paused {
            return;
        }
        self.note(node, Fact::Resumed);
        let it = self.node_mut(node);
        it.standing = Standing::Up;
        for event in core::mem::take(&mut it.deferred) {
            self.queue.push(self.now, event);
        }
    }

    /// Has a node's process begin now, if it has none and is not dead.
    pub fn restart(&mut self, node: NodeId) {
        if self.node(node).standing == Standing::Down {
            self.start(node);
        }
    }

    /// A process ends by itself, because its disk failed or its peers refuse it. The operator
    /// looks after the machine and starts it again.
    pub(super) fn fail(&mut self, node: NodeId, why: &'static str) {
        self.end_process(node, why);
        self.close_all(node);
        let keys = [node.0, u64::from(self.node(node).life), 9];
        if self.draws.below(INTERRUPT, keys, 2) == 0 {
            self.node(node).disk.kill();
        } else {
            let survival = self.torn(node);
            self.node(node).disk.crash(survival);
        }
        if self.node(node).is_lost {
            self.bury(node);
        } else {
            self.start_again(node);
        }
    }

    /// Starts a node's process again, after the usual time.
    pub(super) fn start_again(&mut self, node: NodeId) {
        let keys = [node.0, u64::from(self.node(node).life)];
        let after = self.profile.timing.restart.draw(self.draws, RESTART, keys);
        self.start_after(node, after);
    }

    /// A node will never run again.
    pub(super) fn bury(&mut self, node: NodeId) {
        self.checks.on_lost(node);
        self.node_mut(node).standing = Standing::Dead;
    }

    /// Has a node's process begin later.
    pub(super) fn start_after(&mut self, node: NodeId, after: Duration) {
        let life = self.node(node).life;
        self.queue.push(self.now + after, Event::Start { node, life });
    }

    /// Takes a node's disk away and gives it an empty one. Its peers will refuse what comes back,
    /// and it counts as dead for ever.
    pub fn wipe(&mut self, node: NodeId) {
        self.end_process(node, "its disk is gone");
        self.close_all(node);
        self.note(node, Fact::Wiped);
        self.checks.on_lost(node);
        let it = self.node_mut(node);
        it.disk = SimDisk::new();
        it.known.clear();
        it.incarnation = None;
        it.is_lost = true;
    }

    /// Has a node's clock run at another rate from now on.
    pub fn set_rate(&mut self, node: NodeId, rate: super::clock::Rate) {
        let now = self.now;
        self.checks.on_rate(node, rate.0);
        let it = self.node_mut(node);
        it.rate = rate;
        if let Some(running) = it.running.as_deref_mut() {
            running.clock.run_at(now, rate);
            self.schedule_halves(node);
        }
    }

    /// Has a node's clock jump ahead.
    pub fn jump(&mut self, node: NodeId, by: Duration) {
        let now = self.now;
        self.checks.on_jump(node, by);
        if let Some(running) = self.node_mut(node).running.as_deref_mut() {
            running.clock.jump(now, by);
            self.schedule_halves(node);
        }
    }
}
