//! Random values of every type that has bytes.

use bytes::Bytes;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use quorate_codec::{
    Channel, ClusterId, EngineKind, ForwardedProposal, HandshakeRefusal, Hello, HelloReply,
    PeerMessage, ProtocolRange, SnapshotChunk, SnapshotMessage, TransferId,
};
use quorate_consensus::log::Position;
use quorate_consensus::raft::{AppendResult, Body, Cause, Confirmation, Message, Term, Verdict};
use quorate_consensus::{
    Ballot, ClusterTime, Entry, HardState, Incarnation, Index, Members, Meta, NodeId, Payload,
    Promise, ProposalId, Refusal, RequestId, StorageState, Write,
};
use quorate_kv::{
    Alarm, AlarmAction, AlarmKind, AlarmRequest, Checkpoint, Command, CompactRequest, Compare,
    CompareResult, CompareTarget, ContentHash, DeleteRangeRequest, Lease, LeaseGrantRequest,
    LeaseId, LeaseRenewRequest, LeaseRevokeRequest, LeaseTtl, LogPosition, PublishRequest,
    PutRequest, RangeRequest, Record, RecordKind, Reign, RequestOp, Revision, SetQuotaRequest,
    SnapshotPlace, SortOrder, SortTarget, StateHash, TxnRequest,
};

fn string() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<u64>().prop_map(NodeId)
}

pub(crate) fn index() -> impl Strategy<Value = Index> {
    any::<u64>().prop_map(Index)
}

pub(crate) fn ballot() -> impl Strategy<Value = Ballot> {
    (any::<u64>(), node()).prop_map(|(round, node)| Ballot { round, node })
}

fn proposal() -> impl Strategy<Value = ProposalId> {
    (node(), any::<u64>(), any::<u64>()).prop_map(|(node, incarnation, sequence)| ProposalId {
        node,
        incarnation: Incarnation(incarnation),
        sequence,
    })
}

pub(crate) fn members() -> impl Strategy<Value = Members> {
    let nodes = || btree_set(node(), 0..5);
    (nodes(), nodes(), nodes(), btree_map(node(), string(), 0..5)).prop_map(
        |(voters, outgoing, learners, details)| Members { voters, outgoing, learners, details },
    )
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Noop),
        string().prop_map(Payload::Command),
        members().prop_map(|members| Payload::Members(Box::new(members))),
    ]
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let births = option::of(ballot());
    (index(), ballot(), births, option::of(proposal()), any::<u64>(), payload()).prop_map(
        |(index, ballot, born, id, time, payload)| Entry {
            index,
            ballot,
            born: born.unwrap_or(ballot),
            id,
            time: ClusterTime(time),
            payload,
        },
    )
}

pub(crate) fn meta() -> impl Strategy<Value = Meta> {
    (index(), ballot(), any::<u64>(), members()).prop_map(|(index, ballot, time, members)| Meta {
        index,
        ballot,
        time: ClusterTime(time),
        members,
    })
}

pub(crate) fn hard() -> impl Strategy<Value = HardState> {
    (any::<u64>(), option::of(node()), index())
        .prop_map(|(round, to, committed)| HardState { promise: Promise { round, to }, committed })
}

pub(crate) fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        hard().prop_map(Write::Hard),
        entry().prop_map(|entry| Write::Put(entry.into())),
        index().prop_map(Write::TruncateFrom),
        meta().prop_map(Write::CompactTo),
        meta().prop_map(Write::Install),
    ]
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    let kind = prop_oneof![Just(RecordKind::Put), Just(RecordKind::Tombstone)];
    (string(), string(), any::<i64>(), any::<i64>(), any::<i64>(), kind).prop_map(
        |(key, value, create_revision, version, lease, kind)| Record {
            key,
            value,
            create_revision,
            version,
            lease: LeaseId(lease),
            kind,
        },
    )
}

fn revision() -> impl Strategy<Value = Revision> {
    (any::<i64>(), any::<i64>()).prop_map(|(main, sub)| Revision { main, sub })
}

pub(crate) fn lease() -> impl Strategy<Value = Lease> {
    let id = any::<i64>().prop_filter("0 is no lease", |id| *id != 0);
    (id, ttl(), any::<u64>()).prop_map(|(id, ttl, deadline)| Lease {
        id: LeaseId(id),
        ttl,
        deadline: quorate_kv::ClusterTime(deadline),
    })
}

fn ttl() -> impl Strategy<Value = LeaseTtl> {
    (1..=LeaseTtl::MAX.seconds()).prop_map(|ttl| LeaseTtl::new(ttl).expect("in bounds"))
}

