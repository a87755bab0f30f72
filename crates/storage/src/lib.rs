//! The write-ahead log, snapshot installation and the disk map, over a [`Disk`] that can fail.
//!
//! [`open`] gives a data directory's parts to those who use them: [`Wal`] to the thread that
//! writes the log, [`LogReader`] to all who read it, the map under the state machine as
//! [`quorate_kv::Records`], an [`Installer`] for snapshots, and what the engine starts from.
//!
//! # The data directory
//!
//! ```text
//! lock                            whoever uses the directory holds its lock (flock)
//! identity                        cluster, node, engine, incarnation, starts; see identity.rs
//! identity.new                    stands alone while the directory is being made
//! identity.next                   replaces identity at each start
//! wal/0000000000000007.wal        a segment of the log, by sequence, hexadecimal
//! wal/0000000000000002.reserved   space for a coming segment; holds nothing
//! kv/INDEX-ROUND-NODE.redb        the state machine's map, by the snapshot it began with; zeros
//!                                 for a new one; see map.rs
//! kv/INDEX-ROUND-NODE.staging     a snapshot that is being received
//! ```
//! Which map counts, the log says. An `identity` without `wal` and `kv`, or the reverse, is damage
//! and never taken for a new directory, except beside `identity.new`: then nothing was ever
//! promised, and the making begins anew.
//!
//! # A segment
//!
//! Little-endian throughout. The head fills whole pages of 4,096 bytes with zeros:
//!
//! ```text
//!    0  QUORWAL\0         u32 version (1)    u32 crc32c of all other bytes up to length
//!   16  u32 length        u32 checksum of the last batch of the segment before (0: none)
//!   24  u64 where the batches of the segment before end
//!   32  u64 sequence      u64 length of the file     u64 salt
//!   56  u64 cluster       u64 node     u64 incarnation     u64 engine (0 raft, 1 paxos)
//!   88  u64 highest index in any segment before     u64 last position of the log
//!  104  u64 index, u64 round, u64 node: which map counts
//!  128  newest hard state, then meta (where the log begins), as `codec` encodes them
//! ```
//! Head and file are durable before the file has a segment's name, so a segment always has a sound
//! head. A file's length never changes. Behind the head lie batches, each at a multiple of 8:
//!
//! ```text
//!    0  QBAT              u32 crc32c     u32 length of the records
//!   12  u32 checksum of the batch before; of the head, for the first
//!   16  u64 sequence      u64 offset of this batch in the file
//!   32  records, end to end: u32 length, u32 crc32c, one log record as `codec` encodes it
//! ```
//! Every checksum of a segment starts from crc32c(salt), and every batch names its segment and
//! its place: what a recycled file held before never verifies. A batch's checksum covers all of it
//! behind the checksum; a record's own is there for those who read single entries.
//!
//! # Tears and damage
//!
//! A batch is written only once the one before is durable, and a segment is begun only once all
//! batches of the one before are. So **a bad batch is a torn tail if and only if no sound batch
//! follows it**, in this segment or a later one; it was never acknowledged, and is cut. Anything
//! else is damage, and the directory is not opened.
//!
//! What this cannot tell apart: rot inside the very last batch, or one that destroys everything
//! from some batch to the end of the last segment, looks like a tear. The state machine's file
//! often knows better: where it stands beyond the end of the log, the directory is refused.
//!
//! After a start the last batch is written and synced once more: the process before may have died
//! between its write and its sync, or its sync may have failed, after which the system shows
//! pages that are not on the disk.
//!
//! # Full disks and failed ones
//!
//! A full disk is a state: [`Wal::reservation`] keeps the next segment's space allocated ahead of
//! need, and without one the log takes records other than entries up to the last byte. A write
//! into reserved space that fails, and any sync that fails, poisons for good.

mod backend;
mod batch;
mod disk;
mod error;
mod identity;
mod index;
mod journal;
mod ledger;
mod map;
mod mix;
mod open;
mod plant;
mod reader;
mod real_disk;
mod recover;
mod reserve;
mod rules;
mod runs;
mod scan;
mod segment;
mod sim_disk;
mod staging;
mod state_map;
mod view;
mod view_disk;
mod wal;

pub use disk::{Disk, DiskFile, DiskLock, LockError, OpenMode};
pub use error::{Damage, InstallError, OpenError, Problem, ReadError, WalError};
pub use identity::Identity;
pub use open::{Cut, Opened, Options, STORE_DIRECTORY, open, open_with};
pub use plant::{PlantError, Planting, plant};
pub use quorate_codec::{ClusterId, EngineKind};
pub use reader::LogReader;
pub use real_disk::RealDisk;
pub use reserve::{Progress, Reservation};
pub use rules::{Mutant, Rule, Rules, Strict};
pub use sim_disk::{Failure, Keep, SECTOR_BYTES, SimDisk, Survival, Unsynced};
pub use staging::{Installer, Staging};
pub use state_map::MapKind;
pub use view::{RecordView, SegmentView, View, log_bounds};
pub use view_disk::ViewDisk;
pub use wal::{Wal, one_sync};
