//! The applying half alone: slices, compaction, and what holds it back.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use quorate_codec::encode_command;
use quorate_codec::peer::{SnapshotMessage, TransferId};
use quorate_consensus::{
    Ballot, Clock, ClusterTime, Entry, Index, Instant, Members, Meta, NodeId, Payload, SendSnapshot,
};
use quorate_kv::{
    Command, CompactRequest, LeaseGrantRequest, LeaseId, LeaseTtl, MemoryMap, PutRequest,
    RangeRequest, Records, Response, ScanLimit, Store, Strict,
};
use quorate_replica::{
    Answer, Applying, CommitPolicy, Note, ReadRequest, ReadResponse, Ticket, members_to_bytes,
};

use crate::mutants::Broken;

struct Half {
    applying: Applying<Strict, Broken>,
    map: Arc<MemoryMap>,
    now: Instant,
    answers: Vec<(Ticket, Answer)>,
    notes: Vec<Note>,
    messages: Vec<SnapshotMessage>,
}

const PEER: NodeId = NodeId(2);

impl Half {
    fn new(policy: CommitPolicy) -> Self {
        let map = Arc::new(MemoryMap::new());
        let store = Store::open(map.clone(), quorate_kv::Config::default(), Strict);
        let mut store = store.expect("a fresh map opens");
        store.set_members(members_to_bytes(&Members::of_voters([NodeId(1), PEER])));
        let applying = Applying::with_rules(store, policy, Index::ZERO, 0, Broken::here());
        let now = Instant::from_micros(1);
        let (answers, notes, messages) = (Vec::new(), Vec::new(), Vec::new());
        Self { applying, map, now, answers, notes, messages }
    }

    fn apply(&mut self, command: &Command, ticket: Option<Ticket>) {
        let index = self.applying.applied().next();
        self.apply_stamped(command, ticket, 1, ClusterTime(index.0));
    }

    /// Applies a command that the leader of a round was the first to propose, with this stamp.
    fn apply_stamped(
        &mut self,
        command: &Command,
        ticket: Option<Ticket>,
        round: u64,
        time: ClusterTime,
    ) {
        let index = self.applying.applied().next();
        let payload = Payload::Command(encode_command(command));
        let born = Ballot { round, node: NodeId(1) };
        let entry = Entry { index, ballot: born, born, id: None, time, payload };
        self.applying.apply(self.now, &entry, ticket.into()).expect("memory is sound");
    }

    fn put(&mut self, key: String, value: Bytes) {
        self.apply(
            &Command::Put(PutRequest { key: key.into(), value, ..PutRequest::default() }),
            None,
        );
    }

    fn put_versions(&mut self, count: usize) {
        (0..count).for_each(|_| self.put("k".to_owned(), Bytes::from_static(b"v")));
    }

    fn compact(&mut self, ticket: Ticket) {
        let revision = self.applying.store().revision();
        let request = CompactRequest { revision, physical: true };
        self.apply(&Command::Compact(request), Some(ticket));
    }

    /// One look at the queue, with commits durable at once.
    fn turn(&mut self) {
        let effects = self.applying.effects(self.now).expect("memory is sound");
        self.answers.extend(effects.answers);
        self.notes.extend(effects.notes);
        self.messages.extend(effects.messages.into_iter().map(|(_, message)| message));
        if let Some(commit) = effects.commit {
            self.map.commit(&commit).expect("memory does not fail");
            self.applying.on_committed(commit.id);
        }
    }

    /// Lets time pass from deadline to deadline.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..100_000 {
            self.turn();
            match self.applying.deadline(self.now).filter(|deadline| *deadline <= end) {
                Some(deadline) => self.now = self.now.max(deadline),
                None if self.now == end => return,
                None => self.now = end,
            }
        }
        panic!("it never comes to rest");
    }

    fn offer(&mut self) -> TransferId {
        let needed = SendSnapshot { to: PEER, at_least: Index(1) };
        self.applying.on_snapshot_needed(self.now, needed);
        self.turn();
        self.messages.last().and_then(offered).expect("it is offered")
    }

    fn on_message(&mut self, message: SnapshotMessage) {
        self.applying.on_message(self.now, PEER, message).expect("memory is sound");
    }

    fn records(&self) -> usize {
        let limit = ScanLimit { records: usize::MAX, bytes: usize::MAX };
        let first = quorate_kv::Revision::FIRST;
        self.map.scan(first, limit).expect("memory does not fail").len()
    }

    fn is_answered(&self, ticket: Ticket) -> bool {
        self.answers.iter().any(|(answered, _)| *answered == ticket)
    }
}

fn offered(message: &SnapshotMessage) -> Option<TransferId> {
    match message {
        SnapshotMessage::Offer { transfer, .. } => Some(*transfer),
        _ => None,
    }
}

fn meta() -> Meta {
    let ballot = Ballot { round: 1, node: NodeId(1) };
    Meta { index: Index(1), ballot, time: ClusterTime(1), members: Members::default() }
}

