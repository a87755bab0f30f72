//! Who owns a name: the recipe of etcd's clients for locks and elections, on keys alone.
//!
//! All who want the name put a key below it, each with its own lease. The key that was created
//! first owns; everybody else waits for the one just before to go, so that one release wakes one
//! waiter.

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use quorate_etcdapi::etcdserverpb::range_request::{SortOrder, SortTarget};
use quorate_etcdapi::etcdserverpb::request_op::Request;
use quorate_etcdapi::etcdserverpb::response_op::Response;
use quorate_etcdapi::etcdserverpb::{
    Compare, PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse,
    WatchCreateRequest,
};
use quorate_etcdapi::mvccpb::event::EventType;

use super::keys::prefix_end;
use super::kv_client;
use super::watching::Watching;
use crate::connect::{Kind, Session};
use crate::exit::Failure;

/// The prefix of the keys of all who want a name.
pub(crate) fn prefix_of(name: &[u8]) -> Bytes {
    [name, b"/"].concat().into()
}

/// A key that stands for its owner, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The key.
    pub(crate) key: Bytes,
    /// The revision that created it.
    pub(crate) revision: i64,
}

/// Puts the key of this lease below the name, unless it is there, and waits until it is the first.
///
/// Gives the claim, and the revision at which it was known to own the name.
pub(crate) async fn acquire(
    session: &Session,
    name: &[u8],
    lease: i64,
    value: &Bytes,
) -> Result<(Claim, i64), Failure> {
    let prefix = prefix_of(name);
    let claim = claim(session, &prefix, lease, value).await?;
    loop {
        let before = just_before(session, &prefix, claim.revision).await?;
        let revision = before.header.as_ref().map_or(0, |header| header.revision);
        match before.kvs.first() {
            Some(other) => wait_deleted(session, &other.key, revision).await?,
            None => break,
        }
    }
    let own = read(session, &claim.key).await?;
    match (own.kvs.first(), &own.header) {
        (Some(_), Some(header)) => Ok((claim, header.revision)),
        _ => Err(Failure::error("session expired")),
    }
}

async fn claim(
    session: &Session,
    prefix: &Bytes,
    lease: i64,
    value: &Bytes,
) -> Result<Claim, Failure> {
    let key = Bytes::from([prefix, format!("{lease:x}").as_bytes()].concat());
    let operation = |request| RequestOp { request: Some(request) };
    let put = PutRequest { key: key.clone(), value: value.clone(), lease, ..Default::default() };
    let get = RangeRequest { key: key.clone(), ..Default::default() };
    let request = TxnRequest {
        compare: vec![Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Create.into(),
            key: key.clone(),
            target_union: Some(TargetUnion::CreateRevision(0)),
            ..Default::default()
        }],
        success: vec![operation(Request::RequestPut(put))],
        failure: vec![operation(Request::RequestRange(get))],
    };
    let send = |channel| {
        let request = request.clone();
        async move { kv_client(channel).txn(request).await }
    };
    // Sent twice, it finds its own key the second time.
    let response = session.call(Kind::Repeatable, send).await?;
    let revision = created_at(&response).ok_or_else(|| Failure::error("session expired"))?;
    Ok(Claim { key, revision })
}

fn created_at(response: &TxnResponse) -> Option<i64> {
    match response.responses.first()?.response.as_ref()? {
        Response::ResponseRange(range) => Some(range.kvs.first()?.create_revision),
        _ => Some(response.header.as_ref()?.revision),
    }
}

/// The key that was created last before a revision.
async fn just_before(
    session: &Session,
    prefix: &Bytes,
    revision: i64,
) -> Result<RangeResponse, Failure> {
    let request =
        RangeRequest { max_create_revision: revision - 1, ..edge(prefix, SortOrder::Descend) };
    range(session, request).await
}

/// The key that was created first.
pub(crate) async fn first(session: &Session, prefix: &Bytes) -> Result<RangeResponse, Failure> {
    range(session, edge(prefix, SortOrder::Ascend)).await
}

fn edge(prefix: &Bytes, order: SortOrder) -> RangeRequest {
    RangeRequest {
        key: prefix.clone(),
        range_end: prefix_end(prefix),
        sort_target: SortTarget::Create.into(),
        sort_order: order.into(),
        limit: 1,
        ..Default::default()
    }
}

/// The key of a claim, as it is now.
pub(crate) async fn read(session: &Session, key: &Bytes) -> Result<RangeResponse, Failure> {
    range(session, RangeRequest { key: key.clone(), ..Default::default() }).await
}

async fn range(session: &Session, request: RangeRequest) -> Result<RangeResponse, Failure> {
    let send = |channel| {
        let request = request.clone();
        async move { kv_client(channel).range(request).await }
    };
    session.call(Kind::Read, send).await
}

/// Waits until a key that was there at this revision is deleted.
async fn wait_deleted(session: &Session, key: &Bytes, revision: i64) -> Result<(), Failure> {
    let request =
        WatchCreateRequest { key: key.clone(), start_revision: revision + 1, ..Default::default() };
    let mut watching = Watching::start(session, request).await?;
    loop {
        let response = watching.next().await?;
        let is_deleted = response.events.iter().any(|event| event.r#type() == EventType::Delete);
        // What was compacted away must be read again.
        if is_deleted || response.canceled {
            return Ok(());
        }
    }
}
