//! Profiles drawn from a seed: which kinds of faults a run has, how often, and all sizes and times.
//!
//! Swarm testing (Groce and others, ISSTA 2012): each kind is first switched on or off, then
//! given a rate, so that runs differ in kind and not only in luck.

use core::time::Duration;
use std::collections::BTreeMap;

use quorate_consensus::{Config as EngineConfig, NodeId};
use quorate_kv::Config as StoreConfig;
use quorate_replica::{CommitPolicy, Limits};
use quorate_storage::MapKind;

use super::{Named, Profile, Span, Timing};
use crate::clients::Plan;
use crate::draws::{Chance, Draws, Site};
use crate::world::faults::{FaultKind, Often};

const SIZE: Site = Site::new("the sizes of a run");
const TIME: Site = Site::new("the times of a run");
const IS_ON: Site = Site::new("which faults a run has");
const RATE: Site = Site::new("how often faults come");

/// How long faults go on, in seconds: at least and at most.
const DURATION_SECONDS: (u64, u64) = (10, 30);

impl Profile {
    /// The run of this name and these draws.
    pub fn draw(named: Named, draws: Draws) -> Self {
        if named == Named::Calm {
            return Self::calm();
        }
        let engine = engine(draws);
        let limits = limits(draws, &engine);
        let (voters, learners) = count(named, draws);
        let seconds = draws.between(TIME, [0], DURATION_SECONDS.0, DURATION_SECONDS.1);
        Self {
            voters,
            learners,
            duration: Duration::from_secs(seconds),
            policy: policy(draws),
            store: store(draws),
            segment_bytes: *draws.one_of(SIZE, [1], &[8 << 10, 16 << 10, 64 << 10, 1 << 20]),
            spare_segments_max: draws.below(SIZE, [2], 3) as usize,
            tail_bytes_max: *draws.one_of(SIZE, [3], &[1, 1 << 10, 64 << 10, 1 << 20]),
            map: if draws.below(SIZE, [4], 8) == 0 { MapKind::Tree } else { MapKind::Journal },
            timing: timing(draws, engine.election_timeout),
            clients: Some(Plan::draw(draws)),
            faults: faults(named, draws),
            limits,
            engine,
        }
    }
}

fn count(named: Named, draws: Draws) -> (u8, u8) {
    let voters: &[u8] = match named {
        Named::Partial => &[3, 5, 5, 5, 7],
        _ => &[3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 1, 2, 4, 7, 9],
    };
    let learners = u8::from(draws.happens(SIZE, [5], Chance::percent(15)));
    (*draws.one_of(SIZE, [6], voters), learners)
}

fn engine(draws: Draws) -> EngineConfig {
    let election_timeout = Duration::from_millis(draws.between(TIME, [1], 150, 1_000));
    let size = |key, sizes: &[u64]| *draws.one_of(SIZE, [key], sizes);
    EngineConfig {
        election_timeout,
        heartbeat_interval: election_timeout / draws.between(TIME, [2], 5, 10) as u32,
        disk_stall_timeout: election_timeout,
        append_bytes_max: size(10, &[1, 256, 4 << 10, 1 << 20]),
        window_messages_max: size(11, &[1, 2, 8, 128]) as u32,
        window_bytes_max: size(12, &[1, 4 << 10, 8 << 20]),
        in_flight_max: size(13, &[4, 64, 16_384, 16_384]) as u32,
        in_flight_bytes_max: size(14, &[16 << 10, 64 << 20, 64 << 20]),
        reads_max: size(15, &[2, 65_536, 65_536]) as u32,
        apply_bytes_max: size(16, &[1, 1 << 10, 16 << 20]),
        tail_bytes_max: size(17, &[1, 1 << 10, 64 << 10, 64 << 20]),
        ..EngineConfig::new(NodeId(0))
    }
}

