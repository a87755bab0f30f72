//! The tutorials' story, with numbers: five councillors A1 to A5 vote on a tax rate, and proposer
//! `j` (from zero) uses the numbers `5*i + j`.

use super::{Tax, ballot, manual, persist, start};
use crate::ids::NodeId;
use crate::paxos::synod::{
    Config, Council, Durable, Event, Input, Message, Numbering, Synod, Vote,
};
use crate::rules::Strict;
use crate::time::Instant;

/// The councillors, and the attendants on their way between them.
struct Board {
    numbering: Numbering,
    councillors: Vec<Synod<Tax>>,
    attendants: Vec<(u64, u64, Message<Tax>)>,
    sent: Vec<Message<Tax>>,
    learned: Vec<(u64, u64, Tax)>,
    events: Vec<(u64, Event<Tax>)>,
}

impl Board {
    /// Councillors whose attempts count from one, except A5's from `first_of_a5`.
    fn new(first_of_a5: u64) -> Self {
        let council = Council::of((1..=5).map(NodeId));
        let numbering = Numbering::new(&council.acceptors);
        let councillors = (1..=5)
            .map(|node| {
                let first_round = if node == 5 { first_of_a5 } else { 1 };
                let config = Config { first_round, ..manual(node, &council) };
                start(config, Strict, Durable::default())
            })
            .collect();
        Self {
            numbering,
            councillors,
            attendants: Vec::new(),
            sent: Vec::new(),
            learned: Vec::new(),
            events: Vec::new(),
        }
    }

    fn propose(&mut self, node: u64, value: Tax) {
        self.tell(node, Input::Propose { value });
    }

    fn tell(&mut self, node: u64, input: Input<Tax>) {
        let councillor = &mut self.councillors[node as usize - 1];
        councillor.handle(Instant::ORIGIN, input);
        let effects = persist(councillor, Instant::ORIGIN);
        assert_eq!(effects.misbehaved, []);
        for envelope in effects.messages {
            self.sent.push(envelope.message.clone());
            self.attendants.push((node, envelope.to.0, envelope.message));
        }
        for vote in effects.learned {
            let number = self.numbering.number(vote.ballot).expect("a councillor's ballot");
            self.learned.push((node, number, vote.value));
        }
        self.events.extend(effects.events.into_iter().map(|event| (node, event)));
    }

    /// Lets the attendants arrive that `arrives` names, with what they cause, in order.
    fn deliver(&mut self, arrives: impl Fn(u64, u64, &Message<Tax>) -> bool) {
        while let Some(at) =
            self.attendants.iter().position(|(from, to, message)| arrives(*from, *to, message))
        {
            let (from, to, message) = self.attendants.remove(at);
            self.tell(to, Input::Message { from: NodeId(from), message });
        }
    }

    /// Lets everyone of these hear each other.
    fn gather(&mut self, nodes: &[u64]) {
        self.deliver(|from, to, _| nodes.contains(&from) && nodes.contains(&to));
    }

    /// Phase 1 only.
    fn gather_promises(&mut self, nodes: &[u64]) {
        self.deliver(|from, to, message| {
            let is_first = matches!(message, Message::Prepare { .. } | Message::Promise { .. });
            is_first && nodes.contains(&from) && nodes.contains(&to)
        });
    }

    fn tried(&self, node: u64) -> Option<u64> {
        self.numbering.number(self.councillors[node as usize - 1].durable().tried)
    }

    /// (`MaxN`, (`AcceptN`, `AcceptV`)) in numbers.
    fn triple(&self, node: u64) -> (u64, Option<(u64, Tax)>) {
        let durable = self.councillors[node as usize - 1].durable();
        let number = |ballot| self.numbering.number(ballot).expect("a councillor's ballot");
        (number(durable.promised), durable.vote.map(|vote| (number(vote.ballot), vote.value)))
    }

    fn count(&self, is_counted: fn(&Message<Tax>) -> bool) -> usize {
        self.sent.iter().filter(|message| is_counted(message)).count()
    }

    fn happened(&self, node: u64, event: &Event<Tax>) -> bool {
        self.events.iter().any(|(at, happened)| *at == node && happened == event)
    }
}

const A1_FIRST: crate::ballot::Ballot = crate::ballot::Ballot { round: 1, node: NodeId(1) };

/// A1's 10% reaches A1, A2 and A3 whole: chosen at 5.
fn a1_decides(board: &mut Board) {
    board.propose(1, 10);
    board.gather(&[1, 2, 3]);
    assert_eq!(board.triple(3), (5, Some((5, 10))));
    assert!(board.learned.contains(&(1, 5, 10)));
    board.attendants.clear();
}

#[test]
fn council_0_one_proposer_takes_four_times_four_messages() {
    let mut board = Board::new(1);
    board.propose(1, 10);
    board.gather(&[1, 2, 3, 4, 5]);
    assert_eq!(board.count(|message| matches!(message, Message::Prepare { .. })), 4);
    assert_eq!(board.count(|message| matches!(message, Message::Promise { .. })), 4);
    assert_eq!(board.count(|message| matches!(message, Message::Accept { .. })), 4);
    assert_eq!(board.count(|message| matches!(message, Message::Accepted { .. })), 4);
    board.learned.sort_unstable();
    assert_eq!(board.learned, [1, 2, 3, 4, 5].map(|node| (node, 5, 10)));
}

