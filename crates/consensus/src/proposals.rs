//! Proposals that were given a place in the log and have not ended yet.

use std::collections::VecDeque;

use crate::ballot::Ballot;
use crate::config::Config;
use crate::ids::{Index, ProposalId};
use crate::outcome::{Outcome, Proposed, Refusal};
use crate::rules::{Rule, Rules};

/// Proposals in the order of their indices.
///
/// Each leaves exactly once: when its index is committed, when something is committed that excludes
/// it, or when a snapshot covers it. A proposal of an earlier leadership stays until then, for it
/// may still be committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proposals {
    tracked: VecDeque<Tracked>,
    bytes: u64,
    /// No tracked proposal has a lower ballot.
    ballot_min: Ballot,
}

#[derive(Clone, Copy, Debug)]
struct Tracked {
    index: Index,
    /// With the index, the name of the entry for ever.
    ballot: Ballot,
    id: ProposalId,
    bytes: u64,
}

impl Proposals {
    /// How many have not ended.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.tracked.len()).unwrap_or(u32::MAX)
    }

    /// Why another proposal of this cost is not taken, where so many bytes await the disk. One
    /// alone always fits.
    pub(crate) fn overload(
        &self,
        cost: u64,
        unpersisted_bytes: u64,
        config: &Config,
        rules: &impl Rules,
    ) -> Option<Refusal> {
        let in_flight_max = config.in_flight_max;
        let exceeds =
            |bytes: u64| 0 < bytes && config.in_flight_bytes_max < bytes.saturating_add(cost);
        let is_full =
            in_flight_max <= self.count() || exceeds(self.bytes) || exceeds(unpersisted_bytes);
        let is_refused = is_full && !rules.breaks(Rule::TakeWithoutBound);
        is_refused.then_some(Refusal::Overloaded { in_flight_max })
    }

    /// Takes note of a proposal at the end of the log.
    pub(crate) fn track(&mut self, index: Index, ballot: Ballot, id: ProposalId, bytes: u64) {
        let tracked = Tracked { index, ballot, id, bytes };
        if self.tracked.is_empty() {
            self.ballot_min = ballot;
        }
        self.bytes += bytes;
        // Out of order only after a truncation: an older proposal still waits at a higher index.
        let place = match self.tracked.back() {
            Some(newest) if index < newest.index => {
                self.tracked.partition_point(|other| other.index <= index)
            }
            _ => self.tracked.len(),
        };
        self.tracked.insert(place, tracked);
    }

    /// Ends the proposals up to `upto`, which is committed: with the entry that has their ballot,
    /// or with another in their place.
    pub(crate) fn settle(
        &mut self,
        upto: Index,
        ballot_at: impl Fn(Index) -> Option<Ballot>,
        outcomes: &mut Vec<Outcome>,
    ) {
        self.end(upto, outcomes, |tracked| {
            let committed = ballot_at(tracked.index).expect("a committed entry has a ballot");
            if committed == tracked.ballot {
                return Proposed::Committed { index: tracked.index };
            }
            Proposed::Displaced
        });
    }

    /// Ends the proposals up to `upto`, which is committed: with the entry that has their name, in
    /// whatever ballot, or with another in their place.
    pub(crate) fn settle_by_id(
        &mut self,
        upto: Index,
        id_at: impl Fn(Index) -> Option<ProposalId>,
        outcomes: &mut Vec<Outcome>,
    ) {
        self.end(upto, outcomes, |tracked| {
            if id_at(tracked.index) == Some(tracked.id) {
                return Proposed::Committed { index: tracked.index };
            }
            Proposed::Displaced
        });
    }

    /// Gives up on learning how the proposals of other ballots than `kept` end.
    pub(crate) fn abandon(&mut self, kept: Option<Ballot>, outcomes: &mut Vec<Outcome>) {
        let bytes = &mut self.bytes;
        self.tracked.retain(|tracked| {
            let is_kept = Some(tracked.ballot) == kept;
            if !is_kept {
                *bytes -= tracked.bytes;
                outcomes.push(Outcome::Proposal { id: tracked.id, result: Proposed::Unknown });
            }
            is_kept
        });
        self.ballot_min = kept.unwrap_or_default();
    }

    /// Ends the proposals up to `upto` as if each were what is committed there: a broken rule.
    pub(crate) fn settle_by_index(&mut self, upto: Index, outcomes: &mut Vec<Outcome>) {
        self.end(upto, outcomes, |tracked| Proposed::Committed { index: tracked.index });
    }

    /// Ends the proposals that `excludes` says can never be committed any more, given their ballot.
    /// It must exclude every ballot below one that it excludes.
    pub(crate) fn exclude(
        &mut self,
        excludes: impl Fn(Ballot) -> bool,
        outcomes: &mut Vec<Outcome>,
    ) {
        if self.tracked.is_empty() || !excludes(self.ballot_min) {
            return;
        }
        let bytes = &mut self.bytes;
        self.tracked.retain(|tracked| {
            let is_excluded = excludes(tracked.ballot);
            if is_excluded {
                *bytes -= tracked.bytes;
                outcomes.push(Outcome::Proposal { id: tracked.id, result: Proposed::Displaced });
            }
            !is_excluded
        });
        self.ballot_min =
            self.tracked.iter().map(|tracked| tracked.ballot).min().unwrap_or_default();
    }

    /// Ends the proposals up to `upto` whose entries were replaced by a snapshot: nothing tells
    /// any more what was committed there.
    pub(crate) fn lose(&mut self, upto: Index, outcomes: &mut Vec<Outcome>) {
        self.end(upto, outcomes, |_| Proposed::Unknown);
    }

    fn end(
        &mut self,
        upto: Index,
        outcomes: &mut Vec<Outcome>,
        result: impl Fn(&Tracked) -> Proposed,
    ) {
        let count = self.tracked.partition_point(|tracked| tracked.index <= upto);
        outcomes.reserve(count);
        for _ in 0..count {
            let tracked = self.tracked.pop_front().expect("they were just counted");
            self.bytes -= tracked.bytes;
            outcomes.push(Outcome::Proposal { id: tracked.id, result: result(&tracked) });
        }
    }

    /// The indices and ballots that wait, ascending by index.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Index, Ballot)> {
        self.tracked.iter().map(|tracked| (tracked.index, tracked.ballot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Incarnation, NodeId};

    fn id(sequence: u64) -> ProposalId {
        ProposalId { node: NodeId(1), incarnation: Incarnation(1), sequence }
    }

    fn ballot(round: u64) -> Ballot {
        Ballot { round, node: NodeId(1) }
    }

    #[test]
    fn two_proposals_at_one_index_end_differently() {
        let mut proposals = Proposals::default();
        proposals.track(Index(5), ballot(1), id(1), 10);
        proposals.track(Index(6), ballot(1), id(2), 10);
        // The log was cut back to 4, and the node leads again.
        proposals.track(Index(5), ballot(3), id(3), 10);
        let mut outcomes = Vec::new();
        proposals.settle(Index(5), |_| Some(ballot(3)), &mut outcomes);
        assert_eq!(
            outcomes,
            [
                Outcome::Proposal { id: id(1), result: Proposed::Displaced },
                Outcome::Proposal { id: id(3), result: Proposed::Committed { index: Index(5) } },
            ]
        );
        assert_eq!((proposals.count(), proposals.bytes), (1, 10));
    }

    #[test]
    fn a_later_ballot_excludes_what_lies_beyond_it() {
        let mut proposals = Proposals::default();
        proposals.track(Index(9), ballot(1), id(1), 10);
        proposals.track(Index(6), ballot(3), id(2), 10);
        let mut outcomes = Vec::new();
        proposals.exclude(|old| old < ballot(1), &mut outcomes);
        assert_eq!(outcomes, []);
        proposals.exclude(|old| old < ballot(3), &mut outcomes);
        assert_eq!(outcomes, [Outcome::Proposal { id: id(1), result: Proposed::Displaced }]);
        assert_eq!((proposals.count(), proposals.bytes), (1, 10));
    }

    #[test]
    fn a_snapshot_over_a_proposal_leaves_it_unknown() {
        let mut proposals = Proposals::default();
        proposals.track(Index(5), ballot(1), id(1), 10);
        proposals.track(Index(9), ballot(1), id(2), 10);
        let mut outcomes = Vec::new();
        proposals.lose(Index(8), &mut outcomes);
        assert_eq!(outcomes, [Outcome::Proposal { id: id(1), result: Proposed::Unknown }]);
        assert_eq!(proposals.count(), 1);
    }
}
