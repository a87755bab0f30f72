//! Sets of positions, and how far someone has come who takes them in any order.

use std::collections::VecDeque;

use crate::ids::{Index, Span};

/// A set of positions as spans: ascending, disjoint, and no two that touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    spans: VecDeque<Span>,
}

impl Ranges {
    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The spans, ascending.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        self.spans.iter().copied()
    }

    /// Whether the position is in it.
    pub(crate) fn contains(&self, index: Index) -> bool {
        let at = self.spans.partition_point(|span| span.last < index);
        self.spans.get(at).is_some_and(|span| span.first <= index)
    }

    /// Adds positions.
    pub(crate) fn insert(&mut self, span: Span) {
        if let Some(newest) = self.spans.back_mut()
            && newest.first <= span.first
            && span.first <= newest.last.next()
        {
            newest.last = newest.last.max(span.last);
            return;
        }
        let from = self.spans.partition_point(|other| other.last.next() < span.first);
        let to = self.spans.partition_point(|other| other.first <= span.last.next());
        if from == to {
            return self.spans.insert(from, span);
        }
        let joined = Span {
            first: span.first.min(self.spans[from].first),
            last: span.last.max(self.spans[to - 1].last),
        };
        self.spans.drain(from + 1..to);
        self.spans[from] = joined;
    }

    /// Removes every position up to `index`.
    pub(crate) fn remove_upto(&mut self, index: Index) {
        while self.spans.front().is_some_and(|span| span.last <= index) {
            self.spans.pop_front();
        }
        if let Some(span) = self.spans.front_mut() {
            span.first = span.first.max(index.next());
        }
    }

    /// Takes the first `count` positions that follow each other out, or as many as there are.
    pub(crate) fn take_first(&mut self, count: u64) -> Option<Span> {
        let first = self.spans.front()?.first;
        let last = self.spans.front()?.last.min(Index(first.0.saturating_add(count - 1)));
        self.remove_upto(last);
        Some(Span { first, last })
    }

    /// Takes everything out.
    pub(crate) fn take_all(&mut self) -> Vec<Span> {
        core::mem::take(&mut self.spans).into()
    }
}

/// What someone has of the positions from some point on: a prefix without gaps, and more above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    upto: Index,
    above: Ranges,
}

impl Coverage {
    /// Everything up to here, and nothing above.
    pub(crate) fn new(upto: Index) -> Self {
        Self { upto, above: Ranges::default() }
    }

    /// The end of the prefix without gaps.
    pub(crate) fn upto(&self) -> Index {
        self.upto
    }

    /// What lies above a gap.
    pub(crate) fn above(&self) -> &Ranges {
        &self.above
    }

    /// Whether the position is covered.
    pub(crate) fn has(&self, index: Index) -> bool {
        index <= self.upto || self.above.contains(index)
    }

    /// Covers a span.
    pub(crate) fn insert(&mut self, span: Span) {
        if self.upto.next() < span.first {
            return self.above.insert(span);
        }
        self.raise(span.last);
    }

    /// Covers everything up to `index`.
    pub(crate) fn raise(&mut self, index: Index) {
        self.upto = self.upto.max(index);
        self.above.remove_upto(self.upto);
        while self.above.spans.front().is_some_and(|span| span.first <= self.upto.next()) {
            let joined = self.above.spans.pop_front().expect("its presence was just checked");
            self.upto = self.upto.max(joined.last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span { first: Index(first), last: Index(last) }
    }

    fn members(ranges: &Ranges) -> Vec<u64> {
        ranges.spans().flat_map(Span::indices).map(|index| index.0).collect()
    }

    proptest! {
        #[test]
        fn ranges_are_a_set(steps in prop::collection::vec((0_u8..4, 1_u64..40, 0_u64..6), 0..60)) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for (what, first, more) in steps {
                match what {
                    0 => {
                        ranges.remove_upto(Index(first));
                        model.retain(|&index| first < index);
                    }
                    1 => {
                        let taken = ranges.take_first(more + 1);
                        let taken: Vec<u64> =
                            taken.into_iter().flat_map(Span::indices).map(|at| at.0).collect();
                        for index in &taken {
                            prop_assert!(model.remove(index));
                        }
                        prop_assert!(taken.len() as u64 <= more + 1);
                        prop_assert!(taken.is_empty() == (model.is_empty() && taken.is_empty()));
                        prop_assert!(model.iter().all(|index| taken.iter().all(|out| out < index)));
                    }
                    _ => {
                        ranges.insert(span(first, first + more));
                        model.extend(first..=first + more);
                    }
                }
                prop_assert_eq!(members(&ranges), model.iter().copied().collect::<Vec<_>>());
                let touching = ranges.spans().zip(ranges.spans().skip(1));
                for (one, other) in touching {
                    prop_assert!(one.last.next() < other.first);
                }
                for index in 0..50 {
                    prop_assert_eq!(ranges.contains(Index(index)), model.contains(&index));
                }
            }
        }

        #[test]
        fn coverage_finds_the_first_gap(
            spans in prop::collection::vec((1_u64..40, 0_u64..6), 0..30),
        ) {
            let mut coverage = Coverage::new(Index(3));
            let mut model: BTreeSet<u64> = (0..=3).collect();
            for (first, more) in spans {
                coverage.insert(span(first, first + more));
                model.extend(first..=first + more);
                let gap = (0..100).find(|index| !model.contains(index)).expect("there is one");
                prop_assert_eq!(coverage.upto(), Index(gap - 1));
                for index in 0..60 {
                    prop_assert_eq!(coverage.has(Index(index)), model.contains(&index));
                }
            }
        }
    }
}
