//! How time passes and messages arrive in a script.

use quorate_consensus::{Ballot, Input, NodeId, Role};

use crate::cluster::Cluster;
use crate::fault::{Check, ensure, fail};
use crate::network::Pattern;
use crate::protocol::Protocol;

/// Rounds of delivery or events of a run; more means that the cluster never comes to rest.
const ROUNDS_MAX: usize = 1_000_000;
/// Times a node may ask to be woken at one and the same moment.
const WAKES_MAX: usize = 1_000;

impl<P: Protocol> Cluster<P> {
    /// Delivers what is in flight now, but not what that causes; how many messages.
    pub(crate) fn deliver(&mut self, pattern: &Pattern, count: usize) -> Check<usize> {
        let flights = self.network.take(pattern, u64::MAX, count);
        let delivered = flights.len();
        self.arrive(flights)?;
        Ok(delivered)
    }

    /// Delivers and syncs until nothing moves, without time passing.
    pub(crate) fn settle(&mut self) -> Check {
        for _ in 0..ROUNDS_MAX {
            let mut has_moved = 0 < self.deliver(&Pattern::ALL, usize::MAX)?;
            for node in self.nodes_up() {
                while !self.host(node)?.disk.is_held && self.sync_one(node)? {
                    has_moved = true;
                    self.pump(node)?;
                }
            }
            if !has_moved {
                return Ok(());
            }
        }
        fail!("the cluster never settles")
    }

    /// Lets time pass at once: nodes whose deadline has come are woken, nothing is delivered.
    pub(crate) fn tick(&mut self, micros: u64) -> Check {
        self.now += micros;
        for node in self.nodes_up() {
            if self.host(node)?.wakes_at().is_some_and(|at| at <= self.now) {
                self.feed(node, vec![Input::Wake])?;
            }
        }
        Ok(())
    }

    /// Lets time pass until this node acts on its election timeout, while the others sleep on.
    pub(crate) fn time_out(&mut self, node: NodeId) -> Check {
        let before = self.stance(node)?;
        for _ in 0..WAKES_MAX {
            let Some(at) = self.host(node)?.wakes_at() else { fail!("{node} waits for nothing") };
            self.now = self.now.max(at);
            self.feed(node, vec![Input::Wake])?;
            if self.stance(node)? != before {
                return Ok(());
            }
        }
        fail!("{node} is woken again and again and does nothing")
    }

    fn stance(&self, node: NodeId) -> Check<(Role, Ballot)> {
        match self.host(node)?.status() {
            Some(status) => Ok((status.role, status.ballot)),
            None => fail!("{node} is down"),
        }
    }

    /// Lets everything happen at its time for so long, or until `is_enough`; whether it was.
    pub(crate) fn run(
        &mut self,
        micros: u64,
        is_enough: impl Fn(&Self) -> Check<bool>,
    ) -> Check<bool> {
        let end = self.now + micros;
        let mut wakes = 0;
        for _ in 0..ROUNDS_MAX {
            if is_enough(self)? {
                return Ok(true);
            }
            let next = self.next_event_at().filter(|&at| at <= end);
            let Some(at) = next else {
                self.now = end;
                return Ok(false);
            };
            wakes = if self.now < at { 0 } else { wakes + 1 };
            ensure!(wakes < WAKES_MAX, "the cluster spins at {}us", self.now);
            self.now = self.now.max(at);
            self.step()?;
        }
        fail!("the cluster does more than {ROUNDS_MAX} things in {micros}us")
    }

    fn next_event_at(&self) -> Option<u64> {
        let mut times: Vec<u64> = self.network.next_arrival_at().into_iter().collect();
        for host in self.hosts.values().filter(|host| host.is_up()) {
            times.extend(host.wakes_at());
            times.extend(host.disk.next_sync_at());
        }
        times.into_iter().min()
    }

    /// Everything that is due now, once.
    fn step(&mut self) -> Check {
        let flights = self.network.take(&Pattern::ALL, self.now, usize::MAX);
        self.arrive(flights)?;
        for node in self.nodes_up() {
            if self.host(node)?.wakes_at().is_some_and(|at| at <= self.now) {
                self.feed(node, vec![Input::Wake])?;
            }
            self.pump(node)?;
        }
        Ok(())
    }
}
