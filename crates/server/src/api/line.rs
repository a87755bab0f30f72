//! Standing in line: what locks and elections have in common.
//!
//! A line is a prefix. Who stands in it has one key below the prefix, named after a lease and
//! attached to it, so that it leaves the line when the lease ends. The oldest key is first. Each
//! waits for the one before it alone, so a departure wakes one waiter, not all.
//!
//! Waiting survives what etcd's does not: a change of leader is waited out, after a compaction the
//! line is read anew, and a key that is gone ends the wait at once.
//!
//! A call that ends early, for whatever reason, takes its key out of the line, but only while an
//! older key is there too. A key that has become the first may be what another call under the same
//! lease, made by a client that lost its connection, was told that it holds; taking that away
//! would let in the next. It stays until that client unlocks, or its lease ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use quorate_etcdapi::ApiError;
use quorate_kv as kv;
use quorate_kv::{LeaseId, RequestOp, ResponseOp};
use quorate_replica::{ReadRequest, ReadResponse};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::own_watch::{News, OwnWatch};
use crate::client::{Client, Freshness};
use crate::server::told_to_stop;

/// Most calls that stand in line at one member, leaving included.
const WAITERS_MAX: usize = 16_384;

/// Seconds of a lease that the server grants to who brings none, as in etcd.
pub(super) const OWN_LEASE_SECONDS: i64 = 60;

/// How long the line may be unreadable, as when there is no leader, before a wait is given up.
const READ_PATIENCE: Duration = Duration::from_secs(15);

/// Between two attempts at what failed for a reason that passes.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Attempts to take a key out of the line. After these its lease is left to do it.
const LEAVE_ATTEMPTS: u32 = 5;

/// All lines, as one member serves them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lines {
    client: Client,
    waiters: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// One's place in a line. Dropping it means to leave, unless it is kept.
pub(super) struct Place {
    spot: Spot,
    /// What the key is attached to.
    pub(super) lease: LeaseId,
    /// The revision at which the line was entered, or found to be.
    pub(super) revision: i64,
    /// What the key held if it was there already.
    pub(super) found: Option<Bytes>,
    /// An older key, none if one is first.
    before: Option<Older>,
    origin: Origin,
    leaves: Leaves,
    runtime: Handle,
    permit: Option<OwnedSemaphorePermit>,
}

/// A key in a line.
#[derive(Clone)]
struct Spot {
    lines: Lines,
    prefix: Bytes,
    key: Bytes,
    /// The revision that made the key.
    created: i64,
}

/// A key before one's own.
#[derive(Clone, Debug)]
struct Older {
    key: Bytes,
    created: i64,
}

/// Whose a lease is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Client,
    Server,
}

/// What becomes of a place whose call ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Yes,
    No,
}

/// What one sees in line.
enum Sight {
    /// Nobody is before.
    First { revision: i64 },
    /// This key is next before.
    Behind { older: Older, revision: i64 },
    /// One's own key is not there any more.
    Lost,
}

impl Lines {
    /// The lines of this node.
    pub(crate) fn new(client: Client, stopped: watch::Receiver<bool>) -> Self {
        Self { client, waiters: Arc::new(Semaphore::new(WAITERS_MAX)), stopped }
    }

    /// The node.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Enters the line of this name, under a lease or one that is granted for this, with a value.
    /// Whoever stands there already under this lease keeps place and value.
    pub(super) async fn enter(
        &self,
        name: &[u8],
        lease: LeaseId,
        value: Bytes,
    ) -> Result<Place, ApiError> {
        let permit = self.admit()?;
        let (lines, prefix) = (self.clone(), prefix_of(name));
        // A task of its own: if the call ends meanwhile, the place that is taken is dropped.
        let entering =
            tokio::spawn(async move { lines.enter_by(prefix, lease, value, permit).await });
        entering.await.map_err(|_| ApiError::Stopped)?
    }

    async fn enter_by(
        self,
        prefix: Bytes,
        lease: LeaseId,
        value: Bytes,
        permit: OwnedSemaphorePermit,
    ) -> Result<Place, ApiError> {
        let (lease, origin) = if lease == LeaseId::NONE {
            let granted = self.client.grant(LeaseId::NONE, OWN_LEASE_SECONDS).await?;
            (granted.id, Origin::Server)
        } else {
            (lease, Origin::Client)
        };
        let key = key_of(&prefix, lease);
        let entered = self.client.transact(entry(&prefix, &key, lease, value)).await;
        if entered.is_err() && origin == Origin::Server {
            // It would end by itself; there is nothing to do about a failure.
            let _ = self.client.revoke(lease).await;
        }
        let entered = entered?;
        let (revision, was_there) = (entered.revision, !entered.succeeded);
        let [own, first] = firsts(entered);
        let own = own.filter(|_| was_there);
        let created = own.as_ref().map_or(revision, |own| own.create_revision);
        let before = first.filter(|first| first.create_revision < created).map(Older::of);
        Ok(Place {
            spot: Spot { lines: self, prefix, key, created },
            lease,
            revision,
            found: own.map(|own| own.value),
            before,
            origin,
            leaves: Leaves::Yes,
            runtime: Handle::current(),
            permit: Some(permit),
        })
    }

