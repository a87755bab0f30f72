//! The cluster's clock: which of the stamps in the log move it.

use crate::ballot::Ballot;
use crate::entry::Entry;
use crate::time::ClusterTime;

/// The cluster's clock at a position of the log: a fold over the entries up to there, alike
/// wherever the same entries are applied.
///
/// A value goes on with the stamp of its first proposer when a later Paxos leader must propose it
/// again, and that one may have counted time that the leaders between knew nothing of. So an entry
/// moves the clock only if its proposer knew everything below it: no value was born in a higher
/// ballot before it, and since the first that was born in its own none in a lower. In Raft all
/// do, for the ballots of a log never decrease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// What it shows: the highest of the stamps that moved it.
    pub time: ClusterTime,
    /// The highest ballot that a value was born in.
    pub born: Ballot,
    /// Whether a value that was born in a lower ballot has come since: what else was born in that
    /// one was stamped without knowing of it, and moves nothing.
    pub is_broken: bool,
}

impl Clock {
    /// The next entry of the log is applied.
    pub fn apply(&mut self, entry: &Entry) {
        if entry.born == Ballot::ZERO {
            return;
        }
        if self.born < entry.born {
            (self.born, self.is_broken) = (entry.born, false);
        }
        self.is_broken |= entry.born < self.born;
        if self.is_moved_by(entry.born) {
            self.time = self.time.max(entry.time);
        }
    }

    /// Whether the next value, if it was born in this ballot, moves it.
    pub fn is_moved_by(&self, born: Ballot) -> bool {
        self.born == born && !self.is_broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Payload;
    use crate::ids::{Index, NodeId};

    const P: Ballot = Ballot { round: 1, node: NodeId(1) };
    const Q: Ballot = Ballot { round: 2, node: NodeId(2) };
    const R: Ballot = Ballot { round: 3, node: NodeId(3) };

    /// What the clock shows after each of these, one stamp per entry.
    fn readings(entries: &[(Ballot, u64)]) -> Vec<u64> {
        let mut clock = Clock::default();
        let mut index = Index::ZERO;
        let read = |&(born, time): &(Ballot, u64)| {
            index = index.next();
            let (id, time, payload) = (None, ClusterTime(time), Payload::Noop);
            clock.apply(&Entry { index, ballot: R, born, id, time, payload });
            clock.time.0
        };
        entries.iter().map(read).collect()
    }

    #[test]
    fn it_goes_on_from_leader_to_leader_and_never_back() {
        assert_eq!(readings(&[(P, 5), (P, 4), (P, 7), (Q, 6), (Q, 9)]), [5, 5, 7, 7, 9]);
    }

    #[test]
    fn what_an_earlier_leader_counted_in_vain_moves_nothing() {
        assert_eq!(readings(&[(Q, 5), (P, 900), (R, 6)]), [5, 5, 6]);
    }

    #[test]
    fn a_value_that_its_proposer_knew_nothing_of_ends_what_that_one_counted() {
        assert_eq!(readings(&[(Q, 5), (P, 900), (Q, 800), (Q, 801), (R, 6)]), [5, 5, 5, 5, 6]);
    }

    #[test]
    fn a_filled_hole_is_nobodys_and_breaks_nothing() {
        assert_eq!(readings(&[(Q, 5), (Ballot::ZERO, 99), (Q, 6)]), [5, 5, 6]);
    }
}