pub(crate) fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let leases = prop_oneof![Just([0, 0]), any::<[u64; 2]>()];
    let alarms = prop_oneof![Just([].into()), btree_set(alarm(), 0..3)];
    (unleased(), leases, alarms).prop_map(|(checkpoint, [leases, hash], alarms)| Checkpoint {
        leases,
        lease_hash: ContentHash(hash),
        alarms,
        ..checkpoint
    })
}

fn alarm() -> impl Strategy<Value = Alarm> {
    let kind = prop_oneof![Just(AlarmKind::NoSpace), Just(AlarmKind::Corrupt)];
    (any::<u64>(), kind).prop_map(|(member, kind)| Alarm { member, kind })
}

fn place() -> impl Strategy<Value = SnapshotPlace> {
    prop_oneof![
        revision().prop_map(SnapshotPlace::Records),
        any::<i64>().prop_map(|id| SnapshotPlace::Leases(LeaseId(id))),
    ]
}

fn unleased() -> impl Strategy<Value = Checkpoint> {
    let position = any::<[u64; 3]>();
    let hashes = (any::<u128>(), any::<u64>());
    let attributes = btree_map(any::<u64>(), string(), 0..3);
    let strings = (string(), attributes);
    let reign = any::<(u64, u64, bool)>().prop_map(|(round, node, is_broken)| Reign {
        round,
        node,
        is_broken,
    });
    let numbers = (any::<[u64; 4]>(), reign);
    (position, numbers, strings, hashes, any::<[i64; 2]>(), option::of(any::<u64>())).prop_map(
        |(position, (numbers, reign), (members, attributes), hashes, revisions, space_alarm)| {
            Checkpoint {
                position: LogPosition { index: position[0], round: position[1], node: position[2] },
                time: quorate_kv::ClusterTime(numbers[0]),
                reign,
                members,
                attributes,
                state_hash: StateHash(hashes.0),
                revision: revisions[0],
                compacted: revisions[1],
                records: numbers[1],
                content_hash: ContentHash(hashes.1),
                logical_bytes: numbers[2],
                quota_bytes: numbers[3],
                space_alarm,
                leases: 0,
                lease_hash: ContentHash(0),
                alarms: [].into(),
            }
        },
    )
}

fn range() -> impl Strategy<Value = RangeRequest> {
    let order =
        prop_oneof![Just(SortOrder::None), Just(SortOrder::Ascend), Just(SortOrder::Descend)];
    let target = prop_oneof![
        Just(SortTarget::Key),
        Just(SortTarget::Version),
        Just(SortTarget::Create),
        Just(SortTarget::Mod),
        Just(SortTarget::Value),
    ];
    (string(), string(), any::<[i64; 6]>(), any::<[bool; 3]>(), order, target).prop_map(
        |(key, range_end, numbers, flags, sort_order, sort_target)| RangeRequest {
            key,
            range_end,
            limit: numbers[0],
            revision: numbers[1],
            sort_order,
            sort_target,
            serializable: flags[0],
            keys_only: flags[1],
            count_only: flags[2],
            min_mod_revision: numbers[2],
            max_mod_revision: numbers[3],
            min_create_revision: numbers[4],
            max_create_revision: numbers[5],
        },
    )
}

fn put() -> impl Strategy<Value = PutRequest> {
    (string(), string(), any::<i64>(), any::<[bool; 3]>()).prop_map(|(key, value, lease, flags)| {
        PutRequest {
            key,
            value,
            lease: LeaseId(lease),
            prev_kv: flags[0],
            ignore_value: flags[1],
            ignore_lease: flags[2],
        }
    })
}

fn delete_range() -> impl Strategy<Value = DeleteRangeRequest> {
    (string(), string(), any::<bool>()).prop_map(|(key, range_end, prev_kv)| DeleteRangeRequest {
        key,
        range_end,
        prev_kv,
    })
}

fn compare() -> impl Strategy<Value = Compare> {
    let result = prop_oneof![
        Just(CompareResult::Equal),
        Just(CompareResult::Greater),
        Just(CompareResult::Less),
        Just(CompareResult::NotEqual),
        Just(CompareResult::Unrecognized),
    ];
    let target = prop_oneof![
        any::<i64>().prop_map(CompareTarget::Version),
        any::<i64>().prop_map(CompareTarget::Create),
        any::<i64>().prop_map(CompareTarget::Mod),
        string().prop_map(CompareTarget::Value),
        any::<i64>().prop_map(|lease| CompareTarget::Lease(LeaseId(lease))),
        Just(CompareTarget::Unrecognized),
    ];
    (string(), string(), result, target).prop_map(|(key, range_end, result, target)| Compare {
        key,
        range_end,
        result,
        target,
    })
}

