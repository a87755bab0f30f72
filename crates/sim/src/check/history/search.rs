//! Whether operations on one object could have happened one after another: the search of Wing and
//! Gong (1993) with the memory of Lowe (2017), over a linked list of calls and returns.
//!
//! It knows nothing of revisions or of a log, and so is a second opinion.

use std::collections::BTreeSet;

/// An operation with its answer, on an object in some state.
pub trait Action {
    /// The object's state.
    type State: Clone + Ord;

    /// The state afterwards; none if the answer cannot have been given in this state.
    fn step(&self, state: &Self::State) -> Option<Self::State>;
}

/// An action with the time it took, in whatever unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<A> {
    /// When it began.
    pub invoked: u64,
    /// When it ended; none if that is not known: then it may have happened at any time since, or
    /// not at all.
    pub returned: Option<u64>,
    /// What it was.
    pub action: A,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none.
    Impossible,
    /// The search was given up after as many steps as it had.
    Undecided,
}

/// Searches for an order of events that explains every answer, from this state on, in at most
/// `steps_max` steps.
pub fn search<A: Action>(start: A::State, events: &[Event<A>], steps_max: usize) -> Verdict {
    Search::new(events).run(start, steps_max)
}

/// A call or a return in the list of those not yet explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The list's head, which is neither.
    Head,
    Call(usize),
    Return,
}

struct Search<'a, A> {
    events: &'a [Event<A>],
    /// In order of time, behind the head.
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

/// Where the list begins and ends.
const HEAD: usize = 0;

impl<'a, A: Action> Search<'a, A> {
    fn new(events: &'a [Event<A>]) -> Self {
        // At one instant calls come first: those two events then overlap, and are in either order.
        let mut timed: Vec<(u64, bool, usize)> = Vec::new();
        for (event, Event { invoked, returned, .. }) in events.iter().enumerate() {
            timed.push((*invoked, false, event));
            timed.extend(returned.map(|returned| (returned, true, event)));
        }
        timed.sort_unstable();
        let mut points = vec![Point::Head];
        let mut return_place = vec![None; events.len()];
        for (_, is_return, event) in timed {
            if is_return {
                return_place[event] = Some(points.len());
            }
            points.push(if is_return { Point::Return } else { Point::Call(event) });
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

    fn run(mut self, start: A::State, steps_max: usize) -> Verdict {
        let mut seen: BTreeSet<(Vec<u64>, A::State)> = BTreeSet::new();
        let mut taken: Vec<(usize, usize, A::State)> = Vec::new();
        let mut state = start;
        let mut place = self.next[HEAD];
        for _ in 0..steps_max {
            if self.returns_left == 0 {
                return Verdict::Linearizable;
            }
            if let Point::Call(event) = self.points[place] {
                match self.advance(event, &state, &mut seen) {
                    Some(after) => {
                        taken.push((place, event, core::mem::replace(&mut state, after)));
                        self.lift(place, event);
                        place = self.next[HEAD];
                    }
                    None => place = self.next[place],
                }
                continue;
            }
            // An event returns here that nothing before explains: the last choice was wrong.
            let Some((wrong, event, before)) = taken.pop() else { return Verdict::Impossible };
            state = before;
            self.flip(event);
            self.unlift(wrong, event);
            place = self.next[wrong];
        }
        Verdict::Undecided
    }

    /// The state after the event, if it can come next and that was not tried before.
    fn advance(
        &mut self,
        event: usize,
        state: &A::State,
        seen: &mut BTreeSet<(Vec<u64>, A::State)>,
    ) -> Option<A::State> {
        let after = self.events[event].action.step(state)?;
        self.flip(event);
        if seen.insert((self.explained.clone(), after.clone())) {
            return Some(after);
        }
        self.flip(event);
        None
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
