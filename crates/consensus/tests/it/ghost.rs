//! What must hold at every step, whatever a script does: checked against a memory of the whole run
//! that no crash erases.

use std::collections::BTreeMap;

use quorate_consensus::{Entry, HardState, Index, NodeId, Role, Status, Write};

use crate::disk::Log;
use crate::fault::{Check, ensure, fail};
use crate::host::Host;
use crate::protocol::{Claim, Protocol};

/// The memory of a run.
#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Who has led each round.
    leaders: BTreeMap<u64, NodeId>,
    /// Every entry ever issued, by index and round, with the round of the entry before it.
    issued: BTreeMap<(Index, u64), (Entry, u64)>,
    /// The committed entries: they never change.
    committed: BTreeMap<Index, Entry>,
    /// In which round each of them was first known to be committed.
    committed_in: BTreeMap<Index, u64>,
    /// Whom each node voted for in each round, as others were told.
    votes: BTreeMap<(NodeId, u64), NodeId>,
    /// What each node looked like when last seen, in its present life.
    seen: BTreeMap<NodeId, Seen>,
    /// Round trips that stepping back one by one would take, by leader and peer.
    one_by_one: BTreeMap<(NodeId, NodeId), u64>,
}

/// What may not go back while a node runs.
#[derive(Clone, Copy, Debug)]
struct Seen {
    round: u64,
    role: Role,
    committed: Index,
    applied: Index,
}

impl Ghost {
    pub(crate) fn committed(&self) -> &BTreeMap<Index, Entry> {
        &self.committed
    }

    /// The last committed position anyone has known of.
    pub(crate) fn last_committed(&self) -> Index {
        self.committed.keys().next_back().copied().unwrap_or(Index::ZERO)
    }

    /// How many rounds have had a leader.
    pub(crate) fn leaders(&self) -> u64 {
        self.leaders.len() as u64
    }

    /// The round trips a leader would need to find where a peer's log agreed with its own when it
    /// was elected, stepping back one entry at a time.
    pub(crate) fn one_by_one(&self, leader: NodeId, peer: NodeId) -> Check<u64> {
        match self.one_by_one.get(&(leader, peer)) {
            Some(count) => Ok(*count),
            None => fail!("{leader} has never led {peer}"),
        }
    }

    /// Told that a node starts, with what it found.
    pub(crate) fn on_start(&mut self, node: NodeId, log: &Log) {
        self.seen.remove(&node);
        let mut before = log.meta.ballot.round;
        for entry in log.entries.values() {
            let key = (entry.index, entry.ballot.round);
            self.issued.entry(key).or_insert((entry.clone(), before));
            before = entry.ballot.round;
        }
    }

    /// A write is issued; `log` is the node's log before it. A snapshot that the same batch
    /// installs stands for everything up to `installed`.
    pub(crate) fn on_write<P: Protocol>(
        &mut self,
        node: NodeId,
        log: &Log,
        write: &Write,
        installed: Index,
    ) -> Check {
        match write {
            Write::Hard(hard) => assert_promise_kept::<P>(node, log.hard, *hard),
            Write::Put(entry) => self.on_put::<P>(node, log, entry),
            Write::TruncateFrom(from) => {
                let committed = self.seen.get(&node).map_or(Index::ZERO, |seen| seen.committed);
                let keeps = committed < *from || committed <= installed;
                ensure!(keeps, "{node} truncates from {from}, committed {committed}");
                self.assert_leader_keeps_its_log(node, log)
            }
            Write::CompactTo(meta) | Write::Install(meta) => {
                let last = self.last_committed();
                ensure!(
                    meta.index <= last,
                    "{node} cuts its log at {}, committed {last}",
                    meta.index
                );
                Ok(())
            }
        }
    }

    /// Log matching, by induction: equal index and round means equal entry and equal round before.
    fn on_put<P: Protocol>(&mut self, node: NodeId, log: &Log, entry: &Entry) -> Check {
        let at = entry.index;
        if !P::ONE_LEADER_PER_ROUND {
            return Ok(());
        }
        let Some(before) = log.ballot_at(at.previous()) else {
            fail!("{node} stores {at} with nothing before it");
        };
        ensure!(log.last() == at.previous(), "{node} stores {at} below its last {}", log.last());
        ensure!(before.round <= entry.ballot.round, "{node} stores {at} of a lower round");
        let key = (at, entry.ballot.round);
        let (known, known_before) =
            self.issued.entry(key).or_insert_with(|| (entry.clone(), before.round));
        ensure!(known == entry, "log matching: two entries {at} of round {}", entry.ballot.round);
        ensure!(
            *known_before == before.round,
            "log matching: {node} stores {at} of round {} after another prefix",
            entry.ballot.round
        );
        Ok(())
    }

