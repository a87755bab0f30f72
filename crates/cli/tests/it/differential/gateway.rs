//! The JSON gateway: the same bodies posted to both, status and every field compared.

use hyper::{Method, StatusCode};
use serde_json::Value;

use super::answer::ERROR;
use super::differences::{Difference, compare};
use super::etcdctl::json_lines;
use super::runner::Answers;
use super::{installed, listed};
use crate::support::http::{Http, line};
use crate::support::{Cluster, Options, Program};

/// How much of an answer there is to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// All of it.
    Whole,
    /// So many lines, after which the client leaves.
    Lines(usize),
}

/// A request to the gateway.
struct Post {
    /// Its method and path.
    to: &'static str,
    body: &'static str,
    length: Length,
}

const fn post(to: &'static str, body: &'static str) -> Post {
    Post { to, body, length: Length::Whole }
}

const fn stream(to: &'static str, body: &'static str, lines: usize) -> Post {
    Post { to, body, length: Length::Lines(lines) }
}

/// In order, on a store that had no change before; so revisions are equal.
const POSTS: &[Post] = &[
    post("POST /v3/kv/range", r#"{"key":"YQ=="}"#),
    post("POST /v3/kv/put", r#"{"key":"YQ==","value":"MQ=="}"#),
    post("POST /v3/kv/put", r#"{"key":"YQ==","value":"Mg==","prev_kv":true}"#),
    post("POST /v3/kv/put", r#"{"key":"YWI=","value":"Mw==","prevKv":true}"#),
    post("POST /v3beta/kv/put", r#"{"key":"z7/Pvw==","value":"z7/Pvw=="}"#),
    post("POST /v3/kv/range", r#"{"key":"z7_Pvw=="}"#),
    post("POST /v3/kv/put", r#"{"key":"YQ==","lease":"5"}"#),
    post("POST /v3/kv/put", r#"{"key":"YQ==","value":"MQ==","ignore_value":true}"#),
    post("POST /v3/kv/put", ""),
    post("POST /v3/kv/range", r#"{"key":"YQ==","range_end":"YWM="}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","rangeEnd":"YWM=","limit":"1"}"#),
    post("POST /v3/kv/range", r#"{"key":"AA==","range_end":"AA==","limit":2,"revision":"4"}"#),
    post("POST /v3/kv/range", r#"{"key":"AA==","range_end":"AA==","sort_order":"DESCEND"}"#),
    post("POST /v3/kv/range", r#"{"key":"AA==","range_end":"AA==","sort_order":2}"#),
    post("POST /v3/kv/range", r#"{"key":"AA==","range_end":"AA==","sortTarget":"MOD"}"#),
    post("POST /v3/kv/range", r#"{"key":"AA==","range_end":"AA==","count_only":true}"#),
    post("POST /v3/kv/range", r#"{"key":"AA==","range_end":"AA==","keys_only":true}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","serializable":true}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","unknown":{"x":[1,null]}}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","range_end":null,"limit":null}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ=="} and more"#),
    post("POST /v3/kv/range", r#"{"key":null}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","revision":"99"}"#),
    post("POST /v3/kv/range", r#"{"key":"#),
    post("POST /v3/kv/range", r#"{"key":"!!"}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","limit":"x"}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","limit":1.0}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","sort_order":"NOPE"}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","key":"YWI="}"#),
    post("POST /v3/kv/range", "[]"),
    post("GET /v3/kv/range", ""),
    post("POST /v3/kv/nothing", "{}"),
    post(
        "POST /v3/kv/txn",
        r#"{"compare":[{"key":"YQ==","target":"VALUE","value":"Mg=="}],
        "success":[{"request_range":{"key":"YQ=="}},{"requestPut":{"key":"Yg==","value":"MQ=="}}],
        "failure":[{"request_delete_range":{"key":"YQ=="}}]}"#,
    ),
    post(
        "POST /v3/kv/txn",
        r#"{"compare":[{"key":"YQ==","target":"MOD","result":"GREATER",
        "mod_revision":"99"}],"failure":[{"request_txn":{"success":[{"request_put":
        {"key":"Yw==","value":"","prev_kv":true}}]}}]}"#,
    ),
    post("POST /v3/kv/txn", "{}"),
    post("POST /v3/kv/txn", r#"{"success":[{}]}"#),
    post(
        "POST /v3/kv/txn",
        r#"{"success":[{"request_put":{"key":"YQ=="}},{"request_put":
        {"key":"YQ=="}}]}"#,
    ),
    post("POST /v3/kv/deleterange", r#"{"key":"YWI=","prev_kv":true}"#),
    post("POST /v3/kv/deleterange", r#"{"key":"bm8="}"#),
    stream("POST /v3/watch", r#"{"create_request":{"key":"YQ==","start_revision":"1"}}"#, 2),
    stream(
        "POST /v3/watch",
        r#"{"create_request":{"key":"YQ==","range_end":"Yg==",
        "start_revision":"2","prev_kv":true,"filters":["NOPUT"]}}"#,
        2,
    ),
    stream("POST /v3/watch", r#"{"create_request":{"key":"Yg==","range_end":"YQ=="}}"#, 1),
    stream(
        "POST /v3/watch",
        r#"{"create_request":{"key":"YQ==","watch_id":"7"}}
        {"cancel_request":{"watch_id":"7"}}"#,
        2,
    ),
    post("POST /v3/kv/compaction", r#"{"revision":"5"}"#),
    post("POST /v3/kv/compaction", r#"{"revision":"5"}"#),
    post("POST /v3/kv/range", r#"{"key":"YQ==","revision":"3"}"#),
    stream("POST /v3/watch", r#"{"create_request":{"key":"YQ==","start_revision":"2"}}"#, 2),
    post("POST /v3/watch", r#"{"create_request":"#),
    post("POST /v3/watch", "7"),
    post("POST /v3/cluster/member/list", "{}"),
    post("POST /v3/maintenance/status", "{}"),
    post("POST /v3/maintenance/defragment", "{}"),
    post("POST /v3/maintenance/transfer-leadership", r#"{"targetID":"7"}"#),
    post("POST /v3/lease/grant", r#"{"TTL":"600","ID":"5"}"#),
    post("POST /v3/lease/grant", r#"{"TTL":"600","ID":"5"}"#),
    post("POST /v3/lease/grant", r#"{"TTL":"9000000001"}"#),
    post("POST /v3/kv/put", r#"{"key":"bA==","lease":5}"#),
    stream("POST /v3/lease/keepalive", r#"{"ID":"5"}"#, 1),
    stream("POST /v3/lease/keepalive", r#"{"ID":"6"}{"ID":5}"#, 2),
    post("POST /v3/lease/timetolive", r#"{"ID":"6","keys":true}"#),
    post("POST /v3/lease/leases", "{}"),
    post("POST /v3/kv/lease/leases", "{}"),
    post("POST /v3/lease/revoke", r#"{"ID":"6"}"#),
    post("POST /v3/kv/lease/revoke", r#"{"ID":"5"}"#),
    post("POST /v3/kv/range", r#"{"key":"bA=="}"#),
    post("POST /v3/election/leader", r#"{"name":"YQ=="}"#),
    post("POST /v3/election/proclaim", "{}"),
    post("POST /v3/election/resign", "{}"),
    post("POST /v3/lock/unlock", r#"{"key":"YQ=="}"#),
];

impl Post {
    async fn send(&self, http: &mut Http) -> Answers {
        let (method, path) = self.to.split_once(' ').expect("a method and a path");
        let method: Method = method.parse().expect("it is a method");
        let mut response = http.send(method, path, self.body).await.expect("the server answers");
        let (status, lines_max) = match self.length {
            Length::Whole => (response.status(), usize::MAX),
            Length::Lines(lines) => (response.status(), lines),
        };
        let mut lines = Vec::new();
        while lines.len() < lines_max
            && let Some(line) = line(&mut response).await
        {
            lines.push(line);
        }
        http.close();
        Answers::from([(1, fields(status, &lines).into_iter().collect())])
    }

    fn name(&self) -> String {
        let body = self.body.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("gateway {} {body}", self.to).trim().to_owned()
    }
}

/// What is compared of an answer: every field, or the status, code and text of a failure.
fn fields(status: StatusCode, lines: &[Vec<u8>]) -> Vec<(String, String)> {
    if !status.is_success() {
        return vec![(ERROR.to_owned(), failure(status, lines))];
    }
    let mut fields = vec![("status".to_owned(), status.as_u16().to_string())];
    for (place, line) in lines.iter().enumerate() {
        let value: Value = serde_json::from_slice(line).expect("each line is JSON");
        fields.extend(line_fields(place, &value));
    }
    fields
}

/// The fields of a line, named by its place and their paths in it.
pub(super) fn line_fields(place: usize, value: &Value) -> Vec<(String, String)> {
    let field = |line: String| {
        let (path, value) = line.split_once(": ").unwrap_or((&line, ""));
        (format!("{place}{path}"), value.to_owned())
    };
    json_lines(value).into_iter().map(field).collect()
}

fn failure(status: StatusCode, lines: &[Vec<u8>]) -> String {
    let text = lines.iter().map(|line| String::from_utf8_lossy(line)).collect::<String>();
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        return format!("{}: {}", status.as_u16(), text.trim());
    };
    let said = value["message"].as_str().expect("a failure has a text");
    assert_eq!(value["error"], said, "both names of the text are there");
    format!("{} {}: {said}", status.as_u16(), value["code"])
}

#[tokio::test]
async fn the_gateway_answers_as_etcds_does() {
    installed(Program::Etcd);
    let etcd = Cluster::ready(Options::new(Program::Etcd, 1)).await;
    let quorate = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let mut clients = [&etcd, &quorate].map(|cluster| Http::of(cluster.client_address(0)));
    let mut found: Vec<Difference> = Vec::new();
    for (place, post) in POSTS.iter().enumerate() {
        let [etcd, quorate] = &mut clients;
        let (etcd, quorate) = (post.send(etcd).await, post.send(quorate).await);
        let differences = compare(&post.name(), &etcd, &quorate);
        let at = |difference: Difference| Difference { step: place + 1, ..difference };
        found.extend(differences.into_iter().map(at));
    }
    quorate.assert_no_panic();
    let problems = listed().about(|case| case.starts_with("gateway ")).judge(&found);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
