//! One node: an engine with its virtual disk, its state machine and its clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use quorate_consensus::{
    Config, Entry, Incarnation, Index, Input, Instant, Members, Meta, NodeId, ProposalId, Seed,
    SendSnapshot, Status,
};

use crate::disk::{Disk, Log};
use crate::fault::{Check, ensure};
use crate::machine::Machine;
use crate::protocol::Protocol;

/// How a node's own clock runs against the script's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Script time at which the rate was last set.
    since: u64,
    /// The node's time then.
    local: u64,
    /// Thousandths of a local microsecond per microsecond.
    rate: u64,
}

impl Clock {
    const STEADY: Self = Self { since: 0, local: 0, rate: 1000 };

    fn local_at(self, now: u64) -> u64 {
        self.local + (now - self.since) * self.rate / 1000
    }

    /// The first script time at which the node's clock shows at least `local`.
    fn script_time_of(self, local: u64) -> u64 {
        self.since + (local.saturating_sub(self.local) * 1000).div_ceil(self.rate)
    }
}

/// What of a node's environment waits for commands instead of happening by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holds {
    pub(crate) apply: Hold,
    pub(crate) snapshots: Hold,
}

/// Whether something waits for a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    #[default]
    Free,
    Held,
}

/// A node, running or crashed.
pub(crate) struct Host<P: Protocol> {
    pub(crate) id: NodeId,
    pub(crate) engine: Option<P>,
    pub(crate) disk: Disk,
    pub(crate) machine: Machine,
    /// The durable state of the machine.
    pub(crate) checkpoint: Machine,
    /// Snapshots received whole, durable, by their position.
    pub(crate) staged: BTreeMap<Index, Machine>,
    /// Committed entries not applied yet.
    pub(crate) unapplied: VecDeque<Entry>,
    /// Snapshots to be streamed.
    pub(crate) streams: Vec<SendSnapshot>,
    /// Installs that wait for their record in the log to be durable.
    pub(crate) installs: VecDeque<Meta>,
    pub(crate) holds: Holds,
    /// Counts starts, so that what a crash cut off is not awaited for ever.
    pub(crate) life: u64,
    pub(crate) config: Config,
    pub(crate) tail_entries_max: usize,
    clock: Clock,
    seed: u64,
    last_sequence: u64,
}

impl<P: Protocol> Host<P> {
    /// A node that is not started.
    pub(crate) fn new(config: Config, members: Members, seed: u64) -> Self {
        Self {
            id: config.node,
            engine: None,
            disk: Disk::new(Log::new(members.clone())),
            machine: Machine::new(members.clone()),
            checkpoint: Machine::new(members),
            staged: BTreeMap::new(),
            unapplied: VecDeque::new(),
            streams: Vec::new(),
            installs: VecDeque::new(),
            holds: Holds::default(),
            life: 0,
            config,
            tail_entries_max: usize::MAX,
            clock: Clock::STEADY,
            seed,
            last_sequence: 0,
        }
    }

    /// Starts from what is durable.
    pub(crate) fn start(&mut self, now: u64, rules: P::Rules) -> Check {
        ensure!(self.engine.is_none(), "{} runs already", self.id);
        self.life += 1;
        if self.checkpoint.meta.index < self.disk.durable.meta.index {
            let index = self.disk.durable.meta.index;
            let staged = self.staged.get(&index);
            ensure!(staged.is_some(), "the log of {} begins at a lost snapshot, {index}", self.id);
            self.checkpoint = staged.expect("just checked").clone();
        }
        self.machine = self.checkpoint.clone();
        let recovered = self.disk.durable.recovered(self.machine.meta.index, self.tail_entries_max);
        let seed = Seed(self.seed.wrapping_mul(1_000_003) ^ (self.id.0 << 32) ^ self.life);
        let now = self.local(now);
        self.engine = Some(P::new(self.config.clone(), rules, seed, recovered, now));
        Ok(())
    }

    /// Stops at once: the first `kept` unsynced batches reach the disk, the others are lost.
    pub(crate) fn crash(&mut self, kept: usize) {
        for _ in 0..kept {
            self.disk.sync_one();
        }
        self.disk.crash();
        self.engine = None;
        self.unapplied.clear();
        self.streams.clear();
        self.installs.clear();
    }

    pub(crate) fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    pub(crate) fn handle(&mut self, now: u64, input: Input<P::Message>) -> Check {
        let now = self.local(now);
        ensure!(self.engine.is_some(), "{} is down", self.id);
        self.engine.as_mut().expect("just checked").handle(now, input);
        Ok(())
    }

    pub(crate) fn status(&self) -> Option<Status> {
        self.engine.as_ref().map(P::status)
    }

    /// When the engine wants to be woken, in script time.
    pub(crate) fn wakes_at(&self) -> Option<u64> {
        let deadline = self.engine.as_ref()?.deadline()?;
        Some(self.clock.script_time_of(deadline.as_micros()))
    }

    /// A name for the next proposal; names survive crashes.
    pub(crate) fn next_proposal(&mut self) -> ProposalId {
        self.last_sequence += 1;
        ProposalId { node: self.id, incarnation: Incarnation(1), sequence: self.last_sequence }
    }

    /// Sets how fast the node's clock runs, in thousandths.
    pub(crate) fn set_clock_rate(&mut self, now: u64, rate: u64) {
        self.clock = Clock { since: now, local: self.clock.local_at(now), rate };
    }

    /// Moves the node's clock ahead at once.
    pub(crate) fn jump_clock(&mut self, ahead: Duration) {
        self.clock.local += ahead.as_micros() as u64;
    }

    fn local(&self, now: u64) -> Instant {
        Instant::from_micros(self.clock.local_at(now))
    }
}
