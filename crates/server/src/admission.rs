//! How much of gRPC requests this member holds at a time, decided where they arrive: a refusal
//! costs nothing that is bounded here.
//!
//! The length of a message comes before it. So a message is refused before its bytes are gathered,
//! and those under way have all the room they need to arrive: were each given room as its bytes
//! come, all could end up waiting for the rest of it.

use std::sync::{Arc, Mutex};

use quorate_etcdapi::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::{Cause, Metrics};
use crate::room::{Room, Share};

/// Most requests that have begun and not ended, streams included.
const CALLS_MAX: usize = 65_536;

/// What their messages hold at most, in KiB. What a write costs the log and the network on top of
/// its message is bounded by the engine.
const MESSAGES_KIB_MAX: usize = 256 << 10;

/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// What requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    calls: Arc<Semaphore>,
    messages: Room,
    message_bytes_max: usize,
    metrics: Arc<Metrics>,
}

impl Admission {
    /// For messages of at most so many bytes. What is longer is refused by whoever reads it.
    pub(crate) fn new(message_bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        Self::with_bounds(message_bytes_max, CALLS_MAX, MESSAGES_KIB_MAX, metrics)
    }

    fn with_bounds(
        message_bytes_max: usize,
        calls_max: usize,
        messages_kib_max: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        let calls = Arc::new(Semaphore::new(calls_max));
        let messages = Room::of_kib(messages_kib_max);
        Self { inner: Arc::new(Inner { calls, messages, message_bytes_max, metrics }) }
    }

    /// Lets a request in, or refuses it.
    pub(crate) fn begin(&self) -> Result<Admitted, ApiError> {
        let call = self.inner.calls.clone().try_acquire_owned();
        let call = call.map_err(|_| self.refuse(ApiError::TooManyRequests))?;
        let share = Mutex::new(self.inner.messages.share());
        Ok(Admitted { held: Arc::new(Held { share, _call: call }) })
    }

    /// Lets in a request whose message is at hand, or refuses it.
    pub(crate) fn admit_whole(&self, bytes: usize) -> Result<AdmittedWhole, ApiError> {
        let call = self.inner.calls.clone().try_acquire_owned();
        let call = call.map_err(|_| self.refuse(ApiError::TooManyRequests))?;
        let mut share = self.inner.messages.share();
        share.fit(bytes).map_err(|error| self.refuse(error))?;
        Ok(AdmittedWhole { _share: share, _call: call })
    }

    /// What sees to it that the messages of an admitted request have room.
    pub(crate) fn meter(&self, admitted: &Admitted) -> Meter {
        Meter {
            admission: self.clone(),
            held: admitted.held.clone(),
            prefix: [0; PREFIX_BYTES],
            prefix_read: 0,
            left: 0,
        }
    }

    fn refuse(&self, error: ApiError) -> ApiError {
        self.inner.metrics.requests.on_unanswered(Cause::Busy);
        error
    }
}

/// A request that was let in. It counts, and its last message does, until this and its [`Meter`]
/// are dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    share: Mutex<Share>,
    _call: OwnedSemaphorePermit,
}

/// A request that was let in with its message. Both count until this is dropped.
#[derive(Debug)]
pub(crate) struct AdmittedWhole {
    _share: Share,
    _call: OwnedSemaphorePermit,
}

/// An answer's room on its way to the body that holds it until the answer was sent.
#[derive(Clone, Debug)]
pub(crate) struct HeldUntilSent {
    _share: Arc<Share>,
}

impl HeldUntilSent {
    /// Holds this.
    pub(crate) fn new(share: Share) -> Self {
        Self { _share: Arc::new(share) }
    }
}

/// Follows the body of a request, to make room for each message that begins in it.
#[derive(Debug)]
pub(crate) struct Meter {
    admission: Admission,
    held: Arc<Held>,
    prefix: [u8; PREFIX_BYTES],
    prefix_read: usize,
    /// How much of the message under way has not come yet.
    left: usize,
}

