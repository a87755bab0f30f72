//! Text in double quotes as Go's `%q` writes it, and as it reads it.

use std::fmt::Write;

/// Any bytes in double quotes. What cannot be printed is escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            push_letter(&mut text, letter);
        }
        for byte in chunk.invalid() {
            push(&mut text, format_args!("\\x{byte:02x}"));
        }
    }
    text.push('"');
    text
}

fn push_letter(text: &mut String, letter: char) {
    match letter {
        '"' | '\\' => push(text, format_args!("\\{letter}")),
        '\u{7}' => text.push_str("\\a"),
        '\u{8}' => text.push_str("\\b"),
        '\u{c}' => text.push_str("\\f"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\u{b}' => text.push_str("\\v"),
        '\0'..='\u{1f}' | '\u{7f}' => push(text, format_args!("\\x{:02x}", u32::from(letter))),
        _ if is_printable(letter) => text.push(letter),
        '\0'..='\u{ffff}' => push(text, format_args!("\\u{:04x}", u32::from(letter))),
        _ => push(text, format_args!("\\U{:08x}", u32::from(letter))),
    }
}

fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    text.write_fmt(piece).expect("a string can be written to");
}

/// Rust's notion of what needs no escape is close to Go's, and like that follows Unicode.
fn is_printable(letter: char) -> bool {
    !letter.escape_debug().to_string().starts_with("\\u")
}

/// Reads what stands in double quotes at the beginning of a text, and gives the rest.
pub(crate) fn unquoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    loop {
        let letter = rest.chars().next()?;
        rest = &rest[letter.len_utf8()..];
        match letter {
            '"' => return Some((bytes, rest)),
            '\n' => return None,
            '\\' => rest = unescape(rest, &mut bytes)?,
            _ => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Reads what follows a backslash, and gives the rest.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let letter = text.chars().next()?;
    let rest = &text[letter.len_utf8()..];
    let plain = match letter {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '"' => letter as u8,
        'x' => return number(rest, 2, 16, bytes),
        'u' => return letter_of(rest, 4, bytes),
        'U' => return letter_of(rest, 8, bytes),
        '0'..='7' => return number(text, 3, 8, bytes),
        _ => return None,
    };
    bytes.push(plain);
    Some(rest)
}

fn number<'a>(text: &'a str, digits: usize, radix: u32, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let value = u32::from_str_radix(text.get(..digits)?, radix).ok()?;
    bytes.push(u8::try_from(value).ok()?);
    Some(&text[digits..])
}

fn letter_of<'a>(text: &'a str, digits: usize, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let letter = char::from_u32(u32::from_str_radix(text.get(..digits)?, 16).ok()?)?;
    bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    Some(&text[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read_back() {
        let cases: [(&[u8], &str); 5] = [
            (b"plain", "\"plain\""),
            (b"a\"b\\c\n\0\x7f", r#""a\"b\\c\n\x00\x7f""#),
            (b"\xffx", r#""\xffx""#),
            ("\u{e9}\u{4e2d}\u{1f600}".as_bytes(), "\"\u{e9}\u{4e2d}\u{1f600}\""),
            ("\u{200b}\u{e0001}".as_bytes(), r#""\u200b\U000e0001""#),
        ];
        for (bytes, text) in cases {
            assert_eq!(quoted(bytes), text);
            assert_eq!(unquoted(text), Some((bytes.to_vec(), "")), "{text}");
        }
    }

    #[test]
    fn what_is_not_quoted_well_is_refused() {
        let wrong = ["", "a", "\"", "\"a", r#""\"#, r#""\q""#, r#""\x1""#, r#""\400""#, "\"a\nb\""];
        for text in wrong {
            assert_eq!(unquoted(text), None, "{text}");
        }
        assert_eq!(unquoted(r#""a" > "b""#), Some((b"a".to_vec(), r#" > "b""#)));
        assert_eq!(unquoted(r#""\101\x42\u0043""#), Some((b"ABC".to_vec(), "")));
    }
}
