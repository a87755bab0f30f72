//! What a run is like: how many nodes, how big, how fast, and what goes wrong.

mod draw;

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::collections::BTreeMap;

use quorate_consensus::Config as EngineConfig;
use quorate_consensus::NodeId;
use quorate_kv::{Config as StoreConfig, WatchLimits};
use quorate_replica::{CommitPolicy, Limits};
use quorate_storage::MapKind;

use crate::clients::Plan;
use crate::draws::{Draws, Site};
use crate::world::faults::{FaultKind, Often};

/// A range of durations, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Span {
    /// From `least` to `most` microseconds.
    pub const fn micros(least: u64, most: u64) -> Self {
        Self { least: Duration::from_micros(least), most: Duration::from_micros(most) }
    }

    /// Always these many microseconds.
    pub const fn exactly(micros: u64) -> Self {
        Self::micros(micros, micros)
    }

    /// One of them.
    pub(crate) fn draw<const N: usize>(self, draws: Draws, site: Site, keys: [u64; N]) -> Duration {
        draws.duration(site, keys, self.least, self.most)
    }
}

/// How long things take where nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A frame's way from node to node.
    pub hop: Span,
    /// A client's words' way to its node, or back.
    pub client: Span,
    /// From the arrival of work to a half's turn.
    pub turn: Span,
    /// A write and sync of the log.
    pub log: Span,
    /// A piece of work of the store: a commit, a step of staging.
    pub store: Span,
    /// A read of old entries, or a reservation.
    pub disk: Span,
    /// From a process's end to its next start.
    pub restart: Span,
}

/// A family of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Nothing goes wrong, everything has its usual size.
    Calm,
    /// Anything may go wrong: each seed draws its own mix.
    #[default]
    Default,
    /// Processes and machines end, pause and come back.
    Crashes,
    /// Frames suffer.
    Network,
    /// Disks fail, fill up, stall and rot.
    Disks,
    /// Clocks and processes run fast, slow and by leaps.
    Clocks,
    /// Some nodes cannot reach some others.
    Partial,
}

impl Named {
    /// Every family.
    pub const ALL: [Self; 7] = [
        Self::Calm,
        Self::Default,
        Self::Crashes,
        Self::Network,
        Self::Disks,
        Self::Clocks,
        Self::Partial,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Default => "default",
            Self::Crashes => "crashes",
            Self::Network => "network",
            Self::Disks => "disks",
            Self::Clocks => "clocks",
            Self::Partial => "partial",
        }
    }

    /// Whether its runs may have faults of this kind.
    pub const fn has(self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::Loss
            | FaultKind::Duplicate
            | FaultKind::LateDuplicate
            | FaultKind::Delay
            | FaultKind::Corrupt
            | FaultKind::SlowLink => matches!(self, Self::Default | Self::Network),
            FaultKind::Reset | FaultKind::Partition | FaultKind::Flapping => {
                matches!(self, Self::Default | Self::Network | Self::Partial)
            }
            FaultKind::Kill
            | FaultKind::Blackout
            | FaultKind::RecoveryCrash
            | FaultKind::Absence
            | FaultKind::Wipe
            | FaultKind::RollingRestart => matches!(self, Self::Default | Self::Crashes),
            FaultKind::PowerLoss => matches!(self, Self::Default | Self::Crashes | Self::Disks),
            FaultKind::Pause => matches!(self, Self::Default | Self::Crashes | Self::Clocks),
            FaultKind::WriteFails
            | FaultKind::SyncFails
            | FaultKind::ShortWrite
            | FaultKind::ReadFails
            | FaultKind::DiskFull
            | FaultKind::DiskStall
            | FaultKind::SlowDisk
            | FaultKind::Rot => matches!(self, Self::Default | Self::Disks),
            FaultKind::SlowNode | FaultKind::ClockRate | FaultKind::ClockJump => {
                matches!(self, Self::Default | Self::Clocks)
            }
            FaultKind::Transfer => !matches!(self, Self::Calm),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Not the name of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoProfile;

impl FromStr for Named {
    type Err = NoProfile;

    fn from_str(text: &str) -> Result<Self, NoProfile> {
        Self::ALL.into_iter().find(|named| named.name() == text).ok_or(NoProfile)
    }
}

/// A run, but for its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// How many nodes decide: 1 to 9.
    pub voters: u8,
    /// How many nodes only listen.
    pub learners: u8,
    /// How long faults go on, in the world's time.
    pub duration: Duration,
    /// The engine's settings; the node in them is replaced.
    pub engine: EngineConfig,
    /// The settings of the ordering half.
    pub limits: Limits,
    /// When the state machine goes to disk and the log is cut.
    pub policy: CommitPolicy,
    /// The state machine's settings.
    pub store: StoreConfig,
    /// The size of a log segment, in bytes.
    pub segment_bytes: u64,
    /// How many dropped segments are kept for reuse.
    pub spare_segments_max: usize,
    /// Bytes of entries read at a start.
    pub tail_bytes_max: u64,
    /// What the state machine's file is.
    pub map: MapKind,
    /// How long things take.
    pub timing: Timing,
    /// What clients ask; nothing if there are none.
    pub clients: Option<Plan>,
    /// What goes wrong, and how often.
    pub faults: BTreeMap<FaultKind, Often>,
}

impl Profile {
    /// Three nodes, everything at its usual size, and nothing goes wrong.
    pub fn calm() -> Self {
        let engine = EngineConfig {
            election_timeout: Duration::from_millis(500),
            heartbeat_interval: Duration::from_millis(50),
            ..EngineConfig::new(NodeId(0))
        };
        let limits = Limits {
            request_timeout: 4 * engine.election_timeout,
            ..Limits::new(engine.election_timeout)
        };
        Self {
            voters: 3,
            learners: 0,
            duration: Duration::from_secs(20),
            limits,
            engine,
            policy: CommitPolicy {
                bytes: 64 << 10,
                first_bytes: 64 << 10,
                interval: Duration::from_millis(300),
                snapshot_count: 600,
                catch_up_entries: 100,
            },
            store: StoreConfig::default(),
            segment_bytes: 64 << 10,
            spare_segments_max: 2,
            tail_bytes_max: 1 << 20,
            map: MapKind::Journal,
            timing: Timing {
                hop: Span::micros(100, 400),
                client: Span::micros(50, 200),
                turn: Span::micros(2, 20),
                log: Span::micros(100, 600),
                store: Span::micros(500, 5_000),
                disk: Span::micros(100, 1_000),
                restart: Span::micros(50_000, 500_000),
            },
            clients: Some(Plan::default()),
            faults: BTreeMap::new(),
        }
    }

    /// The nodes' bounds on watches.
    pub fn watch_limits(&self) -> WatchLimits {
        self.clients.as_ref().map_or_else(WatchLimits::default, |plan| plan.watching.limits)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> u8 {
        self.voters + self.learners
    }
}
