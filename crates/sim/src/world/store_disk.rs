//! The store's disk, as the server's store thread uses it: commits of the map, snapshots that are
//! received, and their activation, one piece of work at a time and in order.

use core::time::Duration;
use std::io::ErrorKind;

use quorate_consensus::{Index, Meta, NodeId};
use quorate_kv::{Commit, MapError, Store};
use quorate_replica::{StagingFailed, StagingOp};
use quorate_storage::InstallError;

use super::World;
use super::event::Event;
use super::node::ToStore;
use super::trace::Fact;
use crate::draws::Site;
use crate::marks::Mark;
use crate::protocol::Protocol;

/// How often a commit that found no room is tried again, as in the server.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

const WORK: Site = Site::new("work of the store");

/// What became of a piece of work.
pub(super) enum Done {
    /// It is done.
    Yes,
    /// The disk is full: it is tried again.
    Full,
    /// The disk failed, or lied: the node must stop.
    Failed,
}

impl<P: Protocol> World<P> {
    /// Begins the next piece of work, unless one is under way.
    pub(super) fn work_store(&mut self, node: NodeId) {
        let life = self.node(node).life;
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        if running.store.is_busy || running.store.queue.is_empty() {
            return;
        }
        running.store.is_busy = true;
        running.store.begun += 1;
        let keys = [node.0, u64::from(life), running.store.begun];
        let delay = self.profile.timing.store.draw(self.draws, WORK, keys);
        let delay = delay * self.node(node).disk_factor;
        self.spring_ambush(node, delay);
        self.queue.push(self.now + delay, Event::Stored { node, life });
    }

    pub(super) fn on_stored(&mut self, node: NodeId, life: u32) {
        if self.node_mut(node).process(life).is_none() {
            return;
        }
        self.steps += 1;
        match self.store_first(node) {
            Done::Yes => {
                let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
                running.store.is_busy = false;
                self.work_store(node);
                self.schedule_halves(node);
            }
            Done::Full => {
                self.queue.push(self.now + RETRY_INTERVAL, Event::Stored { node, life });
            }
            Done::Failed => self.fail(node, "the store's disk failed"),
        }
    }

    /// Does the first piece of work, and takes it off the queue unless it is to be tried again.
    pub(super) fn store_first(&mut self, node: NodeId) -> Done {
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return Done::Yes };
        let Some(work) = running.store.queue.pop_front() else { return Done::Yes };
        match work {
            ToStore::Commit(commit) => self.commit(node, commit),
            ToStore::Stage(operations) => self.stage(node, operations),
            ToStore::Activate(meta) => self.activate(node, &meta),
        }
    }

    fn commit(&mut self, node: NodeId, commit: Box<Commit>) -> Done {
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return Done::Yes };
        match running.records.commit(&commit) {
            Ok(()) => {}
            Err(MapError::Io(ErrorKind::StorageFull)) => {
                running.store.queue.push_front(ToStore::Commit(commit));
                return Done::Full;
            }
            Err(_) => return Done::Failed,
        }
        running.applying.on_committed(commit.id);
        let index = Index(commit.checkpoint.position.index);
        self.checks.on_map_durable(node, index);
        self.note(node, Fact::MapCommitted { index });
        Done::Yes
    }

    fn stage(&mut self, node: NodeId, operations: Vec<StagingOp>) -> Done {
        let now = self.now;
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return Done::Yes };
        let mut result = Ok(());
        for operation in operations {
            let (staging, installer) = (&mut running.store.staging, &running.installer);
            result = match operation {
                StagingOp::Begin(meta) => {
                    *staging = None;
                    installer.begin(&meta).map(|begun| *staging = Some(begun))
                }
                StagingOp::Write(records) => match staging.as_mut() {
                    Some(staging) => staging.add(&records),
                    None => Err(InstallError::NotStaged),
                },
                StagingOp::WriteLeases(leases) => match staging.as_mut() {
                    Some(staging) => staging.add_leases(&leases),
                    None => Err(InstallError::NotStaged),
                },
                StagingOp::Finish(checkpoint) => match staging.take() {
                    Some(staging) => staging.finish(&checkpoint),
                    None => Err(InstallError::NotStaged),
                },
            };
            if result.is_err() {
                break;
            }
        }
        let staged = match result {
            Ok(()) => Ok(()),
            Err(InstallError::Map(_)) => return Done::Failed,
            Err(_) => Err(StagingFailed),
        };
        let local = running.clock.read(now);
        running.applying.on_staged(local, staged);
        Done::Yes
    }

    fn activate(&mut self, node: NodeId, meta: &Meta) -> Done {
        let (config, broken) = (self.profile.store, self.broken);
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return Done::Yes };
        let Ok(records) = running.installer.activate(meta) else { return Done::Failed };
        running.records = records.clone();
        let Ok(store) = Store::open(records, config, broken) else { return Done::Failed };
        let hash = store.state_hash();
        let is_watched = 0 < running.applying.watches().count();
        running.applying.install(store, meta.clone());
        self.marks.hit_if(Mark::WatchInstalled, is_watched);
        self.checks.on_installed(node, meta, hash);
        self.note(node, Fact::Installed { index: meta.index, hash: hash.0 as u64 });
        Done::Yes
    }
}
