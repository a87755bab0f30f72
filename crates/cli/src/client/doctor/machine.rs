//! What concerns the machine this runs on: memory, open files, and a disk if one is named.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::output::byte_count;

/// Writes of the probe, of this many bytes each: a small batch of the log.
const WRITES: usize = 200;
const WRITE_BYTES: usize = 4096;

/// The longest time the probe takes, but for one last sync.
const PROBE_MAX: Duration = Duration::from_secs(3);

/// 99 of 100 syncs should take no longer.
const SYNC_MAX: Duration = Duration::from_millis(10);

/// The share of memory that should be available.
const AVAILABLE_MIN: f64 = 0.1;

/// The room on a disk that a member needs for a while: a few segments of its log and its state.
const ROOM_MIN: u64 = 1 << 30;

/// Files that `quorate serve` on this machine should be allowed to open.
const FILES_MIN: u64 = 4096;

/// All of it.
pub(super) fn of(data_dir: Option<&Path>) -> Vec<Finding> {
    let mut found: Vec<Finding> = [memory(), files()].into_iter().flatten().collect();
    if let Some(directory) = data_dir {
        found.push(match probe(directory) {
            Ok(took) => judge(&took),
            Err(error) => Finding::bad(
                "probe",
                format!("{} cannot be written: {error}", directory.display()),
                "name a directory on the disk of the data that you may write to",
            ),
        });
        found.extend(room(directory));
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn memory() -> Option<Finding> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = told.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<i64>().ok()? * 1024)
    };
    let (available, total) = (bytes("MemAvailable:")?, bytes("MemTotal:")?);
    let what = format!(
        "this machine has {} of {} of memory available",
        byte_count(available),
        byte_count(total)
    );
    Some(if AVAILABLE_MIN * total as f64 <= available as f64 {
        Finding::fine("machine", what)
    } else {
        Finding::warning("machine", what, "stop what else runs here: a member that swaps stalls")
    })
}

fn files() -> Option<Finding> {
    let limit = getrlimit(Resource::Nofile).current?;
    let what = format!("programs started from here may open {limit} files");
    Some(if FILES_MIN <= limit {
        Finding::fine("machine", what)
    } else {
        Finding::warning("machine", what, "`ulimit -n 65536` before `quorate serve`")
    })
}

/// How long writes with their syncs take, sorted. The file has no name, so nothing is left.
fn probe(directory: &Path) -> io::Result<Vec<Duration>> {
    let file: File = tempfile::tempfile_in(directory)?;
    let length = (WRITES * WRITE_BYTES) as u64;
    file.write_all_at(&vec![0; WRITES * WRITE_BYTES], 0)?;
    file.set_len(length)?;
    file.sync_all()?;
    let (begun, bytes) = (Instant::now(), [1; WRITE_BYTES]);
    let mut took = Vec::new();
    for place in 0..WRITES {
        let start = Instant::now();
        file.write_all_at(&bytes, (place * WRITE_BYTES) as u64)?;
        file.sync_data()?;
        took.push(start.elapsed());
        if PROBE_MAX <= begun.elapsed() {
            break;
        }
    }
    took.sort_unstable();
    Ok(took)
}

fn judge(took: &[Duration]) -> Finding {
    let at = |of_a_hundred: usize| {
        let place = (took.len() * of_a_hundred / 100).min(took.len() - 1);
        took[place].as_secs_f64() * 1e3
    };
    let what = format!(
        "{} writes of 4 KiB with their syncs: p50 {:.2} ms, p99 {:.2} ms, longest {:.1} ms",
        took.len(),
        at(50),
        at(99),
        at(100)
    );
    if at(99) <= SYNC_MAX.as_secs_f64() * 1e3 {
        Finding::fine("probe", what)
    } else {
        Finding::warning(
            "probe",
            what,
            "every write waits for such a sync: use a faster disk, or leave this one to the log",
        )
    }
}

fn room(directory: &Path) -> Option<Finding> {
    let told = rustix::fs::statvfs(directory).ok()?;
    let free = told.f_bavail.saturating_mul(told.f_frsize);
    let what = format!("{} free on that disk", byte_count(i64::try_from(free).unwrap_or(i64::MAX)));
    Some(if ROOM_MIN <= free {
        Finding::fine("space", what)
    } else {
        Finding::warning("space", what, "make room: a member whose disk is full takes no writes")
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_probe_leaves_nothing_behind_and_counts_every_write() {
        let directory = tempfile::tempdir().unwrap();
        let took = probe(directory.path()).unwrap();
        assert!(!took.is_empty() && took.len() <= WRITES);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(probe(&directory.path().join("missing")).is_err());
    }

    #[test]
    fn a_slow_disk_is_told() {
        let fast = vec![Duration::from_millis(1); 100];
        assert_eq!(judge(&fast).level, Level::Fine);
        let mut slow = fast;
        slow[99] = Duration::from_millis(40);
        let finding = judge(&slow);
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.what.contains("p99 40.00 ms"), "{finding:?}");
    }
}
