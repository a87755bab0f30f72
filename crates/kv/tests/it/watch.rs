//! Watches: replay and live changes meet exactly once, slow clients cost nobody else, and progress
//! never runs ahead.

use bytes::Bytes;
use quorate_kv::{
    CancelCause, NodeTime, RecordKind, Rules, Step, StreamId, Strict, WatchFilter, WatchId,
    WatchLimits, WatchRefusal, WatchRequest, WatchResponse, Watches,
};

use crate::support::{Node, node, node_with};

const ONE: StreamId = StreamId(1);
const TWO: StreamId = StreamId(2);
const START: NodeTime = NodeTime(0);

/// A store with watches beside it.
struct World<R: Rules = Strict> {
    node: Node<R>,
    watches: Watches<R>,
}

impl World {
    fn new() -> Self {
        Self::with(WatchLimits::default(), Strict)
    }
}

impl<R: Rules + Clone> World<R> {
    fn with(limits: WatchLimits, rules: R) -> Self {
        let node = node_with(rules.clone());
        let mut watches = Watches::new(limits, node.store.revision(), rules);
        watches.open(ONE);
        watches.open(TWO);
        Self { node, watches }
    }
}

impl<R: Rules> World<R> {
    fn watch(&mut self, stream: StreamId, request: &WatchRequest) -> WatchResponse {
        self.watches.create(START, &self.node.store, stream, request).expect("memory is sound");
        let told = self.told(stream);
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].clone()
    }

    fn put(&mut self, key: &'static str, value: &'static str) -> i64 {
        let revision = self.node.put(key, value);
        self.watches.on_applied(&self.node.store).expect("memory is sound");
        revision
    }

    fn delete(&mut self, key: &'static str, end: &'static str) {
        self.node.delete(key, end);
        self.watches.on_applied(&self.node.store).expect("memory is sound");
    }

    fn catch_up(&mut self) {
        for _ in 0..1_000 {
            let step = self.watches.catch_up(&self.node.store).expect("memory is sound");
            if step == Step::Done(()) {
                return;
            }
        }
        panic!("the watches never catch up");
    }

    fn told(&mut self, stream: StreamId) -> Vec<WatchResponse> {
        let told = self.watches.take(stream, usize::MAX);
        assert!(!self.watches.take_ready().contains(&stream), "all of it was taken");
        told
    }
}

fn on(key: &'static str, range_end: &'static str) -> WatchRequest {
    WatchRequest { key: key.into(), range_end: range_end.into(), ..WatchRequest::default() }
}

fn since(key: &'static str, range_end: &'static str, start_revision: i64) -> WatchRequest {
    WatchRequest { start_revision, ..on(key, range_end) }
}

/// The changes in responses, as (revision, key, value), deletions without a value.
fn changes(told: &[WatchResponse]) -> Vec<(i64, String, Option<String>)> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let lists = told.iter().filter_map(|response| match response {
        WatchResponse::Changes { changes, .. } => Some(changes),
        _ => None,
    });
    lists
        .flatten()
        .map(|change| {
            let record = &change.record;
            let value = (record.kind == RecordKind::Put).then(|| text(&record.value));
            (change.revision.main, text(&record.key), value)
        })
        .collect()
}

fn put_of(revision: i64, key: &str, value: &str) -> (i64, String, Option<String>) {
    (revision, key.to_owned(), Some(value.to_owned()))
}

fn deletion_of(revision: i64, key: &str) -> (i64, String, Option<String>) {
    (revision, key.to_owned(), None)
}

fn progress(watch: Option<i64>, revision: i64) -> WatchResponse {
    WatchResponse::Progress { watch: watch.map(WatchId), revision }
}

#[test]
fn a_watch_is_told_what_changes_in_its_range_and_nothing_else() {
    let mut world = World::new();
    world.put("a", "before");
    let created = world.watch(ONE, &on("a", "c"));
    assert_eq!(created, WatchResponse::Created { watch: WatchId(0), revision: 2 });
    world.put("a", "1");
    world.put("c", "outside");
    world.put("b", "2");
    world.delete("a", "c");
    let expected =
        [put_of(3, "a", "1"), put_of(5, "b", "2"), deletion_of(6, "a"), deletion_of(6, "b")];
    assert_eq!(changes(&world.told(ONE)), expected);
    assert!(world.told(TWO).is_empty());
}

