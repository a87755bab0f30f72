//! What a story remembers of what happened on its stage, and how it puts each thing into words.

use std::collections::{BTreeMap, BTreeSet};

use quorate_codec::decode_command;
use quorate_codec::peer::PeerMessage;
use quorate_consensus::{Entry, NodeId, Payload, Role, TraceEvent, What};
use quorate_kv::{Command, PutRequest, Response};
use quorate_replica::{Answer, Ending, ReadResponse, Ticket};

use super::phrase::{Arg, Phrase};
use super::saying;
use super::stage::{Reply, Speaks};
use super::tale::Event;
use crate::clients::End;
use crate::protocol::kind_of;
use crate::world::SimTime;
use crate::world::director::Happening;
use crate::world::trace::Fact;

/// The kinds of messages whose sending is told.
const TOLD_WHEN_SENT: &[&str] = &["vote", "prepare"];

/// Everything of interest that happened.
#[derive(Debug, Default)]
pub(super) struct Record {
    leaders: BTreeMap<u64, BTreeSet<u64>>,
    reasons: BTreeSet<String>,
    keys: BTreeSet<&'static str>,
    strangers: BTreeSet<u64>,
    executed: BTreeMap<(u64, String), usize>,
    backtracks: BTreeMap<u64, usize>,
    lost: usize,
    sent: BTreeMap<&'static str, u64>,
    received: u64,
    syncs: u64,
    asked: BTreeMap<Ticket, (NodeId, Phrase)>,
    ended: BTreeMap<Ticket, (SimTime, Reply)>,
}

impl Record {
    /// Takes note of something, and puts it into words if it is worth telling.
    pub(super) fn take<P: Speaks>(
        &mut self,
        at: SimTime,
        happening: &Happening<P::Message>,
    ) -> Option<Event> {
        let event = match happening {
            Happening::Fact(node, fact) => self.fact(*node, *fact),
            Happening::Sent(from, to, message) => self.sent::<P>(*from, *to, message),
            Happening::Lost(from, to, message) => {
                self.lost += 1;
                letter::<P>("lost.dropped", *from, *to, message)
            }
            Happening::Held(from, to, message) => letter::<P>("held", *from, *to, message),
            Happening::Applied(node, entry) => self.applied(*node, entry),
            Happening::Ended(ticket, end) => self.ended(at, *ticket, end),
        };
        if let Some(key) = event.as_ref().and_then(|event| event.what.key()) {
            self.keys.insert(key);
        }
        event
    }

    /// A client asks.
    pub(super) fn asked(&mut self, ticket: Ticket, node: NodeId, request: Phrase) -> Event {
        self.asked.insert(ticket, (node, request.clone()));
        about_all(
            Phrase::of("client.asks").with("node", Arg::Node(node)).with("request", part(request)),
        )
    }

    fn fact(&mut self, node: NodeId, fact: Fact) -> Option<Event> {
        let what = match fact {
            Fact::Engine(event) => return Some(self.engine(node, event)),
            Fact::Started { boots, .. } if 1 < boots => Phrase::of("node.started"),
            Fact::Stopped { why: "killed" } => Phrase::of("node.killed"),
            Fact::Stopped { why: "lost power" } => Phrase::of("node.power"),
            Fact::Wiped => Phrase::of("node.wiped"),
            Fact::Paused => Phrase::of("node.paused"),
            Fact::Resumed => Phrase::of("node.resumed"),
            Fact::Stranger { peer } => {
                let is_news = self.strangers.insert(peer.0);
                return is_news.then(|| {
                    about(node, Phrase::of("node.shunned").with("peer", Arg::Node(peer)))
                });
            }
            Fact::Received { .. } => {
                self.received += 1;
                return None;
            }
            Fact::Persisted { .. } => {
                self.syncs += 1;
                return None;
            }
            _ => return None,
        };
        Some(about(node, what))
    }

    fn engine(&mut self, node: NodeId, event: TraceEvent) -> Event {
        let reason = format!("{:?}", event.reason);
        self.reasons.insert(reason.clone());
        match event.what {
            What::Became { role: Role::Leader, ballot } => {
                self.leaders.entry(ballot.round).or_default().insert(node.0);
            }
            What::Backtracked { peer, .. } => *self.backtracks.entry(peer.0).or_default() += 1,
            _ => {}
        }
        Event { reason: Some(reason), ..about(node, saying::trace(&event)) }
    }

    fn sent<P: Speaks>(
        &mut self,
        from: NodeId,
        to: NodeId,
        message: &PeerMessage<P::Message>,
    ) -> Option<Event> {
        let kind = kind_of::<P>(message);
        *self.sent.entry(kind).or_default() += 1;
        if !TOLD_WHEN_SENT.contains(&kind) {
            return None;
        }
        letter::<P>("sent", from, to, message)
    }

