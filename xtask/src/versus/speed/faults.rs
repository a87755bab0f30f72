//! What happens to those who wait when members are killed, and what a million keys take.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::system::{Programs, memory, number, report};
use crate::cluster::Cluster;
use crate::versus::figures::{Better, Figure};
use crate::workspace::shown;

/// Writes that are due every few milliseconds, by far more clients than can be stuck: whoever
/// leads next is met at once.
const STEADY: &str = "bench put --rate 200 --clients 1500 --connections 24 --threads 1 \
    --warm-up 500ms --duration 6s";

/// When the leader is killed, from the start of that.
const KILL_AFTER: Duration = Duration::from_secs(2);

/// Seconds from one kill to the next.
pub(super) const KILL_SECONDS: u32 = 10;

/// Seconds that one turn of restarts takes, without the writing of the keys.
pub(super) const RESTART_SECONDS: u32 = 25;

/// Writes that go on while a member is killed: they leave a tail of the log that the store has
/// not taken over yet.
const HEAVY: &str = "bench put --clients 64 --warm-up 0s --keys 10000 --duration 4s";

/// When in that time it is killed.
const HEAVY_KILL_AFTER: Duration = Duration::from_secs(3);

/// How long members may take until they serve again.
const SERVING_MAX: Duration = Duration::from_mins(2);

/// Kills the leader, and gives the longest time in which no write was acknowledged, in
/// milliseconds.
pub(super) fn failover(programs: &Programs, cluster: &mut Cluster) -> Result<(Value, Figure)> {
    let leader = cluster.leading()?;
    let mut load = programs.load(&cluster.urls(), STEADY);
    let name = shown(&load);
    let load = load.spawn().context("the load did not start")?;
    thread::sleep(KILL_AFTER);
    cluster.kill(leader);
    let found = report(&name, &load.wait_with_output()?)?;
    cluster.restart(leader)?;
    cluster.wait_until_it_serves()?;
    let value = number(&found, "/longest_pause_ms")?;
    let name = "failover after kill -9 of the leader: ms".to_owned();
    Ok((found, Figure { name, better: Better::Less, value }))
}

/// Writes so many keys of 16 bytes with values of 256, and gives what a member takes with them.
pub(super) fn memory_of(
    programs: &Programs,
    cluster: &Cluster,
    keys: u64,
) -> Result<(Value, Vec<Figure>)> {
    const PUTS: u64 = 100;
    let before = memory(cluster)?;
    let total = keys / PUTS;
    let load = format!(
        "txn --txn-ops {PUTS} --sequential --keys {keys} --total {total} --clients 16 \
         --warm-up 0s --command-timeout 30s"
    );
    let found = programs.measure(&cluster.urls(), &load)?;
    ensure!(number(&found, "/errors")? < 1.0, "not all keys were written: {found}");
    let after = memory(cluster)?;
    let names = ["resident memory", "memory that no file is behind,"];
    let mut figures = Vec::new();
    for (name, bytes) in names.into_iter().zip(after) {
        let name = format!("{name} of a member with {keys} keys: MiB");
        let value = bytes / cluster.size() / f64::from(1 << 20);
        figures.push(Figure { name, better: Better::Less, value });
    }
    let found = json!({ "load": found, "bytes_before": before, "bytes_after": after });
    Ok((found, figures))
}

/// Kills members in the middle of writes, and times how soon they serve again.
pub(super) fn restart(programs: &Programs, cluster: &mut Cluster) -> Result<Vec<Figure>> {
    let follower = (cluster.leading()? + 1) % cluster.places().len();
    let one = restart_of(programs, cluster, &[follower], "s")?;
    cluster.wait_until_it_serves()?;
    let places: Vec<usize> = cluster.places().collect();
    let all = restart_of(programs, cluster, &places, "l")?;
    cluster.wait_until_it_serves()?;
    let figure = |name: &str, value| {
        let name = format!("{name}: ms");
        Figure { name, better: Better::Less, value }
    };
    Ok(vec![
        figure("restart after kill -9 until a member reads", one),
        figure("restart after kill -9 of all until a linearizable read", all),
    ])
}

/// Milliseconds from the start of these members until they have their keys.
fn restart_of(
    programs: &Programs,
    cluster: &mut Cluster,
    places: &[usize],
    consistency: &str,
) -> Result<f64> {
    let mut load = programs.load(&cluster.urls(), HEAVY);
    let load = load.stderr(std::process::Stdio::null()).spawn().context("no load")?;
    thread::sleep(HEAVY_KILL_AFTER);
    for place in places {
        cluster.kill(*place);
    }
    // Whether anything was answered after that does not matter.
    load.wait_with_output()?;
    let urls = cluster.urls_of(places);
    let begun = Instant::now();
    for place in places {
        cluster.restart(*place)?;
    }
    while !programs.has_first_key(&urls, consistency) {
        ensure!(begun.elapsed() < SERVING_MAX, "{urls} do not serve again");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
