//! Runs sequences on one server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::v3electionpb::LeaderKey;
use tokio_stream::iter;
use tonic::transport::Channel;
use tonic::{Response, Status};

use pb::watch_request::RequestUnion;

use crate::answer::{Answer, ERROR};
use crate::clients::Clients;
use crate::delivery::{self, LeftOut};
use crate::relative::Place;
use crate::sequence::{STREAMS, Step};
use crate::stream::{Broken, SENTINEL_KEY, StartsInThePast, Stream};

/// A remaining time may be so many seconds less on one server than on the other.
const TTL_TOLERANCE: i64 = 20;

/// No sequence begins at a lower revision, so that what it names below is above 0.
const BASE_MIN: i64 = 16;

/// Why a sequence ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A request of this tool's own failed.
    Request(Status),
    /// A stream of watches is of no more use.
    Stream(Broken),
    /// The members of the cluster are at different revisions, having applied the same.
    Apart(Vec<i64>),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(status) => write!(formatter, "{:?}: {}", status.code(), status.message()),
            Self::Stream(broken) => broken.fmt(formatter),
            Self::Apart(revisions) => write!(formatter, "members are at {revisions:?}"),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Request(status)
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::Stream(broken)
    }
}

/// The clients of one cluster, and where a sequence is.
pub(crate) struct Session {
    members: Vec<Clients>,
    /// The member that is asked, which changes with each step.
    asked: usize,
    pub(crate) place: Place,
    /// The last leader that was elected under each name.
    pub(crate) elected: BTreeMap<Bytes, LeaderKey>,
    streams: [Option<Stream>; STREAMS],
    /// Where the watches of each stream start.
    starts: [BTreeMap<i64, i64>; STREAMS],
    granted: Vec<i64>,
    barriers: BTreeSet<i64>,
    /// Whether its members no longer hold the same, so that nothing can be compared any more.
    pub(crate) is_apart: bool,
    compactions: BTreeSet<i64>,
}

impl Session {
    /// A session on a cluster that nobody else uses.
    pub(crate) fn new(members: &[Channel]) -> Self {
        Self {
            members: members.iter().cloned().map(Clients::new).collect(),
            asked: 0,
            place: Place::default(),
            elected: BTreeMap::new(),
            streams: Default::default(),
            starts: Default::default(),
            granted: Vec::new(),
            barriers: BTreeSet::new(),
            is_apart: false,
            compactions: BTreeSet::new(),
        }
    }

    /// Those of the member that is asked.
    pub(crate) fn clients(&mut self) -> &mut Clients {
        &mut self.members[self.asked]
    }

    /// The answer to each step, on a store with nothing but the sentinel's key, and at last what
    /// the watches brought. There are fewer if the server failed.
    pub(crate) async fn run(&mut self, steps: &[Step]) -> Vec<Answer> {
        let mut answers = Vec::new();
        if let Err(failure) = self.run_into(steps, &mut answers).await {
            // What a watch waited for in vain may have come elsewhere.
            self.is_apart |= self.check_members().await.is_err();
            answers.push(Answer::failure(format!("the sequence ends: {failure}")));
        }
        answers
    }

    async fn run_into(&mut self, steps: &[Step], answers: &mut Vec<Answer>) -> Result<(), Failure> {
        self.begin().await?;
        for (number, step) in steps.iter().enumerate() {
            self.prepare(step).await?;
            self.ask_member(number).await?;
            answers.push(self.send(step.clone()).await?);
        }
        answers.push(self.end().await?);
        self.check_members().await
    }

    /// Members that have applied the same are at one revision. What still goes on between two
    /// looks, as a lease that ends, is no difference between members: one stays.
    async fn check_members(&mut self) -> Result<(), Failure> {
        let mut before = None;
        loop {
            let revisions = self.revisions().await?;
            if revisions.iter().all(|revision| *revision == revisions[0]) {
                return Ok(());
            }
            if before.as_ref() == Some(&revisions) {
                return Err(Failure::Apart(revisions));
            }
            before = Some(revisions);
        }
    }

