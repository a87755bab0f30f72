//! Requests on their way to the threads: how many wait, and why some were not answered.

use quorate_consensus::Refusal;
use quorate_replica::Ending;

use super::Count;
use super::text::Exposition;

/// Why a request ended without an answer of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// This member works on as much as it may.
    Busy,
    /// Too much awaits a quorum.
    Overloaded,
    /// The log's disk is full.
    StorageFull,
    /// Leadership was elsewhere, or on its way there.
    LeaderChanged,
    /// No leader was found in time.
    NoLeader,
    /// This member was removed.
    Removed,
    /// The engine does not offer it.
    Unsupported,
    /// It may have happened or not.
    Unknown,
    /// This member did not apply fast enough to serve the read.
    Behind,
}

const CAUSES: [(Cause, &str); 9] = [
    (Cause::Busy, "busy"),
    (Cause::Overloaded, "overloaded"),
    (Cause::StorageFull, "storage_full"),
    (Cause::LeaderChanged, "leader_changed"),
    (Cause::NoLeader, "no_leader"),
    (Cause::Removed, "removed"),
    (Cause::Unsupported, "unsupported"),
    (Cause::Unknown, "unknown"),
    (Cause::Behind, "behind"),
];

impl Cause {
    /// The cause that an ending tells; none if it is an answer to what was asked.
    pub(crate) fn of(ending: &Ending) -> Option<Self> {
        Some(match ending {
            Ending::Refused(Refusal::Overloaded { .. }) => Self::Overloaded,
            Ending::Refused(Refusal::StorageFull) => Self::StorageFull,
            Ending::Refused(Refusal::NotLeader { .. } | Refusal::Transferring { .. }) => {
                Self::LeaderChanged
            }
            Ending::Refused(Refusal::Removed) => Self::Removed,
            Ending::Refused(Refusal::Unsupported) => Self::Unsupported,
            Ending::NoLeader => Self::NoLeader,
            Ending::Unknown => Self::Unknown,
            Ending::Transferred(_) => return None,
        })
    }
}

/// Counts of requests.
#[derive(Debug, Default)]
pub(crate) struct RequestMetrics {
    /// Writes under way.
    pub(crate) writes_pending: Count,
    /// Writes that the state machine did not answer.
    pub(crate) writes_failed: Count,
    /// Linearizable reads that the state machine did not answer.
    pub(crate) reads_failed: Count,
    /// Ranges that were answered.
    pub(crate) ranges: Count,
    causes: [Count; CAUSES.len()],
}

/// A write under way, for as long as it lives.
pub(crate) struct PendingWrite<'a> {
    metrics: &'a RequestMetrics,
}

impl Drop for PendingWrite<'_> {
    fn drop(&mut self) {
        self.metrics.writes_pending.decrement();
    }
}

impl RequestMetrics {
    /// A write begins.
    pub(crate) fn begin_write(&self) -> PendingWrite<'_> {
        self.writes_pending.increment();
        PendingWrite { metrics: self }
    }

    /// A request was not answered.
    pub(crate) fn on_unanswered(&self, cause: Cause) {
        let place = CAUSES.iter().position(|(known, _)| *known == cause);
        self.causes[place.expect("all causes are listed")].increment();
    }

    /// All families.
    pub(super) fn write(&self, text: &mut Exposition) {
        text.gauge(
            "etcd_server_proposals_pending",
            "The current number of pending proposals to commit.",
            self.writes_pending.value(),
        );
        text.counter(
            "etcd_server_proposals_failed_total",
            "The total number of failed proposals seen.",
            self.writes_failed.value(),
        );
        text.counter(
            "etcd_server_read_indexes_failed_total",
            "The total number of failed read indexes seen.",
            self.reads_failed.value(),
        );
        let name = "quorate_requests_unanswered_total";
        let help = "Requests that ended without an answer of the state machine, by cause.";
        text.family(name, "counter", help);
        for ((_, label), count) in CAUSES.iter().zip(&self.causes) {
            text.sample(name, &[("cause", label)], count.value());
        }
    }
}
