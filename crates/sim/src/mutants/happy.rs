//! The happy path: writes and reads at every node of a healthy cluster, one after another.

use core::time::Duration;

use bytes::Bytes;
use quorate_codec::EngineKind;
use quorate_consensus::{NodeId, Seed};
use quorate_kv::{Command, PutRequest, RangeRequest, Response};
use quorate_replica::{Answer, ReadRequest, ReadResponse, Ticket};

use crate::broken::Broken;
use crate::clients::{Ask, End};
use crate::profile::Profile;
use crate::protocol::{PaxosProtocol, Protocol, RaftProtocol};
use crate::world::director::{Director, Happening};

/// Long enough for a healthy cluster to elect.
const ELECTED: Duration = Duration::from_secs(2);

/// Long enough for a request in a healthy cluster to end, and for all to follow.
const ENDED: Duration = Duration::from_millis(200);

/// Whether clients are served, whatever the invariants say; what goes wrong, if they are not.
pub(super) fn path(engine: EngineKind, broken: Broken) -> Result<(), String> {
    match engine {
        EngineKind::Raft => walk::<RaftProtocol>(broken),
        EngineKind::Paxos => walk::<PaxosProtocol>(broken),
    }
}

fn walk<P: Protocol>(broken: Broken) -> Result<(), String> {
    let mut director = Director::<P>::new(Seed(1), Profile::calm(), broken);
    director.run_for(ELECTED);
    for node in [1, 2, 3].map(NodeId) {
        let put = put(node);
        let ticket = director.ask(node, Ask::Command(Command::Put(put)));
        match end_of(&mut director, ticket) {
            Some(End::Answer(Answer::Command(Ok(Response::Put(_))))) => {}
            other => return Err(format!("a write at {node} ends as {other:?}")),
        }
        for reader in [1, 2, 3].map(NodeId) {
            let range = RangeRequest { key: key(node), ..RangeRequest::default() };
            let ask = Ask::Linearizable(ReadRequest::Range(range));
            let ticket = director.ask(reader, ask);
            match end_of(&mut director, ticket) {
                Some(End::Answer(Answer::Read(Ok(ReadResponse::Range(range)))))
                    if range.kvs.len() == 1 && range.kvs[0].value == "well" => {}
                other => return Err(format!("a read at {reader} ends as {other:?}")),
            }
        }
    }
    Ok(())
}

fn key(node: NodeId) -> Bytes {
    format!("happy/{node}").into()
}

fn put(node: NodeId) -> PutRequest {
    PutRequest { key: key(node), value: Bytes::from_static(b"well"), ..PutRequest::default() }
}

/// How a request ends, and some time for the others to follow.
fn end_of<P: Protocol>(director: &mut Director<P>, asked: Ticket) -> Option<End> {
    director.take_happened();
    director.run_for(ENDED);
    let ends = director.take_happened().into_iter().filter_map(|(_, it)| match it {
        Happening::Ended(ticket, end) if ticket == asked => Some(end),
        _ => None,
    });
    ends.last()
}
