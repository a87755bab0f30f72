//! Multi-Paxos's messages: one fixed value for each variant, and random ones.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quorate_codec::{DecodeError, PeerMessage, Wire};
use quorate_consensus::paxos::{ElectionRound, Message, PromisePart};
use quorate_consensus::{Confirmation, Entries, Index, Span, StorageState};

use crate::round_trip::bytes_of;
use crate::samples::{self, BALLOT, Samples};
use crate::strategies::{ballot, confirmation, entry, index, meta, storage};

const LATER: Index = Index(0xf1);

fn spans() -> Vec<Span> {
    vec![Span::one(Index(0xf2)), Span { first: Index(0xf4), last: Index(0xf6) }]
}

fn entries() -> Entries {
    Entries::from(vec![samples::noop(), samples::command_entry()])
}

fn promise(last: Option<Index>, votes: Entries) -> Message {
    let (chosen_upto, withheld_upto) = (Index(0xf8), Index(0xf7));
    let part = PromisePart { first: LATER, last, votes, chosen_upto, withheld_upto };
    Message::Promise { ballot: BALLOT, part }
}

fn first_phase() -> Samples<Message> {
    let round = ElectionRound(0xfa);
    let ballot = BALLOT;
    vec![
        ("elect", Message::Elect { round }),
        ("elect_reply", Message::ElectReply { round, highest: ballot, leader: None }),
        (
            "elect_reply_leader",
            Message::ElectReply { round, highest: ballot, leader: Some(ballot) },
        ),
        ("prepare", Message::Prepare { ballot, base: LATER }),
        ("promise", promise(None, entries())),
        ("promise_part", promise(Some(Index(0xf9)), Entries::default())),
        ("nack", Message::Nack { ballot, promised: ballot }),
    ]
}

fn second_phase() -> Samples<Message> {
    let confirm = Confirmation(0xfb);
    let (ballot, commit, chosen_upto) = (BALLOT, Index(0xfc), Index(0xfd));
    let storage = StorageState::Full;
    let accept = |entries, confirm| Message::Accept { ballot, entries, commit, confirm };
    vec![
        ("accept", accept(entries(), Some(confirm))),
        ("accept_alone", accept(Entries::default(), None)),
        ("accepted", Message::Accepted { ballot, votes: spans(), chosen_upto, storage }),
        ("commit", Message::Commit { ballot, commit, floor: Index(0xfe), confirm }),
        ("commit_ack", Message::CommitAck { ballot, confirm, chosen_upto, storage }),
        ("learn", Message::Learn { slots: spans() }),
        ("learned", Message::Learned { entries: entries() }),
        ("snapshot", Message::Snapshot { meta: Box::new(samples::meta()) }),
        ("take_over", Message::TakeOver { ballot }),
    ]
}

pub(crate) fn messages() -> Samples<PeerMessage<Message>> {
    let all = first_phase().into_iter().chain(second_phase());
    all.map(|(name, message)| (name, PeerMessage::Engine(message))).collect()
}

fn span() -> impl Strategy<Value = Span> {
    (any::<u64>(), any::<u64>())
        .prop_map(|(a, b)| Span { first: Index(a.min(b)), last: Index(a.max(b)) })
}

fn some_entries() -> impl Strategy<Value = Entries> {
    vec(entry(), 0..4).prop_map(Entries::from)
}

fn part() -> impl Strategy<Value = PromisePart> {
    (index(), option::of(index()), some_entries(), index(), index()).prop_map(
        |(first, last, votes, chosen_upto, withheld_upto)| PromisePart {
            first,
            last,
            votes,
            chosen_upto,
            withheld_upto,
        },
    )
}

fn election() -> impl Strategy<Value = Message> {
    let round = || any::<u64>().prop_map(ElectionRound);
    prop_oneof![
        round().prop_map(|round| Message::Elect { round }),
        (round(), ballot(), option::of(ballot()))
            .prop_map(|(round, highest, leader)| Message::ElectReply { round, highest, leader }),
        (ballot(), index()).prop_map(|(ballot, base)| Message::Prepare { ballot, base }),
        (ballot(), part()).prop_map(|(ballot, part)| Message::Promise { ballot, part }),
        (ballot(), ballot()).prop_map(|(ballot, promised)| Message::Nack { ballot, promised }),
        ballot().prop_map(|ballot| Message::TakeOver { ballot }),
    ]
}

fn replication() -> impl Strategy<Value = Message> {
    prop_oneof![
        (ballot(), some_entries(), index(), option::of(confirmation())).prop_map(
            |(ballot, entries, commit, confirm)| Message::Accept {
                ballot,
                entries,
                commit,
                confirm
            }
        ),
        (ballot(), vec(span(), 0..4), index(), storage()).prop_map(
            |(ballot, votes, chosen_upto, storage)| Message::Accepted {
                ballot,
                votes,
                chosen_upto,
                storage
            }
        ),
        (ballot(), index(), index(), confirmation()).prop_map(
            |(ballot, commit, floor, confirm)| Message::Commit { ballot, commit, floor, confirm }
        ),
        (ballot(), confirmation(), index(), storage()).prop_map(
            |(ballot, confirm, chosen_upto, storage)| Message::CommitAck {
                ballot,
                confirm,
                chosen_upto,
                storage
            }
        ),
        vec(span(), 0..4).prop_map(|slots| Message::Learn { slots }),
        some_entries().prop_map(|entries| Message::Learned { entries }),
        meta().prop_map(|meta| Message::Snapshot { meta: Box::new(meta) }),
    ]
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![election(), replication()]
}

#[test]
fn a_span_that_ends_before_it_begins_is_refused() {
    let learn = Message::Learn { slots: vec![Span { first: Index(2), last: Index(3) }] };
    let mut bytes = bytes_of(&learn, Message::encode).to_vec();
    bytes[5] = 4;
    assert_eq!(Message::decode(bytes.into()), Err(DecodeError::BadOrder { what: "span" }));
}
