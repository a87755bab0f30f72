//! `bench watch`: puts, and how long after each one every watcher has it.
//!
//! One process writes and watches, so that one clock measures: a value says when it was sent.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use quorate_etcdapi::etcdserverpb::kv_client::KvClient;
use quorate_etcdapi::etcdserverpb::watch_client::WatchClient;
use quorate_etcdapi::etcdserverpb::watch_request::RequestUnion;
use quorate_etcdapi::etcdserverpb::{PutRequest, WatchCreateRequest, WatchRequest, WatchResponse};
use quorate_etcdapi::mvccpb::Event;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::{Report, hold};
use crate::client::kv_client;
use crate::client_flags::Context;
use crate::connect::refused;
use crate::exit::Failure;

/// How long after the last put its events are waited for.
const GRACE: Duration = Duration::from_secs(30);

/// Puts that are not told to everyone yet, where nothing but that paces them.
const UNTOLD_PUTS_MAX: usize = 16;

/// Last puts that are under way at a time.
const ENDS_MAX: usize = 64;

/// The value after which no other comes.
const END: &[u8] = b"end";

/// The flags of `bench watch`.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct WatchBenchFlags {
    /// How many watchers
    #[arg(long, value_name = "N", default_value = "100")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    watchers: usize,
    /// How many of them share a stream, each with a connection of its own
    #[arg(long, value_name = "N", default_value = "100")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    per_stream: usize,
    /// How many keys are written in turn; each watcher watches one of them
    #[arg(long, value_name = "N", default_value = "1")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    keys: usize,
    /// Puts in a second; 0 for as many as every watcher is told of
    #[arg(long, value_name = "N", default_value = "100")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100_000))]
    rate: u32,
    /// For how many seconds
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// For how many seconds to do nothing once all of them watch
    #[arg(long, value_name = "N", default_value = "0")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=3600))]
    hold: u32,
}

impl WatchBenchFlags {
    /// How many watch the key of this number.
    fn watchers_of(self, key: usize) -> usize {
        self.watchers / self.keys + usize::from(key < self.watchers % self.keys)
    }
}

/// Measures.
pub(super) async fn measure(flags: WatchBenchFlags, context: &Context) -> Result<Report, Failure> {
    let origin = Instant::now();
    let mut streams = Vec::new();
    for first in (0..flags.watchers).step_by(flags.per_stream) {
        let channel = context.session.connect(streams.len()).await?;
        let keys = first..flags.watchers.min(first + flags.per_stream);
        let keys: Vec<usize> = keys.map(|watcher| watcher % flags.keys).collect();
        streams.push((keys.len(), watch(channel, keys).await?));
    }
    hold(&format!("{} watchers are open", flags.watchers), flags.hold).await;
    let writer = Writer {
        client: kv_client(context.session.connect(0).await?),
        flags,
        origin,
        told: Arc::new(Semaphore::new(UNTOLD_PUTS_MAX * flags.watchers_of(0))),
    };
    let start = Instant::now();
    let until = start + Duration::from_secs(flags.seconds.into()) + GRACE;
    let mut receiving = JoinSet::new();
    for (watchers, stream) in streams {
        let receiver = Receiver { stream, watchers, origin, told: writer.told.clone() };
        receiving.spawn(receiver.run(until));
    }
    let expected = writer.run(start).await?;
    let (mut latencies, mut end) = (Vec::new(), start);
    for (part, last) in receiving.join_all().await {
        latencies.extend(part);
        end = end.max(last);
    }
    Ok(Report::new("events", expected, end - start, latencies))
}

fn key(number: usize) -> Vec<u8> {
    format!("bench/watch/{number}").into_bytes()
}

/// Opens a stream, and waits until all its watchers watch.
async fn watch(channel: Channel, keys: Vec<usize>) -> Result<Streaming<WatchResponse>, Failure> {
    let watchers = keys.len();
    let (requests, sent) = mpsc::channel(watchers);
    for number in keys {
        let create = WatchCreateRequest { key: key(number).into(), ..Default::default() };
        let union = RequestUnion::CreateRequest(create);
        let request = WatchRequest { request_union: Some(union) };
        requests.try_send(request).expect("there is room for all of them");
    }
    let mut client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
    let opened = client.watch(ReceiverStream::new(sent)).await;
    let mut stream = opened.map_err(|status| refused(&status))?.into_inner();
    let mut created = 0;
    while created < watchers {
        let response = stream.message().await.map_err(|status| refused(&status))?;
        let response = response.ok_or_else(|| Failure::error("the stream has ended"))?;
        created += usize::from(response.created);
    }
    // The stream lives as long as what could still be sent on it.
    tokio::spawn(async move { requests.closed().await });
    Ok(stream)
}

