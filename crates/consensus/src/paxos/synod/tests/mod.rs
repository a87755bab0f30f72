//! Does single-decree Paxos decide one thing, whatever happens?

mod council;
mod duel;
mod explore;
mod predicates;
mod restart;
mod table;
mod world;

use super::{Config, Council, Durable, Effects, Input, Message, Synod};
use crate::ballot::Ballot;
use crate::config::Timers;
use crate::ids::{NodeId, Seed};
use crate::rules::{Rules, Strict};
use crate::time::Instant;

/// What the councillors vote on.
type Tax = u8;

fn ballot(round: u64, node: u64) -> Ballot {
    Ballot { round, node: NodeId(node) }
}

/// The settings of a councillor that acts only when told to.
fn manual(node: u64, council: &Council) -> Config {
    Config { timers: Timers::Off, ..Config::new(NodeId(node), council.clone()) }
}

fn start<R: Rules>(config: Config, rules: R, disk: Durable<Tax>) -> Synod<Tax, R> {
    Synod::new(config, rules, Seed(1), disk, Instant::ORIGIN)
}

/// A councillor of five.
fn councillor(node: u64, disk: Durable<Tax>) -> Synod<Tax> {
    start(manual(node, &Council::of((1..=5).map(NodeId))), Strict, disk)
}

fn tell<R: Rules>(councillor: &mut Synod<Tax, R>, from: u64, message: Message<Tax>) {
    let from = NodeId(from);
    councillor.handle(Instant::ORIGIN, Input::Message { from, message });
}

/// Makes everything durable that a councillor wants to be.
fn persist<R: Rules>(councillor: &mut Synod<Tax, R>, now: Instant) -> Effects<Tax> {
    let mut all = Effects::default();
    loop {
        let effects = councillor.effects();
        all.messages.extend(effects.messages);
        all.learned.extend(effects.learned);
        all.misbehaved.extend(effects.misbehaved);
        all.events.extend(effects.events);
        let Some((write, durable)) = effects.write else { return all };
        all.write = Some((write, durable));
        councillor.handle(now, Input::Persisted { write });
    }
}
