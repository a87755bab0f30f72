//! Random lives of watches, compared with the plain history. The same checks catch the mutants.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use quorate_kv::{
    CancelCause, Command, CompactRequest, DeleteRangeRequest, Mutant, NodeTime, PutRequest, Record,
    RequestOp, Revision, Rule, Rules, StreamId, Strict, TxnRequest, WatchId, WatchLimits,
    WatchRequest, WatchResponse, Watches,
};

use crate::support::{Node, node_with};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// An entry is applied, and the watches are told of it at once or later.
    Apply(Command, When),
    /// The revision this far back is compacted.
    Compact(i64),
    /// A watch begins, this far back from the next revision; ahead of it if negative.
    Watch {
        stream: u64,
        key: u8,
        end: u8,
        back: i64,
    },
    Cancel {
        stream: u64,
        watch: i64,
    },
    /// A client takes some of what waits for it.
    Take {
        stream: u64,
        bytes: usize,
    },
    RequestProgress {
        stream: u64,
    },
    CatchUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Now,
    /// With the next batch.
    Later,
    /// As part of a state that is installed.
    Installed,
}

type Verdict = Result<(), TestCaseError>;

fn key(number: u8) -> Bytes {
    vec![b'a' + number].into()
}

fn range_end(number: u8) -> Bytes {
    match number {
        0 => Bytes::new(),
        1 => Bytes::from_static(b"\0"),
        other => key(other),
    }
}

fn put(number: u8) -> Command {
    Command::Put(PutRequest { key: key(number), value: "v".into(), ..PutRequest::default() })
}

fn delete(number: u8, end: u8) -> Command {
    let request = DeleteRangeRequest {
        key: key(number),
        range_end: range_end(end),
        ..DeleteRangeRequest::default()
    };
    Command::DeleteRange(request)
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0..5_u8).prop_map(put),
        1 => (0..5_u8, 0..6_u8).prop_map(|(number, end)| delete(number, end)),
        1 => (0..4_u8).prop_map(|number| {
            let puts = [number, number + 1].map(|number| {
                RequestOp::Put(PutRequest { key: key(number), ..PutRequest::default() })
            });
            Command::Txn(TxnRequest { success: puts.into(), ..TxnRequest::default() })
        }),
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![6 => Just(When::Now), 2 => Just(When::Later), 1 => Just(When::Installed)]
}

fn event() -> impl Strategy<Value = Event> {
    let stream = 1..3_u64;
    prop_oneof![
        10 => (command(), when()).prop_map(|(command, when)| Event::Apply(command, when)),
        1 => (0..6_i64).prop_map(Event::Compact),
        4 => (stream.clone(), 0..5_u8, 0..6_u8, -2..8_i64)
            .prop_map(|(stream, key, end, back)| Event::Watch { stream, key, end, back }),
        1 => (stream.clone(), 0..3_i64).prop_map(|(stream, watch)| Event::Cancel { stream, watch }),
        3 => (stream.clone(), 0..600_usize)
            .prop_map(|(stream, bytes)| Event::Take { stream, bytes }),
        2 => stream.prop_map(|stream| Event::RequestProgress { stream }),
        3 => Just(Event::CatchUp),
    ]
}

/// What a watch must be told, and how far it has been.
struct Expected {
    key: Bytes,
    range_end: Bytes,
    from: i64,
    told: Vec<Revision>,
    upto: i64,
    is_over: bool,
}

impl Expected {
    fn wants(&self, key: &[u8]) -> bool {
        match &self.range_end[..] {
            [] => key == self.key,
            [0] => self.key <= key,
            end => self.key <= key && key < end,
        }
    }

    /// The changes in its range, from where it begins up to a revision.
    fn all(&self, history: &[(Revision, Record)], upto: i64) -> Vec<Revision> {
        let wanted = history.iter().filter(|(revision, record)| {
            (self.from..=upto).contains(&revision.main) && self.wants(&record.key)
        });
        wanted.map(|(revision, _)| *revision).collect()
    }
}

struct World<R: Rules> {
    node: Node<R>,
    watches: Watches<R>,
    history: Vec<(Revision, Record)>,
    expected: BTreeMap<(u64, i64), Expected>,
    /// Watches whose beginning was not told yet, oldest first.
    beginning: BTreeMap<u64, Vec<Expected>>,
}

