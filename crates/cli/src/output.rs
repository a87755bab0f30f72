//! What client commands print: etcdctl's `simple` form, byte for byte.

use std::io::{self, ErrorKind, Write};

use quorate_etcdapi::mvccpb::KeyValue;

use crate::exit::Failure;

/// Which parts of a pair are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// The key, then the value, a line each.
    Pair,
    /// The value alone.
    Value,
}

/// Prints keys and values.
pub(crate) fn pairs(into: &mut Vec<u8>, pairs: &[KeyValue], parts: Parts) {
    for pair in pairs {
        if parts == Parts::Pair {
            line(into, &pair.key);
        }
        line(into, &pair.value);
    }
}

/// Prints a line. The bytes may be any.
pub(crate) fn line(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(bytes);
    into.push(b'\n');
}

/// Writes to standard output what was printed. A reader that has left is no failure.
pub(crate) fn flush(printed: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(printed).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("the answer cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_printed_as_etcdctl_prints_them() {
        let pair = |key: &'static [u8], value: &'static [u8]| KeyValue {
            key: key.into(),
            value: value.into(),
            ..KeyValue::default()
        };
        let samples = [pair(b"a", b"1"), pair(b"\xff", b"")];
        let mut printed = Vec::new();
        pairs(&mut printed, &samples, Parts::Pair);
        assert_eq!(printed, b"a\n1\n\xff\n\n");
        printed.clear();
        pairs(&mut printed, &samples, Parts::Value);
        assert_eq!(printed, b"1\n\n");
    }
}