impl Meter {
    /// More of the body has come. Refused if it begins a message for which there is no room.
    pub(crate) fn on_data(&mut self, mut data: &[u8]) -> Result<(), ApiError> {
        while !data.is_empty() {
            let taken = if self.left == 0 { self.on_prefix(data)? } else { self.skip(data) };
            data = &data[taken..];
        }
        Ok(())
    }

    fn skip(&mut self, data: &[u8]) -> usize {
        let skipped = self.left.min(data.len());
        self.left -= skipped;
        skipped
    }

    fn on_prefix(&mut self, data: &[u8]) -> Result<usize, ApiError> {
        let rest = &mut self.prefix[self.prefix_read..];
        let taken = rest.len().min(data.len());
        rest[..taken].copy_from_slice(&data[..taken]);
        self.prefix_read += taken;
        if self.prefix_read == PREFIX_BYTES {
            self.prefix_read = 0;
            let [_, length @ ..] = self.prefix;
            self.left = u32::from_be_bytes(length) as usize;
            self.make_room()?;
        }
        Ok(taken)
    }

    fn make_room(&self) -> Result<(), ApiError> {
        let is_too_long = self.admission.inner.message_bytes_max < self.left;
        let bytes = if is_too_long { 0 } else { self.left };
        let mut share = self.held.share.lock().expect("nothing panics while it holds the lock");
        share.fit(bytes).map_err(|error| self.admission.refuse(error))
    }
}

#[cfg(test)]
mod tests {
    use quorate_consensus::{Members, NodeId};

    use super::*;
    use crate::config::MetricsDetail;

    fn admission(calls_max: usize, messages_kib_max: usize) -> Admission {
        let metrics = Metrics::new(&Members::default(), NodeId(1), MetricsDetail::Basic);
        Admission::with_bounds(64 << 10, calls_max, messages_kib_max, Arc::new(metrics))
    }

    fn free_kib(admission: &Admission) -> usize {
        admission.inner.messages.free_kib()
    }

    fn message(bytes: u32) -> Vec<u8> {
        let mut framed = vec![0];
        framed.extend_from_slice(&bytes.to_be_bytes());
        framed.extend(std::iter::repeat_n(7, bytes as usize));
        framed
    }

    #[test]
    fn room_is_made_where_a_message_begins_however_its_bytes_come() {
        for step in [1, 3, 5, 1024, 100_000] {
            let admission = admission(1, 100);
            let admitted = admission.begin().unwrap();
            let mut meter = admission.meter(&admitted);
            let body = [message(50 << 10), message(0), message(20 << 10)].concat();
            let mut seen = Vec::new();
            for piece in body.chunks(step) {
                meter.on_data(piece).unwrap();
                seen.push(free_kib(&admission));
            }
            seen.dedup();
            let all = [100, 50, 100, 80];
            assert!(
                seen.ends_with(&[80]) && seen.iter().all(|free| all.contains(free)),
                "{seen:?}"
            );
            drop((meter, admitted));
            assert_eq!(free_kib(&admission), 100);
        }
    }

    #[test]
    fn a_message_without_room_is_refused_by_its_prefix() {
        let admission = admission(2, 60);
        let [first, second] = [admission.begin().unwrap(), admission.begin().unwrap()];
        assert_eq!(admission.begin().unwrap_err(), ApiError::TooManyRequests);
        admission.meter(&first).on_data(&message(50 << 10)).unwrap();
        let refused = admission.meter(&second).on_data(&message(50 << 10)[..5]);
        assert_eq!(refused.unwrap_err(), ApiError::TooManyRequests);
        drop(first);
        admission.meter(&second).on_data(&message(50 << 10)).unwrap();
        admission.begin().unwrap();
    }

    #[test]
    fn what_is_too_long_anyway_is_left_to_who_says_so() {
        let admission = admission(1, 60);
        let admitted = admission.begin().unwrap();
        admission.meter(&admitted).on_data(&[0, 255, 255, 255, 255, 1, 2]).unwrap();
        assert_eq!(free_kib(&admission), 60);
    }
}
