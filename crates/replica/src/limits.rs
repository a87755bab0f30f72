//! The settings of a node above its engine.

use core::time::Duration;

/// Bounds and times of the two halves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a client's request may wait for its end.
    pub request_timeout: Duration,
    /// How long a read waits for its confirmation before it is asked for anew.
    pub read_retry: Duration,
    /// How long a refused proposal waits before it is offered to the same leader again.
    pub proposal_retry: Duration,
    /// Most requests of this node's clients that may wait in the ordering half.
    pub pending_max: usize,
    /// Most bytes of writes that may be on their way to a leader elsewhere. The others wait: what
    /// this node answers that leader goes over the same connection, and must not wait behind them.
    pub forward_bytes_max: u64,
    /// Most bytes in the state machine's memory that its disk has not taken yet.
    pub backlog_bytes_max: u64,
}

impl Limits {
    /// The defaults for an engine with this election timeout: etcd's request timeout is five
    /// seconds and two election timeouts.
    pub fn new(election_timeout: Duration) -> Self {
        Self {
            request_timeout: Duration::from_secs(5) + 2 * election_timeout,
            read_retry: election_timeout / 2,
            proposal_retry: election_timeout / 20,
            pending_max: 65_536,
            forward_bytes_max: 8 << 20,
            backlog_bytes_max: 256 << 20,
        }
    }
}