fn limits(draws: Draws, engine: &EngineConfig) -> Limits {
    let usual = Limits::new(engine.election_timeout);
    Limits {
        request_timeout: engine.election_timeout * draws.between(TIME, [3], 2, 8) as u32,
        pending_max: *draws.one_of(SIZE, [20], &[4, 65_536, 65_536, 65_536]),
        backlog_bytes_max: *draws.one_of(SIZE, [21], &[32 << 10, 256 << 20, 256 << 20]),
        ..usual
    }
}

fn policy(draws: Draws) -> CommitPolicy {
    let bytes = *draws.one_of(SIZE, [30], &[1 << 10, 16 << 10, 4 << 20]);
    CommitPolicy {
        bytes,
        first_bytes: bytes,
        interval: Duration::from_millis(draws.between(TIME, [4], 20, 1_000)),
        snapshot_count: *draws.one_of(SIZE, [31], &[10, 30, 100, 300, 10_000]),
        catch_up_entries: *draws.one_of(SIZE, [32], &[1, 10, 50, 200]),
    }
}

fn store(draws: Draws) -> StoreConfig {
    let usual = StoreConfig::default();
    let quotas = [usual.quota_bytes, usual.quota_bytes, usual.quota_bytes, 32 << 10];
    StoreConfig { quota_bytes: *draws.one_of(SIZE, [40], &quotas), ..usual }
}

fn timing(draws: Draws, election_timeout: Duration) -> Timing {
    let span = |key, spans: &[Span]| *draws.one_of(TIME, [key], spans);
    let hop = span(
        10,
        &[
            Span::micros(50, 200),
            Span::micros(50, 2_000),
            Span::micros(1_000, 5_000),
            Span::micros(3_000, 20_000),
        ],
    );
    // Slower, and no leader would ever be heard in time.
    let most = hop.most.min(election_timeout / 15);
    Timing {
        hop: Span { least: hop.least.min(most), most },
        client: Span::micros(50, 500),
        turn: span(11, &[Span::micros(1, 10), Span::micros(5, 300)]),
        log: span(
            12,
            &[Span::micros(50, 500), Span::micros(500, 3_000), Span::micros(1_000, 10_000)],
        ),
        store: span(13, &[Span::micros(500, 5_000), Span::micros(5_000, 60_000)]),
        disk: span(14, &[Span::micros(50, 500), Span::micros(500, 20_000)]),
        restart: span(15, &[Span::micros(1_000, 50_000), Span::micros(50_000, 2_000_000)]),
    }
}

fn faults(named: Named, draws: Draws) -> BTreeMap<FaultKind, Often> {
    let kinds = FaultKind::ALL.into_iter().filter(|kind| named.has(*kind));
    let on = match named {
        Named::Default => Chance::percent(40),
        _ => Chance::percent(70),
    };
    let kinds = kinds.filter(|kind| draws.happens(IS_ON, [*kind as u64], on));
    kinds.map(|kind| (kind, often(kind, draws))).collect()
}

fn often(kind: FaultKind, draws: Draws) -> Often {
    let (least, most) = match kind {
        FaultKind::Wipe | FaultKind::Rot | FaultKind::Blackout | FaultKind::RollingRestart => {
            (10_000, 40_000)
        }
        FaultKind::Loss | FaultKind::Delay | FaultKind::Duplicate | FaultKind::Transfer => {
            (1_000, 8_000)
        }
        _ => (2_000, 15_000),
    };
    let every = Duration::from_millis(draws.between(RATE, [kind as u64], least, most));
    let (least, most) = match kind {
        FaultKind::Absence => (3_000, 12_000),
        FaultKind::Pause => (100, 1_000 << draws.below(RATE, [kind as u64, 1], 6)),
        FaultKind::DiskStall => (50, 3_000),
        FaultKind::RollingRestart => (300, 2_000),
        FaultKind::Kill | FaultKind::PowerLoss | FaultKind::RecoveryCrash => (1, 2_000),
        _ => (200, 5_000),
    };
    Often { every, lasts: Span::micros(least * 1_000, most * 1_000) }
}
