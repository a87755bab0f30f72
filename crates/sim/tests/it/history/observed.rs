//! One good history of a real cluster, and each way to spoil it.

use quorate_sim::check::history::Guarantee;
use quorate_sim::check::history::observed::{
    Call, Consistency, NEVER, Nanos, Operation, Outcome, Record, Tally, Truth, Value, Wrong, check,
    lost,
};

fn record(key: &str, value: u64, create_revision: i64, mod_revision: i64, version: i64) -> Record {
    let (key, value) = (key.to_owned(), Value(value));
    Record { key, value, create_revision, mod_revision, version }
}

fn put(value: u64) -> Call {
    Call::Put { key: "a".to_owned(), value: Value(value) }
}

fn read(consistency: Consistency) -> Call {
    Call::Read { prefix: String::new(), consistency }
}

fn operation(invoked: Nanos, returned: Nanos, call: Call, outcome: Outcome) -> Operation {
    Operation { client: 0, invoked, returned, call, outcome }
}

/// a=1 at 2, a=2 at 3 (never answered), a=3 by a swap at 4, b and c together at 5.
fn good() -> (Vec<Operation>, Truth) {
    let swap = |expected, value| Call::Swap {
        key: "a".to_owned(),
        expected: Some(Value(expected)),
        value: Value(value),
    };
    let keys = ["b".to_owned(), "c".to_owned()];
    let a3 = record("a", 3, 2, 4, 3);
    let (b, c) = (record("b", 6, 5, 5, 1), record("c", 6, 5, 5, 1));
    let seen = vec![a3.clone(), b.clone(), c.clone()];
    let history = vec![
        operation(10, 20, put(1), Outcome::Wrote { revision: 2 }),
        operation(21, NEVER, put(2), Outcome::Unknown),
        operation(22, 60, swap(2, 3), Outcome::Wrote { revision: 4 }),
        operation(61, 70, swap(2, 4), Outcome::Kept { revision: 4, seen: Some(a3.clone()) }),
        operation(61, 70, put(5), Outcome::Refused),
        operation(71, 80, Call::PutBoth { keys, value: Value(6) }, Outcome::Wrote { revision: 5 }),
        operation(81, 90, read(Consistency::Linearizable), Outcome::Read { revision: 5, seen }),
        operation(
            81,
            90,
            read(Consistency::Serializable),
            Outcome::Read { revision: 2, seen: vec![record("a", 1, 2, 2, 1)] },
        ),
        operation(81, NEVER, put(7), Outcome::Unknown),
    ];
    let truth = Truth::from([
        (2, vec![record("a", 1, 2, 2, 1)]),
        (3, vec![record("a", 2, 2, 3, 2)]),
        (4, vec![a3]),
        (5, vec![b, c]),
    ]);
    (history, truth)
}

fn wrong(spoil: impl FnOnce(&mut Vec<Operation>, &mut Truth)) -> Wrong {
    let (mut history, mut truth) = good();
    spoil(&mut history, &mut truth);
    check(&history, &truth).expect_err("it was spoiled")
}

#[track_caller]
fn assert_broken(guarantee: Guarantee, spoil: impl FnOnce(&mut Vec<Operation>, &mut Truth)) {
    match wrong(spoil) {
        Wrong::Promise(violation) => assert_eq!(violation.guarantee, guarantee, "{violation}"),
        truth @ Wrong::Truth(_) => panic!("{truth}"),
    }
}

#[track_caller]
fn assert_unmade(revision: i64, spoil: impl FnOnce(&mut Vec<Operation>, &mut Truth)) {
    match wrong(spoil) {
        Wrong::Truth(unmade) => assert_eq!(unmade.revision, revision, "{unmade:?}"),
        promise @ Wrong::Promise(_) => panic!("{promise}"),
    }
}

