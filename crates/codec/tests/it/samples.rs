//! One fixed value for each variant of each format. Golden files hold their bytes.

use bytes::Bytes;
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

/// Values by name, in the order of their tags.
pub(crate) type Samples<T> = Vec<(&'static str, T)>;

pub(crate) const BALLOT: Ballot = Ballot { round: 0x0102_0304_0506_0708, node: NodeId(0x11) };

const PROPOSAL: ProposalId =
    ProposalId { node: NodeId(0x21), incarnation: Incarnation(0x2223), sequence: 0x2425_2627 };

const POSITION: Position = Position { ballot: BALLOT, index: Index(0x31) };

fn entry(index: u64, id: Option<ProposalId>, payload: Payload) -> Entry {
    Entry {
        index: Index(index),
        ballot: BALLOT,
        born: BALLOT,
        id,
        time: ClusterTime(0x41_4243),
        payload,
    }
}

pub(crate) fn noop() -> Entry {
    entry(5, None, Payload::Noop)
}

pub(crate) fn command_entry() -> Entry {
    entry(6, Some(PROPOSAL), Payload::Command(Bytes::from_static(b"command")))
}

fn members() -> Members {
    Members {
        voters: [NodeId(1), NodeId(2), NodeId(3)].into(),
        outgoing: [NodeId(1)].into(),
        learners: [NodeId(9)].into(),
        details: [(NodeId(1), Bytes::from_static(b"one")), (NodeId(9), Bytes::new())].into(),
    }
}

pub(crate) fn meta() -> Meta {
    Meta { index: Index(0x51), ballot: BALLOT, time: ClusterTime(0x52), members: members() }
}

pub(crate) fn writes() -> Samples<Write> {
    let committed = Index(0x61);
    let to = Some(NodeId(0x62));
    vec![
        ("hard", Write::Hard(HardState { promise: Promise { round: 7, to }, committed })),
        ("hard_new", Write::Hard(HardState::default())),
        ("put_noop", Write::Put(noop().into())),
        ("put_command", Write::Put(command_entry().into())),
        (
            "put_members",
            Write::Put(entry(7, Some(PROPOSAL), Payload::Members(Box::new(members()))).into()),
        ),
        ("truncate_from", Write::TruncateFrom(Index(0x63))),
        ("compact_to", Write::CompactTo(meta())),
        ("install", Write::Install(meta())),
    ]
}

fn put() -> PutRequest {
    PutRequest {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"value"),
        lease: LeaseId(-2),
        prev_kv: true,
        ignore_value: false,
        ignore_lease: true,
    }
}

fn delete_range() -> DeleteRangeRequest {
    DeleteRangeRequest {
        key: Bytes::from_static(b"from"),
        range_end: Bytes::from_static(b"to"),
        prev_kv: true,
    }
}

fn range(sort_order: SortOrder, sort_target: SortTarget) -> RangeRequest {
    RangeRequest {
        key: Bytes::from_static(b"from"),
        range_end: Bytes::from_static(b"\0"),
        limit: 1,
        revision: 2,
        sort_order,
        sort_target,
        serializable: true,
        keys_only: false,
        count_only: true,
        min_mod_revision: 3,
        max_mod_revision: 4,
        min_create_revision: 5,
        max_create_revision: 6,
    }
}

fn compare(result: CompareResult, target: CompareTarget) -> Compare {
    Compare { key: Bytes::from_static(b"a"), range_end: Bytes::from_static(b"b"), result, target }
}

fn compares() -> Vec<Compare> {
    vec![
        compare(CompareResult::Equal, CompareTarget::Version(1)),
        compare(CompareResult::Greater, CompareTarget::Create(2)),
        compare(CompareResult::Less, CompareTarget::Mod(3)),
        compare(CompareResult::NotEqual, CompareTarget::Value(Bytes::from_static(b"v"))),
        compare(CompareResult::Equal, CompareTarget::Lease(LeaseId(4))),
        compare(CompareResult::Unrecognized, CompareTarget::Unrecognized),
    ]
}

