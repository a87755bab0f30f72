//! Each promise to clients that watch: what keeps it, and what breaks it.

use std::sync::Arc;

use quorate_kv::{Change, KeyValue, WatchFilter};

use super::*;

const STREAM: StreamId = StreamId(7);
const NODE: NodeId = NodeId(1);
const FIRST: WatchId = WatchId(0);

/// A log of which every second revision, from 2 to 9, puts `a`, and the others delete it; 10 puts
/// `a` and `b`.
fn ten() -> Watching {
    let mut watching = Watching::new(WatchLimits::default());
    for main in 2..10 {
        watching.on_commit(&[event(main, 0)], main, -1);
    }
    watching.on_commit(&[event(10, 0), event(10, 1)], 10, -1);
    watching.on_open(NODE, STREAM);
    watching
}

fn event(main: i64, sub: i64) -> (Revision, Record) {
    let key = if sub == 0 { "a" } else { "b" };
    let record = if main % 2 == 0 {
        Record {
            key: key.into(),
            value: main.to_string().into(),
            create_revision: main,
            version: 1,
            ..Record::tombstone(key.into())
        }
    } else {
        return (Revision::new(main, sub), Record::tombstone(key.into()));
    };
    (Revision::new(main, sub), Record { kind: quorate_kv::RecordKind::Put, ..record })
}

fn previous(main: i64) -> Option<KeyValue> {
    (main % 2 == 1).then(|| event(main - 1, 0).1.key_value(Revision::new(main - 1, 0)))
}

fn change(main: i64, sub: i64) -> Arc<Change> {
    let (revision, record) = event(main, sub);
    Arc::new(Change { revision, record, previous: previous(main) })
}

fn changes(upto: i64, told: &[(i64, i64)]) -> WatchResponse {
    WatchResponse::Changes {
        watch: FIRST,
        revision: upto,
        changes: told.iter().map(|(main, sub)| change(*main, *sub)).collect(),
        wants_previous: true,
        is_fragment: false,
    }
}

fn fragment(told: &[(i64, i64)]) -> WatchResponse {
    let WatchResponse::Changes { watch, revision, changes, wants_previous, .. } = changes(10, told)
    else {
        unreachable!("it was just made")
    };
    WatchResponse::Changes { watch, revision, changes, wants_previous, is_fragment: true }
}

fn progress(revision: i64) -> WatchResponse {
    WatchResponse::Progress { watch: None, revision }
}

fn compacted(compacted: i64) -> WatchResponse {
    WatchResponse::Canceled { watch: FIRST, cause: CancelCause::Compacted { compacted } }
}

/// All keys, from a revision on, with what was there before.
fn all(start_revision: i64) -> WatchRequest {
    WatchRequest {
        key: "a".into(),
        range_end: "z".into(),
        start_revision,
        wants_previous: true,
        ..WatchRequest::default()
    }
}

/// The promise that these responses to a watch break, which began when the store stood at 10.
fn broken(request: &WatchRequest, responses: &[WatchResponse]) -> Option<Guarantee> {
    broken_in(&mut ten(), request, responses)
}

fn broken_in(
    watching: &mut Watching,
    request: &WatchRequest,
    responses: &[WatchResponse],
) -> Option<Guarantee> {
    watching.on_create(STREAM, request);
    let begun = WatchResponse::Created { watch: FIRST, revision: 10 };
    let told = watching.on_told(STREAM, watching.compacted, &[begun]);
    assert!(told.is_ok(), "{told:?}");
    let verdict = watching.on_told(STREAM, watching.compacted, responses);
    verdict.err().map(|violation| violation.guarantee)
}

#[test]
fn what_is_told_in_order_once_and_whole_is_right() {
    let whole = [changes(8, &[(7, 0), (8, 0)]), changes(10, &[(9, 0), (10, 0), (10, 1)])];
    assert_eq!(broken(&all(7), &whole), None);
    let mut watching = ten();
    let responses = [whole[0].clone(), whole[1].clone(), progress(10)];
    assert_eq!(broken_in(&mut watching, &all(7), &responses), None);
    assert_eq!(watching.owed(&BTreeSet::from([NODE])), None);
    assert_eq!(watching.told(), 5);
}

#[test]
fn what_is_told_out_of_order_is_noticed() {
    let mixed = [changes(10, &[(10, 0), (9, 0), (10, 1)])];
    assert_eq!(broken(&all(9), &mixed), Some(Guarantee::WatchOrdered));
    let back = [progress(10), progress(9)];
    assert_eq!(broken(&all(11), &back), Some(Guarantee::WatchOrdered));
}

#[test]
fn what_is_told_twice_is_noticed() {
    let twice = [changes(9, &[(9, 0)]), changes(10, &[(9, 0), (10, 0), (10, 1)])];
    assert_eq!(broken(&all(9), &twice), Some(Guarantee::WatchUnique));
}

