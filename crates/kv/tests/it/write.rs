//! Puts and deletes, and the revisions they make.

use quorate_kv::{
    ClusterTime, Command, CommandError, Context, DeleteRangeRequest, LeaseId, LogPosition,
    PutRequest, Response,
};

use crate::support::{at, delete, keys, node, put, range};

#[test]
fn a_store_begins_at_revision_1() {
    let node = node();
    assert_eq!(node.store.revision(), 1);
    let response = node.range(&range("\0", "\0")).expect("the present is readable");
    assert_eq!((response.revision, response.count), (1, 0));
}

#[test]
fn revisions_count_requests_and_versions_count_puts() {
    let mut node = node();
    assert_eq!(node.put("a", "1"), 2);
    assert_eq!(node.put("a", "1"), 3, "the same value again is a change too");
    assert_eq!(node.put("b", "1"), 4);
    let a = node.find("a").expect("a was put");
    assert_eq!((a.create_revision, a.mod_revision, a.version), (2, 3, 2));
    assert_eq!(node.delete("a", ""), 1);
    assert_eq!(node.put("a", "2"), 6);
    let a = node.find("a").expect("a was put again");
    assert_eq!((a.create_revision, a.mod_revision, a.version), (6, 6, 1));
}

#[test]
fn what_changes_nothing_takes_no_revision() {
    let mut node = node();
    node.put("a", "1");
    assert_eq!(node.delete("x", ""), 0);
    assert_eq!(node.delete("x", "y"), 0);
    assert_eq!(node.delete("b", "a"), 0);
    node.compact(1).expect("the past can be compacted");
    node.apply(&Command::Advance).expect("time passes");
    let context = at(node.store.position().index + 1);
    node.store.apply_nothing(context);
    assert_eq!(node.store.revision(), 2);
}

#[test]
fn a_put_returns_what_was_there_if_asked() {
    let mut node = node();
    let asking = PutRequest { prev_kv: true, ..put("a", "2") };
    assert_eq!(node.put_with(&asking).expect("the put is sound").prev_kv, None);
    let previous = node.find("a");
    let response = node.put_with(&asking).expect("the put is sound");
    assert_eq!((response.revision, response.prev_kv), (3, previous));
    let not_asking = node.put_with(&put("a", "3")).expect("the put is sound");
    assert_eq!(not_asking.prev_kv, None);
}

#[test]
fn ignore_value_keeps_the_value_of_a_key_that_exists() {
    let mut node = node();
    let keeping = PutRequest { ignore_value: true, ..put("a", "") };
    assert_eq!(node.put_with(&keeping), Err(CommandError::KeyNotFound));
    assert_eq!(node.store.revision(), 1, "a refusal changes nothing");
    node.put("a", "kept");
    node.put_with(&keeping).expect("the key exists");
    let a = node.find("a").expect("a was put");
    assert_eq!((&a.value[..], a.version), (&b"kept"[..], 2));
    node.delete("a", "");
    assert_eq!(node.put_with(&keeping), Err(CommandError::KeyNotFound), "deleted");
    let keeping_lease = PutRequest { ignore_lease: true, ..put("a", "x") };
    assert_eq!(node.put_with(&keeping_lease), Err(CommandError::KeyNotFound));
    node.put("a", "y");
    node.put_with(&keeping_lease).expect("the key exists");
    assert_eq!(node.find("a").expect("a was put").value, "x");
}

#[test]
fn a_lease_must_exist() {
    let mut node = node();
    for lease in [1, -1, i64::MAX] {
        let request = PutRequest { lease: LeaseId(lease), ..put("a", "1") };
        assert_eq!(node.put_with(&request), Err(CommandError::LeaseNotFound));
    }
    let both = PutRequest { lease: LeaseId(1), ignore_value: true, ..put("a", "") };
    assert_eq!(node.put_with(&both), Err(CommandError::LeaseNotFound), "looked at before the key");
    assert_eq!(node.store.revision(), 1);
}

