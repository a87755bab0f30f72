//! Watches: how soon and how fast each of many watchers is told, and what one takes.

use anyhow::Result;

use super::beside::{Part, Turn};
use super::figures::Better::{Less, More};
use crate::cluster::Cluster;

/// How soon, at a steady rate of puts: watchers, how many share a stream, puts a second.
const STEADY: [(u32, u32, u32); 3] = [(1, 1, 100), (100, 10, 100), (10_000, 100, 5)];

/// How fast, if nothing but the watchers paces the puts.
const FASTEST: [(u32, u32); 3] = [(100, 10), (1_000, 100), (10_000, 100)];

/// Watchers whose memory is looked at, each on a key of its own.
const HELD: u32 = 10_000;

/// What is measured of watches.
pub(crate) const PART: Part = Part { name: "watches", start: Cluster::start, measure };

fn measure(turn: &mut Turn<'_>) -> Result<()> {
    turn.bench("watch --watchers 1000 --per-stream 100 --keys 10 --rate 200 --seconds 2")?;
    memory(turn)?;
    for (watchers, per_stream, rate) in STEADY {
        let flags = format!("--watchers {watchers} --per-stream {per_stream} --rate {rate}");
        let measured = turn.bench(&format!("watch {flags} --seconds 4"))?;
        let name = |what: &str| format!("{what}, {watchers} watchers, {rate} puts/s");
        turn.note(&name("delivery p50 ms"), Less, measured.figure("p50_ms")?);
        turn.note(&name("delivery p99 ms"), Less, measured.figure("p99_ms")?);
    }
    for (watchers, per_stream) in FASTEST {
        let flags = format!("--watchers {watchers} --per-stream {per_stream} --rate 0");
        let measured = turn.bench(&format!("watch {flags} --seconds 3"))?;
        let name = |what: &str| format!("{what}, {watchers} watchers");
        turn.note(&name("events/s"), More, measured.figure("per_second")?);
        turn.note(&name("server CPU us/event"), Less, measured.micros_each()?);
    }
    Ok(())
}

fn memory(turn: &mut Turn<'_>) -> Result<()> {
    let flags = format!("--watchers {HELD} --per-stream 100 --keys {HELD} --rate 1 --seconds 1");
    let measured = turn.held(&format!("watch {flags}"))?;
    turn.note("server bytes/watcher", Less, measured.bytes_each(HELD.into()));
    Ok(())
}
