//! Reading a stored snapshot: what it is, whether it is whole, and what is in it.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use quorate_codec::{
    BACKUP_HASH_BYTES, BACKUP_HEAD_BYTES, BACKUP_ITEM_HEAD_BYTES, BackupHead, BackupItem,
    BackupItemHead, DecodeError,
};
use sha2::{Digest, Sha256};

use crate::version::STORAGE_VERSION;

/// Whether the hash at the end of the file must be there and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashCheck {
    /// It must.
    Verify,
    /// The file may have lost it.
    Skip,
}

/// Why a file is not taken for a snapshot.
#[derive(Debug)]
pub enum SnapshotFileError {
    /// It cannot be read.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is something else: take a snapshot with `snapshot save`.
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        looks_like: Foreign,
    },
    /// It ends early: it was not stored whole. Take another.
    Truncated {
        /// The file.
        path: PathBuf,
        /// The length it should have, its hash included.
        expected: u64,
        /// The length it has.
        found: u64,
    },
    /// The bytes are not those that were sent: the file was damaged. Use another copy.
    WrongHash {
        /// The file.
        path: PathBuf,
    },
    /// A part of it does not decode. Use another copy.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// Why.
        error: DecodeError,
    },
}

/// What a file looks like that is no snapshot of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A snapshot or data file of etcd.
    Bbolt,
    /// The data file of a member.
    DataFile,
    /// Nothing in it.
    Empty,
    /// Nothing known.
    Unknown,
}

impl fmt::Display for SnapshotFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => write!(formatter, "{}: {error}", path.display()),
            Self::Foreign { path, looks_like } => {
                let path = path.display();
                match looks_like {
                    Foreign::Bbolt => write!(
                        formatter,
                        "{path} is a bbolt file of etcd, not a snapshot of Quorate: restore it \
                         with etcdutl, or copy its keys from a running etcd"
                    ),
                    Foreign::DataFile => write!(
                        formatter,
                        "{path} is the data file of a member, not a snapshot: take one with \
                         quorate snapshot save"
                    ),
                    Foreign::Empty => write!(formatter, "{path} is empty, not a snapshot"),
                    Foreign::Unknown => {
                        write!(formatter, "{path} is not a snapshot of Quorate")
                    }
                }
            }
            Self::Truncated { path, expected, found } => write!(
                formatter,
                "{} has {found} bytes of {expected}: it was not stored whole; take another \
                 snapshot",
                path.display()
            ),
            Self::WrongHash { path } => write!(
                formatter,
                "{} does not have the hash it was sent with: it is damaged; use another copy",
                path.display()
            ),
            Self::Damaged { path, offset, error } => write!(
                formatter,
                "{} is damaged at byte {offset}: {error}; use another copy",
                path.display()
            ),
        }
    }
}

impl std::error::Error for SnapshotFileError {}

/// A snapshot in a file, opened and checked.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    head: BackupHead,
    hash: [u8; BACKUP_HASH_BYTES],
    bytes: u64,
    file: BufReader<File>,
    offset: u64,
    is_at_end: bool,
}

impl SnapshotFile {
    /// Opens a file and, unless that is skipped, reads all of it once for its hash.
    pub fn open(path: &Path, check: HashCheck) -> Result<Self, SnapshotFileError> {
        let fail = |error| SnapshotFileError::Io { path: path.to_owned(), error };
        let bytes = std::fs::metadata(path).map_err(fail)?.len();
        let head = read_head(path)?;
        let whole = head.bytes + BACKUP_HASH_BYTES as u64;
        let is_enough = match check {
            HashCheck::Verify => bytes == whole,
            HashCheck::Skip => head.bytes <= bytes,
        };
        if !is_enough {
            let path = path.to_owned();
            return Err(SnapshotFileError::Truncated { path, expected: whole, found: bytes });
        }
        let hash = hash_of(path, head.bytes).map_err(fail)?;
        if check == HashCheck::Verify && read_hash(path, head.bytes).map_err(fail)? != hash {
            return Err(SnapshotFileError::WrongHash { path: path.to_owned() });
        }
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(fail)?);
        file.read_exact(&mut [0; BACKUP_HEAD_BYTES]).map_err(fail)?;
        let offset = BACKUP_HEAD_BYTES as u64;
        Ok(Self { path: path.to_owned(), head, hash, bytes, file, offset, is_at_end: false })
    }

    /// What the file says of itself.
    pub fn head(&self) -> &BackupHead {
        &self.head
    }

    /// The SHA-256 of what is in it.
    pub fn hash(&self) -> &[u8; BACKUP_HASH_BYTES] {
        &self.hash
    }

    /// The length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next part of the state; none after the checkpoint, which is the last.
    pub fn next_item(&mut self) -> Result<Option<BackupItem>, SnapshotFileError> {
        if self.is_at_end {
            return Ok(None);
        }
        let mut head = [0; BACKUP_ITEM_HEAD_BYTES];
        self.read(&mut head)?;
        let head = BackupItemHead::decode(&head).map_err(|error| self.damaged(error))?;
        if self.head.bytes < self.offset + (BACKUP_ITEM_HEAD_BYTES + head.length()) as u64 {
            return Err(self.damaged(DecodeError::Truncated { what: "item of the snapshot file" }));
        }
        let mut body = vec![0; head.length()];
        self.read(&mut body)?;
        let item = head.item(Bytes::from(body)).map_err(|error| self.damaged(error))?;
        self.offset += (BACKUP_ITEM_HEAD_BYTES + head.length()) as u64;
        self.is_at_end = matches!(item, BackupItem::Checkpoint(_));
        Ok(Some(item))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotFileError> {
        let path = &self.path;
        let fail = |error| SnapshotFileError::Io { path: path.clone(), error };
        self.file.read_exact(buffer).map_err(fail)
    }

    /// The part that begins where reading has come to is damaged.
    pub(crate) fn damaged(&self, error: DecodeError) -> SnapshotFileError {
        SnapshotFileError::Damaged { path: self.path.clone(), offset: self.offset, error }
    }
}

