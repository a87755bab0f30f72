//! Watches: one stream from the client, one back, many watches on both.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::{ApiError, Responder};
use quorate_kv::{StreamId, WatchId, WatchResponse};
use tokio::sync::{Semaphore, watch};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::reply;
use crate::client::Client;
use crate::queue::Sender;
use crate::server::told_to_stop;
use crate::waiter::ToApplying;
use crate::watching::{ToWatches, WatchClient};
use pb::watch_request::RequestUnion;

/// Watches of one stream that were asked for, and whose answer the client has not taken: beyond
/// these its requests wait.
const UNANSWERED_MAX: usize = 1_000;

/// etcd's Watch service.
#[derive(Clone)]
pub(crate) struct WatchService {
    client: Client,
    stopped: watch::Receiver<bool>,
}

impl WatchService {
    /// The service of this node, whose streams end when the server stops.
    pub(crate) fn new(client: Client, stopped: watch::Receiver<bool>) -> Self {
        Self { client, stopped }
    }

    fn open(&self, requests: Streaming<pb::WatchRequest>) -> Result<Told, ApiError> {
        let client = self.client.open_watches()?;
        let unanswered = Arc::new(Semaphore::new(UNANSWERED_MAX));
        let asking = Asking {
            requests,
            stream: client.stream,
            applying: client.applying.clone(),
            unanswered: unanswered.clone(),
        };
        tokio::spawn(asking.run());
        let mut stopped = self.stopped.clone();
        let stopped = Box::pin(async move { told_to_stop(&mut stopped).await });
        let node = self.client.clone();
        Ok(Told { client, node, unanswered, waiting: VecDeque::new(), stopped })
    }
}

#[tonic::async_trait]
impl pb::watch_server::Watch for WatchService {
    type WatchStream = Told;

    async fn watch(
        &self,
        request: Request<Streaming<pb::WatchRequest>>,
    ) -> Result<Response<Told>, Status> {
        reply(self.open(request.into_inner()))
    }
}

/// What the client asks for. It ends when the client stops asking; what was asked for goes on.
struct Asking {
    requests: Streaming<pb::WatchRequest>,
    stream: StreamId,
    applying: Sender<ToApplying>,
    unanswered: Arc<Semaphore>,
}

impl Asking {
    async fn run(mut self) {
        // The semaphore is closed when the other half of the stream is gone.
        while let Ok(permit) = self.unanswered.clone().acquire_owned().await {
            let Ok(Some(request)) = self.requests.message().await else { return };
            if matches!(request.request_union, Some(RequestUnion::CreateRequest(_))) {
                permit.forget();
            }
            self.ask(request);
        }
    }

    /// A request without content asks for nothing.
    fn ask(&self, request: pb::WatchRequest) {
        let stream = self.stream;
        let message = match request.request_union {
            None => return,
            Some(RequestUnion::CreateRequest(create)) => {
                ToWatches::Create { stream, request: Box::new(create.into()) }
            }
            Some(RequestUnion::CancelRequest(cancel)) => {
                ToWatches::Cancel { stream, watch: WatchId(cancel.watch_id) }
            }
            Some(RequestUnion::ProgressRequest(_)) => ToWatches::Progress { stream },
        };
        // The applying thread is gone only when the node stops.
        let _ = self.applying.send(ToApplying::Watches(message));
    }
}

/// What the client is told, until it goes or the server stops.
pub(crate) struct Told {
    client: WatchClient,
    node: Client,
    unanswered: Arc<Semaphore>,
    waiting: VecDeque<WatchResponse>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Told {
    fn next(&mut self, responder: Responder) -> Option<pb::WatchResponse> {
        let response = self.waiting.pop_front()?;
        let is_answer =
            matches!(response, WatchResponse::Created { .. } | WatchResponse::Refused { .. });
        if is_answer {
            self.unanswered.add_permits(1);
        }
        Some(responder.watch(response))
    }
}

impl Stream for Told {
    type Item = Result<pb::WatchResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let it = self.get_mut();
        if it.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(ApiError::Stopped.into())));
        }
        loop {
            if let Some(response) = it.next(it.node.responder()) {
                return Poll::Ready(Some(Ok(response)));
            }
            let Some(batch) = ready!(it.client.inbox.poll_recv(context)) else {
                return Poll::Ready(Some(Err(ApiError::Stopped.into())));
            };
            it.client.tell(ToWatches::Taken { stream: it.client.stream });
            it.waiting.extend(batch);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.unanswered.close();
    }
}
