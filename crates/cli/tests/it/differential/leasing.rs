//! Sends what is about leases, locks and elections, where one answer may wait for another request.

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::{v3electionpb, v3lockpb};
use tokio_stream::StreamExt as _;
use tonic::{Response, Status, Streaming};

use super::answer::Field;
use super::runner::{Member, REQUEST_LIMIT, fields};
use super::script::{Request, end_of_prefix, get};
use crate::support::poll;

/// Sends a request through one member; what ends a wait goes through the other.
pub(super) async fn send(member: Member, other: Member, request: Request) -> Vec<Field> {
    let Member { mut lease, mut lock, mut election, .. } = member.clone();
    match request {
        Request::Grant(grant) => fields(lease.lease_grant(grant).await),
        Request::GrantAny(ttl) => {
            let granted = lease.lease_grant(pb::LeaseGrantRequest { ttl, id: 0 }).await;
            fields(granted.map(|granted| granted.map(with_the_sign_alone)))
        }
        Request::Revoke(id) => fields(lease.lease_revoke(pb::LeaseRevokeRequest { id }).await),
        Request::TimeToLive(id) => {
            let request = pb::LeaseTimeToLiveRequest { id, keys: true };
            fields(lease.lease_time_to_live(request).await)
        }
        Request::Leases => fields(lease.lease_leases(pb::LeaseLeasesRequest {}).await),
        Request::KeepAlive(ids) => fields(keep_alive(member, ids).await),
        Request::Lock { name, lease } => {
            let locked = lock.lock(v3lockpb::LockRequest { name, lease }).await;
            fields(locked.map(|locked| locked.map(|locked| without_own_lease(locked, lease))))
        }
        Request::Unlock(key) => fields(lock.unlock(v3lockpb::UnlockRequest { key }).await),
        Request::Campaign(campaign) => fields(election.campaign(campaign).await),
        Request::Proclaim { leader, value } => {
            fields(election.proclaim(v3electionpb::ProclaimRequest { leader, value }).await)
        }
        Request::Leader(name) => {
            fields(election.leader(v3electionpb::LeaderRequest { name }).await)
        }
        Request::Resign(leader) => {
            fields(election.resign(v3electionpb::ResignRequest { leader }).await)
        }
        Request::Observe { name, steps } => {
            let request = v3electionpb::LeaderRequest { name };
            match election.observe(request).await {
                Ok(told) => fields(observe(told.into_inner(), other, steps).await),
                Err(status) => fields::<pb::LeaseLeasesResponse>(Err(status)),
            }
        }
        Request::Waits { call, line, until } => wait(member, other, *call, line, *until).await,
        Request::Each(requests) => each(other, requests).await,
        Request::AwaitGone(key) => await_gone(member, key).await,
        Request::Delete(delete) => fields(member.kv.clone().delete_range(delete).await),
        request => unreachable!("the runner sends it: {request:?}"),
    }
}

/// Ids are random; that they are positive is not.
fn with_the_sign_alone(granted: pb::LeaseGrantResponse) -> pb::LeaseGrantResponse {
    pb::LeaseGrantResponse { id: granted.id.signum(), ..granted }
}

/// The key of a lock whose lease the server granted, without that lease.
fn without_own_lease(locked: v3lockpb::LockResponse, lease: i64) -> v3lockpb::LockResponse {
    if lease != 0 {
        return locked;
    }
    let name = locked.key.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    v3lockpb::LockResponse { key: locked.key.slice(..name), ..locked }
}

async fn keep_alive(
    mut member: Member,
    ids: Vec<i64>,
) -> Result<Response<Vec<pb::LeaseKeepAliveResponse>>, Status> {
    let count = ids.len();
    // The stream stays open until all answers are there: etcd may end with it.
    let requests = ids.into_iter().map(|id| pb::LeaseKeepAliveRequest { id });
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let answers = member.lease.lease_keep_alive(requests).await?.into_inner();
    answers.take(count).collect::<Result<Vec<_>, _>>().await.map(Response::new)
}

async fn observe(
    mut told: Streaming<v3electionpb::LeaderResponse>,
    member: Member,
    steps: Vec<Request>,
) -> Result<Response<Vec<v3electionpb::LeaderResponse>>, Status> {
    let mut answers = Vec::new();
    answers.extend(told.message().await?);
    for step in steps {
        Box::pin(send(member.clone(), member.clone(), step)).await;
        answers.extend(told.message().await?);
    }
    Ok(Response::new(answers))
}

async fn each(member: Member, requests: Vec<Request>) -> Vec<Field> {
    let mut last = Vec::new();
    for request in requests {
        last = Box::pin(send(member.clone(), member.clone(), request)).await;
    }
    last
}

/// The answer to a call that is made, and ends another's wait once that stands in line.
async fn wait(
    member: Member,
    other: Member,
    call: Request,
    line: Bytes,
    until: Request,
) -> Vec<Field> {
    let mut kv = other.kv.clone();
    let range_end = end_of_prefix(&line);
    let count = pb::RangeRequest { range_end, count_only: true, ..get(&line) };
    let ending = async {
        poll::until("two stand in line", REQUEST_LIMIT, async || {
            let counted = kv.range(count.clone()).await.ok()?.into_inner().count;
            (counted == 2).then_some(())
        })
        .await;
        Box::pin(send(other.clone(), other, until)).await
    };
    let (answer, _) = tokio::join!(Box::pin(send(member.clone(), member, call)), ending);
    answer
}

/// The revision at which the key was seen to be gone.
async fn await_gone(member: Member, key: &str) -> Vec<Field> {
    let mut kv = member.kv;
    let gone = poll::until("the key goes", REQUEST_LIMIT, async || {
        let read = kv.range(get(key)).await.ok()?;
        (read.get_ref().count == 0).then_some(read)
    });
    fields(Ok(gone.await))
}
