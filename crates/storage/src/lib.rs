//! The write-ahead log, snapshot installation and the disk map, over a [`Disk`] that can fail.

mod backend;
mod batch;
mod disk;
mod error;
mod identity;
mod index;
mod ledger;
mod map;
mod mix;
mod open;
mod reader;
mod real_disk;
mod recover;
mod reserve;
mod runs;
mod scan;
mod segment;
mod sim_disk;
mod staging;
mod wal;

pub use disk::{Disk, DiskFile, DiskLock, LockError, OpenMode};
pub use error::{Damage, InstallError, OpenError, Problem, ReadError, WalError};
pub use identity::Identity;
pub use open::{Cut, Opened, Options, STORE_DIRECTORY, open};
pub use quorate_codec::{ClusterId, EngineKind};
pub use reader::LogReader;
pub use real_disk::RealDisk;
pub use reserve::{Progress, Reservation};
pub use sim_disk::{Failure, Keep, SECTOR_BYTES, SimDisk, Survival, Unsynced};
pub use staging::{Installer, Staging};
pub use wal::Wal;
