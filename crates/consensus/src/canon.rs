//! Canonical renderings: numbers one after another, for fingerprints.

use std::collections::BTreeSet;

use bytes::{BufMut, BytesMut};

use crate::ballot::Ballot;
use crate::durability::Durability;
use crate::ids::{Index, NodeId, Span, WriteId};
use crate::proposals::Proposals;
use crate::status::Fingerprint;
use crate::tenure::{Peer, Tenure};

/// A fingerprint in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canon(BytesMut);

impl Canon {
    pub(crate) fn finish(self) -> Fingerprint {
        Fingerprint(self.0.freeze())
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.put_u64_le(number);
    }

    pub(crate) fn index(&mut self, index: Index) {
        self.number(index.0);
    }

    pub(crate) fn ballot(&mut self, ballot: Ballot) {
        self.number(ballot.round);
        self.number(ballot.node.0);
    }

    pub(crate) fn node(&mut self, node: Option<NodeId>) {
        self.number(node.unwrap_or_default().0);
    }

    /// Spans, told apart from what follows by their number.
    pub(crate) fn spans(&mut self, spans: impl Iterator<Item = Span>) {
        let spans: Vec<Span> = spans.collect();
        self.number(spans.len() as u64);
        for span in spans {
            self.index(span.first);
            self.index(span.last);
        }
    }

    /// What has no numbers of its own. Told apart from what follows by its length.
    pub(crate) fn text(&mut self, value: &impl core::fmt::Debug) {
        let text = format!("{value:?}");
        self.number(text.len() as u64);
        self.0.put_slice(text.as_bytes());
    }

    /// Things that have no numbers of their own, as a set: neither copies nor their order matter.
    pub(crate) fn set<T: core::fmt::Debug>(&mut self, values: impl Iterator<Item = T>) {
        let texts: BTreeSet<String> = values.map(|value| format!("{value:?}")).collect();
        self.number(texts.len() as u64);
        for text in &texts {
            self.text(text);
        }
    }

    /// What awaits the disk, and what is held back for it. `promise` is the batch that holds the
    /// newest promise.
    pub(crate) fn durability<M: core::fmt::Debug>(
        &mut self,
        durability: &Durability<M>,
        promise: WriteId,
    ) {
        self.number(u64::from(durability.is_persisted(promise)));
        self.number(u64::from(durability.has_pending()));
        self.set(durability.held());
    }

    /// Proposals that have not ended, without their names.
    pub(crate) fn proposals(&mut self, proposals: &Proposals) {
        self.number(u64::from(proposals.count()));
        for (index, ballot) in proposals.places() {
            self.index(index);
            self.ballot(ballot);
        }
    }

    /// What a leader keeps whatever its protocol. Messages on the way name confirmations, so their
    /// numbers matter and not only their order.
    pub(crate) fn tenure<P: Peer>(&mut self, tenure: &Tenure<P>) {
        self.number(tenure.confirm().0);
        let (waiting, rounds) = tenure.reads.shape();
        self.number(waiting as u64);
        self.number(rounds.len() as u64);
        for (confirm, index) in rounds {
            self.number(confirm.0);
            self.index(index);
        }
        for (node, peer) in &tenure.peers {
            let (confirmed, storage) = peer.contact().shape();
            self.number(node.0);
            self.index(peer.settled_upto());
            self.index(peer.next());
            self.number(confirmed.0);
            self.number(storage as u64);
        }
    }

    pub(crate) fn votes(&mut self, votes: &std::collections::BTreeMap<NodeId, bool>) {
        self.number(votes.len() as u64);
        for (node, &granted) in votes {
            self.number(node.0);
            self.number(u64::from(granted));
        }
    }
}
