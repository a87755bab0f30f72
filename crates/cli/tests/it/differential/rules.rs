//! The rules of etcd's interface that cases show: every sentence about keys, revisions,
//! transactions and compaction that a client can observe.

/// A rule that a client can observe.
pub(crate) struct Rule {
    /// What cases call it.
    pub(crate) id: &'static str,
    /// What it says.
    pub(crate) says: &'static str,
}

/// A rule that cannot be shown yet.
pub(crate) struct Pending {
    /// What it says.
    pub(crate) says: &'static str,
    /// What is missing, or which test shows it instead.
    pub(crate) reason: &'static str,
}

const fn rule(id: &'static str, says: &'static str) -> Rule {
    Rule { id, says }
}

/// Every rule that at least one case shows.
pub(crate) const RULES: &[Rule] = &[
    rule("range.empty-key", "Range without a key: InvalidArgument, \"key is not provided\""),
    rule("range.single", "Range with an empty end reads one key"),
    rule("range.interval", "Range reads from the key up to the end, without it"),
    rule("range.from-key", "Range with the end `\\0` reads every key from the key on"),
    rule("range.everything", "Range from `\\0` with the end `\\0` reads every key"),
    rule("range.prefix", "a prefix is a range up to the prefix with its last byte raised"),
    rule("range.reversed", "Range whose end is not above the key: empty, not an error"),
    rule("range.bytes", "keys and values are any bytes, compared byte by byte"),
    rule("range.limit", "a limit of 0 or less is none"),
    rule("range.more", "`more` is set when the limit cut off something that passed the bounds"),
    rule("range.count", "`count` is of all keys in the range, whatever limit and bounds"),
    rule("range.revision-current", "a revision of 0 or less reads the current one"),
    rule("range.revision-past", "a past revision reads the keys as they were"),
    rule("range.revision-future", "a future revision: OutOfRange, \"... future revision\""),
    rule("range.revision-compacted", "a compacted revision: OutOfRange, \"... compacted\""),
    rule("range.revision-at-compaction", "the revision of the compaction itself is readable"),
    rule("range.header", "the header tells the current revision, not the one that was read"),
    rule("range.serializable", "a serializable Range is answered by the member alone"),
    rule("range.keys-only", "`keys_only` leaves values out"),
    rule("range.count-only", "`count_only` returns no keys, and the full count"),
    rule("range.bounds", "bounds on revisions are inclusive, and 0 is none"),
    rule(
        "range-stream",
        "RangeStream of what cannot be streamed, or on a server without it: Unimplemented",
    ),
    rule("sort.targets", "sorting by key, version, creation, change and value, both ways"),
    rule("sort.before-limit", "with an explicit order, the limit cuts what was sorted"),
    rule("sort.none", "without an order, the limit cuts in key order before another target sorts"),
    rule("sort.first-last", "first and last by key, creation and change: sort and limit 1"),
    rule("sort.unknown", "an unknown order or target: InvalidArgument, \"invalid sort option\""),
    rule("put.empty-key", "Put without a key: InvalidArgument, \"key is not provided\""),
    rule("put.answer", "Put answers with the revision it made"),
    rule("put.same-value", "Put of an equal value is a change: revision and version rise"),
    rule("put.prev-kv", "`prev_kv` returns what the key held, nothing if it was absent"),
    rule("put.lease-unknown", "Put on an unknown lease: NotFound, \"requested lease not found\""),
    rule("put.lease-zero", "Put with lease 0 has no lease"),
    rule("put.ignore-value", "`ignore_value` keeps the value; a value beside it is refused"),
    rule("put.ignore-lease", "`ignore_lease` keeps the lease; a lease beside it is refused"),
    rule("put.ignore-missing", "either flag on a missing key: InvalidArgument, \"key not found\""),
    rule("put.refusal-order", "of several faults of a Put, the same one is told"),
    rule("delete.empty-key", "DeleteRange without a key: \"key is not provided\""),
    rule("delete.ranges", "DeleteRange follows the rules of Range about key and end"),
    rule("delete.prev-kvs", "`prev_kv` returns what was deleted, in key order"),
    rule("delete.nothing", "DeleteRange of nothing succeeds, and makes no revision"),
    rule(
        "compare.targets",
        "version, creation, change, value, lease: equal, above, below, unequal",
    ),
    rule("compare.empty-list", "no comparison holds"),
    rule("compare.all", "all comparisons must hold"),
    rule("compare.no-operand", "an operand that is absent or of another target is 0 or empty"),
    rule("compare.missing-number", "a missing key compares as 0"),
    rule("compare.missing-value", "a comparison of a missing key's value never holds"),
    rule("compare.range", "a comparison over a range must hold for every key in it"),
    rule("compare.empty-range", "a comparison over an empty range is one of a missing key"),
    rule("compare.empty-key", "a comparison without a key: \"key is not provided\""),
    rule("compare.unknown", "a comparison with an unknown target or relation"),
    rule("txn.branches", "the comparisons choose the branch that runs"),
    rule("txn.operations", "Range, Put, DeleteRange and Txn, with all their options"),
    rule("txn.reads-its-writes", "later operations see earlier ones of the same transaction"),
    rule("txn.one-revision", "all changes of a transaction share one revision"),
    rule("txn.nested", "transactions within transactions choose their own branches"),
    rule("txn.nested-before-writes", "nested comparisons see the store before any write"),
    rule("txn.limit", "more than 128 operations or comparisons: \"too many operations ...\""),
    rule("txn.limit-nested", "a nested transaction has what its outer one left of the limit"),
    rule("txn.duplicates", "a key put twice, or put and deleted: \"duplicate key given ...\""),
    rule("txn.duplicates-nested", "changes in nested transactions count as duplicates"),
    rule("txn.duplicates-branches", "the two branches of one transaction may change the same key"),
    rule("txn.overlapping-deletes", "deletes may overlap"),
    rule("txn.from-key-quirk", "a put within a delete with the end `\\0` is not a duplicate"),
    rule("txn.empty-operation", "an empty operation: InvalidArgument, \"key not found\""),
    rule("txn.validated", "operations are checked as they are outside, in both branches"),
    rule("txn.checked-first", "leases, keys and revisions are checked before anything is written"),
    rule("txn.negative-revision", "a negative revision within a transaction: \"... compacted\""),
    rule("txn.headers", "answers within tell only the revision so far; nested headers are empty"),
    rule("txn.read-only", "a transaction that cannot write makes no revision"),
    rule("txn.serializable", "one of serializable ranges only is answered by the member alone"),
    rule("compact.future", "Compact of a future revision: OutOfRange, \"... future revision\""),
    rule("compact.again", "Compact at or below the last one: OutOfRange, \"... compacted\""),
    rule("compact.fresh", "Compact of 0 is accepted once, on a fresh store"),
    rule("compact.reads", "below the compaction nothing is readable, from it on everything"),
    rule("compact.keeps", "the newest version of each live key stays, with its revisions"),
    rule("compact.physical", "`physical` waits until the space is free"),
    rule("compact.header", "Compact answers with the current revision and makes none"),
    rule("revision.first", "an empty store is at revision 1"),
    rule("revision.bumped", "each Put, deleting DeleteRange and changing Txn makes one revision"),
    rule("revision.sub", "the changes of one request share its revision"),
    rule("revision.not-bumped", "reads, refusals, empty deletes and compaction make none"),
    rule("revision.fields", "creation, change and version of each key"),
    rule("revision.generation", "a key put after its deletion starts anew"),
    rule("revision.header", "headers tell cluster, member, revision and term"),
    rule("revision.restart", "after a restart, the revision is not lower than before"),
    rule("maintenance.status", "Status tells version, sizes, leader, indices, term"),
    rule("maintenance.hash-kv", "HashKV up to a revision, refused like a Range there"),
    rule("maintenance.alarm", "Alarm lists what is wrong"),
    rule("maintenance.defragment", "Defragment succeeds, without a header"),
    rule("maintenance.move-leader", "MoveLeader to who is no member: \"bad leader transferee\""),
    rule("cluster.member-list", "MemberList tells each member; its header has no revision"),
];

/// Rules that cannot be shown by these cases yet.
pub(crate) const PENDING: &[Pending] = &[
    Pending {
        says: "`lease=0` detaches a key from its lease; `ignore_lease` keeps it",
        reason: "needs leases, which are not available yet",
    },
    Pending {
        says: "lease grant, keep-alive, revoke and expiry, and the revisions they make or do not",
        reason: "needs leases, which are not available yet",
    },
    Pending {
        says: "a tombstone exactly at the revision of a compaction is kept",
        reason: "only watches see it, and they are not available yet",
    },
    Pending {
        says: "Compact is for root only while auth is on; changes of users make no revision",
        reason: "needs auth, which is not available yet",
    },
    Pending {
        says: "changes of membership make no revision",
        reason: "needs membership changes, which are not available yet",
    },
    Pending {
        says: "a linearizable read after a leader change is not stale",
        reason: "shown by the tests that kill and pause members",
    },
    Pending {
        says: "the term of the header never goes back",
        reason: "shown by the tests that kill and pause members",
    },
];
