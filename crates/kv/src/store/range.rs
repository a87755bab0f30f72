//! Ranges: filters, order, limit and count with etcd's quirks, at once or in slices.

use std::cmp::Reverse;

use bytes::Bytes;

use super::index::{Entry, Span};
use super::{Pin, Read, Step, Store};
use crate::{
    CommandError, Damage, KeyValue, RangeRequest, RangeResponse, Revision, Rule, Rules, SortOrder,
    SortTarget,
};

/// Bytes of a value that cost as much of a slice's budget as one key.
const BYTES_PER_UNIT: usize = 4096;

/// How many keys are looked at before it is asked whether an answer is too large already.
const COST_SLICE_KEYS: usize = 1_024;

/// What a key costs beside its bytes and those of its value: revisions, version, lease.
const KEY_VALUE_BYTES: usize = 64;

/// A range being read in slices, all at one revision. Give it back with
/// [`Store::end_range`], whether it is done or not.
#[derive(Debug)]
#[must_use = "it holds compaction back until it is given back"]
pub struct RangeTask {
    request: RangeRequest,
    pin: Pin,
    /// The store's revision when the task began.
    revision: i64,
    found: Found,
}

impl RangeTask {
    /// Takes out what was found so far and belongs to the answer: the rest of it comes with the
    /// next piece, or with the answer. Only of a range that is streamable.
    pub fn take_kvs(&mut self) -> Vec<KeyValue> {
        assert!(
            self.request.is_streamable(),
            "only in key order is the first found the first told"
        );
        let wanted = limit_of(&self.request).map_or(usize::MAX, |limit| limit - self.found.taken);
        let taken = wanted.min(self.found.kvs.len());
        self.found.taken += taken;
        self.found.bytes = 0;
        self.found.kvs.drain(..taken).collect()
    }

    /// The bytes of keys and values that the task holds by now.
    pub fn bytes(&self) -> usize {
        self.found.bytes
    }
}

/// What a range has found so far.
#[derive(Debug, Default)]
struct Found {
    kvs: Vec<KeyValue>,
    count: i64,
    bytes: usize,
    /// How many were taken out already.
    taken: usize,
    /// The last key looked at.
    last: Option<Bytes>,
}

/// What is left of a slice: keys to look at, or their worth in bytes of values.
struct Budget {
    left: usize,
}

impl Budget {
    fn spend(&mut self, units: usize) {
        self.left = self.left.saturating_sub(units);
    }
}

