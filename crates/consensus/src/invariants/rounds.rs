//! Who led when.

use crate::ballot::Ballot;
use crate::ids::NodeId;

/// A leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leadership {
    pub(super) ballot: Ballot,
    /// In which of its lives the node led.
    pub(super) life: u32,
}

/// All leaderships, newest last, and the rounds that candidates began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rounds {
    /// Ascending by ballot. Only the newest are kept.
    led: Vec<Leadership>,
    count: u64,
    /// Paxos: the ballots used to ask for promises, ascending. Only the newest are kept.
    prepared: Vec<Leadership>,
    /// The highest round that a candidate began.
    opened: u64,
}

impl Rounds {
    /// The most leaderships remembered: durable promises keep nodes from older rounds.
    const LED_MAX: usize = 256;

    pub(super) fn elections(&self) -> u64 {
        self.count
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn open(&mut self, round: u64) {
        self.opened = self.opened.max(round);
    }

    /// The newest leadership.
    pub(super) fn newest(&self) -> Option<Leadership> {
        self.led.last().copied()
    }

    /// Who led a round first, as far as remembered.
    pub(super) fn leader_of(&self, round: u64) -> Option<NodeId> {
        let newest = self.led.last()?;
        if newest.ballot.round == round {
            return Some(newest.ballot.node);
        }
        let at = self.led.binary_search_by_key(&round, |led| led.ballot.round).ok()?;
        Some(self.led[at].ballot.node)
    }

    /// The first use of a ballot, which is this one if it is new.
    pub(super) fn prepare(&mut self, new: Leadership) -> Leadership {
        match self.prepared.binary_search_by_key(&new.ballot, |used| used.ballot) {
            Ok(at) => self.prepared[at],
            Err(at) => {
                self.prepared.insert(at, new);
                if Self::LED_MAX < self.prepared.len() {
                    self.prepared.remove(0);
                }
                new
            }
        }
    }

    /// The leadership that is equal in `key`, now remembered if it is the first.
    pub(super) fn lead<K: Ord>(
        &mut self,
        new: Leadership,
        key: impl Fn(Ballot) -> K,
    ) -> Leadership {
        match self.led.binary_search_by_key(&key(new.ballot), |led| key(led.ballot)) {
            Ok(at) => self.led[at],
            Err(at) => {
                self.count += 1;
                self.led.insert(at, new);
                if Self::LED_MAX < self.led.len() {
                    self.led.remove(0);
                }
                new
            }
        }
    }

    /// What is remembered: who led, and which ballots were used.
    pub(super) fn remembered(&self) -> [&[Leadership]; 2] {
        [&self.led, &self.prepared]
    }
}
