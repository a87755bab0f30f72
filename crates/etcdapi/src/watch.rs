//! Watches: etcd's messages to and from the state machine's own types.

use std::sync::Arc;

use bytes::Bytes;
use quorate_kv as kv;

use crate::etcdserverpb as pb;
use crate::mvccpb;
use crate::response::Responder;
use pb::watch_create_request::FilterType;

/// The name in what is not about one watch.
const NO_WATCH: i64 = -1;

/// Filters that etcd does not know are left out, as etcd does.
impl From<pb::WatchCreateRequest> for kv::WatchRequest {
    fn from(create: pb::WatchCreateRequest) -> Self {
        let skips = |filter: FilterType| create.filters.contains(&(filter as i32));
        let filter = match (skips(FilterType::Noput), skips(FilterType::Nodelete)) {
            (false, false) => kv::WatchFilter::All,
            (false, true) => kv::WatchFilter::Puts,
            (true, false) => kv::WatchFilter::Deletions,
            (true, true) => kv::WatchFilter::Nothing,
        };
        Self {
            key: create.key,
            range_end: create.range_end,
            start_revision: create.start_revision,
            id: create.watch_id,
            wants_previous: create.prev_kv,
            wants_progress: create.progress_notify,
            wants_fragments: create.fragment,
            filter,
        }
    }
}

impl Responder {
    /// What a stream's client is told.
    pub fn watch(&self, response: kv::WatchResponse) -> pb::WatchResponse {
        match response {
            kv::WatchResponse::Created { watch, revision } => {
                pb::WatchResponse { created: true, ..self.about(watch.0, revision) }
            }
            kv::WatchResponse::Refused { refusal, revision } => pb::WatchResponse {
                created: true,
                canceled: true,
                cancel_reason: reason_of(refusal),
                ..self.about(NO_WATCH, revision)
            },
            kv::WatchResponse::Changes {
                watch,
                revision,
                changes,
                wants_previous,
                is_fragment,
            } => pb::WatchResponse {
                fragment: is_fragment,
                events: changes.iter().map(|change| event_of(change, wants_previous)).collect(),
                ..self.about(watch.0, revision)
            },
            kv::WatchResponse::Progress { watch, revision } => {
                self.about(watch.map_or(NO_WATCH, |watch| watch.0), revision)
            }
            kv::WatchResponse::Canceled { watch, cause } => self.canceled(watch, cause),
        }
    }

    /// etcd gives no revision to a watch that compaction has ended.
    fn canceled(&self, watch: kv::WatchId, cause: kv::CancelCause) -> pb::WatchResponse {
        let (revision, compact_revision) = match cause {
            kv::CancelCause::Asked { revision } => (revision, 0),
            kv::CancelCause::Compacted { compacted } => (0, compacted),
        };
        pb::WatchResponse { canceled: true, compact_revision, ..self.about(watch.0, revision) }
    }

    fn about(&self, watch_id: i64, revision: i64) -> pb::WatchResponse {
        let header = Some(self.header(revision));
        pb::WatchResponse { header, watch_id, ..pb::WatchResponse::default() }
    }
}

/// etcd's words. It has no bound on watches, and so none for that.
fn reason_of(refusal: kv::WatchRefusal) -> String {
    match refusal {
        kv::WatchRefusal::EmptyRange => "mvcc: watcher range is empty".to_owned(),
        kv::WatchRefusal::DuplicateId => {
            "mvcc: duplicate watch ID provided on the WatchStream".to_owned()
        }
        kv::WatchRefusal::NegativeRevision => {
            "etcdserver: mvcc: required revision has been compacted".to_owned()
        }
        kv::WatchRefusal::TooMany { watches_max } => {
            format!("quorate: this member carries {watches_max} watches, its limit; use another")
        }
        kv::WatchRefusal::KeysTooLong { key_bytes_max } => format!(
            "quorate: the watches of this member have {key_bytes_max} bytes of keys, its limit; \
             use another"
        ),
    }
}

/// A deletion carries its key and revision alone.
fn event_of(change: &Arc<kv::Change>, wants_previous: bool) -> mvccpb::Event {
    let record = &change.record;
    let (kind, kv) = match record.kind {
        kv::RecordKind::Put => {
            (mvccpb::event::EventType::Put, record.key_value(change.revision).into())
        }
        kv::RecordKind::Tombstone => {
            let mod_revision = change.revision.main;
            let key: Bytes = record.key.clone();
            let kv = mvccpb::KeyValue { key, mod_revision, ..mvccpb::KeyValue::default() };
            (mvccpb::event::EventType::Delete, kv)
        }
    };
    let previous = if wants_previous { change.previous.clone() } else { None };
    mvccpb::Event {
        r#type: kind.into(),
        kv: Some(kv),
        prev_kv: previous.map(mvccpb::KeyValue::from),
    }
}
