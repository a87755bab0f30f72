//! Clients that watch: on streams to any node, which they leave, lose and take up elsewhere.
//!
//! What a client does with its n-th stream depends on the seed and on what it was told. A stream
//! is named as an operation is, and can be left out as one.

mod plan;
mod watcher;
mod wish;

use std::collections::BTreeSet;

use quorate_consensus::{Instant, NodeId};
use quorate_kv::{StreamId, WatchId, WatchRequest, WatchResponse};

pub use plan::{WATCHERS_MAX, WatchPlan};

use super::operation::OperationId;
use super::plan::Plan;
use super::{CLIENTS_MAX, Reachable};
use crate::draws::Draws;
use watcher::Watcher;

/// Clients that watch are numbered from behind this one.
const WATCHER_FIRST: u32 = 100;

const _: () = assert!(CLIENTS_MAX <= WATCHER_FIRST, "two clients would have one name");

/// What a client says on its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamWord {
    /// It opens the stream.
    Open,
    /// It asks for a watch.
    Create(Box<WatchRequest>),
    /// It goes on with a watch that it had at another node.
    Resume(Box<WatchRequest>),
    /// It wants to end one.
    Cancel(WatchId),
    /// It asks how far all its watches have come.
    Progress,
    /// It has taken one batch of responses.
    Taken,
    /// It goes.
    Close,
}

/// A word on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// On which stream.
    pub stream: StreamId,
    /// The node at its end.
    pub node: NodeId,
    /// What.
    pub word: StreamWord,
}

/// What clients decide by, beside what they know themselves.
#[derive(Clone, Copy)]
struct Context<'a> {
    draws: Draws,
    plan: &'a Plan,
    without: &'a BTreeSet<OperationId>,
    reachable: Reachable<'a>,
    is_settled: bool,
}

/// All clients of one run that watch.
#[derive(Clone, Debug)]
pub struct Watchers {
    draws: Draws,
    plan: Plan,
    watchers: Vec<Watcher>,
    without: BTreeSet<OperationId>,
    is_settled: bool,
}

impl Watchers {
    /// The clients of this plan, who begin now.
    pub fn new(draws: Draws, plan: Plan, now: Instant) -> Self {
        let count = plan.watching.watchers.min(WATCHERS_MAX);
        let watchers = (1..=count).map(|number| Watcher::new(number, now)).collect();
        Self { draws, plan, watchers, without: BTreeSet::new(), is_settled: false }
    }

    /// The same clients, who pass these streams over.
    pub fn without(mut self, operations: BTreeSet<OperationId>) -> Self {
        self.without = operations;
        self
    }

    /// From now on nothing is begun, left or put off: what is open is told, and asks how far it
    /// has come.
    pub fn settle(&mut self, now: Instant) {
        self.is_settled = true;
        for watcher in &mut self.watchers {
            watcher.settle(now);
        }
    }

    /// When to call [`Self::wake`].
    pub fn deadline(&self) -> Option<Instant> {
        self.watchers.iter().map(Watcher::deadline).min()
    }

    /// What is said now.
    pub fn wake(&mut self, now: Instant, reachable: Reachable<'_>) -> Vec<Said> {
        let (watchers, context) = self.parts(reachable);
        watchers.iter_mut().flat_map(|watcher| watcher.wake(now, context)).collect()
    }

    /// A batch of responses has come to a client. Those of streams that were left are passed over.
    pub fn on_told(&mut self, stream: StreamId, batch: Vec<WatchResponse>) -> Vec<Said> {
        let watcher = self.watchers.iter_mut().find(|watcher| watcher.has(stream));
        watcher.map_or_else(Vec::new, |watcher| watcher.on_told(batch))
    }

    /// A client hears that its stream is gone.
    pub fn on_lost(&mut self, now: Instant, stream: StreamId) {
        let reachable = Reachable { nodes: &[], leader: None };
        let (watchers, context) = self.parts(reachable);
        if let Some(watcher) = watchers.iter_mut().find(|watcher| watcher.has(stream)) {
            watcher.on_lost(now, context);
        }
    }

    fn parts<'a>(&'a mut self, reachable: Reachable<'a>) -> (&'a mut [Watcher], Context<'a>) {
        let context = Context {
            draws: self.draws,
            plan: &self.plan,
            without: &self.without,
            reachable,
            is_settled: self.is_settled,
        };
        (&mut self.watchers, context)
    }
}
