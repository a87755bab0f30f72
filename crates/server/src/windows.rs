//! How much the clients of HTTP/2 may send before it is read.
//!
//! What arrives and waits to be read is held in memory, up to the window that a connection was
//! given. All windows share what there is: few connections have wide ones, and each of very many
//! the least that HTTP/2 knows.

use crate::room::{Room, Share};

/// What all windows come to, beyond the least that each connection has, in KiB.
const WINDOWS_KIB_MAX: usize = 128 << 10;

/// The widest window, in KiB.
const WINDOW_KIB_MAX: usize = 4 << 10;

/// A connection is given this part of what is left, so that there is always something left.
const PART: usize = 16;

/// The window of a connection that nobody has widened, in bytes (RFC 9113, section 6.9.2).
const WINDOW_BYTES_MIN: u32 = 65_535;

/// The widest window of one request, in bytes: the largest value that a client usually puts.
const STREAM_BYTES_MAX: u32 = 1 << 20;

/// What the windows share.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    room: Room,
}

impl Default for Windows {
    fn default() -> Self {
        Self { room: Room::of_kib(WINDOWS_KIB_MAX) }
    }
}

impl Windows {
    /// A window for a new connection.
    pub(crate) fn open(&self) -> Window {
        let wanted = (self.room.free_kib() / PART).min(WINDOW_KIB_MAX) << 10;
        let mut share = self.room.share();
        // Another connection may have taken what was left.
        let more = if share.fit(wanted).is_ok() { wanted } else { 0 };
        Window { more: u32::try_from(more).expect("the widest window is narrow"), _share: share }
    }
}

/// The window of one connection, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Window {
    /// Bytes beyond the least.
    more: u32,
    _share: Share,
}

impl Window {
    /// Bytes that a client may send ahead.
    pub(crate) fn of_connection(&self) -> u32 {
        WINDOW_BYTES_MIN + self.more
    }

    /// Bytes that a client may send ahead for one request.
    pub(crate) fn of_stream(&self) -> u32 {
        self.of_connection().min(STREAM_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_have_wide_windows_and_many_have_bounded_ones() {
        let windows = Windows::default();
        let mut open: Vec<Window> = (0..10_000).map(|_| windows.open()).collect();
        assert_eq!(open[9].of_connection(), (4 << 20) + 65_535);
        assert_eq!(open[9].of_stream(), 1 << 20);
        assert!(65_535 < open[100].of_connection() && open[100].of_connection() < 1 << 20);
        assert_eq!(open[9_999].of_connection(), open[9_999].of_stream());
        let bytes: u64 = open.iter().map(|window| u64::from(window.of_connection())).sum();
        assert!(bytes <= (128 << 20) + 10_000 * 65_535, "{bytes}");
        open.clear();
        assert_eq!(windows.open().of_connection(), (4 << 20) + 65_535, "it is given back");
    }
}