#[test]
fn what_is_left_out_is_noticed_in_the_past_and_in_the_present() {
    let gap = [changes(10, &[(10, 0), (10, 1)])];
    assert_eq!(broken(&all(9), &gap), Some(Guarantee::WatchResumable));
    let mut watching = ten();
    watching.on_commit(&[event(11, 0)], 11, -1);
    watching.on_commit(&[event(12, 0)], 12, -1);
    let gap = [changes(12, &[(12, 0)])];
    assert_eq!(broken_in(&mut watching, &all(0), &gap), Some(Guarantee::WatchReliable));
}

#[test]
fn a_revision_is_split_by_fragments_alone() {
    let split = [changes(10, &[(10, 0)])];
    assert_eq!(broken(&all(10), &split), Some(Guarantee::WatchAtomic));
    let cut = [fragment(&[(10, 0)]), changes(10, &[(10, 1)])];
    assert_eq!(broken(&all(10), &cut), Some(Guarantee::WatchAsAsked));
    let wanted = WatchRequest { wants_fragments: true, ..all(10) };
    assert_eq!(broken(&wanted, &cut), None);
    let between = [fragment(&[(10, 0)]), progress(10)];
    assert_eq!(broken(&wanted, &between), Some(Guarantee::WatchBookmarkable));
}

#[test]
fn progress_ahead_of_what_it_covers_is_noticed() {
    assert_eq!(broken(&all(10), &[progress(10)]), Some(Guarantee::WatchBookmarkable));
    assert_eq!(broken(&all(12), &[progress(10)]), Some(Guarantee::WatchBookmarkable));
    let ahead = [changes(9, &[(8, 0)])];
    assert_eq!(broken(&all(8), &ahead), Some(Guarantee::WatchBookmarkable));
}

#[test]
fn what_was_not_asked_for_is_noticed() {
    let early = [changes(10, &[(8, 0), (9, 0), (10, 0), (10, 1)])];
    assert_eq!(broken(&all(9), &early), Some(Guarantee::WatchAsAsked));
    let narrow = WatchRequest { range_end: "b".into(), ..all(10) };
    let wide = [changes(10, &[(10, 0), (10, 1)])];
    assert_eq!(broken(&narrow, &wide), Some(Guarantee::WatchAsAsked));
    let puts = WatchRequest { filter: WatchFilter::Puts, ..all(9) };
    let both = [changes(10, &[(9, 0), (10, 0), (10, 1)])];
    assert_eq!(broken(&puts, &both), Some(Guarantee::WatchAsAsked));
    let bare = WatchRequest { wants_previous: false, ..all(9) };
    assert_eq!(broken(&bare, &both), Some(Guarantee::WatchAsAsked));
    let empty = [changes(10, &[])];
    assert_eq!(broken(&all(11), &empty), Some(Guarantee::WatchAsAsked));
}

#[test]
fn what_never_happened_is_noticed() {
    let foretold = [changes(11, &[(11, 0)])];
    assert_eq!(broken(&all(11), &foretold), Some(Guarantee::WatchTellsTruth));
    assert_eq!(broken(&all(12), &[progress(11)]), Some(Guarantee::WatchTellsTruth));
    let false_previous = |previous| {
        let (revision, record) = event(9, 0);
        let told = vec![Arc::new(Change { revision, record, previous })];
        let wants_previous = true;
        let (watch, is_fragment) = (FIRST, false);
        WatchResponse::Changes { watch, revision: 9, changes: told, wants_previous, is_fragment }
    };
    let other = event(6, 0).1.key_value(Revision::new(6, 0));
    for previous in [None, Some(other)] {
        let told = [false_previous(previous)];
        assert_eq!(broken(&all(9), &told), Some(Guarantee::WatchTellsTruth));
    }
    let mut watching = ten();
    watching.on_commit(&[], 10, 9);
    assert_eq!(broken_in(&mut watching, &all(9), &[false_previous(None)]), None);
}

#[test]
fn watches_end_and_are_refused_for_a_reason_only() {
    assert_eq!(broken(&all(9), &[compacted(10)]), Some(Guarantee::WatchEndsForReason));
    let refused = |request: &WatchRequest, refusal| {
        let mut watching = ten();
        watching.on_create(STREAM, request);
        let response = WatchResponse::Refused { refusal, revision: 10 };
        watching.on_told(STREAM, -1, &[response]).err().map(|violation| violation.guarantee)
    };
    let no_reason = Some(Guarantee::WatchEndsForReason);
    assert_eq!(refused(&all(9), WatchRefusal::EmptyRange), no_reason);
    assert_eq!(refused(&all(9), WatchRefusal::DuplicateId), no_reason);
    assert_eq!(refused(&all(9), WatchRefusal::NegativeRevision), no_reason);
    assert_eq!(refused(&all(9), WatchRefusal::TooMany { watches_max: 100_000 }), no_reason);
    assert_eq!(refused(&all(-1), WatchRefusal::NegativeRevision), None);
    let empty = WatchRequest { range_end: "A".into(), ..all(0) };
    assert_eq!(refused(&empty, WatchRefusal::EmptyRange), None);
}

