//! What reads hold: of one turn, and of all ranges under way.

use std::sync::Arc;

use bytes::Bytes;
use quorate_kv::{Command, Config, Context, LogPosition, MemoryMap, PutRequest};

use super::*;
use crate::rules::Strict;

const VALUE_BYTES: usize = 4096;

/// A store of so many keys, each with a value of 4 KiB.
fn store(keys: u64) -> Store<quorate_kv::Strict> {
    let map = Arc::new(MemoryMap::new());
    let mut store = Store::open(map, Config::default(), quorate_kv::Strict).expect("it is fresh");
    for index in 1..=keys {
        let (key, value) = (key(index), Bytes::from(vec![7; VALUE_BYTES]));
        let put = Command::Put(PutRequest { key, value, ..PutRequest::default() });
        let position = LogPosition { index, round: 1, node: 1 };
        let context = Context { position, time: ClusterTime(index) };
        store.apply(context, &put).expect("memory is sound").expect("it is taken");
    }
    store
}

fn key(number: u64) -> Bytes {
    format!("k{number:04}").into()
}

fn admit(reading: &mut Reading, ticket: u64, range: RangeRequest) {
    let deadline = Instant::from_micros(100);
    reading.admit(Ticket(ticket), ReadRequest::Range(range), Index(1), deadline);
}

fn serve(reading: &mut Reading, store: &mut Store<quorate_kv::Strict>) -> Vec<(Ticket, Answer)> {
    let (now, cluster) = (Instant::from_micros(1), ClusterTime(1));
    let moment = Moment { now, cluster, applied: Index(1), renewed: &BTreeMap::new() };
    reading.serve(moment, store, 10, &Strict).expect("memory is sound")
}

fn all() -> RangeRequest {
    RangeRequest { key: "k".into(), range_end: "l".into(), ..RangeRequest::default() }
}

#[test]
fn a_turn_answers_so_much_and_the_next_one_goes_on() {
    let mut store = store(20);
    let bounds = Bounds { turn_bytes: 5 * VALUE_BYTES, ..Bounds::default() };
    let mut reading = Reading { bounds, ..Reading::default() };
    for number in 1..=20 {
        admit(&mut reading, number, RangeRequest { key: key(number), ..RangeRequest::default() });
    }
    let mut answered = 0;
    while reading.has_ready(Index(1)) {
        let answers = serve(&mut reading, &mut store);
        assert!((1..=5).contains(&answers.len()), "{}", answers.len());
        assert!(answers.iter().all(|(_, answer)| VALUE_BYTES < answer.bytes()));
        answered += answers.len();
    }
    assert_eq!(answered, 20);
}

#[test]
fn ranges_that_find_too_much_together_are_refused_until_the_others_have_room() {
    let mut store = store(40);
    let bounds = Bounds { found_bytes_max: 100 * VALUE_BYTES, ..Bounds::default() };
    let mut reading = Reading { bounds, ..Reading::default() };
    (0..10).for_each(|ticket| admit(&mut reading, ticket, all()));
    let mut answers = Vec::new();
    while reading.has_slices() || reading.has_ready(Index(1)) {
        answers.extend(serve(&mut reading, &mut store));
        let held: usize = reading.slices.iter().map(|(_, slice)| slice.bytes()).sum();
        assert_eq!(reading.found, held);
        assert!(held <= 100 * VALUE_BYTES, "{held}");
    }
    let refused = |(_, answer): &&(Ticket, Answer)| *answer == Answer::Overloaded;
    let refused = answers.iter().filter(refused).count();
    assert_eq!(answers.len(), 10);
    assert!((1..=8).contains(&refused), "{refused} of 10 were refused");
    admit(&mut reading, 10, all());
    let mut last = Vec::new();
    while last.is_empty() {
        last = serve(&mut reading, &mut store);
    }
    assert!(40 * VALUE_BYTES < last[0].1.bytes(), "what was refused holds nothing any more");
}

#[test]
fn a_range_of_more_than_there_is_room_for_is_refused_alone() {
    let mut store = store(40);
    let bounds = Bounds { found_bytes_max: 20 * VALUE_BYTES, ..Bounds::default() };
    let mut reading = Reading { bounds, ..Reading::default() };
    admit(&mut reading, 1, all());
    let mut answers = Vec::new();
    while answers.is_empty() {
        answers = serve(&mut reading, &mut store);
    }
    assert_eq!(answers, [(Ticket(1), Answer::Overloaded)]);
    assert!(!reading.has_slices());
}
