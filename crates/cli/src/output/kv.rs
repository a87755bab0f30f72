//! How answers about keys are printed, and events.

use prost::Message;
use quorate_etcdapi::etcdserverpb::response_op::Response;
use quorate_etcdapi::etcdserverpb::{
    CompactionResponse, DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader,
    ResponseOp, TxnResponse, WatchResponse,
};
use quorate_etcdapi::mvccpb::{Event, KeyValue};

use super::{Answer, Json, Object, Table, Text};

/// The longest value that a table has whole.
const VALUE_LETTERS_MAX: usize = 64;

const PAIR_TITLES: [&str; 6] = ["Key", "Value", "Created", "Modified", "Version", "Lease"];

/// Bytes in a cell: text as it is, anything else escaped, and no more than fits.
fn cell(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    };
    if text.chars().count() <= VALUE_LETTERS_MAX {
        return text;
    }
    let kept: String = text.chars().take(VALUE_LETTERS_MAX - 1).collect();
    format!("{kept}\u{2026}")
}

fn pair_row(pair: &KeyValue) -> Vec<String> {
    vec![
        cell(&pair.key),
        cell(&pair.value),
        pair.create_revision.to_string(),
        pair.mod_revision.to_string(),
        pair.version.to_string(),
        format!("{:x}", pair.lease),
    ]
}

fn pair_table(pairs: &[KeyValue]) -> Table {
    Table::new(&PAIR_TITLES, pairs.iter().map(pair_row).collect())
}

fn revision_of(header: Option<&ResponseHeader>) -> String {
    header.map_or(0, |header| header.revision).to_string()
}

/// A revision up to which history was forgotten, and what was answered.
impl Answer for (i64, CompactionResponse) {
    fn simple(&self, text: &mut Text) {
        text.line(format!("compacted revision {}", self.0).as_bytes());
    }

    fn json(&self) -> Json {
        Object::new()
            .with_some("header", self.1.header.as_ref().map(Object::from))
            .with("compacted", self.0)
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.1.header.as_ref());
        text.field("Compacted", self.0);
    }

    fn table(&self) -> Option<Table> {
        let row = vec![revision_of(self.1.header.as_ref()), self.0.to_string()];
        Some(Table::new(&["Revision", "Compacted"], vec![row]))
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.1.encode_to_vec())
    }
}

impl Answer for PutResponse {
    fn simple(&self, text: &mut Text) {
        text.line(b"OK");
        self.prev_kv.iter().for_each(|pair| text.pair(pair));
    }

    fn json(&self) -> Json {
        Object::new()
            .with_some("header", self.header.as_ref().map(Object::from))
            .with_some("prev_kv", self.prev_kv.as_ref().map(Object::from))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        self.prev_kv.iter().for_each(|pair| text.pair_fields("Prev", pair));
    }

    fn table(&self) -> Option<Table> {
        let revision = revision_of(self.header.as_ref());
        Some(match &self.prev_kv {
            None => Table::new(&["Revision"], vec![vec![revision]]),
            Some(pair) => Table::new(
                &["Revision", "Previous Value", "Modified"],
                vec![vec![revision, cell(&pair.value), pair.mod_revision.to_string()]],
            ),
        })
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }
}

impl Answer for RangeResponse {
    fn simple(&self, text: &mut Text) {
        self.kvs.iter().for_each(|pair| text.pair(pair));
    }

    fn json(&self) -> Json {
        Object::new()
            .with_some("header", self.header.as_ref().map(Object::from))
            .with_some("kvs", Json::list(&self.kvs, |pair| Object::from(pair).into()))
            .with_some("more", self.more)
            .with_some("count", self.count)
            .into()
    }

    fn json_lines(&self) -> Vec<Json> {
        // Of keys that are only counted there is but the count.
        if self.kvs.is_empty() && 0 < self.count {
            return vec![self.json()];
        }
        self.kvs.iter().map(|pair| Object::from(pair).into()).collect()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        self.kvs.iter().for_each(|pair| text.pair_fields("", pair));
        text.field("More", self.more);
        text.field("Count", self.count);
    }

    fn table(&self) -> Option<Table> {
        Some(pair_table(&self.kvs))
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }
}

impl Answer for DeleteRangeResponse {
    fn simple(&self, text: &mut Text) {
        text.line(self.deleted.to_string().as_bytes());
        self.prev_kvs.iter().for_each(|pair| text.pair(pair));
    }

    fn json(&self) -> Json {
        Object::new()
            .with_some("header", self.header.as_ref().map(Object::from))
            .with_some("deleted", self.deleted)
            .with_some("prev_kvs", Json::list(&self.prev_kvs, |pair| Object::from(pair).into()))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        text.field("Deleted", self.deleted);
        self.prev_kvs.iter().for_each(|pair| text.pair_fields("Prev", pair));
    }

    fn table(&self) -> Option<Table> {
        if !self.prev_kvs.is_empty() {
            return Some(pair_table(&self.prev_kvs));
        }
        let row = vec![revision_of(self.header.as_ref()), self.deleted.to_string()];
        Some(Table::new(&["Revision", "Deleted"], vec![row]))
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }
}

