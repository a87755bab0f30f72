//! Any message, well formed or not sensible at all: answered, blamed or dropped, never a panic.

use proptest::prelude::*;
use quorate_codec::peer::{
    ForwardedProposal, PeerMessage, SnapshotChunk, SnapshotMessage, TransferId,
};
use quorate_consensus::{
    Ballot, ClusterTime, Incarnation, Index, Members, Meta, NodeId, ProposalId, Refusal, RequestId,
};
use quorate_kv::{LeaseId, Revision, SnapshotPlace};

use crate::world::{Peer, World, setup};

#[path = "../../../codec/tests/it/strategies.rs"]
#[allow(
    dead_code,
    reason = "the values of every type that has bytes, of which few are needed here"
)]
mod strategies;

/// Small numbers, which are more likely to mean something.
fn number() -> BoxedStrategy<u64> {
    prop_oneof![4 => 0..6_u64, 1 => any::<u64>(), 1 => Just((1 << 40) + 1)].boxed()
}

fn meta() -> BoxedStrategy<Meta> {
    (number(), number(), number(), 0..4_u64)
        .prop_map(|(index, round, node, voters)| Meta {
            index: Index(index),
            ballot: Ballot { round, node: NodeId(node) },
            time: ClusterTime(index),
            members: Members::of_voters((0..voters).map(NodeId)),
        })
        .boxed()
}

fn refusal() -> BoxedStrategy<Refusal> {
    prop_oneof![
        number().prop_map(|node| Refusal::NotLeader { leader: Some(NodeId(node)) }),
        number().prop_map(|node| Refusal::Transferring { to: NodeId(node) }),
        Just(Refusal::StorageFull),
        Just(Refusal::Removed),
    ]
    .boxed()
}

fn proposal() -> BoxedStrategy<ProposalId> {
    (number(), number(), number())
        .prop_map(|(node, incarnation, sequence)| ProposalId {
            node: NodeId(node),
            incarnation: Incarnation(incarnation.wrapping_mul(100)),
            sequence,
        })
        .boxed()
}

fn request() -> BoxedStrategy<Peer> {
    let ballot = || (number(), number()).prop_map(|(round, id)| Ballot { round, node: NodeId(id) });
    let command = strategies::command().prop_map(|it| quorate_codec::encode_command(&it)).boxed();
    let proposals =
        (proposal(), command).prop_map(|(id, payload)| vec![ForwardedProposal { id, payload }]);
    prop_oneof![
        (ballot(), proposals)
            .prop_map(|(ballot, proposals)| PeerMessage::Forward { ballot, proposals }),
        (proposal(), refusal()).prop_map(|it| PeerMessage::ForwardRefused { refused: vec![it] }),
        (number(), ballot())
            .prop_map(|(id, ballot)| PeerMessage::Read { id: RequestId(id), ballot }),
        (number(), number()).prop_map(|(id, index)| PeerMessage::ReadReleased {
            id: RequestId(id),
            index: Index(index)
        }),
        (number(), refusal())
            .prop_map(|(id, refusal)| PeerMessage::ReadRefused { id: RequestId(id), refusal }),
    ]
    .boxed()
}

/// Zero is the beginning, and large numbers are among the leases.
fn place(number: u64) -> SnapshotPlace {
    if u64::from(u32::MAX) < number {
        return SnapshotPlace::Leases(LeaseId(number.cast_signed()));
    }
    SnapshotPlace::Records(Revision::new(number.cast_signed(), 0))
}

fn chunk() -> BoxedStrategy<SnapshotMessage> {
    let checkpoint = proptest::option::of(strategies::checkpoint().prop_map(Box::new)).boxed();
    let leases = proptest::collection::vec(strategies::lease(), 0..3);
    (number(), number(), proptest::option::of(number()), checkpoint, leases)
        .prop_map(|(transfer, from, next, checkpoint, leases)| {
            SnapshotMessage::Chunk(SnapshotChunk {
                transfer: TransferId(transfer),
                from: place(from),
                records: Vec::new(),
                leases,
                next: next.map(place),
                checkpoint,
            })
        })
        .boxed()
}

fn snapshot() -> BoxedStrategy<Peer> {
    let transfer = || number().prop_map(TransferId);
    prop_oneof![
        (transfer(), meta(), number()).prop_map(|(transfer, meta, records)| {
            SnapshotMessage::Offer { transfer, meta, records }
        }),
        (transfer(), number())
            .prop_map(|(transfer, from)| SnapshotMessage::Pull { transfer, from: place(from) }),
        chunk(),
        (transfer(), meta()).prop_map(|(transfer, meta)| SnapshotMessage::Held { transfer, meta }),
        transfer().prop_map(|transfer| SnapshotMessage::Aborted { transfer }),
    ]
    .prop_map(PeerMessage::Snapshot)
    .boxed()
}

fn anything() -> BoxedStrategy<Peer> {
    prop_oneof![
        3 => request(),
        3 => snapshot(),
        2 => strategies::peer_message().boxed().prop_filter("engines have their own", |it| {
            !matches!(it, PeerMessage::Engine(_))
        }),
        2 => strategies::raft_message().boxed().prop_map(PeerMessage::Engine),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_message_makes_a_node_panic(
        is_leader in any::<bool>(),
        messages in proptest::collection::vec((1..6_u64, anything()), 1..60),
    ) {
        let mut world = World::new(3, &setup());
        world.lead(if is_leader { 1 } else { 2 });
        world.write(1);
        world.read(1);
        world.run_millis(100);
        world.crash(2);
        world.crash(3);
        world.write(1);
        world.read(1);
        for (from, message) in messages {
            if from != 1 {
                world.forge(from, 1, &message);
            }
        }
        world.run_millis(1_500);
    }
}
