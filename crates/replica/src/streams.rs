//! Ranges whose answers are taken piece by piece, so that none is ever held whole.

use std::collections::BTreeMap;

use quorate_kv::{
    CommandError, Damage, KeyValue, RangeRequest, RangeResponse, RangeTask, Rules, Step, Store,
};

/// Names a range under way. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RangeId(pub u64);

/// Keys looked at for one piece, or their worth in values: about a MiB at most.
const PIECE_BUDGET: usize = 256;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangePiece {
    /// More follows.
    Some(Vec<KeyValue>),
    /// The end: the keys that were left, with what is told of the whole.
    Last(RangeResponse),
    /// Compaction has taken what was left.
    Lost(CommandError),
}

/// The ranges under way. Each holds its revision readable for as long as a pin may.
#[derive(Debug, Default)]
pub(crate) struct RangeStreams {
    last: u64,
    tasks: BTreeMap<RangeId, RangeTask>,
}

impl RangeStreams {
    /// Begins a range.
    pub(crate) fn begin<R: Rules>(
        &mut self,
        request: RangeRequest,
        store: &mut Store<R>,
    ) -> Result<RangeId, CommandError> {
        let task = store.begin_range(request)?;
        self.last += 1;
        let id = RangeId(self.last);
        self.tasks.insert(id, task);
        Ok(id)
    }

    /// The next piece; none if the range is over.
    pub(crate) fn piece<R: Rules>(
        &mut self,
        id: RangeId,
        store: &Store<R>,
    ) -> Result<Option<RangePiece>, Damage> {
        let Some(task) = self.tasks.get_mut(&id) else { return Ok(None) };
        Ok(Some(match store.step_range(task, PIECE_BUDGET)? {
            Ok(Step::More) => RangePiece::Some(task.take_kvs()),
            Ok(Step::Done(response)) => RangePiece::Last(response),
            Err(error) => RangePiece::Lost(error),
        }))
    }

    /// Ends a range, if it is not over already. Whether compaction may now go on.
    pub(crate) fn end<R: Rules>(&mut self, id: RangeId, store: &mut Store<R>) -> bool {
        let Some(task) = self.tasks.remove(&id) else { return false };
        store.end_range(task);
        true
    }

    /// The state machine was replaced: what was being read is gone.
    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
    }
}