    fn applied(&mut self, node: NodeId, entry: &Entry) -> Option<Event> {
        let Payload::Command(bytes) = &entry.payload else { return None };
        let Ok(Command::Put(PutRequest { key, value, .. })) = decode_command(bytes.clone()) else {
            return None;
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (key, value) = (text(&key), text(&value));
        *self.executed.entry((node.0, key.clone())).or_default() += 1;
        let command = Arg::Raw(format!("{key} = {value}"));
        let what = Phrase::of("applied").with("index", Arg::Number(entry.index.0));
        Some(about(node, what.with("command", command)))
    }

    fn ended(&mut self, at: SimTime, ticket: Ticket, end: &End) -> Option<Event> {
        let reply = reply_of(end);
        self.ended.insert(ticket, (at, reply.clone()));
        let (node, request) = self.asked.get(&ticket)?.clone();
        let what = match reply {
            Reply::Written(revision) => {
                Phrase::of("client.written").with("revision", Arg::Number(revision.unsigned_abs()))
            }
            Reply::Found(Some(value)) => Phrase::of("client.found").with("value", Arg::Raw(value)),
            Reply::Found(None) => Phrase::of("client.nothing"),
            Reply::Refused => Phrase::of("client.refused"),
            Reply::Unknown => Phrase::of("client.unknown"),
        };
        Some(about_all(what.with("node", Arg::Node(node)).with("request", part(request))))
    }

    /// Each term that had a leader, with its leaders.
    pub(super) fn leaders(&self) -> Vec<(u64, Vec<u64>)> {
        let listed =
            |(round, nodes): (&u64, &BTreeSet<u64>)| (*round, nodes.iter().copied().collect());
        self.leaders.iter().map(listed).collect()
    }

    /// Whether no term had two leaders.
    pub(super) fn has_one_leader_per_term(&self) -> bool {
        self.leaders.values().all(|nodes| nodes.len() == 1)
    }

    /// Whether a trace event gave this reason.
    pub(super) fn has_reason(&self, reason: &str) -> bool {
        self.reasons.contains(reason)
    }

    /// Whether something with this key happened.
    pub(super) fn has_event(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Whether others refuse to speak with a server.
    pub(super) fn is_shunned(&self, server: u64) -> bool {
        self.strangers.contains(&server)
    }

    /// How often a server has executed a write of a key.
    pub(super) fn executed(&self, server: u64, key: &str) -> usize {
        self.executed.get(&(server, key.to_owned())).copied().unwrap_or(0)
    }

    /// How often a leader had to go back for a server.
    pub(super) fn backtracks(&self, server: u64) -> usize {
        self.backtracks.get(&server).copied().unwrap_or(0)
    }

    /// How many messages the script dropped.
    pub(super) fn lost(&self) -> usize {
        self.lost
    }

    /// How many messages were sent, and how many arrived.
    pub(super) fn sent_and_received(&self) -> (u64, u64) {
        (self.sent.values().sum(), self.received)
    }

    /// How many messages of these kinds were sent.
    pub(super) fn sent_of(&self, kinds: &[&str]) -> u64 {
        kinds.iter().filter_map(|kind| self.sent.get(kind)).sum()
    }

    /// How often a server's log was synced, on all servers together.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs
    }

    /// How a request ended, and when, if it has.
    pub(super) fn reply(&self, ticket: Ticket) -> Option<&(SimTime, Reply)> {
        self.ended.get(&ticket)
    }
}

/// What one server says to another.
fn letter<P: Speaks>(
    key: &'static str,
    from: NodeId,
    to: NodeId,
    message: &PeerMessage<P::Message>,
) -> Option<Event> {
    let PeerMessage::Engine(message) = message else { return None };
    let what = Phrase::of(key).with("say", part(P::saying(message)));
    Some(Event { receivers: vec![to], ..about(from, what) })
}

fn reply_of(end: &End) -> Reply {
    match end {
        End::Answer(Answer::Command(Ok(Response::Put(put)))) => Reply::Written(put.revision),
        End::Answer(Answer::Read(Ok(ReadResponse::Range(range)))) => {
            let value = range.kvs.first().map(|found| &found.value);
            Reply::Found(value.map(|value| String::from_utf8_lossy(value).into_owned()))
        }
        End::Answer(_) | End::Ending(Ending::Refused(_) | Ending::NoLeader) => Reply::Refused,
        End::Ending(Ending::Unknown | Ending::Transferred(_)) | End::Lost => Reply::Unknown,
    }
}

fn part(phrase: Phrase) -> Arg {
    Arg::Phrase(Box::new(phrase))
}

fn about(node: NodeId, what: Phrase) -> Event {
    Event { subjects: vec![node], ..about_all(what) }
}

fn about_all(what: Phrase) -> Event {
    Event { at: None, subjects: Vec::new(), what, receivers: Vec::new(), reason: None }
}
