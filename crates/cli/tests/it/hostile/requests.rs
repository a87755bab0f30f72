//! Odd, damaged and senseless messages to every method of every service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost_reflect::MethodDescriptor;
use quorate_etcdapi::etcdserverpb as pb;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::messages::{encoded, methods};
use super::raw::Raw;
use super::wording::assert_known;
use super::{assert_serving, three_of};
use crate::support::random::Random;
use crate::support::{Cluster, Program};

/// The variable that asks for more than the usual number of requests.
const REQUESTS_VARIABLE: &str = "QUORATE_HOSTILE_REQUESTS";

/// Requests where nobody asks for more.
const REQUESTS: usize = 1_500;

/// Requests between two looks at whether the members still serve.
const VOLLEY: usize = 500;

/// Clients at once.
const CLIENTS: usize = 12;

/// How long a client waits for an answer, or for the next message of a stream, before it leaves.
const PATIENCE: Duration = Duration::from_millis(100);

/// Messages that a client takes from a stream before it leaves.
const TAKEN_MAX: usize = 5;

/// The seed of this attack, and how many requests it makes.
pub(super) fn plan(default_seed: u64) -> (u64, usize) {
    let number = |name| {
        let given = std::env::var(name).ok()?;
        Some(given.parse().unwrap_or_else(|_| panic!("{name} is a number: {given}")))
    };
    let seed = number("QUORATE_SEED").unwrap_or(default_seed);
    let requests = number(REQUESTS_VARIABLE).and_then(|count| usize::try_from(count).ok());
    (seed, requests.unwrap_or(REQUESTS))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_stops_a_member() {
    attack(Program::Quorate, plan(11)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_stops_a_member_on_paxos() {
    attack(Program::QuoratePaxos, plan(12)).await;
}

async fn attack(program: Program, (seed, requests): (u64, usize)) {
    let cluster = three_of(program).await;
    let methods = Arc::new(methods());
    for volley in 0..requests.div_ceil(VOLLEY) {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let channel = cluster.channel(client % cluster.size());
            let random = Random::split(seed, (volley * CLIENTS + client) as u64);
            clients.spawn(trouble(channel, methods.clone(), random));
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap_or_else(|error| panic!("seed {seed}, volley {volley}: {error}"));
        }
        assert_still_serving(&cluster).await;
    }
    cluster.assert_no_panic();
}

/// One client's part of a volley.
async fn trouble(channel: Channel, methods: Arc<Vec<MethodDescriptor>>, mut random: Random) {
    for _ in 0..VOLLEY.div_ceil(CLIENTS) {
        let method = &methods[random.below(methods.len())];
        let messages = if method.is_client_streaming() { 1 + random.below(8) } else { 1 };
        let messages: Vec<Bytes> =
            (0..messages).map(|_| encoded(&mut random, &method.input())).collect();
        if let Some(Err(status)) = ask(channel.clone(), method, messages).await {
            judge(&status, method.full_name());
        }
    }
}

/// Sends messages, takes a few back, and leaves. Nothing if it left before anything came.
async fn ask(
    channel: Channel,
    method: &MethodDescriptor,
    messages: Vec<Bytes>,
) -> Option<Result<(), Status>> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = path.parse().expect("it is a path");
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(usize::MAX);
    client.ready().await.expect("the member is there");
    let asked = client.streaming(Request::new(tokio_stream::iter(messages)), path, Raw);
    let mut told = match timeout(PATIENCE, asked).await.ok()? {
        Ok(told) => told.into_inner(),
        Err(status) => return Some(Err(status)),
    };
    for _ in 0..TAKEN_MAX {
        match timeout(PATIENCE, told.message()).await.ok()? {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(status) => return Some(Err(status)),
        }
    }
    Some(Ok(()))
}

fn judge(status: &Status, method: &str) {
    // The stream was reset while messages were still being sent: its answer is lost.
    let is_cut = status.code() == Code::Internal && status.message().starts_with("h2 protocol");
    if !is_cut {
        assert_known(status.code(), status.message(), method);
    }
}

/// Each member takes a write and reads it soon, once what was asked to be refused no longer is.
pub(super) async fn assert_still_serving(cluster: &Cluster) {
    end_alarms(cluster).await;
    let begun = Instant::now();
    let members: Vec<usize> = (0..cluster.size()).collect();
    assert_serving(cluster, &members).await;
    assert!(begun.elapsed() < super::ANSWER_LIMIT, "they took {:?}", begun.elapsed());
}

/// Messages that were damaged may have raised some.
async fn end_alarms(cluster: &Cluster) {
    let listed = cluster.maintenance(0).alarm(pb::AlarmRequest::default()).await;
    for alarm in listed.expect("alarms are listed").into_inner().alarms {
        let end = pb::AlarmRequest {
            action: pb::alarm_request::AlarmAction::Deactivate.into(),
            member_id: alarm.member_id,
            alarm: alarm.alarm,
        };
        cluster.maintenance(0).alarm(end).await.expect("an alarm is ended");
    }
}
