//! Rot: bits that flip at rest, where the protocol survives it.

use std::path::PathBuf;

use quorate_consensus::NodeId;

use super::World;
use super::faults::Fault;
use super::trace::Fact;
use crate::draws::Site;
use crate::protocol::Protocol;

const WHERE: Site = Site::new("where a bit flips");

impl<P: Protocol> World<P> {
    /// Flips a bit on the disk of a node that the cluster could lose.
    ///
    /// Not in the last segment of the log: rot in its last batch looks like a torn tail, which
    /// nothing can tell apart (see the header of `quorate_storage`), so it would take back what was
    /// acknowledged.
    pub(super) fn strike_rest(&mut self, fault: Fault) -> Option<()> {
        let node = self.rot_target(fault)?;
        let disk = self.node(node).disk.clone();
        let files = disk.files();
        let last = files.iter().filter(|path| path.extension().is_some_and(|it| it == "wal")).max();
        let may_rot = |path: &&PathBuf| {
            let kind = path.extension().and_then(|it| it.to_str());
            let is_map = kind.is_some_and(|kind| kind != "wal" && kind != "reserved");
            Some(*path) != last && (is_map || kind == Some("wal"))
        };
        let candidates: Vec<&PathBuf> = files.iter().filter(may_rot).collect();
        if candidates.is_empty() {
            return None;
        }
        let id = u64::from(fault.id.0);
        let path = *self.draws.one_of(WHERE, [id, 0], &candidates);
        let bits = disk.contents(path).map_or(0, |contents| contents.len() as u64 * 8);
        if bits == 0 {
            return None;
        }
        self.note(node, Fact::Fault { fault: fault.id, what: fault.kind.name() });
        disk.flip(path, self.draws.below(WHERE, [id, 1], bits));
        self.node_mut(node).is_rotten = true;
        Some(())
    }

    fn rot_target(&self, fault: Fault) -> Option<NodeId> {
        let count = self.nodes.len() as u64;
        let first = self.draws.below(WHERE, [u64::from(fault.id.0), 2], count);
        let nodes = (0..count).map(|more| NodeId(1 + (first + more) % count));
        let mut rotten = nodes.clone().filter(|node| self.node(*node).is_rotten);
        rotten.next().or_else(|| nodes.into_iter().find(|node| self.may_lose(*node)))
    }
}