    /// Room for one more call that waits, or a definite refusal.
    pub(super) fn admit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.waiters.clone().try_acquire_owned().map_err(|_| ApiError::TooManyRequests)
    }

    /// Reads until it succeeds, or fails for a reason that does not pass.
    pub(super) async fn read_patiently(
        &self,
        request: &ReadRequest,
    ) -> Result<ReadResponse, ApiError> {
        let since = Instant::now();
        loop {
            match self.client.read(request.clone(), Freshness::Linearizable).await {
                Err(error) if error.passes() && since.elapsed() < READ_PATIENCE => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Waits until the server stops.
    pub(super) async fn stopped(&self) {
        told_to_stop(&mut self.stopped.clone()).await;
    }
}

impl Older {
    fn of(kv: kv::KeyValue) -> Self {
        Self { key: kv.key, created: kv.create_revision }
    }
}

impl Place {
    /// One's key.
    pub(super) fn key(&self) -> &Bytes {
        &self.spot.key
    }

    /// The revision that made the key: no two places have the same.
    pub(super) fn created(&self) -> i64 {
        self.spot.created
    }

    /// Waits until one is first, and tells the revision at which that was seen. That one's own key
    /// is gone is told as the end of a lock's session.
    pub(super) async fn wait(&mut self) -> Result<i64, ApiError> {
        if self.before.is_none() {
            return Ok(self.revision);
        }
        let lines = self.spot.lines.clone();
        tokio::select! {
            first = self.come_first() => first,
            () = lines.stopped() => Err(ApiError::Stopped),
        }
    }

    /// Stays in line beyond this call, by this key.
    pub(super) fn keep(mut self) -> Bytes {
        self.leaves = Leaves::No;
        self.spot.key.clone()
    }

    async fn come_first(&mut self) -> Result<i64, ApiError> {
        loop {
            match self.spot.look().await? {
                Sight::First { revision } => return Ok(revision),
                Sight::Lost => return Err(ApiError::LockSessionExpired),
                Sight::Behind { older, revision } => {
                    self.before = Some(older.clone());
                    self.spot.wait_for(older.key, revision).await?;
                }
            }
        }
    }
}

impl Spot {
    /// One read for both: whether one still stands in line, and who is next before.
    async fn look(&self) -> Result<Sight, ApiError> {
        let own = get(&self.key);
        let before = kv::RangeRequest {
            sort_order: kv::SortOrder::Descend,
            max_create_revision: self.created - 1,
            ..first_created(&self.prefix)
        };
        let success = vec![RequestOp::Range(own), RequestOp::Range(before)];
        let txn = kv::TxnRequest { success, ..kv::TxnRequest::default() };
        let response = match self.lines.read_patiently(&ReadRequest::Txn(txn)).await? {
            ReadResponse::Txn(response) => response,
            other => unreachable!("to a transaction: {other:?}"),
        };
        let revision = response.revision;
        let [own, before] = firsts(response);
        if own.is_none_or(|own| own.create_revision != self.created) {
            return Ok(Sight::Lost);
        }
        Ok(match before.map(Older::of) {
            None => Sight::First { revision },
            Some(older) => Sight::Behind { older, revision },
        })
    }

    /// Waits until that key or one's own is deleted after this revision. History that is gone is
    /// a reason to look again.
    async fn wait_for(&self, key: Bytes, revision: i64) -> Result<(), ApiError> {
        let watches = [key, self.key.clone()].map(|key| kv::WatchRequest {
            key,
            start_revision: revision + 1,
            filter: kv::WatchFilter::Deletions,
            ..kv::WatchRequest::default()
        });
        let mut watch = OwnWatch::begin(&self.lines.client, watches)?;
        match watch.next().await? {
            News::Changes(_) | News::Compacted => Ok(()),
        }
    }

    /// Takes the key out of the line while the older one is there, and says whether it was.
    async fn leave_behind(&self, older: Older) -> Result<bool, ApiError> {
        let mut removal = removal(self.key.clone(), self.created);
        removal.compares.push(is_created(older.key, older.created));
        Ok(self.lines.client.transact(removal).await?.succeeded)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.leaves == Leaves::No {
            return;
        }
        let leaving = Leaving {
            spot: self.spot.clone(),
            before: self.before.take(),
            granted: (self.origin == Origin::Server).then_some(self.lease),
            _permit: self.permit.take(),
        };
        self.runtime.spawn(leaving.run());
    }
}

/// Takes a key out of the line, or leaves that to its lease.
struct Leaving {
    spot: Spot,
    before: Option<Older>,
    /// The lease that was granted for this place: nobody else knows it.
    granted: Option<LeaseId>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Leaving {
    async fn run(mut self) {
        for _ in 0..LEAVE_ATTEMPTS {
            match self.leave().await {
                Err(error) if error.passes() => tokio::time::sleep(RETRY_PAUSE).await,
                _ => return,
            }
        }
    }

    async fn leave(&mut self) -> Result<(), ApiError> {
        if let Some(lease) = self.granted {
            return self.spot.lines.client.revoke(lease).await.map(drop);
        }
        while let Some(older) = self.before.clone() {
            if self.spot.leave_behind(older).await? {
                return Ok(());
            }
            self.before = match self.spot.look().await? {
                Sight::Behind { older, .. } => Some(older),
                Sight::First { .. } | Sight::Lost => None,
            };
        }
        Ok(())
    }
}

/// A line's keys begin with its name and a slash.
pub(super) fn prefix_of(name: &[u8]) -> Bytes {
    let mut prefix = BytesMut::with_capacity(name.len() + 1);
    prefix.put_slice(name);
    prefix.put_u8(b'/');
    prefix.freeze()
}

/// The key of a lease in a line: the number in hexadecimal, with a sign if it is negative.
fn key_of(prefix: &[u8], lease: LeaseId) -> Bytes {
    let sign = if lease.0 < 0 { "-" } else { "" };
    let mut key = BytesMut::from(prefix);
    key.put_slice(format!("{sign}{:x}", lease.0.unsigned_abs()).as_bytes());
    key.freeze()
}

/// The oldest key of a line.
pub(super) fn first_created(prefix: &Bytes) -> kv::RangeRequest {
    kv::RangeRequest {
        key: prefix.clone(),
        range_end: end_of(prefix),
        limit: 1,
        sort_order: kv::SortOrder::Ascend,
        sort_target: kv::SortTarget::Create,
        ..kv::RangeRequest::default()
    }
}

/// Where a line ends: it begins with a slash behind its name, and so ends before the next byte.
pub(super) fn end_of(prefix: &[u8]) -> Bytes {
    let mut end = BytesMut::from(prefix);
    let last = end.last_mut().expect("a prefix has its slash");
    *last += 1;
    end.freeze()
}

/// The condition that a key is the one that this revision made; 0 for that there is none.
pub(super) fn is_created(key: Bytes, revision: i64) -> kv::Compare {
    kv::Compare {
        key,
        range_end: Bytes::new(),
        result: kv::CompareResult::Equal,
        target: kv::CompareTarget::Create(revision),
    }
}

/// Deletes a key if it still is the one that this revision made.
pub(super) fn removal(key: Bytes, created: i64) -> kv::TxnRequest {
    let delete = kv::DeleteRangeRequest { key: key.clone(), ..kv::DeleteRangeRequest::default() };
    kv::TxnRequest {
        compares: vec![is_created(key, created)],
        success: vec![RequestOp::DeleteRange(delete)],
        failure: Vec::new(),
    }
}

/// Makes the key if it is not there; reads it if it is; reads who is first either way.
fn entry(prefix: &Bytes, key: &Bytes, lease: LeaseId, value: Bytes) -> kv::TxnRequest {
    let put = kv::PutRequest { key: key.clone(), value, lease, ..kv::PutRequest::default() };
    let first = RequestOp::Range(first_created(prefix));
    kv::TxnRequest {
        compares: vec![is_created(key.clone(), 0)],
        success: vec![RequestOp::Put(put), first.clone()],
        failure: vec![RequestOp::Range(get(key)), first],
    }
}

fn get(key: &Bytes) -> kv::RangeRequest {
    kv::RangeRequest { key: key.clone(), ..kv::RangeRequest::default() }
}

/// The first key that each of two operations has read.
fn firsts(response: kv::TxnResponse) -> [Option<kv::KeyValue>; 2] {
    let mut firsts = response.responses.into_iter().map(|response| match response {
        ResponseOp::Range(range) => range.kvs.into_iter().next(),
        _ => None,
    });
    [firsts.next().flatten(), firsts.next().flatten()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_etcd_names_them() {
        let cases: [(&[u8], i64, &[u8]); 4] = [
            (b"name", 0x7587_f3ac, b"name/7587f3ac"),
            (b"", 1, b"/1"),
            (b"\xff\0", -255, b"\xff\0/-ff"),
            (b"a/b", i64::MIN, b"a/b/-8000000000000000"),
        ];
        for (name, lease, key) in cases {
            assert_eq!(key_of(&prefix_of(name), LeaseId(lease)), key);
        }
    }

    #[test]
    fn a_line_ends_before_the_names_that_follow_it() {
        let prefix = prefix_of(b"name");
        let end = end_of(&prefix);
        assert!(prefix < key_of(&prefix, LeaseId(-1)) && key_of(&prefix, LeaseId(-1)) < end);
        assert!(end <= prefix_of(b"name0") && prefix_of(b"name-") < prefix);
    }
}