fn txn() -> impl Strategy<Value = TxnRequest> {
    let flat = prop_oneof![
        range().prop_map(RequestOp::Range),
        put().prop_map(RequestOp::Put),
        delete_range().prop_map(RequestOp::DeleteRange),
    ];
    let op = flat.prop_recursive(4, 24, 3, |op| txn_of(op).prop_map(RequestOp::Txn));
    txn_of(op.boxed())
}

fn txn_of(op: BoxedStrategy<RequestOp>) -> impl Strategy<Value = TxnRequest> {
    (vec(compare(), 0..3), vec(op.clone(), 0..3), vec(op, 0..3))
        .prop_map(|(compares, success, failure)| TxnRequest { compares, success, failure })
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        put().prop_map(Command::Put),
        delete_range().prop_map(Command::DeleteRange),
        txn().prop_map(Command::Txn),
        (any::<i64>(), any::<bool>()).prop_map(|(revision, physical)| {
            Command::Compact(CompactRequest { revision, physical })
        }),
        any::<u64>().prop_map(|quota_bytes| Command::SetQuota(SetQuotaRequest { quota_bytes })),
        (any::<u64>(), string()).prop_map(|(member, attributes)| {
            Command::Publish(PublishRequest { member, attributes })
        }),
        Just(Command::Advance),
        (alarm(), any::<bool>()).prop_map(|(alarm, is_raised)| {
            let action = if is_raised { AlarmAction::Raise } else { AlarmAction::End };
            Command::Alarm(AlarmRequest { action, alarm })
        }),
        lease().prop_map(|Lease { id, ttl, .. }| {
            Command::LeaseGrant(LeaseGrantRequest { id, ttl })
        }),
        any::<i64>().prop_map(|id| Command::LeaseRevoke(LeaseRevokeRequest { id: LeaseId(id) })),
        vec(any::<i64>().prop_map(LeaseId), 0..4)
            .prop_map(|ids| Command::LeaseRenew(LeaseRenewRequest { ids })),
    ]
}

fn position() -> impl Strategy<Value = Position> {
    (ballot(), index()).prop_map(|(ballot, index)| Position { ballot, index })
}

pub(crate) fn storage() -> impl Strategy<Value = StorageState> {
    prop_oneof![Just(StorageState::Writable), Just(StorageState::Full)]
}

pub(crate) fn confirmation() -> impl Strategy<Value = Confirmation> {
    any::<u64>().prop_map(Confirmation)
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Granted), Just(Verdict::Refused)]
}

fn append_result() -> impl Strategy<Value = AppendResult> {
    prop_oneof![
        index().prop_map(|index| AppendResult::Matched { index }),
        (index(), position()).prop_map(|(refused, hint)| AppendResult::Rejected { refused, hint }),
        Just(AppendResult::Busy),
    ]
}

fn election_body() -> impl Strategy<Value = Body> {
    let cause = prop_oneof![Just(Cause::LeaderLost), Just(Cause::Transfer)];
    let asked = || any::<u64>().prop_map(Term);
    prop_oneof![
        position().prop_map(|last| Body::PreVote { last }),
        (asked(), verdict()).prop_map(|(asked, verdict)| Body::PreVoteReply { asked, verdict }),
        (position(), cause).prop_map(|(last, cause)| Body::Vote { last, cause }),
        (asked(), verdict()).prop_map(|(asked, verdict)| Body::VoteReply { asked, verdict }),
        Just(Body::TimeoutNow),
        Just(Body::StaleTerm),
    ]
}

fn replication_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        (position(), vec(entry(), 0..4), index(), option::of(confirmation())).prop_map(
            |(previous, entries, commit, confirm)| Body::Append {
                previous,
                entries: entries.into(),
                commit,
                confirm,
            }
        ),
        (append_result(), storage())
            .prop_map(|(result, storage)| Body::AppendReply { result, storage }),
        (position(), confirmation())
            .prop_map(|(commit, confirm)| Body::Heartbeat { commit, confirm }),
        (confirmation(), storage())
            .prop_map(|(confirm, storage)| Body::HeartbeatReply { confirm, storage }),
        meta().prop_map(|meta| Body::Snapshot { meta: Box::new(meta) }),
    ]
}

pub(crate) fn raft_message() -> impl Strategy<Value = Message> {
    (any::<u64>(), prop_oneof![election_body(), replication_body()])
        .prop_map(|(term, body)| Message { term: Term(term), body })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        option::of(node()).prop_map(|leader| Refusal::NotLeader { leader }),
        node().prop_map(|to| Refusal::Transferring { to }),
        any::<u32>().prop_map(|in_flight_max| Refusal::Overloaded { in_flight_max }),
        Just(Refusal::StorageFull),
        Just(Refusal::Removed),
        Just(Refusal::Unsupported),
    ]
}

