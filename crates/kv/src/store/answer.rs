//! How much one answer of the log may hold: decided before anything is written, by replicated state
//! alone, so that all members refuse the same.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Read, Store};
use crate::{CommandError, DeleteRangeRequest, PutRequest, RangeRequest, Rules};

/// Most bytes that the answer to a transaction or a deletion holds beside what the transaction
/// itself writes: as many as a range's answer.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// So many keys, each asked for by name, are in any case less than that: a value comes in one
/// command of at most 7 MiB.
const KEYS_ALWAYS_FIT: usize = 32;

/// What an operation's answer holds beside what the operation itself writes. Borrowed, because
/// nearly all of them hold nothing else, or little in any case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Range(&'a RangeRequest),
    BeforePut(&'a PutRequest),
    BeforeDelete(&'a DeleteRangeRequest),
}

impl<'a> Asked<'a> {
    pub(super) fn by_put(put: &'a PutRequest) -> Option<Self> {
        put.prev_kv.then_some(Self::BeforePut(put))
    }

    pub(super) fn by_delete(delete: &'a DeleteRangeRequest) -> Option<Self> {
        delete.prev_kv.then_some(Self::BeforeDelete(delete))
    }

    fn is_one_key(self) -> bool {
        match self {
            Self::Range(range) => range.range_end.is_empty(),
            Self::BeforePut(_) => true,
            Self::BeforeDelete(delete) => delete.range_end.is_empty(),
        }
    }

    fn as_range(self) -> Cow<'a, RangeRequest> {
        let of = |key: &Bytes, range_end: Bytes| {
            Cow::Owned(RangeRequest { key: key.clone(), range_end, ..RangeRequest::default() })
        };
        match self {
            Self::Range(range) => Cow::Borrowed(range),
            Self::BeforePut(put) => of(&put.key, Bytes::new()),
            Self::BeforeDelete(delete) => of(&delete.key, delete.range_end.clone()),
        }
    }
}

impl<R: Rules> Store<R> {
    /// Whether an answer to all of these has room. What is small in any case costs no look.
    pub(super) fn check_answer(&self, asked: &[Asked<'_>]) -> Read<()> {
        let is_few = asked.len() <= KEYS_ALWAYS_FIT && asked.iter().all(|asked| asked.is_one_key());
        let everything = (asked.len() as u64).saturating_mul(self.state.logical_bytes);
        if is_few || everything <= ANSWER_BYTES_MAX as u64 {
            return Ok(Ok(()));
        }
        let mut room = ANSWER_BYTES_MAX;
        for asked in asked {
            match self.range_cost(&asked.as_range(), room)? {
                Some(cost) => room -= cost,
                None => return Ok(Err(CommandError::AnswerTooLarge)),
            }
        }
        Ok(Ok(()))
    }
}
