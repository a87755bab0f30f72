//! A small world: two proposers, three acceptors, a network that forgets nothing and a disk each.
//!
//! Every message stays on the network and may arrive at any time, any number of times, or never:
//! that is loss, delay, doubling and overtaking at once. What a councillor wrote becomes durable
//! in a step of its own, and a crash may keep or lose what is not durable yet.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::{Durable, Input, Message, Synod, Tax, manual, start};
use crate::ids::{NodeId, WriteId};
use crate::paxos::synod::{Council, Vote};
use crate::rules::{Mutant, Rule, Rules};
use crate::time::Instant;

const PROPOSERS: usize = 2;
const ACCEPTORS: [NodeId; 3] = [NodeId(3), NodeId(4), NodeId(5)];
const NODES: usize = 5;

/// How far a world goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Ballots that each proposer may start.
    pub(super) ballots: [u8; PROPOSERS],
    /// Crashes of anyone, in all.
    pub(super) crashes: u8,
    /// Which answers reach the proposers.
    pub(super) answers: Answers,
}

/// Which answers reach the proposers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Promises. The votes count where they are.
    Promises,
    /// Promises and votes: proposers learn.
    Votes,
}

/// The rules in force: all of them, or all but one.
type InForce = Option<Mutant>;

impl Rules for InForce {
    fn breaks(&self, rule: Rule) -> bool {
        self.is_some_and(|mutant| mutant.0 == rule)
    }
}

/// What can happen next. Nodes are counted from zero, the proposers first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A proposer starts a ballot.
    Propose(usize),
    /// A message arrives.
    Deliver(Rc<Letter>),
    /// A councillor's oldest write becomes durable.
    Persist(usize),
    /// A councillor crashes; so many of its writes had become durable.
    Crash(usize, usize),
}

/// A message on the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Letter {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) message: Message<Tax>,
}

impl Letter {
    fn acceptor(&self) -> usize {
        self.from.max(self.to) - PROPOSERS
    }

    /// What it says about its acceptor, whichever of the three that is.
    fn key(&self) -> u64 {
        hash_of(&(self.from.min(self.to), &self.message))
    }
}

/// A councillor with its disk.
#[derive(Clone, Debug)]
struct Node {
    synod: Synod<Tax, InForce>,
    disk: Durable<Tax>,
    writes: VecDeque<(WriteId, Durable<Tax>)>,
    started: u8,
    restarts: u8,
    /// Equal for nodes that behave alike, but for what they know of single acceptors.
    key: u64,
    /// What it knows of each acceptor.
    views: [u64; ACCEPTORS.len()],
}

/// What a councillor does about an input: the councillor afterwards, what it says and learns.
#[derive(Clone, Debug)]
pub(super) struct Reaction {
    node: Rc<Node>,
    letters: Vec<Rc<Letter>>,
    learned: Vec<Vote<Tax>>,
}

/// What councillors in some state do about some input: found out once.
pub(super) type Memory = BTreeMap<(usize, u64, [u64; ACCEPTORS.len()], u64), Reaction>;

/// A state of the world.
#[derive(Clone, Debug)]
pub(super) struct World {
    bounds: Bounds,
    rules: InForce,
    nodes: [Rc<Node>; NODES],
    /// Ascending, each once.
    pub(super) network: Rc<Vec<Rc<Letter>>>,
    /// What each acceptor has received and sent.
    network_keys: [u64; ACCEPTORS.len()],
    crashes: u8,
    /// What the last step added to the network, and what was learned in it.
    pub(super) news: Vec<Rc<Letter>>,
    pub(super) learned: Vec<Vote<Tax>>,
}

fn councillor(at: usize, rules: InForce, disk: Durable<Tax>) -> Synod<Tax, InForce> {
    start(manual(at as u64 + 1, &Council::of(ACCEPTORS)), rules, disk)
}

