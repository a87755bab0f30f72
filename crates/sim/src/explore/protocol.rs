//! What the search needs to know of a protocol beyond running it.

use quorate_consensus::invariants::Claims;
use quorate_consensus::{Ballot, Entry, NodeId, ProposalId};

use super::bounds::Bounds;
use super::node::View;
use crate::protocol::Protocol;

/// A protocol whose small worlds can be explored.
///
/// None of this weakens a search whose bounds ask for [`super::Courtesies::ByMessage`] and no
/// symmetry, but [`Explored::is_spent`] and [`Explored::stays_idle`], which the tests hold against
/// the engine itself.
pub trait Explored: Protocol<Engine: Claims> {
    /// What a node is told after `Input::Campaign` so that it seeks to lead at once, without
    /// asking whether it could: the sender and the message of each answer that is made up.
    fn nod(node: &View, peers: &[NodeId]) -> Vec<(NodeId, Self::Message)>;

    /// A message that tells of a round and does nothing else; `None` if nobody needs one.
    fn news(round: u64) -> Option<Self::Message>;

    /// Whether a message only asks or tells what [`super::Courtesies::Free`] lets every node know.
    fn is_courtesy(message: &Self::Message) -> bool;

    /// Whether delivering this message changes nothing now and for ever, whatever else happens
    /// within the bounds.
    fn is_spent(message: &Self::Message, from: &View, to: &View, bounds: &Bounds) -> bool;

    /// Whether this message, if delivering it changes nothing now and what is answered is spent,
    /// never changes anything again. The search delivers it to find out.
    fn stays_idle(_message: &Self::Message, _from: &View, _to: &View, _bounds: &Bounds) -> bool {
        false
    }

    /// The message in few words.
    fn tell(message: &Self::Message) -> String;

    /// The same message in a world where nodes have other names.
    fn renamed(message: &Self::Message, names: &Renaming) -> Self::Message;
}

/// Other names for the nodes `1..=n`: one for each, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming(pub(super) Vec<NodeId>);

impl Renaming {
    /// All renamings of `1..=nodes`; the first changes nothing.
    pub(super) fn all(nodes: u64) -> Vec<Self> {
        let mut all = vec![Vec::new()];
        for node in 1..=nodes {
            let longer = |names: &Vec<NodeId>| {
                let rest = (1..=nodes).map(NodeId).filter(|name| !names.contains(name));
                rest.map(|name| [names.as_slice(), &[name]].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
            assert!(all[0].len() as u64 == node, "a renaming grows by one name at a time");
        }
        all.into_iter().map(Self).collect()
    }

    /// Whether it changes nothing.
    pub(super) fn is_identity(&self) -> bool {
        self.0.is_sorted()
    }

    /// A node's other name; nobody stays nobody.
    pub fn node(&self, node: NodeId) -> NodeId {
        node.0.checked_sub(1).map_or(node, |place| self.0[place as usize])
    }

    /// A ballot under its node's other name.
    pub fn ballot(&self, ballot: Ballot) -> Ballot {
        Ballot { node: self.node(ballot.node), ..ballot }
    }

    /// An entry under the other names of those who made it.
    pub fn entry(&self, entry: &Entry) -> Entry {
        let id = entry.id.map(|id| ProposalId { node: self.node(id.node), ..id });
        let (ballot, born) = (self.ballot(entry.ballot), self.ballot(entry.born));
        Entry { ballot, born, id, ..entry.clone() }
    }
}
