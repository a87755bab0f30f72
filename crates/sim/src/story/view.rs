//! What a script can see on its stage: who leads, what the logs and the state machines hold, and
//! what happened so far.

use std::collections::BTreeSet;

use quorate_consensus::{NodeId, Role};

use super::phrase::{Arg, Phrase};
use super::record::Record;
use super::stage::{Speaks, Stage};
use super::tale::Event;
use crate::world::Standing;

impl<P: Speaks> Stage<'_, P> {
    /// What happened so far.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// The leader of the highest term among the servers that run.
    pub(super) fn leader(&self) -> Option<u64> {
        let world = self.director.world();
        let runs = |node: &NodeId| world.standing(*node) == Standing::Up;
        let statuses = self.nodes().filter(runs).filter_map(|node| self.director.status(node));
        let leaders = statuses.filter(|status| status.role == Role::Leader);
        leaders.max_by_key(|status| status.ballot).map(|status| status.node.0)
    }

    /// What a server is doing.
    pub(super) fn role(&self, server: u64) -> Option<Role> {
        self.director.status(NodeId(server)).map(|status| status.role)
    }

    /// Whom a server takes for its leader.
    pub(super) fn followed(&self, server: u64) -> Option<u64> {
        let status = self.director.status(NodeId(server))?;
        status.leader.map(|leader| leader.0)
    }

    /// The highest term that any server takes part in.
    pub(super) fn round(&self) -> u64 {
        let statuses = self.nodes().filter_map(|node| self.director.status(node));
        statuses.map(|status| status.ballot.round).max().unwrap_or(0)
    }

    /// Where a server's log begins.
    pub(super) fn compacted(&self, server: u64) -> u64 {
        self.director.status(NodeId(server)).map_or(0, |status| status.compacted.0)
    }

    /// The last entry of a server's log, durable or not.
    pub(super) fn last(&self, server: u64) -> u64 {
        self.director.status(NodeId(server)).map_or(0, |status| status.last.0)
    }

    /// The terms of a server's durable entries; those it stopped with if it does not run.
    pub(super) fn rounds(&self, server: u64) -> Vec<u64> {
        match self.director.entries(NodeId(server)) {
            Some(entries) => entries.iter().map(|entry| entry.ballot.round).collect(),
            None => self.stopped.get(&server).cloned().unwrap_or_default(),
        }
    }

    /// The slots that a server holds durably.
    pub(super) fn slots(&self, server: u64) -> Vec<u64> {
        let entries = self.director.entries(NodeId(server)).unwrap_or_default();
        entries.iter().map(|entry| entry.index.0).collect()
    }

    /// Tells which slots each server has voted in, and how far it has executed them.
    pub(super) fn show_slots(&mut self) {
        self.tell();
        let at = Some(self.now().instant());
        for server in 1..=self.servers {
            let slots: Vec<String> = self.slots(server).iter().map(u64::to_string).collect();
            let applied = self.director.status(NodeId(server)).map_or(0, |status| status.applied.0);
            let what = Phrase::of("slots")
                .with("slots", Arg::Raw(slots.join(" ")))
                .with("applied", Arg::Number(applied));
            let subjects = vec![NodeId(server)];
            self.tale.event(Event { at, subjects, what, receivers: Vec::new(), reason: None });
        }
    }

    /// Tells each server's log.
    pub(super) fn show_logs(&mut self) {
        self.tell();
        if self.is_quiet {
            return;
        }
        let at = Some(self.now().instant());
        for server in 1..=self.servers {
            let rounds: Vec<String> = self.rounds(server).iter().map(u64::to_string).collect();
            let rounds = if rounds.is_empty() { "–".to_owned() } else { rounds.join(" ") };
            let status = self.director.status(NodeId(server));
            let what = match status {
                Some(status) => {
                    Phrase::of("log").with("committed", Arg::Number(status.committed.0))
                }
                None => Phrase::of("log.down"),
            };
            let what = what.with("rounds", Arg::Raw(rounds));
            let subjects = vec![NodeId(server)];
            self.tale.event(Event { at, subjects, what, receivers: Vec::new(), reason: None });
        }
    }

    /// What a server's state machine has for a key.
    pub(super) fn value(&self, server: u64, key: &str) -> Option<String> {
        self.director.value(NodeId(server), key)
    }

    /// What each server's state machine has for a key.
    pub(super) fn values(&self, key: &str) -> Vec<Option<String>> {
        (1..=self.servers).map(|server| self.value(server, key)).collect()
    }

    /// How often each server has executed a write of a key.
    pub(super) fn executed(&self, key: &str) -> Vec<usize> {
        (1..=self.servers).map(|server| self.record.executed(server, key)).collect()
    }

    /// Whether all servers run and have applied the same to the same effect.
    pub(super) fn machines_are_equal(&self) -> bool {
        let applied: BTreeSet<_> =
            self.nodes().map(|node| self.director.world().applied(node)).collect();
        applied.len() == 1 && !applied.contains(&None)
    }

    /// The invariant that was broken first, if any was.
    pub(super) fn violation(&self) -> Option<String> {
        self.director.world().violation().map(|violation| violation.invariant.to_owned())
    }

    fn nodes(&self) -> impl Iterator<Item = NodeId> + use<P> {
        (1..=self.servers).map(NodeId)
    }
}
