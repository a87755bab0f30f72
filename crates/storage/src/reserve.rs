//! Reserving space ahead of need: a segment's file is whole and written before it is used, so
//! that no append ever waits for the file system to find room, or finds none.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode, failed_sync};
use crate::segment::Segment;

/// How many zeros one step writes, in bytes. Small, so that an append's sync beside it does not
/// wait for long.
const STEP_BYTES: u64 = 256 * 1024;

/// How many of them are made durable by one sync. The disk would keep the log's own syncs waiting
/// for as long as it writes the whole of a segment.
const SYNC_BYTES: u64 = 4 << 20;

/// The suffix of a file that is not part of the log yet. Such files hold nothing.
pub(crate) const SUFFIX: &str = ".reserved";

/// A file ready to become a segment: every byte of it is allocated.
pub(crate) struct Reserved {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) length: u64,
}

/// What a [`Reservation`] is to do.
pub(crate) struct Order {
    /// The log's directory.
    pub(crate) directory: PathBuf,
    /// Segments that are no longer part of the log, oldest first.
    pub(crate) dropped: VecDeque<Segment>,
    /// How many of them to keep for reuse at most.
    pub(crate) recycle_max: usize,
    /// Whether a file is needed even if nothing can be reused.
    pub(crate) need: Need,
    /// The length of a file.
    pub(crate) length: u64,
    /// The number that names the next file.
    pub(crate) name: u64,
}

/// Whether a new file must be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// There must be one in the end.
    File,
    /// There is one already.
    Nothing,
}

/// Work for a thread beside the log's: see [`crate::Wal::reservation`].
pub struct Reservation {
    disk: Arc<dyn Disk>,
    order: Order,
    filling: Option<(Reserved, u64)>,
    result: io::Result<()>,
    ready: Vec<Reserved>,
    /// Lives as long as this, so that the log notices if it is lost.
    _token: Arc<()>,
}

/// Whether a [`Reservation`] needs more steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// It has ended, well or not: hand it back.
    Ended,
}

impl Reservation {
    pub(crate) fn new(disk: Arc<dyn Disk>, order: Order, token: Arc<()>) -> Self {
        Self { disk, order, filling: None, result: Ok(()), ready: Vec::new(), _token: token }
    }

    /// Does the next bit of work, at most a quarter of a MiB of writing.
    pub fn step(&mut self) -> Progress {
        if self.result.is_err() {
            return Progress::Ended;
        }
        match self.advance() {
            Ok(progress) => progress,
            Err(error) => {
                self.abandon();
                self.result = Err(error);
                Progress::Ended
            }
        }
    }

    /// What came of it: the files that are ready, the dropped segments that are still there, and
    /// the error that ended it, if any.
    pub(crate) fn into_parts(self) -> (Vec<Reserved>, VecDeque<Segment>, io::Result<()>) {
        (self.ready, self.order.dropped, self.result)
    }

    fn advance(&mut self) -> io::Result<Progress> {
        if let Some(segment) = self.order.dropped.front() {
            let segment = segment.clone();
            self.dispose(&segment)?;
            self.order.dropped.pop_front();
            return Ok(Progress::More);
        }
        if self.filling.is_some() {
            return self.fill();
        }
        if self.order.need == Need::Nothing || !self.ready.is_empty() {
            return Ok(Progress::Ended);
        }
        let path = self.next_path();
        let file = self.disk.open(&path, OpenMode::Empty)?;
        self.filling = Some((Reserved { path, file, length: self.order.length }, 0));
        Ok(Progress::More)
    }

    /// Keeps a dropped segment's file for reuse, or removes it.
    fn dispose(&mut self, segment: &Segment) -> io::Result<()> {
        if segment.length != self.order.length || self.order.recycle_max <= self.ready.len() {
            return self.disk.unlink(&segment.path);
        }
        let path = self.next_path();
        self.disk.rename(&segment.path, &path)?;
        // The new contents must never show up under the old name.
        let synced = self.disk.sync_directory(&self.order.directory);
        synced.map_err(|error| failed_sync(&error))?;
        let file = Arc::clone(&segment.file);
        self.ready.push(Reserved { path, file, length: segment.length });
        Ok(())
    }

    fn next_path(&mut self) -> PathBuf {
        let name = self.order.name;
        self.order.name += 1;
        path(&self.order.directory, name)
    }

    /// Writes the next zeros. Not `fallocate`: blocks that were never written cost a journal
    /// commit at their first sync.
    fn fill(&mut self) -> io::Result<Progress> {
        let (reserved, filled) = self.filling.as_mut().expect("a file is being filled");
        if *filled < reserved.length {
            let bytes = STEP_BYTES.min(reserved.length - *filled);
            reserved.file.write_at(*filled, &vec![0; bytes as usize])?;
            *filled += bytes;
            if *filled % SYNC_BYTES == 0 && *filled < reserved.length {
                reserved.file.sync_data()?;
            }
            return Ok(Progress::More);
        }
        reserved.file.sync_data()?;
        // What was filled lies in memory in pieces of up to some MiB. A small write to one would
        // count as the whole of it against what may be written back late, and a log that seems to
        // write a thousand times what it does is made to wait, for seconds beside other writers.
        // If it stays there, the log is slower, not wrong.
        let _ = reserved.file.drop_cache();
        self.ready.extend(self.filling.take().map(|(reserved, _)| reserved));
        Ok(Progress::Ended)
    }

    /// Gives the space of a half filled file back: on a full disk others need it.
    fn abandon(&mut self) {
        if let Some((reserved, _)) = self.filling.take() {
            // Should this fail as well, the next start removes the file.
            drop(self.disk.unlink(&reserved.path));
        }
    }
}

/// The path of the reserved file of this number.
pub(crate) fn path(directory: &Path, name: u64) -> PathBuf {
    directory.join(format!("{name:016x}{SUFFIX}"))
}

/// Makes one file of this length at once.
pub(crate) fn make(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    name: u64,
    length: u64,
) -> io::Result<Reserved> {
    let order = Order {
        directory: directory.to_owned(),
        dropped: VecDeque::new(),
        recycle_max: 0,
        need: Need::File,
        length,
        name,
    };
    let mut reservation = Reservation::new(Arc::clone(disk), order, Arc::new(()));
    while reservation.step() == Progress::More {}
    let (mut ready, _, result) = reservation.into_parts();
    result?;
    Ok(ready.pop().expect("a reservation without an error has made what was needed"))
}
