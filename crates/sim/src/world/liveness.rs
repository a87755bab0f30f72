//! The end of a run: all faults stop, and what can work must work again.
//!
//! A random majority, the core, is healed whole. In half of the runs one defect outside of it
//! stays for ever. Within 20 election timeouts the core has a leader, every request has ended, a
//! fresh write and a fresh read on each node of the core are answered, and all of the core stand at
//! the same position with the same state. Then, once nobody catches up any more, no more happens
//! than timers bring about.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use quorate_consensus::{Index, NodeId};
use quorate_kv::{Command, PutRequest, RangeRequest};
use quorate_replica::{ReadRequest, Ticket};

use super::World;
use super::clock::{Rate, SimTime};
use super::node::Standing;
use super::trace::Fact;
use crate::clients::{Ask, End};
use crate::draws::Site;
use crate::protocol::Protocol;

/// Within how many election timeouts the core must be well.
const TIMEOUTS: u32 = 20;

/// Who catches up comes this much closer than ever before in half an election timeout, in entries.
/// Who falls back as often as it catches up does not.
const CATCH_UP_MIN: u64 = 10;

/// Counted as at least this long, the default. Dialling again and trying a full disk again have
/// pauses of their own, of up to a second; and a node that holds the snapshot of a leader that is
/// none any more waits ten seconds for it before it takes another's.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// After how many election timeouts the fresh requests are made.
const ASK_AFTER: u32 = 4;

/// How long nothing happens but what timers bring about, in election timeouts.
const QUIET: u32 = 2;

/// How often in a row it may not be quiet although nobody comes closer to what is committed: a
/// snapshot that is on its way to a node outside of the core does not show there.
const UNQUIET_MAX: u32 = 10;

/// Most events of a question and its answer: two messages, and the turns of the two nodes before
/// and after each. A heartbeat takes six or seven.
const EVENTS_PER_TALK: u64 = 10;

/// After a second at most a node dials another again that it does not reach.
const DIAL_INTERVAL: Duration = Duration::from_secs(1);

const CORE: Site = Site::new("who is healed");
const DEFECT: Site = Site::new("the defect that stays");

/// Core nodes converge after the faults stop.
const CONVERGES: &str = "converges";

/// Why a run need not come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// Wiped and rotten disks leave no majority.
    MajorityLost,
}

/// A request made to see whether all is well.
struct Probe {
    node: NodeId,
    ticket: Ticket,
    ask: Ask,
    end: Option<End>,
}

impl<P: Protocol> World<P> {
    /// Ends all faults and waits for the core to come to rest; notes a violation if it does not.
    pub(super) fn come_to_rest(&mut self) -> Option<Excuse> {
        let Some(core) = self.core() else { return Some(Excuse::MajorityLost) };
        self.heal(&core);
        let begun_at = self.now;
        let timeout = self.profile.engine.election_timeout.max(TIMEOUT_MIN);
        self.run_for(timeout * ASK_AFTER);
        if self.violation().is_some() {
            return None;
        }
        let mut probes = self.probes(&core);
        let mut end = begun_at + timeout * TIMEOUTS;
        let mut least_behind = self.behind(&core);
        while self.now < end && self.violation().is_none() {
            self.run_for(timeout / 2);
            self.take_probes(&mut probes);
            if self.unrest(&core, &probes).is_none() {
                break;
            }
            let behind = self.behind(&core);
            if behind + CATCH_UP_MIN <= least_behind {
                end = self.now + timeout * TIMEOUTS;
            }
            least_behind = least_behind.min(behind);
        }
        if self.is_over() {
            return None;
        }
        let unrest = self.unrest(&core, &probes);
        let holds = unrest.is_none();
        self.checks.check(CONVERGES, NodeId(0), holds, || {
            format!("{TIMEOUTS} election timeouts after the faults: {}", unrest.unwrap_or_default())
        });
        if holds {
            self.check_busy(timeout * QUIET);
        }
        None
    }

