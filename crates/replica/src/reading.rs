//! Reads that wait for the state machine to come far enough, and ranges served in slices.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use quorate_consensus::{Index, Instant};
use quorate_kv::{
    ClusterTime, ContentAt, Damage, HashTask, LeaseId, LeaseKeys, LeaseList, LeaseTimeToLive,
    RangeRequest, RangeResponse, RangeTask, Step, Store, TxnRequest, TxnResponse,
};

use crate::applying_io::Answer;
use crate::request::{KeptAlive, Ticket};
use crate::rules::{Rule, Rules};

/// What a client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadRequest {
    /// A range of keys.
    Range(RangeRequest),
    /// A transaction that writes nothing.
    Txn(TxnRequest),
    /// The hash of all content at a revision; zero for the newest.
    Hash {
        /// The revision.
        revision: i64,
    },
    /// Nothing but the store's revision.
    Revision,
    /// How long a lease has left.
    Lease {
        /// The lease.
        id: LeaseId,
        /// Whether its keys are asked for.
        keys: LeaseKeys,
    },
    /// Which leases there are.
    Leases,
    /// Whether a lease needs to be renewed in the log to be kept alive. Asked locally first: what
    /// this node knows may be old, but if that says that a renewal would not gain much, so may a
    /// linearizable read, which then is the answer. Otherwise [`crate::OrderingInput::Renew`].
    KeepAlive {
        /// The lease.
        id: LeaseId,
    },
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResponse {
    /// To a range.
    Range(RangeResponse),
    /// To a transaction.
    Txn(TxnResponse),
    /// To a hash.
    Hash(ContentAt),
    /// To a question for the revision.
    Revision(i64),
    /// To a question for a lease.
    Lease(LeaseTimeToLive),
    /// To a question for all leases.
    Leases(LeaseList),
    /// To the question whether a lease needs to be renewed.
    KeepAlive(KeepAlive),
}

/// Whether a lease needs to be renewed in the log to be kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// It does, or this node does not know that it does not.
    Due,
    /// This node renewed it so recently that another renewal would move its deadline by less than a
    /// tenth of its time to live.
    Fresh(KeptAlive),
}

/// When reads are served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    /// This node's time.
    pub(crate) now: Instant,
    /// The cluster's time, as far as this node can tell.
    pub(crate) cluster: ClusterTime,
    /// The last applied position.
    pub(crate) applied: Index,
    /// When this node proposed the last renewal of a lease that was applied.
    pub(crate) renewed: &'a BTreeMap<LeaseId, Instant>,
}

/// The reads of one node.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Reads released at positions that are not applied yet.
    waiting: BTreeMap<(Index, Ticket), ReadRequest>,
    /// In order of arrival, which is that of the deadlines; some have been served.
    deadlines: VecDeque<(Instant, (Index, Ticket))>,
    /// Reads too large for one go, served in turn.
    slices: VecDeque<(Ticket, Slice)>,
    /// The bytes that these have found.
    found: usize,
    bounds: Bounds,
}

/// What reads may hold.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Most bytes that all ranges under way have found. One that finds more is not answered, so
    /// this is the most that one answer holds, too.
    found_bytes_max: usize,
    /// Once the answers of one turn hold so much, the others wait for the next: new entries come
    /// first.
    turn_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { found_bytes_max: 256 << 20, turn_bytes: 16 << 20 }
    }
}

/// A read under way, at one revision.
#[derive(Debug)]
enum Slice {
    Range(Box<RangeRequest>, RangeTask),
    Hash(i64, HashTask),
}

impl Slice {
    /// The bytes that it has found.
    fn bytes(&self) -> usize {
        match self {
            Self::Range(_, task) => task.bytes(),
            Self::Hash(..) => 0,
        }
    }

    /// Gives up what it holds.
    fn end<R: quorate_kv::Rules>(self, store: &mut Store<R>) {
        match self {
            Self::Range(_, task) => store.end_range(task),
            Self::Hash(_, task) => store.end_hash(task),
        }
    }
}

