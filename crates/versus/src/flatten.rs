//! A message as a list of named fields, so that two can be compared one by one.
//!
//! It is read off the message's `Debug` form, so that no field of no message can be forgotten.

use std::fmt::Debug;

/// Characters of a value that are looked at.
const SHOWN_MAX: usize = 1_000;

/// A field: where it stands, such as `kvs[0].key`, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where it stands.
    pub(crate) path: String,
    /// What it holds, as `Debug` says it.
    pub(crate) value: String,
}

impl Field {
    pub(crate) fn new(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self { path: path.into(), value: value.into() }
    }

    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

/// What a path goes through.
enum Level {
    /// A field or a place in a list.
    Named(String),
    /// A list, with the number of elements so far.
    List(usize),
    /// The name of a type, or `Some`.
    Wrapper,
}

/// The fields of a message.
pub(crate) fn fields(message: &impl Debug) -> Vec<Field> {
    let mut levels: Vec<Level> = Vec::new();
    let mut fields = Vec::new();
    for line in format!("{message:#?}").lines() {
        read_line(line.trim(), &mut levels, &mut fields);
    }
    assert!(levels.is_empty(), "what was opened is closed at the end");
    fields
}

fn read_line(line: &str, levels: &mut Vec<Level>, fields: &mut Vec<Field>) {
    if matches!(line.trim_end_matches(','), "}" | ")" | "]") {
        close(levels);
        return;
    }
    let (name, rest) = split_name(line);
    let value = rest.trim_end_matches(',');
    let element = name.is_none().then(|| next_element(levels)).flatten();
    let own = name.map(str::to_owned).or(element);
    match value.chars().last() {
        Some('{' | '(' | '[') => {
            levels.push(own.map_or(Level::Wrapper, Level::Named));
            if value.ends_with('[') {
                levels.push(Level::List(0));
            }
        }
        _ => fields.push(Field::new(path(levels, own.as_deref()), shortened(value))),
    }
}

/// A long value by its beginning and its length.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}... ({} characters)", &value[..end], value.len()),
        None => value.to_owned(),
    }
}

/// The name before a colon, if the line has one.
fn split_name(line: &str) -> (Option<&str>, &str) {
    let is_name =
        |name: &str| name.chars().all(|it| it.is_ascii_alphanumeric() || "_#".contains(it));
    match line.split_once(": ") {
        Some((name, rest)) if is_name(name) => (Some(name), rest),
        _ => (None, line),
    }
}

/// The place of the next element, if the innermost level is a list.
fn next_element(levels: &mut [Level]) -> Option<String> {
    let Some(Level::List(count)) = levels.last_mut() else { return None };
    *count += 1;
    Some(format!("[{}]", *count - 1))
}

/// Leaves the innermost level; a list goes with the field that holds it.
fn close(levels: &mut Vec<Level>) {
    let closed = levels.pop().expect("what is closed was opened");
    if matches!(closed, Level::List(_)) {
        levels.pop().expect("a list stands in a field");
    }
}

fn path(levels: &[Level], own: Option<&str>) -> String {
    let names = levels.iter().filter_map(|level| match level {
        Level::Named(name) => Some(name.as_str()),
        Level::List(_) | Level::Wrapper => None,
    });
    let mut path = String::new();
    for name in names.chain(own) {
        if !path.is_empty() && !name.starts_with('[') {
            path.push('.');
        }
        path.push_str(name);
    }
    path
}

#[cfg(test)]
mod tests {
    use quorate_etcdapi::etcdserverpb::{
        PutResponse, RangeResponse, ResponseHeader, ResponseOp, TxnResponse, response_op::Response,
    };
    use quorate_etcdapi::mvccpb::KeyValue;

    use super::*;

    fn lines(message: &impl Debug) -> Vec<String> {
        fields(message).iter().map(|field| format!("{}={}", field.path, field.value)).collect()
    }

    #[test]
    fn each_field_has_its_path() {
        let kv = KeyValue { key: "a: {".into(), version: 2, ..Default::default() };
        let header = Some(ResponseHeader { revision: 5, ..Default::default() });
        let range = RangeResponse { header, kvs: vec![kv.clone(), kv], more: true, count: 3 };
        let lines = lines(&range);
        assert!(lines.contains(&"header.revision=5".to_owned()), "{lines:?}");
        assert!(lines.contains(&r#"kvs[1].key=b"a: {""#.to_owned()), "{lines:?}");
        assert!(lines.contains(&"more=true".to_owned()), "{lines:?}");
        assert_eq!(lines.len(), 4 + 2 * 6 + 2);
    }

    #[test]
    fn variants_within_lists_are_numbered() {
        let response = Some(Response::ResponsePut(PutResponse::default()));
        let responses = vec![ResponseOp { response: None }, ResponseOp { response }];
        let txn = TxnResponse { header: None, succeeded: false, responses };
        let expected = [
            "header=None",
            "succeeded=false",
            "responses[0].response=None",
            "responses[1].response.header=None",
            "responses[1].response.prev_kv=None",
        ];
        assert_eq!(lines(&txn), expected);
    }

    #[test]
    fn an_empty_list_is_a_field() {
        assert!(lines(&RangeResponse::default()).contains(&"kvs=[]".to_owned()));
    }
}
