//! What really happened: the committed log, replayed by the naive model.

use std::collections::VecDeque;

use bytes::Bytes;
use quorate_kv::naive::{Naive, Standing};
use quorate_kv::{ClusterTime, Command, CommandError, LeaseId, RangeRequest, Record, Revision};
use quorate_replica::{KeepAlive, ReadRequest, ReadResponse};

use super::commands::Expected;

/// Most standings that an error without a revision is looked for in.
const SEARCHED_MAX: usize = 4_096;

/// Standings that are remembered at least; beyond twice as many, the oldest are forgotten.
const REMEMBERED: usize = 65_536;

/// A place in the sequence of standings that the store went through, each different from the one
/// before. Places grow with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(usize);

/// Why no standing of a window explains a read's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unexplained {
    /// It may be right: what it shows was so long ago that it is forgotten.
    Forgotten,
    /// The answer's revision is not committed yet.
    Foretold,
    /// The answer's revision was outdated before the window began.
    Outdated,
    /// The model answers something else.
    Differs(String),
}

/// The committed log as the model sees it.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    model: Naive,
    /// The last standings, one for each place from `first` on.
    standings: VecDeque<Standing>,
    first: usize,
    remembered: usize,
}

impl Truth {
    pub(super) fn new() -> Self {
        let model = Naive::new();
        let standings = VecDeque::from([model.standing()]);
        Self { model, standings, first: 0, remembered: REMEMBERED }
    }

    /// Applies the next entry of this stamp, and says which leases it ends because they are over,
    /// and what a client must be told of its command.
    pub(super) fn commit(
        &mut self,
        time: ClusterTime,
        command: Option<&Command>,
    ) -> (Vec<LeaseId>, Option<Expected>) {
        let ended = self.model.apply_at(time, command);
        let standing = self.model.standing();
        if self.standings.back() != Some(&standing) {
            self.standings.push_back(standing);
        }
        if 2 * self.remembered < self.standings.len() {
            self.forget();
        }
        ended
    }

    /// The changes that the last entry made, in order.
    pub(super) fn changed(&self) -> &[(Revision, Record)] {
        self.model.changed()
    }

    /// Where the store stands.
    pub(super) fn now(&self) -> Standing {
        self.model.standing()
    }

    /// Whether a lease lives, in the newest state.
    pub(super) fn is_live(&self, id: LeaseId) -> bool {
        self.model.lease_time_to_live(id).time.is_some()
    }

    /// The leases that live, in the newest state.
    pub(super) fn live(&self) -> Vec<LeaseId> {
        self.model.lease_list().ids
    }

    /// The keys that were attached to a lease at a place.
    pub(super) fn keys_of(&self, place: Place, id: LeaseId) -> Vec<Bytes> {
        let all = Bytes::from_static(&[0]);
        let range = RangeRequest { key: all.clone(), range_end: all, ..RangeRequest::default() };
        let read = self.model.range_as_of(self.standing(place), &range);
        let kvs = read.expect("the present of a standing can be read").kvs;
        kvs.into_iter().filter(|kv| kv.lease == id).map(|kv| kv.key).collect()
    }

    /// Forgets the oldest standings, and what only they could see.
    fn forget(&mut self) {
        let forgotten = self.standings.len() - self.remembered;
        self.standings.drain(..forgotten);
        self.first += forgotten;
        self.model.forget_below(self.standings[0].compacted);
    }

    /// The present.
    pub(super) fn newest(&self) -> Place {
        Place(self.first + self.standings.len() - 1)
    }

    /// What the key held at this place.
    pub(super) fn value(&self, place: Place, key: &[u8]) -> Option<Bytes> {
        let get = RangeRequest { key: Bytes::copy_from_slice(key), ..RangeRequest::default() };
        let mut read = self.model.range_as_of(self.standing(place), &get).ok()?;
        read.kvs.pop().map(|kv| kv.value)
    }

    /// The lowest place from `floor` on where the model gives this answer.
    pub(super) fn explain(
        &self,
        floor: Place,
        request: &ReadRequest,
        answer: &Result<ReadResponse, CommandError>,
    ) -> Result<Place, Unexplained> {
        match answer {
            Ok(response) => self.explain_response(floor, request, response),
            Err(error) => self.explain_error(floor, request, *error),
        }
    }

    fn explain_response(
        &self,
        floor: Place,
        request: &ReadRequest,
        response: &ReadResponse,
    ) -> Result<Place, Unexplained> {
        let Some(revision) = revision_of(response) else { return Ok(floor) };
        let count = |is_before: &dyn Fn(i64) -> bool| {
            self.first + self.standings.partition_point(|standing| is_before(standing.revision))
        };
        let (first, end) = (count(&|at| at < revision), count(&|at| at <= revision));
        if self.model.standing().revision < revision {
            return Err(Unexplained::Foretold);
        }
        if end <= floor.0 {
            return Err(Unexplained::Outdated);
        }
        if first == self.first && 0 < self.first {
            return Err(Unexplained::Forgotten);
        }
        // Among standings of one revision only compaction differs, and the lowest allows most.
        let place = Place(first.max(floor.0));
        if is_of_leases(request) {
            return Ok(place);
        }
        let expected = self.answer_at(place, request);
        if expected.as_ref() == Ok(response) {
            return Ok(place);
        }
        Err(Unexplained::Differs(format!("the model answers {expected:?} at {place:?}")))
    }