    /// Where each member is, once it knows what was acknowledged by any.
    async fn revisions(&mut self) -> Result<Vec<i64>, Status> {
        let mut revisions = Vec::new();
        for member in &mut self.members {
            let read = pb::RangeRequest { key: SENTINEL_KEY.into(), ..Default::default() };
            let header = member.kv.range(read).await?.into_inner().header;
            revisions.push(header.map_or(0, |header| header.revision));
        }
        Ok(revisions)
    }

    /// Brings the store to where every sequence begins: one key, put at the revision of the last
    /// compaction.
    async fn begin(&mut self) -> Result<(), Failure> {
        self.asked = 0;
        self.streams = Default::default();
        self.starts = Default::default();
        self.place = Place::default();
        self.elected.clear();
        self.compactions.clear();
        for id in std::mem::take(&mut self.granted) {
            // It may be revoked already.
            let _ = self.clients().lease.lease_revoke(pb::LeaseRevokeRequest { id }).await;
        }
        while self.put_sentinel().await? < BASE_MIN {}
        let everything = pb::DeleteRangeRequest {
            key: "\0".into(),
            range_end: "\0".into(),
            ..Default::default()
        };
        self.clients().kv.delete_range(everything).await?;
        let revision = self.put_sentinel().await?;
        self.clients().kv.compact(pb::CompactionRequest { revision, physical: false }).await?;
        self.place =
            Place { base: revision, current: revision, compacted: revision, given: vec![] };
        Ok(())
    }

    async fn put_sentinel(&mut self) -> Result<i64, Failure> {
        let put = pb::PutRequest { key: SENTINEL_KEY.into(), ..Default::default() };
        let header = self.clients().kv.put(put).await?.into_inner().header;
        self.note(header);
        self.barriers.insert(self.place.current);
        Ok(self.place.current)
    }

    /// Goes on to the next member, and waits until it knows what the others do: what it answers by
    /// itself would else be chance.
    async fn ask_member(&mut self, number: usize) -> Result<(), Failure> {
        if self.members.len() == 1 {
            return Ok(());
        }
        self.asked = number % self.members.len();
        self.revisions().await?;
        Ok(())
    }

    /// Waits for what would otherwise come in no certain order with the step.
    async fn prepare(&mut self, step: &Step) -> Result<(), Failure> {
        if let Some(stream) = step.stream()
            && self.streams[stream].is_none()
        {
            let member = stream % self.members.len();
            self.streams[stream] = Some(Stream::open(self.members[member].channel.clone()).await?);
        }
        match step {
            Step::Compact(_) => self.settle_all().await,
            Step::Cancel(stream, _) | Step::Progress(stream, _) => self.settle(*stream).await,
            _ => Ok(()),
        }
    }

    async fn settle_all(&mut self) -> Result<(), Failure> {
        for stream in 0..STREAMS {
            self.settle(stream).await?;
        }
        Ok(())
    }

    async fn settle(&mut self, stream: usize) -> Result<(), Failure> {
        let Some(watches) = &self.streams[stream] else { return Ok(()) };
        if watches.is_catching_up() {
            let revision = self.put_sentinel().await?;
            // To a member that has not applied it the fence would start in the future.
            self.revisions().await?;
            self.stream(stream).catch_up(revision).await?;
        }
        let revision = self.put_sentinel().await?;
        Ok(self.stream(stream).settle(revision).await?)
    }

    fn stream(&mut self, stream: usize) -> &mut Stream {
        self.streams[stream].as_mut().expect("a stream is opened before it is used")
    }