fn txn() -> TxnRequest {
    let inner = TxnRequest { success: vec![RequestOp::Put(put())], ..TxnRequest::default() };
    TxnRequest {
        compares: compares(),
        success: vec![
            RequestOp::Range(range(SortOrder::None, SortTarget::Key)),
            RequestOp::Range(range(SortOrder::Ascend, SortTarget::Version)),
            RequestOp::Range(range(SortOrder::Descend, SortTarget::Create)),
            RequestOp::Range(range(SortOrder::None, SortTarget::Mod)),
            RequestOp::Range(range(SortOrder::None, SortTarget::Value)),
            RequestOp::Put(put()),
        ],
        failure: vec![RequestOp::DeleteRange(delete_range()), RequestOp::Txn(inner)],
    }
}

pub(crate) fn commands() -> Samples<Command> {
    let compact = CompactRequest { revision: 0x71, physical: true };
    vec![
        ("put", Command::Put(put())),
        ("delete_range", Command::DeleteRange(delete_range())),
        ("txn", Command::Txn(txn())),
        ("compact", Command::Compact(compact)),
        ("advance", Command::Advance),
        ("set_quota", Command::SetQuota(SetQuotaRequest { quota_bytes: 0x72 })),
        (
            "publish",
            Command::Publish(PublishRequest {
                member: 0x73,
                attributes: Bytes::from_static(b"attributes"),
            }),
        ),
    ]
}

pub(crate) fn alarm_commands() -> Samples<Command> {
    let alarm =
        |action, kind| Command::Alarm(AlarmRequest { action, alarm: Alarm { member: 0xae, kind } });
    vec![
        ("raise", alarm(AlarmAction::Raise, AlarmKind::NoSpace)),
        ("end", alarm(AlarmAction::End, AlarmKind::Corrupt)),
    ]
}

pub(crate) fn lease_commands() -> Samples<Command> {
    let ttl = LeaseTtl::new(0x74).expect("in bounds");
    let ids = vec![LeaseId(0x76), LeaseId(-1), LeaseId(0)];
    vec![
        ("grant", Command::LeaseGrant(LeaseGrantRequest { id: LeaseId(0x75), ttl })),
        ("revoke", Command::LeaseRevoke(LeaseRevokeRequest { id: LeaseId(-0x77) })),
        ("renew", Command::LeaseRenew(LeaseRenewRequest { ids })),
    ]
}

fn lease(id: i64) -> Lease {
    let ttl = LeaseTtl::new(0x78).expect("in bounds");
    Lease { id: LeaseId(id), ttl, deadline: quorate_kv::ClusterTime(0x79) }
}

pub(crate) fn leases() -> Samples<Lease> {
    vec![("lease", lease(0x7a)), ("negative", lease(-0x7a))]
}

fn record() -> Record {
    Record {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"value"),
        create_revision: 0x81,
        version: 0x82,
        lease: LeaseId(0x83),
        kind: RecordKind::Put,
    }
}

pub(crate) fn records() -> Samples<Record> {
    vec![("put", record()), ("tombstone", Record::tombstone(Bytes::from_static(b"gone")))]
}

fn checkpoint(space_alarm: Option<u64>) -> Checkpoint {
    Checkpoint {
        position: LogPosition { index: 0x91, round: 0x92, node: 0x93 },
        time: quorate_kv::ClusterTime(0x94),
        reign: Reign { round: 0x95, node: 0x96, is_broken: true },
        members: Bytes::from_static(b"members"),
        attributes: [(0xaa, Bytes::from_static(b"attributes"))].into(),
        state_hash: StateHash(0x9596_9798_999a_9b9c_9d9e_9fa0_a1a2_a3a4),
        revision: 0xa5,
        compacted: -1,
        records: 0xa6,
        content_hash: ContentHash(0xa7),
        logical_bytes: 0xa8,
        quota_bytes: 0xa9,
        space_alarm,
        leases: 0,
        lease_hash: ContentHash(0),
        alarms: [].into(),
    }
}

fn leased_checkpoint() -> Checkpoint {
    Checkpoint { leases: 0xab, lease_hash: ContentHash(0xac), ..checkpoint(None) }
}

