//! Keys, ranges and values.

use bytes::Bytes;

use crate::random::Random;
use crate::stream::SENTINEL_KEY;

/// The keys, which are neighbours in the order of bytes. With the sentinel's they are twelve:
/// etcd's sort is only stable up to so many.
const KEYS: [&[u8]; 11] =
    [b"\0", b"a", b"a\0", b"aa", b"ab", b"b", b"b\xff", b"c", b"c\xff\xff", b"\xff", b"\xff\xff"];

const VALUES: [&[u8]; 5] = [b"", b"x", b"y", b"xx", b"\0\xff"];

/// A key that is not empty.
pub(super) fn present(random: &mut Random) -> Bytes {
    // Three of them are met most of the time.
    if random.chance(60) {
        return Bytes::from_static(random.pick(&KEYS[1..4]));
    }
    if random.chance(3) {
        return Bytes::from_static(SENTINEL_KEY);
    }
    Bytes::from_static(random.pick(&KEYS))
}

/// A key, which seldom is empty.
pub(super) fn key(random: &mut Random) -> Bytes {
    if random.chance(3) { Bytes::new() } else { present(random) }
}

/// The end of a range of which this is the first key.
pub(super) fn end(random: &mut Random, key: &Bytes) -> Bytes {
    match random.below(10) {
        0..=3 => Bytes::new(),
        4 => Bytes::from_static(b"\0"),
        5 | 6 => after_prefix(key),
        7 => key.clone(),
        _ => present(random),
    }
}

/// A key and the end of its range.
pub(super) fn range(random: &mut Random) -> (Bytes, Bytes) {
    if random.chance(10) {
        return (Bytes::from_static(b"\0"), Bytes::from_static(b"\0"));
    }
    let key = key(random);
    let end = end(random, &key);
    (key, end)
}

/// A value, which may be empty.
pub(super) fn value(random: &mut Random) -> Bytes {
    Bytes::from_static(random.pick(&VALUES))
}

/// The end of the range of all keys with a prefix.
fn after_prefix(prefix: &[u8]) -> Bytes {
    let kept = prefix.iter().rposition(|byte| *byte != 0xff);
    let Some(last) = kept else { return Bytes::from_static(b"\0") };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_prefix_raised() {
        let ends = [&b"a"[..], b"a\0", b"b\xff", b"\xff\xff"].map(after_prefix);
        assert_eq!(ends, [&b"b"[..], b"a\x01", b"c", b"\0"]);
    }
}
