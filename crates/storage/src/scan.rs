//! Reading a segment back: which batches are sound, and whether what follows is a tear or damage.

use bytes::Bytes;

use crate::batch::{Batch, HEAD_BYTES, Place, find_sound};
use crate::error::Problem;
use crate::rules::{Rule, Rules};
use crate::segment::{Link, Segment};

/// What the rest of the log says about where a segment's batches end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Exactly here: the next segment's head says so, and was written after all of them were
    /// durable.
    At(Link),
    /// Somewhere: this is the last segment, and the last batch may be torn.
    Open,
}

/// A segment that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where its batches end.
    pub(crate) link: Link,
    /// Where the last batch begins, if there is one.
    pub(crate) last_batch: Option<u64>,
    /// Whether the beginning of another batch follows.
    pub(crate) is_torn: bool,
}

/// Reads all batches, and hands each record with its offset in the file to `on_record`.
pub(crate) fn scan(
    file: &Bytes,
    segment: &Segment,
    first: Link,
    ending: Ending,
    rules: &impl Rules,
    mut on_record: impl FnMut(u64, Bytes) -> Result<(), Problem>,
) -> Result<Scanned, (u64, Problem)> {
    let mut scanned = Scanned { link: first, last_batch: None, is_torn: false };
    loop {
        let link = scanned.link;
        if let Ending::At(end) = ending
            && end.end <= link.end
        {
            let is_whole = end == link;
            return if is_whole { Ok(scanned) } else { Err((link.end, Problem::Place)) };
        }
        let place = place_of(segment, link.end);
        let batch = if rules.breaks(Rule::TrustBadBatch) {
            Batch::parse_unverified(file, place)
        } else {
            Batch::parse(file, place)
        };
        let sound = batch.filter(|batch| batch.previous == link.checksum);
        let Some(batch) = sound else {
            scanned.is_torn = check_tear(file, place, ending, rules)?;
            return Ok(scanned);
        };
        for record in batch.records() {
            let problem = (link.end, Problem::Record);
            let (offset, bytes) = record.ok_or(problem)?;
            on_record(offset, bytes).map_err(|problem| (offset, problem))?;
        }
        scanned.last_batch = Some(link.end);
        scanned.link = Link { end: batch.end, checksum: batch.checksum };
    }
}

fn place_of(segment: &Segment, offset: u64) -> Place {
    Place { sequence: segment.sequence, salt: segment.salt, offset }
}

/// A bad batch is a torn one if and only if no sound one follows it, for a batch is written only
/// once all before it are durable. Answers whether anything was begun there.
fn check_tear(
    file: &Bytes,
    place: Place,
    ending: Ending,
    rules: &impl Rules,
) -> Result<bool, (u64, Problem)> {
    let has_more = ending != Ending::Open || find_sound(file, place).is_some();
    if has_more && rules.breaks(Rule::CutAtFirstBad) {
        return Ok(true);
    }
    if has_more {
        return Err((place.offset, Problem::Batch));
    }
    let start = place.offset as usize;
    let end = file.len().min(start + HEAD_BYTES);
    Ok(start < end && Batch::is_begun(&file[start..end], place))
}
