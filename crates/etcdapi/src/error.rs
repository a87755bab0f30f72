//! Every error that a client can be told, with etcd's gRPC code and exact text.
//!
//! Clients match the text, and decide by the code whether a retry is safe: a definite refusal is
//! never `Unavailable`, and an outcome that is not known is nothing else. The table follows etcd
//! 3.6 (`api/v3rpc/rpctypes`), including the rows that reach the wire as `Unknown` because etcd's
//! own mapping misses them; clients match those too.

use std::fmt;

use quorate_kv as kv;

/// The gRPC status codes that an answer can carry, by their numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Code {
    /// The client gave up.
    Canceled = 1,
    /// etcd has no code for it; clients match the text.
    Unknown = 2,
    /// The request can never succeed as it is.
    InvalidArgument = 3,
    /// The client's deadline passed; the outcome is not known.
    DeadlineExceeded = 4,
    /// The thing that was named does not exist.
    NotFound = 5,
    /// The user may not do this.
    PermissionDenied = 7,
    /// A limit is reached.
    ResourceExhausted = 8,
    /// The state of the cluster forbids it now.
    FailedPrecondition = 9,
    /// The revision or value lies outside what is possible.
    OutOfRange = 11,
    /// The method is not offered.
    Unimplemented = 12,
    /// The member cannot answer now. A read may be retried; a write may have happened.
    Unavailable = 14,
    /// Data is damaged.
    DataLoss = 15,
    /// The token is not valid.
    Unauthenticated = 16,
}

/// An error as etcd's clients know it. One variant, one row of the table below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiError {
    /// A request names no key.
    EmptyKey,
    /// A put that keeps value or lease names no key that exists; also a txn operation without
    /// content.
    KeyNotFound,
    /// A put gives a value and asks to ignore it.
    ValueProvided,
    /// A put gives a lease and asks to ignore it.
    LeaseProvided,
    /// A txn exceeds `max-txn-ops` in one of its lists.
    TooManyOperations,
    /// A txn branch changes a key twice.
    DuplicateKey,
    /// The `client-api-version` metadata is not UTF-8.
    InvalidClientApiVersion,
    /// A range names an unknown sort order or target.
    InvalidSortOption,
    /// A member is given URLs that do not parse.
    BadMemberUrls,
    /// A request exceeds `max-request-bytes`.
    RequestTooLarge,
    /// No user is named, or no token is sent while auth is on.
    UserNameEmpty,
    /// No role is named.
    RoleNameEmpty,
    /// User or password is wrong; which one is not told.
    AuthenticationFailed,
    /// A grant names no permission.
    PermissionNotGiven,
    /// A change would leave auth on without its root.
    InvalidAuthManagement,
    /// Users or roles changed since the token was issued; authenticate again.
    AuthOldRevision,
    /// A downgrade target is no version.
    WrongDowngradeVersionFormat,
    /// A downgrade target is not one minor version below.
    InvalidDowngradeTarget,
    /// History at that revision is gone.
    Compacted,
    /// That revision does not exist yet.
    FutureRevision,
    /// A TTL exceeds 9,000,000,000 seconds.
    LeaseTtlTooLarge,
    /// The quota is used up; reads, deletes and compaction still work.
    NoSpace,
    /// No such lease.
    LeaseNotFound,
    /// No such member.
    MemberNotFound,
    /// That lease id is taken.
    LeaseExists,
    /// That member id is taken.
    MemberExists,
    /// Another member has that peer URL.
    PeerUrlExists,
    /// The member votes already.
    MemberNotLearner,
    /// The learner lags too far behind to vote.
    LearnerNotReady,
    /// `max-learners` is reached.
    TooManyLearners,
    /// The peer belongs to another cluster.
    ClusterIdMismatch,
    /// Auth cannot be enabled without a root user.
    RootUserNotExist,
    /// Auth cannot be enabled while root lacks its role.
    RootRoleNotExist,
    /// That user exists.
    UserAlreadyExists,
    /// No such user.
    UserNotFound,
    /// That role exists.
    RoleAlreadyExists,
    /// No such role.
    RoleNotFound,
    /// The user lacks the role to be revoked.
    RoleNotGranted,
    /// The role lacks the permission to be revoked.
    PermissionNotGranted,
    /// Auth is off.
    AuthNotEnabled,
    /// The request must be sent to the leader.
    NotLeader,
    /// The cluster's version lacks the feature. (Unavailable up to etcd 3.5.)
    NotCapable,
    /// A learner does not serve this. (Unavailable up to etcd 3.5.)
    NotSupportedForLearner,
    /// The target cannot lead.
    BadLeaderTransferee,
    /// The cluster has no version yet. (Unavailable up to etcd 3.5.)
    ClusterVersionUnavailable,
    /// One downgrade at a time.
    DowngradeInProcess,
    /// There is no downgrade to cancel.
    NoInflightDowngrade,
    /// The user may not do this.
    PermissionDenied,
    /// The token is unknown or expired; authenticate again.
    InvalidAuthToken,
    /// No leader is known.
    NoLeader,
    /// A read could not be confirmed because leadership moved; retry it.
    LeaderChanged,
    /// This member is stopping.
    Stopped,
    /// The outcome is not known.
    Timeout,
    /// The outcome is not known.
    TimeoutDueToLeaderFailure,
    /// The outcome is not known.
    TimeoutDueToConnectionLost,
    /// This member lags too far behind to answer a read.
    TimeoutWaitingForApply,
    /// Too few members are connected for a change of membership.
    Unhealthy,
    /// Members disagree on the data.
    Corrupt,
    /// The watch stream was given up.
    WatchCanceled,
    /// The client gave the request up.
    RequestCanceled,
    /// The client's deadline passed.
    DeadlineExceeded,
    /// Too much is waiting already; nothing was done.
    TooManyRequests,
    /// The change would lose quorum.
    NotEnoughStartedMembers,
    /// Leadership did not move in time.
    LeaderTransferTimeout,
    /// This member does not lead the leases.
    NotPrimaryLessor,
    /// The lease of a waiting lock ended.
    LockSessionExpired,
    /// The caller no longer leads the election.
    ElectionNotLeader,
    /// Nobody leads the election.
    ElectionNoLeader,
    /// A request names no leader key.
    ElectionLeaderMissing,
}

