//! Every method that is served or known, by which requests are counted.

/// Whether requests and answers are single messages or streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of each.
    Unary,
    /// A stream of answers.
    ServerStream,
    /// Streams both ways.
    BidiStream,
}

impl Kind {
    /// What the label `grpc_type` says.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::BidiStream => "bidi_stream",
        }
    }
}

/// One method of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    /// The service, with its package.
    pub(super) service: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// Single messages or streams.
    pub(super) kind: Kind,
}

const fn method(service: &'static str, name: &'static str, kind: Kind) -> Method {
    Method { service, name, kind }
}

const KV: &str = "etcdserverpb.KV";
const WATCH: &str = "etcdserverpb.Watch";
const LEASE: &str = "etcdserverpb.Lease";
const CLUSTER: &str = "etcdserverpb.Cluster";
const MAINTENANCE: &str = "etcdserverpb.Maintenance";
const AUTH: &str = "etcdserverpb.Auth";
const LOCK: &str = "v3lockpb.Lock";
const ELECTION: &str = "v3electionpb.Election";
const HEALTH: &str = "grpc.health.v1.Health";

/// All of them.
pub(super) static METHODS: [Method; 51] = [
    method(KV, "Range", Kind::Unary),
    method(KV, "RangeStream", Kind::ServerStream),
    method(KV, "Put", Kind::Unary),
    method(KV, "DeleteRange", Kind::Unary),
    method(KV, "Txn", Kind::Unary),
    method(KV, "Compact", Kind::Unary),
    method(WATCH, "Watch", Kind::BidiStream),
    method(LEASE, "LeaseGrant", Kind::Unary),
    method(LEASE, "LeaseRevoke", Kind::Unary),
    method(LEASE, "LeaseKeepAlive", Kind::BidiStream),
    method(LEASE, "LeaseTimeToLive", Kind::Unary),
    method(LEASE, "LeaseLeases", Kind::Unary),
    method(CLUSTER, "MemberAdd", Kind::Unary),
    method(CLUSTER, "MemberRemove", Kind::Unary),
    method(CLUSTER, "MemberUpdate", Kind::Unary),
    method(CLUSTER, "MemberList", Kind::Unary),
    method(CLUSTER, "MemberPromote", Kind::Unary),
    method(MAINTENANCE, "Alarm", Kind::Unary),
    method(MAINTENANCE, "Status", Kind::Unary),
    method(MAINTENANCE, "Defragment", Kind::Unary),
    method(MAINTENANCE, "Hash", Kind::Unary),
    method(MAINTENANCE, "HashKV", Kind::Unary),
    method(MAINTENANCE, "Snapshot", Kind::ServerStream),
    method(MAINTENANCE, "MoveLeader", Kind::Unary),
    method(MAINTENANCE, "Downgrade", Kind::Unary),
    method(AUTH, "AuthEnable", Kind::Unary),
    method(AUTH, "AuthDisable", Kind::Unary),
    method(AUTH, "AuthStatus", Kind::Unary),
    method(AUTH, "Authenticate", Kind::Unary),
    method(AUTH, "UserAdd", Kind::Unary),
    method(AUTH, "UserGet", Kind::Unary),
    method(AUTH, "UserList", Kind::Unary),
    method(AUTH, "UserDelete", Kind::Unary),
    method(AUTH, "UserChangePassword", Kind::Unary),
    method(AUTH, "UserGrantRole", Kind::Unary),
    method(AUTH, "UserRevokeRole", Kind::Unary),
    method(AUTH, "RoleAdd", Kind::Unary),
    method(AUTH, "RoleGet", Kind::Unary),
    method(AUTH, "RoleList", Kind::Unary),
    method(AUTH, "RoleDelete", Kind::Unary),
    method(AUTH, "RoleGrantPermission", Kind::Unary),
    method(AUTH, "RoleRevokePermission", Kind::Unary),
    method(LOCK, "Lock", Kind::Unary),
    method(LOCK, "Unlock", Kind::Unary),
    method(ELECTION, "Campaign", Kind::Unary),
    method(ELECTION, "Proclaim", Kind::Unary),
    method(ELECTION, "Leader", Kind::Unary),
    method(ELECTION, "Observe", Kind::ServerStream),
    method(ELECTION, "Resign", Kind::Unary),
    method(HEALTH, "Check", Kind::Unary),
    method(HEALTH, "Watch", Kind::ServerStream),
];
