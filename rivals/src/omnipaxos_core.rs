//! `OmniPaxos`, with its own storage in memory.
//!
//! Accepts that wait to be sent to one peer are joined by the library itself; its batching by count
//! stays off, since a batch that is not full would wait for a timer. What was decided is read as
//! an application does.

use std::hint::black_box;

use bytes::Bytes;
use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

use crate::{KEPT_MAX, PAYLOAD, Trio};

#[derive(Clone, Debug)]
struct Command(#[allow(dead_code, reason = "it is carried, not read")] Bytes);

impl Entry for Command {
    type Snapshot = NoSnapshot;
}

type Node = OmniPaxos<Command, MemoryStorage<Command>>;

struct Nodes {
    nodes: Vec<Node>,
    messages: Vec<Message<Command>>,
    applied: [usize; 3],
    trimmed: usize,
}

pub(crate) fn start() -> Box<dyn Trio> {
    let nodes = (1..=3).map(node).collect();
    let mut trio = Nodes { nodes, messages: Vec::new(), applied: [0; 3], trimmed: 0 };
    trio.nodes[0].try_become_leader();
    trio.pump();
    trio.commit(1);
    Box::new(trio)
}

fn node(pid: u64) -> Node {
    let cluster =
        ClusterConfig { configuration_id: 1, nodes: vec![1, 2, 3], flexible_quorum: None };
    let server = ServerConfig { pid, ..ServerConfig::default() };
    let built = cluster.build_for_server(server, MemoryStorage::default());
    built.expect("the settings are valid")
}

impl Nodes {
    fn pump(&mut self) {
        loop {
            for at in 0..self.nodes.len() {
                self.drain(at);
            }
            if self.messages.is_empty() {
                return;
            }
            for message in std::mem::take(&mut self.messages) {
                let to = message.get_receiver() as usize - 1;
                self.nodes[to].handle_incoming(message);
            }
        }
    }

    fn drain(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.take_outgoing_messages(&mut self.messages);
        let decided = node.get_decided_idx();
        if self.applied[at] < decided {
            let entries = node.read_decided_suffix(self.applied[at]).unwrap_or_default();
            let are_decided = |entry: &LogEntry<Command>| matches!(entry, LogEntry::Decided(_));
            assert!(entries.iter().all(are_decided), "what was decided is in memory");
            assert!(entries.len() == decided - self.applied[at], "what was decided is whole");
            black_box(entries);
            self.applied[at] = decided;
        }
    }

    fn forget(&mut self) {
        let everywhere = self.applied.into_iter().min().unwrap_or_default();
        if self.trimmed + KEPT_MAX < everywhere {
            self.nodes[0].trim(Some(everywhere)).expect("what is decided everywhere may go");
            self.trimmed = everywhere;
        }
    }
}

impl Trio for Nodes {
    fn commit(&mut self, count: usize) {
        let target = self.applied[0] + count;
        for _ in 0..count {
            let command = Command(Bytes::from_static(PAYLOAD));
            self.nodes[0].append(command).expect("the leader proposes");
        }
        self.pump();
        assert!(self.applied == [target; 3], "every entry is applied everywhere");
        self.forget();
    }
}
