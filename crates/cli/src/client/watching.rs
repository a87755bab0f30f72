//! A watch that outlives its connection: when a member goes, it goes on with another one, where it
//! was.

use std::time::Duration;

use quorate_etcdapi::etcdserverpb::watch_client::WatchClient;
use quorate_etcdapi::etcdserverpb::watch_request::RequestUnion;
use quorate_etcdapi::etcdserverpb::{
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status, Streaming};

use crate::connect::{Session, refused};
use crate::exit::Failure;

/// The pause before the next member is tried.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Requests that may wait to be sent on one stream.
const REQUESTS_WAITING_MAX: usize = 16;

/// One watch.
#[derive(Debug)]
pub(crate) struct Watching {
    session: Session,
    /// What is asked for, from where the next stream begins.
    request: WatchCreateRequest,
    stream: Option<Stream>,
    /// Streams that ended, so that the next one is with another member.
    ended: usize,
}

#[derive(Debug)]
struct Stream {
    requests: Sender<WatchRequest>,
    responses: Streaming<WatchResponse>,
}

impl Watching {
    /// Begins to watch. Fails if nobody can be reached.
    pub(crate) async fn start(
        session: &Session,
        request: WatchCreateRequest,
    ) -> Result<Self, Failure> {
        let mut watching = Self { session: session.clone(), request, stream: None, ended: 0 };
        let opened = watching.open().await?;
        watching.stream = opened.ok();
        Ok(watching)
    }

    /// The next response that says something: events, progress, or the end.
    pub(crate) async fn next(&mut self) -> Result<WatchResponse, Failure> {
        loop {
            let Some(stream) = &mut self.stream else {
                sleep(RETRY_PAUSE).await;
                self.reopen().await?;
                continue;
            };
            let received = stream.responses.message().await;
            match received {
                Ok(Some(response)) => {
                    self.advance(&response);
                    if !response.created || response.canceled {
                        return Ok(response);
                    }
                }
                Err(status) if is_final(&status) => return Err(refused(&status)),
                Ok(None) | Err(_) => self.give_up_stream(),
            }
        }
    }

    /// Asks how far the member is. What it answers comes as a response.
    pub(crate) async fn ask_progress(&mut self) {
        let union = RequestUnion::ProgressRequest(WatchProgressRequest {});
        if let Some(stream) = &self.stream {
            // A stream that has ended is noticed where it is read.
            let _ = stream.requests.send(WatchRequest { request_union: Some(union) }).await;
        }
    }

    fn give_up_stream(&mut self) {
        self.stream = None;
        self.ended += 1;
    }

    async fn reopen(&mut self) -> Result<(), Failure> {
        match self.open().await {
            Ok(Ok(stream)) => self.stream = Some(stream),
            Ok(Err(status)) if is_final(&status) => return Err(refused(&status)),
            Ok(Err(_)) | Err(_) => self.ended += 1,
        }
        Ok(())
    }

    async fn open(&self) -> Result<Result<Stream, Status>, Failure> {
        let channel = self.session.connect(self.ended).await?;
        let (requests, sent) = mpsc::channel(REQUESTS_WAITING_MAX);
        let create = RequestUnion::CreateRequest(self.request.clone());
        let create = WatchRequest { request_union: Some(create) };
        requests.try_send(create).expect("nothing waits before it");
        let mut request = Request::new(ReceiverStream::new(sent));
        // A member that has lost the others is to end the stream, and not to be silent.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let mut client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
        let opened = client.watch(request).await;
        Ok(opened.map(|responses| Stream { requests, responses: responses.into_inner() }))
    }

    /// Moves the beginning of a next stream behind what was received.
    fn advance(&mut self, response: &WatchResponse) {
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        let revisions =
            response.events.iter().filter_map(|event| Some(event.kv.as_ref()?.mod_revision));
        let seen = match revisions.max() {
            Some(last) => last,
            None if response.created && self.request.start_revision != 0 => return,
            None => revision,
        };
        self.request.start_revision = self.request.start_revision.max(seen + 1);
    }
}

/// Whether another member would say the same.
fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::OutOfRange
            | Code::FailedPrecondition
    )
}
