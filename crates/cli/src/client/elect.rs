//! `elect`: taking part in an election, and watching who wins.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;
use clap::Args;
use quorate_etcdapi::etcdserverpb::{RangeResponse, ResponseHeader, WatchCreateRequest};
use quorate_etcdapi::mvccpb::KeyValue;
use quorate_etcdapi::mvccpb::event::EventType;

use super::block_on;
use super::keys::prefix_end;
use super::lease_session::LeaseSession;
use super::lock::Stop;
use super::owner;
use super::watching::Watching;
use crate::client_flags::Context;
use crate::connect::Session;
use crate::exit::Failure;

/// The end of the help of `elect`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate elect primary node-7     stand as `node-7`, lead until Ctrl-C
  quorate elect -l primary         print each leader

A candidate's key and value are printed once it leads.";

/// Seconds after which a candidate that is gone is out.
const TTL_SECONDS: i64 = 60;

/// The flags of `elect`.
#[derive(Args, Debug)]
pub(crate) struct ElectFlags {
    /// The name of the election
    name: OsString,
    /// What to stand as
    proposal: Option<OsString>,
    /// Only watch who leads
    #[arg(short, long)]
    listen: bool,
}

/// Takes part or watches.
pub(crate) fn run(flags: ElectFlags, context: &Context) -> Result<(), Failure> {
    context.printer.assert_simple_form()?;
    let name = flags.name.into_vec();
    match (flags.proposal, flags.listen) {
        (None, false) => Err(Failure::usage("no proposal argument but -l not set")),
        (Some(_), true) => Err(Failure::usage("proposal given but -l is set")),
        (None, true) => block_on(observe(&name, context)),
        (Some(proposal), false) => block_on(campaign(&name, proposal.into_vec().into(), context)),
    }
}

async fn campaign(name: &[u8], proposal: Bytes, context: &Context) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let session = context.session.patient();
    let mut lease = LeaseSession::grant(&session, TTL_SECONDS).await?;
    let led = tokio::select! {
        led = lead(name, &proposal, context, &session, &mut lease) => led,
        _ = stop.told() => Ok(()),
    };
    // The key of a candidate goes with its lease.
    let revoked = lease.revoke(&session).await;
    led.and(revoked)
}

async fn lead(
    name: &[u8],
    proposal: &Bytes,
    context: &Context,
    session: &Session,
    lease: &mut LeaseSession,
) -> Result<(), Failure> {
    let id = lease.id();
    let won = tokio::select! {
        won = owner::acquire(session, name, id, proposal) => won?,
        () = lease.gone() => return Err(Failure::error("elect: session expired")),
    };
    let (claim, _) = won;
    context.printer.stream(&owner::read(session, &claim.key).await?)?;
    lease.gone().await;
    Err(Failure::error("elect: session expired"))
}

async fn observe(name: &[u8], context: &Context) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    tokio::select! {
        ended = tell_leaders(name, context) => ended,
        _ = stop.told() => Ok(()),
    }
}

async fn tell_leaders(name: &[u8], context: &Context) -> Result<(), Failure> {
    let session = context.session.patient();
    let prefix = owner::prefix_of(name);
    loop {
        let (header, pair) = leader(&session, &prefix).await?;
        let (key, revision) = (pair.key.clone(), pair.mod_revision);
        tell(header, pair, context)?;
        let from = WatchCreateRequest { key, start_revision: revision + 1, ..Default::default() };
        let mut watching = Watching::start(&session, from).await?;
        'leads: loop {
            let response = watching.next().await?;
            for event in &response.events {
                match (event.r#type(), &event.kv) {
                    (EventType::Put, Some(pair)) => {
                        tell(response.header, pair.clone(), context)?;
                    }
                    _ => break 'leads,
                }
            }
            if response.canceled {
                break;
            }
        }
    }
}

fn tell(header: Option<ResponseHeader>, pair: KeyValue, context: &Context) -> Result<(), Failure> {
    context.printer.stream(&RangeResponse { header, kvs: vec![pair], ..Default::default() })
}

/// Who leads, or the first to stand if nobody does.
async fn leader(
    session: &Session,
    prefix: &Bytes,
) -> Result<(Option<ResponseHeader>, KeyValue), Failure> {
    loop {
        let mut first = owner::first(session, prefix).await?;
        if let Some(pair) = first.kvs.pop() {
            return Ok((first.header, pair));
        }
        let revision = first.header.as_ref().map_or(0, |header| header.revision);
        let from = WatchCreateRequest {
            key: prefix.clone(),
            range_end: prefix_end(prefix),
            start_revision: revision + 1,
            ..Default::default()
        };
        let mut watching = Watching::start(session, from).await?;
        // Whoever stands now may be gone when it is read; then it begins anew.
        watching.next().await?;
    }
}
