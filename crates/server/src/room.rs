//! Room in memory that many share, in bytes: counted before they are taken.

use std::sync::Arc;

use quorate_etcdapi::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for so many bytes, in KiB. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    kib: Arc<Semaphore>,
}

impl Room {
    /// Room for so many KiB.
    pub(crate) fn of_kib(kib: usize) -> Self {
        Self { kib: Arc::new(Semaphore::new(kib)) }
    }

    /// A part of it that is nothing yet.
    pub(crate) fn share(&self) -> Share {
        Share { room: self.clone(), held: None }
    }

    /// How many KiB are free.
    pub(crate) fn free_kib(&self) -> usize {
        self.kib.available_permits()
    }
}

/// A part of a room, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Room,
    held: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Holds as much as these bytes need, or as before if there is no room for more.
    pub(crate) fn fit(&mut self, bytes: usize) -> Result<(), ApiError> {
        let needed = bytes.div_ceil(1024);
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if needed < held {
            // What is split off is given back.
            let _ = self.held.as_mut().and_then(|permit| permit.split(held - needed));
        }
        if needed <= held {
            return Ok(());
        }
        let more = u32::try_from(needed - held).unwrap_or(u32::MAX);
        let more = self.room.kib.clone().try_acquire_many_owned(more);
        let more = more.map_err(|_| ApiError::TooManyRequests)?;
        match &mut self.held {
            Some(permit) => permit.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_and_shrinks_and_is_given_back() {
        let room = Room::of_kib(10);
        let (mut first, mut second) = (room.share(), room.share());
        first.fit(4097).unwrap();
        assert_eq!(room.free_kib(), 5, "a KiB that was begun counts");
        second.fit(5120).unwrap();
        assert_eq!(first.fit(6000).unwrap_err(), ApiError::TooManyRequests);
        assert_eq!(room.free_kib(), 0, "a refusal changes nothing");
        first.fit(1).unwrap();
        second.fit(9 << 10).unwrap();
        assert_eq!(second.fit(usize::MAX).unwrap_err(), ApiError::TooManyRequests);
        drop(second);
        assert_eq!(room.free_kib(), 9);
        first.fit(0).unwrap();
        assert_eq!(room.free_kib(), 10);
    }
}