#[test]
fn a_large_range_lets_writes_pass_and_sees_one_revision() {
    let mut half = Half::new(CommitPolicy::default());
    (0..2_500).for_each(|at| half.put(format!("k{at:04}"), Bytes::from_static(b"old")));
    let range = RangeRequest {
        key: Bytes::from_static(b"k"),
        range_end: Bytes::from_static(b"l"),
        ..RangeRequest::default()
    };
    let (read, write) = (Ticket(1), Ticket(2));
    let (at, deadline) = (half.applying.applied(), half.now + Duration::from_secs(7));
    half.applying.read(read, ReadRequest::Range(range), at, deadline);
    half.turn();
    assert!(!half.is_answered(read), "it is larger than a slice");
    let put = PutRequest { key: "k9999".into(), value: "new".into(), ..PutRequest::default() };
    half.apply(&Command::Put(put), Some(write));
    half.put("k0000".to_owned(), Bytes::from_static(b"new"));
    half.turn();
    assert!(half.is_answered(write) && !half.is_answered(read), "the write overtakes the range");
    half.run(Duration::from_millis(1));
    let (_, answer) = half.answers.iter().find(|(ticket, _)| *ticket == read).expect("it ended");
    let Answer::Read(Ok(ReadResponse::Range(range))) = answer else { panic!("{answer:?}") };
    assert_eq!(range.count, 2_500);
    assert!(range.kvs.iter().all(|kv| kv.value == "old"));
}

#[test]
fn a_physical_compaction_is_answered_when_the_bytes_are_gone() {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(3_000);
    half.run(Duration::from_secs(3));
    assert_eq!(half.records(), 3_000);
    let ticket = Ticket(1);
    half.compact(ticket);
    half.turn();
    assert!(!half.is_answered(ticket), "the map still has them");
    half.run(Duration::from_secs(5));
    assert_eq!(half.records(), 1);
    assert!(half.is_answered(ticket));
}

#[test]
fn more_than_one_commit_may_be_needed_to_remove_what_was_compacted() {
    let mut half = Half::new(CommitPolicy { bytes: u64::MAX, ..CommitPolicy::default() });
    // One commit of 16 MiB removes at most 131,072 records.
    half.put_versions(140_000);
    half.run(Duration::from_secs(20));
    let ticket = Ticket(1);
    half.compact(ticket);
    half.run(Duration::from_secs(20));
    assert_eq!(half.records(), 1);
    assert!(half.is_answered(ticket));
}

/// Compaction is held back by a snapshot, which then ends.
fn compaction_goes_on_after(end: impl FnOnce(&mut Half, TransferId)) -> Half {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(100);
    let transfer = half.offer();
    half.put_versions(100);
    let ticket = Ticket(1);
    half.compact(ticket);
    // The peer goes on pulling for longer than any commit waits.
    for _ in 0..5 {
        half.run(Duration::from_secs(20));
        let from = quorate_kv::SnapshotPlace::FIRST;
        half.on_message(SnapshotMessage::Pull { transfer, from });
        half.turn();
        assert!(matches!(half.messages.last(), Some(SnapshotMessage::Chunk(_))));
    }
    assert!(!half.is_answered(ticket), "the snapshot still needs the records");
    assert_eq!(half.records(), 200);
    end(&mut half, transfer);
    half.run(Duration::from_secs(3));
    assert!(half.is_answered(ticket));
    assert_eq!(half.records(), 1);
    half
}

#[test]
fn compaction_goes_on_when_the_peer_holds_the_snapshot() {
    let half = compaction_goes_on_after(|half, transfer| {
        half.on_message(SnapshotMessage::Held { transfer, meta: meta() });
    });
    assert!(half.notes.iter().any(|note| matches!(note, Note::SnapshotSent { to: PEER, .. })));
}

#[test]
fn compaction_goes_on_when_the_peer_gives_the_snapshot_up() {
    let half = compaction_goes_on_after(|half, transfer| {
        half.on_message(SnapshotMessage::Aborted { transfer });
    });
    assert!(half.notes.contains(&Note::SnapshotFailed { to: PEER }));
}

#[test]
fn compaction_goes_on_when_the_peer_has_been_silent_for_too_long() {
    let half = compaction_goes_on_after(|half, _| half.run(Duration::from_secs(31)));
    assert!(half.notes.contains(&Note::SnapshotFailed { to: PEER }));
}

#[test]
fn a_silent_peer_is_offered_the_same_snapshot_again() {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(10);
    let transfer = half.offer();
    half.messages.clear();
    half.run(Duration::from_secs(29));
    let transfers: Vec<_> = half.messages.iter().filter_map(offered).collect();
    assert_eq!(transfers, [transfer; 14]);
    assert_eq!(half.messages.len(), 14);
}

