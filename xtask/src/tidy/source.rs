//! The files that the checks read, and which part of each is production code.

use std::fs;

use anyhow::Result;

use crate::workspace::Workspace;

/// A text file of the repository.
pub(crate) struct Source {
    /// Relative to the root, with `/` between the parts.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

/// Every text file that git tracks or would add.
pub(crate) fn all(workspace: &Workspace) -> Result<Vec<Source>> {
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let mut sources = Vec::new();
    for path in workspace.output("git", &listed)?.lines() {
        let file = workspace.path(path);
        // A file that was deleted but is still in the index is not there to be judged.
        if !file.is_file() {
            continue;
        }
        // What is not UTF-8 is data, such as a golden file.
        if let Ok(text) = String::from_utf8(fs::read(file)?) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

impl Source {
    /// Whether it is Rust that people write.
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs") && !self.is_generated()
    }

    /// Whether its name ends like this.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    /// Whether `cargo xtask codegen` wrote it.
    fn is_generated(&self) -> bool {
        self.path.starts_with("crates/etcdapi/src/gen/")
    }

    /// Whether the whole file is test code.
    pub(crate) fn is_test_file(&self) -> bool {
        let mut parts = self.path.split('/');
        let name = parts.next_back().unwrap_or_default();
        name == "tests.rs" || parts.any(|part| part == "tests" || part == "benches")
    }

    /// The lines outside of tests, numbered from 1.
    pub(crate) fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered().take(self.production_lines())
    }

    /// The lines of tests, numbered from 1.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered().skip(self.production_lines())
    }

    /// Every line, numbered from 1.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// How many lines stand before the tests.
    fn production_lines(&self) -> usize {
        if self.is_test_file() {
            return 0;
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |pair: &[&str]| pair[0] == "#[cfg(test)]" && is_inline_module(pair[1]);
        lines.windows(2).position(begins).unwrap_or(lines.len())
    }
}

fn is_inline_module(line: &str) -> bool {
    line.starts_with("mod ") && line.ends_with('{')
}

/// A file for a test of a check.
#[cfg(test)]
pub(crate) fn sample(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_end_of_a_file_are_not_production_code() {
        let source = sample("a.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(source.production().count(), 2);
        assert_eq!(source.tests().next(), Some((3, "#[cfg(test)]")));
    }

    #[test]
    fn a_test_module_in_another_file_leaves_all_lines_production_code() {
        let source = sample("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests;\n");
        assert_eq!(source.production().count(), 3);
        assert_eq!(source.tests().count(), 0);
    }

    #[test]
    fn whole_files_are_tests_by_their_place() {
        for path in ["crates/kv/src/store/tests.rs", "crates/kv/tests/it/main.rs", "b/benches/x.rs"]
        {
            assert!(sample(path, "").is_test_file(), "{path}");
        }
        for path in ["crates/kv/src/tests_of_faith.rs", "xtask/src/tidy/tests_discipline.rs"] {
            assert!(!sample(path, "").is_test_file(), "{path}");
        }
    }

    #[test]
    fn generated_code_is_not_judged_as_ours() {
        assert!(!sample("crates/etcdapi/src/gen/mvccpb.rs", "").is_rust());
        assert!(sample("crates/etcdapi/src/generated.rs", "").is_rust());
    }
}
