//! Words that do not belong in the repository: paths of one machine, and promises to do it later.

use super::source::Source;

/// What is not written, and what to do instead. This file is the only one that may name them.
const WORDS: [(&str, &str); 5] = [
    ("/work/", "a path of one machine"),
    ("/root/", "a path of one machine"),
    ("/tmp/target", "a path of one machine"),
    ("TODO", "do it, or describe the limit"),
    ("FIXME", "fix it, or describe the limit"),
];

/// This file.
const SELF: &str = "xtask/src/tidy/words.rs";

/// Lines with such a word.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let judged = sources.iter().filter(|source| source.path != SELF);
    judged.flat_map(found_words).collect()
}

fn found_words(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in source.numbered() {
        let found = WORDS.iter().filter(|(word, _)| line.contains(word));
        problems
            .extend(found.map(|(word, why)| format!("{}:{number}: `{word}`: {why}", source.path)));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::sample;

    #[test]
    fn each_word_is_found_in_any_kind_of_file() {
        for (word, _) in WORDS {
            let text = format!("fine\nsee {word} here\n");
            let problems = check(&[sample("README.md", &text)]);
            assert_eq!(problems.len(), 1, "{word}");
            assert!(problems[0].starts_with("README.md:2:"), "{problems:?}");
        }
    }

    #[test]
    fn other_words_pass() {
        assert!(check(&[sample("a.rs", "//! A network/peer, a root, to do.\n")]).is_empty());
    }
}
