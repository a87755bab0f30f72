//! What an engine shows of itself: the status for people, the fingerprint for search.

use super::Raft;
use super::progress::FlowState;
use super::role::State;
use crate::canon::Canon;
use crate::ids::Index;
use crate::rules::Rules;
use crate::status::{Fingerprint, PeerStatus, Status, Summary};

impl<R: Rules> Raft<R> {
    /// The status.
    pub(super) fn view(&self) -> Status {
        let leader = self.known_leader();
        Status {
            node: self.config.node,
            role: self.state.role(),
            ballot: self.term.ballot(leader.unwrap_or_default()),
            leader,
            members: self.members().clone(),
            compacted: self.log.compacted().index,
            last: self.log.last(),
            persisted: self.log.persisted(),
            committed: self.log.committed(),
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
            ballot: self.term.ballot(self.known_leader().unwrap_or_default()),
            compacted: self.log.compacted().index,
            last: self.log.last(),
            persisted: self.log.persisted(),
            committed: self.log.committed(),
            applied: self.applied(),
        }
    }

    fn peers(&self) -> Vec<PeerStatus> {
        let State::Leader(leader) = &self.state else { return Vec::new() };
        leader.tenure.statuses(self.now, &self.config, |_, progress| progress.flow())
    }

    /// The fingerprint: everything that decides what happens next but times and client names.
    ///
    /// Whoever compares two states also compares what each has on its disk and on the way there:
    /// that decides what the batches make durable which are not acknowledged yet.
    pub(super) fn canonical(&self) -> Fingerprint {
        let mut canon = Canon::default();
        canon.number(self.term.0);
        canon.node(self.vote);
        canon.node(self.term_leader);
        self.put_log(&mut canon);
        self.put_role(&mut canon);
        canon.durability(&self.durability, self.promise_write);
        canon.index(self.committed_written);
        canon.proposals(&self.proposals);
        canon.node(self.handing_over_to());
        canon.number(self.room.state() as u64);
        canon.finish()
    }

    fn put_log(&self, canon: &mut Canon) {
        let log = &self.log;
        canon.index(log.compacted().index);
        canon.ballot(log.compacted().ballot);
        for run in log.runs() {
            canon.index(run.first);
            canon.ballot(run.ballot);
        }
        let installing = self.installing.as_ref().map_or(Index::ZERO, |meta| meta.index);
        let delivery = &self.delivery;
        let marks = [log.last(), log.persisted(), log.committed(), installing];
        for index in marks.into_iter().chain([delivery.delivered(), delivery.applied()]) {
            canon.index(index);
        }
    }

    fn put_role(&self, canon: &mut Canon) {
        canon.number(self.state.role() as u64);
        match &self.state {
            State::Follower(follower) => {
                canon.node(follower.leader);
                canon.number(follower.haste as u64);
                canon.index(follower.verified);
                canon.index(follower.acknowledged);
                canon.number(u64::from(follower.owes_answer));
            }
            State::PreCandidate(candidate) => {
                canon.number(candidate.attempt as u64);
                canon.votes(&candidate.votes);
            }
            State::Candidate(candidate) => {
                canon.number(candidate.cause as u64);
                canon.votes(&candidate.votes);
            }
            State::Leader(_) => self.put_leader(canon),
        }
    }

    fn put_leader(&self, canon: &mut Canon) {
        let State::Leader(leader) = &self.state else { return };
        canon.index(leader.first_own);
        canon.tenure(&leader.tenure);
        for progress in leader.tenure.peers.values() {
            canon.number(progress.flow() as u64);
            canon.index(match &progress.flow {
                FlowState::Probe(Some(asked)) => asked.end.next(),
                _ => Index::ZERO,
            });
            canon.number(u64::from(progress.window.count()));
            progress.window.spans().for_each(|span| canon.index(span.last));
            canon.number(u64::from(progress.allowed.min(self.config.window_messages_max)));
            canon.number(u64::from(progress.is_ask_due));
            canon.index(progress.commit_sent);
        }
    }
}
