//! JSON as etcdctl writes it: fields in the order of etcd's messages, numbers as they are, bytes in
//! base64, and most fields left out where they say nothing.

use std::fmt::{self, Write};

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb::ResponseHeader;
use quorate_etcdapi::mvccpb::KeyValue;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(i128),
    /// Any number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes, written in base64.
    Bytes(Bytes),
    /// A list.
    List(Vec<Json>),
    /// Named values, in this order.
    Object(Object),
}

/// Named values, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(&'static str, Json)>);

impl Object {
    /// No fields yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With a field.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// With a field unless it says nothing: zero, false, empty.
    pub(crate) fn with_some(self, name: &'static str, value: impl Into<Json>) -> Self {
        let value = value.into();
        if value.says_nothing() { self } else { self.with(name, value) }
    }

    /// With the fields of an answer's header among its own.
    pub(crate) fn with_header(self, header: Option<&ResponseHeader>) -> Self {
        let Some(header) = header else { return self };
        self.with_some("cluster_id", header.cluster_id)
            .with_some("member_id", header.member_id)
            .with_some("revision", header.revision)
            .with_some("raft_term", header.raft_term)
    }
}

impl Json {
    /// A list of what the elements become.
    pub(crate) fn list<T>(elements: &[T], each: impl Fn(&T) -> Json) -> Self {
        Self::List(elements.iter().map(each).collect())
    }

    fn says_nothing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Number(value) => *value == 0,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::List(elements) => elements.is_empty(),
            Self::Real(_) | Self::Object(_) => false,
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[String]> for Json {
    fn from(value: &[String]) -> Self {
        Self::list(value, |text| text.as_str().into())
    }
}

impl From<Bytes> for Json {
    fn from(value: Bytes) -> Self {
        Self::Bytes(value)
    }
}

impl From<Object> for Json {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl From<Option<Object>> for Json {
    fn from(value: Option<Object>) -> Self {
        value.map_or(Self::Null, Self::Object)
    }
}

impl From<&ResponseHeader> for Object {
    fn from(header: &ResponseHeader) -> Self {
        Self::new().with_header(Some(header))
    }
}

impl From<&KeyValue> for Object {
    fn from(pair: &KeyValue) -> Self {
        Self::new()
            .with_some("key", pair.key.clone())
            .with_some("create_revision", pair.create_revision)
            .with_some("mod_revision", pair.mod_revision)
            .with_some("version", pair.version)
            .with_some("value", pair.value.clone())
            .with_some("lease", pair.lease)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(value) => write!(out, "{value}"),
            Self::Real(value) => write!(out, "{value}"),
            Self::Text(text) => write_text(out, text),
            Self::Bytes(bytes) => write!(out, "\"{}\"", base64(bytes)),
            Self::List(elements) => {
                out.write_char('[')?;
                for (place, element) in elements.iter().enumerate() {
                    write!(out, "{}{element}", if place == 0 { "" } else { "," })?;
                }
                out.write_char(']')
            }
            Self::Object(Object(fields)) => {
                out.write_char('{')?;
                for (place, (name, value)) in fields.iter().enumerate() {
                    write!(out, "{}\"{name}\":{value}", if place == 0 { "" } else { "," })?;
                }
                out.write_char('}')
            }
        }
    }
}

/// Go escapes, beside what JSON demands, what could end a script in a web page.
fn write_text(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(out, "\\{letter}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(letter))?;
            }
            _ => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}

/// The standard alphabet, with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 0x3f;
            let is_padding = group.len() < place;
            let letter = if is_padding { b'=' } else { ALPHABET[sextet as usize] };
            text.push(char::from(letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn fields_keep_their_order_and_empty_ones_go() {
        let object = Object::new().with("z", 0).with_some("y", 0).with_some("a", "<\u{1}\"");
        assert_eq!(Json::from(object).to_string(), r#"{"z":0,"a":"\u003c\u0001\""}"#);
    }
}
