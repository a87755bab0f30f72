//! The beginnings and ends of a node's processes.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use quorate_codec::ClusterId;
use quorate_consensus::{Engine, Members, NodeId, Seed};
use quorate_kv::{MapError, Store};
use quorate_replica::{Applying, Ordering, Origin, members_to_bytes};
use quorate_storage::{OpenError, Opened, Options, open_with};

use super::World;
use super::clock::Clock;
use super::event::Turn;
use super::node::{LogWork, Running, Standing, StoreWork};
use super::trace::Fact;
use crate::broken::Broken;
use crate::clients::End;
use crate::draws::Site;
use crate::protocol::Protocol;
use crate::watched::Watched;

/// Where a node's data is on its disk.
pub(crate) const DIRECTORY: &str = "/data";

/// The cluster that all nodes belong to.
pub(crate) const CLUSTER: ClusterId = ClusterId(0x51_u64);

const ENTROPY: Site = Site::new("entropy of a start");

/// Why a node has no process after a start.
pub(crate) enum StartFailed {
    /// The directory was not opened.
    Directory(OpenError),
    /// The state machine in it was not opened.
    Store(quorate_kv::OpenError),
}

impl<P: Protocol> World<P> {
    /// The configuration that the cluster begins with.
    pub(crate) fn members(&self) -> Members {
        let (voters, all) = (u64::from(self.profile.voters), u64::from(self.profile.nodes()));
        let learners = (voters + 1..=all).map(NodeId).collect();
        Members { learners, ..Members::of_voters((1..=voters).map(NodeId)) }
    }

    /// A node's process begins, if it has none.
    pub(crate) fn start(&mut self, node: NodeId) {
        if self.node(node).standing != Standing::Down {
            return;
        }
        let life = self.node(node).life + 1;
        self.node_mut(node).life = life;
        let interrupt = self.node_mut(node).interrupt_start.take();
        if let Some(calls) = interrupt {
            let disk = &self.node(node).disk;
            disk.halt_before(disk.changes() + calls);
        }
        let opened = self.open(node);
        match opened {
            opened if interrupt.is_some() => {
                drop(opened);
                self.on_start_interrupted(node);
            }
            Ok(opened) => {
                let running = self.assemble(opened);
                self.on_started(node, running);
            }
            Err(failed) => self.on_start_failed(node, &failed),
        }
    }

    fn entropy(&self, node: NodeId) -> u64 {
        self.draws.bits(ENTROPY, [node.0, u64::from(self.node(node).life)])
    }

    fn open(&self, node: NodeId) -> Result<(Opened<Broken>, Store<Broken>), StartFailed> {
        let entropy = self.entropy(node);
        let options = Options {
            entropy,
            segment_bytes: self.profile.segment_bytes,
            spare_segments_max: self.profile.spare_segments_max,
            tail_bytes_max: self.profile.tail_bytes_max,
            map_cache_bytes: 1 << 20,
            map: self.profile.map,
            ..Options::new(CLUSTER, node, P::KIND, self.members())
        };
        let disk = Arc::new(self.node(node).disk.clone());
        let opened = open_with(disk, Path::new(DIRECTORY), options, self.broken)
            .map_err(StartFailed::Directory)?;
        let store = Store::open(opened.records.clone(), self.profile.store, self.broken);
        Ok((opened, store.map_err(StartFailed::Store)?))
    }

    /// The two halves around what was found on the disk, as the server puts them together.
    fn assemble(&mut self, found: (Opened<Broken>, Store<Broken>)) -> Running<P> {
        let (opened, mut store) = found;
        let Opened { identity, wal, reader, records, installer, recovered, cut } = opened;
        let node = identity.node;
        if store.members().is_empty() {
            store.set_members(members_to_bytes(&recovered.meta.members));
        }
        let (last, applied) = (wal.last(), recovered.applied);
        if cut.is_some() {
            self.note(node, Fact::TailCut);
        }
        self.note(node, Fact::Started { boots: identity.boots, last, applied });
        self.checks.on_start(node, &recovered, store.state_hash());
        let origin = Origin {
            node,
            incarnation: identity.incarnation,
            boots: u32::try_from(identity.boots).expect("a run has fewer than 2^32 starts"),
        };
        let clock = Clock::start(self.now, self.node(node).rate);
        let first = origin.first_number();
        let (policy, compacted) = (self.profile.policy.clone(), recovered.meta.index);
        let applying = Applying::with_rules(store, policy, compacted, first, self.broken)
            .with_watch_limits(self.profile.watch_limits());
        let seed = Seed(self.entropy(node) ^ node.0.rotate_left(32));
        let config = quorate_consensus::Config { node, ..self.profile.engine.clone() };
        let engine = Watched::new(config, self.broken, seed, recovered, clock.read(self.now));
        let limits = self.profile.limits.clone();
        self.node_mut(node).incarnation = Some(identity.incarnation);
        Running {
            ordering: Ordering::with_rules(engine, origin, limits, self.broken),
            applying,
            wal,
            reader,
            records,
            installer,
            inbox: VecDeque::new(),
            work: VecDeque::new(),
            log: LogWork::default(),
            store: StoreWork::default(),
            install: None,
            open: BTreeMap::new(),
            streams: BTreeMap::new(),
            order: Turn::default(),
            apply: Turn::default(),
            clock,
            turns: 0,
        }
    }

    fn on_started(&mut self, node: NodeId, running: Running<P>) {
        let it = self.node_mut(node);
        it.standing = Standing::Up;
        it.running = Some(Box::new(running));
        self.reset_callers(node);
        self.schedule_halves(node);
        self.reserve(node);
        self.dial_all(node);
    }

    fn on_start_failed(&mut self, node: NodeId, failed: &StartFailed) {
        let why = match failed {
            StartFailed::Directory(OpenError::Io { .. })
            | StartFailed::Store(quorate_kv::OpenError::Map(MapError::Io(_))) => "the disk failed",
            StartFailed::Directory(_) => "the directory is damaged",
            StartFailed::Store(_) => "the state machine is damaged",
        };
        self.note(node, Fact::StartRefused { why });
        self.node(node).disk.kill();
        if why == "the disk failed" {
            self.start_again(node);
        } else if self.node(node).is_rotten {
            self.bury(node);
        } else {
            let message = match failed {
                StartFailed::Directory(error) => error.to_string(),
                StartFailed::Store(error) => error.to_string(),
            };
            self.checks.on_start_refused(node, &message);
        }
    }

    /// The disk ends in the midst of a start.
    fn on_start_interrupted(&mut self, node: NodeId) {
        self.note(node, Fact::StartRefused { why: "it lost power" });
        let survival = self.torn(node);
        self.node(node).disk.crash(survival);
        self.start_again(node);
    }

    /// A node's process ends: whoever waits there is lost, and peers may notice.
    pub(crate) fn end_process(&mut self, node: NodeId, why: &'static str) {
        let it = self.node_mut(node);
        let Some(running) = it.running.take() else { return };
        it.standing = Standing::Down;
        it.deferred.clear();
        self.note(node, Fact::Stopped { why });
        for ticket in running.open.keys() {
            self.tell(node, *ticket, End::Lost);
        }
        self.lose_streams(node, running.streams.keys().copied());
        drop(running);
        self.checks.on_stopped(node);
    }
}