#[test]
fn a_snapshot_that_does_not_reach_far_enough_is_replaced() {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(10);
    let first = half.offer();
    assert_eq!(half.offer(), first, "the one under way is good enough");
    half.put_versions(10);
    let needed = SendSnapshot { to: PEER, at_least: Index(15) };
    half.applying.on_snapshot_needed(half.now, needed);
    half.turn();
    let Some(SnapshotMessage::Offer { transfer, meta, .. }) = half.messages.last() else {
        panic!("no offer")
    };
    assert!(*transfer != first && meta.index == Index(20));
}

#[test]
fn the_log_is_cut_below_what_is_durable_and_keeps_entries_to_catch_up() {
    let policy =
        CommitPolicy { snapshot_count: 1_000, catch_up_entries: 500, ..CommitPolicy::default() };
    let mut half = Half::new(policy);
    let mut cut = Index::ZERO;
    for _ in 0..30 {
        half.put_versions(100);
        half.run(Duration::from_secs(3));
        for note in core::mem::take(&mut half.notes) {
            if let Note::Compacted(meta) = note {
                assert!(cut < meta.index && meta.index.0 + 500 <= half.applying.applied().0);
                cut = meta.index;
            }
        }
    }
    assert!(Index(2_000) <= cut, "cut at {cut}");
}

#[test]
pub(crate) fn small_reads_do_not_wait_behind_the_newest_position() {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(3);
    let deadline = half.now + Duration::from_secs(7);
    half.applying.read(Ticket(1), ReadRequest::Revision, Index(4), deadline);
    half.applying.read(Ticket(2), ReadRequest::Revision, Index(3), deadline);
    half.turn();
    assert!(!half.is_answered(Ticket(1)) && half.is_answered(Ticket(2)));
    half.put_versions(1);
    half.turn();
    assert_eq!(half.answers[1], (Ticket(1), Answer::Read(Ok(ReadResponse::Revision(5)))));
    half.applying.read(Ticket(3), ReadRequest::Revision, Index(9), deadline);
    half.run(Duration::from_secs(8));
    assert_eq!(half.answers[2], (Ticket(3), Answer::Behind));
}

#[test]
fn a_refused_compaction_is_answered_at_once() {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(3);
    let request = CompactRequest { revision: 99, physical: true };
    half.apply(&Command::Compact(request), Some(Ticket(1)));
    half.turn();
    assert!(matches!(half.answers[0].1, Answer::Command(Err(_))));
    let request = CompactRequest { revision: 3, physical: false };
    half.apply(&Command::Compact(request), Some(Ticket(2)));
    half.turn();
    assert!(matches!(half.answers[1].1, Answer::Command(Ok(Response::Compact(_)))));
}

#[test]
fn nothing_is_staged_once_an_install_has_begun() {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(3);
    let offer = |number: u64, index: u64| {
        let meta = Meta { index: Index(index), ..meta() };
        SnapshotMessage::Offer { transfer: TransferId(number), meta, records: 1 }
    };
    half.on_message(offer(1, 100));
    half.applying.prepare_install();
    half.on_message(offer(2, 200));
    let effects = half.applying.effects(half.now).expect("memory is sound");
    assert_eq!(effects.staging, []);
    let refused = SnapshotMessage::Aborted { transfer: TransferId(2) };
    assert_eq!(effects.messages, [(PEER, refused)]);
    assert!(effects.commit.is_none());
}

/// A sender that has lost sight of how far its peer is needs an answer that lets it go on
/// (simulator, default seed 699038031823460884).
#[test]
fn a_snapshot_that_brings_nothing_new_is_as_good_as_held() {
    let mut half = Half::new(CommitPolicy::default());
    half.put_versions(3);
    let (transfer, meta) = (TransferId(1), Meta { index: Index(3), ..meta() });
    half.on_message(SnapshotMessage::Offer { transfer, meta: meta.clone(), records: 1 });
    let effects = half.applying.effects(half.now).expect("memory is sound");
    assert_eq!(effects.staging, []);
    assert_eq!(effects.messages, [(PEER, SnapshotMessage::Held { transfer, meta })]);
}

#[test]
pub(crate) fn a_stamp_that_an_earlier_leader_counted_in_vain_ends_no_lease() {
    let mut half = Half::new(CommitPolicy::default());
    let second = |at: u64| ClusterTime(at * 1_000_000);
    let ttl = LeaseTtl::new(5).expect("in bounds");
    let grant = Command::LeaseGrant(LeaseGrantRequest { id: LeaseId(7), ttl });
    half.apply_stamped(&grant, None, 2, second(1));
    half.apply_stamped(&Command::Advance, None, 1, second(20));
    half.apply_stamped(&Command::Advance, None, 2, second(30));
    half.turn();
    let leases = |half: &Half| half.applying.store().lease_list().ids.len();
    assert_eq!(leases(&half), 1, "the clock shows a second");
    let born = Ballot { round: 2, node: NodeId(1) };
    let clock = Clock { time: second(1), born, is_broken: true };
    assert!(half.notes.contains(&Note::Applied { upto: Index(3), clock }), "{:?}", half.notes);
    half.apply_stamped(&Command::Advance, None, 3, second(6));
    assert_eq!(leases(&half), 0);
}
