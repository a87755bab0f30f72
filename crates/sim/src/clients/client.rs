//! One client: what it knows, and whether it waits or pauses.

use core::time::Duration;
use std::collections::BTreeSet;

use quorate_consensus::{Instant, NodeId};
use quorate_replica::{Answer, Ending};

use super::operation::OperationId;
use super::plan::{Plan, Target};
use super::shape::{Known, Shape};
use super::{End, Reachable, Request};
use crate::draws::{Chance, Draws, Site};

/// How long a client waits before it looks again for a node that runs.
const NOBODY_PAUSE: Duration = Duration::from_millis(20);

/// Operations that are paced alike, one after another.
const OPERATIONS_PER_PHASE: u32 = 8;

/// The longest pause after an end that tells nothing.
const BACK_OFF: Duration = Duration::from_millis(30);

/// What an operation is made of, beside the client itself.
pub(super) struct Context<'a> {
    pub(super) draws: Draws,
    pub(super) plan: &'a Plan,
    pub(super) without: &'a BTreeSet<OperationId>,
    pub(super) compactions: &'a mut BTreeSet<i64>,
}

/// A client, which does one thing at a time.
#[derive(Clone, Debug)]
pub(super) struct Client {
    client: u32,
    target: Target,
    /// The number of the next operation.
    next: u32,
    /// The operation that the next one repeats.
    repeated: Option<u32>,
    /// When the next one begins, if the client is free by then.
    planned: Instant,
    state: State,
    known: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pausing,
    Waiting { operation: OperationId, shape: u32, since: Instant },
}

/// Whether the client may try again what it does not know the end of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Known,
    Unknown,
}

impl Client {
    pub(super) fn new(client: u32, draws: Draws, plan: &Plan, now: Instant) -> Self {
        const SITE: Site = Site::new("clients/target");
        let mut this = Self {
            client,
            target: *draws.one_of(SITE, [u64::from(client)], &plan.targets),
            next: 1,
            repeated: None,
            planned: now,
            state: State::Pausing,
            known: Known::default(),
        };
        this.planned = now + this.pause(plan, draws);
        this
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state != State::Pausing
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.state == State::Pausing && self.planned <= now
    }

    pub(super) fn deadline(&self, patience: Duration, is_stopped: bool) -> Option<Instant> {
        match self.state {
            State::Waiting { since, .. } => Some(since + patience),
            State::Pausing => (!is_stopped).then_some(self.planned),
        }
    }

    /// Begins the next operation, unless it is left out or nobody can be asked.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        reachable: Reachable<'_>,
        context: Context<'_>,
    ) -> Option<Request> {
        let operation = OperationId::new(self.client, self.next);
        let Some(node) = self.node(context.draws, reachable) else {
            self.planned = now + NOBODY_PAUSE;
            return None;
        };
        self.planned = self.planned.max(now) + self.pause(context.plan, context.draws);
        let shape = self.repeated.take().unwrap_or(self.next);
        self.next += 1;
        if context.without.contains(&operation) {
            return None;
        }
        self.state = State::Waiting { operation, shape, since: now };
        let Context { draws, plan, compactions, .. } = context;
        let ask = Shape { draws, plan, operation, shape }.ask(&mut self.known, compactions);
        Some(Request { ticket: operation.ticket(), node, ask })
    }

    /// Stops waiting if it took too long. The request may still end; nobody listens.
    pub(super) fn give_up(&mut self, now: Instant, plan: &Plan, draws: Draws) {
        if let State::Waiting { since, .. } = self.state
            && since + plan.patience <= now
        {
            self.end(now, Ended::Unknown, plan, draws);
        }
    }

    pub(super) fn on_end(
        &mut self,
        now: Instant,
        ended: OperationId,
        end: &End,
        plan: &Plan,
        draws: Draws,
    ) {
        let State::Waiting { operation, .. } = self.state else { return };
        if operation != ended {
            return;
        }
        let is_known = match end {
            End::Answer(Answer::Behind | Answer::Overloaded) | End::Ending(_) | End::Lost => {
                Ended::Unknown
            }
            End::Answer(answer) => {
                self.known.learn(answer);
                Ended::Known
            }
        };
        self.end(now, is_known, plan, draws);
        if let End::Ending(Ending::Refused(_) | Ending::NoLeader) | End::Lost = end {
            self.back_off(now, ended, draws);
        }
    }

    fn end(&mut self, now: Instant, ended: Ended, plan: &Plan, draws: Draws) {
        const SITE: Site = Site::new("clients/retry");
        let State::Waiting { shape, .. } = self.state else { unreachable!("it waits") };
        self.state = State::Pausing;
        self.planned = self.planned.max(now);
        let keys = [u64::from(self.client), u64::from(self.next)];
        if ended == Ended::Unknown && draws.happens(SITE, keys, plan.retry) {
            self.repeated = Some(shape);
        }
    }

    fn back_off(&mut self, now: Instant, ended: OperationId, draws: Draws) {
        const SITE: Site = Site::new("clients/back off");
        let keys = [u64::from(ended.client()), u64::from(ended.number())];
        let pause = draws.duration(SITE, keys, Duration::from_millis(1), BACK_OFF);
        self.planned = self.planned.max(now + pause);
    }

    /// The pause before the operation after the next.
    fn pause(&self, plan: &Plan, draws: Draws) -> Duration {
        const PHASE: Site = Site::new("clients/phase");
        const PAUSE: Site = Site::new("clients/pause");
        let client = u64::from(self.client);
        let phase = u64::from(self.next / OPERATIONS_PER_PHASE);
        let longest = match draws.below(PHASE, [client, phase], 20) {
            0..8 => plan.pace.burst,
            8..17 => plan.pace.steady,
            _ => plan.pace.idle,
        };
        draws.duration(PAUSE, [client, u64::from(self.next)], Duration::ZERO, longest)
    }

    fn node(&self, draws: Draws, reachable: Reachable<'_>) -> Option<NodeId> {
        const SITE: Site = Site::new("clients/node");
        const AWAY: Chance = Chance::percent(10);
        if reachable.nodes.is_empty() {
            return None;
        }
        let client = u64::from(self.client);
        let keys = [client, u64::from(self.next)];
        let any = *draws.one_of(SITE, keys, reachable.nodes);
        Some(match self.target {
            Target::Any => any,
            // Now and then a client is wrong about the leader.
            Target::Leader if draws.happens(SITE, [client, keys[1], 1], AWAY) => any,
            Target::Leader => reachable.leader.unwrap_or(any),
            Target::One => {
                let home = draws.bits(SITE, [client]);
                reachable.nodes[(home % reachable.nodes.len() as u64) as usize]
            }
        })
    }
}
