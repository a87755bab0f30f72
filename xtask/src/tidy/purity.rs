//! The pure crates ban clocks, randomness, files and threads, all with the same list.
//!
//! Clippy enforces the list; a crate that lost its `clippy.toml` would fall back to the root's,
//! which bans nothing, and no one would notice.

use super::source::Source;

/// The lists, one per crate that reads nothing but its arguments. The first is the model.
const LISTS: [&str; 4] = [
    "crates/consensus/clippy.toml",
    "crates/kv/clippy.toml",
    "crates/codec/clippy.toml",
    "crates/replica/clippy.toml",
];

/// What the model must ban at least.
const BANS: [&str; 5] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::collections::HashMap",
    "std::thread::spawn",
    "std::fs::File",
];

/// Pure crates whose list is missing or is not the model.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let Some(model) = text_of(sources, LISTS[0]) else {
        return vec![format!("{} is missing", LISTS[0])];
    };
    let unbanned = BANS.iter().filter(|ban| !model.contains(*ban));
    let mut problems: Vec<String> =
        unbanned.map(|ban| format!("{}: does not ban {ban}", LISTS[0])).collect();
    let others = LISTS.iter().filter(|list| text_of(sources, list) != Some(model));
    problems.extend(others.map(|list| format!("{list} is not the same as {}", LISTS[0])));
    problems
}

fn text_of<'a>(sources: &'a [Source], path: &str) -> Option<&'a str> {
    sources.iter().find(|source| source.path == path).map(|source| source.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::sample;

    fn lists(text: &str) -> Vec<Source> {
        LISTS.iter().map(|path| sample(path, text)).collect()
    }

    #[test]
    fn equal_lists_with_every_ban_pass() {
        assert!(check(&lists(&BANS.join("\n"))).is_empty());
    }

    #[test]
    fn a_missing_ban_is_found() {
        assert_eq!(check(&lists(&BANS[1..].join("\n"))).len(), 1);
    }

    #[test]
    fn a_missing_or_different_list_is_found() {
        let mut sources = lists(&BANS.join("\n"));
        sources[2].text.push_str("# weaker");
        assert_eq!(check(&sources).len(), 1);
        sources.remove(2);
        assert_eq!(check(&sources).len(), 1);
        sources.remove(0);
        assert_eq!(check(&sources).len(), 1);
    }
}
