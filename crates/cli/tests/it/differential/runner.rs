//! Sends a case's requests to a cluster, each to the next member, and collects the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::v3electionpb::election_client::ElectionClient;
use quorate_etcdapi::v3lockpb::lock_client::LockClient;
use tonic::transport::Channel;
use tonic::{Response, Status};

use pb::cluster_client::ClusterClient;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;

use super::answer::{ERROR, Field, Fields, Flatten, Value};
use super::cases::Case;
use super::leasing;
use super::normalise::normalise;
use super::script::{Request, Script, delete_range, get};
use crate::support::{Cluster, Options, Program};

/// How long one request may take.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// The normalised answers of one case, by step; steps count from 1.
pub(crate) type Answers = BTreeMap<usize, BTreeMap<String, String>>;

/// The clients of one member. Clones share its connection.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) kv: KvClient<Channel>,
    maintenance: MaintenanceClient<Channel>,
    cluster: ClusterClient<Channel>,
    pub(super) lease: LeaseClient<Channel>,
    pub(super) lock: LockClient<Channel>,
    pub(super) election: ElectionClient<Channel>,
}

/// Runs cases on a cluster, one after the other.
pub(crate) struct Runner {
    program: Program,
    cluster: Cluster,
    members: Vec<Member>,
    next: usize,
}

impl Runner {
    /// A runner on a cluster that serves and has had no change yet.
    pub(crate) async fn start(program: Program, members: usize) -> Self {
        let cluster = Cluster::ready(Options::new(program, members)).await;
        let members = (0..cluster.size()).map(|member| {
            let channel = cluster.connect(member, REQUEST_LIMIT);
            Member {
                kv: KvClient::new(channel.clone()).max_decoding_message_size(usize::MAX),
                maintenance: MaintenanceClient::new(channel.clone()),
                cluster: ClusterClient::new(channel.clone()),
                lease: LeaseClient::new(channel.clone()),
                lock: LockClient::new(channel.clone()),
                election: ElectionClient::new(channel),
            }
        });
        Self { program, members: members.collect(), cluster, next: 0 }
    }

    /// The answers to a case, on an empty store.
    pub(crate) async fn run(&mut self, case: &Case) -> Answers {
        let base = self.empty().await;
        let mut script = Script::new(base);
        (case.script)(&mut script);
        let mut answers = Answers::new();
        for (place, request) in script.into_requests().into_iter().enumerate() {
            let fields = self.ask(request).await;
            answers.insert(place + 1, normalise(&fields, base));
        }
        answers
    }

    /// Fails if a member of Quorate panicked, and ends all processes.
    pub(crate) fn finish(self) {
        if self.program.is_quorate() {
            self.cluster.assert_no_panic();
        }
    }

    /// Deletes every key and lease, and says at which revision the store is then.
    async fn empty(&mut self) -> i64 {
        let Member { kv, lease, .. } = &mut self.members[0];
        let leases = lease.lease_leases(pb::LeaseLeasesRequest {}).await;
        for pb::LeaseStatus { id } in leases.expect("leases are told").into_inner().leases {
            // One that has expired meanwhile needs no revocation.
            let _ = lease.lease_revoke(pb::LeaseRevokeRequest { id }).await;
        }
        let deleted = kv.delete_range(delete_range("\0", "\0")).await;
        let deleted = deleted.expect("every key can be deleted").into_inner();
        deleted.header.expect("an answer has a header").revision
    }

    async fn ask(&mut self, request: Request) -> Vec<Field> {
        let member = self.choose(&request).await;
        if request.is_local() {
            // So that the member has applied what this case did through others.
            let read = self.members[member].kv.range(get("nothing")).await;
            read.expect("a linearizable read succeeds");
        }
        let fields = self.send(member, request).await;
        if fields.iter().any(is_broken_off) {
            return self.revive(member, fields).await;
        }
        fields
    }

    async fn send(&mut self, member: usize, request: Request) -> Vec<Field> {
        let Member { kv, maintenance, cluster, .. } = &mut self.members[member];
        match request {
            Request::Range(range) => fields(kv.range(range).await),
            Request::RangeStream(range) => fields(first_of(kv.range_stream(range).await).await),
            Request::Put(put) => fields(kv.put(put).await),
            Request::Delete(delete) => fields(kv.delete_range(delete).await),
            Request::Txn(txn) => fields(kv.txn(txn).await),
            Request::Compact(compact) => fields(kv.compact(compact).await),
            Request::Status => fields(maintenance.status(pb::StatusRequest {}).await),
            Request::Alarms => fields(maintenance.alarm(pb::AlarmRequest::default()).await),
            Request::HashKv(hash) => fields(maintenance.hash_kv(hash).await),
            Request::Defragment => fields(maintenance.defragment(pb::DefragmentRequest {}).await),
            Request::MoveLeader(target_id) => {
                fields(maintenance.move_leader(pb::MoveLeaderRequest { target_id }).await)
            }
            Request::MemberList(list) => fields(cluster.member_list(list).await),
            Request::Restart => {
                self.restart().await;
                Vec::new()
            }
            request => {
                let other = self.members[(member + 1) % self.members.len()].clone();
                leasing::send(self.members[member].clone(), other, request).await
            }
        }
    }

    /// The next member in turn; the leader for what only the leader does.
    async fn choose(&mut self, request: &Request) -> usize {
        if matches!(request, Request::MoveLeader(_)) {
            return self.cluster.wait_leader().await;
        }
        self.next = (self.next + 1) % self.members.len();
        self.next
    }

    /// A member that a request has ended starts again, and that is what is told of it.
    async fn revive(&mut self, member: usize, fields: Vec<Field>) -> Vec<Field> {
        let ended = self.cluster.wait_exit(member);
        if tokio::time::timeout(REQUEST_LIMIT, ended).await.is_err() {
            return fields;
        }
        self.cluster.restart(member);
        self.cluster.wait_serving(member).await;
        let value = Value::Text("the process ends".to_owned());
        vec![Field { path: ERROR.to_owned(), value }]
    }

    async fn restart(&mut self) {
        for member in 0..self.cluster.size() {
            self.cluster.terminate(member);
        }
        self.cluster.start_all();
        self.cluster.wait_ready().await;
    }
}

/// What errors of etcd begin with.
const WORDS_OF_ETCD: [&str; 4] = ["etcdserver: ", "mutex: ", "election: ", "\"leader\""];

/// Whether the connection broke before there was an answer.
fn is_broken_off(field: &Field) -> bool {
    let Value::Text(text) = &field.value else { return false };
    let error = text.strip_prefix("Unavailable: ").or_else(|| text.strip_prefix("Unknown: "));
    field.path == ERROR
        && error.is_some_and(|error| !WORDS_OF_ETCD.iter().any(|words| error.starts_with(words)))
}

pub(super) fn fields<T: Flatten>(answer: Result<Response<T>, Status>) -> Vec<Field> {
    Fields::of(&answer.map(Response::into_inner))
}

/// The first chunk of a streamed answer.
async fn first_of(
    answer: Result<Response<tonic::Streaming<pb::RangeStreamResponse>>, Status>,
) -> Result<Response<pb::RangeResponse>, Status> {
    let first = answer?.into_inner().message().await?;
    Ok(Response::new(first.and_then(|chunk| chunk.range_response).unwrap_or_default()))
}
