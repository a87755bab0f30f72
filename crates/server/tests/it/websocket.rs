//! What clients of the gateway are promised over WebSocket.

use futures_util::{SinkExt, StreamExt};
use quorate_server::HttpSettings;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::cluster::Cluster;
use crate::http::Http;

/// A client.
struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(cluster: &Cluster, path: &str) -> Self {
        Self::open_with(cluster, path, &[]).await.expect("it opens").0
    }

    async fn open_with(
        cluster: &Cluster,
        path: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<(Self, Response), Error> {
        let host = cluster.url(0).replace("http://", "");
        let mut request = format!("ws://{host}{path}").into_client_request().expect("it is a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("it is a header"));
        }
        let stream = TcpStream::connect(&host).await.expect("the server listens");
        let (socket, response) = client_async(request, stream).await?;
        Ok((Self(socket), response))
    }

    async fn ask(&mut self, request: &Value) {
        self.0.send(Message::text(request.to_string())).await.expect("it is open");
    }

    /// The next message; none once the server takes its leave.
    async fn told(&mut self) -> Option<Value> {
        match self.0.next().await.expect("the server takes its leave").expect("it is sound") {
            Message::Text(text) => Some(serde_json::from_str(&text).expect("it is JSON")),
            Message::Close(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Takes what comes, until nothing does any more.
    async fn end(&mut self) {
        while let Some(Ok(_)) = self.0.next().await {}
    }

    /// What the next message says beside its header.
    async fn result(&mut self) -> Value {
        let mut told = self.told().await.expect("it goes on");
        let result = told["result"].as_object_mut().expect("it is no failure");
        assert!(result.remove("header").is_some(), "it has a header");
        told["result"].take()
    }
}

fn watch(key: &str) -> Value {
    json!({ "create_request": { "key": key } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_come_and_go_while_events_are_told() {
    let cluster = Cluster::start(1).await;
    let mut writer = Http::connect(&cluster.url(0)).await;
    let mut socket = Socket::open(&cluster, "/v3/watch").await;
    socket.ask(&watch("YQ==")).await;
    assert_eq!(socket.result().await, json!({ "created": true }));
    writer.post("/v3/kv/put", r#"{"key":"YQ==","value":"MQ=="}"#).await;
    let told = socket.result().await;
    assert_eq!(told["events"][0]["kv"]["value"], "MQ==", "{told}");
    socket.ask(&watch("Yg==")).await;
    assert_eq!(socket.result().await, json!({ "created": true, "watch_id": "1" }));
    socket.ask(&json!({ "cancel_request": { "watch_id": "0" } })).await;
    assert_eq!(socket.result().await, json!({ "canceled": true }));
    writer.post("/v3/kv/put", r#"{"key":"YQ==","value":"Mg=="}"#).await;
    writer.post("/v3/kv/put", r#"{"key":"Yg==","value":"Mw=="}"#).await;
    let told = socket.result().await;
    assert_eq!(told["events"][0]["kv"]["key"], "Yg==", "{told}");
    socket.0.close(None).await.expect("it is open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_kept_alive_one_message_after_the_other() {
    let cluster = Cluster::start(1).await;
    let mut http = Http::connect(&cluster.url(0)).await;
    http.post("/v3/lease/grant", r#"{"ID":"5","TTL":"600"}"#).await;
    let mut socket = Socket::open(&cluster, "/v3/lease/keepalive").await;
    for (id, told) in [("5", json!({ "ID": "5", "TTL": "600" })), ("6", json!({ "ID": "6" }))] {
        socket.ask(&json!({ "ID": id })).await;
        assert_eq!(socket.result().await, told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_takes_one_request_answers_the_first_and_ends() {
    let cluster = Cluster::start(1).await;
    let mut socket = Socket::open(&cluster, "/v3/kv/put").await;
    socket.ask(&json!({ "key": "YQ==" })).await;
    let told = socket.told().await.expect("it is answered");
    assert_eq!(told["header"]["revision"], "2", "{told}");
    assert_eq!(socket.told().await, None);
    let mut http = Http::connect(&cluster.url(0)).await;
    let long = "YWJj".repeat(50_000);
    http.post("/v3/kv/put", &json!({ "key": "Yg==", "value": long }).to_string()).await;
    let mut socket = Socket::open(&cluster, "/v3/kv/range").await;
    socket.ask(&json!({ "key": "Yg==" })).await;
    let told = socket.told().await.expect("it is one message");
    assert_eq!(told["kvs"][0]["value"], long);
    assert_eq!(socket.told().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_told_and_ends_it() {
    let cluster = Cluster::start(1).await;
    for message in [Message::text("7"), Message::binary(&b"]"[..])] {
        let mut socket = Socket::open(&cluster, "/v3/watch").await;
        socket.0.send(message).await.expect("it is open");
        let told = socket.told().await.expect("it is told why");
        assert_eq!(told["message"], "the body is not a series of JSON objects");
        assert_eq!(socket.told().await, None);
    }
    let mut socket = Socket::open(&cluster, "/v3/watch").await;
    for (is_last, code) in [(false, Data::Text), (true, Data::Continue)] {
        let frame = Frame::message(vec![b' '; 200 << 10], OpCode::Data(code), is_last);
        socket.0.send(Message::Frame(frame)).await.expect("it is open");
    }
    let told = socket.told().await.expect("it is told why");
    let text = "what came is no message of a WebSocket, or one of more than 262144 bytes";
    assert_eq!((&told["error"]["code"], &told["error"]["message"]), (&json!(3), &json!(text)));
    assert_eq!(socket.told().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_be_a_subprotocol_and_a_stranger_may_not_ask() {
    let cors = ["http://a.example".to_owned()].into();
    let settings = HttpSettings { cors, ..HttpSettings::default() };
    let cluster = Cluster::start_with(1, settings).await;
    let headers = [("sec-websocket-protocol", "Bearer, abc"), ("origin", "http://a.example")];
    let opened = Socket::open_with(&cluster, "/v3/watch", &headers).await;
    let (_, response) = opened.expect("it opens");
    assert_eq!(response.headers()["sec-websocket-protocol"], "Bearer");
    let refused = Socket::open_with(&cluster, "/v3/watch", &[("origin", "http://b.example")]).await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 403));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_ends_what_is_open() {
    let mut cluster = Cluster::start(1).await;
    let mut asked = Socket::open(&cluster, "/v3/watch").await;
    asked.ask(&watch("YQ==")).await;
    asked.result().await;
    let mut silent = Socket::open(&cluster, "/v3/watch").await;
    tokio::join!(cluster.stop_member(0), asked.end(), silent.end());
}