impl<R: Rules> Store<R> {
    /// Answers a range at once.
    pub fn range(&self, request: &RangeRequest) -> Read<RangeResponse> {
        match self.readable(request.revision) {
            Ok(at) => Ok(Ok(self.range_whole(request, at, self.state.revision)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    /// A range as an operation of a transaction: it sees what was written before it. Its
    /// revision was checked.
    pub(super) fn range_in_txn(&self, request: &RangeRequest) -> Result<RangeResponse, Damage> {
        let is_behind = self.rules.breaks(Rule::TxnReadsBehind);
        let seen = if is_behind { self.state.revision } else { self.revision_seen() };
        let at = if request.revision <= 0 { seen } else { request.revision };
        self.range_whole(request, at, seen)
    }

    /// Begins a range in slices. The revision it reads at is held until [`Store::end_range`].
    pub fn begin_range(&mut self, request: RangeRequest) -> Result<RangeTask, CommandError> {
        let at = self.readable(request.revision)?;
        let pin = self.pin_at(at);
        Ok(RangeTask { request, pin, revision: self.state.revision, found: Found::default() })
    }

    /// Does a slice of a range: looks at no more than `budget` keys, where 4 KiB of values cost
    /// as much as a key. [`CommandError::Compacted`] if it took so long that its pin was dropped.
    pub fn step_range(&self, task: &mut RangeTask, budget: usize) -> Read<Step<RangeResponse>> {
        assert!(0 < budget, "a slice of nothing would never end");
        if !self.pins.holds(&task.pin) {
            return Ok(Err(CommandError::Compacted));
        }
        let at = task.pin.revision();
        if !self.collect(&task.request, at, &mut task.found, Budget { left: budget })? {
            return Ok(Ok(Step::More));
        }
        let found = std::mem::take(&mut task.found);
        Ok(Ok(Step::Done(answer(&task.request, task.revision, found))))
    }

    /// Ends a range in slices.
    pub fn end_range(&mut self, task: RangeTask) {
        self.unpin(task.pin);
    }

    /// What the answer to a range costs against byte limits, as an operation of a transaction that
    /// has written nothing yet; `None` if it is more than `bytes_max`.
    pub(super) fn range_cost(
        &self,
        request: &RangeRequest,
        bytes_max: usize,
    ) -> Result<Option<usize>, Damage> {
        let at = if request.revision <= 0 { self.revision_seen() } else { request.revision };
        let (mut found, mut bytes) = (Found::default(), 0);
        loop {
            let is_whole =
                self.collect(request, at, &mut found, Budget { left: COST_SLICE_KEYS })?;
            bytes += found.bytes + found.kvs.len() * KEY_VALUE_BYTES;
            if bytes_max < bytes {
                return Ok(None);
            }
            if is_whole {
                return Ok(Some(bytes));
            }
            found.taken += found.kvs.len();
            found.bytes = 0;
            found.kvs.clear();
        }
    }

    fn range_whole(
        &self,
        request: &RangeRequest,
        at: i64,
        revision: i64,
    ) -> Result<RangeResponse, Damage> {
        let mut found = Found::default();
        let is_whole = self.collect(request, at, &mut found, Budget { left: usize::MAX })?;
        assert!(is_whole, "an unlimited budget is enough");
        Ok(answer(request, revision, found))
    }

    /// Goes on from the last key looked at. Whether the end of the range is reached.
    fn collect(
        &self,
        request: &RangeRequest,
        at: i64,
        found: &mut Found,
        mut budget: Budget,
    ) -> Result<bool, Damage> {
        let whole = Span::new(&request.key, &request.range_end);
        let last = found.last.take();
        if is_descending(request) {
            let span = last.as_ref().map_or(whole, |last| whole.before(last));
            let entries = self.index.span(span).rev();
            return self.collect_from(entries, request, at, found, &mut budget);
        }
        let span = last.as_ref().map_or(whole, |last| whole.after(last));
        self.collect_from(self.index.span(span), request, at, found, &mut budget)
    }

    fn collect_from<'a>(
        &self,
        entries: impl Iterator<Item = (&'a [u8], &'a Entry)>,
        request: &RangeRequest,
        at: i64,
        found: &mut Found,
        budget: &mut Budget,
    ) -> Result<bool, Damage> {
        let kept_max = kept_max(request);
        for (key, entry) in entries {
            budget.spend(1);
            if let Some(revision) = entry.visible(at) {
                let is_kept = found.taken + found.kvs.len() < kept_max;
                let is_counted = is_kept || request.count_only;
                if is_counted || !self.rules.breaks(Rule::CountStopsAtLimit) {
                    found.count += 1;
                }
                if is_kept && is_mod_wanted(request, revision.main) {
                    self.keep(request, key, revision, found, budget)?;
                }
            }
            if budget.left == 0 {
                found.last = Some(Bytes::copy_from_slice(key));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn keep(
        &self,
        request: &RangeRequest,
        key: &[u8],
        revision: Revision,
        found: &mut Found,
        budget: &mut Budget,
    ) -> Result<(), Damage> {
        let record = self.fetch(key, revision)?;
        budget.spend(record.value.len() / BYTES_PER_UNIT);
        if !is_create_wanted(request, record.create_revision) {
            return Ok(());
        }
        let mut kv = record.key_value(revision);
        if request.keys_only && request.sort_target != SortTarget::Value {
            kv.value = Bytes::new();
        }
        found.bytes += kv.bytes();
        found.kvs.push(kv);
        Ok(())
    }
}

/// How many keys to keep, in the order they are visited. One more than the limit, to know
/// whether there are more. All, if the order or the filters must see all.
///
/// etcd limits first and sorts afterwards if a target is given without an order: of the keys
/// kept it then returns the lowest.
fn kept_max(request: &RangeRequest) -> usize {
    if request.count_only {
        return 0;
    }
    let has_filter = request.has_filter();
    let is_visited_in_order = request.sort_target == SortTarget::Key;
    let is_limited_first = request.sort_order == SortOrder::None && !has_filter;
    if request.limit <= 0 || !(is_visited_in_order || is_limited_first) {
        return usize::MAX;
    }
    usize::try_from(request.limit).map_or(usize::MAX, |limit| limit.saturating_add(1))
}

/// The most keys of the answer, if they are limited.
fn limit_of(request: &RangeRequest) -> Option<usize> {
    let is_limited = 0 < request.limit;
    is_limited.then(|| usize::try_from(request.limit).unwrap_or(usize::MAX))
}

fn is_descending(request: &RangeRequest) -> bool {
    request.sort_order == SortOrder::Descend && request.sort_target == SortTarget::Key
}

fn is_mod_wanted(request: &RangeRequest, revision: i64) -> bool {
    is_within(revision, request.min_mod_revision, request.max_mod_revision)
}

fn is_create_wanted(request: &RangeRequest, revision: i64) -> bool {
    is_within(revision, request.min_create_revision, request.max_create_revision)
}

fn is_within(revision: i64, min: i64, max: i64) -> bool {
    (min == 0 || min <= revision) && (max == 0 || revision <= max)
}

fn answer(request: &RangeRequest, revision: i64, found: Found) -> RangeResponse {
    let Found { mut kvs, count, taken, .. } = found;
    sort(request, &mut kvs);
    let limit = limit_of(request).unwrap_or(usize::MAX);
    let more = limit < taken + kvs.len();
    if more {
        kvs.truncate(limit - taken);
    }
    if request.keys_only {
        for kv in &mut kvs {
            kv.value = Bytes::new();
        }
    }
    RangeResponse { revision, kvs, more, count }
}

/// Keys were visited in order, so only the other targets are left to sort.
fn sort(request: &RangeRequest, kvs: &mut [KeyValue]) {
    match request.sort_target {
        SortTarget::Key => {}
        SortTarget::Version => sort_by(request.sort_order, kvs, |kv| kv.version),
        SortTarget::Create => sort_by(request.sort_order, kvs, |kv| kv.create_revision),
        SortTarget::Mod => sort_by(request.sort_order, kvs, |kv| kv.mod_revision),
        SortTarget::Value => sort_by(request.sort_order, kvs, |kv| kv.value.clone()),
    }
}

/// Equals stay in key order, whichever way the rest goes.
fn sort_by<T: Ord>(order: SortOrder, kvs: &mut [KeyValue], by: impl Fn(&KeyValue) -> T) {
    match order {
        SortOrder::Descend => kvs.sort_by_key(|kv| Reverse(by(kv))),
        SortOrder::None | SortOrder::Ascend => kvs.sort_by_key(by),
    }
}