impl<R: Rules + Copy> World<R> {
    fn new(rules: R) -> Self {
        let node = node_with(rules);
        let limits = WatchLimits { outbox_bytes_max: 400, ..WatchLimits::default() };
        let mut watches = Watches::new(limits, node.store.revision(), rules);
        watches.open(StreamId(1));
        watches.open(StreamId(2));
        let (expected, beginning) = (BTreeMap::new(), BTreeMap::new());
        Self { node, watches, history: Vec::new(), expected, beginning }
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Apply(command, when) => self.apply(&command, when),
            Event::Compact(back) => {
                let revision = self.node.store.revision() - back;
                self.watches.on_applied(&self.node.store).map_err(failed)?;
                let request = CompactRequest { revision, physical: false };
                // It may be compacted already, which is an answer like another.
                let _ = self.node.apply(&Command::Compact(request));
                Ok(())
            }
            Event::Watch { stream, key, end, back } => self.watch(stream, key, end, back),
            Event::Cancel { stream, watch } => {
                self.watches.cancel(StreamId(stream), WatchId(watch));
                Ok(())
            }
            Event::Take { stream, bytes } => self.take(stream, bytes),
            Event::RequestProgress { stream } => {
                self.watches.request_progress(StreamId(stream));
                Ok(())
            }
            Event::CatchUp => self.watches.catch_up(&self.node.store).map(drop).map_err(failed),
        }
    }

    fn apply(&mut self, command: &Command, when: When) -> Verdict {
        let next = self.node.store.revision() + 1;
        self.node.apply(command).map_err(failed)?;
        let events = self.node.store.events(next, usize::MAX).map_err(failed)?;
        self.history.extend(events.map_err(failed)?.records);
        match when {
            When::Now => self.watches.on_applied(&self.node.store).map_err(failed),
            When::Later => Ok(()),
            When::Installed => {
                self.watches.on_installed(&self.node.store);
                Ok(())
            }
        }
    }

    fn watch(&mut self, stream: u64, number: u8, end: u8, back: i64) -> Verdict {
        let start_revision = (self.node.store.revision() + 1 - back).max(1);
        let (key, range_end) = (key(number), range_end(end));
        if end > 1 && range_end <= key {
            return Ok(());
        }
        let request = WatchRequest {
            start_revision,
            key: key.clone(),
            range_end: range_end.clone(),
            ..WatchRequest::default()
        };
        let created =
            self.watches.create(NodeTime(0), &self.node.store, StreamId(stream), &request);
        created.map_err(failed)?;
        let expected = Expected {
            key,
            range_end,
            from: start_revision,
            told: Vec::new(),
            upto: start_revision - 1,
            is_over: false,
        };
        self.beginning.entry(stream).or_default().push(expected);
        Ok(())
    }

    fn take(&mut self, stream: u64, bytes: usize) -> Verdict {
        for response in self.watches.take(StreamId(stream), bytes) {
            self.check(stream, response)?;
        }
        Ok(())
    }

    fn check(&mut self, stream: u64, response: WatchResponse) -> Verdict {
        match response {
            WatchResponse::Created { watch, .. } => {
                let expected = self.beginning.get_mut(&stream).expect("one was begun").remove(0);
                let earlier = self.expected.insert((stream, watch.0), expected);
                prop_assert!(earlier.is_none_or(|earlier| earlier.is_over));
            }
            WatchResponse::Refused { .. } => prop_assert!(false, "all requests make sense"),
            WatchResponse::Changes { watch, revision, changes, .. } => {
                let expected = self.expected.get_mut(&(stream, watch.0)).expect("it has begun");
                prop_assert!(expected.upto < changes[0].revision.main, "a revision is split");
                expected.told.extend(changes.iter().map(|change| change.revision));
                expected.upto = revision;
                prop_assert_eq!(&expected.told, &expected.all(&self.history, revision));
            }
            WatchResponse::Progress { watch, revision } => {
                prop_assert_eq!(watch, None);
                let mut mine = self.expected.range((stream, 0)..(stream + 1, 0));
                let is_complete = mine.all(|(_, expected)| {
                    expected.is_over || expected.told == expected.all(&self.history, revision)
                });
                prop_assert!(is_complete, "progress {revision} is ahead");
            }
            WatchResponse::Canceled { watch, cause } => {
                let expected = self.expected.get_mut(&(stream, watch.0)).expect("it has begun");
                expected.is_over = true;
                let last = expected.told.last().map_or(0, |revision| revision.main);
                if let CancelCause::Compacted { compacted } = cause {
                    prop_assert!(last < compacted, "it could have gone on");
                }
            }
        }
        Ok(())
    }

    /// Every client takes everything: nothing is missing.
    fn drain(&mut self) -> Verdict {
        for _ in 0..1_000 {
            self.watches.catch_up(&self.node.store).map_err(failed)?;
            self.take(1, usize::MAX)?;
            self.take(2, usize::MAX)?;
            if !self.watches.is_behind() && self.watches.take_ready().is_empty() {
                break;
            }
        }
        let revision = self.node.store.revision();
        for (name, expected) in &self.expected {
            let all = expected.all(&self.history, revision);
            prop_assert!(expected.is_over || expected.told == all, "{name:?} misses something");
        }
        Ok(())
    }
}

fn failed(error: impl std::fmt::Debug) -> TestCaseError {
    TestCaseError::fail(format!("{error:?}"))
}

fn run<R: Rules + Copy>(rules: R, events: Vec<Event>) -> Verdict {
    let mut world = World::new(rules);
    for event in events {
        world.happen(event)?;
    }
    world.drain()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn watches_tell_the_whole_history_once(events in vec(event(), 1..60)) {
        run(Strict, events)?;
    }
}

/// Runs the same stories with a broken rule, until one is caught.
pub(crate) fn catches(rule: Rule) -> bool {
    let mut runner = TestRunner::deterministic();
    (0..1000).any(|_| {
        let events = vec(event(), 1..60).new_tree(&mut runner).expect("it rejects nothing");
        run(Mutant(rule), events.current()).is_err()
    })
}
