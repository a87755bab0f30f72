//! A leadership under way: what a leader keeps whatever its protocol, and its view of the others.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::effects::Effects;
use crate::ids::{Confirmation, Index, NodeId, RequestId};
use crate::input::StorageState;
use crate::members::Members;
use crate::outcome::Refusal;
use crate::quorum::Quorum;
use crate::reads::{Reads, Round};
use crate::rules::{Rule, Rules};
use crate::status::{Flow, PeerStatus};
use crate::time::{ClusterTime, Instant};
use crate::trace::{Reason, What};

/// A leadership.
#[derive(Clone, Debug)]
pub(crate) struct Tenure<P> {
    pub(crate) peers: BTreeMap<NodeId, P>,
    pub(crate) reads: Reads,
    /// What the cluster's clock showed when the leader began to count on from there, and when
    /// that was.
    counts_from: Option<(ClusterTime, Instant)>,
    heartbeat_at: Instant,
    /// The newest confirmation it made.
    confirm: Confirmation,
}

/// What a leader knows about a peer.
pub(crate) trait Peer {
    /// How they are in touch.
    fn contact(&self) -> &Contact;
    /// The end of the prefix that the peer needs nothing more for.
    fn settled_upto(&self) -> Index;
    /// The next position to be sent.
    fn next(&self) -> Index;
    /// How many messages with entries are not answered yet.
    fn in_flight(&self) -> u32;
}

/// How a leader and a peer are in touch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact {
    /// When the peer was last heard.
    heard_at: Instant,
    /// When it was last sent what it will answer.
    sent_at: Instant,
    /// The newest confirmation it answered.
    confirmed: Confirmation,
    /// Whether its log has room.
    storage: StorageState,
}

impl Contact {
    /// With a peer about which nothing is known yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heard_at: now,
            sent_at: now,
            confirmed: Confirmation::default(),
            storage: StorageState::Writable,
        }
    }

    /// The peer is heard.
    pub(crate) fn hear(&mut self, now: Instant, storage: StorageState) {
        self.heard_at = now;
        self.storage = storage;
    }

    /// It is sent what it will answer.
    pub(crate) fn speak(&mut self, now: Instant) {
        self.sent_at = now;
    }

    /// It answered a confirmation.
    pub(crate) fn confirm(&mut self, confirm: Confirmation) {
        self.confirmed = self.confirmed.max(confirm);
    }

    /// The newest confirmation it answered, and whether its log has room.
    pub(crate) fn shape(&self) -> (Confirmation, StorageState) {
        (self.confirmed, self.storage)
    }

    /// Whether it was not spoken to, or did not answer, for an interval.
    pub(crate) fn is_quiet(&self, now: Instant, config: &Config) -> bool {
        self.sent_at.min(self.heard_at) + config.heartbeat_interval <= now
    }

    /// Whether it was heard within the last election timeout.
    fn is_active(&self, now: Instant, config: &Config) -> bool {
        now < self.heard_at + config.election_timeout
    }
}

impl<P: Peer> Tenure<P> {
    /// One that begins now, and counts no time yet.
    pub(crate) fn new(now: Instant, config: &Config) -> Self {
        Self {
            peers: BTreeMap::new(),
            reads: Reads::default(),
            counts_from: None,
            heartbeat_at: now + config.heartbeat_interval,
            confirm: Confirmation::default(),
        }
    }

    /// Makes the view of the peers match the configuration.
    pub(crate) fn track(&mut self, members: &Members, me: NodeId, unknown: impl Fn() -> P) {
        let nodes = members.nodes();
        self.peers.retain(|node, _| nodes.contains(node));
        for node in nodes.into_iter().filter(|&node| node != me) {
            self.peers.entry(node).or_insert_with(&unknown);
        }
    }

    /// Counts time from now on, beginning with what the cluster's clock shows, unless it does
    /// already.
    pub(crate) fn count_from(&mut self, shown: ClusterTime, now: Instant) {
        self.counts_from.get_or_insert((shown, now));
    }

    /// The cluster's time, by the leader's clock, once it counts.
    pub(crate) fn time(&self, now: Instant) -> Option<ClusterTime> {
        self.counts_from.map(|(shown, since)| shown.after(now.since(since)))
    }

    /// The stamp of what is proposed now: one that moves no clock while the leader counts no time.
    pub(crate) fn stamp(&self, now: Instant) -> ClusterTime {
        self.time(now).unwrap_or_default()
    }

    /// The newest confirmation it made.
    pub(crate) fn confirm(&self) -> Confirmation {
        self.confirm
    }

