//! Reserving space ahead of need.

/// Work for a thread beside the log's: see [`crate::Wal::reservation`].
pub struct Reservation {}

/// Whether a [`Reservation`] needs more steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// It has ended, well or not: hand it back.
    Ended,
}

impl Reservation {
    /// Does the next bit of work, at most a quarter of a MiB of writing.
    pub fn step(&mut self) -> Progress {
        unreachable!("arrives in the next step")
    }
}
