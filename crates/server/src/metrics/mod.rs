//! What this member counts and measures while it works, and the text in which it tells.
//!
//! Threads and connections count in atomics; what the engine and the state machine know anyway is
//! asked for when somebody scrapes. docs/metrics.md lists every name.

mod grpc;
mod histogram;
mod methods;
mod peers;
mod process;
mod render;
mod requests;
mod serve;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use quorate_consensus::{Members, NodeId, Role};

use crate::config::MetricsDetail;
use histogram::{COUNT_BOUNDS, FINE_BOUNDS, SYNC_BOUNDS};

pub(crate) use grpc::{Entered, GrpcLayer, GrpcMetrics};
pub(crate) use histogram::Histogram;
pub(crate) use peers::{PeerCounts, PeerMetrics};
pub(crate) use requests::{Cause, RequestMetrics};
pub(crate) use serve::routes;

/// All that one member counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// gRPC requests, as their clients see them.
    pub(crate) grpc: Arc<GrpcMetrics>,
    /// Requests between the API and the threads.
    pub(crate) requests: RequestMetrics,
    /// Connections with the other members.
    pub(crate) peers: PeerMetrics,
    /// The threads.
    pub(crate) threads: ThreadMetrics,
    /// Health checks.
    pub(crate) health: HealthMetrics,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    /// That many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// One less, for what comes and goes.
    pub(crate) fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many by now.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What the threads of the node measure of themselves.
#[derive(Debug)]
pub(crate) struct ThreadMetrics {
    /// A write to the log with its sync.
    pub(crate) log_sync: Histogram,
    /// Records made durable by one sync.
    pub(crate) log_batch: Histogram,
    /// A commit of the state machine's file.
    pub(crate) map_commit: Histogram,
    /// Records in one such commit, put and removed.
    pub(crate) map_batch: Histogram,
    /// Messages that the ordering thread fed to the engine between two drains.
    pub(crate) ordering_turn: Histogram,
    /// Messages that the applying thread took between two looks at what follows.
    pub(crate) applying_turn: Histogram,
    /// Entries applied at once.
    pub(crate) apply_batch: Histogram,
    /// How long they took.
    pub(crate) apply_seconds: Histogram,
    /// Applied batches that took longer than etcd warns about.
    pub(crate) apply_slow: Count,
    /// Messages of peers that broke the protocol.
    pub(crate) misbehaved: Count,
    /// Times the node took each role.
    roles: [Count; 4],
}

impl ThreadMetrics {
    fn new() -> Self {
        Self {
            log_sync: Histogram::of_durations(&SYNC_BOUNDS),
            log_batch: Histogram::of_counts(&COUNT_BOUNDS),
            map_commit: Histogram::of_durations(&SYNC_BOUNDS),
            map_batch: Histogram::of_counts(&COUNT_BOUNDS),
            ordering_turn: Histogram::of_counts(&COUNT_BOUNDS),
            applying_turn: Histogram::of_counts(&COUNT_BOUNDS),
            apply_batch: Histogram::of_counts(&COUNT_BOUNDS),
            apply_seconds: Histogram::of_durations(&FINE_BOUNDS),
            apply_slow: Count::default(),
            misbehaved: Count::default(),
            roles: Default::default(),
        }
    }

    /// The node took a role.
    pub(crate) fn on_role(&self, role: Role) {
        self.roles[place_of(role)].increment();
    }

    fn times(&self, role: Role) -> u64 {
        self.roles[place_of(role)].value()
    }
}

const ROLES: [(Role, &str); 4] = [
    (Role::Follower, "follower"),
    (Role::PreCandidate, "pre_candidate"),
    (Role::Candidate, "candidate"),
    (Role::Leader, "leader"),
];

fn place_of(role: Role) -> usize {
    ROLES.iter().position(|(known, _)| *known == role).expect("all roles are listed")
}

/// How often this member was asked about its health.
#[derive(Debug, Default)]
pub(crate) struct HealthMetrics {
    /// It was well.
    success: Count,
    /// It was not.
    failures: Count,
}

impl HealthMetrics {
    /// Somebody asked, and was told this problem or none.
    pub(crate) fn on_checked(&self, problem: Option<&str>) {
        let count = if problem.is_none() { &self.success } else { &self.failures };
        count.increment();
    }
}

impl Metrics {
    /// Nothing is counted yet, for this member among these.
    pub(crate) fn new(members: &Members, own: NodeId, detail: MetricsDetail) -> Self {
        Self {
            grpc: Arc::new(GrpcMetrics::new(detail)),
            requests: RequestMetrics::default(),
            peers: PeerMetrics::new(members, own),
            threads: ThreadMetrics::new(),
            health: HealthMetrics::default(),
        }
    }
}
