//! How much one answer of the log may hold: decided before anything is written, by replicated state
//! alone, so that all members refuse the same.

use super::{Read, Store};
use crate::{CommandError, DeleteRangeRequest, PutRequest, RangeRequest, Rules};

/// Most bytes that the answer to a transaction or a deletion holds beside what the transaction
/// itself writes: as many as a range's answer.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// So many keys, each asked for by name, are in any case less than that: a value comes in one
/// command of at most 7 MiB.
const KEYS_ALWAYS_FIT: usize = 32;

impl PutRequest {
    /// What the answer tells of before, as a range.
    pub(super) fn previous(&self) -> Option<RangeRequest> {
        let request = || RangeRequest { key: self.key.clone(), ..RangeRequest::default() };
        self.prev_kv.then(request)
    }
}

impl DeleteRangeRequest {
    /// What the answer tells of before, as a range.
    pub(super) fn previous(&self) -> Option<RangeRequest> {
        let (key, range_end) = (self.key.clone(), self.range_end.clone());
        let request = || RangeRequest { key, range_end, ..RangeRequest::default() };
        self.prev_kv.then(request)
    }
}

impl<R: Rules> Store<R> {
    /// Whether an answer to all of these has room. What is small in any case costs no look.
    pub(super) fn check_answer(&self, asked: &[RangeRequest]) -> Read<()> {
        let is_one_key = |request: &RangeRequest| request.range_end.is_empty();
        let is_few = asked.len() <= KEYS_ALWAYS_FIT && asked.iter().all(is_one_key);
        let everything = (asked.len() as u64).saturating_mul(self.state.logical_bytes);
        if is_few || everything <= ANSWER_BYTES_MAX as u64 {
            return Ok(Ok(()));
        }
        let mut room = ANSWER_BYTES_MAX;
        for request in asked {
            match self.range_cost(request, room)? {
                Some(cost) => room -= cost,
                None => return Ok(Err(CommandError::AnswerTooLarge)),
            }
        }
        Ok(Ok(()))
    }
}