impl Reading {
    /// Takes a read that may be served once `at` is applied.
    pub(crate) fn admit(
        &mut self,
        ticket: Ticket,
        request: ReadRequest,
        at: Index,
        deadline: Instant,
    ) {
        let newest = self.deadlines.back().map(|(newest, _)| *newest);
        assert!(newest.is_none_or(|newest| newest <= deadline), "deadlines are the same for all");
        let earlier = self.waiting.insert((at, ticket), request);
        assert!(earlier.is_none(), "a ticket was used twice");
        self.deadlines.push_back((deadline, (at, ticket)));
    }

    /// Whether a read waits that could be answered.
    pub(crate) fn has_ready(&self, applied: Index) -> bool {
        self.waiting.first_key_value().is_some_and(|((at, _), _)| *at <= applied)
    }

    /// Whether a read is under way.
    pub(crate) fn has_slices(&self) -> bool {
        !self.slices.is_empty()
    }

    /// When the first waiting read may have to be told that it waited too long. May name one that
    /// was served: waking early does no harm.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// The state machine was replaced by a newer one: reads under way begin anew there.
    pub(crate) fn restart(&mut self) {
        self.found = 0;
        for (ticket, slice) in core::mem::take(&mut self.slices) {
            let request = match slice {
                Slice::Range(request, _) => ReadRequest::Range(*request),
                Slice::Hash(revision, _) => ReadRequest::Hash { revision },
            };
            self.waiting.insert((Index::ZERO, ticket), request);
        }
    }

    /// Serves what can be served in one turn, with at most `slice` records of a large read.
    pub(crate) fn serve<R: quorate_kv::Rules, N: Rules>(
        &mut self,
        moment: Moment<'_>,
        store: &mut Store<R>,
        slice: usize,
        rules: &N,
    ) -> Result<Vec<(Ticket, Answer)>, Damage> {
        let mut answers = Vec::new();
        let is_hasty = rules.breaks(Rule::ReadBeforeApplied);
        let applied = if is_hasty { Index(u64::MAX) } else { moment.applied };
        let mut bytes = 0;
        while bytes < self.bounds.turn_bytes
            && let Some((ticket, request)) = self.next_ready(applied)
        {
            if let Some(answer) = self.begin(ticket, request, moment, store)? {
                bytes += answer.bytes();
                answers.push((ticket, answer));
            }
        }
        answers.extend(self.step(store, slice)?);
        answers.extend(self.expire(moment.now));
        Ok(answers)
    }

    fn next_ready(&mut self, applied: Index) -> Option<(Ticket, ReadRequest)> {
        let first = self.waiting.first_entry()?;
        if applied < first.key().0 {
            return None;
        }
        let ((_, ticket), request) = first.remove_entry();
        Some((ticket, request))
    }

    /// Answers a read at once, or begins its first slice.
    fn begin<R: quorate_kv::Rules>(
        &mut self,
        ticket: Ticket,
        request: ReadRequest,
        moment: Moment<'_>,
        store: &mut Store<R>,
    ) -> Result<Option<Answer>, Damage> {
        let result = match request {
            ReadRequest::Range(range) if range.range_end.is_empty() => {
                store.range(&range)?.map(ReadResponse::Range)
            }
            ReadRequest::Range(range) => match store.begin_range(range.clone()) {
                Ok(task) => {
                    return Ok(self.continue_later(ticket, Slice::Range(Box::new(range), task)));
                }
                Err(error) => Err(error),
            },
            ReadRequest::Hash { revision } => match store.begin_hash(revision) {
                Ok(task) => return Ok(self.continue_later(ticket, Slice::Hash(revision, task))),
                Err(error) => Err(error),
            },
            ReadRequest::Txn(txn) => store.read_txn(&txn)?.map(ReadResponse::Txn),
            ReadRequest::Revision => Ok(ReadResponse::Revision(store.revision())),
            ReadRequest::Lease { id, keys } => {
                Ok(ReadResponse::Lease(store.lease_time_to_live(id, moment.cluster, keys)))
            }
            ReadRequest::Leases => Ok(ReadResponse::Leases(store.lease_list())),
            ReadRequest::KeepAlive { id } => {
                Ok(ReadResponse::KeepAlive(keep_alive(id, moment, store)))
            }
        };
        Ok(Some(Answer::Read(result)))
    }

