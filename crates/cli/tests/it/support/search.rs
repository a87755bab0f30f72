//! Whether the operations on one key could have happened one after another: the search of Wing and
//! Gong (1993) with the memory of Lowe (2017), over a linked list of calls and returns.
//!
//! It knows nothing of revisions, and so is a second opinion on [`super::revisions`].

use std::collections::HashSet;

use super::history::{Call, NEVER, Nanos, Operation, Outcome, Value};

/// How many steps a search may take before it gives up.
const STEPS_MAX: usize = 20_000_000;

/// An operation on the key, which holds a value or does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It gets this value.
    Write(Value),
    /// It gets the new value if it has the expected one.
    Swap(Option<Value>, Value),
    /// The same, and the answer was that it had this one instead.
    Keep(Option<Value>, Option<Value>),
    /// The same, and the answer never came.
    SwapOrKeep(Option<Value>, Value),
    /// It was read, and this was seen.
    Read(Option<Value>),
}

impl Action {
    /// Whether the action explains its answer in this state of the key.
    fn is_possible(self, state: Option<Value>) -> bool {
        match self {
            Self::Write(_) | Self::SwapOrKeep(..) => true,
            Self::Swap(expected, _) => state == expected,
            Self::Keep(expected, seen) => state == seen && state != expected,
            Self::Read(seen) => state == seen,
        }
    }

    /// The key afterwards.
    fn apply(self, state: Option<Value>) -> Option<Value> {
        match self {
            Self::Write(value) | Self::Swap(_, value) => Some(value),
            Self::SwapOrKeep(expected, value) if state == expected => Some(value),
            Self::SwapOrKeep(..) | Self::Keep(..) | Self::Read(_) => state,
        }
    }
}

/// An action with the time it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// When it began.
    pub(crate) invoked: Nanos,
    /// When it ended, or [`NEVER`]: then it may have happened at any time since, or not at all.
    pub(crate) returned: Nanos,
    /// What it was.
    pub(crate) action: Action,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none.
    Impossible,
    /// The search was given up.
    Undecided,
}

/// The events of one key in a history, whose unknown writes are resolved by `has_happened`.
///
/// A transaction on two keys counts as a write of each: what is linearizable as a whole is so for
/// each key alone. Serializable reads, which may be old, do not count.
pub(crate) fn events_of_key(
    history: &[Operation],
    key: &str,
    has_happened: impl Fn(Value) -> bool,
) -> Vec<Event> {
    let mut events = Vec::new();
    for operation in history.iter().filter(|operation| operation.is_linearizable()) {
        if let Some(action) = action_on(operation, key, &has_happened) {
            let Operation { invoked, returned, .. } = *operation;
            events.push(Event { invoked, returned, action });
        }
    }
    events
}

