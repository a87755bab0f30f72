//! One run, by either engine.

use quorate_sim::campaign::{Smaller, smaller};
use quorate_sim::world::{Options, Report};
use quorate_sim::{Broken, Draws, Named, PaxosProtocol, Profile, RaftProtocol, Seed, world};

use crate::serve_flags::EngineName;

/// How many runs may be spent on making one smaller.
const ATTEMPTS_MAX: usize = 2_000;

/// What kind of run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) engine: EngineName,
    pub(super) named: Named,
}

impl Kind {
    /// Runs a seed.
    pub(super) fn run(self, seed: Seed, options: Options) -> Report {
        let profile = self.profile(seed);
        match self.engine {
            EngineName::Raft => world::run::<RaftProtocol>(seed, profile, Broken::NOTHING, options),
            EngineName::Paxos => {
                world::run::<PaxosProtocol>(seed, profile, Broken::NOTHING, options)
            }
        }
    }

    /// Looks for a smaller run that fails in the same way.
    pub(super) fn smaller(self, failed: &Report) -> Option<Smaller> {
        let (seed, broken) = (failed.seed, Broken::NOTHING);
        let profile = self.profile(seed);
        match self.engine {
            EngineName::Raft => {
                smaller::<RaftProtocol>(seed, &profile, broken, failed, ATTEMPTS_MAX)
            }
            EngineName::Paxos => {
                smaller::<PaxosProtocol>(seed, &profile, broken, failed, ATTEMPTS_MAX)
            }
        }
    }

    fn profile(self, seed: Seed) -> Profile {
        Profile::draw(self.named, Draws::new(seed))
    }
}
