//! The line on a terminal that says how far a run is.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::{Until, Window};
use super::tally::Pulse;

/// How often the line is written.
pub(super) const PERIOD: Duration = Duration::from_millis(200);

/// Letters of the bar.
const WIDTH: usize = 30;

/// A line that is written again and again, if somebody may be looking.
#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
    total: Option<u64>,
}

impl Progress {
    /// Of a run of so many requests, or of as many as fit into its time.
    pub(super) fn new(total: Option<u64>) -> Self {
        Self { is_shown: stderr().is_terminal(), total }
    }

    /// Says what is done before anything is measured.
    pub(super) fn say(&self, text: &str) {
        self.write(&format!("\r\x1b[K{text}"));
    }

    /// Says how far it is.
    pub(super) fn update(&self, window: &Window, pulse: &Pulse) {
        let now = Instant::now();
        if now < window.start {
            self.say("warming up");
            return;
        }
        let share = match (&window.until, self.total) {
            (Until::Time(end), _) => ratio(now - window.start, *end - window.start),
            (Until::Requests(_), total) => {
                let ended = Duration::from_micros(pulse.done() + pulse.failed());
                ratio(ended, Duration::from_micros(total.unwrap_or(1)))
            }
        };
        self.say(&line(share, now - window.start, pulse.done(), pulse.failed()));
    }

    /// Leaves the line empty for what is printed next.
    pub(super) fn clear(&self) {
        self.say("");
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            let mut stderr = stderr();
            // There is nowhere to report that the report failed.
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        }
    }
}

fn ratio(part: Duration, whole: Duration) -> f64 {
    (part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)).min(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
#[expect(clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
fn line(share: f64, elapsed: Duration, done: u64, failed: u64) -> String {
    let filled = (share * WIDTH as f64) as usize;
    let rate = done as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH - filled));
    format!("[{bar}] {:3.0}%  {rate:.0}/s  {done} done  {failed} failed", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_as_full_as_the_run() {
        let half = line(0.5, Duration::from_secs(2), 3000, 1);
        assert_eq!(
            half,
            format!("[{}{}]  50%  1500/s  3000 done  1 failed", "#".repeat(15), ".".repeat(15))
        );
        assert!(line(1.0, Duration::ZERO, 0, 0).contains(&"#".repeat(WIDTH)));
    }
}