    fn assert_leader_keeps_its_log(&self, node: NodeId, log: &Log) -> Check {
        let leads = self
            .seen
            .get(&node)
            .is_some_and(|seen| seen.role == Role::Leader && seen.round == log.hard.promise.round);
        ensure!(!leads, "{node} truncates its own log while it leads");
        Ok(())
    }

    /// A message leaves: what it vouches for must be durable, and a vote is given once, for ever.
    pub(crate) fn on_send<P: Protocol>(
        &mut self,
        hosts: &BTreeMap<NodeId, Host<P>>,
        from: NodeId,
        claim: Claim,
    ) -> Check {
        let durable = &hosts[&from].disk.durable;
        match claim {
            Claim::Votes { round, candidate } => {
                let promise = durable.hard.promise;
                let is_durable = promise.round == round && promise.to == Some(candidate);
                ensure!(
                    is_durable || round < promise.round,
                    "{from} sends its vote for {candidate} in round {round} before it is durable"
                );
                let vote = *self.votes.entry((from, round)).or_insert(candidate);
                ensure!(
                    vote == candidate,
                    "{from} votes for {vote} and for {candidate} in round {round}"
                );
            }
            Claim::Holds { round, upto } => {
                let known = self.leaders.get(&round).and_then(|leader| hosts.get(leader));
                let expected = known.and_then(|leader| leader.disk.issued.ballot_at(upto));
                let leads = known.and_then(Host::status).is_some_and(|status| {
                    status.role == Role::Leader && status.ballot.round == round
                });
                let is_durable = upto <= durable.meta.index
                    || durable.ballot_at(upto).is_some_and(|held| Some(held) == expected);
                ensure!(
                    is_durable || !leads || expected.is_none(),
                    "{from} acknowledges {upto} of round {round} before it is durable"
                );
            }
        }
        Ok(())
    }

    /// A node has done something: its state is compared with the last and with all others.
    /// Returns the entries that are newly committed.
    pub(crate) fn on_step<P: Protocol>(
        &mut self,
        hosts: &BTreeMap<NodeId, Host<P>>,
        node: NodeId,
        status: &Status,
    ) -> Check<Vec<Entry>> {
        let round = status.ballot.round;
        let now =
            Seen { round, role: status.role, committed: status.committed, applied: status.applied };
        let before = self.seen.insert(node, now);
        if let Some(before) = before {
            ensure!(before.round <= round, "{node} goes back to round {round}");
            ensure!(before.committed <= status.committed, "{node} takes back a commit");
            ensure!(before.applied <= status.applied, "{node} takes back what it applied");
        }
        ensure!(status.committed <= status.last, "{node} commits beyond its log");
        ensure!(status.applied <= status.committed, "{node} applies what is not committed");
        if status.role == Role::Leader {
            self.on_leader::<P>(hosts, node, status, before)?;
        }
        self.on_commit(hosts, node, status, before)
    }

    fn on_leader<P: Protocol>(
        &mut self,
        hosts: &BTreeMap<NodeId, Host<P>>,
        node: NodeId,
        status: &Status,
        before: Option<Seen>,
    ) -> Check {
        let round = status.ballot.round;
        let led = before.is_some_and(|seen| seen.role == Role::Leader && seen.round == round);
        if led {
            let committed = before.map_or(Index::ZERO, |seen| seen.committed);
            return assert_commits_own_round::<P>(&hosts[&node].disk.issued, status, committed);
        }
        if P::ONE_LEADER_PER_ROUND {
            let leader = *self.leaders.entry(round).or_insert(node);
            ensure!(leader == node, "two leaders in round {round}: {leader} and {node}");
        }
        self.leaders.insert(round, node);
        self.assert_leader_is_complete(&hosts[&node].disk.issued, node, round)?;
        for (peer, host) in hosts.iter().filter(|(peer, _)| **peer != node) {
            let count = count_one_by_one(&hosts[&node].disk.issued, &host.disk.issued, round);
            self.one_by_one.insert((node, *peer), count);
        }
        Ok(())
    }

