//! Many seeds, spread over threads.

use std::io::{IsTerminal, Write, stderr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use quorate_sim::Seed;
use quorate_sim::campaign::{Gap, SEEDS_JUDGED, Totals};
use quorate_sim::world::{Options, Report};

use super::engine::Kind;
use super::{SimFlags, print, verify};
use crate::exit::Failure;

/// How often progress is shown on a terminal, and elsewhere.
const LOOK_TERMINAL: Duration = Duration::from_secs(1);
const LOOK_LOG: Duration = Duration::from_secs(30);

/// What a campaign came to.
pub(super) struct Outcome {
    pub(super) totals: Totals,
    pub(super) elapsed: Duration,
    pub(super) threads: usize,
    /// The run of the lowest seed in which something did not hold.
    pub(super) failed: Option<Report>,
    pub(super) gaps: Vec<Gap>,
    /// Runs that were repeated in another process, with the same end.
    pub(super) verified: usize,
}

/// Runs the seeds, and tells what they came to.
pub(super) fn run(flags: &SimFlags) -> Result<(), Failure> {
    let kind = Kind { engine: flags.engine, named: flags.profile };
    let mut outcome = run_all(flags, kind)?;
    if flags.verify && outcome.failed.is_none() {
        outcome.verified = verify::run(flags, kind)?;
    }
    print::outcome(flags, kind, &outcome)?;
    if let Some(failed) = &outcome.failed {
        return Err(print::failure(flags, kind, failed));
    }
    if SEEDS_JUDGED <= outcome.totals.runs && !outcome.gaps.is_empty() {
        return Err(Failure::error("the campaign did not test all that it claims to test"));
    }
    Ok(())
}

fn run_all(flags: &SimFlags, kind: Kind) -> Result<Outcome, Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = flags.threads.map_or(cores, NonZeroUsize::get);
    let begun = Instant::now();
    let end = flags.time_max().map(|time_max| begun + time_max);
    let next = Next {
        next: AtomicU64::new(0),
        is_stopped: AtomicBool::new(false),
        seeds: flags.seeds,
        first: flags.first_seed,
        end,
    };
    let (reports, inbox) = channel();
    let gathered = thread::scope(|scope| {
        for _ in 0..threads {
            let (next, reports) = (&next, reports.clone());
            scope.spawn(move || run_some(kind, next, &reports));
        }
        drop(reports);
        gather(flags, &inbox, &next, begun)
    });
    let (totals, failed, ended) = gathered;
    if ended < next.next.load(Ordering::Relaxed) {
        return Err(Failure::error("the simulator itself broke; run the seeds one by one"));
    }
    let gaps = totals.gaps(kind.engine.into(), kind.named);
    let elapsed = begun.elapsed();
    Ok(Outcome { totals, elapsed, threads, failed, gaps, verified: 0 })
}

/// Which seed is next.
struct Next {
    /// How many were begun.
    next: AtomicU64,
    is_stopped: AtomicBool,
    seeds: u64,
    first: u64,
    end: Option<Instant>,
}

impl Next {
    fn take(&self) -> Option<Seed> {
        let is_late = self.end.is_some_and(|end| end <= Instant::now());
        if is_late || self.is_stopped.load(Ordering::Relaxed) {
            return None;
        }
        let mine = |next: u64| (next < self.seeds).then_some(next + 1);
        let number = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, mine).ok()?;
        Some(Seed(self.first.wrapping_add(number)))
    }

    /// No more are begun.
    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

fn run_some(kind: Kind, next: &Next, reports: &Sender<Report>) {
    while let Some(seed) = next.take() {
        if reports.send(kind.run(seed, Options::default())).is_err() {
            return;
        }
    }
}

/// Takes in what runs came to: their sums, the lowest seed that failed, and how many have ended.
fn gather(
    flags: &SimFlags,
    inbox: &Receiver<Report>,
    next: &Next,
    begun: Instant,
) -> (Totals, Option<Report>, u64) {
    let look = if stderr().is_terminal() { LOOK_TERMINAL } else { LOOK_LOG };
    let mut totals = Totals::default();
    let mut failed: Option<Report> = None;
    let mut looked = begun;
    loop {
        match inbox.recv_timeout(look) {
            Ok(report) => {
                totals.add(&report);
                if report.found.is_some() {
                    next.stop();
                    let is_lower = failed.as_ref().is_none_or(|known| report.seed.0 < known.seed.0);
                    failed = if is_lower { Some(report) } else { failed };
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if look <= looked.elapsed() {
            looked = Instant::now();
            progress(flags, &totals, begun.elapsed());
        }
    }
    if stderr().is_terminal() {
        // Nobody may be looking.
        let _ = write!(stderr(), "\r\x1b[K");
    }
    let ended = totals.runs;
    (totals, failed, ended)
}

fn progress(flags: &SimFlags, totals: &Totals, elapsed: Duration) {
    let (before, after) = if stderr().is_terminal() { ("\r\x1b[K", "") } else { ("", "\n") };
    let line = print::progress(totals, flags.seeds, elapsed);
    // Nobody may be looking.
    let _ = write!(stderr(), "{before}{line}{after}");
}
