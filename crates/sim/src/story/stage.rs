//! The stage: a script acts on it, what happens there is told, and the end can be looked at.

use core::fmt::Debug;
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_codec::peer::PeerMessage;
use quorate_consensus::NodeId;
use quorate_kv::RangeRequest;
use quorate_replica::{ReadRequest, Ticket};

use super::phrase::{Arg, Phrase};
use super::record::Record;
use super::saying;
use super::setting::{SYNC, put_command};
use super::tale::{Event, Tale};
use super::text::Text;
use crate::clients::Ask;
use crate::draws::Chance;
use crate::profile::Span;
use crate::protocol::{PaxosProtocol, Protocol, RaftProtocol, kind_of};
use crate::world::SimTime;
use crate::world::clock::Rate;
use crate::world::director::{Director, Fate, Order};

/// An engine whose messages can be put into words.
pub(super) trait Speaks: Protocol {
    /// What a message says.
    fn saying(message: &Self::Message) -> Phrase;
}

impl Speaks for RaftProtocol {
    fn saying(message: &Self::Message) -> Phrase {
        saying::raft(message)
    }
}

impl Speaks for PaxosProtocol {
    fn saying(message: &Self::Message) -> Phrase {
        saying::multi_paxos(message)
    }
}

/// The kinds of Raft's messages that scripts speak of, by their names in traces.
pub(super) const VOTES: &[&str] = &["vote"];
/// Answers to requests for votes.
pub(super) const VOTE_REPLIES: &[&str] = &["vote-granted", "vote-refused"];
/// Entries, and questions about them.
pub(super) const APPENDS: &[&str] = &["append", "probe"];

/// A request that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked(Ticket);

/// How a request ended, as its client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The write was done, at this revision.
    Written(i64),
    /// The read found this.
    Found(Option<String>),
    /// Nothing happened.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// A simulated cluster on which a story plays.
pub(super) struct Stage<'t, P: Speaks = RaftProtocol> {
    pub(super) director: Director<P>,
    pub(super) servers: u64,
    pub(super) tale: &'t mut Tale,
    pub(super) record: Record,
    /// The keys of what is told, if not everything is.
    told: Option<&'static [&'static str]>,
    /// Whether nothing is told at all.
    pub(super) is_quiet: bool,
    /// The logs of servers as they stopped, by the terms of their entries.
    pub(super) stopped: BTreeMap<u64, Vec<u64>>,
}

impl<'t, P: Speaks> Stage<'t, P> {
    /// The stage of a world that is about to begin.
    pub(super) fn new(director: Director<P>, servers: u64, tale: &'t mut Tale) -> Self {
        let (record, stopped) = (Record::default(), BTreeMap::new());
        Self { director, servers, tale, record, told: None, is_quiet: false, stopped }
    }

