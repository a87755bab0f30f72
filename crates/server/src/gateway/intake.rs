//! Reads a request's body within limits: of a value's length, of the room that all bodies share,
//! and of the time that a value may take once it has begun.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::values::{Broken, Values};
use crate::room::{Room, Share};

/// How long a value may take to arrive.
const VALUE_TIMEOUT: Duration = Duration::from_mins(1);

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Intake {
    body: Body,
    values: Values,
    bytes_max: usize,
    share: Share,
    /// When the value under way must be there.
    deadline: Instant,
}

impl Intake {
    /// A body whose values have at most so many bytes, and which shares this room.
    pub(super) fn new(body: Body, bytes_max: usize, room: &Room) -> Self {
        let (values, share) = (Values::new(bytes_max), room.share());
        Self { body, values, bytes_max, share, deadline: Instant::now() + VALUE_TIMEOUT }
    }

    /// Everything.
    pub(super) async fn whole(mut self) -> Result<Bytes, Status> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk_in_time().await? {
            if self.bytes_max < whole.len() + chunk.len() {
                return Err(self.too_long());
            }
            self.share.fit(whole.len() + chunk.len())?;
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The next JSON object, `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            match self.values.next() {
                Ok(Some(value)) => {
                    self.share.fit(self.values.len())?;
                    return Ok(Some(value));
                }
                Ok(None) => {}
                Err(Broken::TooLong) => return Err(self.too_long()),
                Err(Broken::NotAnObject) => {
                    return Err(Status::invalid_argument(
                        "the body is not a series of JSON objects",
                    ));
                }
            }
            let Some(chunk) = self.chunk().await? else { return self.end() };
            self.values.push(&chunk);
            self.share.fit(self.values.len())?;
        }
    }

    fn end(&self) -> Result<Option<Bytes>, Status> {
        if self.values.is_within() {
            return Err(Status::invalid_argument("the body ends within a JSON object"));
        }
        Ok(None)
    }

    /// More of the body. Between two objects there is no hurry.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Status> {
        if self.values.is_within() {
            return self.chunk_in_time().await;
        }
        let chunk = self.read().await;
        self.deadline = Instant::now() + VALUE_TIMEOUT;
        chunk
    }

    async fn chunk_in_time(&mut self) -> Result<Option<Bytes>, Status> {
        let chunk = timeout_at(self.deadline, self.read()).await;
        chunk.unwrap_or_else(|_| {
            let seconds = VALUE_TIMEOUT.as_secs();
            Err(Status::deadline_exceeded(format!("the body did not arrive within {seconds}s")))
        })
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|_| Status::cancelled("the body broke off"))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    fn too_long(&self) -> Status {
        let bytes_max = self.bytes_max;
        Status::resource_exhausted(format!("the JSON of a request exceeds {bytes_max} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;
    use tonic::Code;

    fn intake(body: Body, room: &Room) -> Intake {
        Intake::new(body, 4096, room)
    }

    #[tokio::test]
    async fn room_is_held_while_a_body_is_read_and_then_given_back() {
        let room = Room::of_kib(3);
        let mut values = intake(Body::from(vec![b'{'; 2048]), &room);
        assert_eq!(values.next().await.unwrap_err().code(), Code::InvalidArgument);
        drop(values);
        assert_eq!(room.free_kib(), 3, "what is refused holds nothing");
        let chunks = tokio_stream::once(Ok::<_, Status>(Bytes::from_static(&[b'{'; 2048])));
        let unfinished = tokio_stream::StreamExt::chain(chunks, tokio_stream::pending());
        let mut values = intake(Body::from_stream(unfinished), &room);
        assert!(timeout(Duration::from_millis(1), values.next()).await.is_err());
        assert_eq!(room.free_kib(), 1);
        let refused = intake(Body::from(vec![b' '; 2048]), &room).whole().await.unwrap_err();
        assert_eq!(refused.message(), "etcdserver: too many requests");
        drop(values);
        assert_eq!(intake(Body::from(vec![b' '; 2048]), &room).whole().await.unwrap().len(), 2048);
        assert_eq!(room.free_kib(), 3);
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused() {
        let room = Room::of_kib(100);
        let long = || Body::from(vec![b'{'; 4097]);
        let refused = intake(long(), &room).whole().await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let refused = intake(long(), &room).next().await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_given_up_and_a_silent_stream_is_not() {
        let room = Room::of_kib(100);
        let endless = |text: &'static str| {
            let chunks = tokio_stream::once(Ok::<_, std::io::Error>(text));
            Body::from_stream(tokio_stream::StreamExt::chain(chunks, tokio_stream::pending()))
        };
        let refused = intake(endless("{"), &room).whole().await.unwrap_err();
        assert_eq!(refused.code(), Code::DeadlineExceeded);
        let refused = intake(endless("{"), &room).next().await.unwrap_err();
        assert_eq!(refused.code(), Code::DeadlineExceeded);
        let mut silent = intake(endless("{}"), &room);
        assert_eq!(silent.next().await.unwrap().unwrap(), "{}");
        let waited = timeout(10 * VALUE_TIMEOUT, silent.next()).await;
        assert!(waited.is_err(), "it goes on waiting");
    }
}