    fn continue_later(&mut self, ticket: Ticket, slice: Slice) -> Option<Answer> {
        self.slices.push_back((ticket, slice));
        None
    }

    /// Goes on with each read under way until one does not end within its slice: that one lets
    /// the others, and new entries, have their turn.
    fn step<R: quorate_kv::Rules>(
        &mut self,
        store: &mut Store<R>,
        slice: usize,
    ) -> Result<Vec<(Ticket, Answer)>, Damage> {
        let (mut answers, mut bytes) = (Vec::new(), 0);
        for _ in 0..self.slices.len() {
            if self.bounds.turn_bytes <= bytes {
                break;
            }
            let Some((ticket, under_way)) = self.slices.pop_front() else { break };
            self.found -= under_way.bytes();
            match step_one(store, under_way, slice)? {
                Ok(answer) => {
                    bytes += answer.bytes();
                    answers.push((ticket, answer));
                }
                Err(under_way) if self.has_no_room(&under_way) => {
                    under_way.end(store);
                    answers.push((ticket, Answer::Overloaded));
                }
                Err(under_way) => {
                    self.found += under_way.bytes();
                    self.slices.push_back((ticket, under_way));
                    break;
                }
            }
        }
        Ok(answers)
    }

    fn has_no_room(&self, under_way: &Slice) -> bool {
        self.bounds.found_bytes_max < self.found + under_way.bytes()
    }

    fn expire(&mut self, now: Instant) -> Vec<(Ticket, Answer)> {
        let mut late = Vec::new();
        while let Some((deadline, key)) = self.deadlines.front() {
            let is_waiting = self.waiting.contains_key(key);
            if is_waiting && now < *deadline {
                break;
            }
            if self.waiting.remove(key).is_some() {
                late.push((key.1, Answer::Behind));
            }
            self.deadlines.pop_front();
        }
        late
    }
}

/// The stamp of an entry says little about the time at which it is applied: a node that lags behind
/// would take every lease for a fresh one. What this node has proposed was stamped later than that.
fn keep_alive<R: quorate_kv::Rules>(
    id: LeaseId,
    moment: Moment<'_>,
    store: &Store<R>,
) -> KeepAlive {
    let Some(lease) = store.lease(id).filter(|lease| lease.is_live(moment.cluster)) else {
        return KeepAlive::Due;
    };
    let tenth = Duration::from_micros(lease.ttl.micros() / 10);
    match moment.renewed.get(&id) {
        Some(since) if moment.now.since(*since) < tenth => {
            KeepAlive::Fresh(KeptAlive { revision: store.revision(), ttl: Some(lease.ttl) })
        }
        _ => KeepAlive::Due,
    }
}

/// One slice of one read: its answer, or what is left to do.
fn step_one<R: quorate_kv::Rules>(
    store: &mut Store<R>,
    under_way: Slice,
    slice: usize,
) -> Result<Result<Answer, Slice>, Damage> {
    match under_way {
        Slice::Range(request, mut task) => match store.step_range(&mut task, slice)? {
            Ok(Step::More) => Ok(Err(Slice::Range(request, task))),
            Ok(Step::Done(response)) => {
                store.end_range(task);
                Ok(Ok(Answer::Read(Ok(ReadResponse::Range(response)))))
            }
            Err(error) => {
                store.end_range(task);
                Ok(Ok(Answer::Read(Err(error))))
            }
        },
        Slice::Hash(revision, mut task) => match store.step_hash(&mut task, slice)? {
            Ok(Step::More) => Ok(Err(Slice::Hash(revision, task))),
            Ok(Step::Done(content)) => {
                store.end_hash(task);
                Ok(Ok(Answer::Read(Ok(ReadResponse::Hash(content)))))
            }
            Err(error) => {
                store.end_hash(task);
                Ok(Ok(Answer::Read(Err(error))))
            }
        },
    }
}

#[cfg(test)]
mod tests;