#[test]
fn a_good_history_passes_and_is_counted() {
    let (history, truth) = good();
    let expected = Tally {
        acknowledged: 3,
        unknown_happened: 1,
        unknown_never: 1,
        linearizable_reads: 2,
        serializable_reads: 1,
    };
    assert_eq!(check(&history, &truth), Ok(expected));
    assert_eq!(lost(&history, &truth), Vec::<&Operation>::new());
}

#[test]
fn a_lost_write_is_noticed() {
    let (history, mut truth) = good();
    truth.remove(&5);
    assert_eq!(lost(&history, &truth), [&history[5]]);
    assert_broken(Guarantee::AcknowledgedIsCommitted, |_, truth| {
        truth.remove(&5);
    });
    // Half of a transaction is a loss as well.
    let (history, mut truth) = good();
    truth.get_mut(&5).expect("it is there").pop();
    assert_eq!(lost(&history, &truth), [&history[5]]);
    assert_unmade(5, |_, truth| {
        truth.get_mut(&5).expect("it is there").pop();
    });
}

#[test]
fn a_write_at_another_revision_is_noticed() {
    assert_broken(Guarantee::AnswersAreTrue, |history, _| {
        history[0].outcome = Outcome::Wrote { revision: 3 };
    });
}

#[test]
fn a_write_that_nobody_asked_for_is_noticed() {
    assert_unmade(6, |_, truth| {
        truth.insert(6, vec![record("d", 99, 6, 6, 1)]);
    });
}

#[test]
fn a_write_done_twice_is_noticed() {
    assert_broken(Guarantee::CommittedAsAsked, |_, truth| {
        truth.insert(6, vec![record("b", 6, 5, 6, 2), record("c", 6, 5, 6, 2)]);
    });
}

#[test]
fn a_refused_write_that_happened_is_noticed() {
    assert_broken(Guarantee::RefusedMeansNever, |_, truth| {
        let [b, c] = ["b", "c"].map(|key| record(key, 6, 6, 6, 1));
        truth.insert(5, vec![record("a", 5, 2, 5, 4)]);
        truth.insert(6, vec![b, c]);
    });
}

#[test]
fn a_missing_revision_is_noticed() {
    assert_unmade(4, |_, truth| {
        truth.remove(&3);
    });
}

#[test]
fn a_wrong_count_is_noticed() {
    assert_unmade(4, |_, truth| {
        truth.get_mut(&4).expect("it is there")[0].version = 2;
    });
}

#[test]
fn a_swap_without_its_condition_is_noticed() {
    assert_unmade(4, |history, _| {
        let Call::Swap { expected, .. } = &mut history[2].call else { return };
        *expected = Some(Value(1));
    });
}

#[test]
fn a_swap_that_should_have_been_made_is_noticed() {
    assert_broken(Guarantee::AnswersAreTrue, |history, _| {
        let Call::Swap { expected, .. } = &mut history[3].call else { return };
        *expected = Some(Value(3));
    });
}

#[test]
fn a_stale_read_is_noticed_and_an_old_serializable_one_is_not() {
    assert_broken(Guarantee::ReadsAreFresh, |history, _| {
        history[6].outcome = history[7].outcome.clone();
    });
}

#[test]
fn a_read_of_another_state_is_noticed() {
    assert_broken(Guarantee::AnswersAreTrue, |history, _| {
        let Outcome::Read { seen, .. } = &mut history[6].outcome else { return };
        seen.pop();
    });
}

#[test]
fn a_write_ordered_before_an_answer_it_followed_is_noticed() {
    // The second write was asked for after the third had been acknowledged behind it.
    assert_broken(Guarantee::AcknowledgedIsCommitted, |history, _| history[1].invoked = 65);
}

#[test]
fn a_read_of_what_was_not_asked_for_yet_is_noticed() {
    assert_broken(Guarantee::NothingIsForetold, |history, _| {
        history[7].invoked = 1;
        history[7].returned = 9;
    });
}