pub(crate) fn leased_checkpoints() -> Samples<Checkpoint> {
    let alarm = |member, kind| Alarm { member, kind };
    let alarms = [alarm(0xad, AlarmKind::NoSpace), alarm(0xad, AlarmKind::Corrupt)].into();
    let alarmed = Checkpoint { alarms, ..checkpoint(None) };
    vec![("leased", leased_checkpoint()), ("alarmed", alarmed)]
}

pub(crate) fn checkpoints() -> Samples<Checkpoint> {
    vec![("calm", checkpoint(None)), ("alarm", checkpoint(Some(0xaa)))]
}

fn election() -> Samples<Body> {
    let asked = Term(0xb1);
    vec![
        ("pre_vote", Body::PreVote { last: POSITION }),
        ("pre_vote_reply", Body::PreVoteReply { asked, verdict: Verdict::Granted }),
        ("vote", Body::Vote { last: POSITION, cause: Cause::LeaderLost }),
        ("vote_transfer", Body::Vote { last: POSITION, cause: Cause::Transfer }),
        ("vote_reply", Body::VoteReply { asked, verdict: Verdict::Refused }),
    ]
}

fn append(entries: Vec<Entry>, confirm: Option<Confirmation>) -> Body {
    let entries = entries.into();
    Body::Append { previous: POSITION, entries, commit: Index(0xb2), confirm }
}

fn append_replies() -> Samples<Body> {
    let rejected = AppendResult::Rejected { refused: Index(0xb3), hint: POSITION };
    let matched = AppendResult::Matched { index: Index(0xb4) };
    let storage = StorageState::Writable;
    let busy = AppendResult::Busy;
    vec![
        ("append_reply_matched", Body::AppendReply { result: matched, storage }),
        ("append_reply_rejected", Body::AppendReply { result: rejected, storage }),
        ("append_reply_busy", Body::AppendReply { result: busy, storage: StorageState::Full }),
    ]
}

fn replication() -> Samples<Body> {
    let confirm = Confirmation(0xb5);
    vec![
        ("append", append(vec![noop(), command_entry()], Some(confirm))),
        ("append_probe", append(Vec::new(), None)),
        ("heartbeat", Body::Heartbeat { commit: POSITION, confirm }),
        ("heartbeat_reply", Body::HeartbeatReply { confirm, storage: StorageState::Full }),
        ("snapshot", Body::Snapshot { meta: Box::new(meta()) }),
        ("timeout_now", Body::TimeoutNow),
        ("stale_term", Body::StaleTerm),
    ]
}

fn engine_messages() -> Samples<PeerMessage<Message>> {
    let bodies = [election(), append_replies(), replication()];
    let engine = |body| PeerMessage::Engine(Message { term: Term(0xb7), body });
    bodies.into_iter().flatten().map(|(name, body)| (name, engine(body))).collect()
}

fn forwards() -> Samples<PeerMessage<Message>> {
    let refusals = [
        Refusal::NotLeader { leader: None },
        Refusal::NotLeader { leader: Some(NodeId(0xc1)) },
        Refusal::Transferring { to: NodeId(0xc2) },
        Refusal::Overloaded { in_flight_max: 0xc3 },
        Refusal::StorageFull,
        Refusal::Removed,
        Refusal::Unsupported,
    ];
    let forwarded = ForwardedProposal { id: PROPOSAL, payload: Bytes::from_static(b"command") };
    let refused = refusals.into_iter().map(|refusal| (PROPOSAL, refusal)).collect();
    let id = RequestId(0xc4);
    let refusal = Refusal::StorageFull;
    vec![
        ("forward", PeerMessage::Forward { ballot: BALLOT, proposals: vec![forwarded] }),
        ("forward_refused", PeerMessage::ForwardRefused { refused }),
        ("read", PeerMessage::Read { id, ballot: BALLOT }),
        ("read_released", PeerMessage::ReadReleased { id, index: Index(0xc5) }),
        ("read_refused", PeerMessage::ReadRefused { id, refusal }),
    ]
}

