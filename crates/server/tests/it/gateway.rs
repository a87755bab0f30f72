//! What clients without gRPC are promised.

use hyper::Method;
use quorate_server::HttpSettings;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::http::{Http, line, text};

async fn one() -> (Cluster, Http) {
    let cluster = Cluster::start(1).await;
    let http = Http::connect(&cluster.url(0)).await;
    (cluster, http)
}

/// What an answer says beside its header.
fn body(mut answer: Value) -> Value {
    let header = answer.as_object_mut().and_then(|answer| answer.remove("header"));
    assert!(header.is_some(), "{answer} has no header");
    answer
}

fn failure(code: i32, text: &str) -> Value {
    json!({ "error": text, "message": text, "code": code, "details": [] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_written_and_read() {
    let (_cluster, mut http) = one().await;
    let (status, put) = http.post("/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#).await;
    assert_eq!((status, &put["header"]["revision"]), (200, &json!("2")));
    let (_, put) =
        http.post("/v3beta/kv/put", r#"{"key":"Zm9v","value":"YmF6","prevKv":true}"#).await;
    assert_eq!(put["prev_kv"]["value"], "YmFy");
    let (status, range) = http.post("/v3/kv/range", r#"{"key":"Zm9v","limit":"1"}"#).await;
    assert_eq!(status, 200);
    let kv = json!({
        "key": "Zm9v", "value": "YmF6", "create_revision": "2", "mod_revision": "3", "version": "2",
    });
    assert_eq!(body(range), json!({ "kvs": [kv], "count": "1" }));
    let txn = json!({
        "compare": [{ "key": "Zm9v", "target": "VERSION", "result": 1, "version": "1" }],
        "success": [{ "request_delete_range": { "key": "Zm9v" } }],
    });
    let (status, txn) = http.post("/v3/kv/txn", &txn.to_string()).await;
    assert_eq!(status, 200);
    let deleted = json!({ "header": { "revision": "4" }, "deleted": "1" });
    let responses = json!([{ "response_delete_range": deleted }]);
    assert_eq!(body(txn), json!({ "succeeded": true, "responses": responses }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_etcds_words_and_a_fitting_status() {
    let (_cluster, mut http) = one().await;
    let refusals = [
        ("/v3/kv/range", "", 400, 3, "etcdserver: key is not provided"),
        (
            "/v3/kv/range",
            r#"{"key":"YQ==","revision":99}"#,
            400,
            11,
            "etcdserver: mvcc: required revision is a future revision",
        ),
        (
            "/v3/kv/put",
            r#"{"key":"YQ==","lease":5}"#,
            404,
            5,
            "etcdserver: requested lease not found",
        ),
        ("/v3/maintenance/transfer-leadership", "{}", 400, 9, "etcdserver: bad leader transferee"),
        (
            "/v3/auth/role/list",
            "{}",
            501,
            12,
            "quorate: etcdserverpb.Auth/RoleList is not available in this version",
        ),
        ("/v3/nothing", "{}", 404, 5, "Not Found"),
    ];
    for (path, request, status, code, text) in refusals {
        assert_eq!(http.post(path, request).await, (status, failure(code, text)), "{path}");
    }
    let (status, refused) = http.post("/v3/kv/range", r#"{"key":"#).await;
    assert_eq!((status, &refused["code"]), (400, &json!(3)));
    let said = refused["message"].as_str().expect("it says why");
    assert!(said.starts_with("the body is not the JSON of a RangeRequest: EOF"), "{said}");
    let long = format!(r#"{{"key":"{}"}}"#, "YWJj".repeat(1 << 19));
    let (status, refused) = http.post("/v3/kv/put", &long).await;
    assert_eq!((status, refused), (400, failure(3, "etcdserver: request is too large")));
    let long = format!(r#"{{"key":"{}"}}"#, "YWJj".repeat(800_000));
    let (status, refused) = http.post("/v3/kv/put", &long).await;
    let text = "grpc: received message larger than max (2400005 vs. 2097152)";
    assert_eq!((status, refused), (429, failure(8, text)));
    let (status, refused) = http.post("/v3/kv/put", &" ".repeat(5 << 20)).await;
    let text = "the JSON of a request exceeds 4259840 bytes";
    assert_eq!((status, refused), (429, failure(8, text)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_posts_are_taken_and_deadlines_are_kept() {
    let (mut cluster, mut http) = one().await;
    let answer = http.send(Method::GET, "/v3/kv/range", &[], "").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["allow"].clone()),
        (501, &"POST".parse().unwrap())
    );
    text(answer).await;
    let body = r#"{"key":"YQ=="}"#;
    let answer = http.send(Method::POST, "/v3/kv/range", &[("grpc-timeout", "x")], body).await;
    let said: Value = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!(said, failure(3, "invalid grpc-timeout: x"));
    let watch = r#"{"create_request":{"key":"YQ=="}}"#;
    let headers = [("grpc-timeout", "300m")];
    let mut answer = http.send(Method::POST, "/v3/watch", &headers, watch).await;
    assert_eq!(line(&mut answer).await["result"]["created"], true);
    let last = line(&mut answer).await;
    assert_eq!(last["error"]["grpc_code"], 4, "{last}");
    assert_eq!(last["error"]["http_status"], "Gateway Timeout", "{last}");
    assert_eq!(text(answer).await, "");
    cluster.stop_member(0).await;
}

/// What does not fit in the buffers of a connection.
fn long(begin: &str) -> String {
    format!("{begin}{}", " ".repeat(2 << 20))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_leaves_the_connection_open() {
    let (cluster, mut http) = one().await;
    let watch = r#"{"create_request":{"key":"YQ=="}}"#;
    let unreadable = r#"{"create_request":7}"#;
    let two = format!("{watch}{unreadable}");
    let refused = [
        (Method::POST, "/v3/kv/put", None, "7"),
        (Method::POST, "/v3/kv/put", Some("x"), "{}"),
        (Method::PUT, "/v3/kv/put", None, "{}"),
        (Method::POST, "/v3/kv/nothing", None, "{}"),
        (Method::POST, "/v3/watch", None, unreadable),
        (Method::POST, "/v3/watch", None, &two),
        (Method::POST, "/v3/watch", Some("1n"), watch),
    ];
    for (method, path, timeout, begin) in refused {
        let headers: Vec<_> =
            timeout.map(|timeout| ("grpc-timeout", timeout)).into_iter().collect();
        let answer = http.send(method, path, &headers, &long(begin)).await;
        assert!(text(answer).await.contains("\"message\""), "{path} says why");
        assert_eq!(http.post("/v3/kv/put", r#"{"key":"YQ=="}"#).await.0, 200, "after {path}");
    }
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_are_lines_that_go_on_until_the_client_leaves() {
    let (cluster, mut http) = one().await;
    let watches = "{\"create_request\":{\"key\":\"YQ==\"}}\n\
        {\"create_request\":{\"key\":\"YQ==\",\"range_end\":\"Yg==\",\"prev_kv\":true}}\n";
    let mut watch = http.send(Method::POST, "/v3/watch", &[], watches).await;
    assert_eq!(watch.status(), 200);
    let created = line(&mut watch).await;
    assert_eq!(body(created["result"].clone()), json!({ "created": true }));
    let created = line(&mut watch).await;
    assert_eq!(body(created["result"].clone()), json!({ "created": true, "watch_id": "1" }));
    let mut writer = Http::connect(&cluster.url(0)).await;
    writer.post("/v3/kv/put", r#"{"key":"YQ==","value":"MQ=="}"#).await;
    let kv = json!({
        "key": "YQ==", "value": "MQ==", "create_revision": "2", "mod_revision": "2",
        "version": "1",
    });
    let mut told =
        [line(&mut watch).await, line(&mut watch).await].map(|line| body(line["result"].clone()));
    told.sort_by_key(ToString::to_string);
    assert_eq!(told[0], json!({ "events": [{ "kv": kv }], "watch_id": "1" }));
    assert_eq!(told[1], json!({ "events": [{ "kv": kv }] }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_goes_wrong_says_so_in_its_last_line() {
    let (_cluster, mut http) = one().await;
    let watch = "{\"create_request\":{\"key\":\"YQ==\"}} {\"create_request\":7}";
    let mut answer = http.send(Method::POST, "/v3/watch", &[], watch).await;
    let mut last = line(&mut answer).await;
    if last["result"]["created"] == true {
        last = line(&mut answer).await;
    }
    assert_eq!(last["error"]["code"], 3, "{last}");
    assert_eq!(last["error"]["http_code"], 400, "{last}");
    assert_eq!(text(answer).await, "");
    let (status, refused) = http.post("/v3/watch", "{\"create_request\":").await;
    assert_eq!((status, refused), (400, failure(3, "the body ends within a JSON object")));
    let (status, refused) = http.post("/v3/watch", "7").await;
    assert_eq!((status, refused), (400, failure(3, "the body is not a series of JSON objects")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_names_are_let_in_as_configured() {
    let settings = HttpSettings {
        enable_grpc_gateway: false,
        cors: ["http://a.example".to_owned()].into(),
        host_whitelist: ["b.example".to_owned()].into(),
    };
    let cluster = Cluster::start_with(1, settings).await;
    let mut http = Http::connect(&cluster.url(0)).await;
    let answer = http.send(Method::GET, "/version", &[], "").await;
    assert_eq!(answer.status(), 421);
    assert!(text(answer).await.contains("--host-whitelist"));
    let headers = [("host", "b.example:2379"), ("origin", "http://a.example")];
    let answer = http.send(Method::GET, "/version", &headers, "").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "http://a.example");
    text(answer).await;
    let answer = http.send(Method::OPTIONS, "/v3/kv/put", &headers, "").await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("access-control-allow-methods"));
    let headers = [("host", "b.example"), ("origin", "http://other.example")];
    let answer = http.send(Method::POST, "/v3/kv/put", &headers, "{}").await;
    assert_eq!(answer.status(), 404, "the gateway is off");
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    // gRPC is not asked for a name.
    let put = quorate_etcdapi::etcdserverpb::PutRequest { key: "k".into(), ..Default::default() };
    cluster.kv(0).await.put(put).await.unwrap();
}

/// etcd's checks are for GET; even HEAD, which has no body to tell of, is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_and_health_are_told_to_get_alone() {
    let cluster = Cluster::start(1).await;
    let mut http = Http::connect(&cluster.url(0)).await;
    for path in ["/health", "/version", "/livez", "/readyz/ping"] {
        for method in [Method::HEAD, Method::POST] {
            let answer = http.send(method.clone(), path, &[], "").await;
            let allowed = answer.headers()["allow"].to_str().unwrap_or_default();
            assert_eq!((answer.status().as_u16(), allowed), (405, "GET"), "{method} {path}");
        }
    }
}
