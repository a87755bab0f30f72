//! What clients ask of watches, and what they are told.

use std::sync::Arc;

use bytes::Bytes;

use crate::{KeyValue, Record, RecordKind, Revision};

/// A client's connection that carries watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// A watch's name on its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub i64);

/// A moment of this node's own clock, in microseconds. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeTime(pub u64);

/// A wish to be told of changes (etcd's `WatchCreateRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchRequest {
    /// The key, or where the range begins. Empty means the least key there can be.
    pub key: Bytes,
    /// Where the range ends, as in [`crate::RangeRequest`].
    pub range_end: Bytes,
    /// The first revision to tell of; 0 for what comes next.
    pub start_revision: i64,
    /// The name the client chose; 0 to be given one.
    pub id: i64,
    /// Whether each change comes with what was there before it.
    pub wants_previous: bool,
    /// Whether to be told from time to time how far a quiet watch has come.
    pub wants_progress: bool,
    /// Whether long responses may be cut into several.
    pub wants_fragments: bool,
    /// Which kinds of changes to tell of.
    pub filter: WatchFilter,
}

/// Which kinds of changes a watch is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchFilter {
    /// All of them.
    #[default]
    All,
    /// No deletions (etcd's `NODELETE`).
    Puts,
    /// No puts (etcd's `NOPUT`).
    Deletions,
    /// None: only progress, and the end of the watch.
    Nothing,
}

/// One change of one key, shared by all who are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it happened.
    pub revision: Revision,
    /// What happened.
    pub record: Record,
    /// What was there before, if a watch that is told wants it and it is not compacted.
    pub previous: Option<KeyValue>,
}

/// What a stream is told, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchResponse {
    /// A watch begins.
    Created {
        /// Its name.
        watch: WatchId,
        /// The store's revision: changes at and below it come only if they were asked for.
        revision: i64,
    },
    /// A watch does not begin. The stream goes on.
    Refused {
        /// Why.
        refusal: WatchRefusal,
        /// The store's revision.
        revision: i64,
    },
    /// Something changed. All changes of one revision come in one response, or in one run of
    /// fragments.
    Changes {
        /// To what this watch waits for.
        watch: WatchId,
        /// All changes up to this revision have been told, with the ones in here.
        revision: i64,
        /// In order, each once.
        changes: Vec<Arc<Change>>,
        /// Whether the watch wanted what was there before.
        wants_previous: bool,
        /// Whether more of these changes follow in the next response.
        is_fragment: bool,
    },
    /// Nothing is missing up to this revision.
    Progress {
        /// For one watch; for all of the stream if there is no name.
        watch: Option<WatchId>,
        /// Up to here.
        revision: i64,
    },
    /// A watch has ended: nothing more comes from it.
    Canceled {
        /// Its name.
        watch: WatchId,
        /// Why.
        cause: CancelCause,
    },
}

/// Why a watch does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchRefusal {
    /// The range has no keys: ask for another.
    EmptyRange,
    /// The stream has a watch of this name: choose another.
    DuplicateId,
    /// There is no negative revision: ask for 0 or a later one.
    NegativeRevision,
    /// The node carries as many watches as it may: use another node, or fewer watches.
    TooMany {
        /// That many.
        watches_max: usize,
    },
    /// The keys of the watches that the node carries are as long as they may be together: use
    /// another node, or shorter keys.
    KeysTooLong {
        /// So many bytes.
        key_bytes_max: usize,
    },
}

/// Why a watch has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelCause {
    /// The client asked for it.
    Asked {
        /// The store's revision.
        revision: i64,
    },
    /// What it waits for is compacted: read the keys, and watch from a later revision.
    Compacted {
        /// The first revision that can be watched from.
        compacted: i64,
    },
}

/// Bounds on what watches may cost, and the pace of their progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchLimits {
    /// Most watches on this node.
    pub watches_max: usize,
    /// Most bytes of the keys that all watches on this node begin and end at.
    pub key_bytes_max: usize,
    /// Bytes that may wait for a stream's client before its watches fall behind; one response may
    /// go over it.
    pub outbox_bytes_max: usize,
    /// Bytes that may wait for all clients together. Streams share it alike: the more there are,
    /// the sooner the watches of each fall behind, down to 16 KiB.
    pub outboxes_bytes_max: usize,
    /// A response of more bytes is cut, where the watch allows it.
    pub fragment_bytes_max: usize,
    /// How long a watch stays quiet before it is told its progress, if it wants that.
    pub progress_interval_micros: u64,
}

impl Default for WatchLimits {
    /// A hundred thousand watches with 64 MiB of keys, 4 MiB in waiting and 256 MiB of all
    /// streams, etcd's 2 MiB of a response (1.5 MiB of request and half a MiB) and 10 minutes.
    fn default() -> Self {
        Self {
            watches_max: 100_000,
            key_bytes_max: 64 << 20,
            outbox_bytes_max: 4 << 20,
            outboxes_bytes_max: 256 << 20,
            fragment_bytes_max: 2 << 20,
            progress_interval_micros: 600_000_000,
        }
    }
}

impl WatchFilter {
    pub(super) fn passes(self, kind: RecordKind) -> bool {
        match self {
            Self::All => true,
            Self::Puts => kind == RecordKind::Put,
            Self::Deletions => kind == RecordKind::Tombstone,
            Self::Nothing => false,
        }
    }
}

impl Change {
    /// What it counts for in a stream's bound.
    pub(super) fn bytes(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |kv| kv.key.len() + kv.value.len());
        // The rest stands for revisions, version, lease and the links to it.
        self.record.key.len() + self.record.value.len() + previous + 64
    }
}