    async fn send(&mut self, step: Step) -> Result<Answer, Failure> {
        Ok(match step {
            Step::Range(request) => self.range(request).await,
            Step::Put(request) => self.put(request).await,
            Step::DeleteRange(request) => self.delete_range(request).await,
            Step::Txn(request) => self.txn(request).await,
            Step::Compact(request) => self.compact(request).await,
            Step::HashKv(request) => self.hash_kv(request).await,
            Step::Grant(request) => self.grant(request).await,
            Step::Revoke(request) => self.revoke(request).await,
            Step::KeepAlive(request) => self.keep_alive(request).await,
            Step::TimeToLive(request) => self.time_to_live(request).await,
            Step::Leases(request) => self.leases(request).await,
            Step::Watch(stream, request) => self.watch(stream, request).await?,
            Step::Cancel(stream, request) => {
                self.starts[stream].remove(&request.watch_id);
                self.ask(stream, RequestUnion::CancelRequest(request)).await?
            }
            Step::Progress(stream, request) => self.progress(stream, request).await?,
            Step::Lock(request) => self.lock(request).await?,
            Step::Unlock(request) => self.unlock(request).await,
            Step::Campaign(request) => self.campaign(request).await?,
            Step::Proclaim(request) => self.proclaim(request).await,
            Step::Leader(request) => self.leader(request).await,
            Step::Resign(request) => self.resign(request).await,
        })
    }

    async fn range(&mut self, mut request: pb::RangeRequest) -> Answer {
        self.place.range(&mut request);
        let answer = self.clients().kv.range(request).await;
        self.told(&answer, |answer| answer.header)
    }

    async fn put(&mut self, mut request: pb::PutRequest) -> Answer {
        self.place.put(&mut request);
        let answer = self.clients().kv.put(request).await;
        self.told(&answer, |answer| answer.header)
    }

    async fn delete_range(&mut self, request: pb::DeleteRangeRequest) -> Answer {
        let answer = self.clients().kv.delete_range(request).await;
        self.told(&answer, |answer| answer.header)
    }

    async fn txn(&mut self, mut request: pb::TxnRequest) -> Answer {
        self.place.txn(&mut request);
        let answer = self.clients().kv.txn(request).await;
        let told = self.told(&answer, |answer| answer.header);
        match answer {
            Ok(_) => told,
            Err(_) => self.with_members(told).await,
        }
    }

    /// A refusal, and whether all members refused.
    async fn with_members(&mut self, told: Answer) -> Answer {
        let Err(failure @ Failure::Apart(_)) = self.check_members().await else { return told };
        self.is_apart = true;
        Answer::failure(format!("{}; {failure}", told.value(ERROR).unwrap_or_default()))
    }

    async fn compact(&mut self, mut request: pb::CompactionRequest) -> Answer {
        request.revision = self.place.revision(request.revision);
        let answer = self.clients().kv.compact(request).await;
        if answer.is_ok() {
            self.place.compacted = request.revision;
            self.compactions.insert(request.revision);
        }
        self.told(&answer, |answer| answer.header)
    }

    async fn hash_kv(&mut self, mut request: pb::HashKvRequest) -> Answer {
        request.revision = self.place.revision(request.revision);
        let answer = self.clients().maintenance.hash_kv(request).await;
        self.told(&answer, |answer| answer.header)
    }

    async fn grant(&mut self, request: pb::LeaseGrantRequest) -> Answer {
        let answer = self.clients().lease.lease_grant(request).await;
        if let Ok(granted) = &answer {
            let id = granted.get_ref().id;
            self.granted.push(id);
            if request.id == 0 {
                self.place.given.push(id);
            }
        }
        self.told(&answer, |answer| answer.header)
    }

    async fn revoke(&mut self, request: pb::LeaseRevokeRequest) -> Answer {
        let id = self.place.lease(request.id);
        let answer = self.clients().lease.lease_revoke(pb::LeaseRevokeRequest { id }).await;
        self.told(&answer, |answer| answer.header)
    }

    async fn keep_alive(&mut self, request: pb::LeaseKeepAliveRequest) -> Answer {
        let id = self.place.lease(request.id);
        let answer = self.first_keep_alive(pb::LeaseKeepAliveRequest { id }).await;
        self.told(&answer, |answer| answer.header)
    }

    async fn first_keep_alive(
        &mut self,
        request: pb::LeaseKeepAliveRequest,
    ) -> Result<Response<pb::LeaseKeepAliveResponse>, Status> {
        let stream = self.clients().lease.lease_keep_alive(iter([request])).await;
        let first = stream?.into_inner().message().await?;
        first.map(Response::new).ok_or_else(|| Status::unknown("the stream ends without an answer"))
    }