/// Fowler, Noll and Vo's hash over what `Debug` says, mixed so that sums of hashes may stand for
/// sets.
fn hash_of(value: &impl core::fmt::Debug) -> u64 {
    struct Fnv(u64);
    impl core::fmt::Write for Fnv {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            for byte in text.bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    core::fmt::write(&mut fnv, format_args!("{value:?}")).expect("hashing takes everything");
    mixed(fnv.0)
}

/// The finaliser of `SplitMix64`.
fn mixed(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A hash of a sequence.
fn combined(seed: u64, words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(seed, |hash, word| mixed(hash.rotate_left(5) ^ word))
}

/// Whether a message goes on the network. The news of a decision changes nothing any more, and
/// a refusal nothing that matters: a proposer may start over at any time.
fn travels(letter: &Letter) -> bool {
    !matches!(letter.message, Message::Chosen { .. } | Message::Nack { .. })
}

impl Node {
    fn new(at: usize, rules: InForce) -> Self {
        let disk = Durable::default();
        let synod = councillor(at, rules, disk.clone());
        let writes = VecDeque::new();
        let mut node = Self { synod, disk, writes, started: 0, restarts: 0, key: 0, views: [0; 3] };
        node.name();
        node
    }

    /// Names the state.
    fn name(&mut self) {
        let writes: Vec<_> = self.writes.iter().map(|(_, durable)| durable).collect();
        let state = (self.synod.canonical(), &self.disk, writes, self.started, self.restarts);
        self.key = hash_of(&state);
        self.views = ACCEPTORS.map(|acceptor| hash_of(&self.synod.view_of(acceptor)));
    }
}

impl World {
    pub(super) fn new(bounds: Bounds, rule: Option<Rule>) -> Self {
        let rules = rule.map(Mutant);
        Self {
            bounds,
            rules,
            nodes: core::array::from_fn(|at| Rc::new(Node::new(at, rules))),
            network: Rc::default(),
            network_keys: [0; 3],
            crashes: 0,
            news: Vec::new(),
            learned: Vec::new(),
        }
    }

    /// A name for this state, equal for states that behave alike. The acceptors are alike, so
    /// which of them is which does not matter: each is a summand of its state, its part of the
    /// network, and what the proposers know of it.
    pub(super) fn key(&self) -> u128 {
        let half = |seed: u64| {
            let acceptors = (0..ACCEPTORS.len()).map(|a| {
                let known = self.nodes[..PROPOSERS].iter().map(|proposer| proposer.views[a]);
                let own = [self.nodes[PROPOSERS + a].key, self.network_keys[a]];
                combined(seed, own.into_iter().chain(known))
            });
            let acceptors = acceptors.fold(0, u64::wrapping_add);
            let proposers = self.nodes[..PROPOSERS].iter().map(|proposer| proposer.key);
            combined(seed, proposers.chain([acceptors, u64::from(self.crashes)]))
        };
        u128::from(half(1)) << 64 | u128::from(half(2))
    }

    /// Everything that can happen.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for at in 0..PROPOSERS {
            if self.nodes[at].started < self.bounds.ballots[at] {
                steps.push(Step::Propose(at));
            }
        }
        let arriving = self.network.iter().filter(|letter| self.arrives(letter));
        steps.extend(arriving.cloned().map(Step::Deliver));
        for (at, node) in self.nodes.iter().enumerate() {
            if !node.writes.is_empty() {
                steps.push(Step::Persist(at));
            }
            if self.crashes < self.bounds.crashes {
                steps.extend((0..=node.writes.len()).map(|kept| Step::Crash(at, kept)));
            }
        }
        if let Some(busy) = self.busy() {
            steps.retain(|step| match step {
                Step::Persist(at) | Step::Crash(at, _) => *at == busy,
                Step::Propose(_) | Step::Deliver(_) => false,
            });
        }
        steps
    }

    /// Whether a message on the network may arrive. Votes are there for the history, too.
    fn arrives(&self, letter: &Letter) -> bool {
        let is_vote = matches!(letter.message, Message::Accepted { .. });
        !is_vote || self.bounds.answers == Answers::Votes
    }

    /// The node whose disk is at work. Until it speaks nobody sees a difference, so nothing else
    /// happens meanwhile but a crash there.
    fn busy(&self) -> Option<usize> {
        self.nodes.iter().position(|node| !node.writes.is_empty())
    }

    /// The world after a step. Where a write can only become durable, it does at once.
    pub(super) fn after(&self, step: &Step, memory: &mut Memory) -> Self {
        let mut world = self.clone();
        world.news.clear();
        world.learned.clear();
        match step {
            Step::Propose(at) | Step::Persist(at) => world.act(*at, step, memory),
            Step::Deliver(letter) => world.act(letter.to, step, memory),
            Step::Crash(at, kept) => world.crash(*at, *kept),
        }
        if world.crashes == world.bounds.crashes {
            while let Some(busy) = world.busy() {
                world.act(busy, &Step::Persist(busy), memory);
            }
        }
        world
    }

    fn act(&mut self, at: usize, step: &Step, memory: &mut Memory) {
        let input = match step {
            Step::Deliver(letter) => combined(letter.from as u64, [letter.key()]),
            Step::Propose(_) => 1,
            Step::Persist(_) => 2,
            Step::Crash(..) => unreachable!("nobody acts on its own crash"),
        };
        let node = &self.nodes[at];
        let known = memory.entry((at, node.key, node.views, input));
        let reaction = known.or_insert_with(|| self.reaction(at, step));
        self.nodes[at] = reaction.node.clone();
        self.learned.extend(&reaction.learned);
        for letter in &reaction.letters {
            self.send(letter);
        }
    }

    fn send(&mut self, letter: &Rc<Letter>) {
        let Err(place) = self.network.binary_search(letter) else { return };
        let key = &mut self.network_keys[letter.acceptor()];
        *key = key.wrapping_add(letter.key());
        Rc::make_mut(&mut self.network).insert(place, letter.clone());
        self.news.push(letter.clone());
    }

    fn reaction(&self, at: usize, step: &Step) -> Reaction {
        let mut node = Node::clone(&self.nodes[at]);
        let input = match step {
            Step::Propose(_) => {
                node.started += 1;
                // Proposers wish for different values, and after a restart for others again.
                Input::Propose { value: 10 * (at as Tax + 1) + node.restarts }
            }
            Step::Deliver(letter) => {
                let from = NodeId(letter.from as u64 + 1);
                Input::Message { from, message: letter.message.clone() }
            }
            Step::Persist(_) => {
                let (write, durable) = node.writes.pop_front().expect("only what was written");
                node.disk = durable;
                Input::Persisted { write }
            }
            Step::Crash(..) => unreachable!("nobody acts on its own crash"),
        };
        node.synod.handle(Instant::ORIGIN, input);
        let effects = node.synod.effects();
        let is_correct = self.rules.is_some() || effects.misbehaved.is_empty();
        assert!(is_correct, "a correct councillor is accused: {:?}", effects.misbehaved);
        node.writes.extend(effects.write);
        node.name();
        let letters = effects.messages.into_iter().map(|envelope| {
            let to = envelope.to.0 as usize - 1;
            Rc::new(Letter { from: at, to, message: envelope.message })
        });
        let letters = letters.filter(|letter| travels(letter)).collect();
        Reaction { letters, node: Rc::new(node), learned: effects.learned }
    }

    fn crash(&mut self, at: usize, kept: usize) {
        self.crashes += 1;
        let rules = self.rules;
        let node = Rc::make_mut(&mut self.nodes[at]);
        if let Some(last) = kept.checked_sub(1) {
            node.disk = node.writes[last].1.clone();
        }
        node.writes.clear();
        node.restarts += 1;
        node.synod = councillor(at, rules, node.disk.clone());
        node.name();
    }
}