#[test]
fn the_name_of_a_watch_that_a_compaction_ended_is_free_once_the_client_ends_it_too() {
    let mut watching = ten();
    watching.on_commit(&[], 10, 9);
    assert_eq!(broken_in(&mut watching, &all(8), &[compacted(9)]), None);
    let told = |watching: &mut Watching, response| {
        watching.on_told(STREAM, 9, &[response]).err().map(|violation| violation.guarantee)
    };
    let asked = CancelCause::Asked { revision: 10 };
    let canceled = || WatchResponse::Canceled { watch: FIRST, cause: asked };
    assert_eq!(told(&mut watching, canceled()), Some(Guarantee::WatchAsAsked));
    watching.on_cancel(STREAM, FIRST);
    assert_eq!(told(&mut watching, canceled()), None);
    watching.on_cancel(STREAM, FIRST);
    assert_eq!(told(&mut watching, canceled()), Some(Guarantee::WatchAsAsked));
}

/// Default seed 5231 of Multi-Paxos: requests that waited at a paused node were served at once.
#[test]
fn a_name_given_again_ends_as_often_as_the_client_asks() {
    let mut watching = ten();
    for _ in 0..2 {
        watching.on_create(STREAM, &all(0));
        watching.on_cancel(STREAM, FIRST);
    }
    let created = || WatchResponse::Created { watch: FIRST, revision: 10 };
    let asked = CancelCause::Asked { revision: 10 };
    let canceled = || WatchResponse::Canceled { watch: FIRST, cause: asked };
    let twice = [created(), canceled(), created(), canceled()];
    assert!(watching.on_told(STREAM, -1, &twice).is_ok());
    watching.on_create(STREAM, &all(0));
    assert!(watching.on_told(STREAM, -1, &[created(), canceled()]).is_err());
}

#[test]
fn a_compaction_ends_only_what_it_has_passed_and_what_is_behind() {
    let mut watching = ten();
    watching.on_commit(&[], 10, 9);
    assert_eq!(broken_in(&mut watching, &all(8), &[compacted(9)]), None);
    let at_the_edge = [compacted(9)];
    let mut watching = ten();
    watching.on_commit(&[], 10, 9);
    let verdict = broken_in(&mut watching, &all(9), &at_the_edge);
    assert_eq!(verdict, Some(Guarantee::WatchEndsForReason));
    // One that keeps up is never passed, unless its client is slow.
    for (is_slow, verdict) in [(false, Some(Guarantee::WatchEndsForReason)), (true, None)] {
        let mut watching = ten();
        watching.on_create(STREAM, &all(0));
        let begun = WatchResponse::Created { watch: FIRST, revision: 10 };
        assert!(watching.on_told(STREAM, -1, &[begun]).is_ok());
        for main in 11..20 {
            watching.on_commit(&[event(main, 0)], main, -1);
        }
        watching.on_commit(&[], 19, 15);
        if is_slow {
            watching.on_full(STREAM);
        }
        let told = watching.on_told(STREAM, 15, &[compacted(15)]);
        assert_eq!(told.err().map(|violation| violation.guarantee), verdict);
    }
}

/// Default seed 2291 of Multi-Paxos: a watch began behind answers that its client did not take.
#[test]
fn a_watch_whose_beginning_waits_for_a_slow_client_may_be_passed() {
    for (is_slow, verdict) in [(false, Some(Guarantee::WatchEndsForReason)), (true, None)] {
        let mut watching = ten();
        watching.on_create(STREAM, &all(0));
        if is_slow {
            watching.on_full(STREAM);
        }
        for main in 11..20 {
            watching.on_commit(&[event(main, 0)], main, -1);
        }
        watching.on_commit(&[], 19, 15);
        let begun = WatchResponse::Created { watch: FIRST, revision: 10 };
        let told = watching.on_told(STREAM, 15, &[begun, compacted(15)]);
        assert_eq!(told.err().map(|violation| violation.guarantee), verdict);
    }
}

#[test]
fn what_is_owed_at_the_end_is_told() {
    let nodes = BTreeSet::from([NODE]);
    let mut waits = ten();
    waits.on_create(STREAM, &all(9));
    assert!(waits.owed(&nodes).is_some_and(|owed| owed.contains("beginning")));
    let mut behind = ten();
    assert_eq!(broken_in(&mut behind, &all(9), &[changes(9, &[(9, 0)])]), None);
    assert!(behind.owed(&nodes).is_some_and(|owed| owed.contains("was not told")));
    let mut silent = ten();
    assert_eq!(broken_in(&mut silent, &all(0), &[]), None);
    assert!(silent.owed(&nodes).is_some_and(|owed| owed.contains("has come to")));
    assert_eq!(silent.owed(&BTreeSet::from([NodeId(2)])), None);
    silent.on_node_gone(NODE);
    assert_eq!(silent.owed(&nodes), None);
}
