//! How answers about keys are printed, and events.

use prost::Message;
use quorate_etcdapi::etcdserverpb::response_op::Response;
use quorate_etcdapi::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, ResponseOp, TxnResponse, WatchResponse,
};
use quorate_etcdapi::mvccpb::{Event, KeyValue};

use super::{Answer, Json, Object, Text};

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

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        self.kvs.iter().for_each(|pair| text.pair_fields("", pair));
        text.field("More", self.more);
        text.field("Count", self.count);
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

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
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