    /// Leader completeness, by the round in which an entry was committed, not the round that made
    /// it: a stale leader may rightly lack what a later one commits.
    fn assert_leader_is_complete(&self, log: &Log, node: NodeId, round: u64) -> Check {
        for (index, entry) in self.committed.range(log.meta.index.next()..) {
            let is_older = self.committed_in[index] < round;
            let has = log.entries.get(index).is_some_and(|held| is_same(held, entry));
            ensure!(has || !is_older, "{node} leads round {round} without committed entry {index}");
        }
        Ok(())
    }

    fn on_commit<P: Protocol>(
        &mut self,
        hosts: &BTreeMap<NodeId, Host<P>>,
        node: NodeId,
        status: &Status,
        before: Option<Seen>,
    ) -> Check<Vec<Entry>> {
        let log = &hosts[&node].disk.issued;
        let from = before.map_or(Index::ZERO, |seen| seen.committed).max(log.meta.index);
        let mut news = Vec::new();
        for index in (from.0 + 1..=status.committed.0).map(Index) {
            let Some(entry) = log.entries.get(&index) else {
                fail!("{node} commits {index}, which its log lacks");
            };
            if let Some(known) = self.committed.get(&index) {
                ensure!(is_same(known, entry), "committed entry {index} changes at {node}");
                continue;
            }
            // What a node knows when it starts was committed in an earlier life.
            if before.is_some() {
                assert_durable_on_quorum(hosts, status, entry)?;
            }
            self.committed.insert(index, entry.clone());
            self.committed_in.insert(index, status.ballot.round);
            news.push(entry.clone());
        }
        Ok(news)
    }

    /// An entry reaches a state machine: only what is committed, and the same one everywhere.
    pub(crate) fn on_apply(&self, node: NodeId, entry: &Entry) -> Check {
        match self.committed.get(&entry.index) {
            None => fail!("{node} applies {}, which nobody committed", entry.index),
            Some(known) => ensure!(
                is_same(known, entry),
                "{node} applies another entry {} than was committed",
                entry.index
            ),
        }
        Ok(())
    }
}

/// Equal in what they do; ballots may differ where a value is adopted (Paxos).
fn is_same(first: &Entry, second: &Entry) -> bool {
    first.id == second.id && first.time == second.time && first.payload == second.payload
}

fn assert_promise_kept<P: Protocol>(node: NodeId, before: HardState, after: HardState) -> Check {
    let (old, new) = (before.promise, after.promise);
    ensure!(old.round <= new.round, "{node} forgets round {}", old.round);
    let is_other = old.round == new.round && old.to.is_some() && old.to != new.to;
    ensure!(
        !is_other || !P::ONE_LEADER_PER_ROUND,
        "{node} takes back its vote of round {}",
        old.round
    );
    Ok(())
}

/// Only entries of a leader's own round are committed by counting (Raft paper, §5.4.2).
fn assert_commits_own_round<P: Protocol>(log: &Log, status: &Status, before: Index) -> Check {
    if !P::ONE_LEADER_PER_ROUND || status.committed <= before {
        return Ok(());
    }
    let round = log.ballot_at(status.committed).map(|ballot| ballot.round);
    ensure!(
        round.is_none_or(|round| round == status.ballot.round),
        "{} commits {} of another round by counting",
        status.node,
        status.committed
    );
    Ok(())
}

fn assert_durable_on_quorum<P: Protocol>(
    hosts: &BTreeMap<NodeId, Host<P>>,
    status: &Status,
    entry: &Entry,
) -> Check {
    let holds = |node: NodeId| {
        let Some(host) = hosts.get(&node) else { return false };
        let log = &host.disk.durable;
        let held = log.entries.get(&entry.index);
        entry.index <= log.meta.index || held.is_some_and(|held| is_same(held, entry))
    };
    ensure!(
        status.members.quorum().is_reached(holds),
        "{} commits {} before it is durable on a quorum",
        status.node,
        entry.index
    );
    Ok(())
}

/// From the entry before the new leader's own first one, one position per round trip.
fn count_one_by_one(leader: &Log, peer: &Log, round: u64) -> u64 {
    let is_older = |entry: &&Entry| entry.ballot.round < round;
    let older = leader.entries.values().rev().find(is_older).map(|entry| entry.index);
    let first_try = older.unwrap_or(leader.meta.index);
    let agrees = |index: &Index| {
        leader.ballot_at(*index).is_some_and(|ballot| peer.ballot_at(*index) == Some(ballot))
    };
    let common = (0..=first_try.0).rev().map(Index).find(agrees).unwrap_or(Index::ZERO);
    first_try.distance_from(common) + 1
}
