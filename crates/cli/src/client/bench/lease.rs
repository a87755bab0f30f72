//! `bench lease`: renewals as fast as they are answered, over several streams.

use std::collections::VecDeque;
use std::iter::Cycle;
use std::time::Duration;
use std::vec::IntoIter;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use quorate_etcdapi::etcdserverpb::lease_client::LeaseClient;
use quorate_etcdapi::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest,
};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::{Report, hold};
use crate::client_flags::Context;
use crate::connect::{Kind, Session, refused};
use crate::exit::Failure;

/// The flags of `bench lease`.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LeaseBenchFlags {
    /// How many leases
    #[arg(long, value_name = "N", default_value = "1000")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    leases: usize,
    /// How many clients renew them, each with a connection and a stream
    #[arg(long, value_name = "N", default_value = "64")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    clients: usize,
    /// How many renewals a client has under way at a time
    #[arg(long, value_name = "N", default_value = "1")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000))]
    in_flight: usize,
    /// For how many seconds
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    /// How many seconds each lease lasts
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    ttl: u32,
    /// For how many seconds to do nothing once all of them are granted
    #[arg(long, value_name = "N", default_value = "0")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=3600))]
    hold: u32,
    /// Leave the leases to end by themselves
    #[arg(long)]
    leave: bool,
}

/// Measures.
pub(super) async fn measure(flags: LeaseBenchFlags, context: &Context) -> Result<Report, Failure> {
    let mut granting = JoinSet::new();
    for client in 0..flags.clients.min(flags.leases) {
        let leases = (client..flags.leases).step_by(flags.clients).count();
        granting.spawn(grant(context.session.clone(), client, leases, flags.ttl));
    }
    let mut shares = Vec::new();
    for granted in granting.join_all().await {
        shares.push(granted?);
    }
    hold(&format!("{} leases are granted", flags.leases), flags.hold).await;
    let start = Instant::now();
    let until = start + Duration::from_secs(flags.seconds.into());
    let mut renewing = JoinSet::new();
    for (client, leases) in shares.iter().cloned().enumerate() {
        let session = context.session.clone();
        renewing.spawn(async move {
            let channel = session.connect(client).await?;
            Renewing::open(channel, leases, flags.in_flight).await?.run(until).await
        });
    }
    let mut latencies = Vec::new();
    for renewed in renewing.join_all().await {
        latencies.extend(renewed?);
    }
    let elapsed = start.elapsed();
    if !flags.leave {
        revoke(&context.session, shares).await?;
    }
    let expected = u64::try_from(latencies.len()).expect("they fit into memory");
    Ok(Report::new("renewals", expected, elapsed, latencies))
}

async fn grant(
    session: Session,
    client: usize,
    leases: usize,
    ttl: u32,
) -> Result<Vec<i64>, Failure> {
    let mut service = LeaseClient::new(session.connect(client).await?);
    let mut granted = Vec::with_capacity(leases);
    for _ in 0..leases {
        let request = LeaseGrantRequest { ttl: ttl.into(), id: 0 };
        let answer = service.lease_grant(request).await.map_err(|status| refused(&status))?;
        granted.push(answer.into_inner().id);
    }
    Ok(granted)
}

/// One stream of renewals, of one lease after the other. They are answered in order.
struct Renewing {
    leases: Cycle<IntoIter<i64>>,
    requests: Sender<LeaseKeepAliveRequest>,
    responses: Streaming<LeaseKeepAliveResponse>,
    /// When those that are under way were sent.
    sent: VecDeque<Instant>,
}

impl Renewing {
    /// Sends as many as may be under way: etcd answers nothing before it has one.
    async fn open(channel: Channel, leases: Vec<i64>, in_flight: usize) -> Result<Self, Failure> {
        let (requests, queue) = mpsc::channel(in_flight);
        let mut leases = leases.into_iter().cycle();
        let mut sent = VecDeque::with_capacity(in_flight);
        for id in leases.by_ref().take(in_flight) {
            let request = LeaseKeepAliveRequest { id };
            requests.try_send(request).expect("there is room for all of them");
            sent.push_back(Instant::now());
        }
        let opened = LeaseClient::new(channel).lease_keep_alive(ReceiverStream::new(queue)).await;
        let responses = opened.map_err(|status| refused(&status))?.into_inner();
        Ok(Self { leases, requests, responses, sent })
    }

    /// Renews until the time is over. How long each renewal took.
    async fn run(mut self, until: Instant) -> Result<Vec<Duration>, Failure> {
        let mut latencies = Vec::new();
        while let Some(sent) = self.sent.pop_front() {
            let response = self.responses.message().await.map_err(|status| refused(&status))?;
            let response = response.ok_or_else(|| Failure::error("the stream has ended"))?;
            if response.ttl <= 0 {
                return Err(Failure::error("a lease has ended before it was renewed"));
            }
            let now = Instant::now();
            latencies.push(now - sent);
            if now < until {
                self.sent.push_back(now);
                let id = self.leases.next().expect("a client has a lease");
                // If the stream has ended, the next wait for an answer tells so.
                let _ = self.requests.send(LeaseKeepAliveRequest { id }).await;
            }
        }
        Ok(latencies)
    }
}

async fn revoke(session: &Session, shares: Vec<Vec<i64>>) -> Result<(), Failure> {
    let mut revoking = JoinSet::new();
    for leases in shares {
        let session = session.clone();
        revoking.spawn(async move {
            for id in leases {
                let send = |channel| async move {
                    LeaseClient::new(channel).lease_revoke(LeaseRevokeRequest { id }).await
                };
                session.call(Kind::Repeatable, send).await?;
            }
            Ok(())
        });
    }
    revoking.join_all().await.into_iter().collect()
}
