//! The ballots of a log's entries, as runs.

use std::collections::BTreeMap;

use quorate_consensus::{Ballot, BallotRun, Index};

/// Runs of entries that share a ballot, by their first index; no two that touch share one.
#[derive(Debug, Default)]
pub(crate) struct BallotRuns {
    runs: BTreeMap<u64, (u64, Ballot)>,
}

impl BallotRuns {
    /// The entry at `index` has this ballot now.
    pub(crate) fn put(&mut self, index: Index, ballot: Ballot) {
        self.split_before(index.0);
        self.split_before(index.0.saturating_add(1));
        self.runs.insert(index.0, (index.0, ballot));
        self.join_before(index.0.saturating_add(1));
        self.join_before(index.0);
    }

    /// Forgets the entries from `index` on.
    pub(crate) fn truncate_from(&mut self, index: Index) {
        self.split_before(index.0);
        self.runs.split_off(&index.0);
    }

    /// Forgets the entries up to `index`.
    pub(crate) fn drop_upto(&mut self, index: Index) {
        let first = index.0.saturating_add(1);
        self.split_before(first);
        self.runs = self.runs.split_off(&first);
    }

    /// The runs, ascending.
    pub(crate) fn into_runs(self) -> Vec<BallotRun> {
        let run =
            |(first, (last, ballot))| BallotRun { first: Index(first), last: Index(last), ballot };
        self.runs.into_iter().map(run).collect()
    }

    /// Makes a run begin at `index`, if one covers it.
    fn split_before(&mut self, index: u64) {
        let Some((first, (last, ballot))) = self.runs.range_mut(..index).next_back() else {
            return;
        };
        if *last < index {
            return;
        }
        let (rest_last, ballot) = (*last, *ballot);
        *last = index - 1;
        assert!(*first < index, "a run has at least one entry");
        self.runs.insert(index, (rest_last, ballot));
    }

    /// Joins the run that begins at `index` with the one before, if they belong together.
    fn join_before(&mut self, index: u64) {
        let Some((last, ballot)) = self.runs.get(&index).copied() else {
            return;
        };
        let Some((_, (last_before, ballot_before))) = self.runs.range_mut(..index).next_back()
        else {
            return;
        };
        if *ballot_before == ballot && *last_before + 1 == index {
            *last_before = last;
            self.runs.remove(&index);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_consensus::NodeId;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(u64, u64),
        TruncateFrom(u64),
        DropUpto(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (1_u64..20, 0_u64..3).prop_map(|(index, round)| Step::Put(index, round)),
            1 => (1_u64..20).prop_map(Step::TruncateFrom),
            1 => (0_u64..20).prop_map(Step::DropUpto),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn ballot(round: u64) -> Ballot {
        Ballot { round, node: NodeId(1) }
    }

    proptest! {
        #[test]
        fn runs_agree_with_a_map(steps in steps()) {
            let mut runs = BallotRuns::default();
            let mut map = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Put(index, round) => {
                        runs.put(Index(index), ballot(round));
                        map.insert(index, ballot(round));
                    }
                    Step::TruncateFrom(index) => {
                        runs.truncate_from(Index(index));
                        map.split_off(&index);
                    }
                    Step::DropUpto(index) => {
                        runs.drop_upto(Index(index));
                        map = map.split_off(&(index + 1));
                    }
                }
            }
            let runs = runs.into_runs();
            for pair in runs.windows(2) {
                let touches = pair[0].last.next() == pair[1].first;
                prop_assert!(pair[0].last < pair[1].first);
                prop_assert!(!(touches && pair[0].ballot == pair[1].ballot));
            }
            let unrolled: BTreeMap<u64, Ballot> = runs
                .iter()
                .flat_map(|run| (run.first.0..=run.last.0).map(|index| (index, run.ballot)))
                .collect();
            prop_assert_eq!(unrolled, map);
        }
    }
}
