//! One stream of watches, and how to know that it has brought everything.
//!
//! A watch of this tool's own, the *sentinel*, waits on a key that only serves to be put. When its
//! event has come, so has everything before it, for events of watches that keep up come in order.
//! A watch that starts in the past catches up on its own; etcd does so ten times a second, for all
//! that lag at once. So the *fence*, a second watch, is then started in the past as well, and what
//! is put after its event is put after the others have caught up.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::mvccpb::Event;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;

/// The key that is put for the sake of the sentinel.
pub(crate) const SENTINEL_KEY: &[u8] = b"s";

const SENTINEL: i64 = 1_000_001;
const FENCE: i64 = 1_000_002;

/// How long a response may take.
const RESPONSE_LIMIT: Duration = Duration::from_secs(10);

/// Requests that may wait to be sent.
const REQUESTS_MAX: usize = 16;

/// Why a stream can no longer be used.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Nothing came.
    Silent {
        /// What was waited for.
        awaited: &'static str,
    },
    /// The server ended it.
    Ended(Option<Status>),
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { awaited } => write!(formatter, "{awaited} did not come"),
            Self::Ended(Some(status)) => write!(
                formatter,
                "the stream of watches ended: {:?}: {}",
                status.code(),
                status.message()
            ),
            Self::Ended(None) => formatter.write_str("the stream of watches ended"),
        }
    }
}

/// Events of one response.
pub(crate) struct Delivered {
    /// The watch.
    pub(crate) watch: i64,
    /// The header's revision.
    pub(crate) revision: i64,
    /// What happened, in the order told.
    pub(crate) events: Vec<Event>,
    /// Whether the rest of it follows in another response.
    pub(crate) is_fragment: bool,
    /// Whether the watch kept up, so that the server had to tell each revision by itself.
    pub(crate) is_live: bool,
    /// Whether the watch had already been said to have ended.
    pub(crate) is_late: bool,
}

/// A stream of watches.
pub(crate) struct Stream {
    requests: mpsc::Sender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
    catching_up: BTreeSet<i64>,
    ended: BTreeSet<i64>,
    control: Vec<pb::WatchResponse>,
    delivered: Vec<Delivered>,
}

impl Stream {
    /// A stream with its sentinel.
    pub(crate) async fn open(channel: Channel) -> Result<Self, Broken> {
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        // etcd answers the call only when there is a response to send.
        send(&requests, RequestUnion::CreateRequest(own_watch(SENTINEL, 0))).await;
        let mut client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
        let responses = client.watch(ReceiverStream::new(queue)).await;
        let responses = responses.map_err(|status| Broken::Ended(Some(status)))?.into_inner();
        let mut stream = Self {
            requests,
            responses,
            catching_up: BTreeSet::new(),
            ended: BTreeSet::new(),
            control: Vec::new(),
            delivered: Vec::new(),
        };
        stream.created("the sentinel").await?;
        Ok(stream)
    }

    /// Whether a watch may lag because it started in the past.
    pub(crate) fn is_catching_up(&self) -> bool {
        !self.catching_up.is_empty()
    }

    /// Creates a watch, and returns what was said of it.
    pub(crate) async fn create(
        &mut self,
        request: pb::WatchCreateRequest,
        starts_in_the_past: StartsInThePast,
    ) -> Result<pb::WatchResponse, Broken> {
        self.send(RequestUnion::CreateRequest(request)).await;
        let created = self.created("a new watch").await?;
        self.ended.remove(&created.watch_id);
        if starts_in_the_past.0 && !created.canceled {
            self.catching_up.insert(created.watch_id);
        }
        Ok(created)
    }

    /// Asks for something that need not be answered, and returns what came that is not events.
    pub(crate) async fn ask(
        &mut self,
        request: RequestUnion,
    ) -> Result<Vec<pb::WatchResponse>, Broken> {
        self.send(request).await;
        // Requests of a stream are answered in order.
        self.send(RequestUnion::CreateRequest(own_watch(FENCE, 0))).await;
        self.created("the fence").await?;
        self.remove_fence().await?;
        Ok(self.take_control())
    }

