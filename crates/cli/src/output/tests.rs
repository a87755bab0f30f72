//! Tests of the forms, on answers whose look etcdctl 3.4.23 was seen to give.

use quorate_etcdapi::etcdserverpb::response_op::Response;
use quorate_etcdapi::etcdserverpb::{
    CompactionResponse, PutResponse, RangeResponse, ResponseHeader, ResponseOp, TxnResponse,
    WatchResponse,
};
use quorate_etcdapi::mvccpb::Event;

use super::*;

fn pair(key: &'static [u8], value: &'static [u8]) -> KeyValue {
    let numbers =
        KeyValue { create_revision: 2, mod_revision: 3, version: 2, ..Default::default() };
    KeyValue { key: key.into(), value: value.into(), ..numbers }
}

fn header() -> ResponseHeader {
    ResponseHeader {
        cluster_id: 15_118_495_548_433_857_066,
        member_id: 7,
        revision: 3,
        raft_term: 2,
    }
}

fn printed(printer: Printer, answer: &impl Answer) -> String {
    let bytes = printer.render(answer).expect("it has this form");
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn range() -> RangeResponse {
    let kvs = vec![pair(b"a", b"1"), pair(b"\xff", b"")];
    RangeResponse { header: Some(header()), kvs, more: false, count: 2 }
}

#[test]
fn pairs_are_printed_as_etcdctl_prints_them() {
    let simple = Printer::new(Format::Simple, ByteForm::Raw);
    assert_eq!(printed(simple, &range()), "a\n1\n\u{ff}\n\n");
    assert_eq!(printed(simple.with_parts(Parts::Value), &range()), "1\n\n");
    let hex = Printer::new(Format::Simple, ByteForm::Hex);
    assert_eq!(printed(hex, &range()), "\\x61\n\\x31\n\\xff\n\n");
}

#[test]
fn json_leaves_out_what_says_nothing() {
    let json = Printer::new(Format::Json, ByteForm::Hex);
    let head = r#"{"cluster_id":15118495548433857066,"member_id":7,"revision":3,"raft_term":2}"#;
    let put = PutResponse { header: Some(header()), prev_kv: None };
    assert_eq!(printed(json, &put), format!("{{\"header\":{head}}}\n"));
    let first = r#"{"key":"YQ==","create_revision":2,"mod_revision":3,"version":2,"value":"MQ=="}"#;
    let second = r#"{"key":"/w==","create_revision":2,"mod_revision":3,"version":2}"#;
    let expected = format!("{{\"header\":{head},\"kvs\":[{first},{second}],\"count\":2}}\n");
    assert_eq!(printed(json, &range()), expected);
}

#[test]
fn json_in_lines_has_a_line_for_each_pair() {
    let lines = Printer::new(Format::JsonLines, ByteForm::Raw);
    let expected = r#"{"key":"YQ==","create_revision":2,"mod_revision":3,"version":2,"value":"MQ=="}
{"key":"/w==","create_revision":2,"mod_revision":3,"version":2}
"#;
    assert_eq!(printed(lines, &range()), expected);
    assert_eq!(printed(lines, &RangeResponse::default()), "");
    let counted = RangeResponse { count: 2, ..RangeResponse::default() };
    assert_eq!(printed(lines, &counted), "{\"count\":2}\n");
}

#[test]
fn an_event_of_a_deletion_has_a_key_alone() {
    let kv = KeyValue { key: "w".into(), mod_revision: 24, ..Default::default() };
    let events = vec![Event { r#type: 1, kv: Some(kv), prev_kv: None }];
    let response = WatchResponse { header: Some(header()), events, ..Default::default() };
    let json = printed(Printer::new(Format::Json, ByteForm::Raw), &response);
    let event =
        r#""Events":[{"type":1,"kv":{"key":"dw==","mod_revision":24}}],"CompactRevision":0"#;
    assert!(json.contains(event), "{json}");
    let simple = printed(Printer::new(Format::Simple, ByteForm::Raw), &response);
    assert_eq!(simple, "DELETE\nw\n\n");
}

#[test]
fn a_form_that_an_answer_lacks_is_refused() {
    let table = Printer::new(Format::Table, ByteForm::Raw);
    let refusal = table.render(&WatchResponse::default()).unwrap_err();
    assert_eq!(refusal.exit(), Exit::BadFeature);
    assert_eq!(refusal.message(), "table not supported as output format");
}

#[test]
fn pairs_are_a_table_with_what_is_no_text_escaped() {
    let expected = "\
+------+-------+---------+----------+---------+-------+
| KEY  | VALUE | CREATED | MODIFIED | VERSION | LEASE |
+------+-------+---------+----------+---------+-------+
|    a |     1 |       2 |        3 |       2 |     0 |
| \\xff |       |       2 |        3 |       2 |     0 |
+------+-------+---------+----------+---------+-------+
";
    let table = Printer::new(Format::Table, ByteForm::Raw);
    assert_eq!(printed(table, &range()), expected);
}

#[test]
fn answers_to_writes_are_tables_too() {
    let table = Printer::new(Format::Table, ByteForm::Raw);
    let put = PutResponse { header: Some(header()), prev_kv: Some(pair(b"a", b"old")) };
    let expected = "\
+----------+----------------+----------+
| REVISION | PREVIOUS VALUE | MODIFIED |
+----------+----------------+----------+
|        3 |            old |        3 |
+----------+----------------+----------+
";
    assert_eq!(printed(table, &put), expected);
    let answer = |response| ResponseOp { response: Some(response) };
    let txn = TxnResponse {
        header: Some(header()),
        succeeded: true,
        responses: vec![
            answer(Response::ResponsePut(PutResponse::default())),
            answer(Response::ResponseRange(range())),
        ],
    };
    let expected = "\
+---------+------+--------+------+-------+
| RESULT  | STEP | ANSWER | KEY  | VALUE |
+---------+------+--------+------+-------+
| SUCCESS |    1 |    put |      |       |
| SUCCESS |    2 | 2 keys |    a |     1 |
| SUCCESS |    2 | 2 keys | \\xff |       |
+---------+------+--------+------+-------+
";
    assert_eq!(printed(table, &txn), expected);
    let compacted = (2, CompactionResponse { header: Some(header()) });
    assert!(printed(table, &compacted).contains("|        3 |         2 |"));
    let json = printed(Printer::new(Format::Json, ByteForm::Raw), &compacted);
    assert!(json.ends_with(",\"compacted\":2}\n"), "{json}");
}

#[test]
fn colours_are_for_terminals_alone() {
    let mut text = Text {
        bytes: Vec::new(),
        parts: Parts::Pair,
        byte_form: ByteForm::Raw,
        paint: Paint::Plain,
    };
    text.painted(Colour::Red, "DOWN");
    assert_eq!(text.bytes, b"DOWN\n");
    text.paint = Paint::Coloured;
    text.painted(Colour::Red, "DOWN");
    assert_eq!(text.bytes, b"DOWN\n\x1b[31mDOWN\x1b[0m\n");
}
