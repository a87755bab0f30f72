//! Ranges: one test per row of what etcd does.

use quorate_kv::{CommandError, RangeRequest, RangeResponse, SortOrder, SortTarget, Step, Strict};

use crate::support::{Node, keys, node, node_with, range};

/// Keys a to e. Create order is e d c b a; then c is written again, twice.
fn five() -> Node {
    let mut node = node();
    for (key, value) in [("e", "1"), ("d", "5"), ("c", "2"), ("b", "4"), ("a", "3")] {
        node.put(key, value);
    }
    node.put("c", "9");
    node.put("c", "0");
    node
}

fn all() -> RangeRequest {
    range("\0", "\0")
}

fn found(node: &Node, request: &RangeRequest) -> String {
    keys(&node.range(request).expect("the range is readable")).concat()
}

#[test]
fn range_ends_name_one_key_or_a_range_or_the_rest() {
    let node = five();
    let cases = [
        ("b", "", "b"),
        ("b", "d", "bc"),
        ("b", "\0", "bcde"),
        ("\0", "\0", "abcde"),
        ("a", "z", "abcde"),
        ("c", "c", ""),
        ("d", "b", ""),
        ("x", "", ""),
        ("aa", "b", ""),
    ];
    for (key, end, expected) in cases {
        let response = node.range(&range(key, end)).expect("the range is readable");
        assert_eq!(keys(&response).concat(), expected, "from {key:?} to {end:?}");
        assert_eq!(response.count, i64::try_from(expected.len()).unwrap());
        assert!(!response.more);
    }
}

#[test]
fn keys_are_bytes_compared_bytewise() {
    let mut node = node();
    for key in ["b", "a\u{0}", "\u{ff}", "ab", "a"] {
        node.put(key, "");
    }
    let response = node.range(&all()).expect("the range is readable");
    assert_eq!(keys(&response), ["a", "a\u{0}", "ab", "b", "\u{ff}"]);
}

#[test]
fn count_ignores_limit_and_filters_and_more_does_not() {
    let node = five();
    // (limit, min mod, keys, more)
    let cases = [
        (0, 0, "abcde", false),
        (-3, 0, "abcde", false),
        (4, 0, "abcd", true),
        (5, 0, "abcde", false),
        (6, 0, "abcde", false),
        (1, 6, "a", true),
        (2, 6, "ac", false),
        (0, 6, "ac", false),
    ];
    for (limit, min_mod_revision, expected, more) in cases {
        let request = RangeRequest { limit, min_mod_revision, ..all() };
        let response = node.range(&request).expect("the range is readable");
        assert_eq!(keys(&response).concat(), expected, "limit {limit}, min {min_mod_revision}");
        assert_eq!((response.count, response.more), (5, more));
    }
}

#[test]
fn filters_are_inclusive_and_zero_is_off() {
    // mod: a 6, b 5, c 8, d 3, e 2; create: a 6, b 5, c 4, d 3, e 2.
    let node = five();
    let filter = |min_mod, max_mod, min_create, max_create| RangeRequest {
        min_mod_revision: min_mod,
        max_mod_revision: max_mod,
        min_create_revision: min_create,
        max_create_revision: max_create,
        ..all()
    };
    assert_eq!(found(&node, &filter(5, 0, 0, 0)), "abc");
    assert_eq!(found(&node, &filter(0, 5, 0, 0)), "bde");
    assert_eq!(found(&node, &filter(3, 6, 0, 0)), "abd");
    assert_eq!(found(&node, &filter(0, 0, 4, 0)), "abc");
    assert_eq!(found(&node, &filter(0, 0, 0, 4)), "cde");
    assert_eq!(found(&node, &filter(8, 0, 0, 4)), "c");
    assert_eq!(found(&node, &filter(0, -1, 0, 0)), "", "a negative maximum is not off");
    assert_eq!(found(&node, &filter(-1, 0, -1, 0)), "abcde");
}

#[test]
fn every_target_sorts_both_ways_before_the_limit() {
    let node = five();
    let cases = [
        (SortTarget::Key, "abcde"),
        (SortTarget::Create, "edcba"),
        (SortTarget::Mod, "edbac"),
        (SortTarget::Value, "ceabd"),
    ];
    for (sort_target, ascending) in cases {
        let descending: String = ascending.chars().rev().collect();
        for (sort_order, expected) in
            [(SortOrder::Ascend, ascending), (SortOrder::Descend, &descending)]
        {
            for limit in 0..7 {
                let request = RangeRequest { sort_target, sort_order, limit, ..all() };
                let kept = if limit == 0 { 5 } else { 5.min(usize::try_from(limit).unwrap()) };
                let response = node.range(&request).expect("the range is readable");
                assert_eq!(keys(&response).concat(), expected[..kept], "{request:?}");
                assert_eq!((response.more, response.count), (kept < 5, 5), "{request:?}");
            }
        }
    }
}

#[test]
fn versions_sort_with_equals_in_key_order() {
    let node = five();
    let by_version =
        |sort_order| RangeRequest { sort_target: SortTarget::Version, sort_order, ..all() };
    assert_eq!(found(&node, &by_version(SortOrder::Ascend)), "abdec");
    assert_eq!(found(&node, &by_version(SortOrder::Descend)), "cabde");
}

/// Without an order etcd takes one key more than the limit in key order, sorts these, and only
/// then cuts (seen with 3.4.23: three keys, limit 2, gives the two oldest, not the two lowest).
#[test]
fn a_target_without_order_limits_first() {
    let node = five();
    let unordered = |limit| RangeRequest { sort_target: SortTarget::Mod, limit, ..all() };
    assert_eq!(found(&node, &unordered(0)), "edbac");
    assert_eq!(found(&node, &unordered(1)), "b", "of a and b");
    assert_eq!(found(&node, &unordered(2)), "ba", "of a, b and c");
    assert_eq!(found(&node, &unordered(3)), "dba", "of a, b, c and d");
    let filtered = RangeRequest { max_mod_revision: 99, ..unordered(2) };
    assert_eq!(found(&node, &filtered), "ed", "a filter must see all, so the limit comes last");
}