    /// An error tells no revision: any standing since the floor may have given it.
    fn explain_error(
        &self,
        floor: Place,
        request: &ReadRequest,
        error: CommandError,
    ) -> Result<Place, Unexplained> {
        let newest = self.newest();
        let floor = floor.max(Place(self.first));
        if error == CommandError::Compacted && self.may_have_lost_its_pin(floor, request) {
            return Ok(floor);
        }
        let places = (floor.0..=newest.0).take(SEARCHED_MAX).chain([newest.0]);
        for place in places.map(Place) {
            if self.answer_at(place, request) == Err(error) {
                return Ok(place);
            }
        }
        let now = self.answer_at(newest, request);
        Err(Unexplained::Differs(format!("no standing gives {error:?}; the newest gives {now:?}")))
    }

    /// A range that is read in slices holds its revision for a time only; if a compaction passes
    /// it thereafter, it ends as one that came too late.
    fn may_have_lost_its_pin(&self, floor: Place, request: &ReadRequest) -> bool {
        let ReadRequest::Range(range) = request else { return false };
        let read_at =
            if 0 < range.revision { range.revision } else { self.standing(floor).revision };
        let is_sliced = !range.range_end.is_empty();
        is_sliced && read_at < self.model.standing().compacted
    }

    fn answer_at(&self, place: Place, request: &ReadRequest) -> Result<ReadResponse, CommandError> {
        let standing = self.standing(place);
        match request {
            ReadRequest::Range(range) => {
                self.model.range_as_of(standing, range).map(ReadResponse::Range)
            }
            ReadRequest::Txn(txn) => {
                self.model.read_txn_as_of(standing, txn).map(ReadResponse::Txn)
            }
            ReadRequest::Revision => Ok(ReadResponse::Revision(standing.revision)),
            ReadRequest::Hash { .. } => unreachable!("hashes are compared between replicas"),
            ReadRequest::Lease { .. } | ReadRequest::Leases | ReadRequest::KeepAlive { .. } => {
                unreachable!("revisions do not tell how leases stand")
            }
        }
    }

    /// Where the store stood there, or as long ago as is remembered.
    fn standing(&self, place: Place) -> Standing {
        self.standings[place.0.saturating_sub(self.first)]
    }
}

/// Whether it asks how leases stand, which the revision does not tell.
fn is_of_leases(request: &ReadRequest) -> bool {
    match request {
        ReadRequest::Lease { .. } | ReadRequest::Leases | ReadRequest::KeepAlive { .. } => true,
        ReadRequest::Range(_)
        | ReadRequest::Txn(_)
        | ReadRequest::Revision
        | ReadRequest::Hash { .. } => false,
    }
}

/// The revision that the answer says it was made at; none in a hash, which clients do not ask for
/// and whose equality on all replicas is checked elsewhere.
fn revision_of(response: &ReadResponse) -> Option<i64> {
    match response {
        ReadResponse::Range(range) => Some(range.revision),
        ReadResponse::Txn(txn) => Some(txn.revision),
        ReadResponse::Revision(revision) => Some(*revision),
        ReadResponse::Lease(lease) => Some(lease.revision),
        ReadResponse::Leases(leases) => Some(leases.revision),
        ReadResponse::KeepAlive(KeepAlive::Fresh(kept)) => Some(kept.revision),
        ReadResponse::Hash(_) | ReadResponse::KeepAlive(KeepAlive::Due) => None,
    }
}

#[cfg(test)]
mod tests {
    use quorate_kv::{CompactRequest, PutRequest};

    use super::*;

    fn commit(truth: &mut Truth, command: &Command) {
        let (_, answer) = truth.commit(ClusterTime::default(), Some(command));
        assert!(answer.is_some_and(|answer| answer.is_ok()));
    }

    fn put(truth: &mut Truth, value: i64) {
        let value = Bytes::from(value.to_string());
        let put = PutRequest { key: "key".into(), value, ..PutRequest::default() };
        commit(truth, &Command::Put(put));
    }

    fn get(revision: i64) -> ReadRequest {
        ReadRequest::Range(RangeRequest { key: "key".into(), revision, ..RangeRequest::default() })
    }

    #[test]
    fn what_is_long_ago_is_forgotten_and_the_rest_judged_as_before() {
        let mut whole = Truth::new();
        let mut brief = Truth { remembered: 8, ..Truth::new() };
        for value in 0..100 {
            for truth in [&mut whole, &mut brief] {
                put(truth, value);
                if value % 10 == 9 {
                    let compact = CompactRequest { revision: value - 5, physical: false };
                    commit(truth, &Command::Compact(compact));
                }
            }
        }
        assert!(brief.standings.len() <= 17 && brief.newest() == whole.newest());
        for place in (0..=whole.newest().0).map(Place) {
            for request in [get(0), get(whole.standing(place).revision - 2)] {
                let answer = whole.answer_at(place, &request);
                let is_known = brief.first < place.0;
                match brief.explain(place, &request, &answer) {
                    Ok(found) => assert_eq!(found, place.max(Place(brief.first))),
                    Err(why) => {
                        assert_eq!((why, is_known), (Unexplained::Forgotten, false), "{place:?}");
                    }
                }
            }
        }
        let wrong = whole.answer_at(Place(50), &get(0));
        assert!(brief.explain(brief.newest(), &get(0), &wrong).is_err());
    }
}
