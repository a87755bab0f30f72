//! Which keys a command is about.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;
use clap::Args;

/// One key, a range, or all with a common beginning.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    /// The key, or the first of the range
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
    /// The end of the range, which is not part of it
    #[arg(allow_negative_numbers = true, conflicts_with_all = ["prefix", "from_key"])]
    pub(crate) range_end: Option<OsString>,
    /// All keys that begin with KEY
    #[arg(long, conflicts_with = "from_key")]
    pub(crate) prefix: bool,
    /// All keys from KEY on
    #[arg(long)]
    pub(crate) from_key: bool,
}

impl Keys {
    /// The range as etcd's requests write it: `\0` is the first key of all, and as an end it
    /// stands for no end.
    pub(crate) fn into_range(self) -> (Bytes, Bytes) {
        const ZERO: Bytes = Bytes::from_static(b"\0");
        let key = bytes_of(self.key);
        let is_open = self.prefix || self.from_key;
        match self.range_end {
            Some(end) => (key, bytes_of(end)),
            None if is_open && key.is_empty() => (ZERO, ZERO),
            None if self.from_key => (key, ZERO),
            None if self.prefix => {
                let end = prefix_end(&key);
                (key, end)
            }
            None => (key, Bytes::new()),
        }
    }
}

/// The first key after all that begin with the prefix: its last byte that can grow is one larger.
pub(crate) fn prefix_end(prefix: &[u8]) -> Bytes {
    match prefix.iter().rposition(|byte| *byte < u8::MAX) {
        Some(place) => {
            let mut end = prefix[..=place].to_vec();
            end[place] += 1;
            end.into()
        }
        None => Bytes::from_static(b"\0"),
    }
}

/// The bytes of an argument.
pub(crate) fn bytes_of(argument: OsString) -> Bytes {
    argument.into_vec().into()
}

/// Reads an identifier of a lease or a member, as etcdctl writes them.
pub(crate) fn hexadecimal(text: &str) -> Result<i64, String> {
    i64::from_str_radix(text, 16)
        .map_err(|_| "expecting an identifier in hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &str, range_end: Option<&str>) -> Keys {
        let range_end = range_end.map(OsString::from);
        Keys { key: key.into(), range_end, prefix: false, from_key: false }
    }

    fn range(keys: Keys) -> (Vec<u8>, Vec<u8>) {
        let (key, end) = keys.into_range();
        (key.to_vec(), end.to_vec())
    }

    #[test]
    fn ranges_are_written_as_etcdctl_writes_them() {
        assert_eq!(range(keys("a", None)), (b"a".to_vec(), b"".to_vec()));
        assert_eq!(range(keys("a", Some("c"))), (b"a".to_vec(), b"c".to_vec()));
        let prefix = |key| Keys { prefix: true, ..keys(key, None) };
        assert_eq!(range(prefix("ab")), (b"ab".to_vec(), b"ac".to_vec()));
        assert_eq!(range(prefix("")), (b"\0".to_vec(), b"\0".to_vec()));
        let from = |key| Keys { from_key: true, ..keys(key, None) };
        assert_eq!(range(from("ab")), (b"ab".to_vec(), b"\0".to_vec()));
        assert_eq!(range(from("")), (b"\0".to_vec(), b"\0".to_vec()));
    }

    #[test]
    fn the_end_of_a_prefix_skips_bytes_that_cannot_grow() {
        assert_eq!(prefix_end(b"a\xff\xff"), Bytes::from_static(b"b"));
        assert_eq!(prefix_end(b"\xff"), Bytes::from_static(b"\0"));
    }
}
