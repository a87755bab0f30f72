//! What processes take, as the system counts it.

use std::fs;

use anyhow::{Context, Result};

/// The unit in which the system counts processor time: a hundredth of a second, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What some processes take, together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Memory of their own, files not counted, in bytes.
    pub(crate) bytes: f64,
    /// Processor time since they began, in seconds.
    pub(crate) seconds: f64,
}

impl Usage {
    /// What these processes take now.
    pub(crate) fn of(processes: impl Iterator<Item = u32>) -> Result<Self> {
        let mut all = Self::default();
        for process in processes {
            let read = |name: &str| {
                let path = format!("/proc/{process}/{name}");
                fs::read_to_string(&path).context(path)
            };
            all.bytes += anonymous(&read("status")?).context("no RssAnon")?;
            all.seconds += processor(&read("stat")?).context("no times")?;
        }
        Ok(all)
    }
}

/// Of `/proc/PID/status`.
fn anonymous(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// User and system time of `/proc/PID/stat`: its fields 14 and 15, counted from 1. The second is a
/// name in parentheses, with anything in it.
fn processor(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_whitespace().skip(14 - 3);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_no_file_is_behind() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     12 kB\nRssFile:\t 3 kB\n";
        assert_eq!(anonymous(status), Some(12_288.0));
        assert_eq!(anonymous(""), None);
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 9 9 20 0 1 0 5";
        assert_eq!(processor(stat), Some(2.0));
        assert_eq!(processor("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_takes_something() {
        let usage = Usage::of(std::iter::once(std::process::id()));
        assert!(usage.is_ok_and(|usage| 0.0 < usage.bytes));
    }
}