/// One error, its code and its text.
type Row = (ApiError, Code, &'static str);

/// The code and text of every error, in the order of the variants.
const TABLE: &[Row] = &[
    (ApiError::EmptyKey, Code::InvalidArgument, "etcdserver: key is not provided"),
    (ApiError::KeyNotFound, Code::InvalidArgument, "etcdserver: key not found"),
    (ApiError::ValueProvided, Code::InvalidArgument, "etcdserver: value is provided"),
    (ApiError::LeaseProvided, Code::InvalidArgument, "etcdserver: lease is provided"),
    (
        ApiError::TooManyOperations,
        Code::InvalidArgument,
        "etcdserver: too many operations in txn request",
    ),
    (
        ApiError::DuplicateKey,
        Code::InvalidArgument,
        "etcdserver: duplicate key given in txn request",
    ),
    (
        ApiError::InvalidClientApiVersion,
        Code::InvalidArgument,
        "etcdserver: invalid client api version",
    ),
    (ApiError::InvalidSortOption, Code::InvalidArgument, "etcdserver: invalid sort option"),
    (ApiError::BadMemberUrls, Code::InvalidArgument, "etcdserver: given member URLs are invalid"),
    (ApiError::RequestTooLarge, Code::InvalidArgument, "etcdserver: request is too large"),
    (ApiError::UserNameEmpty, Code::InvalidArgument, "etcdserver: user name is empty"),
    (ApiError::RoleNameEmpty, Code::InvalidArgument, "etcdserver: role name is empty"),
    (
        ApiError::AuthenticationFailed,
        Code::InvalidArgument,
        "etcdserver: authentication failed, invalid user ID or password",
    ),
    (ApiError::PermissionNotGiven, Code::InvalidArgument, "etcdserver: permission not given"),
    (ApiError::InvalidAuthManagement, Code::InvalidArgument, "etcdserver: invalid auth management"),
    (ApiError::AuthOldRevision, Code::InvalidArgument, "etcdserver: revision of auth store is old"),
    (
        ApiError::WrongDowngradeVersionFormat,
        Code::InvalidArgument,
        "etcdserver: wrong downgrade target version format",
    ),
    (
        ApiError::InvalidDowngradeTarget,
        Code::InvalidArgument,
        "etcdserver: invalid downgrade target version",
    ),
    (
        ApiError::Compacted,
        Code::OutOfRange,
        "etcdserver: mvcc: required revision has been compacted",
    ),
    (
        ApiError::FutureRevision,
        Code::OutOfRange,
        "etcdserver: mvcc: required revision is a future revision",
    ),
    (ApiError::LeaseTtlTooLarge, Code::OutOfRange, "etcdserver: too large lease TTL"),
    (ApiError::NoSpace, Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded"),
    (ApiError::LeaseNotFound, Code::NotFound, "etcdserver: requested lease not found"),
    (ApiError::MemberNotFound, Code::NotFound, "etcdserver: member not found"),
    (ApiError::LeaseExists, Code::FailedPrecondition, "etcdserver: lease already exists"),
    (ApiError::MemberExists, Code::FailedPrecondition, "etcdserver: member ID already exist"),
    (ApiError::PeerUrlExists, Code::FailedPrecondition, "etcdserver: Peer URLs already exists"),
    (
        ApiError::MemberNotLearner,
        Code::FailedPrecondition,
        "etcdserver: can only promote a learner member",
    ),
    (
        ApiError::LearnerNotReady,
        Code::FailedPrecondition,
        "etcdserver: can only promote a learner member which is in sync with leader",
    ),
    (
        ApiError::TooManyLearners,
        Code::FailedPrecondition,
        "etcdserver: too many learner members in cluster",
    ),
    (ApiError::ClusterIdMismatch, Code::FailedPrecondition, "etcdserver: cluster ID mismatch"),
    (ApiError::RootUserNotExist, Code::FailedPrecondition, "etcdserver: root user does not exist"),
    (
        ApiError::RootRoleNotExist,
        Code::FailedPrecondition,
        "etcdserver: root user does not have root role",
    ),
    (ApiError::UserAlreadyExists, Code::FailedPrecondition, "etcdserver: user name already exists"),
    (ApiError::UserNotFound, Code::FailedPrecondition, "etcdserver: user name not found"),
    (ApiError::RoleAlreadyExists, Code::FailedPrecondition, "etcdserver: role name already exists"),
    (ApiError::RoleNotFound, Code::FailedPrecondition, "etcdserver: role name not found"),
    (
        ApiError::RoleNotGranted,
        Code::FailedPrecondition,
        "etcdserver: role is not granted to the user",
    ),
    (
        ApiError::PermissionNotGranted,
        Code::FailedPrecondition,
        "etcdserver: permission is not granted to the role",
    ),
    (
        ApiError::AuthNotEnabled,
        Code::FailedPrecondition,
        "etcdserver: authentication is not enabled",
    ),
    (ApiError::NotLeader, Code::FailedPrecondition, "etcdserver: not leader"),
    (ApiError::NotCapable, Code::FailedPrecondition, "etcdserver: not capable"),
    (
        ApiError::NotSupportedForLearner,
        Code::FailedPrecondition,
        "etcdserver: rpc not supported for learner",
    ),
    (ApiError::BadLeaderTransferee, Code::FailedPrecondition, "etcdserver: bad leader transferee"),
    (
        ApiError::ClusterVersionUnavailable,
        Code::FailedPrecondition,
        "etcdserver: cluster version not found during downgrade",
    ),
    (
        ApiError::DowngradeInProcess,
        Code::FailedPrecondition,
        "etcdserver: cluster has a downgrade job in progress",
    ),
    (
        ApiError::NoInflightDowngrade,
        Code::FailedPrecondition,
        "etcdserver: no inflight downgrade job",
    ),
    (ApiError::PermissionDenied, Code::PermissionDenied, "etcdserver: permission denied"),
    (ApiError::InvalidAuthToken, Code::Unauthenticated, "etcdserver: invalid auth token"),
    (ApiError::NoLeader, Code::Unavailable, "etcdserver: no leader"),
    (ApiError::LeaderChanged, Code::Unavailable, "etcdserver: leader changed"),
    (ApiError::Stopped, Code::Unavailable, "etcdserver: server stopped"),
    (ApiError::Timeout, Code::Unavailable, "etcdserver: request timed out"),
    (
        ApiError::TimeoutDueToLeaderFailure,
        Code::Unavailable,
        "etcdserver: request timed out, possibly due to previous leader failure",
    ),
    (
        ApiError::TimeoutDueToConnectionLost,
        Code::Unavailable,
        "etcdserver: request timed out, possibly due to connection lost",
    ),
    (
        ApiError::TimeoutWaitingForApply,
        Code::Unavailable,
        "etcdserver: request timed out, waiting for the applied index took too long",
    ),
    (ApiError::Unhealthy, Code::Unavailable, "etcdserver: unhealthy cluster"),
    (ApiError::Corrupt, Code::DataLoss, "etcdserver: corrupt cluster"),
    (ApiError::WatchCanceled, Code::Canceled, "etcdserver: watch canceled"),
    (ApiError::RequestCanceled, Code::Canceled, "etcdserver: request canceled"),
    (ApiError::DeadlineExceeded, Code::DeadlineExceeded, "etcdserver: context deadline exceeded"),
    (ApiError::TooManyRequests, Code::Unknown, "etcdserver: too many requests"),
    (
        ApiError::NotEnoughStartedMembers,
        Code::Unknown,
        "etcdserver: re-configuration failed due to not enough started members",
    ),
    (
        ApiError::LeaderTransferTimeout,
        Code::Unknown,
        "etcdserver: request timed out, leader transfer took too long",
    ),
    (ApiError::NotPrimaryLessor, Code::Unknown, "not a primary lessor"),
    (ApiError::LockSessionExpired, Code::Unknown, "mutex: session is expired"),
    (ApiError::ElectionNotLeader, Code::Unknown, "election: not leader"),
    (ApiError::ElectionNoLeader, Code::Unknown, "election: no leader"),
    (ApiError::ElectionLeaderMissing, Code::Unknown, "\"leader\" field must be provided"),
];

/// Each error finds its own row.
const _: () = {
    assert!(
        TABLE.len() == ApiError::ElectionLeaderMissing as usize + 1,
        "one row for each variant"
    );
    let mut row = 0;
    while row < TABLE.len() {
        assert!(TABLE[row].0 as usize == row, "rows stand in the order of the variants");
        row += 1;
    }
};

impl ApiError {
    /// The gRPC code.
    pub const fn code(self) -> Code {
        TABLE[self as usize].1
    }

    /// The text, exactly as etcd words it.
    pub const fn text(self) -> &'static str {
        TABLE[self as usize].2
    }

    /// Whether the reason lies in the moment, so that the same request may succeed a little later.
    /// What it asks for may have happened all the same.
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::NoLeader
                | Self::LeaderChanged
                | Self::Timeout
                | Self::TimeoutDueToLeaderFailure
                | Self::TimeoutDueToConnectionLost
                | Self::TimeoutWaitingForApply
                | Self::TooManyRequests
        )
    }

    /// Every error there is.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl std::error::Error for ApiError {}

