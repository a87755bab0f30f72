//! Locks and elections: requests that may wait for others.
//!
//! A Lock or Campaign that would wait is sent all the same. Once its own key is there, those before
//! it are unlocked, the oldest first, so that it ends, and what it is told can be compared.

use std::time::Duration;

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb::{RangeRequest, range_request};
use quorate_etcdapi::mvccpb::KeyValue;
use quorate_etcdapi::v3electionpb as election;
use quorate_etcdapi::v3lockpb as lock;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tonic::{Response, Status};

use crate::answer::Answer;
use crate::session::{Failure, Session};

/// How long a key may take to be there.
const KEY_LIMIT: Duration = Duration::from_secs(10);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

impl Session {
    pub(crate) async fn lock(&mut self, request: lock::LockRequest) -> Result<Answer, Failure> {
        let mut client = self.clients().lock.clone();
        let (name, lease) = (request.name.clone(), request.lease);
        let waiting = tokio::spawn(async move { client.lock(request).await });
        let answer = self.wait_in_line(waiting, &name, lease).await?;
        Ok(self.told(&answer, |answer| answer.header))
    }

    pub(crate) async fn unlock(&mut self, request: lock::UnlockRequest) -> Answer {
        let answer = self.clients().lock.unlock(request).await;
        self.told(&answer, |answer| answer.header)
    }

    pub(crate) async fn campaign(
        &mut self,
        request: election::CampaignRequest,
    ) -> Result<Answer, Failure> {
        let mut client = self.clients().election.clone();
        let (name, lease) = (request.name.clone(), request.lease);
        let waiting = tokio::spawn(async move { client.campaign(request).await });
        let answer = self.wait_in_line(waiting, &name, lease).await?;
        if let Ok(elected) = &answer
            && let Some(leader) = &elected.get_ref().leader
        {
            self.elected.insert(name, leader.clone());
        }
        Ok(self.told(&answer, |answer| answer.header))
    }

    pub(crate) async fn proclaim(&mut self, mut request: election::ProclaimRequest) -> Answer {
        self.name_leader(&mut request.leader);
        let answer = self.clients().election.proclaim(request).await;
        self.told(&answer, |answer| answer.header)
    }

    pub(crate) async fn leader(&mut self, request: election::LeaderRequest) -> Answer {
        let answer = self.clients().election.leader(request).await;
        self.told(&answer, |answer| answer.header)
    }

    pub(crate) async fn resign(&mut self, mut request: election::ResignRequest) -> Answer {
        self.name_leader(&mut request.leader);
        let answer = self.clients().election.resign(request).await;
        self.told(&answer, |answer| answer.header)
    }

    /// A leader without a key stands for the last that was elected under its name.
    fn name_leader(&self, leader: &mut Option<election::LeaderKey>) {
        let Some(leader) = leader else { return };
        leader.rev = self.place.revision(leader.rev);
        if leader.key.is_empty()
            && let Some(elected) = self.elected.get(&leader.name)
        {
            *leader = elected.clone();
        }
    }

    /// The answer to who stands in a line, after those before it were made to leave.
    async fn wait_in_line<T: Send + 'static>(
        &mut self,
        waiting: JoinHandle<Result<Response<T>, Status>>,
        name: &Bytes,
        lease: i64,
    ) -> Result<Result<Response<T>, Status>, Failure> {
        let own = [name, format!("/{lease:x}").as_bytes()].concat();
        let begun = Instant::now();
        while !waiting.is_finished() && begun.elapsed() < KEY_LIMIT {
            let line = self.line(name).await?;
            let place = line.iter().position(|kv| kv.key == own);
            for kv in line.into_iter().take(place.unwrap_or(0)) {
                self.clients().lock.unlock(lock::UnlockRequest { key: kv.key }).await?;
            }
            sleep(LOOK).await;
        }
        match waiting.await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(Status::internal("a waiting request panicked").into()),
        }
    }

    /// The keys of a line, the oldest first.
    async fn line(&mut self, name: &Bytes) -> Result<Vec<KeyValue>, Failure> {
        let range = RangeRequest {
            key: [name, &b"/"[..]].concat().into(),
            // The byte after the slash.
            range_end: [name, &b"0"[..]].concat().into(),
            sort_order: range_request::SortOrder::Ascend.into(),
            sort_target: range_request::SortTarget::Create.into(),
            ..Default::default()
        };
        Ok(self.clients().kv.range(range).await?.into_inner().kvs)
    }
}
