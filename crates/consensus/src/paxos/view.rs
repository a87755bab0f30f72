//! What an engine shows of itself: the status for people, the fingerprint for search.

use super::Paxos;
use super::learn::Lesson;
use super::progress::{PeerFlow, Progress};
use super::role::{Candidate, Leader, State};
use crate::canon::Canon;
use crate::ids::{Index, NodeId};
use crate::rules::Rules;
use crate::status::{Fingerprint, Flow, PeerStatus, Status, Summary};

impl<R: Rules> Paxos<R> {
    /// The status.
    pub(super) fn view(&self) -> Status {
        let leader = self.known_leader().map(|ballot| ballot.node);
        Status {
            node: self.config.node,
            role: self.state.role(),
            ballot: self.visible_ballot(),
            leader,
            members: self.members().clone(),
            compacted: self.slots.compacted(),
            last: self.slots.last(),
            persisted: self.slots.persisted(),
            committed: self.slots.chosen(),
            applied: self.applied(),
            can_serve_reads: self.can_serve_reads(),
            peers: self.peers(),
            in_flight: self.proposals.count(),
            storage: self.room.state(),
        }
    }

    /// The cheap part of the status.
    pub(super) fn summarize(&self) -> Summary {
        Summary {
            role: self.state.role(),
            ballot: self.visible_ballot(),
            compacted: self.slots.compacted(),
            last: self.slots.last(),
            persisted: self.slots.persisted(),
            committed: self.slots.chosen(),
            applied: self.applied(),
        }
    }

    fn peers(&self) -> Vec<PeerStatus> {
        let State::Leader(leader) = &self.state else { return Vec::new() };
        leader.tenure.statuses(self.now, &self.config, |node, progress| self.flow(node, progress))
    }

    fn flow(&self, node: NodeId, progress: &Progress) -> Flow {
        match progress.flow {
            _ if self.is_sending_snapshot(node) => Flow::Snapshot,
            PeerFlow::Open => Flow::Stream,
            PeerFlow::Paused => Flow::Probe,
        }
    }

    /// The fingerprint: everything that decides what happens next but times and client names.
    ///
    /// Whoever compares two states also compares what each has on its disk and on the way there:
    /// that decides what the batches make durable which are not acknowledged yet.
    pub(super) fn canonical(&self) -> Fingerprint {
        let mut canon = Canon::default();
        canon.ballot(self.acceptor.promised());
        canon.ballot(self.highest);
        canon.number(self.round.0);
        self.put_slots(&mut canon);
        self.put_role(&mut canon);
        canon.ballot(self.word.ballot);
        canon.index(self.word.commit);
        canon.index(self.word.floor);
        canon.durability(&self.durability, self.promise_write);
        canon.index(self.committed_written);
        canon.proposals(&self.proposals);
        canon.node(self.handing_over_to());
        canon.number(self.room.state() as u64);
        canon.finish()
    }

    fn put_slots(&self, canon: &mut Canon) {
        let slots = &self.slots;
        let installing = self.installing.as_ref().map_or(Index::ZERO, |it| it.meta.index);
        let marks = [slots.compacted(), slots.chosen(), slots.last(), slots.tail_first()];
        let delivery = [self.delivery.delivered(), self.delivery.applied()];
        for index in marks.into_iter().chain(delivery).chain([slots.persisted(), installing]) {
            canon.index(index);
        }
        for (index, ballot) in slots.ballots() {
            canon.index(index);
            canon.ballot(ballot);
        }
        canon.spans(self.learned.spans());
        canon.spans(self.loading.iter().copied());
        canon.index(self.lack.as_ref().map_or(Index::ZERO, |lack| lack.upto));
        canon.number(self.lessons.len() as u64);
        for (node, lesson) in &self.lessons {
            canon.number(node.0);
            canon.number(u64::from(matches!(lesson, Lesson::Snapshot(_))));
        }
    }

    fn put_role(&self, canon: &mut Canon) {
        canon.number(self.state.role() as u64);
        match &self.state {
            State::Follower(follower) => {
                canon.ballot(follower.leader.unwrap_or_default());
                canon.number(follower.haste as u64);
            }
            State::Seeker(seeker) => canon.votes(&seeker.answers),
            State::Candidate(candidate) => put_candidate(canon, candidate),
            State::Leader(leader) => put_leader(canon, leader),
        }
    }
}

fn put_candidate(canon: &mut Canon, candidate: &Candidate) {
    canon.index(candidate.base);
    canon.number(candidate.reports.len() as u64);
    for (node, report) in &candidate.reports {
        canon.number(node.0);
        canon.index(report.withheld_upto);
        canon.number(u64::from(report.is_whole()));
    }
    // Their values too: these votes are others', and on no disk of this node.
    canon.number(candidate.best.len() as u64);
    for vote in candidate.best.values() {
        canon.text(vote);
    }
}

fn put_leader(canon: &mut Canon, leader: &Leader) {
    for index in [leader.floor, leader.barrier, leader.next_slot] {
        canon.index(index);
    }
    for coverage in [&leader.own, &leader.chosen] {
        canon.index(coverage.upto());
        canon.spans(coverage.above().spans());
    }
    canon.tenure(&leader.tenure);
    for progress in leader.tenure.peers.values() {
        canon.index(progress.votes.upto());
        canon.spans(progress.votes.above().spans());
        canon.index(progress.chosen_upto);
        canon.spans(progress.lost.spans());
        canon.spans(progress.window.spans());
        canon.number(progress.flow as u64);
        canon.index(progress.commit_sent.map_or(Index::ZERO, Index::next));
    }
}
