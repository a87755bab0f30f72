//! What the engine hears of a disk that has much before it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use quorate_consensus::{
    Ballot, ClusterTime, Entry, Index, Members, NodeId, Payload, Write, WriteId,
};
use quorate_storage::{ClusterId, EngineKind, Options, SimDisk};

use super::*;
use crate::config::MetricsDetail;
use crate::queue;

#[test]
fn progress_is_told_while_much_waits_for_the_disk() {
    let node = NodeId(1);
    let members = Members::of_voters([node]);
    let metrics = Arc::new(Metrics::new(&members, node, MetricsDetail::Basic));
    let options = Options {
        segment_bytes: 1 << 20,
        ..Options::new(ClusterId(1), node, EngineKind::Raft, members)
    };
    let disk = Arc::new(SimDisk::new());
    let opened = quorate_storage::open(disk, Path::new("/data"), options).expect("a new directory");
    let (log, inbox) = queue::channel();
    let (ordering, mut told) = queue::channel::<ToOrdering<()>>();
    let (reserver, _reservations) = queue::channel();
    for number in 1..=4 {
        assert!(log.send(ToLog::Append(batch(number))).is_ok());
    }
    assert!(log.send(ToLog::Stop).is_ok());
    LogThread::new(opened.wal, inbox, ordering, reserver, Alarm::new().0, metrics).run();

    let told = std::iter::from_fn(|| told.try_recv());
    let writes = told.filter_map(|message| match message {
        ToOrdering::Input { input: OrderingInput::Persisted(write), .. } => Some(write.0),
        _ => None,
    });
    assert_eq!(writes.collect::<Vec<_>>(), [2, 4], "two of them make one sync");
}

/// An entry of 3 MiB.
fn batch(number: u64) -> WriteBatch {
    let ballot = Ballot { round: 1, node: NodeId(1) };
    let entry = Entry {
        index: Index(number),
        ballot,
        born: ballot,
        id: None,
        time: ClusterTime::default(),
        payload: Payload::Command(Bytes::from(vec![b'v'; 3 << 20])),
    };
    WriteBatch { id: WriteId(number), writes: vec![Write::Put(entry.into())] }
}
