//! Odd, damaged and senseless bodies on every path of the JSON gateway, and callers that never
//! finish what they say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use prost_reflect::{DescriptorPool, MessageDescriptor, SerializeOptions};
use quorate_etcdapi::DESCRIPTORS;
use quorate_server::GATEWAY_PATHS;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;

use super::messages::{damaged, noise, odd};
use super::requests::{assert_still_serving, plan};
use super::wording::assert_known;
use super::{Witness, assert_serving, three, three_of};
use crate::support::Program;
use crate::support::http::{Http, line};
use crate::support::random::Random;

/// Requests between two looks at whether the members still serve.
const VOLLEY: usize = 500;

/// Clients at once.
const CLIENTS: usize = 12;

/// How long a client waits for an answer, or for the next line of a stream, before it leaves.
const PATIENCE: Duration = Duration::from_millis(100);

/// Lines that a client takes from a stream before it leaves.
const LINES_MAX: usize = 5;

/// What stands where it does not belong.
const ODD: [&str; 16] = [
    "1e999",
    "-1e308",
    "-0",
    "1.5",
    "123456789012345678901234567890",
    "-9223372036854775809",
    "null",
    "true",
    "[]",
    "{}",
    "[[[]]]",
    "\"\\ud800\"",
    "\"!!!!\"",
    "\"YQ\"",
    "\"\\u0000\"",
    "nul",
];

/// A path and the message that it takes.
type Target = (String, MessageDescriptor);

