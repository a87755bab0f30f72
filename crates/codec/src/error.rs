//! Why bytes were refused.

use core::fmt;

/// Why bytes do not decode. They come from outside, so this is never a reason to panic: a peer's
/// message is counted and its connection dropped, a log record is damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end before the value does.
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// Written in a format this program does not know. A newer program may.
    Version {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u8,
        /// The newest version this program reads.
        newest: u8,
    },
    /// Does not begin with the mark of its format: not ours at all.
    BadMagic {
        /// What was being read.
        what: &'static str,
    },
    /// A tag that names no variant.
    BadTag {
        /// What was being read.
        what: &'static str,
        /// The tag found.
        found: u8,
    },
    /// A count or length that the bytes at hand cannot hold. Nothing was allocated for it.
    BadLength {
        /// What was being read.
        what: &'static str,
        /// The count or length claimed.
        claimed: u64,
    },
    /// A set or map whose keys do not strictly ascend.
    BadOrder {
        /// What was being read.
        what: &'static str,
    },
    /// Nested deeper than the format allows.
    TooDeep {
        /// What was being read.
        what: &'static str,
    },
    /// A number that the value cannot have.
    OutOfBounds {
        /// What was being read.
        what: &'static str,
    },
    /// In a newer form than its value needs. Every value has one form.
    Redundant {
        /// What was being read.
        what: &'static str,
    },
    /// Damaged: the bytes are not those that were written.
    BadChecksum {
        /// What was being read.
        what: &'static str,
    },
    /// A complete value with bytes after it.
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what } => write!(formatter, "the bytes end within {what}"),
            Self::Version { what, found, newest } => write!(
                formatter,
                "{what} has format version {found}; this program reads up to {newest}"
            ),
            Self::BadMagic { what } => write!(formatter, "this is no {what} of Quorate's"),
            Self::BadTag { what, found } => write!(formatter, "{found} is no kind of {what}"),
            Self::BadLength { what, claimed } => {
                write!(formatter, "{what} claims a length of {claimed}, more than there is")
            }
            Self::BadOrder { what } => write!(formatter, "{what} is not in ascending order"),
            Self::TooDeep { what } => write!(formatter, "{what} is nested too deep"),
            Self::OutOfBounds { what } => write!(formatter, "{what} is out of bounds"),
            Self::Redundant { what } => write!(formatter, "{what} has a simpler form"),
            Self::BadChecksum { what } => write!(formatter, "{what} fails its checksum"),
            Self::Trailing { bytes } => write!(formatter, "{bytes} bytes follow the value"),
        }
    }
}

impl core::error::Error for DecodeError {}