    /// When to speak to those that are quiet; never, if there is nobody.
    pub(crate) fn heartbeat_at(&self) -> Option<Instant> {
        (!self.peers.is_empty()).then_some(self.heartbeat_at)
    }

    /// Whether it is time to speak to those that are quiet.
    pub(crate) fn is_heartbeat_due(&self, now: Instant) -> bool {
        self.heartbeat_at <= now
    }

    /// Begins to speak to those that are quiet, with a confirmation of its own.
    pub(crate) fn begin_heartbeat(&mut self, now: Instant, config: &Config) -> Confirmation {
        self.heartbeat_at = now + config.heartbeat_interval;
        self.confirm = Confirmation(self.confirm.0 + 1);
        self.confirm
    }

    /// When it will have been without answers from a quorum for an election timeout.
    pub(crate) fn quorum_lost_at(
        &self,
        quorum: &Quorum,
        config: &Config,
        rules: &impl Rules,
    ) -> Option<Instant> {
        if rules.breaks(Rule::SkipCheckQuorum) {
            return None;
        }
        let forever = Instant::from_micros(u64::MAX);
        let heard = quorum.highest_reached(Instant::ORIGIN, |node| {
            let peer = self.peers.get(&node).map(|peer| peer.contact().heard_at);
            if node == config.node { forever } else { peer.unwrap_or_default() }
        });
        Some(heard + config.election_timeout)
    }

    /// The voter that has come furthest, among those heard of late whose log has room.
    pub(crate) fn best_peer(
        &self,
        members: &Members,
        now: Instant,
        config: &Config,
    ) -> Option<NodeId> {
        let can_lead = |&(&node, peer): &(&NodeId, &P)| {
            let contact = peer.contact();
            members.is_voter(node)
                && contact.storage == StorageState::Writable
                && contact.is_active(now, config)
        };
        let able = self.peers.iter().filter(can_lead);
        able.max_by_key(|(_, peer)| peer.settled_upto()).map(|(&node, _)| node)
    }

    /// Lets a read wait for a confirmation, if there is room for it.
    pub(crate) fn admit_read(&mut self, id: RequestId, config: &Config) -> Result<(), Refusal> {
        if config.reads_max <= self.reads.count() {
            return Err(Refusal::Overloaded { in_flight_max: config.reads_max });
        }
        self.reads.wait(id);
        Ok(())
    }

    /// Begins a confirmation at the commit mark for the reads that wait, if there are any.
    pub(crate) fn begin_reads(
        &mut self,
        committed: Index,
        rules: &impl Rules,
    ) -> Option<Confirmation> {
        if !self.reads.can_begin() {
            return None;
        }
        let is_named = self.confirm != Confirmation::default();
        if !(is_named && rules.breaks(Rule::ReuseConfirmation)) {
            self.confirm = Confirmation(self.confirm.0 + 1);
        }
        self.reads.begin(self.confirm, committed);
        Some(self.confirm)
    }

    /// Releases the reads whose confirmation a quorum has answered.
    pub(crate) fn release_reads<M>(
        &mut self,
        quorum: &Quorum,
        me: NodeId,
        rules: &impl Rules,
        effects: &mut Effects<M>,
    ) {
        let is_unchecked = rules.breaks(Rule::ReadWithoutConfirmation);
        while let Some(round) = self.take_confirmed(|confirm, peers| {
            is_unchecked || quorum.is_reached(|node| node == me || has(peers, node, confirm))
        }) {
            effects.trace(What::ReadsReleased { index: round.index }, Reason::Confirmed);
            effects.outcomes.extend(round.into_outcomes());
        }
    }

    fn take_confirmed(
        &mut self,
        is_confirmed: impl Fn(Confirmation, &BTreeMap<NodeId, P>) -> bool,
    ) -> Option<Round> {
        let Self { peers, reads, .. } = self;
        reads.take_confirmed(|confirm| is_confirmed(confirm, peers))
    }

    /// What to tell about the peers.
    pub(crate) fn statuses(
        &self,
        now: Instant,
        config: &Config,
        flow: impl Fn(NodeId, &P) -> Flow,
    ) -> Vec<PeerStatus> {
        let status = |(&node, peer): (&NodeId, &P)| PeerStatus {
            node,
            matched: peer.settled_upto(),
            next: peer.next(),
            flow: flow(node, peer),
            in_flight: peer.in_flight(),
            is_active: peer.contact().is_active(now, config),
        };
        self.peers.iter().map(status).collect()
    }
}

/// Whether a peer has answered a confirmation, or a later one.
fn has<P: Peer>(peers: &BTreeMap<NodeId, P>, node: NodeId, confirm: Confirmation) -> bool {
    peers.get(&node).is_some_and(|peer| confirm <= peer.contact().confirmed)
}