impl Answer for TxnResponse {
    fn simple(&self, text: &mut Text) {
        text.line(if self.succeeded { b"SUCCESS" } else { b"FAILURE" });
        for answer in self.responses.iter().filter_map(answer_of) {
            text.line(b"");
            answer.simple(text);
        }
    }

    fn json(&self) -> Json {
        let each = |response: &ResponseOp| {
            let answer = answer_of(response)
                .map_or(Object::new(), |answer| Object::new().with(name_of(answer), answer.json()));
            Object::new().with("Response", answer).into()
        };
        Object::new()
            .with_some("header", self.header.as_ref().map(Object::from))
            .with_some("succeeded", self.succeeded)
            .with_some("responses", Json::list(&self.responses, each))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        text.field("Succeeded", self.succeeded);
        self.responses.iter().filter_map(answer_of).for_each(|answer| answer.fields(text));
    }

    fn table(&self) -> Option<Table> {
        let result = if self.succeeded { "SUCCESS" } else { "FAILURE" };
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (place, answer) in (1..).zip(self.responses.iter().filter_map(answer_of)) {
            rows.extend(operation_rows(result, place, answer));
        }
        if rows.is_empty() {
            rows.push([result, "", "", "", ""].map(str::to_owned).to_vec());
        }
        Some(Table::new(&["Result", "Step", "Answer", "Key", "Value"], rows))
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }
}

/// What one operation of a transaction answers, a row for each pair.
fn operation_rows(result: &str, place: usize, answer: &Response) -> Vec<Vec<String>> {
    let row = |what: String, pair: Option<&KeyValue>| {
        let (key, value) =
            pair.map(|pair| (cell(&pair.key), cell(&pair.value))).unwrap_or_default();
        vec![result.to_owned(), place.to_string(), what, key, value]
    };
    let rows = |what: String, pairs: &[KeyValue]| {
        let each = pairs.iter().map(|pair| row(what.clone(), Some(pair)));
        let all: Vec<Vec<String>> = each.collect();
        if all.is_empty() { vec![row(what, None)] } else { all }
    };
    match answer {
        Response::ResponsePut(put) => {
            rows("put".to_owned(), &put.prev_kv.iter().cloned().collect::<Vec<_>>())
        }
        Response::ResponseRange(range) => rows(format!("{} keys", range.count), &range.kvs),
        Response::ResponseDeleteRange(delete) => {
            rows(format!("{} deleted", delete.deleted), &delete.prev_kvs)
        }
        Response::ResponseTxn(txn) => {
            vec![row(if txn.succeeded { "txn SUCCESS" } else { "txn FAILURE" }.to_owned(), None)]
        }
    }
}

fn answer_of(response: &ResponseOp) -> Option<&Response> {
    response.response.as_ref()
}

/// The name in JSON of what one operation of a transaction answers.
fn name_of(response: &Response) -> &'static str {
    match response {
        Response::ResponseRange(_) => "ResponseRange",
        Response::ResponsePut(_) => "ResponsePut",
        Response::ResponseDeleteRange(_) => "ResponseDeleteRange",
        Response::ResponseTxn(_) => "ResponseTxn",
    }
}

impl Answer for Response {
    fn simple(&self, text: &mut Text) {
        match self {
            Self::ResponseRange(answer) => answer.simple(text),
            Self::ResponsePut(answer) => answer.simple(text),
            Self::ResponseDeleteRange(answer) => answer.simple(text),
            Self::ResponseTxn(answer) => answer.simple(text),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::ResponseRange(answer) => answer.json(),
            Self::ResponsePut(answer) => answer.json(),
            Self::ResponseDeleteRange(answer) => answer.json(),
            Self::ResponseTxn(answer) => answer.json(),
        }
    }

    fn fields(&self, text: &mut Text) {
        match self {
            Self::ResponseRange(answer) => answer.fields(text),
            Self::ResponsePut(answer) => answer.fields(text),
            Self::ResponseDeleteRange(answer) => answer.fields(text),
            Self::ResponseTxn(answer) => answer.fields(text),
        }
    }
}

impl Answer for WatchResponse {
    fn simple(&self, text: &mut Text) {
        for event in &self.events {
            text.line(event.r#type().as_str_name().as_bytes());
            event.prev_kv.iter().for_each(|pair| text.pair(pair));
            event.kv.iter().for_each(|pair| text.pair(pair));
        }
    }

    /// Unlike other answers, with Go's names for its fields, and none left out.
    fn json(&self) -> Json {
        Object::new()
            .with("Header", self.header.as_ref().map_or(Object::new(), Object::from))
            .with("Events", Json::list(&self.events, event_json))
            .with("CompactRevision", self.compact_revision)
            .with("Canceled", self.canceled)
            .with("Created", self.created)
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        for event in &self.events {
            text.field("Type", event.r#type().as_str_name());
            event.prev_kv.iter().for_each(|pair| text.pair_fields("Prev", pair));
            event.kv.iter().for_each(|pair| text.pair_fields("", pair));
        }
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.events.iter().flat_map(Message::encode_to_vec).collect())
    }
}

fn event_json(event: &Event) -> Json {
    let pair = |pair: &Option<KeyValue>| pair.as_ref().map(Object::from);
    Object::new()
        .with_some("type", event.r#type)
        .with_some("kv", pair(&event.kv))
        .with_some("prev_kv", pair(&event.prev_kv))
        .into()
}