fn read_head(path: &Path) -> Result<BackupHead, SnapshotFileError> {
    let fail = |error| SnapshotFileError::Io { path: path.to_owned(), error };
    let mut start = Vec::new();
    let file = File::open(path).map_err(fail)?;
    file.take(BACKUP_HEAD_BYTES as u64).read_to_end(&mut start).map_err(fail)?;
    let looks_like = looks_like(&start);
    let Ok(head) = <&[u8; BACKUP_HEAD_BYTES]>::try_from(&start[..]) else {
        return Err(SnapshotFileError::Foreign { path: path.to_owned(), looks_like });
    };
    BackupHead::decode(head).map_err(|error| match error {
        DecodeError::BadMagic { .. } => {
            SnapshotFileError::Foreign { path: path.to_owned(), looks_like }
        }
        error => SnapshotFileError::Damaged { path: path.to_owned(), offset: 0, error },
    })
}

fn looks_like(start: &[u8]) -> Foreign {
    // bbolt's first page: 16 bytes of page header, then its magic number.
    const BBOLT: [u8; 4] = 0xed0c_daed_u32.to_le_bytes();
    match start {
        [] => Foreign::Empty,
        _ if start.get(16..20) == Some(&BBOLT) => Foreign::Bbolt,
        _ if start.starts_with(b"redb\x1a") => Foreign::DataFile,
        _ => Foreign::Unknown,
    }
}

fn hash_of(path: &Path, bytes: u64) -> io::Result<[u8; BACKUP_HASH_BYTES]> {
    let mut file = File::open(path)?.take(bytes);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..read]);
    }
}

fn read_hash(path: &Path, offset: u64) -> io::Result<[u8; BACKUP_HASH_BYTES]> {
    use std::os::unix::fs::FileExt as _;

    let mut hash = [0; BACKUP_HASH_BYTES];
    File::open(path)?.read_exact_at(&mut hash, offset)?;
    Ok(hash)
}

/// What is in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The first 32 bits of the SHA-256 of what is in it: etcd's hash has as many.
    pub hash: u32,
    /// The revision of the state.
    pub revision: i64,
    /// Records of keys, history included, as etcd counts them.
    pub keys: u64,
    /// Leases.
    pub leases: u64,
    /// The length of the file.
    pub bytes: u64,
    /// The version of etcd's storage that the state corresponds to.
    pub version: &'static str,
}

/// Reads all of a snapshot and says what is in it.
pub fn inspect(mut file: SnapshotFile) -> Result<Summary, SnapshotFileError> {
    let (mut keys, mut leases) = (0, 0);
    while let Some(item) = file.next_item()? {
        match item {
            BackupItem::Record(..) => keys += 1,
            BackupItem::Lease(_) => leases += 1,
            BackupItem::Checkpoint(_) => {}
        }
    }
    if (keys, leases) != (file.head.records, file.head.leases) {
        return Err(file.damaged(DecodeError::Truncated { what: "snapshot file" }));
    }
    let [first, second, third, fourth, ..] = file.hash;
    Ok(Summary {
        hash: u32::from_be_bytes([first, second, third, fourth]),
        revision: file.head.revision,
        keys,
        leases,
        bytes: file.bytes,
        version: STORAGE_VERSION,
    })
}
