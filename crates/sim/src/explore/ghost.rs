//! What must hold between the nodes, checked against a memory that no crash erases.

use std::collections::BTreeMap;

use quorate_consensus::invariants::{Invariant, Order};
use quorate_consensus::{Index, NodeId, ProposalId, Role};

use super::audit::ensure;
use super::bounds::Scope;
use super::finding::Finding;
use super::node::{Held, View};
use super::protocol::Renaming;

type Verdict = Result<(), Finding>;

/// The memory of a run: as little as the checks need, for every difference in it makes two states
/// of one. And what is used up of the bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ghost {
    pub crashes: u8,
    pub commands: u8,
    pub reads: u8,
    /// The highest round that anyone has taken part in.
    pub newest: u64,
    /// Who has led each round, from round 1; node 0 stands for nobody.
    pub leaders: Vec<NodeId>,
    /// Paxos: what a quorum was seen to have voted for, by slot.
    pub decided: BTreeMap<Index, Option<ProposalId>>,
    /// What was committed, without gaps, and in which round it was first known to be.
    pub chosen: Vec<(Held, u64)>,
}

/// One step of one node, and how everything stands after it.
pub(super) struct Look<'a> {
    pub order: Order,
    pub scope: Scope,
    pub before: &'a View,
    pub after: &'a View,
    /// All nodes, the one that took the step included, as they are after it.
    pub nodes: &'a [&'a View],
}

impl Ghost {
    /// The last position that anyone has known to be committed.
    pub(super) fn committed(&self) -> Index {
        self.chosen.last().map_or(Index::ZERO, |(held, _)| held.index)
    }

    /// The same memory in a world where nodes have other names.
    pub(super) fn renamed(&self, names: &Renaming) -> Self {
        let held = |held: &Held| Held {
            ballot: names.ballot(held.ballot),
            id: held.id.map(|id| ProposalId { node: names.node(id.node), ..id }),
            ..*held
        };
        Self {
            leaders: self.leaders.iter().map(|&node| names.node(node)).collect(),
            chosen: self.chosen.iter().map(|(chosen, round)| (held(chosen), *round)).collect(),
            decided: BTreeMap::new(),
            ..*self
        }
    }

    /// Whether a step gives reason to look.
    pub(super) fn concerns(before: &View, after: &View) -> bool {
        is_elected(before, after)
            || before.round < after.round
            || before.committed < after.committed
            || before.log != after.log
            || before.durable_log != after.durable_log
    }

    /// Takes note of what nodes know to be committed when everything begins.
    pub(super) fn seed(&mut self, nodes: &[&View]) {
        self.newest = nodes.iter().map(|node| node.round).max().unwrap_or_default();
        let ahead = nodes.iter().max_by_key(|node| node.committed);
        let ahead = ahead.expect("a world has nodes");
        let known = ahead.log.iter().filter(|held| held.index <= ahead.committed);
        self.chosen = known.map(|held| (*held, held.ballot.round)).collect();
    }

    /// Takes a step into account.
    pub(super) fn observe(&mut self, look: &Look<'_>) -> Verdict {
        self.newest = self.newest.max(look.after.round);
        if is_elected(look.before, look.after) {
            self.on_elected(look)?;
        }
        if look.order == Order::Terms && look.before.log != look.after.log {
            logs_match(look)?;
        }
        if look.order == Order::Ballots && look.before.durable_log != look.after.durable_log {
            self.on_votes(look)?;
        }
        let known = look.before.committed.min(look.after.committed);
        let news = look
            .after
            .log
            .iter()
            .filter(|held| known < held.index && held.index <= look.after.committed);
        news.into_iter().try_for_each(|held| self.on_committed(look, *held))
    }

    /// A value is chosen once a quorum has voted for it under one ballot, whoever knows.
    fn on_votes(&mut self, look: &Look<'_>) -> Verdict {
        for vote in &look.after.durable_log {
            let count = look.nodes.iter().filter(|node| node.durable_log.contains(vote)).count();
            if count * 2 <= look.nodes.len() {
                continue;
            }
            let known = *self.decided.entry(vote.index).or_insert(vote.id);
            ensure(Invariant::ChosenOnce, look.after.node, known == vote.id, || {
                format!("{} is chosen twice, the second time as {}", vote.index, tell(vote))
            })?;
        }
        Ok(())
    }