#[test]
fn council_1a_a_lower_number_is_refused_and_the_next_is_9() {
    let mut board = Board::new(0);
    a1_decides(&mut board);
    board.propose(5, 20);
    assert_eq!(board.tried(5), Some(4));
    board.gather(&[3, 4, 5]);
    assert!(board.happened(5, &Event::Preempted { ballot: ballot(0, 5), by: A1_FIRST }));
    board.propose(5, 20);
    assert_eq!(board.tried(5), Some(9));
    board.gather(&[3, 4, 5]);
    assert!(board.learned.contains(&(5, 9, 10)), "chosen again at 9, with the same value");
}

#[test]
fn council_1b_a_higher_number_adopts_what_is_chosen() {
    let mut board = Board::new(1);
    a1_decides(&mut board);
    board.propose(5, 20);
    board.gather(&[3, 4, 5]);
    let vote = Vote { ballot: A1_FIRST, value: 10 };
    assert!(board.happened(5, &Event::Adopted { ballot: ballot(1, 5), vote }));
    assert!(board.learned.contains(&(5, 9, 10)));
}

#[test]
fn council_1b_early_a_single_vote_is_adopted_before_it_is_chosen() {
    let mut board = Board::new(1);
    board.propose(1, 10);
    board.gather_promises(&[1, 2, 3]);
    board.deliver(|_, to, message| to == 3 && matches!(message, Message::Accept { .. }));
    assert_eq!(board.triple(2).1, None, "A1 and A3 have voted: two of five choose nothing");
    board.attendants.clear();
    board.propose(5, 20);
    board.gather(&[3, 4, 5]);
    assert_eq!(board.learned, [(5, 9, 10), (3, 9, 10), (4, 9, 10)]);
}

#[test]
fn council_1b_miss_whoever_hears_of_no_vote_is_free() {
    let mut board = Board::new(1);
    board.propose(1, 10);
    board.gather_promises(&[1, 2, 3]);
    board.deliver(|_, to, message| to == 3 && matches!(message, Message::Accept { .. }));
    board.attendants.clear();
    board.propose(5, 20);
    board.gather(&[2, 4, 5]);
    assert!(board.happened(5, &Event::Free { ballot: ballot(1, 5), value: 20 }));
    assert_eq!(board.learned, [(5, 9, 20), (2, 9, 20), (4, 9, 20)]);
    assert_eq!(board.triple(3), (5, Some((5, 10))), "asleep with a vote that chose nothing");
}

#[test]
fn council_2_refused_at_the_promise_the_next_number_is_10() {
    let mut board = Board::new(1);
    board.propose(5, 20);
    board.gather_promises(&[3, 4, 5]);
    board.attendants.clear();
    assert_eq!(board.triple(3), (9, None));
    board.propose(1, 10);
    board.deliver(|_, to, _| to == 3);
    board.deliver(|from, to, _| (from, to) == (3, 1));
    assert!(board.happened(1, &Event::Preempted { ballot: A1_FIRST, by: ballot(1, 5) }));
    board.propose(1, 10);
    assert_eq!(board.tried(1), Some(10));
}

#[test]
fn council_3_refused_at_the_vote_and_bound_to_the_other_value() {
    let mut board = Board::new(1);
    board.propose(1, 10);
    board.gather_promises(&[1, 2, 3]);
    let late: Vec<_> = board.attendants.drain(..).collect();
    board.propose(5, 20);
    board.gather_promises(&[3, 4, 5]);
    let accepts: Vec<_> = board.attendants.drain(..).collect();

    board.attendants = late;
    board.deliver(|_, to, message| {
        [2, 3].contains(&to) && matches!(message, Message::Accept { .. })
    });
    assert_eq!(board.triple(1), (5, Some((5, 10))));
    assert_eq!(board.triple(2), (5, Some((5, 10))));
    assert_eq!(board.triple(3), (9, None), "A3 has promised 9");
    board.deliver(|from, to, message| {
        (from, to) == (3, 1) && matches!(message, Message::Nack { .. })
    });
    assert!(board.happened(1, &Event::Preempted { ballot: A1_FIRST, by: ballot(1, 5) }));

    board.attendants = accepts;
    board.gather(&[3, 4, 5]);
    assert!(board.learned.contains(&(5, 9, 20)), "20% is chosen at 9");

    board.attendants.clear();
    board.propose(1, 10);
    assert_eq!(board.tried(1), Some(10));
    board.gather(&[1, 2, 3]);
    let vote = Vote { ballot: ballot(1, 5), value: 20 };
    assert!(board.happened(1, &Event::Adopted { ballot: ballot(2, 1), vote }));
    assert!(board.learned.contains(&(1, 10, 20)), "A1 must propose 20%");
}