/// What comes on one stream.
struct Receiver {
    stream: Streaming<WatchResponse>,
    watchers: usize,
    origin: Instant,
    told: Arc<Semaphore>,
}

impl Receiver {
    /// How long each event took that came until then, and when the last of them was there.
    async fn run(mut self, until: Instant) -> (Vec<Duration>, Instant) {
        let mut latencies = Vec::new();
        // What did not come until then is missing.
        let _ = timeout_at(until, self.receive(&mut latencies)).await;
        (latencies, Instant::now())
    }

    async fn receive(&mut self, latencies: &mut Vec<Duration>) {
        let mut ended = 0;
        while ended < self.watchers {
            let Ok(Some(response)) = self.stream.message().await else { return };
            let now = self.origin.elapsed();
            let before = latencies.len();
            for event in &response.events {
                match sent(event) {
                    Some(sent) => latencies.push(now.saturating_sub(sent)),
                    None => ended += 1,
                }
            }
            self.told.add_permits(latencies.len() - before);
        }
    }
}

/// When the put of an event was sent; none for the last one.
fn sent(event: &Event) -> Option<Duration> {
    let value = &event.kv.as_ref()?.value;
    let micros = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some(Duration::from_micros(micros))
}

/// Who puts.
struct Writer {
    client: KvClient<Channel>,
    flags: WatchBenchFlags,
    origin: Instant,
    /// Events that may be caused.
    told: Arc<Semaphore>,
}

impl Writer {
    /// Puts, until the time is over, and then what ends it. How many events should have come.
    async fn run(&self, start: Instant) -> Result<u64, Failure> {
        let until = start + Duration::from_secs(self.flags.seconds.into());
        let mut pace = self.pace();
        let mut expected = 0;
        let mut answers = JoinSet::new();
        for number in 0.. {
            let key = number % self.flags.keys;
            let watchers = self.flags.watchers_of(key);
            let is_due = match &mut pace {
                Some(ticks) => self.tick(ticks, number).await,
                None => timeout_at(until, self.room(watchers)).await.is_ok(),
            };
            if !is_due {
                break;
            }
            answers.spawn(put(self.client.clone(), key, Some(self.origin)));
            expected += watchers as u64;
        }
        settle(answers).await?;
        self.end().await?;
        Ok(expected)
    }

    fn pace(&self) -> Option<Interval> {
        let pause = Duration::from_secs(1).checked_div(self.flags.rate)?;
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Some(ticks)
    }

    /// Puts what no other comes after, to some keys at a time.
    async fn end(&self) -> Result<(), Failure> {
        let mut answers = JoinSet::new();
        for key in 0..self.flags.keys {
            if ENDS_MAX <= answers.len() {
                answers
                    .join_next()
                    .await
                    .expect("some are under way")
                    .map_err(Failure::error)??;
            }
            answers.spawn(put(self.client.clone(), key, None));
        }
        settle(answers).await
    }

    /// Waits until the next put is due at the rate, whether or not earlier ones were answered. Not
    /// if it was the last.
    async fn tick(&self, ticks: &mut Interval, number: usize) -> bool {
        let is_due = number < self.flags.rate as usize * self.flags.seconds as usize;
        if is_due {
            ticks.tick().await;
        }
        is_due
    }

    /// Waits until so many more events may be caused.
    async fn room(&self, events: usize) {
        let events = u32::try_from(events).expect("watchers are bounded");
        let told = self.told.acquire_many(events).await;
        told.expect("the semaphore is never closed").forget();
    }
}

/// Puts when it is, or the value that is the last.
async fn put(
    mut client: KvClient<Channel>,
    number: usize,
    origin: Option<Instant>,
) -> Result<(), Failure> {
    let value = match origin {
        Some(origin) => origin.elapsed().as_micros().to_string().into_bytes(),
        None => END.to_vec(),
    };
    let request = PutRequest { key: key(number).into(), value: value.into(), ..Default::default() };
    client.put(request).await.map(drop).map_err(|status| refused(&status))
}

async fn settle(answers: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    answers.join_all().await.into_iter().collect()
}
