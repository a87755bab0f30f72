//! Text in two languages, and how wide it is on a terminal.

/// A language that stories are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese, in the terms of the tutorials.
    Chinese,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// Its tag, as in `--lang zh`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The language of this tag.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }
}

/// The same words in both languages. May hold `{places}` to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Chinese.
    pub zh: &'static str,
}

/// The same words in both languages.
pub const fn both(en: &'static str, zh: &'static str) -> Text {
    Text { en, zh }
}

impl Text {
    /// The words in one language.
    pub const fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

/// How many columns the text takes: Chinese characters and their punctuation take two.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(char: char) -> usize {
    let is_wide = matches!(char,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}');
    if is_wide { 2 } else { 1 }
}

/// The text with a space between a Chinese character and a letter or digit beside it.
pub(super) fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    let mut before: Option<char> = None;
    for char in text.chars() {
        if before.is_some_and(|before| are_kept_apart(before, char)) {
            spaced.push(' ');
        }
        spaced.push(char);
        before = Some(char);
    }
    spaced
}

fn are_kept_apart(before: char, after: char) -> bool {
    let opens = |char: char| char.is_ascii_alphanumeric() || char == '(';
    let closes = |char: char| char.is_ascii_alphanumeric() || char == ')' || char == '%';
    (is_ideograph(before) && opens(after)) || (closes(before) && is_ideograph(after))
}

fn is_ideograph(char: char) -> bool {
    matches!(char, '\u{4e00}'..='\u{9fff}')
}

/// Marks that never begin a line.
const CLOSING: &str = "，。；：！？、）》”’…";
/// Marks that never end a line.
const OPENING: &str = "（《“‘";

/// Breaks a text into lines of at most `columns`, where words or characters allow it. A word wider
/// than that gets a line of its own.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let line = lines.last_mut().expect("there is a line from the start");
        if !line.is_empty() && columns < width(line) + width(piece.trim_end()) {
            line.truncate(line.trim_end().len());
            lines.push(String::new());
        }
        lines.last_mut().expect("there is a line from the start").push_str(piece);
    }
    let last = lines.last_mut().expect("there is a line from the start");
    last.truncate(last.trim_end().len());
    lines
}

/// The parts of a text that are never broken: a word with the space behind it, or a Chinese
/// character with the marks that belong to it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, char) in text.char_indices() {
        if before.is_some_and(|before| can_break(before, char)) {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(char);
    }
    pieces.push(&text[start..]);
    pieces
}

fn can_break(before: char, after: char) -> bool {
    if after == ' ' || CLOSING.contains(after) || OPENING.contains(before) {
        return false;
    }
    before == ' ' || char_width(before) == 2 || char_width(after) == 2 || OPENING.contains(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_takes_two_columns() {
        assert_eq!(width("term 3"), 6);
        assert_eq!(width("任期 3，"), 8);
        assert_eq!(width("A → B"), 5);
    }

    #[test]
    fn lines_are_filled_and_never_exceeded() {
        let text = "one two three four";
        assert_eq!(wrap(text, 9), ["one two", "three", "four"]);
        assert_eq!(wrap(text, 100), [text]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn chinese_breaks_between_characters_but_not_before_a_mark() {
        assert_eq!(wrap("将军投票，然后进攻", 8), ["将军投", "票，然后", "进攻"]);
        assert_eq!(wrap("将军 A 进攻", 7), ["将军 A", "进攻"]);
        assert_eq!(wrap("甲（乙）丙", 4), ["甲", "（乙）", "丙"]);
    }

    #[test]
    fn letters_and_digits_stand_apart_from_chinese() {
        assert_eq!(spaced("在任期3投票给A，再见"), "在任期 3 投票给 A，再见");
        assert_eq!(spaced("接受(5, 10%)之后10%被选定"), "接受 (5, 10%) 之后 10% 被选定");
        assert_eq!(spaced("term 3, “A”"), "term 3, “A”");
    }

    #[test]
    fn languages_have_tags() {
        for language in Language::ALL {
            assert_eq!(Language::from_tag(language.tag()), Some(language));
        }
        assert_eq!(Language::from_tag("fr"), None);
    }
}
