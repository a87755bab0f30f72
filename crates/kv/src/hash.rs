//! The canonical bytes that hashes are taken over. A change here is a change of format.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::{ContentHash, Lease, Record, RecordKind, Revision, StateHash};

impl ContentHash {
    /// The hash of this content and `other` together.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The hash of this content without `other`, which must be part of it.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

/// The hash of one record. Key and value are hashed by themselves first, so that no copy of
/// them is made, and so that neither can pass for part of the other.
pub(crate) fn record_hash(revision: Revision, record: &Record) -> ContentHash {
    let kind = match record.kind {
        RecordKind::Put => 0,
        RecordKind::Tombstone => 1,
    };
    let words = [
        revision.main.cast_unsigned(),
        revision.sub.cast_unsigned(),
        record.create_revision.cast_unsigned(),
        record.version.cast_unsigned(),
        record.lease.0.cast_unsigned(),
        kind,
        xxh3_64(&record.key),
        xxh3_64(&record.value),
    ];
    let mut bytes = [0; 64];
    put_words(&words, &mut bytes);
    ContentHash(xxh3_64(&bytes))
}

/// The hash of one lease.
pub(crate) fn lease_hash(lease: &Lease) -> ContentHash {
    let words = [lease.id.0.cast_unsigned(), lease.ttl.seconds().cast_unsigned(), lease.deadline.0];
    let mut bytes = [0; 24];
    put_words(&words, &mut bytes);
    ContentHash(xxh3_64(&bytes))
}

fn put_words(words: &[u64], bytes: &mut [u8]) {
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
}

/// What one entry did, in canonical bytes. Reused from entry to entry.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    bytes: Vec<u8>,
}

impl Effects {
    /// Adds one number to what the entry did.
    pub(crate) fn push(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }

    /// Forgets what the entry did.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// H(i) from H(i-1), i and the effects since the last call.
    pub(crate) fn chain(&mut self, previous: StateHash, index: u64) -> StateHash {
        self.bytes.extend_from_slice(&previous.0.to_le_bytes());
        self.push(index);
        let hash = StateHash(xxh3_128(&self.bytes));
        self.bytes.clear();
        hash
    }
}
