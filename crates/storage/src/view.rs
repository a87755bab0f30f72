//! A data directory as it lies there, for those who look and do not touch: whose it is, every
//! segment and record of its log, sound or not, and whether a server would open it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use quorate_codec::decode_write;
use quorate_consensus::{Index, Members, Meta, Write};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::batch::{ALIGNMENT, Batch, HEAD_BYTES, Place, Salt, find_sound};
use crate::disk::{Disk, OpenMode};
use crate::error::{Damage, OpenError, Problem};
use crate::identity::Identity;
use crate::open::{Layout, Opened, Options, open};
use crate::segment::{self, Head, HeadError, Link};
use crate::view_disk::ViewDisk;

/// A directory that is looked at.
pub struct View {
    disk: Arc<dyn Disk>,
    layout: Layout,
    /// Whose it is.
    pub identity: Identity,
}

/// One file of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentView {
    /// The file.
    pub path: PathBuf,
    /// Its place in the log.
    pub sequence: u64,
    /// Its length in bytes, most of which may be reserved and unused.
    pub length: u64,
    /// Where its batches end.
    pub end: u64,
    /// Sound batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// The lowest and the highest index put into it.
    pub indices: Option<(Index, Index)>,
    /// Where the beginning of a batch stands that was never finished, and never acknowledged.
    pub torn: Option<u64>,
    /// What is damaged in it.
    pub damage: Vec<Damage>,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// The segment it is in.
    pub segment: u64,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// What it says, if it can be read.
    pub write: Option<Write>,
}

impl View {
    /// Looks at a directory.
    pub fn of(directory: &Path) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(ViewDisk::default());
        let layout = Layout::of(directory);
        let identity = Identity::read(&disk, &layout.identity)?;
        Ok(Self { disk, layout, identity })
    }

    /// Whether a server has the directory open. What is read then may be half written.
    ///
    /// Asks for a shared lock and gives it back at once; a server that starts in between is
    /// told that the directory is in use.
    pub fn is_in_use(&self) -> bool {
        let Ok(file) = File::open(&self.layout.lock) else { return false };
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }

    /// Opens it as a server would, in memory. What that repairs or removes stays as it is.
    pub fn open(&self) -> Result<Opened, OpenError> {
        let Identity { cluster, node, engine, .. } = self.identity;
        let options = Options::new(cluster, node, engine, Members::default());
        open(Arc::new(ViewDisk::default()), &self.layout.root, options)
    }

    /// Reads the whole log, damaged or not, and hands over each record in the order of effect.
    pub fn walk(&self, mut on_record: impl FnMut(RecordView)) -> io::Result<Vec<SegmentView>> {
        let names = self.disk.list(&self.layout.log)?;
        let mut sequences: Vec<u64> =
            names.iter().filter_map(|name| segment::sequence_of(name)).collect();
        sequences.sort_unstable();
        let (mut segments, mut before) = (Vec::new(), None);
        for (place, sequence) in sequences.iter().enumerate() {
            let path = segment::path(&self.layout.log, *sequence);
            let is_last = place + 1 == sequences.len();
            let mut walked = Walked::read(&*self.disk, path, *sequence)?;
            if let Some((other, link)) = before {
                walked.check_follows(other, link, &mut segments);
            }
            walked.walk(is_last, &mut on_record);
            before = Some((*sequence, walked.link));
            segments.push(walked.view);
        }
        Ok(segments)
    }
}

/// A segment that is being read.
struct Walked {
    bytes: Bytes,
    head: Result<Head, HeadError>,
    link: Link,
    view: SegmentView,
}

impl Walked {
    fn read(disk: &dyn Disk, path: PathBuf, sequence: u64) -> io::Result<Self> {
        let file = disk.open(&path, OpenMode::Existing)?;
        let length = file.len()?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_at(0, &mut bytes)?;
        let bytes = Bytes::from(bytes);
        let (head, link) = match Head::decode(&bytes) {
            Ok((head, link)) => (Ok(head), link),
            Err(error) => (Err(error), Link::default()),
        };
        let mut view =
            SegmentView { path, sequence, length, end: link.end, ..SegmentView::default() };
        let problem = match &head {
            Err(_) => Some(Problem::Head),
            Ok(head) if head.sequence != sequence || head.length != length => Some(Problem::Place),
            Ok(_) => None,
        };
        view.damage.extend(problem.map(|problem| damage(&view.path, 0, problem)));
        Ok(Self { bytes, head, link, view })
    }