#[test]
fn history_and_live_changes_meet_exactly_once() {
    let mut world = World::new();
    for value in ["1", "2", "3"] {
        world.put("k", value);
    }
    world.watch(ONE, &since("k", "", 3));
    // Live changes come while history is still being read.
    world.put("k", "4");
    assert!(world.told(ONE).is_empty(), "it is not its turn yet");
    world.catch_up();
    world.put("k", "5");
    let expected =
        [put_of(3, "k", "2"), put_of(4, "k", "3"), put_of(5, "k", "4"), put_of(6, "k", "5")];
    assert_eq!(changes(&world.told(ONE)), expected);
}

#[test]
fn a_watch_from_the_future_is_told_nothing_earlier() {
    let mut world = World::new();
    world.watch(ONE, &since("k", "", 5));
    world.watches.request_progress(ONE);
    world.put("k", "2");
    world.put("k", "3");
    assert_eq!(world.told(ONE), [], "neither changes nor progress");
    world.put("k", "4");
    assert_eq!(world.told(ONE), [progress(None, 4)], "the next revision is the first it wants");
    world.put("k", "5");
    assert_eq!(changes(&world.told(ONE)), [put_of(5, "k", "5")]);
}

#[test]
fn all_changes_of_one_revision_come_in_one_response() {
    let mut world = World::new();
    world.put("a", "1");
    world.put("b", "2");
    world.watch(ONE, &on("a", "\0"));
    world.delete("a", "z");
    let told = world.told(ONE);
    assert_eq!(told.len(), 1);
    assert_eq!(changes(&told), [deletion_of(4, "a"), deletion_of(4, "b")]);
}

#[test]
fn previous_values_come_where_they_were_asked_for() {
    let mut world = World::new();
    world.watch(ONE, &WatchRequest { wants_previous: true, ..on("k", "") });
    world.watch(TWO, &on("k", ""));
    world.put("k", "1");
    world.put("k", "2");
    world.delete("k", "");
    let previous = |told: Vec<WatchResponse>| -> Vec<(bool, Option<Bytes>)> {
        let each = told.into_iter().map(|response| match response {
            WatchResponse::Changes { changes, wants_previous, .. } => {
                (wants_previous, changes[0].previous.as_ref().map(|kv| kv.value.clone()))
            }
            other => panic!("{other:?}"),
        });
        each.collect()
    };
    let was = |value: &'static str| Some(Bytes::from_static(value.as_bytes()));
    assert_eq!(previous(world.told(ONE)), [(true, None), (true, was("1")), (true, was("2"))]);
    assert!(previous(world.told(TWO)).iter().all(|(wants, _)| !wants));
}

#[test]
fn what_is_compacted_before_it_is_told_has_no_previous_value() {
    let mut world = World::new();
    world.put("k", "1");
    world.put("k", "2");
    world.put("k", "3");
    world.node.compact(3).expect("it can be compacted");
    world.watch(ONE, &WatchRequest { wants_previous: true, ..since("k", "", 3) });
    world.catch_up();
    let told = world.told(ONE);
    let [WatchResponse::Changes { changes, .. }] = &told[..] else { panic!("{told:?}") };
    let previous: Vec<_> = changes.iter().map(|it| it.previous.is_some()).collect();
    assert_eq!(previous, [false, true]);
}

#[test]
fn filters_leave_out_what_they_name() {
    let mut world = World::new();
    world.watch(ONE, &WatchRequest { filter: WatchFilter::Deletions, ..on("k", "") });
    world.watch(TWO, &WatchRequest { filter: WatchFilter::Puts, ..on("k", "") });
    world.put("k", "1");
    world.delete("k", "");
    assert_eq!(changes(&world.told(ONE)), [deletion_of(3, "k")]);
    assert_eq!(changes(&world.told(TWO)), [put_of(2, "k", "1")]);
    world.watch(ONE, &WatchRequest { filter: WatchFilter::Nothing, ..on("j", "") });
    world.put("j", "1");
    world.delete("j", "");
    assert!(world.told(ONE).is_empty());
}

#[test]
fn names_are_given_per_stream_and_chosen_ones_are_kept() {
    let mut world = World::new();
    let named = |id| WatchRequest { id, ..on("k", "") };
    let created = |id| WatchResponse::Created { watch: WatchId(id), revision: 1 };
    assert_eq!(world.watch(ONE, &named(1)), created(1));
    assert_eq!(world.watch(ONE, &named(0)), created(0));
    assert_eq!(world.watch(ONE, &named(0)), created(2), "1 is taken");
    assert_eq!(world.watch(TWO, &named(0)), created(0), "streams do not share names");
    let refused = WatchResponse::Refused { refusal: WatchRefusal::DuplicateId, revision: 1 };
    assert_eq!(world.watch(ONE, &named(1)), refused);
    world.put("k", "1");
    assert_eq!(world.told(ONE).len(), 3, "the stream goes on");
}

