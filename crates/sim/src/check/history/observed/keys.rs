//! What a history says about one key, for the search.

use super::super::search::{self, Event};
use super::{Call, NEVER, Operation, Outcome, Value};

/// An operation on a key, which holds a value or does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
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

impl search::Action for Action {
    type State = Option<Value>;

    fn step(&self, state: &Option<Value>) -> Option<Option<Value>> {
        let state = *state;
        match *self {
            Self::Write(value) => Some(Some(value)),
            Self::Swap(expected, value) => (state == expected).then_some(Some(value)),
            Self::Keep(expected, seen) => (state == seen && state != expected).then_some(state),
            Self::SwapOrKeep(expected, value) if state == expected => Some(Some(value)),
            Self::SwapOrKeep(..) => Some(state),
            Self::Read(seen) => (state == seen).then_some(state),
        }
    }
}

/// The events of one key in a history, whose unknown writes are resolved by `has_happened`.
///
/// A transaction on two keys counts as a write of each: what is linearizable as a whole is so for
/// each key alone. Serializable reads, which may be old, do not count.
pub fn events_of_key(
    history: &[Operation],
    key: &str,
    has_happened: impl Fn(Value) -> bool,
) -> Vec<Event<Action>> {
    let mut events = Vec::new();
    for operation in history.iter().filter(|operation| operation.is_linearizable()) {
        if let Some(action) = action_on(operation, key, &has_happened) {
            let Operation { invoked, returned, .. } = *operation;
            let returned = (returned != NEVER).then_some(returned);
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
