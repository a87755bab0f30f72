//! What a crash may take, and what it must not.

use std::collections::BTreeSet;

use super::{Durable, Input, Message, ballot, councillor, manual, persist, start, tell};
use crate::ballot::Ballot;
use crate::ids::NodeId;
use crate::paxos::synod::number::next_own;
use crate::paxos::synod::{Council, Numbering, Vote};
use crate::rules::{Mutant, Rule};
use crate::time::Instant;

const PROPOSE: Input<u8> = Input::Propose { value: 10 };

#[test]
fn a_prepare_leaves_after_its_ballot_is_durable() {
    let mut proposer = councillor(1, Durable::default());
    proposer.handle(Instant::ORIGIN, PROPOSE);
    let effects = proposer.effects();
    assert_eq!(effects.messages, [], "the ballot is not durable yet");
    let (write, durable) = effects.write.expect("the ballot is written");
    assert_eq!((durable.tried, durable.promised), (ballot(1, 1), ballot(1, 1)));

    proposer.handle(Instant::ORIGIN, Input::Persisted { write });
    let receivers: Vec<NodeId> =
        proposer.effects().messages.iter().map(|envelope| envelope.to).collect();
    assert_eq!(receivers, [2, 3, 4, 5].map(NodeId));
}

#[test]
fn no_ballot_is_used_twice_across_restarts() {
    let mut disk = Durable::default();
    let mut used = BTreeSet::new();
    for _ in 0..5 {
        let mut proposer = councillor(1, disk);
        proposer.handle(Instant::ORIGIN, PROPOSE);
        disk = persist(&mut proposer, Instant::ORIGIN).write.expect("the ballot is written").1;
        assert!(used.insert(disk.tried), "{} is used twice", disk.tried);
    }
}

#[test]
fn a_councillor_that_only_proposes_remembers_its_ballots_too() {
    let council = Council::of([2, 3, 4].map(NodeId));
    let disk = Durable { tried: ballot(3, 1), ..Durable::default() };
    let mut proposer = start(manual(1, &council), crate::rules::Strict, disk.clone());
    proposer.handle(Instant::ORIGIN, PROPOSE);
    assert_eq!(proposer.durable().tried, ballot(4, 1));

    let broken = Mutant(Rule::ReuseBallot);
    let mut proposer = start(manual(1, &council), broken, disk);
    proposer.handle(Instant::ORIGIN, PROPOSE);
    assert_eq!(proposer.durable().tried, ballot(1, 1), "the rule is broken");
}

#[test]
fn an_acceptor_comes_back_with_its_triple() {
    let vote = Some(Vote { ballot: ballot(2, 2), value: 20 });
    let disk = Durable { tried: Ballot::ZERO, promised: ballot(3, 3), vote };
    let mut acceptor = councillor(5, disk.clone());
    assert_eq!(acceptor.durable(), disk);
    tell(&mut acceptor, 4, Message::Prepare { ballot: ballot(3, 4) });
    let answer = persist(&mut acceptor, Instant::ORIGIN).messages.remove(0).message;
    assert_eq!(answer, Message::Promise { ballot: ballot(3, 4), vote });
}

#[test]
fn ballots_and_numbers_translate_and_keep_their_order() {
    let nodes: BTreeSet<NodeId> = [3, 4, 7, 8, 9].map(NodeId).into();
    let numbering = Numbering::new(&nodes);
    let mut last = None;
    for number in 0..100 {
        let ballot = numbering.ballot(number);
        assert_eq!(numbering.number(ballot), Some(number));
        assert!(last < Some(ballot), "the orders agree");
        last = Some(ballot);
    }
    assert_eq!(numbering.number(ballot(1, 3)), Some(5), "A1's first is 5*1+0");
    assert_eq!(numbering.number(ballot(1, 9)), Some(9), "A5's is 5*1+4");
    assert_eq!(numbering.number(ballot(1, 5)), None, "nobody's");
    assert_eq!(numbering.number(ballot(u64::MAX, 3)), None, "beyond all numbers");
}

#[test]
fn the_next_ballot_is_the_least_own_one_above() {
    let nodes: BTreeSet<NodeId> = (1..=5).map(NodeId).collect();
    let numbering = Numbering::new(&nodes);
    for seen in 0..60 {
        for node in &nodes {
            let next = numbering.number(next_own(*node, numbering.ballot(seen)));
            let least =
                (seen + 1..=seen + 5).find(|number| numbering.ballot(*number).node == *node);
            assert_eq!(next, least, "{node} above {seen}");
        }
    }
}
