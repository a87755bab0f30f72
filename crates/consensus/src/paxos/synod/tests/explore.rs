//! Every interleaving of the small world, and what each broken rule loses there.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::predicates::{Broken, History};
use super::world::{Answers, Bounds, Letter, Memory, Step, World};
use super::{Message, Tax, ballot};
use crate::ids::NodeId;
use crate::paxos::synod::Vote;
use crate::rules::{Rule, Strict};

/// What a search found.
struct Found {
    states: usize,
    /// The first predicate that failed, of those looked for, with the way there.
    broken: Option<(Broken, Vec<Step>)>,
}

/// Depth first through every state, until one of `looked_for` fails.
fn explore(bounds: Bounds, rule: Option<Rule>, looked_for: &[Broken]) -> Found {
    let start = World::new(bounds, rule);
    let mut memory = Memory::new();
    let mut seen = BTreeSet::from([start.key()]);
    let mut path = vec![(None, start.clone(), start.steps(), Rc::new(History::default()))];
    while let Some((_, world, steps, history)) = path.last_mut() {
        let Some(step) = steps.pop() else {
            path.pop();
            continue;
        };
        let next = world.after(&step, &mut memory);
        let mut history = history.clone();
        let failed = judge(&next, &mut history);
        if let Some(predicate) = failed.into_iter().find(|failed| looked_for.contains(failed)) {
            let way = path.iter().filter_map(|(step, ..)| step.clone()).chain([step]).collect();
            return Found { states: seen.len(), broken: Some((predicate, way)) };
        }
        if seen.insert(next.key()) {
            let steps = next.steps();
            path.push((Some(step), next, steps, history));
        }
    }
    Found { states: seen.len(), broken: None }
}

fn judge(world: &World, history: &mut Rc<History>) -> Vec<Broken> {
    let mut failed = Vec::new();
    for letter in &world.news {
        let from = NodeId(letter.from as u64 + 1);
        failed.extend(Rc::make_mut(history).say(from, &letter.message));
    }
    failed.extend(world.learned.iter().filter_map(|vote| history.learn(*vote)));
    failed
}

/// Two proposers with a ballot each, nobody crashes.
const SMALL: Bounds = Bounds { ballots: [1, 1], crashes: 0, answers: Answers::Promises };

const CRASH: Bounds = Bounds { crashes: 1, ..SMALL };

const THREE_BALLOTS: Bounds = Bounds { ballots: [2, 1], ..SMALL };

/// All predicates hold in every state, of which there are at least so many.
fn assert_safe(bounds: Bounds, states_min: usize) {
    let found = explore(bounds, None, &Broken::ALL);
    println!("{bounds:?}: {} states", found.states);
    assert!(found.broken.is_none(), "{:#?}", found.broken);
    assert!(states_min <= found.states, "{} states are too few", found.states);
}

#[test]
fn every_interleaving_with_a_crash_is_safe() {
    assert_safe(CRASH, 40_000);
}

#[test]
fn every_interleaving_of_three_ballots_is_safe() {
    assert_safe(THREE_BALLOTS, 100_000);
}

#[test]
fn proposers_that_count_votes_learn_only_what_is_chosen() {
    assert_safe(Bounds { answers: Answers::Votes, ..SMALL }, 20_000);
}

/// The predicate that each broken rule fails, and the world in which it does.
const CAUGHT: [(Rule, Bounds, Broken); 9] = [
    (Rule::AcceptWithoutPromise, THREE_BALLOTS, Broken::P1a),
    (Rule::AcceptWithoutPromise, THREE_BALLOTS, Broken::Agreement),
    (Rule::ForgetPromise, CRASH, Broken::Agreement),
    (Rule::PromiseBeforeDurable, CRASH, Broken::P1a),
    (Rule::AcceptedBeforeDurable, CRASH, Broken::Agreement),
    (Rule::AdoptAnyVote, THREE_BALLOTS, Broken::P2c),
    (Rule::IgnoreVotes, SMALL, Broken::P2c),
    (Rule::ReuseBallot, Bounds { ballots: [2, 0], ..CRASH }, Broken::OneValue),
    (Rule::ReuseBallot, Bounds { ballots: [2, 0], ..CRASH }, Broken::Agreement),
];

#[test]
fn each_broken_rule_fails_its_predicate() {
    for (rule, bounds, predicate) in CAUGHT {
        let found = explore(bounds, Some(rule), &[predicate]);
        let Some((broken, way)) = found.broken else {
            panic!("{rule:?} does not break {predicate:?} in {} states", found.states);
        };
        println!("{rule:?} breaks {broken:?} in {} steps, {} states", way.len(), found.states);
    }
}

#[test]
fn every_rule_of_the_synod_is_broken_somewhere() {
    let elsewhere = [Rule::CountAcrossBallots];
    for rule in Rule::SYNOD {
        let is_caught = CAUGHT.iter().any(|(caught, ..)| *caught == rule);
        assert!(is_caught || elsewhere.contains(&rule), "{rule:?} is broken nowhere");
    }
}