fn chunk(next: Option<Revision>, checkpoint: Option<Checkpoint>) -> SnapshotChunk {
    SnapshotChunk {
        transfer: TransferId(0xd1),
        from: SnapshotPlace::FIRST,
        records: vec![(Revision { main: 2, sub: 1 }, record())],
        leases: Vec::new(),
        next: next.map(SnapshotPlace::Records),
        checkpoint: checkpoint.map(Box::new),
    }
}

fn snapshots() -> Samples<SnapshotMessage> {
    let transfer = TransferId(0xd1);
    let next = Revision { main: 0xd3, sub: 0xd4 };
    let last = chunk(None, Some(checkpoint(None)));
    vec![
        ("offer", SnapshotMessage::Offer { transfer, meta: meta(), records: 0xd2 }),
        ("pull", SnapshotMessage::Pull { transfer, from: SnapshotPlace::Records(next) }),
        ("chunk", SnapshotMessage::Chunk(chunk(Some(next), None))),
        ("chunk_last", SnapshotMessage::Chunk(last)),
        ("held", SnapshotMessage::Held { transfer, meta: meta() }),
        ("aborted", SnapshotMessage::Aborted { transfer }),
    ]
}

pub(crate) fn leased_messages() -> Samples<PeerMessage<Message>> {
    let (transfer, from) = (TransferId(0xd5), SnapshotPlace::Leases(LeaseId(-0xd6)));
    let next = Some(SnapshotPlace::Leases(LeaseId::FIRST));
    let records_end = SnapshotChunk { next, ..chunk(None, None) };
    let last = SnapshotChunk {
        transfer,
        from,
        records: Vec::new(),
        leases: vec![lease(0xd7), lease(0xd8)],
        next: None,
        checkpoint: Some(Box::new(leased_checkpoint())),
    };
    vec![
        ("pull_leases", PeerMessage::Snapshot(SnapshotMessage::Pull { transfer, from })),
        ("leased_chunk", PeerMessage::Snapshot(SnapshotMessage::Chunk(records_end))),
        ("leased_chunk_last", PeerMessage::Snapshot(SnapshotMessage::Chunk(last))),
    ]
}

pub(crate) fn peer_messages() -> Samples<PeerMessage<Message>> {
    let snapshots = snapshots()
        .into_iter()
        .map(|(name, message)| (name, PeerMessage::Snapshot(message)))
        .collect();
    [engine_messages(), forwards(), snapshots].into_iter().flatten().collect()
}

fn hello(engine: EngineKind, channel: Channel) -> Hello {
    Hello {
        protocol: ProtocolRange { min: 1, max: 2 },
        cluster: ClusterId(0xe1),
        engine,
        channel,
        node: NodeId(0xe2),
        incarnation: Incarnation(0xe3),
        target: NodeId(0xe4),
    }
}

pub(crate) fn hellos() -> Samples<Hello> {
    vec![
        ("raft", hello(EngineKind::Raft, Channel::Messages)),
        ("paxos_bulk", hello(EngineKind::Paxos, Channel::Bulk)),
    ]
}

pub(crate) fn hello_replies() -> Samples<HelloReply> {
    let known = Incarnation(0xe5);
    let node = NodeId(0xe6);
    let range = ProtocolRange { min: 3, max: 4 };
    let cluster = ClusterId(0xe7);
    let engine = EngineKind::Paxos;
    let refused = HelloReply::Refused;
    vec![
        ("welcome", HelloReply::Welcome { protocol: 1, incarnation: known }),
        ("wrong_cluster", refused(HandshakeRefusal::WrongCluster { cluster })),
        ("wrong_engine", refused(HandshakeRefusal::WrongEngine { engine })),
        ("protocol_range", refused(HandshakeRefusal::ProtocolRange { range })),
        ("unknown_node", refused(HandshakeRefusal::UnknownNode { node })),
        ("incarnation", refused(HandshakeRefusal::Incarnation { known })),
        ("wrong_target", refused(HandshakeRefusal::WrongTarget { node })),
        ("removed", refused(HandshakeRefusal::Removed { node })),
    ]
}
