//! The council's message board: councillors of single-decree Paxos, their disks, and the attendants
//! who carry their messages when the script says so.

use std::collections::BTreeMap;

use quorate_consensus::paxos::synod::{
    Backoff, Config, Council, Durable, Event as Report, Input, Message, Numbering, Phase, Synod,
    Vote,
};
use quorate_consensus::{Ballot, Instant, NodeId, Seed, Timers};

use super::phrase::{Arg, Phrase};
use super::tale::{Event, Tale};
use crate::broken::Broken;

/// What the council decides on.
pub(super) type Value = &'static str;

/// How long an attendant walks, where time counts.
const WALK_MICROS: u64 = 1_000;
/// How long with a proposal in hand: values are heavier than questions.
const WALK_WITH_VALUE_MICROS: u64 = 3_000;

/// The kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Prepare,
    Promise,
    Accept,
    Accepted,
    Nack,
    Chosen,
}

/// How a council is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How many councillors.
    pub(super) count: u64,
    /// The rule they break, if any.
    pub(super) broken: Broken,
    /// How long one waits that was refused; without it, only the script makes one try again.
    pub(super) backoff: Option<Backoff>,
    pub(super) seed: Seed,
}

/// A message on its way.
struct Errand {
    from: NodeId,
    to: NodeId,
    message: Message<Value>,
    arrives: Instant,
}

/// A councillor and what it has written down.
struct Seat {
    councillor: Option<Synod<Value, Broken>>,
    disk: Durable<Value>,
}

/// The council at work.
pub(super) struct Board<'t> {
    pub(super) tale: &'t mut Tale,
    rules: Rules,
    seats: BTreeMap<NodeId, Seat>,
    errands: Vec<Errand>,
    /// How many messages of each kind were sent.
    sent: BTreeMap<Kind, usize>,
    /// What was counted as chosen, by whom.
    chosen: Vec<(NodeId, Vote<Value>)>,
    ballots: usize,
    now: Instant,
    /// The keys of what is told, if not everything is.
    told: Option<&'static [&'static str]>,
}

impl<'t> Board<'t> {
    /// A council that begins. The first attempt of councillor `n` has the round `first_round(n)`.
    pub(super) fn open(tale: &'t mut Tale, rules: Rules) -> Self {
        let mut board = Self {
            tale,
            rules,
            seats: BTreeMap::new(),
            errands: Vec::new(),
            sent: BTreeMap::new(),
            chosen: Vec::new(),
            ballots: 0,
            now: Instant::ORIGIN,
            told: None,
        };
        for node in (1..=rules.count).map(NodeId) {
            let seat = Seat { councillor: None, disk: Durable::default() };
            board.seats.insert(node, seat);
            board.sit_down(node, 1);
        }
        board
    }

    /// A councillor takes its seat with what its disk holds.
    fn sit_down(&mut self, node: NodeId, first_round: u64) {
        let mut config = Config::new(node, Council::of((1..=self.rules.count).map(NodeId)));
        config.first_round = first_round;
        config.timers = match self.rules.backoff {
            Some(backoff) => {
                config.backoff = backoff;
                Timers::On
            }
            None => Timers::Off,
        };
        let seed = Seed(self.rules.seed.0.wrapping_add(node.0));
        let seat = self.seats.get_mut(&node).expect("the seat exists");
        let disk = seat.disk.clone();
        seat.councillor = Some(Synod::new(config, self.rules.broken, seed, disk, self.now));
    }

    /// Lets a councillor count its attempts from zero, as the tutorial does for A5.
    pub(super) fn counts_from_zero(&mut self, node: u64) {
        self.sit_down(NodeId(node), 0);
    }

    /// A councillor wants a value; what was refused before is tried again under a higher number.
    pub(super) fn propose(&mut self, node: u64, value: Value) {
        self.feed(NodeId(node), Input::Propose { value });
    }

    /// Attendants deliver all messages of this kind from these councillors to those.
    pub(super) fn carry(&mut self, kind: Kind, from: &[u64], to: &[u64]) {
        for (&from, &to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
            if from == to {
                continue;
            }
            let errand = self.take(kind, NodeId(from), NodeId(to));
            self.arrive(errand);
        }
    }

    /// Attendants deliver all answers of these councillors to that one.
    pub(super) fn answer(&mut self, from: &[u64], to: u64) {
        for from in from.iter().copied().map(NodeId) {
            let is_it = |errand: &Errand| errand.from == from && errand.to == NodeId(to);
            while let Some(at) = self.errands.iter().position(is_it) {
                let errand = self.errands.remove(at);
                self.arrive(errand);
            }
        }
    }

