//! Leases: how fast they are kept alive, and what one takes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::beside::{Part, Turn};
use super::figures::Better::{Less, More};
use crate::cluster::Cluster;

/// Leases whose memory is looked at, and that are kept alive.
const HELD: u32 = 100_000;

/// Fewer leases, so that each is renewed again and again: clients, and renewals that each of them
/// has under way.
const AGAIN: [(u32, u32); 2] = [(1, 1), (16, 64)];

/// Seconds that the leases last whose end is waited for.
const TTL: u32 = 30;

/// How long they may last at most.
const ENDED_LIMIT: Duration = Duration::from_mins(3);

/// Between two looks whether they have ended.
const LOOK: Duration = Duration::from_millis(200);

/// What is measured of leases.
pub(crate) const PART: Part = Part { name: "leases", start: Cluster::start, measure };

/// What is measured of leases whose leader dies.
pub(crate) const ENDS: Part =
    Part { name: "lease-ends", start: Cluster::start, measure: measure_ends };

/// Many leases are granted, the leader is killed, and nobody renews: when have they all ended?
fn measure_ends(turn: &mut Turn<'_>) -> Result<()> {
    let flags = format!("--leases {HELD} --clients 64 --seconds 1 --ttl {TTL} --leave");
    turn.bench(&format!("lease {flags}"))?;
    let renewed = Instant::now();
    let leader = turn.cluster.leading()?;
    turn.cluster.kill(leader);
    let others: Vec<usize> = turn.cluster.places().filter(|place| *place != leader).collect();
    while turn.ask(&others, "lease list").map_or(true, |it| count(&it) != 0) {
        ensure!(renewed.elapsed() < ENDED_LIMIT, "leases have not ended");
        thread::sleep(LOOK);
    }
    let name = format!("s until {HELD} leases of {TTL} s have ended, leader killed");
    turn.note(&name, Less, renewed.elapsed().as_secs_f64());
    Ok(())
}

fn count(list: &serde_json::Value) -> usize {
    list["leases"].as_array().map_or(0, Vec::len)
}

fn measure(turn: &mut Turn<'_>) -> Result<()> {
    turn.bench("lease --leases 1000 --clients 64 --seconds 2")?;
    let flags = format!("--leases {HELD} --clients 64 --seconds 5 --ttl 3600 --leave");
    let measured = turn.held(&format!("lease {flags}"))?;
    turn.note("server bytes/lease", Less, measured.bytes_each(HELD.into()));
    let name = |what: &str| format!("{what}, {HELD} leases, 64 clients");
    turn.note(&name("keep-alives/s"), More, measured.figure("per_second")?);
    turn.note(&name("keep-alive p50 ms"), Less, measured.figure("p50_ms")?);
    turn.note(&name("keep-alive p99 ms"), Less, measured.figure("p99_ms")?);
    turn.note(&name("server CPU us/keep-alive"), Less, measured.micros_each()?);
    for (clients, in_flight) in AGAIN {
        let flags = format!("--leases 1024 --clients {clients} --in-flight {in_flight}");
        let measured = turn.bench(&format!("lease {flags} --seconds 3 --leave"))?;
        let name = |what: &str| format!("{what}, {clients} x {in_flight} under way");
        turn.note(&name("keep-alives/s"), More, measured.figure("per_second")?);
        turn.note(&name("keep-alive p99 ms"), Less, measured.figure("p99_ms")?);
    }
    Ok(())
}