    /// Whether it begins where the segment before it ends.
    fn check_follows(&mut self, other: u64, end: Link, segments: &mut [SegmentView]) {
        let Ok(head) = &self.head else { return };
        if other + 1 != self.view.sequence {
            self.view.damage.push(damage(&self.view.path, 0, Problem::Missing));
        } else if head.previous != end
            && let Some(before) = segments.last_mut()
            && before.damage.is_empty()
        {
            before.damage.push(damage(&before.path, end.end, Problem::Batch));
        }
    }

    fn walk(&mut self, is_last: bool, on_record: &mut impl FnMut(RecordView)) {
        let Ok(head) = &self.head else { return };
        let (sequence, salt) = (head.sequence, Salt::new(head.salt));
        loop {
            let place = Place { sequence, salt, offset: self.link.end };
            let batch = Batch::parse(&self.bytes, place);
            match batch.filter(|batch| batch.previous == self.link.checksum) {
                Some(batch) => self.take(&batch, on_record),
                None if !self.skip(place) => {
                    self.find_tear(place, is_last);
                    return;
                }
                None => {}
            }
        }
    }

    fn take(&mut self, batch: &Batch, on_record: &mut impl FnMut(RecordView)) {
        self.view.batches += 1;
        for record in batch.records() {
            let Some((offset, bytes)) = record else {
                let problem = damage(&self.view.path, self.link.end, Problem::Record);
                self.view.damage.push(problem);
                break;
            };
            on_record(self.record(offset, bytes));
        }
        self.link = Link { end: batch.end, checksum: batch.checksum };
        self.view.end = batch.end;
    }

    fn record(&mut self, offset: u64, mut bytes: Bytes) -> RecordView {
        let length = bytes.len() as u64;
        let write = decode_write(&mut bytes).ok().filter(|_| bytes.is_empty());
        self.view.records += 1;
        if write.is_none() {
            self.view.damage.push(damage(&self.view.path, offset, Problem::Record));
        }
        for entry in write.iter().flat_map(Write::entries) {
            let (low, high) = self.view.indices.unwrap_or((entry.index, entry.index));
            self.view.indices = Some((low.min(entry.index), high.max(entry.index)));
        }
        RecordView { segment: self.view.sequence, offset, bytes: length, write }
    }

    /// Goes on at the next sound batch behind a bad one, if there is any.
    fn skip(&mut self, bad: Place) -> bool {
        let behind = Place { offset: bad.offset + ALIGNMENT, ..bad };
        // A sound batch that does not follow the one before it is where it is all the same.
        let here = Batch::parse(&self.bytes, bad);
        let Some(batch) = here.or_else(|| {
            let offset = find_sound(&self.bytes, behind)?;
            Batch::parse(&self.bytes, Place { offset, ..bad })
        }) else {
            return false;
        };
        self.view.damage.push(damage(&self.view.path, bad.offset, Problem::Batch));
        let start = batch.start();
        self.link = Link { end: start, checksum: batch.previous };
        true
    }

    fn find_tear(&mut self, place: Place, is_last: bool) {
        let start = usize::try_from(place.offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let end = self.bytes.len().min(start + HEAD_BYTES);
        if Batch::is_begun(&self.bytes[start..end], place) && is_last {
            self.view.torn = Some(place.offset);
        }
    }
}

fn damage(path: &Path, offset: u64, problem: Problem) -> Damage {
    Damage { path: path.to_owned(), offset, problem }
}

/// Where the log of an opened directory begins, and where it ends.
pub fn log_bounds(opened: &Opened) -> (&Meta, Index) {
    let recovered = &opened.recovered;
    let last = recovered.ballots.last().map_or(recovered.meta.index, |run| run.last);
    (&recovered.meta, last)
}