    /// From now on, only what has one of these keys is told.
    pub(super) fn tell_only(&mut self, keys: &'static [&'static str]) {
        self.told = Some(keys);
    }

    /// The attendant with this message never arrives.
    pub(super) fn lose(&mut self, kind: Kind, from: u64, to: &[u64]) {
        for &to in to {
            let errand = self.take(kind, NodeId(from), NodeId(to));
            let say = saying(&errand.message);
            let what = Phrase::of("lost.dropped").with("say", Arg::Phrase(Box::new(say)));
            self.tell(Some(errand.from), what, vec![errand.to]);
        }
    }

    fn take(&mut self, kind: Kind, from: NodeId, to: NodeId) -> Errand {
        let is_it = |errand: &Errand| errand.from == from && errand.to == to && is_of(kind, errand);
        let at = self.errands.iter().position(is_it);
        let at = at.unwrap_or_else(|| panic!("no {kind:?} is on its way from {from} to {to}"));
        self.errands.remove(at)
    }

    /// All attendants arrive, and those they cause to be sent out. Only what is learned is told.
    pub(super) fn settle(&mut self) {
        self.tell_only(&["council.chosen", "council.told"]);
        while !self.errands.is_empty() {
            let errand = self.errands.remove(0);
            self.arrive(errand);
        }
    }

    /// Time passes: attendants walk, councillors grow impatient. Ends early once all know the
    /// decision.
    pub(super) fn run(&mut self, micros: u64) {
        let end = Instant::from_micros(self.now.as_micros() + micros);
        while !self.all_know() {
            let walking = self.errands.iter().map(|errand| errand.arrives);
            let seats = self.seats.values().filter_map(|seat| seat.councillor.as_ref());
            let next = seats.filter_map(Synod::deadline).chain(walking).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.advance();
        }
    }

    /// Time passes for exactly so long.
    pub(super) fn run_for(&mut self, micros: u64) {
        let end = Instant::from_micros(self.now.as_micros() + micros);
        self.run(micros);
        self.now = end;
    }

    /// Does what is due now.
    fn advance(&mut self) {
        let arriving = (0..self.errands.len()).min_by_key(|&at| self.errands[at].arrives);
        if let Some(at) = arriving.filter(|&at| self.errands[at].arrives <= self.now) {
            let errand = self.errands.remove(at);
            return self.arrive(errand);
        }
        let now = self.now;
        let is_due = |seat: &Seat| {
            let deadline = seat.councillor.as_ref().and_then(Synod::deadline);
            deadline.is_some_and(|deadline| deadline <= now)
        };
        let due = self.seats.iter().find(|(_, seat)| is_due(seat)).map(|(node, _)| *node);
        if let Some(node) = due {
            self.feed(node, Input::Wake);
        }
    }

    /// A councillor faints, and comes back with what it has written down.
    pub(super) fn restart(&mut self, node: u64) {
        let node = NodeId(node);
        self.tell(Some(node), Phrase::of("council.restarted"), Vec::new());
        self.sit_down(node, 1);
    }

    /// Shows the triple of each of these councillors.
    pub(super) fn show(&mut self, nodes: &[u64]) {
        for node in nodes.iter().copied().map(NodeId) {
            let seat = self.seats.get(&node).and_then(|seat| seat.councillor.as_ref());
            let Durable { promised, vote, .. } = seat.expect("the seat is taken").durable();
            let what = Phrase::of("council.triple").with("max", self.short(promised));
            let what = match vote {
                Some(vote) => {
                    what.with("n", self.short(vote.ballot)).with("value", raw(vote.value))
                }
                None => what.with("n", raw("–")).with("value", raw("–")),
            };
            self.tell(Some(node), what, Vec::new());
        }
    }

    fn arrive(&mut self, errand: Errand) {
        let Errand { from, to, message, .. } = errand;
        self.feed(to, Input::Message { from, message });
    }

    fn feed(&mut self, node: NodeId, input: Input<Value>) {
        let now = self.now;
        self.with(node, |councillor| councillor.handle(now, input));
        loop {
            let effects = self.with(node, Synod::effects);
            assert!(effects.misbehaved.is_empty(), "councillors are honest");
            for report in effects.events {
                self.report(node, report);
            }
            for envelope in effects.messages {
                self.send(node, envelope.to, envelope.message);
            }
            let Some((write, durable)) = effects.write else { return };
            self.seats.get_mut(&node).expect("the seat exists").disk = durable;
            self.with(node, |councillor| councillor.handle(now, Input::Persisted { write }));
        }
    }

    fn with<T>(&mut self, node: NodeId, act: impl FnOnce(&mut Synod<Value, Broken>) -> T) -> T {
        let seat = self.seats.get_mut(&node).expect("the seat exists");
        act(seat.councillor.as_mut().expect("the seat is taken"))
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message<Value>) {
        *self.sent.entry(kind(&message)).or_default() += 1;
        if matches!(message, Message::Prepare { .. } | Message::Accept { .. }) {
            let say = Arg::Phrase(Box::new(saying(&message)));
            self.tell(Some(from), Phrase::of("sent").with("say", say), vec![to]);
        }
        let walk = match message {
            Message::Accept { .. } => WALK_WITH_VALUE_MICROS,
            _ => WALK_MICROS,
        };
        let arrives = Instant::from_micros(self.now.as_micros() + walk);
        self.errands.push(Errand { from, to, message, arrives });
    }

    fn report(&mut self, node: NodeId, report: Report<Value>) {
        let what = match &report {
            Report::Prepared { ballot } => {
                self.ballots += 1;
                Phrase::of("council.prepared").with("ballot", Arg::Ballot(*ballot))
            }
            Report::Promised { ballot, vote: None } => {
                Phrase::of("council.promised").with("ballot", Arg::Ballot(*ballot))
            }
            Report::Promised { ballot, vote: Some(vote) } => Phrase::of("council.promised.vote")
                .with("ballot", Arg::Ballot(*ballot))
                .with("n", self.short(vote.ballot))
                .with("value", raw(vote.value)),
            Report::Refused { ballot, phase, promised } => Phrase::of(match phase {
                Phase::One => "council.refused.prepare",
                Phase::Two => "council.refused.accept",
            })
            .with("ballot", Arg::Ballot(*ballot))
            .with("promised", Arg::Ballot(*promised)),
            Report::Free { value, .. } => Phrase::of("council.free").with("value", raw(value)),
            Report::Adopted { vote, .. } => Phrase::of("council.adopted")
                .with("n", self.short(vote.ballot))
                .with("value", raw(vote.value)),
            Report::Voted { ballot, value } => {
                Phrase::of("council.voted").with("n", self.short(*ballot)).with("value", raw(value))
            }
            Report::Preempted { ballot, by } => Phrase::of("council.preempted")
                .with("ballot", Arg::Ballot(*ballot))
                .with("by", Arg::Ballot(*by)),
            Report::TimedOut { ballot } => {
                Phrase::of("council.timed-out").with("ballot", Arg::Ballot(*ballot))
            }
            Report::Chosen { vote } => {
                self.chosen.push((node, *vote));
                Phrase::of("council.chosen")
                    .with("n", self.short(vote.ballot))
                    .with("value", raw(vote.value))
            }
            Report::Told { by, vote } => {
                Phrase::of("council.told").with("by", Arg::Node(*by)).with("value", raw(vote.value))
            }
        };
        self.tell(Some(node), what, Vec::new());
    }

    fn tell(&mut self, subject: Option<NodeId>, what: Phrase, receivers: Vec<NodeId>) {
        if self.told.is_some_and(|told| !what.key().is_some_and(|key| told.contains(&key))) {
            return;
        }
        let at = self.rules.backoff.is_some().then_some(self.now);
        let subjects = subject.into_iter().collect();
        self.tale.event(Event { at, subjects, what, receivers, reason: None });
    }

    /// The number of a ballot as the tutorial writes it.
    fn short(&self, ballot: Ballot) -> Arg {
        if ballot == Ballot::ZERO {
            return raw("–");
        }
        let nodes = self.seats.keys().copied().collect();
        let number = Numbering::new(&nodes).number(ballot);
        Arg::Number(number.expect("only councillors have ballots"))
    }

    /// How many messages of a kind were sent.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.sent.get(&kind).copied().unwrap_or(0)
    }

    /// How many ballots were started.
    pub(super) fn ballots(&self) -> usize {
        self.ballots
    }

    /// What was counted as chosen: number and value, in order.
    pub(super) fn chosen(&self) -> Vec<(u64, Value)> {
        let nodes = self.seats.keys().copied().collect();
        let numbering = Numbering::new(&nodes);
        let number = |vote: &Vote<Value>| numbering.number(vote.ballot).expect("a councillor's");
        self.chosen.iter().map(|(_, vote)| (number(vote), vote.value)).collect()
    }

    /// What each councillor knows to be decided.
    pub(super) fn decisions(&self) -> Vec<Option<Value>> {
        let seats = self.seats.values().filter_map(|seat| seat.councillor.as_ref());
        seats.map(|councillor| councillor.chosen().map(|vote| vote.value)).collect()
    }

    fn all_know(&self) -> bool {
        self.decisions().iter().all(Option::is_some)
    }
}

