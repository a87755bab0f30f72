//! The gateway over WebSocket: the same conversations with both, each message back compared.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::differences::{Difference, compare};
use super::gateway::line_fields;
use super::runner::Answers;
use super::{installed, listed};
use crate::support::http::{Http, line};
use crate::support::{Cluster, Options, Program};

/// How long a message may take on a slow machine.
const LIMIT: Duration = Duration::from_mins(1);

/// What happens in a conversation.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The client says this.
    Say(&'static str),
    /// It is told so many messages.
    Hear(usize),
    /// Somebody else posts a body to a path.
    Post(&'static str, &'static str),
}

use Act::{Hear, Post, Say};

/// A conversation on a path.
struct Talk {
    path: &'static str,
    acts: &'static [Act],
}

/// In order, on a store that had no change before; so revisions are equal.
const TALKS: &[Talk] = &[
    Talk {
        path: "/v3/watch",
        acts: &[
            Say(r#"{"create_request":{"key":"dw==","range_end":"eA==","prev_kv":true}}"#),
            Hear(1),
            Post("/v3/kv/put", r#"{"key":"dw==","value":"MQ=="}"#),
            Hear(1),
            Post(
                "/v3/kv/txn",
                r#"{"success":[{"request_put":{"key":"dw==","value":"Mg=="}},
                {"request_put":{"key":"d2E=","value":"Mw=="}}]}"#,
            ),
            Hear(1),
            Post("/v3/kv/deleterange", r#"{"key":"dw==","range_end":"eA=="}"#),
            Hear(1),
            Say(r#"{"cancel_request":{"watch_id":"0"}}"#),
            Hear(1),
            Say(r#"{"create_request":{"key":"dw==","watch_id":"7","start_revision":"2"}}"#),
            Hear(2),
            Say(r#"{"createRequest":{"key":"dw==","watchId":7,"startRevision":2}}"#),
            Hear(1),
            Post("/v3/kv/put", r#"{"key":"dw==","value":"NA=="}"#),
            Hear(1),
            Say(r#"{"progress_request":{}}"#),
            Hear(1),
            Say(r#"{"cancel_request":{"watch_id":"7"}}"#),
            Hear(1),
        ],
    },
    Talk {
        path: "/v3/watch",
        acts: &[
            Post("/v3/kv/compaction", r#"{"revision":"4"}"#),
            Say(r#"{"create_request":{"key":"dw==","start_revision":"2"}}"#),
            Hear(2),
            // The others of the connection go on.
            Say(r#"{"create_request":{"key":"dw==","start_revision":"5","filters":["NOPUT"]}}"#),
            Hear(1),
            Post("/v3/kv/deleterange", r#"{"key":"dw=="}"#),
            Hear(1),
        ],
    },
    Talk {
        path: "/v3/lease/keepalive",
        acts: &[
            Post("/v3/lease/grant", r#"{"ID":"5","TTL":"600"}"#),
            Say(r#"{"ID":"5"}"#),
            Hear(1),
            Say(r#"{"ID":"6"}"#),
            Hear(1),
            Say(r#"{"ID":5}"#),
            Hear(1),
            Post("/v3/lease/revoke", r#"{"ID":"5"}"#),
            Say(r#"{"ID":"5"}"#),
            Hear(1),
        ],
    },
];

impl Talk {
    /// Has it with a member, and gives what was told at each step.
    async fn have(&self, member: SocketAddr) -> Answers {
        let mut other = Http::of(member);
        let stream = TcpStream::connect(member).await.expect("the member listens");
        let url = format!("ws://{member}{}", self.path);
        let (mut socket, _) = client_async(url, stream).await.expect("it speaks WebSocket");
        let mut answers = Answers::new();
        for (place, act) in self.acts.iter().enumerate() {
            let fields = match *act {
                Say(text) => {
                    socket.send(Message::text(text)).await.expect("it is open");
                    continue;
                }
                Post(path, body) => {
                    let answer = other.send(Method::POST, path, body).await;
                    let mut answer = answer.expect("the member answers");
                    let told = line(&mut answer).await.unwrap_or_default();
                    assert!(answer.status().is_success(), "{path} {body}: {}", told.escape_ascii());
                    continue;
                }
                Hear(messages) => hear(&mut socket, messages).await,
            };
            answers.insert(place + 1, fields.into_iter().collect());
        }
        answers
    }
}

async fn hear(socket: &mut WebSocketStream<TcpStream>, messages: usize) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for place in 0..messages {
        let told = timeout(LIMIT, socket.next()).await;
        let told = told.unwrap_or_else(|_| panic!("message {place} of {messages} never came"));
        let text = match told.expect("it goes on").expect("it is sound") {
            Message::Text(text) => text.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        };
        let value: Value = serde_json::from_slice(&text).expect("each message is JSON");
        fields.extend(line_fields(place, &value));
    }
    fields
}

#[tokio::test]
async fn the_gateway_talks_as_etcds_does_over_websocket() {
    installed(Program::Etcd);
    let etcd = Cluster::ready(Options::new(Program::Etcd, 1)).await;
    let quorate = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let mut found: Vec<Difference> = Vec::new();
    for (place, talk) in TALKS.iter().enumerate() {
        let (etcd, quorate) =
            (talk.have(etcd.client_address(0)).await, talk.have(quorate.client_address(0)).await);
        let name = format!("websocket {} {}", talk.path, place + 1);
        found.extend(compare(&name, &etcd, &quorate));
    }
    quorate.assert_no_panic();
    let problems = listed().about(|case| case.starts_with("websocket ")).judge(&found);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
