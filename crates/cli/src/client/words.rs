//! Lines of text as words, which may be quoted: `put key "two words"`.

use crate::output::unquoted;

/// The words of a line. Single quotes keep everything as it is, double quotes know Go's escapes.
/// Gives none if a quote is not closed or an escape is unknown.
pub(crate) fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}

fn word(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (word, after) = quoted.split_once('\'')?;
        return Some((word.to_owned(), after));
    }
    if text.starts_with('"') {
        let (bytes, after) = unquoted(text)?;
        return Some((String::from_utf8(bytes).ok()?, after));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    Some((word.to_owned(), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_quoted() {
        let line = r#"  put 'a b' "c\n\"d" -- e"f  "#;
        let expected = ["put", "a b", "c\n\"d", "--", "e\"f"].map(str::to_owned);
        assert_eq!(words(line), Some(expected.to_vec()));
        assert_eq!(words(" \t "), Some(Vec::new()));
    }

    #[test]
    fn an_open_quote_is_no_line() {
        for line in ["a 'b", "a \"b", r#"a "\q""#] {
            assert_eq!(words(line), None, "{line}");
        }
    }
}
