//! `bench watch`: puts at a steady rate, and how long after each one every watcher has it.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use quorate_etcdapi::etcdserverpb::watch_client::WatchClient;
use quorate_etcdapi::etcdserverpb::watch_request::RequestUnion;
use quorate_etcdapi::etcdserverpb::{PutRequest, WatchCreateRequest, WatchRequest, WatchResponse};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::Report;
use crate::client::kv_client;
use crate::client_flags::Context;
use crate::connect::refused;
use crate::exit::Failure;

/// The key that is written and watched.
const KEY: &[u8] = b"bench/watch";

/// How long after the last put its events are waited for.
const GRACE: Duration = Duration::from_secs(10);

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
    /// Puts in a second
    #[arg(long, value_name = "N", default_value = "100")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// For how many seconds
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

impl WatchBenchFlags {
    fn puts(self) -> usize {
        self.rate as usize * self.seconds as usize
    }
}

/// Measures.
pub(super) async fn measure(flags: WatchBenchFlags, context: &Context) -> Result<Report, Failure> {
    let origin = Instant::now();
    let mut streams = Vec::new();
    let mut left = flags.watchers;
    while 0 < left {
        let watchers = left.min(flags.per_stream);
        let channel = context.session.connect(streams.len()).await?;
        streams.push((watchers, watch(channel, watchers).await?));
        left -= watchers;
    }
    let start = Instant::now();
    let until = start + Duration::from_secs(flags.seconds.into()) + GRACE;
    let mut receiving = JoinSet::new();
    for (watchers, stream) in streams {
        let expected = watchers * flags.puts();
        receiving.spawn(async move {
            let mut latencies = Vec::with_capacity(expected);
            // What did not come until then is missing.
            let _ = timeout_at(until, receive(stream, origin, expected, &mut latencies)).await;
            (latencies, Instant::now())
        });
    }
    put(context.session.connect(0).await?, flags, origin).await?;
    let (mut latencies, mut end) = (Vec::new(), start);
    for (part, ended) in receiving.join_all().await {
        latencies.extend(part);
        end = end.max(ended);
    }
    let expected = u64::try_from(flags.watchers * flags.puts()).expect("both are bounded");
    Ok(Report::new("events", expected, end - start, latencies))
}

/// Opens a stream, and waits until all its watchers watch.
async fn watch(channel: Channel, watchers: usize) -> Result<Streaming<WatchResponse>, Failure> {
    let (requests, sent) = mpsc::channel(watchers);
    for _ in 0..watchers {
        let create = WatchCreateRequest { key: KEY.into(), ..Default::default() };
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

async fn receive(
    mut stream: Streaming<WatchResponse>,
    origin: Instant,
    expected: usize,
    latencies: &mut Vec<Duration>,
) {
    while latencies.len() < expected {
        let Ok(Some(response)) = stream.message().await else { return };
        let now = origin.elapsed();
        for event in response.events {
            let value = event.kv.unwrap_or_default().value;
            let sent = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
            latencies.extend(sent.map(|sent| now.saturating_sub(Duration::from_micros(sent))));
        }
    }
}

/// Puts at the rate, whether or not earlier ones were answered. The value says when.
async fn put(channel: Channel, flags: WatchBenchFlags, origin: Instant) -> Result<(), Failure> {
    let mut ticks = interval(Duration::from_secs(1) / flags.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sent = JoinSet::new();
    for _ in 0..flags.puts() {
        ticks.tick().await;
        let mut client = kv_client(channel.clone());
        sent.spawn(async move {
            let value = origin.elapsed().as_micros().to_string();
            let request = PutRequest { key: KEY.into(), value: value.into(), ..Default::default() };
            client.put(request).await
        });
    }
    for answer in sent.join_all().await {
        answer.map_err(|status| refused(&status))?;
    }
    Ok(())
}
