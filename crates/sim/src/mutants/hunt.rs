//! Looking for the run that shows a mutant.

use quorate_codec::EngineKind;
use quorate_consensus::Seed;

use super::{Effort, Exhibit, Health, Hunt, Outcome, Sight, Start, happy};
use crate::broken::Broken;
use crate::check::Violation;
use crate::draws::Draws;
use crate::profile::{Named, Profile};
use crate::protocol::{PaxosProtocol, RaftProtocol};
use crate::world::{Options, run};

/// How the mutant fares where nothing goes wrong.
pub(super) fn health(exhibit: &Exhibit, calm_seeds: u64) -> Health {
    if let Hunt::Test(_) = exhibit.hunt {
        return Health::NotLookedAt;
    }
    if let Err(why) = happy::path(exhibit.engine, broken(exhibit)) {
        return Health::Fails { why };
    }
    if exhibit.sight == Sight::AtOnce {
        return Health::ServesSeen;
    }
    for seed in 1..=calm_seeds {
        if let Some(violation) = violation_in(exhibit, Named::Calm, seed) {
            return Health::Fails { why: format!("calm seed {seed}: {violation}") };
        }
    }
    Health::Serves { runs: calm_seeds }
}

/// Hunts the mutant.
pub(super) fn hunt(exhibit: &Exhibit, effort: Effort) -> Outcome {
    match exhibit.hunt {
        Hunt::Seeds { family, recorded } => hunt_seeds(exhibit, family, recorded, effort),
        Hunt::Scenario { play, .. } => {
            if let Some(found) = play(Broken::NOTHING) {
                let otherwise = Some(format!("without the mutant: {found}"));
                return Outcome::Survived { runs: 1, otherwise };
            }
            let found = play(broken(exhibit));
            match found.as_ref().filter(|found| is_named(exhibit, found)) {
                Some(found) => Outcome::Caught { invariant: found.invariant, seed: None, runs: 1 },
                None => Outcome::Survived { runs: 1, otherwise: found.map(|it| it.to_string()) },
            }
        }
        Hunt::Test(_) => Outcome::LeftToTest,
    }
}

fn hunt_seeds(exhibit: &Exhibit, family: Named, recorded: u64, effort: Effort) -> Outcome {
    let (first, from) = match effort.start {
        Start::Recorded => (Some(recorded), 1),
        Start::Anew(from) => (None, from),
    };
    let seeds = first.into_iter().chain(from..from.saturating_add(effort.seeds_max));
    let (mut runs, mut otherwise) = (0, None);
    for seed in seeds {
        runs += 1;
        let Some(found) = violation_in(exhibit, family, seed) else { continue };
        let is_innocent = || run_one(exhibit.engine, family, seed, Broken::NOTHING).is_none();
        if is_named(exhibit, &found) && is_innocent() {
            return Outcome::Caught { invariant: found.invariant, seed: Some(seed), runs };
        }
        otherwise = Some(format!("{family} seed {seed}: {found}"));
    }
    Outcome::Survived { runs, otherwise }
}

fn is_named(exhibit: &Exhibit, found: &Violation) -> bool {
    exhibit.invariants.contains(&found.invariant)
}

fn violation_in(exhibit: &Exhibit, family: Named, seed: u64) -> Option<Violation> {
    run_one(exhibit.engine, family, seed, broken(exhibit))
}

fn run_one(engine: EngineKind, family: Named, seed: u64, broken: Broken) -> Option<Violation> {
    let seed = Seed(seed);
    let profile = Profile::draw(family, Draws::new(seed));
    let report = match engine {
        EngineKind::Raft => run::<RaftProtocol>(seed, profile, broken, Options::default()),
        EngineKind::Paxos => run::<PaxosProtocol>(seed, profile, broken, Options::default()),
    };
    report.found.map(|found| found.violation)
}

fn broken(exhibit: &Exhibit) -> Broken {
    Broken(Some(exhibit.lesson))
}
