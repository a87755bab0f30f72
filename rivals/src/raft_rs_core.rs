//! raft-rs, the core of `TiKV`, as its documentation drives it, with its own storage in memory.
//!
//! Settings in its favour: appends of one drain to one peer are joined (`batch_append`), messages
//! hold as many bytes as ours, and what is written is told at once. Its proposals take a `Vec`, so
//! each payload is copied once.

use std::hint::black_box;

use raft::prelude::{ConfState, Message};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};
use slog::{Discard, Logger, o};

use crate::{KEPT_MAX, PAYLOAD, Trio};

struct Nodes {
    nodes: Vec<RawNode<MemStorage>>,
    messages: Vec<Message>,
    applied: [u64; 3],
    compacted: [u64; 3],
}

pub(crate) fn start() -> Box<dyn Trio> {
    let nodes = (1..=3).map(node).collect();
    let mut trio = Nodes { nodes, messages: Vec::new(), applied: [0; 3], compacted: [0; 3] };
    trio.nodes[0].campaign().expect("a new member may campaign");
    trio.pump();
    assert!(trio.nodes[0].raft.state == StateRole::Leader, "the first member is elected");
    Box::new(trio)
}

fn node(id: u64) -> RawNode<MemStorage> {
    let config = Config {
        id,
        max_size_per_msg: 1 << 20,
        max_inflight_msgs: 256,
        check_quorum: true,
        pre_vote: true,
        batch_append: true,
        ..Config::default()
    };
    let voters = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
    let storage = MemStorage::new_with_conf_state(voters);
    let silent = Logger::root(Discard, o!());
    RawNode::new(&config, storage, &silent).expect("the settings are valid")
}

impl Nodes {
    fn pump(&mut self) {
        loop {
            for at in 0..self.nodes.len() {
                while self.nodes[at].has_ready() {
                    self.drain(at);
                }
            }
            if self.messages.is_empty() {
                return;
            }
            for message in std::mem::take(&mut self.messages) {
                let to = message.to as usize - 1;
                self.nodes[to].step(message).expect("messages are well formed");
            }
        }
    }

    fn drain(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let mut ready = node.ready();
        self.messages.append(&mut ready.take_messages());
        let mut applied = ready.take_committed_entries();
        let storage = node.mut_store();
        if !ready.entries().is_empty() {
            storage.wl().append(ready.entries()).expect("entries follow each other");
        }
        if let Some(hard) = ready.hs() {
            storage.wl().set_hardstate(hard.clone());
        }
        self.messages.append(&mut ready.take_persisted_messages());
        let mut light = node.advance(ready);
        if let Some(commit) = light.commit_index() {
            node.mut_store().wl().mut_hard_state().set_commit(commit);
        }
        self.messages.append(&mut light.take_messages());
        applied.append(&mut light.take_committed_entries());
        if let Some(last) = applied.last() {
            self.applied[at] = last.index;
            node.advance_apply_to(last.index);
        }
        black_box(applied);
        self.forget(at);
    }

    fn forget(&mut self, at: usize) {
        let everywhere = self.applied.into_iter().min().unwrap_or_default();
        if self.compacted[at] + (KEPT_MAX as u64) < everywhere {
            let storage = self.nodes[at].mut_store();
            storage.wl().compact(everywhere).expect("what is applied may go");
            self.compacted[at] = everywhere;
        }
    }
}

impl Trio for Nodes {
    fn commit(&mut self, count: usize) {
        let target = self.applied[0] + count as u64;
        for _ in 0..count {
            self.nodes[0].propose(Vec::new(), PAYLOAD.to_vec()).expect("the leader proposes");
        }
        self.pump();
        assert!(self.applied == [target; 3], "every entry is applied everywhere");
    }
}
