//! `bench lease`: renewals as fast as they are answered, over several streams.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use quorate_etcdapi::etcdserverpb::lease_client::LeaseClient;
use quorate_etcdapi::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Report;
use crate::client::lease_session::Renewals;
use crate::client_flags::Context;
use crate::connect::{Kind, Session, refused};
use crate::exit::Failure;

/// Seconds that each lease lasts: more than any of them waits for its turn.
const TTL_SECONDS: i64 = 600;

/// The flags of `bench lease`.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LeaseBenchFlags {
    /// How many leases
    #[arg(long, value_name = "N", default_value = "1000")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    leases: usize,
    /// How many clients renew them, each with a connection and one renewal at a time
    #[arg(long, value_name = "N", default_value = "64")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    clients: usize,
    /// For how many seconds
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
}

/// Measures.
pub(super) async fn measure(flags: LeaseBenchFlags, context: &Context) -> Result<Report, Failure> {
    let mut granting = JoinSet::new();
    for client in 0..flags.clients.min(flags.leases) {
        let leases = (client..flags.leases).step_by(flags.clients).count();
        granting.spawn(grant(context.session.clone(), client, leases));
    }
    let mut shares = Vec::new();
    for granted in granting.join_all().await {
        shares.push(granted?);
    }
    let start = Instant::now();
    let until = start + Duration::from_secs(flags.seconds.into());
    let mut renewing = JoinSet::new();
    for (client, leases) in shares.iter().cloned().enumerate() {
        renewing.spawn(renew(context.session.clone(), client, leases, until));
    }
    let mut latencies = Vec::new();
    for renewed in renewing.join_all().await {
        latencies.extend(renewed?);
    }
    let elapsed = start.elapsed();
    revoke(&context.session, shares).await?;
    let expected = u64::try_from(latencies.len()).expect("they fit into memory");
    Ok(Report::new("renewals", expected, elapsed, latencies))
}

async fn grant(session: Session, client: usize, leases: usize) -> Result<Vec<i64>, Failure> {
    let mut service = LeaseClient::new(session.connect(client).await?);
    let mut granted = Vec::with_capacity(leases);
    for _ in 0..leases {
        let request = LeaseGrantRequest { ttl: TTL_SECONDS, id: 0 };
        let answer = service.lease_grant(request).await.map_err(|status| refused(&status))?;
        granted.push(answer.into_inner().id);
    }
    Ok(granted)
}

/// Renews one lease after the other until the time is over.
async fn renew(
    session: Session,
    client: usize,
    leases: Vec<i64>,
    until: Instant,
) -> Result<Vec<Duration>, Failure> {
    let mut renewals = Renewals::new(&session, client);
    let mut latencies = Vec::new();
    for lease in leases.into_iter().cycle() {
        let start = Instant::now();
        if until <= start {
            break;
        }
        renewals.renew(lease).await?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
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
