//! The runs in memory, beside a map that holds one entry for each index.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::ballot::Ballot;
use crate::entry::Payload;
use crate::ids::NodeId;
use crate::time::ClusterTime;

fn entry(index: u64, round: u64, length: usize) -> Entry {
    let ballot = Ballot { round, node: NodeId(1) };
    Entry {
        index: Index(index),
        ballot,
        born: ballot,
        id: None,
        time: ClusterTime(0),
        payload: Payload::Command(Bytes::from(vec![0; length])),
    }
}

fn run(first: u64, count: u64, round: u64) -> Entries {
    (first..first + count).map(|index| entry(index, round, index as usize % 5)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// A run lands somewhere.
    Put {
        first: u64,
        count: u64,
    },
    /// Entries behind the last one, shared by and by.
    Push {
        count: u64,
        seals: bool,
    },
    Cut {
        from: u64,
    },
    Pop {
        count: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..60_u64, 1..8_u64).prop_map(|(first, count)| Step::Put { first, count }),
        3 => (1..5_u64, any::<bool>()).prop_map(|(count, seals)| Step::Push { count, seals }),
        1 => (1..70_u64).prop_map(|from| Step::Cut { from }),
        1 => (1..6_u64).prop_map(|count| Step::Pop { count }),
    ]
}

#[derive(Debug, Default)]
struct Pair {
    tail: Tail,
    map: BTreeMap<u64, Entry>,
    round: u64,
}

impl Pair {
    fn take(&mut self, step: &Step) {
        self.round += 1;
        if !matches!(step, Step::Push { .. }) {
            self.tail.seal();
        }
        match *step {
            Step::Put { first, count } => {
                let entries = run(first, count, self.round);
                self.tail.put(&entries);
                self.map.extend(entries.iter().map(|entry| (entry.index.0, entry.clone())));
            }
            Step::Push { count, seals } => {
                let next = self.map.last_key_value().map_or(1, |(&last, _)| last + 1);
                for entry in &run(next, count, self.round) {
                    self.tail.push(entry.clone());
                    self.map.insert(entry.index.0, entry.clone());
                }
                if seals {
                    let newest = self.tail.seal().expect("something was pushed");
                    assert!(newest.last() == self.map.last_key_value().map(|(_, entry)| entry));
                }
            }
            Step::Cut { from } => {
                self.tail.cut_from(Index(from));
                self.map.split_off(&from);
            }
            Step::Pop { count } => {
                let bytes_max = self.tail.bytes().saturating_sub(count * 70);
                let limit = self.map.keys().nth(5).copied().unwrap_or(3);
                let mut popped = 0;
                let cost = |map: &BTreeMap<u64, Entry>| map.values().map(Entry::cost).sum::<u64>();
                while bytes_max < cost(&self.map)
                    && let Some(first) =
                        self.map.first_entry().filter(|first| *first.key() <= limit)
                {
                    first.remove();
                    popped += 1;
                }
                assert_eq!(self.tail.evict(Index(limit), bytes_max), popped);
            }
        }
    }

    fn check(&self, index: u64) {
        let Self { tail, map, .. } = self;
        assert_eq!(tail.at(Index(index)), map.get(&index));
        let in_a_row = map.range(index..).zip(index..).take_while(|((at, _), next)| *at == next);
        let run: Vec<&Entry> = in_a_row.map(|((_, entry), _)| entry).collect();
        assert!(
            run.iter().copied().zip(tail.run_at(Index(index))).all(|(one, other)| one == other)
        );
        assert!(tail.run_at(Index(index)).len() <= run.len());
        let rest: Vec<&Entry> = tail.from(Index(index)).collect();
        assert_eq!(rest, map.range(index..).map(|(_, entry)| entry).collect::<Vec<_>>());
        assert_eq!(tail.first(), map.first_key_value().map(|(_, entry)| entry));
        assert_eq!(tail.last(), map.last_key_value().map(|(_, entry)| entry));
        assert_eq!(tail.bytes(), map.values().map(Entry::cost).sum::<u64>());
    }

    /// The last index up to which there is no hole from `first` on.
    fn whole_upto(&self, first: u64) -> Option<u64> {
        self.map
            .range(first..)
            .zip(first..)
            .take_while(|((at, _), next)| *at == next)
            .last()
            .map(|(_, last)| last)
    }

    fn check_shared(&mut self, first: u64, bytes_max: u64) {
        self.tail.seal();
        let fitting = |entries: Vec<&Entry>| {
            let (count, _) = Entry::fitting(entries.iter().copied(), bytes_max);
            entries.into_iter().take(count).cloned().collect::<Vec<Entry>>()
        };
        let gathered = self.tail.gathered(Index(first), bytes_max);
        let expected: Vec<Entry> =
            fitting(self.map.range(first..).map(|(_, entry)| entry).collect());
        assert_eq!(*gathered, expected);

        let Some(last) = self.whole_upto(first) else { return };
        let parts: Vec<Entries> = self.tail.parts(Index(first), Index(last), bytes_max).collect();
        let cost = |part: &Entries| part.iter().map(Entry::cost).sum::<u64>();
        assert!(parts.iter().all(|part| cost(part) == part.cost() && !part.is_empty()));
        let parts: Vec<Entry> = parts.iter().flat_map(|part| part.to_vec()).collect();
        assert_eq!(parts, fitting(self.map.range(first..=last).map(|(_, entry)| entry).collect()));
    }
}

proptest! {
    #[test]
    fn runs_hold_what_a_map_holds(
        steps in prop::collection::vec(step(), 1..40),
        index in 1..70_u64,
        bytes_max in prop_oneof![1..2_000_u64, Just(u64::MAX)],
    ) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.take(step);
            pair.check(index);
            let round = pair.round;
            if round % 3 == 0 {
                pair.check_shared(index, bytes_max);
            }
        }
    }
}

#[test]
fn entries_of_one_run_are_shared_and_those_of_several_copied() {
    let mut tail = Tail::default();
    tail.put(&run(1, 4, 1));
    let place = |entries: &Entries| entries.as_ptr();
    let own = tail.at(Index(2)).expect("it was put");
    assert_eq!(place(&tail.gathered(Index(2), u64::MAX)), std::ptr::from_ref(own));
    tail.put(&run(5, 4, 1));
    let own = tail.at(Index(2)).expect("it was put");
    let both = tail.gathered(Index(2), u64::MAX);
    assert_eq!(both.len(), 7);
    assert_ne!(place(&both), std::ptr::from_ref(own));
}

#[test]
fn what_lies_on_the_disk_is_taken_in_runs_of_a_moderate_length() {
    let length = Tail::RUN_BYTES_MAX as usize / 4;
    let mut tail = Tail::default();
    tail.load((1..=9).map(|index| entry(index, 1, length)).collect());
    assert_eq!(tail.runs.iter().map(|run| run.len()).collect::<Vec<_>>(), [3, 3, 3]);
    assert_eq!(tail.from(Index(1)).count(), 9);
}

#[test]
fn an_open_run_is_sealed_once_it_is_long() {
    let mut tail = Tail::default();
    let half = Tail::RUN_BYTES_MAX as usize / 2;
    assert!(!tail.push(entry(1, 1, half)));
    assert!(tail.push(entry(2, 1, half)));
    assert_eq!(tail.seal().map(|run| run.len()), Some(2));
    assert!(!tail.push(entry(3, 1, half)));
}