    fn on_elected(&mut self, look: &Look<'_>) -> Verdict {
        if look.order != Order::Terms {
            return Ok(());
        }
        let leader = look.after;
        let place = leader.round as usize - 1;
        if self.leaders.len() <= place {
            self.leaders.resize(place + 1, NodeId(0));
        }
        let known = core::mem::replace(&mut self.leaders[place], leader.node);
        let holds = known == NodeId(0) || known == leader.node;
        ensure(Invariant::ElectionSafety, leader.node, holds, || {
            format!("{known} and {} lead round {}", leader.node, leader.round)
        })?;
        self.chosen.iter().try_for_each(|chosen| is_complete(leader, chosen))
    }

    fn on_committed(&mut self, look: &Look<'_>, held: Held) -> Verdict {
        let node = look.after.node;
        let place = held.index.0 as usize - 1;
        if let Some((chosen, _)) = self.chosen.get(place) {
            return ensure(
                Invariant::StateMachineSafety,
                node,
                is_same(look.order, chosen, &held),
                || {
                    format!(
                        "{} is committed as {} and as {}",
                        held.index,
                        tell(chosen),
                        tell(&held)
                    )
                },
            );
        }
        assert!(place == self.chosen.len(), "a node commits beyond a gap");
        let chosen = (held, look.after.round);
        self.chosen.push(chosen);
        if look.order == Order::Terms {
            let leaders = look.nodes.iter().filter(|other| other.role == Role::Leader);
            leaders.into_iter().try_for_each(|leader| is_complete(leader, &chosen))?;
        }
        if look.scope == Scope::All {
            is_on_quorum(look, &held)?;
        }
        Ok(())
    }
}

/// Whether the node has begun to lead.
fn is_elected(before: &View, after: &View) -> bool {
    let led = before.role == Role::Leader && before.round == after.round;
    after.role == Role::Leader && !led
}

fn is_same(order: Order, first: &Held, second: &Held) -> bool {
    match order {
        Order::Terms => first == second,
        Order::Ballots => first.index == second.index && first.id == second.id,
    }
}

fn tell(held: &Held) -> String {
    match held.id {
        Some(id) => format!("command {} of {} under {}", id.sequence, id.node, held.ballot),
        None => format!("no-op under {}", held.ballot),
    }
}

/// Equal index and term mean equal entries and equal prefixes.
fn logs_match(look: &Look<'_>) -> Verdict {
    let log = &look.after.log;
    for other in look.nodes.iter().filter(|other| other.node != look.after.node) {
        let is_common = |(own, held): &(&Held, &Held)| {
            own.index == held.index && own.ballot.round == held.ballot.round
        };
        let pairs = || log.iter().zip(&other.log);
        let Some(newest) = pairs().rposition_of(is_common) else { continue };
        let holds = log[..=newest] == other.log[..=newest];
        ensure(Invariant::LogMatching, look.after.node, holds, || {
            format!("its log and that of {} differ below {}", other.node, log[newest].index)
        })?;
    }
    Ok(())
}

/// What was committed in a round is in the log of every leader of later rounds. By the round that
/// committed it, not that of the entry: a stale leader may rightly lack what a later one commits.
fn is_complete(leader: &View, (chosen, in_round): &(Held, u64)) -> Verdict {
    let holds = leader.round <= *in_round || leader.log.contains(chosen);
    ensure(Invariant::LeaderCompleteness, leader.node, holds, || {
        format!(
            "it leads round {} without {} at {}, committed in round {in_round}",
            leader.round,
            tell(chosen),
            chosen.index
        )
    })
}

/// What is committed is on the disks of a quorum.
fn is_on_quorum(look: &Look<'_>, held: &Held) -> Verdict {
    let has =
        |node: &&&View| node.durable_log.iter().any(|durable| is_same(look.order, durable, held));
    let count = look.nodes.iter().filter(has).count();
    let holds = look.nodes.len() < count * 2;
    ensure(Invariant::CommittedIsDurableOnQuorum, look.after.node, holds, || {
        format!("{} is committed, on {count} disks", held.index)
    })
}

/// The place of the last item that fits.
trait LastPlace: Iterator + Sized {
    fn rposition_of(self, fits: impl Fn(&Self::Item) -> bool) -> Option<usize> {
        self.enumerate().filter(|(_, item)| fits(item)).map(|(place, _)| place).last()
    }
}

impl<I: Iterator> LastPlace for I {}