fn targets() -> Vec<Target> {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("it was generated");
    let input = |name: &str| {
        let (service, method) = name.rsplit_once('.').expect("a full name has a dot");
        let service = pool.get_service_by_name(service).expect("it is there");
        service.methods().find(|it| it.name() == method).expect("it is there").input()
    };
    GATEWAY_PATHS.iter().map(|(path, method)| (format!("/v3{path}"), input(method))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_stops_a_member() {
    attack(Program::Quorate, plan(21)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_stops_a_member_on_paxos() {
    attack(Program::QuoratePaxos, plan(22)).await;
}

async fn attack(program: Program, (seed, requests): (u64, usize)) {
    let cluster = three_of(program).await;
    let targets = Arc::new(targets());
    for volley in 0..requests.div_ceil(VOLLEY) {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let http = Http::of(cluster.client_address(client % cluster.size()));
            let random = Random::split(seed, (volley * CLIENTS + client) as u64);
            clients.spawn(trouble(http, targets.clone(), random));
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap_or_else(|error| panic!("seed {seed}, volley {volley}: {error}"));
        }
        assert_still_serving(&cluster).await;
    }
    cluster.assert_no_panic();
}

/// One client's part of a volley.
async fn trouble(mut http: Http, targets: Arc<Vec<Target>>, mut random: Random) {
    for _ in 0..VOLLEY.div_ceil(CLIENTS) {
        let (path, input) = &targets[random.below(targets.len())];
        let mut body = body(&mut random, input).to_vec();
        for _ in 0..random.below(3) {
            body.extend(self::body(&mut random, input));
        }
        for line in ask(&mut http, path, body.into()).await {
            judge(path, &line);
        }
    }
}

/// A body as bytes: sound, odd, damaged, or noise.
fn body(random: &mut Random, input: &MessageDescriptor) -> Bytes {
    let sound = json(random, input);
    match random.below(10) {
        0 => {
            let length = random.below(300);
            noise(random, length)
        }
        1 | 2 => damaged(random, sound.into_bytes()),
        3 => nested(random).into(),
        4 => twice(&sound).into(),
        5 | 6 => misplaced(random, &sound).into(),
        _ => sound.into(),
    }
}

/// The JSON of a message full of odd values, in one of its spellings.
fn json(random: &mut Random, input: &MessageDescriptor) -> String {
    let options = SerializeOptions::new()
        .use_proto_field_name(random.below(2) == 0)
        .stringify_64_bit_integers(random.below(2) == 0)
        .use_enum_numbers(random.below(2) == 0)
        .skip_default_fields(random.below(2) == 0);
    let mut json = serde_json::Serializer::new(Vec::new());
    odd(random, input).serialize_with_options(&mut json, &options).expect("it has a JSON");
    String::from_utf8(json.into_inner()).expect("JSON is text")
}

/// Puts something odd in the place of a value.
fn misplaced(random: &mut Random, json: &str) -> String {
    let colons: Vec<usize> = json.match_indices(':').map(|(place, _)| place + 1).collect();
    let Some(begin) = colons.get(random.below(colons.len().max(1))) else { return json.to_owned() };
    let end = json[*begin..].find([',', '}']).map_or(json.len(), |end| begin + end);
    let odd = ODD[random.below(ODD.len())];
    format!("{}{odd}{}", &json[..*begin], &json[end..])
}

/// Every field twice.
fn twice(json: &str) -> String {
    let fields = json.strip_prefix('{').and_then(|json| json.strip_suffix('}'));
    let fields = fields.unwrap_or_default();
    format!("{{{fields},{fields}}}")
}

/// Something within something within something.
fn nested(random: &mut Random) -> String {
    let (open, close) =
        [("[", "]"), ("{\"key\":", "}"), ("{\"success\":[{\"request_txn\":", "}]}")]
            [random.below(3)];
    let depth = [10, 60, 200, 20_000][random.below(4)];
    format!("{{\"success\":{}{{}}{}}}", open.repeat(depth), close.repeat(depth))
}

/// Posts a body and gives the lines that come back before the client loses its patience.
async fn ask(http: &mut Http, path: &str, body: Bytes) -> Vec<Vec<u8>> {
    let Ok(answer) = timeout(PATIENCE, http.send(Method::POST, path, body)).await else {
        http.close();
        return Vec::new();
    };
    let mut answer = answer.unwrap_or_else(|error| panic!("{path} has no answer: {error:?}"));
    let is_ok = answer.status().is_success();
    let mut lines = Vec::new();
    while lines.len() < LINES_MAX {
        match timeout(PATIENCE, line(&mut answer)).await {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => break,
            Err(_) => {
                http.close();
                break;
            }
        }
    }
    assert!(is_ok || !lines.is_empty(), "{path} says why it refuses");
    lines
}

/// A line is JSON, and what it refuses it refuses in known words.
fn judge(path: &str, line: &[u8]) {
    let value: Value = serde_json::from_slice(line)
        .unwrap_or_else(|error| panic!("{path}: {error}: {}", line.escape_ascii()));
    let failure = match &value["error"] {
        Value::Null => return,
        Value::String(text) => {
            assert_eq!(value["message"], text[..], "{path}");
            &value
        }
        within => within,
    };
    let code = failure["code"].as_i64().and_then(|code| i32::try_from(code).ok());
    let code = Code::from_i32(code.unwrap_or_else(|| panic!("{path} gives a code: {value}")));
    let text = failure["message"].as_str().unwrap_or_default();
    assert_known(code, text, path);
}

#[tokio::test]
async fn callers_that_never_finish_keep_nobody_out() {
    let cluster = three().await;
    let witness = Witness::start(&cluster);
    let unfinished: [&str; 4] = [
        "POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nContent-Le",
        "POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n{\"key\":\"",
        "POST /v3/watch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n",
        "POST /v3/watch HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n\
         {\"create_request\":{\"key\":\"AA==\"}}",
    ];
    let mut callers = Vec::new();
    for member in 0..cluster.size() {
        for text in unfinished {
            for _ in 0..40 {
                let address = cluster.client_address(member);
                let mut caller = TcpStream::connect(address).await.expect("the port is served");
                caller.write_all(text.as_bytes()).await.expect("the member listens");
                callers.push(caller);
            }
        }
    }
    witness.more().await;
    assert_serving(&cluster, &[0, 1, 2]).await;
    drop(callers);
    witness.judge(&cluster).await;
}
