//! A slow follower: what it costs those who write through the other members, beside what a dead one
//! costs them. Whoever is left without one of three waits for the only other, not for the faster of
//! two: that much nobody can spare them.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::beside::{Part, Turn};
use super::figures::Better::Less;
use super::speed::number;
use crate::cluster::Cluster;

/// What the member at the end of a link hears, and what is said to those who call it, comes so much
/// later: an answer of it takes as long, since one way of each round trip is through the link.
const LATE: Duration = Duration::from_secs(2);

/// Until a change of that has shown all its effects.
const SETTLE: Duration = Duration::from_secs(5);

/// Puts at a steady rate, of which a machine that runs three members can do several times as many.
const STEADY: &str = "put --rate 500 --clients 64 --keys 10000 --key-size 16 --value-size 256 \
    --warm-up 1s --duration 8s";

/// What is measured of a slow follower.
pub(crate) const PART: Part =
    Part { name: "slow-follower", start: Cluster::start_behind_link, measure };

fn measure(turn: &mut Turn<'_>) -> Result<()> {
    let slow = turn.cluster.behind_link();
    if turn.cluster.leading()? == slow {
        turn.cluster.move_leader((slow + 1) % turn.cluster.places().len())?;
    }
    let leader = turn.cluster.leading()?;
    let others: Vec<usize> = turn.cluster.places().filter(|place| *place != slow).collect();
    turn.bench_at(&others, "put --rate 500 --clients 64 --duration 2s")?;
    let well = steady(turn, &others, "all members well", Duration::ZERO)?;
    let late = steady(turn, &others, "a follower 2 s late", LATE)?;
    ensure!(turn.cluster.leading()? == leader, "there was another leader on the way");
    turn.cluster.kill(slow);
    let dead = steady(turn, &others, "a follower dead", Duration::ZERO)?;
    for (place, name) in ["p50", "p99"].into_iter().enumerate() {
        for (than, figures) in [("that without", well), ("that with a dead one", dead)] {
            let name = format!("{name} of puts with a slow follower, times {than}");
            turn.note(&name, Less, late[place] / figures[place]);
        }
    }
    Ok(())
}

/// p50 and p99 in milliseconds, with the link this slow.
fn steady(turn: &mut Turn<'_>, others: &[usize], what: &str, late: Duration) -> Result<[f64; 2]> {
    turn.cluster.link_delay(late);
    thread::sleep(SETTLE);
    let report = turn.bench_at(others, STEADY)?;
    let (errors, count) = (number(&report, "/errors")?, number(&report, "/count")?);
    ensure!(errors <= count / 100.0, "{what}: not all was written: {report}");
    let figure = |name: &str| number(&report, &format!("/latency_ms/{name}"));
    let figures = [figure("p50")?, figure("p99")?];
    for (name, value) in ["p50", "p99"].into_iter().zip(figures) {
        turn.note(&format!("put {name} ms, {what}"), Less, value);
    }
    Ok(figures)
}