    /// A random majority of voters whose disks are whole.
    fn core(&self) -> Option<BTreeSet<NodeId>> {
        let voters = usize::from(self.profile.voters);
        let mut whole: Vec<NodeId> = self.nodes[..voters]
            .iter()
            .filter(|node| !node.is_lost && !node.is_rotten)
            .map(|node| node.id)
            .collect();
        let needed = voters / 2 + 1;
        if whole.len() < needed {
            return None;
        }
        let spare = (whole.len() - needed) as u64;
        let size = needed + self.draws.between(CORE, [0], 0, spare) as usize;
        while size < whole.len() {
            let gone = self.draws.below(CORE, [1, whole.len() as u64], whole.len() as u64);
            whole.remove(gone as usize);
        }
        Some(whole.into_iter().collect())
    }

    fn heal(&mut self, core: &BTreeSet<NodeId>) {
        self.is_healed = true;
        self.note(NodeId(0), Fact::Healed);
        if let Some(clients) = &mut self.clients {
            clients.stop();
        }
        self.settle_watchers();
        self.clear_all();
        self.cuts.clear();
        for id in 1..=self.nodes.len() as u64 {
            self.heal_node(NodeId(id));
        }
        let outside = (1..=self.nodes.len() as u64).map(NodeId).filter(|it| !core.contains(it));
        let outside: Vec<NodeId> = outside.collect();
        let count = outside.len();
        let has_defect = self.draws.below(DEFECT, [0], 2) == 0;
        for node in outside {
            if has_defect {
                self.leave_defect(node, core, count);
            } else {
                self.start_soon(node);
            }
        }
        for node in core {
            self.start_soon(*node);
        }
    }

    fn heal_node(&mut self, node: NodeId) {
        self.resume(node);
        self.set_rate(node, Rate::TRUE);
        let it = self.node_mut(node);
        it.disk.heal();
        it.disk.limit(None);
        it.ambush = None;
        it.interrupt_start = None;
        it.stalled_until = SimTime::default();
        it.disk_factor = 1;
        it.turn_extra = None;
    }

    fn start_soon(&mut self, node: NodeId) {
        if self.node(node).standing == Standing::Down {
            self.start_after(node, Duration::from_millis(1));
        }
    }

    /// Something about a node outside of the core that is never mended.
    ///
    /// All outside and the one that they reach must be no majority: they could keep a leader whom
    /// the rest of the core never hears, which Raft lives with (see the topology "chained").
    fn leave_defect(&mut self, node: NodeId, core: &BTreeSet<NodeId>, outside: usize) {
        let is_weak = outside < usize::from(self.profile.voters) / 2;
        let bridge = core.iter().next().copied().filter(|_| is_weak);
        match self.draws.below(DEFECT, [1, node.0], 5) {
            0 => core.iter().for_each(|peer| self.cut(node, *peer)),
            1 => core.iter().for_each(|peer| self.cut(*peer, node)),
            2 => {
                for peer in core.iter().filter(|peer| Some(**peer) != bridge) {
                    self.cut(node, *peer);
                    self.cut(*peer, node);
                }
            }
            3 => self.pause(node),
            _ => return,
        }
        self.start_soon(node);
    }

    /// Asks each node of the core for a fresh write and a fresh read.
    fn probes(&mut self, core: &BTreeSet<NodeId>) -> Vec<Probe> {
        let mut probes = Vec::new();
        for node in core {
            let key = bytes::Bytes::from(format!("rest/{}", node.0));
            let put = PutRequest { key: key.clone(), value: "well".into(), ..Default::default() };
            let range = RangeRequest { key, ..Default::default() };
            let asks =
                [Ask::Command(Command::Put(put)), Ask::Linearizable(ReadRequest::Range(range))];
            for ask in asks {
                let ticket = self.fresh_ticket();
                self.ask(*node, ticket, ask.clone());
                probes.push(Probe { node: *node, ticket, ask, end: None });
            }
        }
        probes
    }

    /// Notes how probes ended. What was refused is asked again, as a client would: all came at
    /// once, and limits may be small; and a snapshot takes with it what waits.
    fn take_probes(&mut self, probes: &mut [Probe]) {
        let ended: BTreeMap<Ticket, End> = self.take_ended().into_iter().collect();
        for probe in probes {
            let Some(end) = ended.get(&probe.ticket) else { continue };
            probe.end = Some(end.clone());
            if matches!(end, End::Ending(_)) {
                probe.ticket = self.fresh_ticket();
                self.ask(probe.node, probe.ticket, probe.ask.clone());
            }
        }
    }

