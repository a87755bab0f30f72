//! Each file begins by saying what it owns.

use super::source::Source;

/// Files whose first line is not a `//!` header.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let headless = |source: &&Source| source.is_rust() && !has_header(&source.text);
    let problem = |source: &Source| format!("{}:1: no `//!` header says what it owns", source.path);
    sources.iter().filter(headless).map(problem).collect()
}

fn has_header(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("//!").is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::sample;

    #[test]
    fn a_header_on_the_first_line_is_enough() {
        assert!(check(&[sample("a.rs", "//! Owns a.\n")]).is_empty());
    }

    #[test]
    fn a_missing_late_or_empty_header_is_found() {
        for text in ["", "use std::fmt;\n", "// Owns a.\n", "\n//! Owns a.\n", "//!\n"] {
            assert_eq!(check(&[sample("a.rs", text)]).len(), 1, "{text:?}");
        }
    }
}
