//! No line is wider than a screen shows beside another one.

use super::source::Source;

/// Characters in one line.
const COLUMNS_MAX: usize = 100;

/// Lines of code and of interface files that are wider.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    sources.iter().filter(|source| is_judged(source)).flat_map(wide_lines).collect()
}

fn is_judged(source: &Source) -> bool {
    source.is_rust() || source.has_extension("proto")
}

fn wide_lines(source: &Source) -> impl Iterator<Item = String> {
    let wide = |(_, line): &(usize, &str)| line.chars().count() > COLUMNS_MAX;
    let problem = |(number, _)| format!("{}:{number}: wider than {COLUMNS_MAX}", source.path);
    source.numbered().filter(wide).map(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::sample;

    #[test]
    fn characters_are_counted_not_bytes() {
        assert!(check(&[sample("a.rs", &"é".repeat(100))]).is_empty());
        assert_eq!(check(&[sample("a.rs", &"é".repeat(101))]).len(), 1);
    }

    #[test]
    fn each_wide_line_is_named() {
        let text = format!("//! x\n{}\n", "y".repeat(101));
        assert_eq!(check(&[sample("a.proto", &text)]), ["a.proto:2: wider than 100"]);
    }

    #[test]
    fn prose_and_configuration_may_have_wide_tables() {
        for path in ["a.md", "Cargo.toml"] {
            assert!(check(&[sample(path, &"x".repeat(200))]).is_empty());
        }
    }
}
