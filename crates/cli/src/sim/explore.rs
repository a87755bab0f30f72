//! Every order of everything that can happen in a small world.

use std::io::{Write, stderr};
use std::time::Instant;

use clap::ValueEnum;
use quorate_sim::explore::{Bounds, End, Explored, Persistence, Progress, explore, tell};
use quorate_sim::{Broken, PaxosProtocol, RaftProtocol};

use super::SimFlags;
use crate::exit::Failure;
use crate::output;
use crate::serve_flags::EngineName;

/// How large a world is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Size {
    /// Raft: two rounds, logs of two entries, one crash, four messages. Paxos: three ballots, two
    /// slots, three messages. Seconds
    Small,
    /// Raft: four rounds, logs of two entries, three messages; a minute. Paxos: six ballots, two
    /// slots, two messages; seconds
    Rounds,
    /// Raft: as small, but logs are as long as two commands and the leaders make them; minutes,
    /// 2 GB. Paxos: three ballots, three slots, three messages; half a minute
    Large,
    /// Raft: as rounds, with every write apart from what it allows; hours. Paxos: six ballots, two
    /// slots, three messages; a minute
    Campaign,
}

impl Size {
    fn bounds(self, engine: EngineName) -> Bounds {
        match engine {
            EngineName::Raft => self.terms(),
            EngineName::Paxos => self.ballots(),
        }
    }

    fn terms(self) -> Bounds {
        match self {
            Self::Small => Bounds { log_max: 2, ..Bounds::commit() },
            Self::Rounds => Bounds { persistence: Persistence::WithSending, ..Bounds::campaign() },
            Self::Large => Bounds::commit(),
            Self::Campaign => Bounds::campaign(),
        }
    }

    fn ballots(self) -> Bounds {
        match self {
            Self::Small => Bounds::acceptors(1),
            Self::Rounds => Bounds { messages: 2, ..Bounds::acceptors(2) },
            Self::Large => Bounds { log_max: 3, commands: 3, ..Bounds::acceptors(1) },
            Self::Campaign => Bounds::acceptors(2),
        }
    }
}

/// Explores, and tells how much was seen.
pub(super) fn run(flags: &SimFlags, size: Size) -> Result<(), Failure> {
    match flags.engine {
        EngineName::Raft => search::<RaftProtocol>(flags, size),
        EngineName::Paxos => search::<PaxosProtocol>(flags, size),
    }
}

fn search<P: Explored>(flags: &SimFlags, size: Size) -> Result<(), Failure> {
    let begun = Instant::now();
    let told = |progress: &Progress| {
        let seconds = begun.elapsed().as_secs_f64();
        format!(
            "{} worlds, {} steps, depth {}, {} MB, {seconds:.0} s",
            progress.states,
            progress.transitions,
            progress.depth,
            progress.bytes >> 20,
        )
    };
    let mut looks = 0_u64;
    let explored = explore::<P>(size.bounds(flags.engine), Broken::NOTHING, |progress| {
        looks += 1;
        if looks.is_multiple_of(16) {
            // Nobody may be looking.
            let _ = writeln!(stderr(), "{}", told(progress));
        }
    });
    let seen = told(&explored.progress);
    match explored.end {
        End::Complete => {
            let engine = flags.engine.name();
            output::flush(format!("{engine}: {seen}: all of it, and all held\n").as_bytes())
        }
        End::Found { finding, trail } => {
            Err(Failure::error(format!("{finding}\n\n{}\n{seen}", tell::<P>(&trail))))
        }
        End::StatesExhausted | End::MemoryExhausted => {
            Err(Failure::error(format!("{seen}: the bound is reached; the rest is unknown")))
        }
    }
}
