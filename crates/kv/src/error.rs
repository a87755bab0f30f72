//! The ways to fail, one enum per caller: what to tell a client, and when to stop.

use std::fmt;
use std::io::ErrorKind;

use crate::{ContentHash, LeaseId, Revision};

/// Why a request was refused before it was proposed. It can never succeed as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// A key is empty (etcd: "key is not provided").
    EmptyKey,
    /// `ignore_value` together with a value (etcd: "value is provided").
    ValueProvided,
    /// `ignore_lease` together with a lease (etcd: "lease is provided").
    LeaseProvided,
    /// A transaction has more operations than allowed, or is nested too deeply (etcd: "too many
    /// operations in txn request").
    TooManyOperations,
    /// A transaction writes one key twice (etcd: "duplicate key given in txn request").
    DuplicateKey,
    /// Keys and values exceed the request limit (etcd: "request is too large").
    TooLarge,
    /// A lease is to live longer than [`crate::LeaseTtl::MAX`] (etcd: "too large lease TTL").
    LeaseTtlTooLarge,
}

/// Why the store refused a request. Nothing was changed, on any replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The revision was compacted away: read at a later one (etcd: "mvcc: required revision has
    /// been compacted").
    Compacted,
    /// The revision has not happened yet (etcd: "mvcc: required revision is a future revision").
    FutureRevision,
    /// The value or lease of a missing key was to be kept (etcd: "key not found").
    KeyNotFound,
    /// The lease does not exist: grant one first (etcd: "requested lease not found").
    LeaseNotFound,
    /// There is a lease of this name: choose another (etcd: "lease already exists").
    LeaseExists,
    /// The quota is used up: delete and compact, or raise it (etcd: "mvcc: database space
    /// exceeded").
    NoSpace,
    /// Members are said to differ: find out, then end the alarm (etcd: "corrupt cluster").
    Corrupt,
    /// The answer would hold more than [`crate::ANSWER_BYTES_MAX`]: ask for less at once. etcd has
    /// no such bound.
    AnswerTooLarge,
}

/// The map could not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The system failed a read, write or sync.
    Io(ErrorKind),
    /// The record at this revision fails its checksum or cannot be decoded.
    BadRecord(Revision),
    /// The checkpoint fails its checksum or cannot be decoded.
    BadCheckpoint,
    /// The lease of this id fails its checksum or cannot be decoded.
    BadLease(LeaseId),
    /// The map's own structure is damaged.
    BadStructure,
}

/// The disk lied. Whoever sees this must stop using the store: what it applied last may be half
/// done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The map failed.
    Map(MapError),
    /// The map has lost the record at this revision.
    Missing(Revision),
    /// The map has another record at this revision than was stored there.
    Mixed(Revision),
}

/// Why a store could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The map failed.
    Map(MapError),
    /// The map has records but no checkpoint.
    NoCheckpoint,
    /// The checkpoint's revisions cannot be: out of range, or compacted beyond the current one.
    ImpossibleCheckpoint,
    /// A record that cannot follow those before it: out of order, above the checkpoint's
    /// revision, or with impossible fields.
    Impossible(Revision),
    /// The map has another number of retained records than its checkpoint says.
    WrongCount {
        /// What the checkpoint says.
        expected: u64,
        /// What the map has.
        found: u64,
    },
    /// The retained records are not those that the checkpoint was made for.
    WrongContent {
        /// What the checkpoint says.
        expected: ContentHash,
        /// What the map has.
        found: ContentHash,
    },
    /// The map has another number of leases than its checkpoint says.
    WrongLeaseCount {
        /// What the checkpoint says.
        expected: u64,
        /// What the map has.
        found: u64,
    },
    /// The leases are not those that the checkpoint was made for.
    WrongLeases {
        /// What the checkpoint says.
        expected: ContentHash,
        /// What the map has.
        found: ContentHash,
    },
    /// A key is attached to a lease that the map does not have.
    LostLease(LeaseId),
    /// The retained records have another size than the checkpoint says.
    WrongBytes {
        /// What the checkpoint says, in logical bytes.
        expected: u64,
        /// What the map has.
        found: u64,
    },
}

impl From<MapError> for Damage {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl From<MapError> for OpenError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyKey => "a key is empty",
            Self::ValueProvided => "ignore_value was given together with a value",
            Self::LeaseProvided => "ignore_lease was given together with a lease",
            Self::TooManyOperations => "the transaction has too many operations",
            Self::DuplicateKey => "the transaction writes one key twice",
            Self::TooLarge => "the request is too large",
            Self::LeaseTtlTooLarge => "the lease would live too long",
        })
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compacted => "the revision has been compacted",
            Self::FutureRevision => "the revision is in the future",
            Self::KeyNotFound => "the key does not exist",
            Self::LeaseNotFound => "the lease does not exist",
            Self::LeaseExists => "the lease exists already",
            Self::NoSpace => "the quota is used up",
            Self::Corrupt => "the members are said to differ",
            Self::AnswerTooLarge => "the answer would be too large",
        })
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(kind) => write!(f, "the map's file failed: {kind}"),
            Self::BadRecord(revision) => {
                write!(f, "the record at revision {}.{} is damaged", revision.main, revision.sub)
            }
            Self::BadLease(LeaseId(id)) => write!(f, "lease {id:x} is damaged"),
            Self::BadCheckpoint => f.write_str("the map's checkpoint is damaged"),
            Self::BadStructure => f.write_str("the map's structure is damaged"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => error.fmt(f),
            Self::Missing(revision) => {
                write!(f, "the map has lost revision {}.{}", revision.main, revision.sub)
            }
            Self::Mixed(revision) => write!(
                f,
                "the map has another key's record at revision {}.{}",
                revision.main, revision.sub
            ),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => error.fmt(f),
            Self::NoCheckpoint => f.write_str("the map has records but no checkpoint"),
            Self::ImpossibleCheckpoint => {
                f.write_str("the map's checkpoint has impossible revisions")
            }
            Self::Impossible(revision) => write!(
                f,
                "the record at revision {}.{} cannot be where it is",
                revision.main, revision.sub
            ),
            Self::WrongCount { expected, found } => {
                write!(f, "the map retains {found} records, its checkpoint says {expected}")
            }
            Self::WrongContent { expected, found } => write!(
                f,
                "the retained records hash to {:016x}, the checkpoint says {:016x}",
                found.0, expected.0
            ),
            Self::WrongLeaseCount { expected, found } => {
                write!(f, "the map has {found} leases, its checkpoint says {expected}")
            }
            Self::WrongLeases { expected, found } => write!(
                f,
                "the leases hash to {:016x}, the checkpoint says {:016x}",
                found.0, expected.0
            ),
            Self::LostLease(LeaseId(id)) => {
                write!(f, "a key is attached to lease {id:x}, which the map does not have")
            }
            Self::WrongBytes { expected, found } => {
                write!(f, "the map retains {found} bytes, its checkpoint says {expected}")
            }
        }
    }
}

impl std::error::Error for RequestError {}
impl std::error::Error for CommandError {}
impl std::error::Error for MapError {}
impl std::error::Error for Damage {}
impl std::error::Error for OpenError {}
