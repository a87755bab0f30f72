//! How long a node without a leader waits before it acts: at random, so that those who begin to
//! wait together do not go on together (Raft paper §5.2).

use core::time::Duration;

use crate::config::Config;
use crate::ids::Seed;
use crate::input::StorageState;
use crate::members::Members;
use crate::random::Random;
use crate::rules::{Rule, Rules};

/// A source of waiting times.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    random: Random,
    is_spread: bool,
}

impl Patience {
    /// One that begins with `seed`.
    pub(crate) fn new(seed: Seed, rules: &impl Rules) -> Self {
        Self { random: Random::new(seed), is_spread: !rules.breaks(Rule::NoSpread) }
    }

    /// At least `least`, and less than `spread` more.
    pub(crate) fn between(&mut self, least: Duration, spread: Duration) -> Duration {
        if self.is_spread { self.random.duration(least, spread) } else { least }
    }

    /// Before a follower gives up a silent leader: one to two election timeouts. A node whose log
    /// is full waits one more, so that those with room win.
    pub(crate) fn for_leader(&mut self, config: &Config, storage: StorageState) -> Duration {
        let timeout = config.election_timeout;
        let least = match storage {
            StorageState::Writable => timeout,
            StorageState::Full => timeout * 2,
        };
        self.between(least, timeout)
    }

    /// Before a node that has just started looks for a leader.
    ///
    /// A leader that is alive speaks within a heartbeat or two, and to ask whether one could win
    /// disturbs none that the others hear: waiting out a whole timeout would only delay a cluster
    /// that starts. A sole voter has nobody to wait for.
    pub(crate) fn for_start(&mut self, config: &Config, members: &Members) -> Duration {
        if members.voters.len() == 1 && members.is_voter(config.node) {
            return Duration::ZERO;
        }
        self.between(config.heartbeat_interval * 2, config.election_timeout / 2)
    }

    /// Before a node whose connection to its leader broke looks for another: the leader has
    /// probably died, and the others look at another moment.
    pub(crate) fn for_disconnected(&mut self, config: &Config, storage: StorageState) -> Duration {
        let delay = config.election_timeout / 10;
        let least = match storage {
            StorageState::Writable => Duration::ZERO,
            StorageState::Full => delay * 2,
        };
        self.random.duration(least, delay)
    }
}