fn request() -> impl Strategy<Value = RequestId> {
    any::<u64>().prop_map(RequestId)
}

fn transfer() -> impl Strategy<Value = TransferId> {
    any::<u64>().prop_map(TransferId)
}

fn request_message() -> impl Strategy<Value = PeerMessage<Message>> {
    let forwarded =
        (proposal(), string()).prop_map(|(id, payload)| ForwardedProposal { id, payload });
    prop_oneof![
        raft_message().prop_map(PeerMessage::Engine),
        (ballot(), vec(forwarded, 0..4))
            .prop_map(|(ballot, proposals)| PeerMessage::Forward { ballot, proposals }),
        vec((proposal(), refusal()), 0..4)
            .prop_map(|refused| PeerMessage::ForwardRefused { refused }),
        (request(), ballot()).prop_map(|(id, ballot)| PeerMessage::Read { id, ballot }),
        (request(), index()).prop_map(|(id, index)| PeerMessage::ReadReleased { id, index }),
        (request(), refusal()).prop_map(|(id, refusal)| PeerMessage::ReadRefused { id, refusal }),
    ]
}

fn chunk() -> impl Strategy<Value = SnapshotChunk> {
    let records = vec((revision(), record()), 0..4);
    let parts = (records, vec(lease(), 0..4));
    (transfer(), place(), parts, option::of(place()), option::of(checkpoint())).prop_map(
        |(transfer, from, (records, leases), next, checkpoint)| SnapshotChunk {
            transfer,
            from,
            records,
            leases,
            next,
            checkpoint: checkpoint.map(Box::new),
        },
    )
}

fn snapshot_message() -> impl Strategy<Value = SnapshotMessage> {
    prop_oneof![
        (transfer(), meta(), any::<u64>()).prop_map(|(transfer, meta, records)| {
            SnapshotMessage::Offer { transfer, meta, records }
        }),
        (transfer(), place()).prop_map(|(transfer, from)| SnapshotMessage::Pull { transfer, from }),
        chunk().prop_map(SnapshotMessage::Chunk),
        (transfer(), meta()).prop_map(|(transfer, meta)| SnapshotMessage::Held { transfer, meta }),
        transfer().prop_map(|transfer| SnapshotMessage::Aborted { transfer }),
    ]
}

pub(crate) fn peer_message() -> impl Strategy<Value = PeerMessage<Message>> {
    prop_oneof![request_message(), snapshot_message().prop_map(PeerMessage::Snapshot)]
}

fn engine() -> impl Strategy<Value = EngineKind> {
    prop_oneof![Just(EngineKind::Raft), Just(EngineKind::Paxos)]
}

pub(crate) fn protocol_range() -> impl Strategy<Value = ProtocolRange> {
    any::<[u8; 2]>().prop_map(|[min, max]| ProtocolRange { min, max })
}

pub(crate) fn hello() -> impl Strategy<Value = Hello> {
    let channel = prop_oneof![Just(Channel::Messages), Just(Channel::Bulk)];
    (protocol_range(), any::<u64>(), engine(), channel, any::<[u64; 3]>()).prop_map(
        |(protocol, cluster, engine, channel, numbers)| Hello {
            protocol,
            cluster: ClusterId(cluster),
            engine,
            channel,
            node: NodeId(numbers[0]),
            incarnation: Incarnation(numbers[1]),
            target: NodeId(numbers[2]),
        },
    )
}

pub(crate) fn hello_reply() -> impl Strategy<Value = HelloReply> {
    let welcome = (any::<u8>(), any::<u64>()).prop_map(|(protocol, incarnation)| {
        HelloReply::Welcome { protocol, incarnation: Incarnation(incarnation) }
    });
    let refusal = prop_oneof![
        any::<u64>()
            .prop_map(|cluster| HandshakeRefusal::WrongCluster { cluster: ClusterId(cluster) }),
        engine().prop_map(|engine| HandshakeRefusal::WrongEngine { engine }),
        protocol_range().prop_map(|range| HandshakeRefusal::ProtocolRange { range }),
        node().prop_map(|node| HandshakeRefusal::UnknownNode { node }),
        any::<u64>().prop_map(|known| HandshakeRefusal::Incarnation { known: Incarnation(known) }),
        node().prop_map(|node| HandshakeRefusal::WrongTarget { node }),
        node().prop_map(|node| HandshakeRefusal::Removed { node }),
    ];
    prop_oneof![welcome, refusal.prop_map(HelloReply::Refused)]
}
