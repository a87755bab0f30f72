//! The schedule of what goes wrong in a run: items that can be left out one by one.
//!
//! An item says what happens and when. Whom it hits, and how hard, is drawn when it strikes, by
//! its own name, so that leaving others out changes it as little as can be.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::collections::BTreeMap;

use super::clock::SimTime;
use crate::draws::{Draws, Site};
use crate::profile::Span;

const GAP: Site = Site::new("the time between two faults of a kind");
const LASTS: Site = Site::new("how long a fault lasts");

/// Most items of one kind in a run.
const ITEMS_MAX: u32 = 1_000;

/// One item of a run's schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u32);

impl fmt::Display for FaultId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "f{}", self.0)
    }
}

/// Not the name of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFault;

impl FromStr for FaultId {
    type Err = NoFault;

    fn from_str(text: &str) -> Result<Self, NoFault> {
        let number = text.strip_prefix('f').and_then(|number| number.parse().ok());
        number.map(Self).ok_or(NoFault)
    }
}

/// What goes wrong, or is done by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Frames get lost.
    Loss,
    /// Frames arrive twice.
    Duplicate,
    /// Frames arrive a second time much later, also after restarts.
    LateDuplicate,
    /// Frames take much longer, each its own time, and overtake each other.
    Delay,
    /// Frames arrive with a flipped bit.
    Corrupt,
    /// Links carry few bytes a second, and drop what waits too long.
    SlowLink,
    /// A connection is reset.
    Reset,
    /// The network is cut into a shape.
    Partition,
    /// The network is cut into a shape and whole again, many times.
    Flapping,
    /// A process is killed and starts again.
    Kill,
    /// A node loses power in the midst of its writes, and starts again.
    PowerLoss,
    /// All nodes lose power at once.
    Blackout,
    /// A process ends while it starts.
    RecoveryCrash,
    /// A node is away for long, so that it needs a snapshot.
    Absence,
    /// A process stands still.
    Pause,
    /// A node's disk is replaced by an empty one.
    Wipe,
    /// A node's halves take long for each turn.
    SlowNode,
    /// A call that changes the disk fails.
    WriteFails,
    /// A sync fails.
    SyncFails,
    /// A write is cut short for lack of space.
    ShortWrite,
    /// A read of the disk fails.
    ReadFails,
    /// The disk is full.
    DiskFull,
    /// The disk does nothing for a while.
    DiskStall,
    /// Everything on the disk takes longer.
    SlowDisk,
    /// A bit on the disk flips at rest.
    Rot,
    /// A clock runs fast or slow.
    ClockRate,
    /// A clock jumps ahead.
    ClockJump,
    /// The operator moves leadership.
    Transfer,
    /// The operator restarts all nodes, one after another.
    RollingRestart,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 29] = [
        Self::Loss,
        Self::Duplicate,
        Self::LateDuplicate,
        Self::Delay,
        Self::Corrupt,
        Self::SlowLink,
        Self::Reset,
        Self::Partition,
        Self::Flapping,
        Self::Kill,
        Self::PowerLoss,
        Self::Blackout,
        Self::RecoveryCrash,
        Self::Absence,
        Self::Pause,
        Self::Wipe,
        Self::SlowNode,
        Self::WriteFails,
        Self::SyncFails,
        Self::ShortWrite,
        Self::ReadFails,
        Self::DiskFull,
        Self::DiskStall,
        Self::SlowDisk,
        Self::Rot,
        Self::ClockRate,
        Self::ClockJump,
        Self::Transfer,
        Self::RollingRestart,
    ];

    /// Its name in traces and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::LateDuplicate => "late-duplicate",
            Self::Delay => "delay",
            Self::Corrupt => "corrupt",
            Self::SlowLink => "slow-link",
            Self::Reset => "reset",
            Self::Partition => "partition",
            Self::Flapping => "flapping",
            Self::Kill => "kill",
            Self::PowerLoss => "power-loss",
            Self::Blackout => "blackout",
            Self::RecoveryCrash => "recovery-crash",
            Self::Absence => "absence",
            Self::Pause => "pause",
            Self::Wipe => "wipe",
            Self::SlowNode => "slow-node",
            Self::WriteFails => "write-fails",
            Self::SyncFails => "sync-fails",
            Self::ShortWrite => "short-write",
            Self::ReadFails => "read-fails",
            Self::DiskFull => "disk-full",
            Self::DiskStall => "disk-stall",
            Self::SlowDisk => "slow-disk",
            Self::Rot => "rot",
            Self::ClockRate => "clock-rate",
            Self::ClockJump => "clock-jump",
            Self::Transfer => "transfer",
            Self::RollingRestart => "rolling-restart",
        }
    }
}

/// How often something of a kind begins, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Often {
    /// The mean time from one beginning to the next.
    pub every: Duration,
    /// How long each lasts; for a crash, until the next start.
    pub lasts: Span,
}

/// An item of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub id: FaultId,
    /// What.
    pub kind: FaultKind,
    /// When it begins.
    pub at: SimTime,
    /// How long it lasts.
    pub lasts: Duration,
}

/// All items of a run, each of its kind at times of its own.
pub(crate) fn schedule(
    draws: Draws,
    rates: &BTreeMap<FaultKind, Often>,
    duration: Duration,
) -> BTreeMap<FaultId, Fault> {
    let mut schedule = BTreeMap::new();
    for (kind, often) in rates {
        let kind_number = *kind as u32;
        let mut at = SimTime::default();
        for number in 0..ITEMS_MAX {
            let keys = [u64::from(kind_number), u64::from(number)];
            at = at + draws.duration(GAP, keys, Duration::ZERO, 2 * often.every);
            if duration <= at.since(SimTime::default()) {
                break;
            }
            let id = FaultId(kind_number * ITEMS_MAX + number);
            let lasts = often.lasts.draw(draws, LASTS, keys);
            schedule.insert(id, Fault { id, kind: *kind, at, lasts });
        }
    }
    schedule
}

#[cfg(test)]
mod tests {
    use quorate_consensus::Seed;

    use super::*;

    #[test]
    fn kinds_do_not_disturb_each_other() {
        let often = Often { every: Duration::from_secs(1), lasts: Span::micros(1, 1_000) };
        let all = FaultKind::ALL.into_iter().map(|kind| (kind, often)).collect();
        let draws = Draws::new(Seed(1));
        let duration = Duration::from_mins(1);
        let together = schedule(draws, &all, duration);
        let alone = schedule(draws, &BTreeMap::from([(FaultKind::Pause, often)]), duration);
        assert!(30 < alone.len() && alone.len() < 120, "{}", alone.len());
        assert!(alone.iter().all(|(id, fault)| together[id] == *fault));
    }

    #[test]
    fn names_are_read_back_and_are_unique() {
        assert_eq!("f7003".parse(), Ok(FaultId(7_003)));
        assert_eq!("7003".parse::<FaultId>(), Err(NoFault));
        let names: std::collections::BTreeSet<_> =
            FaultKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), FaultKind::ALL.len());
    }
}
