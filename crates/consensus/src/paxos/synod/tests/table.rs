//! The decision table, whole: (prepare, accept) x (lower, equal, higher) x (has voted or not), in a
//! councillor with its disk: the answer, what it carries, the triple afterwards, and that nothing
//! but a refusal leaves before the triple is durable.

use super::{Input, Tax, ballot, councillor, persist, tell};
use crate::ballot::Ballot;
use crate::ids::NodeId;
use crate::paxos::synod::{Durable, Message, Phase, Vote};
use crate::time::Instant;

const PROMISED: Ballot = Ballot { round: 2, node: NodeId(2) };
const OLD: Vote<Tax> = Vote { ballot: Ballot { round: 1, node: NodeId(3) }, value: 10 };
const ASKED: Tax = 20;

/// Lower, equal and higher, by the round and by the node.
fn asked() -> [(Ballot, core::cmp::Ordering); 5] {
    [ballot(1, 3), ballot(2, 1), ballot(2, 2), ballot(2, 3), ballot(3, 1)]
        .map(|asked| (asked, asked.cmp(&PROMISED)))
}

fn request(phase: Phase, ballot: Ballot) -> Message<Tax> {
    match phase {
        Phase::One => Message::Prepare { ballot },
        Phase::Two => Message::Accept { ballot, value: ASKED },
    }
}

/// The answer and the triple afterwards, as the table says.
fn expected(phase: Phase, ballot: Ballot, vote: Option<Vote<Tax>>) -> (Message<Tax>, Durable<Tax>) {
    let kept = Durable { tried: Ballot::ZERO, promised: PROMISED.max(ballot), vote };
    if ballot < PROMISED {
        return (Message::Nack { ballot, phase, promised: PROMISED }, kept);
    }
    match phase {
        Phase::One => (Message::Promise { ballot, vote }, kept),
        Phase::Two => {
            let vote = Some(Vote { ballot, value: ASKED });
            (Message::Accepted { ballot, value: ASKED }, Durable { vote, ..kept })
        }
    }
}

#[test]
fn every_cell_of_the_decision_table() {
    let mut cells = 0;
    for phase in [Phase::One, Phase::Two] {
        for (ballot, order) in asked() {
            for vote in [None, Some(OLD)] {
                let cell = format!("{phase:?} {order:?} {vote:?}");
                let before = Durable { tried: Ballot::ZERO, promised: PROMISED, vote };
                let mut acceptor = councillor(5, before.clone());
                tell(&mut acceptor, ballot.node.0, request(phase, ballot));
                let (answer, after) = expected(phase, ballot, vote);

                let effects = acceptor.effects();
                assert_eq!(acceptor.durable(), after, "{cell}");
                let is_changed = before != after;
                assert_eq!(effects.write.is_some(), is_changed, "{cell}: what is written");
                let early = effects.messages.len();
                assert_eq!(early, usize::from(!is_changed), "{cell}: before it is durable");

                let mut messages = effects.messages;
                if let Some((write, durable)) = effects.write {
                    assert_eq!(durable, after, "{cell}: what is written");
                    let input = Input::Persisted { write };
                    acceptor.handle(Instant::ORIGIN, input);
                    messages.extend(acceptor.effects().messages);
                }
                let [envelope] = &messages[..] else { panic!("{cell}: one answer") };
                assert_eq!((envelope.to, &envelope.message), (ballot.node, &answer), "{cell}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 20);
}

#[test]
fn an_equal_prepare_is_promised_again_but_not_before_the_first_is_durable() {
    let mut acceptor = councillor(5, Durable::default());
    tell(&mut acceptor, 1, request(Phase::One, ballot(1, 1)));
    let write = acceptor.effects().write.expect("the promise rises").0;
    tell(&mut acceptor, 1, request(Phase::One, ballot(1, 1)));
    let effects = acceptor.effects();
    assert_eq!(effects.write, None, "it is on its way already");
    assert_eq!(effects.messages, [], "but not there");
    let persisted = Input::Persisted { write };
    acceptor.handle(Instant::ORIGIN, persisted);
    assert_eq!(acceptor.effects().messages.len(), 2);
}

#[test]
fn what_no_correct_councillor_says_is_counted_and_changes_nothing() {
    let high = Some(Vote { ballot: ballot(9, 2), value: 1 });
    let own = ballot(1, 1);
    let cases = [
        (3, Message::Prepare { ballot: ballot(1, 2) }),
        (3, Message::Accept { ballot: ballot(1, 2), value: 1 }),
        (9, Message::Promise { ballot: own, vote: None }),
        (3, Message::Promise { ballot: ballot(1, 2), vote: None }),
        (3, Message::Promise { ballot: ballot(7, 1), vote: None }),
        (3, Message::Promise { ballot: own, vote: high }),
        (3, Message::Accepted { ballot: ballot(7, 1), value: 1 }),
        (3, Message::Nack { ballot: own, phase: Phase::One, promised: own }),
        (9, Message::Chosen { ballot: own, value: 1 }),
    ];
    for (from, message) in cases {
        let mut councillor = councillor(1, Durable::default());
        councillor.handle(Instant::ORIGIN, Input::Propose { value: 10 });
        persist(&mut councillor, Instant::ORIGIN);
        let before = format!("{:?}", councillor.canonical());
        tell(&mut councillor, from, message.clone());
        assert_eq!(councillor.effects().misbehaved.len(), 1, "{message:?}");
        assert_eq!(format!("{:?}", councillor.canonical()), before, "{message:?}");
    }
}
