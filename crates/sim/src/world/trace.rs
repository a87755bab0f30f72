//! What happened in a run: a rolling hash over all of it, and the last lines to read.

use core::fmt;
use core::hash::{Hash, Hasher};
use std::collections::VecDeque;

use quorate_consensus::{Index, NodeId, TraceEvent, WriteId};
use quorate_kv::StreamId;
use quorate_replica::Ticket;

use super::clock::SimTime;
use super::faults::FaultId;
use crate::draws::mix;

/// How many lines a run remembers.
pub const LINES_KEPT: usize = 500;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A process began.
    Started {
        /// How often its directory was opened.
        boots: u64,
        /// The last position in its log.
        last: Index,
        /// Where its state machine stands.
        applied: Index,
    },
    /// A torn tail was cut from the log at a start.
    TailCut,
    /// A process did not begin.
    StartRefused {
        /// Why.
        why: &'static str,
    },
    /// A process ended.
    Stopped {
        /// Why.
        why: &'static str,
    },
    /// A process stands still.
    Paused,
    /// It goes on.
    Resumed,
    /// A directory was emptied.
    Wiped,
    /// The engine's own account.
    Engine(TraceEvent),
    /// A message arrived and was handed to the node.
    Received {
        /// From whom.
        from: NodeId,
        /// What it is.
        kind: &'static str,
        /// Its frame's length.
        bytes: usize,
        /// Its frame's checksum.
        checksum: u32,
    },
    /// A message got lost on its way here.
    Missed {
        /// From whom.
        from: NodeId,
        /// Why.
        why: &'static str,
    },
    /// A connection to this peer stands.
    Connected {
        /// The peer that was dialled.
        peer: NodeId,
    },
    /// A connection with this peer broke.
    Disconnected {
        /// The peer.
        peer: NodeId,
    },
    /// A peer does not talk to this node, or this node not to it.
    Stranger {
        /// The peer.
        peer: NodeId,
    },
    /// A batch waits for the log's disk.
    Wrote {
        /// Which.
        write: WriteId,
    },
    /// Batches are durable.
    Persisted {
        /// The last of them.
        write: WriteId,
    },
    /// The log's disk has no room, or has again.
    Storage {
        /// Which of the two.
        state: &'static str,
    },
    /// Old entries were read back from the log.
    ReadBack {
        /// From here on.
        first: Index,
        /// How many.
        entries: usize,
    },
    /// An entry was applied.
    Applied {
        /// Which.
        index: Index,
        /// The state's hash behind it, shortened.
        hash: u64,
    },
    /// The state machine is durable.
    MapCommitted {
        /// Up to here.
        index: Index,
    },
    /// The state machine was replaced.
    Installed {
        /// By this snapshot.
        index: Index,
        /// The state's hash in it, shortened.
        hash: u64,
    },
    /// A client asked.
    Asked {
        /// Its ticket.
        ticket: Ticket,
        /// What.
        what: &'static str,
    },
    /// A stream of watches was told something, or is gone.
    Watched {
        /// Which.
        stream: StreamId,
        /// What.
        what: &'static str,
        /// The revision that it speaks of.
        revision: i64,
    },
    /// A request ended at its node.
    Ended {
        /// Its ticket.
        ticket: Ticket,
        /// How.
        how: &'static str,
    },
    /// Something was done to the world.
    Fault {
        /// Which item of the schedule.
        fault: FaultId,
        /// What.
        what: &'static str,
    },
    /// It is over.
    FaultEnded {
        /// Which item of the schedule.
        fault: FaultId,
        /// What.
        what: &'static str,
    },
    /// All faults are over; what is left must come to rest.
    Healed,
}

impl fmt::Display for Fact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(event) => write!(formatter, "{:?} [{:?}]", event.what, event.reason),
            Self::Received { from, kind, bytes, .. } => {
                write!(formatter, "got {kind} from {from}, {bytes} bytes")
            }
            Self::Missed { from, why } => write!(formatter, "missed a frame from {from}: {why}"),
            Self::Fault { fault, what } => write!(formatter, "{fault} begins: {what}"),
            Self::FaultEnded { fault, what } => write!(formatter, "{fault} ends: {what}"),
            other => write!(formatter, "{other:?}"),
        }
    }
}

/// One line of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// When, in the world's time.
    pub at: SimTime,
    /// The event of the run it belongs to.
    pub step: u64,
    /// Where; zero for the world itself.
    pub node: NodeId,
    /// What.
    pub fact: Fact,
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, step, node, fact } = self;
        let at = at.to_string();
        if *node == NodeId(0) {
            return write!(formatter, "{at:>12} #{step:<7} --  {fact}");
        }
        write!(formatter, "{at:>12} #{step:<7} {node:<3} {fact}")
    }
}

/// Where all lines of a run go, if anybody wants them.
pub type Listener = Box<dyn FnMut(&Line)>;

/// The account of a run.
pub(crate) struct Trace {
    hash: u64,
    lines: VecDeque<Line>,
    listener: Option<Listener>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { hash: 0, lines: VecDeque::with_capacity(LINES_KEPT), listener: None }
    }

    pub(crate) fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    pub(crate) fn note(&mut self, line: Line) {
        let mut hasher = Rolling(self.hash);
        line.hash(&mut hasher);
        self.hash = hasher.0;
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        if let Some(listener) = &mut self.listener {
            listener(&line);
        }
    }

    /// The hash over everything that was noted.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.iter().copied().collect()
    }
}

/// A hasher that is the same in every build and process.
struct Rolling(u64);

impl Rolling {
    fn add(&mut self, word: u64) {
        self.0 = mix(self.0 ^ word);
    }
}

impl Hasher for Rolling {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.add(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.add(number.cast_unsigned() as u64);
    }
}