#[test]
fn what_makes_no_sense_is_refused_in_band() {
    let mut world = World::new();
    let mut refusal = |request: &WatchRequest| match world.watch(ONE, request) {
        WatchResponse::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(&on("b", "a")), WatchRefusal::EmptyRange);
    assert_eq!(refusal(&on("b", "b")), WatchRefusal::EmptyRange);
    assert_eq!(refusal(&since("b", "", -1)), WatchRefusal::NegativeRevision);
    assert_eq!(refusal(&since("b", "a", -1)), WatchRefusal::NegativeRevision);
}

#[test]
fn a_node_carries_a_bounded_number_of_watches() {
    let limits = WatchLimits { watches_max: 2, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    world.watch(ONE, &on("a", ""));
    world.watch(TWO, &on("a", ""));
    let refused = world.watch(ONE, &on("a", ""));
    let refusal = WatchRefusal::TooMany { watches_max: 2 };
    assert_eq!(refused, WatchResponse::Refused { refusal, revision: 1 });
    world.watches.close(TWO);
    assert_eq!(world.watches.count(), 1);
    let created = WatchResponse::Created { watch: WatchId(1), revision: 1 };
    assert_eq!(world.watch(ONE, &on("a", "")), created);
}

#[test]
fn the_keys_of_a_nodes_watches_are_bounded_together() {
    // "a" to "b" takes two bytes, "abcd" alone its own and those of the least key above it.
    let limits = WatchLimits { key_bytes_max: 11, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    world.watch(ONE, &on("a", "b"));
    world.watch(TWO, &on("abcd", ""));
    let refusal = WatchRefusal::KeysTooLong { key_bytes_max: 11 };
    assert_eq!(world.watch(ONE, &on("a", "")), WatchResponse::Refused { refusal, revision: 1 });
    world.watches.cancel(TWO, WatchId(0));
    let created = WatchResponse::Created { watch: WatchId(1), revision: 1 };
    assert_eq!(world.watch(ONE, &on("a", "")), created);
}

#[test]
fn the_empty_key_is_the_least_key_there_can_be() {
    let mut world = World::new();
    world.watch(ONE, &on("", ""));
    world.watch(TWO, &on("", "\0"));
    world.put("a", "1");
    world.put("\0", "2");
    assert_eq!(changes(&world.told(ONE)), [put_of(3, "\0", "2")]);
    assert_eq!(changes(&world.told(TWO)).len(), 2);
}

#[test]
fn a_watch_below_the_compacted_revision_begins_and_ends() {
    let mut world = World::new();
    for value in ["1", "2", "3"] {
        world.put("k", value);
    }
    world.node.compact(4).expect("it can be compacted");
    world.watch(ONE, &since("k", "", 3));
    world.watch(TWO, &since("k", "", 4));
    world.catch_up();
    let cause = CancelCause::Compacted { compacted: 4 };
    assert_eq!(world.told(ONE), [WatchResponse::Canceled { watch: WatchId(0), cause }]);
    assert_eq!(changes(&world.told(TWO)), [put_of(4, "k", "3")], "the compacted one is there");
    world.put("k", "4");
    assert!(world.told(ONE).is_empty());
    assert_eq!(world.watches.count(), 1);
}

#[test]
fn the_name_of_a_watch_that_a_compaction_ended_stays_taken_until_it_is_canceled() {
    let limits = WatchLimits { watches_max: 2, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    for value in ["1", "2", "3"] {
        world.put("k", value);
    }
    world.node.compact(4).expect("it can be compacted");
    world.watch(ONE, &WatchRequest { id: 7, ..since("k", "", 3) });
    world.catch_up();
    world.told(ONE);
    let again = WatchRequest { id: 7, ..on("k", "") };
    let refused = WatchResponse::Refused { refusal: WatchRefusal::DuplicateId, revision: 4 };
    assert_eq!(world.watch(ONE, &again), refused);
    world.watch(TWO, &on("k", ""));
    let refusal = WatchRefusal::TooMany { watches_max: 2 };
    let refused = WatchResponse::Refused { refusal, revision: 4 };
    assert_eq!(world.watch(TWO, &on("k", "")), refused, "a name that is taken counts");
    world.watches.cancel(ONE, WatchId(7));
    world.watches.cancel(ONE, WatchId(7));
    let cause = CancelCause::Asked { revision: 4 };
    assert_eq!(world.told(ONE), [WatchResponse::Canceled { watch: WatchId(7), cause }]);
    let created = WatchResponse::Created { watch: WatchId(7), revision: 4 };
    assert_eq!(world.watch(ONE, &again), created);
}

#[test]
fn a_stream_that_closes_frees_the_names_it_took() {
    let limits = WatchLimits { watches_max: 1, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    world.put("k", "1");
    world.put("k", "2");
    world.node.compact(3).expect("it can be compacted");
    world.watch(ONE, &since("k", "", 2));
    world.catch_up();
    world.watches.close(ONE);
    let created = WatchResponse::Created { watch: WatchId(0), revision: 3 };
    assert_eq!(world.watch(TWO, &on("k", "")), created);
}

#[test]
fn canceling_is_answered_once_and_unknown_names_are_not() {
    let mut world = World::new();
    world.watch(ONE, &on("k", ""));
    world.watches.cancel(ONE, WatchId(7));
    world.watches.cancel(ONE, WatchId(0));
    world.watches.cancel(ONE, WatchId(0));
    let cause = CancelCause::Asked { revision: 1 };
    assert_eq!(world.told(ONE), [WatchResponse::Canceled { watch: WatchId(0), cause }]);
    world.put("k", "1");
    assert!(world.told(ONE).is_empty());
}

#[test]
fn a_slow_client_stops_its_own_watches_only_and_misses_nothing() {
    let limits = WatchLimits { outbox_bytes_max: 300, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    world.watch(ONE, &on("k", ""));
    world.watch(TWO, &on("k", ""));
    let mut quick = Vec::new();
    let values: Vec<&'static str> = vec!["v"; 50];
    for value in &values {
        world.put("k", value);
        quick.extend(world.told(TWO));
    }
    assert_eq!(changes(&quick).len(), 50);
    let mut slow = changes(&world.told(ONE));
    assert!(slow.len() < 5, "memory is bounded, {} were kept", slow.len());
    for _ in 0..100 {
        world.catch_up();
        slow.extend(changes(&world.told(ONE)));
    }
    assert_eq!(slow, changes(&quick));
}

#[test]
fn the_more_streams_there_are_the_less_is_kept_for_each() {
    let limits = WatchLimits { outboxes_bytes_max: 128 << 10, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    world.watch(ONE, &on("k", ""));
    world.watch(TWO, &on("k", ""));
    let value: &'static str = "v".repeat(4 << 10).leak();
    for _ in 0..40 {
        world.put("k", value);
    }
    let kept = changes(&world.told(ONE)).len();
    assert!((15..=17).contains(&kept), "{kept} of 4 KiB were kept, in half of 128 KiB");
    for _ in 0..100 {
        world.catch_up();
        world.told(ONE);
    }
    world.put("k", "last");
    assert_eq!(changes(&world.told(ONE)).len(), 1, "it has caught up");
}

#[test]
fn a_slow_client_falls_off_the_compacted_end() {
    let limits = WatchLimits { outbox_bytes_max: 1, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    world.watch(ONE, &on("k", ""));
    for _ in 0..5 {
        world.put("k", "v");
    }
    world.node.compact(6).expect("it can be compacted");
    assert_eq!(changes(&world.told(ONE)), [put_of(2, "k", "v")]);
    world.catch_up();
    let cause = CancelCause::Compacted { compacted: 6 };
    assert_eq!(world.told(ONE), [WatchResponse::Canceled { watch: WatchId(0), cause }]);
}

#[test]
fn progress_waits_for_what_is_not_told() {
    let mut world = World::new();
    world.watches.request_progress(ONE);
    assert!(world.told(ONE).is_empty(), "there is nothing to tell without watches");
    world.put("k", "1");
    world.watch(ONE, &since("k", "", 1));
    world.watches.request_progress(ONE);
    assert!(world.told(ONE).is_empty(), "history comes first");
    world.catch_up();
    let told = world.told(ONE);
    assert_eq!(changes(&told[..1]), [put_of(2, "k", "1")]);
    assert_eq!(told[1..], [progress(None, 2)]);
}

#[test]
fn quiet_watches_are_told_their_progress_from_time_to_time() {
    let limits = WatchLimits { progress_interval_micros: 1_000, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    world.watch(ONE, &WatchRequest { wants_progress: true, ..on("k", "") });
    world.watch(TWO, &on("k", ""));
    world.put("other", "1");
    let first = world.watches.deadline().expect("one watch wants progress");
    assert!((1_000..=1_100).contains(&first.0), "{first:?}");
    world.watches.on_time(first);
    assert_eq!(world.told(ONE), [progress(Some(0), 2)]);
    assert!(world.told(TWO).is_empty());
    world.put("k", "2");
    world.told(ONE);
    let second = world.watches.deadline().expect("it goes on");
    world.watches.on_time(second);
    assert!(world.told(ONE).is_empty(), "it was not quiet");
    let third = world.watches.deadline().expect("it goes on");
    world.watches.on_time(third);
    assert_eq!(world.told(ONE), [progress(Some(0), 3)]);
    world.watches.close(ONE);
    assert_eq!(world.watches.deadline(), None);
}

#[test]
fn long_responses_are_cut_where_that_is_wanted() {
    let limits = WatchLimits { fragment_bytes_max: 150, ..WatchLimits::default() };
    let mut world = World::with(limits, Strict);
    for key in ["a", "b", "c", "d", "e"] {
        world.put(key, "v");
    }
    world.watch(ONE, &WatchRequest { wants_fragments: true, ..on("a", "z") });
    world.watch(TWO, &on("a", "z"));
    world.delete("a", "z");
    let told = world.told(ONE);
    let fragments: Vec<bool> = told
        .iter()
        .map(|response| matches!(response, WatchResponse::Changes { is_fragment: true, .. }))
        .collect();
    assert_eq!(fragments, [true, true, false]);
    assert_eq!(changes(&told).len(), 5);
    assert_eq!(world.told(TWO).len(), 1);
}

#[test]
fn watches_live_through_a_state_that_is_replaced() {
    let mut world = World::new();
    world.watch(ONE, &on("k", ""));
    world.put("k", "1");
    // A peer went on alone, and its state is taken over.
    let mut peer = node();
    for value in ["1", "2", "3"] {
        peer.put("k", value);
    }
    world.node = peer;
    world.watches.on_installed(&world.node.store);
    world.catch_up();
    world.put("k", "4");
    let expected =
        [put_of(2, "k", "1"), put_of(3, "k", "2"), put_of(4, "k", "3"), put_of(5, "k", "4")];
    assert_eq!(changes(&world.told(ONE)), expected);
}

#[test]
fn a_long_history_is_told_in_slices_that_never_split_a_revision() {
    let mut world = World::new();
    for _ in 0..2_500 {
        world.put("k", "v");
    }
    world.watch(ONE, &since("k", "", 2));
    assert_eq!(world.watches.catch_up(&world.node.store), Ok(Step::More));
    let first = world.told(ONE);
    assert_eq!(changes(&first).len(), 1_000);
    world.catch_up();
    assert_eq!(changes(&world.told(ONE)).len(), 1_500);
}

#[test]
fn one_slice_of_history_serves_all_who_are_behind() {
    let mut world = World::new();
    for _ in 0..900 {
        world.put("k", "v");
    }
    for start in [2, 100, 850] {
        world.watch(ONE, &since("k", "", start));
    }
    assert_eq!(world.watches.catch_up(&world.node.store), Ok(Step::Done(())));
    let counts: Vec<usize> = world
        .told(ONE)
        .iter()
        .map(|response| changes(core::slice::from_ref(response)).len())
        .collect();
    assert_eq!(counts, [900, 802, 52]);
}

#[test]
fn a_stream_is_ready_when_something_new_waits_or_something_is_left() {
    let mut world = World::new();
    let created = world.watches.create(START, &world.node.store, ONE, &on("k", ""));
    created.expect("memory is sound");
    assert_eq!(world.watches.take_ready(), [ONE].into());
    assert!(world.watches.take_ready().is_empty(), "it was told");
    world.put("k", "1");
    assert_eq!(world.watches.take_ready(), [ONE].into());
    assert_eq!(world.watches.take(ONE, 1).len(), 1);
    assert_eq!(world.watches.take_ready(), [ONE].into(), "something is left");
    assert_eq!(world.watches.take(ONE, 1).len(), 1);
    assert!(world.watches.take_ready().is_empty());
}
