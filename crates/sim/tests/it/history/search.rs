//! Known histories, and random ones against a search that tries every order.

use quorate_consensus::Seed;
use quorate_sim::check::history::observed::{Action, NEVER, Nanos, Value};
use quorate_sim::check::history::search::{self, Action as _, Verdict};
use quorate_sim::{Draws, Site};

type Event = search::Event<Action>;

const STEPS_MAX: usize = 20_000_000;

fn search(events: &[Event]) -> Verdict {
    search::search(None, events, STEPS_MAX)
}

/// Random numbers, one after another.
struct Random {
    draws: Draws,
    drawn: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { draws: Draws::new(Seed(seed)), drawn: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        const SITE: Site = Site::new("test/search");
        self.drawn += 1;
        self.draws.below(SITE, [self.drawn], bound)
    }
}

fn event(invoked: Nanos, returned: Nanos, action: Action) -> Event {
    let returned = (returned != NEVER).then_some(returned);
    Event { invoked, returned, action }
}

fn write(value: u64) -> Action {
    Action::Write(Value(value))
}

fn read(value: u64) -> Action {
    Action::Read(Some(Value(value)))
}

#[test]
fn a_read_sees_the_write_before_it() {
    assert_eq!(search(&[]), Verdict::Linearizable);
    let good = [event(0, 1, write(1)), event(2, 3, read(1))];
    assert_eq!(search(&good), Verdict::Linearizable);
    let stale = [event(0, 1, write(1)), event(2, 3, Action::Read(None))];
    assert_eq!(search(&stale), Verdict::Impossible);
}

#[test]
fn overlapping_events_come_in_either_order() {
    let old = [event(0, 9, write(1)), event(1, 2, Action::Read(None)), event(3, 4, read(1))];
    assert_eq!(search(&old), Verdict::Linearizable);
    // Once the write was seen it stays seen.
    let back = [event(0, 9, write(1)), event(1, 2, read(1)), event(3, 4, Action::Read(None))];
    assert_eq!(search(&back), Verdict::Impossible);
}

#[test]
fn readers_agree_on_the_order_of_writes() {
    let agree = [
        event(0, 9, write(1)),
        event(0, 9, write(2)),
        event(1, 2, read(2)),
        event(3, 4, read(1)),
        event(3, 5, read(1)),
    ];
    assert_eq!(search(&agree), Verdict::Linearizable);
    let mut disagree = agree.to_vec();
    disagree.push(event(6, 7, read(2)));
    assert_eq!(search(&disagree), Verdict::Impossible);
}

#[test]
fn what_never_returned_may_happen_late_or_never() {
    let late = [
        event(0, NEVER, write(1)),
        event(1, 2, write(2)),
        event(3, 4, read(2)),
        event(5, 6, read(1)),
    ];
    assert_eq!(search(&late), Verdict::Linearizable);
    assert_eq!(search(&late[..3]), Verdict::Linearizable);
    let early = [event(0, 1, read(1)), event(2, NEVER, write(1))];
    assert_eq!(search(&early), Verdict::Impossible);
}

#[test]
fn one_of_two_swaps_of_the_same_value_fails() {
    let swap = |value| Action::Swap(Some(Value(1)), Value(value));
    let both = [event(0, 1, write(1)), event(2, 9, swap(2)), event(3, 8, swap(3))];
    assert_eq!(search(&both), Verdict::Impossible);
    let kept = Action::Keep(Some(Value(1)), Some(Value(2)));
    let one = [event(0, 1, write(1)), event(2, 9, swap(2)), event(3, 8, kept)];
    assert_eq!(search(&one), Verdict::Linearizable);
    let lies = Action::Keep(Some(Value(1)), Some(Value(1)));
    assert_eq!(search(&[event(0, 1, write(1)), event(2, 9, lies)]), Verdict::Impossible);
    let open = Action::SwapOrKeep(Some(Value(1)), Value(3));
    let late = [event(0, 1, write(1)), event(2, 9, swap(2)), event(3, NEVER, open)];
    assert_eq!(search(&late), Verdict::Linearizable);
    let mut seen = late.to_vec();
    seen.push(event(10, 11, read(3)));
    assert_eq!(search(&seen), Verdict::Impossible, "no order lets both swaps of 1 succeed");
}

/// Tries every order that respects time.
fn brute_force(left: &mut Vec<Event>, state: Option<Value>) -> bool {
    if left.iter().all(|event| event.returned.is_none()) {
        return true;
    }
    let first_return = left.iter().filter_map(|event| event.returned).min().expect("some return");
    (0..left.len()).any(|place| {
        let event = left[place].clone();
        if first_return < event.invoked {
            return false;
        }
        let Some(after) = event.action.step(&state) else { return false };
        left.swap_remove(place);
        let is_possible = brute_force(left, after);
        left.push(event);
        let last = left.len() - 1;
        left.swap(place, last);
        is_possible
    })
}

fn random_event(random: &mut Random) -> Event {
    let invoked = random.below(20);
    let returned = if random.below(6) == 0 { NEVER } else { invoked + 1 + random.below(12) };
    let value = |random: &mut Random| Value(random.below(3));
    let known = |random: &mut Random| (random.below(3) != 0).then(|| Value(random.below(3)));
    let action = match random.below(5) {
        0 | 1 => Action::Write(value(random)),
        2 => Action::Swap(known(random), value(random)),
        3 => Action::Keep(known(random), known(random)),
        _ => Action::Read(known(random)),
    };
    event(invoked, returned, action)
}

#[test]
fn random_histories_are_judged_as_by_trying_every_order() {
    let mut random = Random::new(7);
    let mut possible = 0;
    for round in 0..4_000 {
        let length = 1 + random.below(7);
        let events: Vec<Event> = (0..length).map(|_| random_event(&mut random)).collect();
        let expected = brute_force(&mut events.clone(), None);
        let found = search(&events);
        assert_eq!(found == Verdict::Linearizable, expected, "round {round}: {events:?}");
        assert_ne!(found, Verdict::Undecided);
        possible += usize::from(expected);
    }
    assert!((400..3_600).contains(&possible), "{possible} of 4000 histories were possible");
}

/// A register that really is one, used by eight clients at once.
fn honest_history(length: usize) -> Vec<Event> {
    let mut random = Random::new(11);
    let mut free_at = [0_u64; 8];
    let mut timed: Vec<(Nanos, usize, Nanos, Nanos)> = Vec::new();
    for _ in 0..length {
        let client = random.below(8) as usize;
        let invoked = free_at[client] + random.below(5);
        let returned = invoked + 1 + random.below(30);
        let happens = invoked + random.below(returned - invoked);
        free_at[client] = returned + 1;
        timed.push((happens, timed.len(), invoked, returned));
    }
    timed.sort_unstable();
    let mut state = None;
    let mut events = Vec::new();
    for (_, unique, invoked, returned) in timed {
        let action = match random.below(3) {
            0 => Action::Write(Value(unique as u64)),
            1 => Action::Swap(state, Value(unique as u64)),
            _ => Action::Read(state),
        };
        state = action.step(&state).expect("it is honest");
        events.push(event(invoked, returned, action));
    }
    events
}

#[test]
fn four_hundred_operations_of_eight_clients_are_decided() {
    let mut events = honest_history(400);
    assert_eq!(search(&events), Verdict::Linearizable);
    let reads = |event: &&mut Event| matches!(event.action, Action::Read(Some(_)));
    let late = events.iter_mut().filter(reads).nth(60).expect("there are many reads");
    late.action = Action::Read(None);
    assert_eq!(search(&events), Verdict::Impossible);
}
