//! One watch: what it was asked for, and whether what it tells is all of that and nothing else.

use std::sync::Arc;

use quorate_kv::{Change, WatchId, WatchRequest};

use super::super::guarantee::Guarantee;
use super::Flaw;
use super::events::{Event, EventPlace, Events, is_wanted};

/// A watch that goes on.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    asked: WatchRequest,
    /// The store's revision when it began.
    begun_at: i64,
    /// Nothing below it is told.
    from: i64,
    /// Where the next change to be told is looked for; none if that was forgotten.
    next: Option<EventPlace>,
    /// The revision of the last change told.
    last: i64,
    /// Everything up to here was said to be told.
    upto: i64,
    /// Whether the last response was a fragment.
    is_cut: bool,
    /// Whether it may be behind, so that a compaction can pass it.
    may_lag: bool,
}

/// What a response says of changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) revision: i64,
    pub(super) changes: &'a [Arc<Change>],
    pub(super) wants_previous: bool,
    pub(super) is_fragment: bool,
}

impl Watch {
    pub(super) fn new(asked: WatchRequest, begun_at: i64, events: &Events) -> Self {
        let from = if asked.start_revision == 0 { begun_at + 1 } else { asked.start_revision };
        let may_lag = from <= begun_at;
        let next = events.at(from);
        let (last, upto) = (from - 1, (from - 1).min(begun_at));
        Self { asked, begun_at, from, next, last, upto, is_cut: false, may_lag }
    }

    /// Its node's state was replaced, or its client does not take what it is told.
    pub(super) fn may_lag(&mut self) {
        self.may_lag = true;
    }

    /// The revision that the client would go on from.
    pub(super) fn resumes_at(&self) -> i64 {
        self.from.max(self.upto + 1)
    }

    /// Whether a compaction may have passed it.
    pub(super) fn can_lag(&self) -> bool {
        self.may_lag
    }

    /// Whether it begins beyond the revision after this one.
    pub(super) fn is_future(&self, revision: i64) -> bool {
        revision + 1 < self.from
    }

    /// Changes were told.
    pub(super) fn on_changes(
        &mut self,
        id: WatchId,
        told: Told<'_>,
        compacted: i64,
        events: &Events,
    ) -> Result<(), Flaw> {
        self.check_shape(id, told)?;
        self.is_cut = told.is_fragment;
        let Some(next) = self.next.filter(|place| !events.is_forgotten(*place)) else {
            self.next = None;
            return Ok(());
        };
        let mut next = next;
        for change in told.changes {
            next = self.on_change(id, change, next, compacted, events)?;
            self.last = change.revision.main;
        }
        self.next = Some(next);
        if !told.is_fragment {
            self.check_whole(id, told.revision, events)?;
            self.on_told_upto(told.revision);
        }
        Ok(())
    }

    fn check_shape(&self, id: WatchId, told: Told<'_>) -> Result<(), Flaw> {
        let Told { changes, wants_previous, is_fragment, .. } = told;
        let is_as_asked = !changes.is_empty()
            && wants_previous == self.asked.wants_previous
            && (self.asked.wants_fragments || !is_fragment);
        if !is_as_asked {
            let evidence = format!("{id:?} was asked for with {:?}, and told {told:?}", self.asked);
            return Err(Flaw { guarantee: Guarantee::WatchAsAsked, evidence });
        }
        let back = changes.windows(2).find(|pair| pair[1].revision < pair[0].revision);
        if let Some(pair) = back {
            let (first, second) = (pair[0].revision, pair[1].revision);
            let evidence = format!("{id:?} was told {first:?} before {second:?}");
            return Err(Flaw { guarantee: Guarantee::WatchOrdered, evidence });
        }
        Ok(())
    }