#[test]
fn a_delete_takes_one_revision_and_returns_keys_in_order() {
    let mut node = node();
    for key in ["c", "a", "d", "b"] {
        node.put(key, "v");
    }
    let request = DeleteRangeRequest { prev_kv: true, ..delete("a", "d") };
    let Ok(Response::DeleteRange(response)) = node.apply(&Command::DeleteRange(request)) else {
        panic!("a delete is never refused");
    };
    assert_eq!((response.deleted, response.revision), (3, 6));
    let revisions: Vec<_> =
        response.prev_kvs.iter().map(|kv| (&kv.key[..], kv.mod_revision)).collect();
    assert_eq!(revisions, [(&b"a"[..], 3), (&b"b"[..], 5), (&b"c"[..], 2)]);
    assert_eq!(node.keys_at(0), Ok(vec!["d".into()]));
    assert_eq!(node.delete("a", ""), 0, "it is gone");
    let history = node.store.events(6, 99).expect("memory is sound").expect("it is readable");
    let subs: Vec<_> =
        history.records.iter().map(|(at, record)| (at.sub, &record.key[..])).collect();
    assert_eq!(subs, [(0, &b"a"[..]), (1, b"b"), (2, b"c")], "changes in key order");
}

#[test]
fn a_key_as_of_any_revision() {
    let mut node = node();
    node.put("a", "1");
    node.delete("a", "");
    node.put("a", "2");
    let value = |revision| {
        let found = node.store.key_at(b"a", revision).expect("memory is sound")?;
        Ok(found.map(|kv| kv.value))
    };
    assert_eq!(value(1), Ok(None));
    assert_eq!(value(2), Ok(Some("1".into())));
    assert_eq!(value(3), Ok(None));
    assert_eq!(value(4), Ok(Some("2".into())));
    assert_eq!(value(0), Ok(Some("2".into())));
    assert_eq!(value(5), Err(CommandError::FutureRevision));
    assert_eq!(node.store.key_at(b"b", 0), Ok(Ok(None)));
}

#[test]
fn time_is_the_highest_stamp() {
    let mut node = node();
    for (index, (stamp, now)) in [(5, 5), (3, 5), (9, 9), (0, 9)].into_iter().enumerate() {
        let index = index as u64 + 1;
        let position = LogPosition { index, round: 1, node: 1 };
        let context = Context { position, time: ClusterTime(stamp) };
        assert_eq!(node.store.apply(context, &Command::Advance), Ok(Ok(Response::Advance)));
        assert_eq!(node.store.now(), ClusterTime(now));
        assert_eq!(node.store.position(), position);
    }
}

#[test]
#[should_panic(expected = "entries are applied in order, each once")]
fn an_entry_applied_twice_is_our_own_mistake() {
    let mut node = node();
    node.store.apply_nothing(at(1));
    node.store.apply_nothing(at(1));
}

#[test]
fn events_are_whole_revisions_in_order() {
    let mut node = node();
    for key in ["a", "b", "c"] {
        node.put(key, "v");
    }
    node.delete("\0", "\0");
    node.put("d", "v");
    let events = |from, records_max| {
        let events = node.store.events(from, records_max).expect("memory is sound")?;
        let at: Vec<_> = events.records.iter().map(|(at, _)| (at.main, at.sub)).collect();
        Ok((at, events.upto))
    };
    assert_eq!(events(4, 1), Ok((vec![(4, 0)], 4)));
    assert_eq!(events(4, 2), Ok((vec![(4, 0), (5, 0), (5, 1), (5, 2)], 5)));
    assert_eq!(events(5, 1), Ok((vec![(5, 0), (5, 1), (5, 2)], 5)));
    assert_eq!(events(6, 99), Ok((vec![(6, 0)], 6)));
    assert_eq!(events(7, 99), Ok((Vec::new(), 6)));
    let none: Result<_, CommandError> = Ok((Vec::new(), 6));
    assert_eq!(events(700, 99), none);
    assert_eq!(keys(&node.range(&range("\0", "\0")).expect("readable")), ["d"]);
}