#[test]
fn keys_only_keeps_all_but_the_value() {
    let node = five();
    let response = node.range(&RangeRequest { keys_only: true, ..range("c", "") });
    let kv = &response.expect("the range is readable").kvs[0];
    assert!(kv.value.is_empty());
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (4, 8, 3));
    let by_value = RangeRequest {
        keys_only: true,
        sort_target: SortTarget::Value,
        sort_order: SortOrder::Ascend,
        ..all()
    };
    assert_eq!(found(&node, &by_value), "ceabd", "the value still sorts");
    let response = node.range(&by_value).expect("the range is readable");
    assert!(response.kvs.iter().all(|kv| kv.value.is_empty()), "and is left out after that");
}

#[test]
fn count_only_counts_all() {
    let node = five();
    let request = RangeRequest { count_only: true, limit: 2, min_mod_revision: 8, ..all() };
    let expected = RangeResponse { revision: 8, kvs: Vec::new(), more: false, count: 5 };
    assert_eq!(node.range(&request), Ok(expected));
}

#[test]
fn old_revisions_are_readable_until_compacted_and_headers_are_current() {
    let mut node = five();
    assert_eq!(node.delete("b", "d"), 2);
    node.put("b", "again");
    let values = |node: &Node, revision| {
        let response = node.range(&RangeRequest { revision, ..range("c", "") })?;
        assert_eq!(response.revision, 10, "the header tells the current revision");
        Ok(response.kvs.first().map(|kv| (kv.value.clone(), kv.version)))
    };
    assert_eq!(values(&node, 3), Ok(None));
    assert_eq!(values(&node, 4), Ok(Some(("2".into(), 1))));
    assert_eq!(values(&node, 7), Ok(Some(("9".into(), 2))));
    assert_eq!(values(&node, 8), Ok(Some(("0".into(), 3))));
    assert_eq!(values(&node, 9), Ok(None), "deleted");
    assert_eq!(values(&node, 0), Ok(None), "0 is now");
    assert_eq!(values(&node, -5), Ok(None), "so is any negative revision");
    assert_eq!(values(&node, 11), Err(CommandError::FutureRevision));
    assert_eq!(node.compact(7), Ok(10));
    assert_eq!(values(&node, 6), Err(CommandError::Compacted));
    assert_eq!(values(&node, 7), Ok(Some(("9".into(), 2))), "the compacted revision itself");
    let born_again = node.find("b").expect("b was written again");
    assert_eq!((born_again.create_revision, born_again.version), (10, 1));
}

#[test]
fn a_range_in_slices_is_the_range_at_once() {
    let mut node = five();
    for sort_target in [SortTarget::Key, SortTarget::Mod, SortTarget::Value] {
        for sort_order in [SortOrder::None, SortOrder::Ascend, SortOrder::Descend] {
            for (limit, budget) in [(0, 1), (2, 1), (0, 2), (3, 4), (2, 99)] {
                let request = RangeRequest { sort_target, sort_order, limit, ..range("b", "e") };
                let expected = node.range(&request);
                let mut task = node.store.begin_range(request).expect("the present is readable");
                let mut steps = 1;
                let response = loop {
                    match node.store.step_range(&mut task, budget).expect("memory is sound") {
                        Ok(Step::Done(response)) => break Ok(response),
                        Ok(Step::More) => steps += 1,
                        Err(error) => break Err(error),
                    }
                };
                node.store.end_range(task);
                assert_eq!(response, expected);
                assert!(3 / budget < steps, "{steps} slices of {budget} for 3 keys");
            }
        }
    }
    let single = range("c", "");
    let mut task = node.store.begin_range(single).expect("the present is readable");
    assert_eq!(node.store.step_range(&mut task, 1), Ok(Ok(Step::More)));
    let Ok(Ok(Step::Done(response))) = node.store.step_range(&mut task, 1) else {
        panic!("there is one key");
    };
    assert_eq!((keys(&response).concat(), response.count), ("c".into(), 1));
    node.store.end_range(task);
}

#[test]
fn big_values_use_up_a_slice() {
    let mut node = node_with(Strict);
    let value: &'static str = Box::leak("v".repeat(40_960).into_boxed_str());
    for key in ["a", "b", "c"] {
        node.put(key, value);
    }
    let mut task = node.store.begin_range(all()).expect("the present is readable");
    assert_eq!(node.store.step_range(&mut task, 8), Ok(Ok(Step::More)));
    assert_eq!(task.bytes(), 40_961, "one value is worth more than eight keys");
    node.store.end_range(task);
}

#[test]
fn a_range_in_slices_stays_at_its_revision() {
    let mut node = five();
    let expected = node.range(&all());
    let mut task = node.store.begin_range(all()).expect("the present is readable");
    assert_eq!(node.store.step_range(&mut task, 2), Ok(Ok(Step::More)));
    node.delete("\0", "\0");
    node.put("bb", "new");
    let revision = node.store.revision();
    node.compact(revision).expect("the present can be compacted");
    node.remove_freed();
    node.commit();
    let Ok(Ok(Step::Done(response))) = node.store.step_range(&mut task, 99) else {
        panic!("the budget is enough");
    };
    assert_eq!(Ok(response), expected);
    node.store.end_range(task);
    node.remove_freed();
    node.commit();
    assert!(node.store.is_compacted_physically(revision), "nothing is held any more");
}
