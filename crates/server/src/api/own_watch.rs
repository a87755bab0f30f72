//! Watches of the node itself: what the recipes wait on, without a connection in between.

use std::collections::VecDeque;
use std::sync::Arc;

use quorate_etcdapi::ApiError;
use quorate_kv::{Change, WatchRefusal, WatchRequest, WatchResponse};

use crate::client::Client;
use crate::watching::{ToWatches, WatchClient};

/// A stream of a few watches. Dropping it ends them.
pub(super) struct OwnWatch {
    client: WatchClient,
    waiting: VecDeque<WatchResponse>,
}

/// What a watch has come upon.
#[derive(Debug)]
pub(super) enum News {
    /// Changes, in order.
    Changes(Vec<Arc<Change>>),
    /// History was compacted beyond the watch: read again, and watch from there.
    Compacted,
}

impl OwnWatch {
    /// Begins these watches.
    pub(super) fn begin(
        client: &Client,
        requests: impl IntoIterator<Item = WatchRequest>,
    ) -> Result<Self, ApiError> {
        let client = client.open_watches()?;
        for request in requests {
            client.tell(ToWatches::Create { stream: client.stream, request: Box::new(request) });
        }
        Ok(Self { client, waiting: VecDeque::new() })
    }

    /// Waits for what any of the watches comes upon next.
    pub(super) async fn next(&mut self) -> Result<News, ApiError> {
        loop {
            while let Some(response) = self.waiting.pop_front() {
                if let Some(news) = news_of(response)? {
                    return Ok(news);
                }
            }
            let batch = self.client.inbox.recv().await.ok_or(ApiError::Stopped)?;
            self.client.tell(ToWatches::Taken { stream: self.client.stream });
            self.waiting.extend(batch);
        }
    }
}

fn news_of(response: WatchResponse) -> Result<Option<News>, ApiError> {
    match response {
        WatchResponse::Created { .. } | WatchResponse::Progress { .. } => Ok(None),
        WatchResponse::Changes { changes, .. } => Ok(Some(News::Changes(changes))),
        WatchResponse::Canceled { .. } => Ok(Some(News::Compacted)),
        WatchResponse::Refused {
            refusal: WatchRefusal::TooMany { .. } | WatchRefusal::KeysTooLong { .. },
            ..
        } => Err(ApiError::TooManyRequests),
        WatchResponse::Refused { refusal, .. } => unreachable!("of a watch of ours: {refusal:?}"),
    }
}