    /// How many committed entries the slowest of the core has not applied: all of them, if it does
    /// not run yet.
    fn behind(&self, core: &BTreeSet<NodeId>) -> u64 {
        let applied = core.iter().map(|node| self.applied(*node).map_or(Index::ZERO, |(at, _)| at));
        let slowest = applied.min().unwrap_or(Index::ZERO);
        self.checks.committed().0.saturating_sub(slowest.0)
    }

    /// What is not yet as it should be.
    fn unrest(&mut self, core: &BTreeSet<NodeId>, probes: &[Probe]) -> Option<String> {
        let leaders: BTreeSet<_> = core.iter().map(|node| self.leader_of(*node)).collect();
        if leaders.len() != 1 || leaders.contains(&None) {
            return Some(format!("the core {core:?} has no leader, but {leaders:?}"));
        }
        let waiting = self.checks.open().find(|(ticket, node, _)| self.must_end(*ticket, *node));
        if let Some((ticket, node, _)) = waiting {
            return Some(format!("{ticket:?} at {node} has not ended"));
        }
        for Probe { node, end, ask, .. } in probes {
            if !matches!(end, Some(End::Answer(_))) {
                return Some(format!("{ask:?} at {node} got {end:?}"));
            }
        }
        let states: Vec<_> = core.iter().map(|node| (*node, self.applied(*node))).collect();
        let first = states.first().and_then(|(_, state)| *state);
        let is_last = first.is_some_and(|(index, _)| index == self.checks.committed());
        if !is_last || states.iter().any(|(_, state)| *state != first) {
            let at: Vec<(NodeId, Option<Index>)> =
                states.iter().map(|(node, state)| (*node, state.map(|(at, _)| at))).collect();
            return Some(format!("{at:?} are applied of {}", self.checks.committed()));
        }
        self.checks.owed(core)
    }

    /// Whether a request must have ended by now. A compaction that waits for its bytes to go may
    /// wait for a peer that needs a snapshot and is silent, for half a minute.
    fn must_end(&self, ticket: Ticket, node: NodeId) -> bool {
        let it = self.node(node);
        let open = it.running.as_ref().and_then(|running| running.open.get(&ticket));
        it.standing == Standing::Up && open.is_none_or(|open| !open.is_compaction)
    }

    /// Nothing goes on in circles once there is nothing to do: when nobody comes closer to what is
    /// committed any more, timers alone bring about all that happens in some quiet time.
    fn check_busy(&mut self, quiet: Duration) {
        // They ask for progress on and on.
        self.watchers = None;
        let most = self.events_by_timers(quiet);
        let (mut unquiet, mut least_lacking) = (0, self.lacking());
        while unquiet < UNQUIET_MAX {
            let begun = self.steps;
            self.run_for(quiet);
            if self.violation().is_some() || self.is_over() {
                return;
            }
            if self.steps - begun <= most {
                break;
            }
            let lacking = self.lacking();
            unquiet = if lacking < least_lacking { 0 } else { unquiet + 1 };
            least_lacking = least_lacking.min(lacking);
        }
        self.checks.check("no-busy-loop", NodeId(0), unquiet < UNQUIET_MAX, || {
            format!("more than {most} events in {quiet:?} of peace, {unquiet} times in a row")
        });
    }

    /// How many committed entries all nodes that run have not applied.
    fn lacking(&self) -> u64 {
        let committed = self.checks.committed().0;
        let applied = self.nodes.iter().filter_map(|node| self.applied(node.id));
        applied.map(|(at, _)| committed.saturating_sub(at.0)).sum()
    }

    /// Most events that timers bring about in a time without requests: a heartbeat of a leader to
    /// each of the others, and what each node says to each other that it seeks to be elected by,
    /// or to reach again.
    fn events_by_timers(&self, time: Duration) -> u64 {
        let often = |interval: Duration| (time.as_micros() / interval.as_micros()) as u64 + 1;
        let (engine, nodes) = (&self.profile.engine, self.nodes.len() as u64);
        let beats = nodes * often(engine.heartbeat_interval);
        let tries = nodes * nodes * often(engine.election_timeout.min(DIAL_INTERVAL));
        EVENTS_PER_TALK * (beats + tries)
    }
}