    /// The tale, for another stage.
    pub(super) fn into_tale(self) -> &'t mut Tale {
        self.tale
    }

    /// The narrator says what comes next.
    pub(super) fn step(&mut self, step: impl Into<Phrase>) {
        if !self.is_quiet {
            self.tale.step(step);
        }
    }

    /// The narrator adds a remark.
    pub(super) fn note(&mut self, note: Text) {
        self.tale.note(note);
    }

    /// Something that the script has measured.
    pub(super) fn remark(&mut self, nodes: &[u64], what: Phrase) {
        let subjects = nodes.iter().copied().map(NodeId).collect();
        self.tale.remark(subjects, what);
    }

    /// Something must hold.
    pub(super) fn check(&mut self, claim: impl Into<Phrase>, holds: bool) {
        let verdict = if holds { Ok(()) } else { Err("-".to_owned()) };
        self.tale.check(claim, verdict);
    }

    /// This must be what was found.
    pub(super) fn check_equal<T: PartialEq + Debug>(
        &mut self,
        claim: impl Into<Phrase>,
        found: T,
        expected: T,
    ) {
        self.tale.check_equal(claim, found, expected);
    }

    /// From now on only events with these keys are told.
    pub(super) fn tell_only(&mut self, keys: &'static [&'static str]) {
        self.told = Some(keys);
    }

    /// Something of which nothing is told.
    pub(super) fn quietly(&mut self, act: impl FnOnce(&mut Self)) {
        let before = core::mem::replace(&mut self.is_quiet, true);
        act(self);
        self.is_quiet = before;
    }

    /// Time passes, in milliseconds.
    pub(super) fn run(&mut self, millis: u64) {
        self.director.run_for(Duration::from_millis(millis));
        self.tell();
    }

    /// Time passes until something holds, or this many milliseconds have.
    pub(super) fn run_until(&mut self, millis: u64, is_met: impl Fn(&Self) -> bool) -> bool {
        let end = self.now() + Duration::from_millis(millis);
        while !is_met(self) {
            if end <= self.now() {
                return false;
            }
            self.director.run_for(Duration::from_millis(1));
            self.tell();
        }
        true
    }

    /// Puts into words what has happened.
    pub(super) fn tell(&mut self) {
        for (at, happening) in self.director.take_happened() {
            let Some(mut event) = self.record.take::<P>(at, &happening) else { continue };
            if self.is_told(&event) {
                event.at = Some(at.instant());
                self.tale.event(event);
            }
        }
    }

    fn is_told(&self, event: &Event) -> bool {
        let key = event.what.key();
        let is_wanted = |told: &[&str]| key.is_some_and(|key| told.contains(&key));
        !self.is_quiet && self.told.is_none_or(is_wanted)
    }

    /// The world's time.
    pub(super) fn now(&self) -> SimTime {
        self.director.world().now()
    }

    /// A server's countdown ends now.
    pub(super) fn campaign(&mut self, server: u64) {
        self.director.campaign(NodeId(server));
    }

    /// A client writes a key at a server.
    pub(super) fn put(&mut self, server: u64, key: &str, value: &str) -> Asked {
        let request = Phrase::of("client.put").with("key", raw(key)).with("value", raw(value));
        self.ask(server, request, Ask::Command(put_command(key, value)))
    }

    /// A client reads a key at a server, and wants what is true now.
    pub(super) fn read(&mut self, server: u64, key: &str) -> Asked {
        self.ask(server, reading("client.get", key), Ask::Linearizable(range(key)))
    }

    /// A client reads a key at a server, and takes what that has.
    pub(super) fn read_locally(&mut self, server: u64, key: &str) -> Asked {
        self.ask(server, reading("client.get.local", key), Ask::Serializable(range(key)))
    }

    fn ask(&mut self, server: u64, request: Phrase, ask: Ask) -> Asked {
        self.tell();
        let ticket = self.director.ask(NodeId(server), ask);
        let event = self.record.asked(ticket, NodeId(server), request);
        if self.is_told(&event) {
            let at = Some(self.now().instant());
            self.tale.event(Event { at, ..event });
        }
        Asked(ticket)
    }

    /// Kills a server's process. What it wrote stays on its disk.
    pub(super) fn kill(&mut self, server: u64) {
        self.stop(server);
        self.director.kill(NodeId(server));
        self.tell();
    }

    /// Cuts a server's power. What was not synced is gone.
    pub(super) fn power_off(&mut self, server: u64) {
        self.stop(server);
        self.director.cut_power(NodeId(server));
        self.tell();
    }

    fn stop(&mut self, server: u64) {
        let log = self.rounds(server);
        self.stopped.insert(server, log);
    }

    /// Takes a server's disk away.
    pub(super) fn wipe(&mut self, server: u64) {
        self.director.world_mut().wipe(NodeId(server));
        self.tell();
    }

    /// Starts a server's process again.
    pub(super) fn start(&mut self, server: u64) {
        self.director.world_mut().restart(NodeId(server));
        self.tell();
    }

    /// A server stands still.
    pub(super) fn freeze(&mut self, server: u64) {
        self.director.world_mut().pause(NodeId(server));
        self.tell();
    }

    /// A server that stood still goes on.
    pub(super) fn thaw(&mut self, server: u64) {
        self.director.world_mut().resume(NodeId(server));
        self.tell();
    }

    /// A server's clock runs at this rate, in millionths.
    pub(super) fn clock_rate(&mut self, server: u64, millionths: u64) {
        self.director.world_mut().set_rate(NodeId(server), Rate(millionths));
    }

    /// A server's disk needs this long per sync.
    pub(super) fn slow_disk(&mut self, server: u64, sync: Duration) {
        let factor = (sync.as_micros() / SYNC.as_micros()) as u32;
        self.director.slow_disk(NodeId(server), factor);
    }

    /// Nothing passes from one server to the other.
    pub(super) fn cut(&mut self, from: u64, to: u64) {
        self.director.cut(NodeId(from), NodeId(to));
    }

    /// All passes again from one server to the other.
    pub(super) fn mend(&mut self, from: u64, to: u64) {
        self.director.mend(NodeId(from), NodeId(to));
    }

    /// Nothing passes between two groups.
    pub(super) fn part(&mut self, these: &[u64], those: &[u64]) {
        for (a, b) in these.iter().flat_map(|a| those.iter().map(move |b| (*a, *b))) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// All links carry everything.
    pub(super) fn heal(&mut self) {
        for from in 1..=self.servers {
            for to in (1..=self.servers).filter(|to| *to != from) {
                self.mend(from, to);
            }
        }
    }

    /// Some messages arrive twice.
    pub(super) fn double(&mut self, chance: Chance, later: Span) {
        self.director.double(chance, later);
    }

    /// The next so many messages of these kinds never arrive.
    pub(super) fn drop_next(
        &mut self,
        from: u64,
        to: u64,
        kinds: &'static [&'static str],
        count: usize,
    ) {
        self.order(from, Some(to), Fate::Drop, count, move |message| {
            kinds.contains(&kind_of::<P>(message))
        });
    }

    /// From now on a server's messages of these kinds are slow.
    pub(super) fn hold(&mut self, from: u64, kinds: &'static [&'static str]) {
        self.order(from, None, Fate::Hold, usize::MAX, move |message| {
            kinds.contains(&kind_of::<P>(message))
        });
    }

    /// Does something with a server's messages from now on.
    pub(super) fn order(
        &mut self,
        from: u64,
        to: Option<u64>,
        fate: Fate,
        count: usize,
        is_it: impl Fn(&PeerMessage<P::Message>) -> bool + 'static,
    ) {
        let (from, to) = (Some(NodeId(from)), to.map(NodeId));
        self.director.order(Order { from, to, is_it: Box::new(is_it), fate, count });
    }

    /// What was slow goes on its way.
    pub(super) fn release(&mut self) {
        self.director.release();
    }

    /// What was slow is lost.
    pub(super) fn drop_held(&mut self) {
        self.director.drop_held();
    }
}

