//! Leases: how fast they are kept alive, and what one takes.

use anyhow::Result;

use super::beside::{Part, Turn};
use super::figures::Better::{Less, More};

/// Leases whose memory is looked at, and that are kept alive.
const HELD: u32 = 100_000;

/// Fewer leases, so that each is renewed again and again: clients, and renewals that each of them has
/// under way.
const AGAIN: [(u32, u32); 2] = [(1, 1), (16, 64)];

/// What is measured of leases.
pub(crate) const PART: Part = Part { name: "leases", measure };

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
