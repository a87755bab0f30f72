//! What nobody read of a request's body is read all the same before the answer ends.
//!
//! HTTP/1.1 can use a connection again only where the last request has ended. A server that answers
//! without having read a body has to close the connection, and then a client that writes the whole
//! body before it reads finds the connection broken and not why, and one that writes its next
//! request finds no answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::timeout;

/// How much of what nobody wants is read.
const DISCARD_BYTES_MAX: usize = 4 << 20;

/// How long more of it is waited for.
const DISCARD_SILENCE_MAX: Duration = Duration::from_secs(5);

/// Answers a request at once, and ends the answer when the request's body has been read to its end.
pub(super) async fn read_to_the_end(request: Request, next: Next) -> Response {
    let (leave, mut left) = oneshot::channel();
    let request = request.map(|body| Body::new(Lent { body, leave: Some(leave) }));
    let mut response = next.run(request).await;
    let rest = match left.try_recv() {
        Ok(body) => Some(body),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Closed) => return response,
    };
    // What is known to be complete would end before the request does.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.map(|body| Body::new(AfterRequest::new(body, end(rest, left))))
}

/// Ends with the request's body. A stream is answered while its handler still reads, which stops
/// when it finds that the answer has ended.
async fn end(mut rest: Option<Body>, left: oneshot::Receiver<Body>) {
    if rest.is_none() {
        rest = timeout(DISCARD_SILENCE_MAX, left).await.ok().and_then(Result::ok);
    }
    if let Some(body) = rest {
        discard(body).await;
    }
}

/// Reads what is left within limits.
async fn discard(mut body: Body) {
    let mut room = DISCARD_BYTES_MAX;
    while let Ok(Some(Ok(frame))) = timeout(DISCARD_SILENCE_MAX, body.frame()).await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = room.checked_sub(bytes) else { return };
        room = rest;
    }
}

/// A request's body in the hands of a handler, which leaves what it does not read.
struct Lent {
    body: Body,
    /// `None` once nothing is left.
    leave: Option<oneshot::Sender<Body>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(leave) = self.leave.take() else { return };
        if !self.body.is_end_stream() {
            // Nobody waits for it once the client is gone.
            let _ = leave.send(std::mem::take(&mut self.body));
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.leave = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, which ends after the request's.
struct AfterRequest {
    /// `None` once it has been told.
    body: Option<Body>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl AfterRequest {
    fn new(body: Body, end: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { body: Some(body), end: Box::pin(end) }
    }
}

impl HttpBody for AfterRequest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(body) = &mut self.body {
            let frame = ready!(Pin::new(body).poll_frame(context));
            if matches!(frame, Some(Ok(_))) {
                return Poll::Ready(frame);
            }
            self.body = None;
        }
        self.end.as_mut().poll(context).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tokio::sync::mpsc;
    use tokio_stream::StreamExt;
    use tokio_stream::wrappers::ReceiverStream;
    use tower::ServiceExt;

    type Chunk = Result<Bytes, axum::Error>;

    /// A handler that reads nothing of its request.
    fn deaf() -> Router {
        Router::new().route("/", post(|| async { "no" })).layer(from_fn(read_to_the_end))
    }

    fn request() -> (mpsc::Sender<Chunk>, Request) {
        let (sender, chunks) = mpsc::channel(1);
        let request = Request::post("/").body(Body::from_stream(ReceiverStream::new(chunks)));
        (sender, request.expect("it is a request"))
    }

    const CHUNK_BYTES: usize = 64 << 10;

    /// Writes a body until it is whole or nobody reads it, and gives the chunks that were taken.
    async fn write(sender: mpsc::Sender<Chunk>, chunks: usize) -> usize {
        let chunk = Bytes::from(vec![b' '; CHUNK_BYTES]);
        for taken in 0..chunks {
            if sender.send(Ok(chunk.clone())).await.is_err() {
                return taken;
            }
        }
        chunks
    }

    async fn text(response: Response) -> Bytes {
        response.into_body().collect().await.expect("it is whole").to_bytes()
    }

    #[tokio::test]
    async fn what_is_not_read_is_read_all_the_same() {
        let (sender, request) = request();
        let response = deaf().oneshot(request).await.expect("it answers");
        let (told, taken) = tokio::join!(text(response), write(sender, 50));
        assert_eq!((told, taken), ("no".into(), 50));
    }

    #[tokio::test]
    async fn what_does_not_end_is_given_up() {
        let (sender, request) = request();
        let response = deaf().oneshot(request).await.expect("it answers");
        let (told, taken) = tokio::join!(text(response), write(sender, 500));
        assert!((64..70).contains(&taken), "{taken}");
        assert_eq!(told, "no");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_given_up() {
        let (sender, request) = request();
        let response = deaf().oneshot(request).await.expect("it answers");
        assert_eq!(text(response).await, "no");
        assert!(sender.is_closed());
    }

    #[tokio::test]
    async fn an_answer_that_goes_on_ends_after_its_request() {
        let echo = |body: Body| async {
            // One chunk goes back, and the rest stays.
            Body::from_stream(body.into_data_stream().take(1))
        };
        let routes = Router::new().route("/", post(echo)).layer(from_fn(read_to_the_end));
        let (sender, request) = request();
        let response = routes.oneshot(request).await.expect("it answers");
        let (told, taken) = tokio::join!(text(response), write(sender, 50));
        assert_eq!((told.len(), taken), (CHUNK_BYTES, 50));
    }
}
