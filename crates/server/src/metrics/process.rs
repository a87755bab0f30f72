//! What the system knows of this process, under the names that every Prometheus client uses.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::text::Exposition;

/// Bytes of a page, as `/proc` counts memory.
fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// All families. What the system does not tell is left out.
pub(super) fn write(text: &mut Exposition) {
    if let Some((virtual_pages, resident_pages)) = memory_pages() {
        text.gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            resident_pages * page_bytes(),
        );
        text.gauge(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            virtual_pages * page_bytes(),
        );
    }
    if let Some((cpu_seconds, start_seconds)) = times() {
        text.counter(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            cpu_seconds,
        );
        text.gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            start_seconds,
        );
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        let open = files.count().saturating_sub(1);
        text.gauge("process_open_fds", "Number of open file descriptors.", open);
        text.gauge("os_fd_used", "The number of used file descriptors.", open);
    }
    if let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        text.gauge("process_max_fds", "Maximum number of open file descriptors.", limit);
        text.gauge("os_fd_limit", "The file descriptor limit.", limit);
    }
}

fn memory_pages() -> Option<(u64, u64)> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split_whitespace().map(str::parse);
    Some((pages.next()?.ok()?, pages.next()?.ok()?))
}

/// Seconds of work, and when the process started. See `proc_pid_stat(5)`.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    // The name in parentheses may hold anything; the third field comes after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let per_second = {
        #[expect(clippy::cast_precision_loss, reason = "it is 100")]
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        ticks
    };
    let since_boot: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    let cpu_seconds = (field(14)? + field(15)?) / per_second;
    Some((cpu_seconds, now - since_boot + field(22)? / per_second))
}
