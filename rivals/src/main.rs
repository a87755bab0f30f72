//! What an entry costs in the core of Quorate and of two libraries that people choose between.
//!
//! The same task for each: three members in one thread, payloads of 256 bytes, everything in
//! memory, no encoding. Messages, writes and applying take no time of their own; what was written
//! or applied is told at once, and what is applied everywhere is forgotten. The figure is
//! the processor time of all three members together, by entry, so that a busy machine disturbs it
//! little. The contenders take turns within one process.
//!
//! `cargo run --release` prints the table; `cargo run --release -- CONTENDER DEPTH ROUNDS` only
//! runs one, for callgrind: the difference between two counts of rounds leaves the start out.

mod omnipaxos_core;
mod quorate_core;
mod raft_rs_core;

use std::time::Duration;

use mimalloc::MiMalloc;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What each entry carries.
const PAYLOAD: &[u8] = &[7; 256];

/// How many entries may be applied everywhere before they are forgotten.
const KEPT_MAX: usize = 4_096;

/// Three members of one library that speak to each other.
trait Trio {
    /// Proposes so many entries at once and lets everything happen until every member has them
    /// applied.
    fn commit(&mut self, count: usize);
}

/// Makes three members of which one leads.
type Start = fn() -> Box<dyn Trio>;

const CONTENDERS: [(&str, Start); 4] = [
    ("quorate-raft", quorate_core::raft),
    ("quorate-paxos", quorate_core::paxos),
    ("raft-rs", raft_rs_core::start),
    ("omnipaxos", omnipaxos_core::start),
];

const DEPTHS: [usize; 3] = [1, 32, 1_024];

/// How often each contender is measured at each depth.
const TURNS: usize = 15;

/// About how many entries one turn commits.
const TURN_ENTRIES: usize = 40_960;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => compare(),
        [name, depth, rounds] => run_alone(name, number(depth), number(rounds)),
        _ => panic!("nothing, or CONTENDER DEPTH ROUNDS"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn run_alone(name: &str, depth: usize, rounds: usize) {
    let known = CONTENDERS.iter().find(|(known, _)| *known == name);
    let (_, start) = known.expect("a contender");
    let mut trio = start();
    (0..rounds).for_each(|_| trio.commit(depth));
}

/// Lets the contenders take turns and prints microseconds per entry: median, least and most.
fn compare() {
    println!("microseconds of processor time per entry, three members: median (least to most)");
    for depth in DEPTHS {
        let mut trios: Vec<Box<dyn Trio>> = CONTENDERS.iter().map(|(_, start)| start()).collect();
        let mut figures = vec![Vec::new(); trios.len()];
        for turn in 0..=TURNS {
            for (trio, figures) in trios.iter_mut().zip(&mut figures) {
                let figure = measure(trio.as_mut(), depth);
                // The first turn warms up.
                if 0 < turn {
                    figures.push(figure);
                }
            }
        }
        for ((name, _), mut figures) in CONTENDERS.iter().zip(figures) {
            figures.sort_by(f64::total_cmp);
            let (least, most) = (figures[0], figures[figures.len() - 1]);
            let median = figures[figures.len() / 2];
            println!("depth {depth:>4}  {name:<14} {median:>7.3} ({least:.3} to {most:.3})");
        }
    }
}

fn measure(trio: &mut dyn Trio, depth: usize) -> f64 {
    let rounds = TURN_ENTRIES / depth;
    let begun = processor_time();
    (0..rounds).for_each(|_| trio.commit(depth));
    let taken = processor_time().saturating_sub(begun);
    taken.as_secs_f64() * 1e6 / (rounds * depth) as f64
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::from_secs(time.tv_sec.unsigned_abs())
        + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}
