//! How long the disk takes to make a small write durable: the floor of every write.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use anyhow::Result;

/// What is written each time, in bytes.
const WRITE: usize = 4096;

/// How many writes.
const WRITES: usize = 300;

/// Milliseconds that half of the writes, and 99 of a hundred, do not exceed.
pub(super) fn sync_milliseconds() -> Result<[f64; 2]> {
    let file = tempfile::tempfile()?;
    // Blocks that are there already need no journal, as in a log that was filled with zeros.
    file.write_all_at(&vec![0; WRITE * WRITES], 0)?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(WRITES);
    for place in 0..WRITES {
        times.push(sync(&file, place)?);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok([times[WRITES / 2], times[WRITES * 99 / 100]])
}

fn sync(file: &File, place: usize) -> Result<f64> {
    let offset = u64::try_from(place * WRITE).expect("it is a small file");
    let begun = Instant::now();
    file.write_all_at(&[1; WRITE], offset)?;
    file.sync_data()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
