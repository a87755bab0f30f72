//! The gallery of mutants: would the checks notice?
//!
//! Each rule of the real code is broken in turn, and a check that is named beforehand must notice.
//! A mutant that broke everything would prove nothing, so each first serves clients as it should
//! where nothing goes wrong: on the happy path, and in runs without faults. Then it is hunted in
//! runs of a family of faults that suits it, or in a scenario where random search would take too
//! long. A run only counts if the same run without the mutant passes.

mod happy;
mod hunt;
mod scenarios;
mod stage;
mod table;
mod text;

use core::time::Duration;

use quorate_codec::EngineKind;

use crate::broken::{Broken, Lesson};
use crate::check::Violation;
use crate::profile::Named;

pub use table::exhibits;
pub use text::table as table_of;

/// A scenario made for a mutant: what the checks found, if anything.
type Scenario = fn(Broken) -> Option<Violation>;

/// A mutant, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit {
    /// The rule it breaks.
    pub lesson: Lesson,
    /// The engine it runs under.
    pub engine: EngineKind,
    /// The invariants that may notice it; the first usually does.
    pub invariants: &'static [&'static str],
    /// When it can be noticed.
    pub sight: Sight,
    /// How it is hunted.
    pub hunt: Hunt,
}

/// When a mutant can be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Only when something goes wrong: runs without faults pass.
    UnderFaults,
    /// In any run: its invariant looks at each promise or answer as it is given, whether or not it
    /// does harm.
    AtOnce,
}

/// How a mutant is hunted.
#[derive(Clone, Copy, Debug)]
pub enum Hunt {
    /// In runs of a family, beginning with a seed that is known to catch it.
    Seeds {
        /// The family.
        family: Named,
        /// The recorded seed.
        recorded: u64,
    },
    /// In a scenario: a run that only a script brings about soon.
    Scenario {
        /// Its name.
        name: &'static str,
        /// The scenario.
        play: Scenario,
    },
    /// By a test of its own part, since no run of whole nodes shows it.
    Test(&'static str),
}

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// How many runs without faults each must pass.
    pub calm_seeds: u64,
    /// How many seeds are tried beyond the recorded one.
    pub seeds_max: u64,
    /// Where to begin.
    pub start: Start,
}

/// Where a hunt begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the recorded seed.
    Recorded,
    /// At this seed, as if none were recorded.
    Anew(u64),
}

impl Effort {
    /// Replays what is recorded, and looks a little further where the world has moved on since.
    pub const RECORDED: Self = Self { calm_seeds: 0, seeds_max: 60, start: Start::Recorded };

    /// The whole search, from this seed on.
    pub const fn campaign(first: u64) -> Self {
        Self { calm_seeds: 100, seeds_max: 1_000, start: Start::Anew(first) }
    }
}

/// How a mutant fared where nothing goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It served its clients, and passed so many runs without faults.
    Serves {
        /// How many.
        runs: u64,
    },
    /// Nobody looked: a test of its own part is to catch it.
    NotLookedAt,
    /// It served its clients, under the eyes of the invariant that notices it in any run.
    ServesSeen,
    /// It did not serve its clients: it proves nothing.
    Fails {
        /// What went wrong.
        why: String,
    },
}

/// How a hunt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Caught.
    Caught {
        /// By which invariant.
        invariant: &'static str,
        /// In which run, if it was not a scenario.
        seed: Option<u64>,
        /// After how many runs.
        runs: u64,
    },
    /// A test of its own part catches it.
    LeftToTest,
    /// Nothing noticed it, or nothing that is named for it.
    Survived {
        /// After how many runs.
        runs: u64,
        /// What else was noticed, if anything.
        otherwise: Option<String>,
    },
}

/// What came of a mutant.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub exhibit: Exhibit,
    /// How it fared where nothing goes wrong.
    pub health: Health,
    /// How the hunt ended.
    pub outcome: Outcome,
    /// How long that took, by the caller's clock.
    pub took: Duration,
}

impl Row {
    /// Whether the mutant serves where nothing goes wrong, and is caught.
    pub fn is_good(&self) -> bool {
        !matches!(self.health, Health::Fails { .. })
            && !matches!(self.outcome, Outcome::Survived { .. })
    }
}

impl Exhibit {
    /// The name of the part it belongs to.
    pub const fn part(&self) -> &'static str {
        match (self.lesson, self.engine) {
            (Lesson::Engine(_), EngineKind::Raft) => "raft",
            (Lesson::Engine(_), EngineKind::Paxos) => "paxos",
            (Lesson::Store(_), _) => "kv",
            (Lesson::Log(_), _) => "storage",
            (Lesson::Node(_), _) => "replica",
        }
    }

    /// Its name: the rule's, in words.
    pub fn name(&self) -> String {
        let rule = match self.lesson {
            Lesson::Engine(rule) => format!("{rule:?}"),
            Lesson::Store(rule) => format!("{rule:?}"),
            Lesson::Log(rule) => format!("{rule:?}"),
            Lesson::Node(rule) => format!("{rule:?}"),
        };
        let mut words = String::new();
        for letter in rule.chars() {
            if letter.is_uppercase() && !words.is_empty() {
                words.push('-');
            }
            words.extend(letter.to_lowercase());
        }
        words
    }

    /// Looks at it with this effort.
    pub fn examine(&self, effort: Effort) -> (Health, Outcome) {
        (hunt::health(self, effort.calm_seeds), hunt::hunt(self, effort))
    }
}

/// Looks at the mutants whose names pass, in the order of the table. `clock` tells the time that
/// has passed since any moment, and `tell` hears of each row as it is done.
pub fn gallery(
    effort: Effort,
    is_wanted: &dyn Fn(&Exhibit) -> bool,
    clock: &mut dyn FnMut() -> Duration,
    tell: &mut dyn FnMut(&Row),
) -> Vec<Row> {
    let wanted = exhibits().into_iter().filter(|exhibit| is_wanted(exhibit));
    let examined = wanted.map(|exhibit| {
        let begun = clock();
        let (health, outcome) = exhibit.examine(effort);
        let row = Row { exhibit, health, outcome, took: clock().saturating_sub(begun) };
        tell(&row);
        row
    });
    examined.collect()
}

#[cfg(test)]
mod tests;
