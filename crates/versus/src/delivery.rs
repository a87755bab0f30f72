//! What a stream of watches brought, ready to be compared: each watch's events in order.
//!
//! How a watch that catches up is told of several revisions at once is the server's choice; that
//! one revision is never split, and that no event comes out of order, is not.

use std::collections::{BTreeMap, BTreeSet};

use quorate_etcdapi::mvccpb::Event;
use quorate_etcdapi::mvccpb::event::EventType;

use crate::answer::Answer;
use crate::flatten::Field;
use crate::relative::{BASE, InWords, Place};
use crate::stream::Delivered;

/// What is remembered of a watch from one response to the next.
#[derive(Default)]
struct Told {
    events: usize,
    last: i64,
    is_fragment: bool,
}

/// What is not compared of the events.
pub(crate) struct LeftOut<'a> {
    /// Revisions that only separate: which watches have been told of the last of these is chance,
    /// as etcd tells watches of one revision in any order.
    pub(crate) separating: &'a BTreeSet<i64>,
    /// Revisions of compactions. A deletion at one of them is told to a watch that begins there:
    /// always since etcd 3.6 (etcd-io/etcd#19179), and by etcd 3.4 until it has carried out the
    /// compaction, which is chance.
    pub(crate) compactions: &'a BTreeSet<i64>,
}

impl LeftOut<'_> {
    fn has(&self, event: &Event, is_live: bool) -> bool {
        let revision = mod_revision(event);
        let is_deletion = event.r#type() == EventType::Delete;
        self.separating.contains(&revision)
            || (is_deletion && !is_live && self.compactions.contains(&revision))
    }
}

/// The events of one stream.
pub(crate) fn events(
    stream: usize,
    delivered: &[Delivered],
    place: &Place,
    left_out: &LeftOut<'_>,
) -> Answer {
    let mut watches: BTreeMap<i64, Told> = BTreeMap::new();
    let mut answer = Answer::default();
    for response in delivered {
        let told = watches.entry(response.watch).or_default();
        let watch = format!("stream{stream}.watch{}", response.watch);
        for problem in problems(response, told) {
            answer.0.push(Field::new(format!("{watch}.events[{}].{problem}", told.events), "true"));
        }
        for (place_in_response, event) in response.events.iter().enumerate() {
            if left_out.has(event, response.is_live) {
                continue;
            }
            let name = format!("{watch}.events[{}]", told.events);
            if response.is_live {
                let words = InWords(BASE + response.revision - place.base).to_string();
                answer.0.push(Field::new(format!("{name}.response.revision"), words));
                let position = place_in_response.to_string();
                answer.0.push(Field::new(format!("{name}.response.position"), position));
            }
            answer.append(&name, Answer::message(event, place));
            told.events += 1;
        }
        told.last = revisions(response).last().unwrap_or(told.last);
        told.is_fragment = response.is_fragment;
    }
    answer
}

/// The rules of etcd that a response breaks.
fn problems(response: &Delivered, told: &Told) -> Vec<&'static str> {
    let revisions: Vec<i64> = revisions(response).collect();
    let first = revisions.first().copied().unwrap_or_default();
    let rules = [
        ("splits_a_revision", first == told.last && !told.is_fragment),
        ("goes_back", first < told.last || !revisions.is_sorted()),
        ("is_ahead_of_its_header", revisions.last().is_some_and(|it| response.revision < *it)),
        ("comes_after_the_end", response.is_late),
    ];
    rules.iter().filter(|(_, is_broken)| *is_broken).map(|(problem, _)| *problem).collect()
}

fn revisions(response: &Delivered) -> impl Iterator<Item = i64> {
    response.events.iter().map(mod_revision)
}

fn mod_revision(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

#[cfg(test)]
mod tests {
    use quorate_etcdapi::mvccpb::KeyValue;

    use super::*;

    fn response(revision: i64, revisions: &[i64]) -> Delivered {
        let event = |mod_revision: &i64| Event {
            kv: Some(KeyValue { mod_revision: *mod_revision, ..Default::default() }),
            ..Default::default()
        };
        let events = revisions.iter().map(event).collect();
        let (is_fragment, is_live, is_late) = (false, true, false);
        Delivered { watch: 0, revision, events, is_fragment, is_live, is_late }
    }

    fn compared<const N: usize>(delivered: &[Delivered], separating: [i64; N]) -> Answer {
        let (separating, compactions) = (&separating.into(), &BTreeSet::from([7]));
        events(0, delivered, &Place::default(), &LeftOut { separating, compactions })
    }

    fn broken_rules(delivered: &[Delivered]) -> Vec<String> {
        let answer = compared(delivered, []);
        answer.0.into_iter().filter(|field| field.value == "true").map(|it| it.path).collect()
    }

    #[test]
    fn ordered_events_break_no_rule() {
        assert!(broken_rules(&[response(5, &[3, 3]), response(6, &[4, 6])]).is_empty());
    }

    #[test]
    fn each_rule_is_noticed() {
        let split = [response(5, &[3]), response(5, &[3])];
        assert_eq!(broken_rules(&split), ["stream0.watch0.events[1].splits_a_revision"]);
        let backwards = [response(5, &[4]), response(5, &[3])];
        assert_eq!(broken_rules(&backwards), ["stream0.watch0.events[1].goes_back"]);
        let ahead = [response(5, &[6])];
        assert_eq!(broken_rules(&ahead), ["stream0.watch0.events[0].is_ahead_of_its_header"]);
        let late = [Delivered { is_late: true, ..response(5, &[5]) }];
        assert_eq!(broken_rules(&late), ["stream0.watch0.events[0].comes_after_the_end"]);
    }

    #[test]
    fn fragments_of_a_revision_may_follow_each_other() {
        let first = Delivered { is_fragment: true, ..response(5, &[5]) };
        assert!(broken_rules(&[first, response(5, &[5])]).is_empty());
    }

    #[test]
    fn what_only_separates_is_left_out() {
        let delivered = [response(4, &[4]), response(5, &[5])];
        let answer = compared(&delivered, [4]);
        assert_eq!(answer.value("stream0.watch0.events[0].kv.mod_revision"), Some("base+5"));
        assert_eq!(answer.value("stream0.watch0.events[1].kv.mod_revision"), None);
    }

    #[test]
    fn how_a_lagging_watch_is_told_is_not_compared() {
        let lagging = |delivered: Vec<Delivered>| {
            let delivered = delivered.into_iter().map(|it| Delivered { is_live: false, ..it });
            compared(&delivered.collect::<Vec<_>>(), [])
        };
        let at_once = lagging(vec![response(9, &[3, 4])]);
        let one_by_one = lagging(vec![response(3, &[3]), response(4, &[4])]);
        assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn a_deletion_at_a_compaction_is_left_out_of_what_a_lagging_watch_is_told() {
        let deletion = |is_live| {
            let mut response = Delivered { is_live, ..response(8, &[7]) };
            response.events[0].set_type(EventType::Delete);
            compared(&[response], [])
        };
        assert!(deletion(false).0.is_empty());
        assert!(!deletion(true).0.is_empty());
        let put = Delivered { is_live: false, ..response(8, &[7]) };
        assert!(!compared(&[put], []).0.is_empty());
    }
}
