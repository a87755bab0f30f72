//! A tale: what was told of one run, in order, before it is put into words of either language.

use core::fmt::Debug;

use quorate_consensus::{Instant, NodeId};

use super::phrase::Phrase;
use super::text::Text;

/// What one run of a story told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tale {
    items: Vec<Item>,
    checks: Vec<Check>,
}

/// One part of a tale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The narrator says what comes next.
    Step(Phrase),
    /// Something happened.
    Event(Event),
    /// The narrator adds a remark: where the tutorials are imprecise, or what to look at.
    Note(Phrase),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, since the world began; a story without a clock has none.
    pub at: Option<Instant>,
    /// The nodes it is about; none when it is about all.
    pub subjects: Vec<NodeId>,
    /// What.
    pub what: Phrase,
    /// The receivers of a message, which stand in the place `to` of the phrase.
    pub receivers: Vec<NodeId>,
    /// The reason code, as in the engine's trace.
    pub reason: Option<String>,
}

/// Something that must hold at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub claim: Phrase,
    /// Whether it did, and what was found instead.
    pub verdict: Result<(), String>,
}

impl Tale {
    /// The parts, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// What was checked.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Whether it checked something, and all of it held.
    pub fn holds(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.verdict.is_ok())
    }

    /// The narrator says what comes next.
    pub fn step(&mut self, step: impl Into<Phrase>) {
        self.items.push(Item::Step(step.into()));
    }

    /// The narrator adds a remark.
    pub fn note(&mut self, note: Text) {
        self.items.push(Item::Note(note.into()));
    }

    /// Something that was measured. It stays by itself.
    pub fn remark(&mut self, subjects: Vec<NodeId>, what: Phrase) {
        let event = Event { at: None, subjects, what, receivers: Vec::new(), reason: None };
        self.items.push(Item::Event(event));
    }

    /// Something happened. What several nodes do at the same moment becomes one event; without a
    /// clock, only what they do one right after the other.
    pub fn event(&mut self, event: Event) {
        let candidates = if event.at.is_some() { usize::MAX } else { 1 };
        for item in self.items.iter_mut().rev().take(candidates) {
            let Item::Event(earlier) = item else { break };
            if earlier.at != event.at {
                break;
            }
            if earlier.merge(&event) {
                return;
            }
            if earlier.subjects.iter().any(|subject| event.subjects.contains(subject)) {
                break;
            }
        }
        self.items.push(Item::Event(event));
    }

    /// This must be what was found.
    pub fn check_equal<T: PartialEq + Debug>(
        &mut self,
        claim: impl Into<Phrase>,
        found: T,
        expected: T,
    ) {
        let verdict = if found == expected { Ok(()) } else { Err(format!("{found:?}")) };
        self.check(claim, verdict);
    }

    /// Something must hold.
    pub fn check(&mut self, claim: impl Into<Phrase>, verdict: Result<(), String>) {
        self.checks.push(Check { claim: claim.into(), verdict });
    }
}

impl Event {
    /// Takes another in that says the same of other nodes, or to other nodes.
    fn merge(&mut self, other: &Self) -> bool {
        if self.what != other.what || self.reason != other.reason || self.subjects.is_empty() {
            return false;
        }
        if self.receivers == other.receivers {
            add(&mut self.subjects, &other.subjects);
            return true;
        }
        let says_same = self.subjects == other.subjects && !self.receivers.is_empty();
        if says_same {
            add(&mut self.receivers, &other.receivers);
        }
        says_same
    }
}

fn add(nodes: &mut Vec<NodeId>, more: &[NodeId]) {
    nodes.extend(more);
    nodes.sort_unstable();
    nodes.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, subject: u64, key: &'static str, receiver: Option<u64>) -> Event {
        Event {
            at: Some(Instant::from_micros(at)),
            subjects: vec![NodeId(subject)],
            what: Phrase::of(key),
            receivers: receiver.map(NodeId).into_iter().collect(),
            reason: None,
        }
    }

    fn told(events: &[Event]) -> Vec<(Vec<u64>, Vec<u64>)> {
        let mut tale = Tale::default();
        for event in events {
            tale.event(event.clone());
        }
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        let shown = |item: &Item| match item {
            Item::Event(event) => (numbers(&event.subjects), numbers(&event.receivers)),
            _ => unreachable!("only events were told"),
        };
        tale.items().iter().map(shown).collect()
    }

    #[test]
    fn what_several_do_at_once_is_one_event() {
        let (a, b) = ("became.follower", "granted");
        let events = [event(1, 2, a, None), event(1, 2, b, None), event(1, 3, a, None)];
        assert_eq!(told(&events), [(vec![2, 3], vec![]), (vec![2], vec![])]);
    }

    #[test]
    fn later_events_stay_apart() {
        let events = [event(1, 2, "granted", None), event(2, 3, "granted", None)];
        assert_eq!(told(&events).len(), 2);
    }

    #[test]
    fn a_nodes_own_order_is_kept() {
        let (a, b) = ("became.follower", "granted");
        let events = [event(1, 2, a, None), event(1, 3, b, None), event(1, 3, a, None)];
        assert_eq!(told(&events), [(vec![2], vec![]), (vec![3], vec![]), (vec![3], vec![])]);
    }

    #[test]
    fn the_same_words_to_several_are_one_event() {
        let events = [event(1, 1, "sent", Some(2)), event(1, 1, "sent", Some(3))];
        assert_eq!(told(&events), [(vec![1], vec![2, 3])]);
    }

    #[test]
    fn a_tale_without_checks_proves_nothing() {
        let mut tale = Tale::default();
        assert!(!tale.holds());
        tale.check(Phrase::of("granted"), Ok(()));
        assert!(tale.holds());
        tale.check(Phrase::of("granted"), Err("none".to_owned()));
        assert!(!tale.holds());
    }
}
