//! Ranges that are streamed, between their connections and the applying thread.

use quorate_etcdapi::error::ApiError;
use quorate_kv::{CommandError, Damage, RangeRequest, Strict};
use quorate_replica::{Applying, RangeId, RangePiece};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::queue::Sender;
use crate::waiter::ToApplying;

/// For the ranges.
pub(crate) enum ToRanges {
    /// Hold the revision it reads at.
    Begin { request: Box<RangeRequest>, answer: oneshot::Sender<Result<RangeId, CommandError>> },
    /// The next piece.
    Pull { id: RangeId, answer: oneshot::Sender<Option<RangePiece>> },
    /// Let it go.
    End(RangeId),
}

/// Does what a client's side asks for.
pub(crate) fn take(message: ToRanges, applying: &mut Applying<Strict>) -> Result<(), Damage> {
    match message {
        ToRanges::Begin { request, answer } => {
            if let Err(Ok(id)) = answer.send(applying.begin_range(*request)) {
                applying.end_range(id);
            }
        }
        ToRanges::Pull { id, answer } => {
            // Whoever asked may have gone.
            let _ = answer.send(applying.range_piece(id)?);
        }
        ToRanges::End(id) => applying.end_range(id),
    }
    Ok(())
}

/// A client's side of a range. Dropping it lets the revision go.
pub(crate) struct RangeStream {
    id: RangeId,
    applying: Sender<ToApplying>,
    /// One of the streams that may be open at a time.
    _permit: OwnedSemaphorePermit,
}

impl RangeStream {
    /// Holds the revision that the range reads at.
    pub(crate) async fn begin(
        applying: Sender<ToApplying>,
        request: RangeRequest,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, ApiError> {
        let (answer, begun) = oneshot::channel();
        let begin = ToRanges::Begin { request: Box::new(request), answer };
        // The applying thread is gone only when the node stops.
        let _ = applying.send(ToApplying::Ranges(begin));
        let id = begun.await.map_err(|_| ApiError::Stopped)??;
        Ok(Self { id, applying, _permit: permit })
    }

    /// The next piece. After the last there is none to be asked for.
    pub(crate) async fn next(&self) -> Result<RangePiece, ApiError> {
        let (answer, pulled) = oneshot::channel();
        let _ = self.applying.send(ToApplying::Ranges(ToRanges::Pull { id: self.id, answer }));
        pulled.await.ok().flatten().ok_or(ApiError::Stopped)
    }
}

impl Drop for RangeStream {
    fn drop(&mut self) {
        let _ = self.applying.send(ToApplying::Ranges(ToRanges::End(self.id)));
    }
}