    /// Waits until the watches that start in the past have caught up with this revision, which put
    /// the sentinel's key.
    pub(crate) async fn catch_up(&mut self, revision: i64) -> Result<(), Broken> {
        self.send(RequestUnion::CreateRequest(own_watch(FENCE, revision))).await;
        self.created("the fence").await?;
        self.until("the fence's event", |it| it.watch_id == FENCE && tells(it, revision)).await?;
        self.remove_fence().await
    }

    /// Waits for everything up to this revision, which put the sentinel's key.
    pub(crate) async fn settle(&mut self, revision: i64) -> Result<(), Broken> {
        let is_it = |it: &pb::WatchResponse| it.watch_id == SENTINEL && tells(it, revision);
        self.until("the sentinel's event", is_it).await?;
        self.catching_up.clear();
        Ok(())
    }

    /// What came that is neither events nor an answer that was waited for.
    pub(crate) fn take_control(&mut self) -> Vec<pb::WatchResponse> {
        std::mem::take(&mut self.control)
    }

    /// All events that came.
    pub(crate) fn into_delivered(self) -> Vec<Delivered> {
        self.delivered
    }

    async fn remove_fence(&mut self) -> Result<(), Broken> {
        let cancel = pb::WatchCancelRequest { watch_id: FENCE };
        self.send(RequestUnion::CancelRequest(cancel)).await;
        self.until("the end of the fence", |it| it.watch_id == FENCE && it.canceled).await?;
        Ok(())
    }

    async fn send(&self, request: RequestUnion) {
        send(&self.requests, request).await;
    }

    async fn created(&mut self, awaited: &'static str) -> Result<pb::WatchResponse, Broken> {
        self.until(awaited, |it| it.created).await
    }

    /// Keeps what comes until it is what is waited for.
    async fn until(
        &mut self,
        awaited: &'static str,
        is_it: impl Fn(&pb::WatchResponse) -> bool,
    ) -> Result<pb::WatchResponse, Broken> {
        loop {
            let next = tokio::time::timeout(RESPONSE_LIMIT, self.responses.message()).await;
            let next = next.map_err(|_| Broken::Silent { awaited })?;
            let next = next.map_err(|status| Broken::Ended(Some(status)))?;
            let response = next.ok_or(Broken::Ended(None))?;
            if is_it(&response) {
                return Ok(response);
            }
            self.keep(response);
        }
    }

    fn keep(&mut self, response: pb::WatchResponse) {
        let watch = response.watch_id;
        if [SENTINEL, FENCE].contains(&watch) {
            return;
        }
        if response.events.is_empty() {
            if response.canceled {
                self.ended.insert(watch);
            }
            self.control.push(response);
            return;
        }
        self.delivered.push(Delivered {
            watch,
            revision: response.header.map_or(0, |header| header.revision),
            events: response.events,
            is_fragment: response.fragment,
            is_live: !self.catching_up.contains(&watch),
            is_late: self.ended.contains(&watch),
        });
    }
}

/// Whether a new watch has something to catch up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartsInThePast(pub(crate) bool);

fn own_watch(watch_id: i64, start_revision: i64) -> pb::WatchCreateRequest {
    let key = SENTINEL_KEY.into();
    pb::WatchCreateRequest { key, watch_id, start_revision, ..Default::default() }
}

fn tells(response: &pb::WatchResponse, revision: i64) -> bool {
    let mut kvs = response.events.iter().filter_map(|event| event.kv.as_ref());
    kvs.any(|kv| kv.mod_revision == revision)
}

async fn send(requests: &mpsc::Sender<pb::WatchRequest>, request: RequestUnion) {
    let request = pb::WatchRequest { request_union: Some(request) };
    // If the stream has ended, the next wait for a response tells so.
    let _ = requests.send(request).await;
}