#[test]
fn votes_of_different_ballots_never_add_up() {
    use crate::members::Members;
    use crate::paxos::synod::Learner;
    use crate::rules::Mutant;

    let quorum = Members::of_voters([1, 2, 3].map(NodeId)).quorum();
    let vote = |round, value| Vote { ballot: ballot(round, 1), value };
    let mut learner = Learner::new(quorum.clone());
    assert_eq!(learner.on_accepted(NodeId(1), vote(1, 10), &Strict), None);
    assert_eq!(learner.on_accepted(NodeId(2), vote(2, 20), &Strict), None, "one vote in each");
    assert_eq!(learner.on_accepted(NodeId(1), vote(1, 10), &Strict), None, "a double");
    assert_eq!(learner.on_accepted(NodeId(3), vote(2, 20), &Strict), Some(vote(2, 20)));

    let broken = Mutant(Rule::CountAcrossBallots);
    let mut learner = Learner::new(quorum);
    assert_eq!(learner.on_accepted(NodeId(1), vote(1, 10), &broken), None);
    assert!(learner.on_accepted(NodeId(2), vote(2, 20), &broken).is_some(), "the rule is broken");
}

/// A world that goes the way it is told.
struct Directed {
    world: World,
    memory: Memory,
    history: Rc<History>,
    failed: BTreeSet<Broken>,
}

/// The proposers and the acceptors by the names that the story below gives them.
const P: usize = 0;
const Q: usize = 1;
const X: usize = 2;
const Y: usize = 3;
const Z: usize = 4;

impl Directed {
    fn new(rule: Option<Rule>) -> Self {
        let world = World::new(THREE_BALLOTS, rule);
        let history = Rc::new(History::default());
        Self { world, memory: Memory::new(), history, failed: BTreeSet::new() }
    }

    fn step(&mut self, step: &Step) {
        self.world = self.world.after(step, &mut self.memory);
        self.failed.extend(judge(&self.world, &mut self.history));
    }

    /// A letter that is on the network arrives, if it is.
    fn arrive(&mut self, from: usize, to: usize, is_it: fn(&Message<Tax>) -> bool) {
        let is_meant =
            |letter: &&Rc<Letter>| (letter.from, letter.to) == (from, to) && is_it(&letter.message);
        if let Some(letter) = self.world.network.iter().rfind(is_meant).cloned() {
            self.step(&Step::Deliver(letter));
        }
    }

    /// A proposer starts a ballot, and these acceptors promise.
    fn prepare(&mut self, proposer: usize, acceptors: [usize; 2]) {
        self.step(&Step::Propose(proposer));
        for acceptor in acceptors {
            self.arrive(proposer, acceptor, |said| matches!(said, Message::Prepare { .. }));
            self.arrive(acceptor, proposer, |said| matches!(said, Message::Promise { .. }));
        }
    }

    /// A proposer's newest accept arrives.
    fn accept(&mut self, proposer: usize, acceptor: usize) {
        self.arrive(proposer, acceptor, |said| matches!(said, Message::Accept { .. }));
    }
}

/// The shortest story in which it matters that a vote raises the promise. It needs proposers apart
/// from the acceptors: one that is an acceptor too votes for itself at once, so that its accept
/// never comes late to itself, and then five are needed.
fn late_accept(rule: Option<Rule>) -> Directed {
    let mut story = Directed::new(rule);
    story.prepare(P, [X, Y]);
    story.prepare(Q, [Y, Z]);
    // X votes for Q's value, without having promised Q anything. With Z that is a majority.
    story.accept(Q, X);
    story.accept(Q, Z);
    // P's accept comes late. X must refuse it: its vote was counted.
    story.accept(P, X);
    // P starts over with X, whose vote for Q's value is gone, and Y, which never voted.
    story.prepare(P, [X, Y]);
    story.accept(P, X);
    story.accept(P, Y);
    story
}

#[test]
fn a_late_accept_replaces_no_vote_that_was_counted() {
    let story = late_accept(None);
    assert!(story.failed.is_empty(), "{:?}", story.failed);
    let values: BTreeSet<Tax> = story.history.chosen().iter().map(|(_, value)| *value).collect();
    assert_eq!(values, [20].into(), "Q's value is chosen, and P must take it over");
}

#[test]
fn without_raising_the_promise_two_values_are_chosen() {
    let story = late_accept(Some(Rule::AcceptWithoutPromise));
    let values: BTreeSet<Tax> = story.history.chosen().iter().map(|(_, value)| *value).collect();
    assert_eq!(values, [10, 20].into());
    assert!(story.failed.contains(&Broken::P1a), "noticed at the late vote: {:?}", story.failed);
    assert!(story.failed.contains(&Broken::Agreement), "{:?}", story.failed);
}
