//! What the machine adds to times that are measured on it: a thread that nobody keeps waiting but
//! the machine does, again and again, what a member does at least before it acknowledges a write.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::history::{Nanos, Stopwatch};

/// How long it pauses in each step, so that it is no load itself.
const PAUSE: Duration = Duration::from_millis(20);

/// The thread at work.
pub(crate) struct Control {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Vec<Step>>,
}

/// A pause and a sync.
#[derive(Clone, Copy, Debug)]
struct Step {
    began: Nanos,
    ended: Nanos,
}

/// When the machine kept the thread waiting.
#[derive(Debug)]
pub(crate) struct Hindrances(Vec<Step>);

impl Control {
    /// Begins, by this clock. The file is where the data directories of members are, too.
    pub(crate) fn start(clock: Stopwatch) -> Self {
        let mut file = tempfile::tempfile().expect("a temporary file can be made");
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut steps = Vec::new();
            loop {
                let began = clock.now();
                if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    return steps;
                }
                write_durably(&mut file);
                steps.push(Step { began, ended: clock.now() });
            }
        });
        Self { stop, thread }
    }

    /// Ends, and gives what it met with.
    pub(crate) fn finish(self) -> Hindrances {
        drop(self.stop);
        Hindrances(self.thread.join().expect("the control does not fail"))
    }
}

fn write_durably(file: &mut File) {
    let written = file.rewind().and_then(|()| file.write_all(b"control"));
    written.and_then(|()| file.sync_data()).expect("a temporary file can be written");
}

impl Hindrances {
    /// How long between these times it was kept waiting, beside its own pauses.
    pub(crate) fn between(&self, from: Nanos, to: Nanos) -> Duration {
        let delay = |step: &Step| {
            let overlap = step.ended.min(to).saturating_sub(step.began.max(from));
            Duration::from_nanos(overlap).saturating_sub(PAUSE)
        };
        self.0.iter().map(delay).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Nanos {
        milliseconds * 1_000_000
    }

    #[test]
    fn only_what_is_beyond_its_pauses_counts_and_only_within_the_times() {
        let step = |began, ended| Step { began: at(began), ended: at(ended) };
        let hindrances = Hindrances(vec![step(0, 21), step(21, 541), step(541, 563)]);
        assert_eq!(hindrances.between(0, at(600)), Duration::from_millis(1 + 500 + 2));
        assert_eq!(hindrances.between(at(441), at(600)), Duration::from_millis(80 + 2));
        assert_eq!(hindrances.between(at(600), at(900)), Duration::ZERO);
    }

    #[test]
    fn it_steps_until_it_is_ended() {
        let control = Control::start(Stopwatch::start());
        assert!(control.finish().0.len() < 1_000, "it ends when it is told to");
    }
}