impl Asked {
    /// How the request ended, if it has.
    pub(super) fn reply<P: Speaks>(self, stage: &Stage<'_, P>) -> Option<Reply> {
        stage.record.reply(self.0).map(|(_, reply)| reply.clone())
    }

    /// When the request ended, if it has.
    pub(super) fn ended_at<P: Speaks>(self, stage: &Stage<'_, P>) -> Option<SimTime> {
        stage.record.reply(self.0).map(|(at, _)| *at)
    }

    /// Whether the write was acknowledged.
    pub(super) fn is_written<P: Speaks>(self, stage: &Stage<'_, P>) -> bool {
        matches!(self.reply(stage), Some(Reply::Written(_)))
    }

    /// Whether the request has ended.
    pub(super) fn has_ended<P: Speaks>(self, stage: &Stage<'_, P>) -> bool {
        self.reply(stage).is_some()
    }
}

fn raw(text: &str) -> Arg {
    Arg::Raw(text.to_owned())
}

fn reading(key: &'static str, name: &str) -> Phrase {
    Phrase::of(key).with("key", raw(name))
}

fn range(key: &str) -> ReadRequest {
    let key = Bytes::copy_from_slice(key.as_bytes());
    ReadRequest::Range(RangeRequest { key, ..RangeRequest::default() })
}
