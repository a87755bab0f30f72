//! The second opinion on a few keys: their operations, cut into windows that are searched.
//!
//! A window ends at the newest state that any answer has shown. What the key holds there is known
//! from the log, and so is which of the commands still under way have happened by then; the next
//! window begins with that value and those that have not. Reads under way belong to neither.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_kv::Command;
use quorate_replica::{ReadRequest, Ticket};

use super::project::{self, OnKey, Value};
use super::search::{Event, Verdict, search};
use super::truth::Place;

/// Operations after which a window ends.
const EVENTS_ENOUGH: usize = 32;

/// Most operations of unknown outcome in a window, since each may be anywhere in it.
const UNKNOWN_MAX: usize = 8;

/// Steps after which a search is given up.
const STEPS_MAX: usize = 50_000;

/// What was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Windows for which an order was found.
    pub windows: u64,
    /// Answered operations in them.
    pub operations: u64,
    /// Windows with too much in them that is not known, or that took too many steps.
    pub undecided: u64,
}

/// The keys that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Windows {
    keys: BTreeMap<Bytes, Window>,
    /// Counts calls and returns, and so is their clock.
    now: u64,
    searched: Searched,
}

#[derive(Clone, Debug, Default)]
struct Window {
    start: Value,
    answered: Vec<Event<OnKey>>,
    open: BTreeMap<Ticket, Work>,
    /// Commands that ended without an answer.
    unknown: Vec<Work>,
}

/// Something under way that concerns the key.
#[derive(Clone, Debug)]
struct Work {
    invoked: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Read,
    Command { bytes: Bytes, effects: Vec<OnKey>, happened: Option<Place> },
}

/// No order of the operations on this key explains their answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Impossible {
    pub(super) evidence: String,
}

impl Windows {
    pub(super) fn new(keys: impl IntoIterator<Item = Bytes>) -> Self {
        let keys = keys.into_iter().map(|key| (key, Window::default())).collect();
        Self { keys, now: 0, searched: Searched::default() }
    }

    pub(super) fn searched(&self) -> Searched {
        self.searched
    }

    pub(super) fn on_read(&mut self, ticket: Ticket, request: &ReadRequest) {
        self.now += 1;
        for (key, window) in &mut self.keys {
            if project::may_see(key, request) {
                window.open.insert(ticket, Work { invoked: self.now, what: What::Read });
            }
        }
    }

    pub(super) fn on_command(&mut self, ticket: Ticket, bytes: &Bytes, command: &Command) {
        self.now += 1;
        for (key, window) in &mut self.keys {
            if project::may_touch(key, command) {
                let effects = project::possible(key, command);
                let what = What::Command { bytes: bytes.clone(), effects, happened: None };
                window.open.insert(ticket, Work { invoked: self.now, what });
            }
        }
    }

    pub(super) fn on_commit(&mut self, committed: &Bytes, place: Place) {
        for window in self.keys.values_mut() {
            for work in window.open.values_mut().chain(&mut window.unknown) {
                if let What::Command { bytes, happened, .. } = &mut work.what
                    && bytes == committed
                {
                    happened.get_or_insert(place);
                }
            }
        }
    }

    /// An operation was answered; `on_key` says what that means for a key.
    pub(super) fn on_answer(&mut self, ticket: Ticket, on_key: impl Fn(&[u8]) -> Option<OnKey>) {
        self.now += 1;
        for (key, window) in &mut self.keys {
            let Some(Work { invoked, .. }) = window.open.remove(&ticket) else { continue };
            if let Some(action) = on_key(key) {
                window.answered.push(Event { invoked, returned: Some(self.now), action });
            }
        }
    }

    /// An operation ended that did nothing, or nothing that concerns anybody.
    pub(super) fn on_nothing(&mut self, ticket: Ticket) {
        for window in self.keys.values_mut() {
            window.open.remove(&ticket);
        }
    }

    /// A command ended, and may have happened or happen yet.
    pub(super) fn on_unknown(&mut self, ticket: Ticket) {
        for window in self.keys.values_mut() {
            window.unknown.extend(window.open.remove(&ticket));
        }
    }

    /// Searches the windows that are long enough, or all. `shown` is the newest state that an
    /// answer has shown, and `value` what a key holds there.
    pub(super) fn cut(
        &mut self,
        extent: Extent,
        shown: Place,
        value: impl Fn(&[u8]) -> Value,
    ) -> Result<(), Impossible> {
        for (key, window) in &mut self.keys {
            if extent == Extent::All || EVENTS_ENOUGH <= window.answered.len() {
                window.search(key, &mut self.searched)?;
                window.begin(shown, value(key));
            }
        }
        Ok(())
    }
}

/// Which windows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those with enough operations.
    Long,
    /// All.
    All,
}

impl Window {
    fn search(&self, key: &Bytes, searched: &mut Searched) -> Result<(), Impossible> {
        let under_way = self.open.values().chain(&self.unknown).flat_map(Work::events);
        let mut events: Vec<Event<OnKey>> = under_way.collect();
        if UNKNOWN_MAX < events.len() {
            searched.undecided += 1;
            return Ok(());
        }
        events.extend(self.answered.iter().cloned());
        match search(self.start.clone(), &events, STEPS_MAX) {
            Verdict::Linearizable => {
                searched.windows += 1;
                searched.operations += self.answered.len() as u64;
                Ok(())
            }
            Verdict::Undecided => {
                searched.undecided += 1;
                Ok(())
            }
            Verdict::Impossible => {
                let evidence = format!("{key:?} from {:?} by {events:?}", self.start);
                Err(Impossible { evidence })
            }
        }
    }

    fn begin(&mut self, shown: Place, start: Value) {
        self.start = start;
        self.answered.clear();
        self.open.retain(|_, work| work.is_to_come(shown));
        self.unknown.retain(|work| work.is_to_come(shown));
    }
}

impl Work {
    /// What it may turn out to have been. What is not committed was not seen by anybody.
    fn events(&self) -> impl Iterator<Item = Event<OnKey>> + '_ {
        let effects = match &self.what {
            What::Command { effects, happened: Some(_), .. } => effects,
            What::Command { .. } | What::Read => &[][..],
        };
        let invoked = self.invoked;
        effects.iter().cloned().map(move |action| Event { invoked, returned: None, action })
    }

    /// Whether it is a command that has not happened by then.
    fn is_to_come(&self, shown: Place) -> bool {
        match &self.what {
            What::Read => false,
            What::Command { happened, .. } => happened.is_none_or(|at| shown < at),
        }
    }
}
