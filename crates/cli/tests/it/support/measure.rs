//! How long the cluster was without a write.

use std::time::Duration;

use super::control::Hindrances;
use super::history::{Nanos, Operation};

/// When a fault was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Just before it.
    pub(crate) began: Nanos,
    /// When it was surely in effect.
    pub(crate) in_effect: Nanos,
}

/// How long the cluster was without a write, once for each fault, ascending.
#[derive(Debug)]
pub(crate) struct Gaps {
    /// By the clock.
    pub(crate) all: Vec<Duration>,
    /// Without what the machine kept a thread of no cluster waiting meanwhile.
    pub(crate) own: Vec<Duration>,
}

/// For each fault the time from its beginning until a write was acknowledged that was asked for
/// when it was in effect.
pub(crate) fn gaps(history: &[Operation], faults: &[Fault], hindrances: &Hindrances) -> Gaps {
    let writes: Vec<&Operation> =
        history.iter().filter(|operation| operation.is_acknowledged_write()).collect();
    let mut gaps = Gaps { all: Vec::new(), own: Vec::new() };
    for fault in faults {
        let later = writes.iter().filter(|write| fault.in_effect < write.invoked);
        let next = later.map(|write| write.returned).min().expect("writes went on afterwards");
        let gap = Duration::from_nanos(next - fault.began);
        gaps.all.push(gap);
        gaps.own.push(gap.saturating_sub(hindrances.between(fault.began, next)));
    }
    gaps.all.sort_unstable();
    gaps.own.sort_unstable();
    gaps
}

/// The smallest of ascending times that this share of them, in percent, does not exceed.
pub(crate) fn percentile(ascending: &[Duration], percent: usize) -> Duration {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<Duration> = (1..=20).map(Duration::from_secs).collect();
        assert_eq!(percentile(&times, 50), Duration::from_secs(10));
        assert_eq!(percentile(&times, 99), Duration::from_secs(20));
        assert_eq!(percentile(&times[..1], 50), Duration::from_secs(1));
    }
}