/// A request that can never succeed, refused before it was proposed.
impl From<kv::RequestError> for ApiError {
    fn from(error: kv::RequestError) -> Self {
        match error {
            kv::RequestError::EmptyKey => Self::EmptyKey,
            kv::RequestError::ValueProvided => Self::ValueProvided,
            kv::RequestError::LeaseProvided => Self::LeaseProvided,
            kv::RequestError::TooManyOperations => Self::TooManyOperations,
            kv::RequestError::DuplicateKey => Self::DuplicateKey,
            kv::RequestError::TooLarge => Self::RequestTooLarge,
            kv::RequestError::LeaseTtlTooLarge => Self::LeaseTtlTooLarge,
        }
    }
}

/// A refusal by the state machine, the same on every replica.
impl From<kv::CommandError> for ApiError {
    fn from(error: kv::CommandError) -> Self {
        match error {
            kv::CommandError::Compacted => Self::Compacted,
            kv::CommandError::FutureRevision => Self::FutureRevision,
            kv::CommandError::KeyNotFound => Self::KeyNotFound,
            kv::CommandError::LeaseNotFound => Self::LeaseNotFound,
            kv::CommandError::LeaseExists => Self::LeaseExists,
            kv::CommandError::NoSpace => Self::NoSpace,
            kv::CommandError::Corrupt => Self::Corrupt,
            kv::CommandError::AnswerTooLarge => Self::TooManyRequests,
        }
    }
}

impl From<Code> for tonic::Code {
    fn from(code: Code) -> Self {
        Self::from_i32(i32::from(code as u8))
    }
}

impl From<ApiError> for tonic::Status {
    fn from(error: ApiError) -> Self {
        Self::new(error.code().into(), error.text())
    }
}

#[cfg(test)]
mod tests;
