//! Requests as bodies of messages, and streams of messages as lines of JSON.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::call::{Replies, framed};
use super::intake::Intake;
use super::json_type;
use super::method::Method;
use super::refusal::{deadline_exceeded, line};
use super::transcode::{from_json, to_json};

/// Messages that wait for the service that takes them. Beyond these the client waits.
const MESSAGES_MAX: usize = 4;

/// What a client asks, as the service takes it.
pub(super) struct Asked {
    /// Its messages.
    pub(super) body: Body,
    /// Told if it asks for something that cannot be read.
    pub(super) refused: oneshot::Receiver<Status>,
}

/// The one message of a method that takes one.
pub(super) async fn ask_once(intake: Intake, method: &Method) -> Result<Asked, Status> {
    let message = from_json(&intake.whole().await?, &method.input)?;
    let (_, refused) = oneshot::channel();
    Ok(Asked { body: Body::from(framed(&message)), refused })
}

/// The messages of a method that takes many. Returns once the first is there, or it is clear that
/// there is none.
pub(super) async fn ask_often(mut intake: Intake, method: Arc<Method>) -> Result<Asked, Status> {
    let (refuse, refused) = oneshot::channel();
    let (messages, ask) = mpsc::channel(MESSAGES_MAX);
    if let Some(first) = intake.next().await? {
        let first = from_json(&first, &method.input)?;
        messages.try_send(framed(&first)).expect("there is room for one");
        tokio::spawn(go_on_asking(intake, method, messages, refuse));
    }
    let body = ReceiverStream::new(ask).map(Ok::<_, Status>);
    Ok(Asked { body: Body::from_stream(body), refused })
}

/// Passes on what the client asks, until it stops or the service no longer listens.
async fn go_on_asking(
    mut intake: Intake,
    method: Arc<Method>,
    messages: mpsc::Sender<Bytes>,
    refuse: oneshot::Sender<Status>,
) {
    loop {
        let value = tokio::select! {
            value = intake.next() => value,
            () = messages.closed() => return,
        };
        let message = match value {
            Ok(Some(value)) => from_json(&value, &method.input),
            Ok(None) => return,
            Err(status) => Err(status),
        };
        match message {
            Ok(message) => {
                if messages.send(framed(&message)).await.is_err() {
                    return;
                }
            }
            Err(status) => {
                // Nobody is there to be told if the answer has ended.
                let _ = refuse.send(status);
                return;
            }
        }
    }
}

/// What a stream tells, as lines of JSON.
pub(super) struct Lines {
    replies: Replies,
    method: Arc<Method>,
    refused: Option<oneshot::Receiver<Status>>,
    deadline: Option<Pin<Box<Sleep>>>,
    first: Option<Bytes>,
    has_ended: bool,
}

impl Lines {
    /// The lines of these replies, until the client's deadline.
    pub(super) fn new(
        replies: Replies,
        method: Arc<Method>,
        refused: oneshot::Receiver<Status>,
        deadline: Option<Instant>,
    ) -> Self {
        let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        let refused = Some(refused);
        Self { replies, method, refused, deadline, first: None, has_ended: false }
    }

    /// The answer, once it is known whether it begins with a failure.
    pub(super) async fn begin(mut self) -> Result<Response, Status> {
        self.first = poll_fn(|context| self.poll_line(context)).await.transpose()?;
        Ok((json_type(), Body::from_stream(self)).into_response())
    }

    /// The next line, then perhaps a failure, then nothing.
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Some(status) = self.poll_end(context) {
            self.has_ended = true;
            return Poll::Ready(Some(Err(status)));
        }
        let line = ready!(self.replies.poll_message(context)).map(|message| {
            let json = to_json(message?, &self.method.output)?;
            Ok([&b"{\"result\":"[..], &json, b"}\n"].concat().into())
        });
        self.has_ended = !matches!(line, Some(Ok(_)));
        Poll::Ready(line)
    }

    /// What ends the stream from the client's side.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Option<Status> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Some(deadline_exceeded());
        }
        match Pin::new(self.refused.as_mut()?).poll(context) {
            Poll::Ready(Ok(status)) => Some(status),
            Poll::Ready(Err(_)) => {
                self.refused = None;
                None
            }
            Poll::Pending => None,
        }
    }
}

impl Stream for Lines {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let told = ready!(self.poll_line(context));
        Poll::Ready(told.map(|told| Ok(told.unwrap_or_else(|status| line(&status)))))
    }
}