fn raw(value: &str) -> Arg {
    Arg::Raw(value.to_owned())
}

fn is_of(wanted: Kind, errand: &Errand) -> bool {
    kind(&errand.message) == wanted
}

fn kind(message: &Message<Value>) -> Kind {
    match message {
        Message::Prepare { .. } => Kind::Prepare,
        Message::Promise { .. } => Kind::Promise,
        Message::Accept { .. } => Kind::Accept,
        Message::Accepted { .. } => Kind::Accepted,
        Message::Nack { .. } => Kind::Nack,
        Message::Chosen { .. } => Kind::Chosen,
    }
}

/// What a message says.
fn saying(message: &Message<Value>) -> Phrase {
    let said = |key, ballot| Phrase::of(key).with("ballot", Arg::Ballot(ballot));
    match message {
        Message::Prepare { ballot } => said("say.prepare", *ballot),
        Message::Promise { ballot, .. } => said("say.promise", *ballot),
        Message::Accept { ballot, value } => said("say.accept", *ballot).with("value", raw(value)),
        Message::Accepted { ballot, value } => {
            said("say.accepted", *ballot).with("value", raw(value))
        }
        Message::Nack { ballot, promised, .. } => {
            said("say.nack", *ballot).with("promised", Arg::Ballot(*promised))
        }
        Message::Chosen { ballot, value } => said("say.chosen", *ballot).with("value", raw(value)),
    }
}