    /// The keys come in any order, and time passes on each server by itself.
    async fn time_to_live(&mut self, mut request: pb::LeaseTimeToLiveRequest) -> Answer {
        request.id = self.place.lease(request.id);
        let mut answer = self.clients().lease.lease_time_to_live(request).await;
        if let Ok(answer) = &mut answer {
            let answer = answer.get_mut();
            answer.keys.sort();
            if (answer.granted_ttl - TTL_TOLERANCE..=answer.granted_ttl).contains(&answer.ttl)
                && 0 <= answer.ttl
            {
                answer.ttl = answer.granted_ttl;
            }
        }
        self.told(&answer, |answer| answer.header)
    }

    /// They come by the time they have left, which is the same for many.
    async fn leases(&mut self, request: pb::LeaseLeasesRequest) -> Answer {
        let mut answer = self.clients().lease.lease_leases(request).await;
        if let Ok(answer) = &mut answer {
            answer.get_mut().leases.sort_by_key(|lease| self.place.name_of_lease(lease.id));
        }
        self.told(&answer, |answer| answer.header)
    }

    async fn watch(
        &mut self,
        stream: usize,
        mut request: pb::WatchCreateRequest,
    ) -> Result<Answer, Failure> {
        request.start_revision = self.place.revision(request.start_revision);
        let start = request.start_revision;
        let is_past = StartsInThePast(start != 0 && start <= self.place.current);
        let created = self.stream(stream).create(request, is_past).await?;
        self.note(created.header);
        if !created.canceled {
            self.starts[stream].insert(created.watch_id, start);
        }
        Ok(Answer::message(&created, &self.place))
    }

    /// Since etcd 3.6 a stream with a watch that starts in the future has no progress to tell,
    /// while etcd 3.4 tells it: a client that goes by that may miss what comes first. So it is not
    /// asked.
    async fn progress(
        &mut self,
        stream: usize,
        request: pb::WatchProgressRequest,
    ) -> Result<Answer, Failure> {
        let comes_next = self.place.current + 1;
        if self.starts[stream].values().any(|start| comes_next < *start) {
            return Ok(Answer::failure("not asked: a watch starts in the future".to_owned()));
        }
        self.ask(stream, RequestUnion::ProgressRequest(request)).await
    }

    async fn ask(&mut self, stream: usize, request: RequestUnion) -> Result<Answer, Failure> {
        let mut responses = self.stream(stream).ask(request).await?;
        responses.sort_by_key(|response| response.watch_id);
        Ok(Answer::message(&responses, &self.place))
    }

    /// What the watches brought beyond the answers so far.
    async fn end(&mut self) -> Result<Answer, Failure> {
        self.settle_all().await?;
        let mut answer = Answer::default();
        for (number, stream) in std::mem::take(&mut self.streams).into_iter().enumerate() {
            let Some(mut stream) = stream else { continue };
            let mut control = stream.take_control();
            // Each watch that begins below the compaction ends when its turn comes.
            control.sort_by_key(|response| response.watch_id);
            answer.append(&format!("stream{number}"), Answer::message(&control, &self.place));
            let delivered = stream.into_delivered();
            let left_out = LeftOut { separating: &self.barriers, compactions: &self.compactions };
            answer.0.extend(delivery::events(number, &delivered, &self.place, &left_out).0);
        }
        Ok(answer)
    }

    pub(crate) fn told<T: fmt::Debug>(
        &mut self,
        answer: &Result<Response<T>, Status>,
        header: impl Fn(&T) -> Option<pb::ResponseHeader>,
    ) -> Answer {
        if let Ok(answer) = answer {
            self.note(header(answer.get_ref()));
        }
        Answer::of(answer, &self.place)
    }

    fn note(&mut self, header: Option<pb::ResponseHeader>) {
        let told = header.map_or(0, |header| header.revision);
        self.place.current = self.place.current.max(told);
    }
}
