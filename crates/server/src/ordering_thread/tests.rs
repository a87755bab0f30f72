//! What the engine does by itself, while others want something of it without a pause.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_consensus::raft::Raft;
use quorate_consensus::{
    Ballot, ClusterTime, Config, HardState, Incarnation, Members, Recovered, Role, Seed, Strict,
};
use quorate_replica::{Limits, Origin};
use tokio::sync::oneshot;

use super::*;
use crate::config::MetricsDetail;
use crate::{once, queue};

/// How long the test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn an_election_is_not_put_off_by_requests_that_never_stop() {
    let members = Members::of_voters([NodeId(1), NodeId(2), NodeId(3)]);
    let (sender, inbox) = queue::channel();
    let mut thread = thread(members, inbox);
    let begun = std::time::Instant::now();
    let asked = || sender.send(ToOrdering::Ask(Ask::Status(oneshot::channel().0))).unwrap();
    asked();
    while thread.ordering.engine().summary().role == Role::Follower {
        assert!(begun.elapsed() < PATIENCE, "nobody campaigned");
        asked();
        thread.receive();
        asked();
        let _ = thread.ordering.effects(thread.clock.now());
    }
}

#[test]
fn a_turn_takes_no_more_than_one_sync_does() {
    let (sender, inbox) = queue::channel();
    let mut thread = thread(Members::of_voters([NodeId(1)]), inbox);
    for _ in 0..20 {
        let command = bytes::Bytes::from(vec![b'v'; 1 << 20]);
        let waiter = once::channel().0;
        sender.send(ToOrdering::Ask(Ask::Write { command, waiter })).unwrap();
    }
    thread.receive();
    assert_eq!(std::iter::from_fn(|| thread.inbox.try_recv()).count(), 12);
}

fn thread(
    members: Members,
    inbox: Receiver<ToOrdering<<Raft as Engine>::Message>>,
) -> OrderingThread<Raft> {
    let node = NodeId(1);
    let metrics = Arc::new(Metrics::new(&members, node, MetricsDetail::Basic));
    let (peers, _) = Peers::new(&BTreeMap::new(), metrics.clone());
    let outlets = Outlets {
        log: queue::channel().0,
        applying: queue::channel().0,
        fetcher: queue::channel().0,
        peers: Arc::new(peers),
        metrics,
    };
    let clock = Clock::start();
    let timeout = Duration::from_millis(10);
    let config =
        Config { election_timeout: timeout, heartbeat_interval: timeout / 10, ..Config::new(node) };
    let engine = Raft::new(config, Strict, Seed(1), nothing(members), clock.now());
    let origin = Origin { node, incarnation: Incarnation(1), boots: 1 };
    let ordering = Ordering::new(engine, origin, Limits::new(timeout));
    OrderingThread::new(ordering, clock, inbox, outlets, Arc::default(), Alarm::new().0)
}

/// What a new node finds on its disk.
fn nothing(members: Members) -> Recovered {
    let time = ClusterTime::default();
    Recovered {
        hard: HardState::default(),
        meta: Meta { index: Index::ZERO, ballot: Ballot::ZERO, time, members },
        ballots: Vec::new(),
        tail: Vec::new(),
        configurations: Vec::new(),
        applied: Index::ZERO,
        time,
    }
}
