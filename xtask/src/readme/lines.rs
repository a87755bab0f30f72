//! What a process prints, line by line, as it comes, shown and kept.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a silent process is asked whether it still runs.
const LOOK: Duration = Duration::from_millis(100);

/// The lines that a process prints.
pub(crate) struct Lines {
    received: Receiver<String>,
}

impl Lines {
    /// Reads from a pipe until it closes; each line is shown too.
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                println!("  | {line}");
                // The receiver leaves when no one wants to know any more.
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { received }
    }

    /// The lines up to and with the first one that is wanted.
    ///
    /// Fails when the process ends before, or when it takes longer than the limit.
    pub(crate) fn until(
        &self,
        process: &mut Child,
        limit: Duration,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>> {
        let deadline = Instant::now() + limit;
        let mut lines = Vec::new();
        let mut has_ended = false;
        while Instant::now() < deadline {
            match self.received.recv_timeout(LOOK) {
                Ok(line) => {
                    lines.push(line);
                    if lines.last().is_some_and(|line| is_wanted(line)) {
                        return Ok(lines);
                    }
                }
                // A child of it may still hold the pipe, so that its end is not the pipe's end.
                Err(RecvTimeoutError::Timeout) if !has_ended => {
                    has_ended = process.try_wait()?.is_some();
                }
                Err(_) => bail!("it failed: {}", process.wait()?),
            }
        }
        bail!("it took more than {} s", limit.as_secs())
    }
}

/// Ends a process that this program started, with everything that it started in its group.
///
/// It is asked first, and may take as long as `grace` to clean up.
pub(crate) fn end(process: &mut Child, grace: Duration) {
    let id = process.id();
    signal("-TERM", &id.to_string());
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline && matches!(process.try_wait(), Ok(None)) {
        thread::sleep(LOOK);
    }
    signal("-KILL", &format!("-{id}"));
    // Whatever became of it, it is not waited for any longer than this.
    let _ = process.wait();
}

/// Sends a signal to a process, or to a group when the number is negative.
fn signal(name: &str, number: &str) {
    // It may have ended by itself, which is as well.
    let _ = Command::new("kill").args([name, "--", number]).output();
}