fn action_on(
    operation: &Operation,
    key: &str,
    has_happened: impl Fn(Value) -> bool,
) -> Option<Action> {
    match (&operation.call, &operation.outcome) {
        (Call::Read { prefix, .. }, Outcome::Read { seen, .. }) => {
            let is_covered = key.starts_with(prefix);
            let value = seen.iter().find(|record| record.key == key).map(|record| record.value);
            is_covered.then_some(Action::Read(value))
        }
        (Call::Swap { key: swapped, expected, .. }, Outcome::Kept { seen, .. }) => {
            let value = seen.as_ref().map(|record| record.value);
            (swapped == key).then_some(Action::Keep(*expected, value))
        }
        (call, outcome @ (Outcome::Wrote { .. } | Outcome::Unknown)) => {
            let (_, value) = call.writes().into_iter().find(|(written, _)| *written == key)?;
            let is_known = *outcome != Outcome::Unknown;
            match call {
                Call::Swap { expected, .. } if is_known => Some(Action::Swap(*expected, value)),
                Call::Swap { expected, .. } if has_happened(value) => {
                    Some(Action::SwapOrKeep(*expected, value))
                }
                _ if is_known || has_happened(value) => Some(Action::Write(value)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Searches for an order of events that explains every answer, starting without the key.
pub(crate) fn search(events: &[Event]) -> Verdict {
    Search::new(events).run()
}

/// A call or a return in the list of those not yet explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Call(usize),
    Return(usize),
}

struct Search<'a> {
    events: &'a [Event],
    /// In order of time; place 0 is the list's head and stands for no point.
    points: Vec<Point>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Where the return of each event is, if it has one.
    return_place: Vec<Option<usize>>,
    /// Which events are explained so far.
    explained: Vec<u64>,
    /// Returns still in the list.
    returns_left: usize,
}

/// The end of the list, and its head seen from behind.
const HEAD: usize = 0;

impl<'a> Search<'a> {
    fn new(events: &'a [Event]) -> Self {
        let mut timed: Vec<(Nanos, bool, Point)> = Vec::new();
        for (event, Event { invoked, returned, .. }) in events.iter().enumerate() {
            timed.push((*invoked, false, Point::Call(event)));
            if *returned != NEVER {
                timed.push((*returned, true, Point::Return(event)));
            }
        }
        // At one instant calls come first: those two events then overlap, and are in either order.
        timed.sort_by_key(|(time, is_return, _)| (*time, *is_return));
        let mut points = vec![Point::Call(usize::MAX)];
        points.extend(timed.into_iter().map(|(_, _, point)| point));
        let mut return_place = vec![None; events.len()];
        for (place, point) in points.iter().enumerate() {
            if let Point::Return(event) = point {
                return_place[*event] = Some(place);
            }
        }
        let length = points.len();
        Self {
            events,
            next: (0..length).map(|place| (place + 1) % length).collect(),
            previous: (0..length).map(|place| (place + length - 1) % length).collect(),
            points,
            returns_left: return_place.iter().flatten().count(),
            return_place,
            explained: vec![0; events.len().div_ceil(64)],
        }
    }

    fn run(mut self) -> Verdict {
        let mut seen: HashSet<(Vec<u64>, Option<Value>)> = HashSet::new();
        let mut taken: Vec<(usize, Option<Value>)> = Vec::new();
        let mut state = None;
        let mut place = self.next[HEAD];
        for _ in 0..STEPS_MAX {
            if self.returns_left == 0 {
                return Verdict::Linearizable;
            }
            if let Point::Call(event) = self.points[place]
                && place != HEAD
            {
                let action = self.events[event].action;
                let after = action.apply(state);
                self.flip(event);
                if action.is_possible(state) && seen.insert((self.explained.clone(), after)) {
                    taken.push((place, state));
                    state = after;
                    self.lift(place, event);
                    place = self.next[HEAD];
                } else {
                    self.flip(event);
                    place = self.next[place];
                }
                continue;
            }
            // An event returns here that nothing before explains: the last choice was wrong.
            let Some((wrong, before)) = taken.pop() else { return Verdict::Impossible };
            let Point::Call(event) = self.points[wrong] else { unreachable!("calls are taken") };
            state = before;
            self.flip(event);
            self.unlift(wrong, event);
            place = self.next[wrong];
        }
        Verdict::Undecided
    }

    fn flip(&mut self, event: usize) {
        self.explained[event / 64] ^= 1 << (event % 64);
    }

    /// Takes an event's call and return out of the list.
    fn lift(&mut self, call: usize, event: usize) {
        self.unlink(call);
        if let Some(place) = self.return_place[event] {
            self.unlink(place);
            self.returns_left -= 1;
        }
    }

    /// Puts them back, in the opposite order.
    fn unlift(&mut self, call: usize, event: usize) {
        if let Some(place) = self.return_place[event] {
            self.link(place);
            self.returns_left += 1;
        }
        self.link(call);
    }

    fn unlink(&mut self, place: usize) {
        self.next[self.previous[place]] = self.next[place];
        self.previous[self.next[place]] = self.previous[place];
    }

    fn link(&mut self, place: usize) {
        self.next[self.previous[place]] = place;
        self.previous[self.next[place]] = place;
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
