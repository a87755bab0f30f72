//! What of the memory decides future violations, in canonical form, for exhaustive search.
//!
//! Two states of a cluster with equal engines, disks, messages *and* equal memories have the same
//! futures. Left out is what the nodes' own states contain (logs, marks, promises), requests of
//! clients, and what only counts.

use bytes::{BufMut, BytesMut};

use super::Invariants;
use crate::ids::{Index, NodeId};
use crate::status::Fingerprint;

impl Invariants {
    /// The memory that matters, with nodes renamed by `name` so that symmetric states are equal.
    pub fn fingerprint(&self, name: impl Fn(NodeId) -> NodeId) -> Fingerprint {
        let mut canon = BytesMut::new();
        let mut order: Vec<(NodeId, usize)> =
            self.nodes.iter().enumerate().map(|(place, known)| (name(known.id), place)).collect();
        order.sort_unstable();
        for &(node, place) in &order {
            let known = self.nodes.at(place);
            canon.put_u64_le(node.0);
            canon.put_u8(known.life as u8);
            for vote in known.votes() {
                canon.put_u64_le(vote.round);
                canon.put_u64_le(name(vote.candidate).0);
                canon.put_u64_le(vote.last.ballot.round);
                canon.put_u64_le(vote.last.index.0);
            }
            canon.put_u8(u8::MAX);
        }
        for remembered in self.rounds.remembered() {
            let ballots = remembered.iter().map(|led| (led.ballot.round, name(led.ballot.node)));
            let mut ballots: Vec<_> = ballots.collect();
            ballots.sort_unstable();
            for (round, leader) in ballots {
                canon.put_u64_le(round);
                canon.put_u64_le(leader.0);
            }
            canon.put_u8(u8::MAX);
        }
        canon.put_u64_le(self.rounds.opened());
        for (index, slot) in self.slots.iter_from(Index::ZERO) {
            canon.put_u64_le(index.0);
            let mut values: Vec<_> = slot.values().collect();
            values.sort_unstable_by_key(|value| (value.ballot.round, name(value.ballot.node)));
            for value in values {
                for ballot in [value.ballot, value.previous] {
                    canon.put_u64_le(ballot.round);
                    canon.put_u64_le(name(ballot.node).0);
                }
                canon.put_u64_le(value.digest.bits());
                for &(_, place) in &order {
                    canon.put_u8(u8::from(value.holders.has(place)));
                    canon.put_u8(u8::from(value.learners.has(place)));
                }
            }
            if let Some(chosen) = slot.chosen {
                canon.put_u64_le(chosen.digest.bits());
                canon.put_u64_le(chosen.round);
            }
        }
        Fingerprint(canon.freeze())
    }
}
