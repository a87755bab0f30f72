//! Two proposers that get in each other's way (PMS §2.4): for ever, if both come back at once; not
//! for long, if they wait a random time that grows.

use core::time::Duration;

use super::{Durable, Input, Message, persist};
use crate::config::Timers;
use crate::ids::{NodeId, Seed};
use crate::paxos::synod::{Backoff, Config, Council, Synod};
use crate::rules::Strict;
use crate::time::Instant;

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

const MILLISECOND: Duration = Duration::from_millis(1);

/// Values travel slower than numbers.
fn latency(message: &Message<u8>) -> Duration {
    match message {
        Message::Accept { .. } => MILLISECOND * 5,
        _ => MILLISECOND,
    }
}

struct Duel {
    now: Instant,
    councillors: Vec<Synod<u8>>,
    /// Ascending by arrival.
    travelling: Vec<(Instant, NodeId, usize, Message<u8>)>,
    ballots: usize,
    decided: Vec<u8>,
}

impl Duel {
    fn new(seed: u64, backoff: Backoff) -> Self {
        let council = Council::of(NODES);
        let councillors = NODES
            .map(|node| {
                let config = Config { backoff, ..Config::new(node, council.clone()) };
                assert_eq!(config.timers, Timers::On);
                let seed = Seed(seed ^ node.0 << 32);
                Synod::new(config, Strict, seed, Durable::default(), Instant::ORIGIN)
            })
            .into();
        let mut duel = Self {
            now: Instant::ORIGIN,
            councillors,
            travelling: Vec::new(),
            ballots: 0,
            decided: Vec::new(),
        };
        duel.tell(0, Input::Propose { value: 10 });
        let second = Instant::ORIGIN + MILLISECOND * 4;
        while duel.step(second) {}
        duel.now = second;
        duel.tell(1, Input::Propose { value: 20 });
        duel
    }

    fn tell(&mut self, at: usize, input: Input<u8>) {
        let before = self.councillors[at].durable().tried;
        self.councillors[at].handle(self.now, input);
        self.ballots += usize::from(self.councillors[at].durable().tried != before);
        let effects = persist(&mut self.councillors[at], self.now);
        self.decided.extend(effects.learned.iter().map(|vote| vote.value));
        for envelope in effects.messages {
            let arrival = self.now + latency(&envelope.message);
            let to = envelope.to.0 as usize - 1;
            let place = self.travelling.partition_point(|(earlier, ..)| *earlier <= arrival);
            self.travelling.insert(place, (arrival, NODES[at], to, envelope.message));
        }
    }

    /// Goes on until all have decided or so many ballots were started.
    fn run(&mut self, ballots_max: usize) {
        let for_ever = Instant::from_micros(u64::MAX);
        while self.decided.len() < 3 && self.ballots < ballots_max && self.step(for_ever) {}
    }

    /// Lets the next thing happen, if it does before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let timers = self.councillors.iter().enumerate();
        let timer = timers.filter_map(|(at, node)| Some((node.deadline()?, at))).min();
        let arrival = self.travelling.first().map(|(arrival, ..)| *arrival);
        if let Some(arrival) = arrival.filter(|arrival| *arrival < end)
            && timer.is_none_or(|(due, _)| arrival <= due)
        {
            let (_, from, to, message) = self.travelling.remove(0);
            self.now = arrival;
            self.tell(to, Input::Message { from, message });
            return true;
        }
        let Some((due, at)) = timer.filter(|(due, _)| *due < end) else { return false };
        self.now = due;
        self.tell(at, Input::Wake);
        true
    }
}

#[test]
fn proposers_that_come_back_at_once_never_decide() {
    let at_once = Backoff { least: MILLISECOND, most: MILLISECOND };
    let mut duel = Duel::new(1, at_once);
    duel.run(1_000);
    assert_eq!((duel.ballots, &duel.decided[..]), (1_000, &[][..]));
}

#[test]
fn proposers_that_wait_longer_each_time_decide_under_every_seed() {
    let growing = Backoff { least: MILLISECOND, most: Duration::from_millis(200) };
    let mut ballots = Vec::new();
    for seed in 0..1_000 {
        let mut duel = Duel::new(seed, growing);
        duel.run(100);
        assert_eq!(duel.decided.len(), 3, "seed {seed}: {} ballots", duel.ballots);
        assert!(duel.decided.iter().all(|value| *value == duel.decided[0]), "seed {seed}");
        ballots.push(duel.ballots);
    }
    ballots.sort_unstable();
    let (median, worst) = (ballots[500], ballots[999]);
    assert!(median <= 10 && worst <= 60, "median {median}, worst {worst}");
}
