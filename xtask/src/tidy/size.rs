//! No file grows beyond what one reads in one go. (Functions are clippy's `too_many_lines`.)

use super::source::Source;

/// Lines of production code in one file; tests and generated code do not count.
const LINES_MAX: usize = 500;

/// Files with more production code than that.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let rust = sources.iter().filter(|source| source.is_rust());
    let sizes = rust.map(|source| (source, source.production().count()));
    sizes.filter(|(_, lines)| *lines > LINES_MAX).map(problem).collect()
}

fn problem((source, lines): (&Source, usize)) -> String {
    format!("{}: {lines} lines of production code, at most {LINES_MAX}: split it", source.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::sample;

    fn lines(count: usize) -> String {
        "//! x\n".repeat(count)
    }

    #[test]
    fn a_file_at_the_limit_passes_and_one_above_fails() {
        assert!(check(&[sample("a.rs", &lines(500))]).is_empty());
        assert_eq!(check(&[sample("a.rs", &lines(501))]).len(), 1);
    }

    #[test]
    fn tests_and_generated_code_do_not_count() {
        let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(400), lines(400));
        let free = [
            sample("a.rs", &with_tests),
            sample("crates/kv/src/store/tests.rs", &lines(900)),
            sample("crates/etcdapi/src/gen/a.rs", &lines(900)),
        ];
        assert!(check(&free).is_empty());
    }
}