    /// One change was told. Gives where the next is to be looked for.
    fn on_change(
        &self,
        id: WatchId,
        change: &Change,
        next: EventPlace,
        compacted: i64,
        events: &Events,
    ) -> Result<EventPlace, Flaw> {
        let flaw = |guarantee, why: String| {
            let at = change.revision;
            Err(Flaw { guarantee, evidence: format!("{id:?} of {:?}, {at:?}: {why}", self.asked) })
        };
        let Some(event) = events.find(change.revision) else {
            return flaw(Guarantee::WatchTellsTruth, "no such change was committed".to_owned());
        };
        if event.record != change.record {
            return flaw(Guarantee::WatchTellsTruth, format!("it was {:?}", event.record));
        }
        if change.revision.main < self.from || !is_wanted(&self.asked, &change.record) {
            return flaw(Guarantee::WatchAsAsked, format!("{:?} was not wanted", change.record));
        }
        match events.next(next, self.from, &self.asked) {
            Ok((place, expected)) if expected.revision == change.revision => {
                self.check_previous(id, change, expected, compacted)?;
                Ok(place.following())
            }
            Ok((_, expected)) if expected.revision < change.revision => {
                let guarantee = self.left_out(expected);
                flaw(guarantee, format!("{:?} was not told before it", expected.revision))
            }
            Ok(_) | Err(_) => {
                let why = format!("it was told before; the last was {}", self.last);
                flaw(Guarantee::WatchUnique, why)
            }
        }
    }

    /// The promise that is broken when this was left out.
    fn left_out(&self, expected: &Event) -> Guarantee {
        if expected.revision.main <= self.begun_at {
            Guarantee::WatchResumable
        } else {
            Guarantee::WatchReliable
        }
    }

    fn check_previous(
        &self,
        id: WatchId,
        change: &Change,
        expected: &Event,
        compacted: i64,
    ) -> Result<(), Flaw> {
        let is_gone = change.previous.is_none() && change.revision.main <= compacted;
        if !self.asked.wants_previous || change.previous == expected.previous || is_gone {
            return Ok(());
        }
        let evidence = format!(
            "{id:?} at {:?}: before it was {:?}, told was {:?}, and {compacted} is compacted",
            change.revision, expected.previous, change.previous
        );
        Err(Flaw { guarantee: Guarantee::WatchTellsTruth, evidence })
    }

    /// A response ends: its last revision is whole, and it says no more than it has told.
    fn check_whole(&mut self, id: WatchId, revision: i64, events: &Events) -> Result<(), Flaw> {
        let Some(missing) = self.missing(revision, events) else { return Ok(()) };
        let at = missing.revision;
        if at.main == self.last {
            let evidence = format!("{id:?}: {at:?} belongs to what it was told, and is not in it");
            return Err(Flaw { guarantee: Guarantee::WatchAtomic, evidence });
        }
        let evidence = format!("{id:?} was told everything up to {revision}, but not {at:?}");
        Err(Flaw { guarantee: Guarantee::WatchBookmarkable, evidence })
    }

    /// Something up to a revision that was not told yet.
    pub(super) fn missing<'a>(&mut self, upto: i64, events: &'a Events) -> Option<&'a Event> {
        let next = self.next.filter(|place| !events.is_forgotten(*place));
        match events.next(next?, self.from, &self.asked) {
            Ok((place, event)) => {
                self.next = Some(place);
                (event.revision.main <= upto).then_some(event)
            }
            Err(place) => {
                self.next = Some(place);
                None
            }
        }
    }

    /// It was said that nothing is missing up to a revision.
    pub(super) fn on_progress(
        &mut self,
        id: WatchId,
        revision: i64,
        events: &Events,
    ) -> Result<(), Flaw> {
        let is_early = self.is_future(revision);
        let missing = self.missing(revision, events).map(|event| event.revision);
        if is_early || self.is_cut || missing.is_some() {
            let evidence = format!(
                "{id:?} of {:?} has come to {revision}, and {missing:?} was not told",
                self.asked
            );
            return Err(Flaw { guarantee: Guarantee::WatchBookmarkable, evidence });
        }
        self.on_told_upto(revision);
        Ok(())
    }

    fn on_told_upto(&mut self, revision: i64) {
        self.upto = self.upto.max(revision);
    }
}
