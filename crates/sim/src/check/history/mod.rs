//! Whether what clients were told is what they were promised.
//!
//! The committed log is the truth: the simulator tells it once, in order, as it comes about. A
//! naive model replays it, so that the answer to each command is known, and what a read sees at
//! each revision. etcd's answers carry their revision, so the order of operations need not be
//! searched for: every answer is placed in the log, and only has to agree with the model there and
//! with real time. All of it happens while the run goes on, at the event that shows a violation.

mod commands;
mod guarantee;
mod leases;
mod leasing;
pub mod observed;
mod project;
pub mod search;
mod tally;
mod truth;
pub mod watching;
mod windows;

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_codec::{decode_command, encode_command};
use quorate_consensus::{Index, Instant, NodeId};
use quorate_kv::{ClusterTime, Command, CommandError, LeaseId, WatchLimits};
use quorate_replica::{Answer, Ending, ReadRequest, ReadResponse, Ticket};

pub use guarantee::{Guarantee, Violation};
pub use tally::Tally;
pub use windows::Searched;

use crate::clients::{Ask, End};
use commands::{Commands, Committed, Expected, Unfounded};
use leases::{Leases, Since};
use truth::{Place, Truth, Unexplained};
use watching::Watching;
use windows::{Extent, Impossible, Windows};

/// A request that has not ended.
#[derive(Clone, Debug)]
struct Open {
    node: NodeId,
    asked: Instant,
    /// The last committed entry when it was asked, and the time that was counted.
    since: Since,
    /// Where an answer may not be older than: what was acknowledged to anyone, and what the node
    /// itself had answered.
    floor: Place,
    node_floor: Place,
    what: Asked,
}

/// What was asked, as far as it is needed to judge the answer.
#[derive(Clone, Debug)]
enum Asked {
    Command { bytes: Bytes, command: Command },
    Linearizable(ReadRequest),
    Serializable(ReadRequest),
    KeepAlive(LeaseId),
    Transfer,
}

/// The history of one run, judged as it is made.
#[derive(Clone, Debug)]
pub struct History {
    open: BTreeMap<Ticket, Open>,
    commands: Commands,
    truth: Truth,
    windows: Windows,
    watching: Watching,
    leases: Leases,
    committed: Index,
    /// The newest state that an answer has shown.
    floor: Place,
    /// The newest state that the present life of a node has shown.
    node_floors: BTreeMap<NodeId, Place>,
    tally: Tally,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// Nothing was asked, and nothing committed.
    pub fn new() -> Self {
        Self::searching([])
    }

    /// The same, where the operations on these few keys are searched for an order as well.
    pub fn searching(keys: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            open: BTreeMap::new(),
            commands: Commands::default(),
            truth: Truth::new(),
            windows: Windows::new(keys),
            watching: Watching::new(WatchLimits::default()),
            leases: Leases::default(),
            committed: Index::ZERO,
            floor: Place::default(),
            node_floors: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// The same, where nodes have these bounds on watches.
    #[must_use]
    pub fn with_watch_limits(self, limits: WatchLimits) -> Self {
        Self { watching: Watching::new(limits), ..self }
    }

    /// What clients that watch ask, and are told.
    pub fn watching(&mut self) -> &mut Watching {
        &mut self.watching
    }

    /// What it consists of so far.
    pub fn tally(&self) -> Tally {
        Tally { told: self.watching.told(), ..self.tally }
    }

    /// How often each promise was looked at, by its name.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let tally = self.tally;
        let reads = tally.linearizable_reads + tally.serializable_reads;
        let counts = [
            (Guarantee::OneOutcome, tally.asked - self.open.len() as u64),
            (Guarantee::CommittedAsAsked, tally.committed),
            (Guarantee::RefusedMeansNever, tally.refused),
            (Guarantee::AcknowledgedIsCommitted, tally.acknowledged),
            (Guarantee::AnswersAreTrue, tally.compared()),
            (Guarantee::ReadsAreFresh, tally.linearizable_reads),
            (Guarantee::NothingIsForetold, reads),
            (Guarantee::NodesGoForward, tally.serializable_reads),
            (Guarantee::Linearizable, self.searched().windows),
        ];
        let counts = counts.into_iter().map(|(guarantee, count)| (guarantee.name(), count));
        let counts = counts.chain(self.leases.counts());
        counts.chain(self.watching.counts().iter().map(|(name, count)| (*name, *count))).collect()
    }

    /// What was searched for an order.
    pub fn searched(&self) -> Searched {
        self.windows.searched()
    }

    /// Commands whose client never learned their end, and that are not committed so far.
    pub fn never_committed(&self) -> usize {
        self.commands.never()
    }

    /// The requests that have not ended: whom they were put to, and when.
    pub fn open(&self) -> impl Iterator<Item = (Ticket, NodeId, Instant)> + '_ {
        self.open.iter().map(|(ticket, open)| (*ticket, open.node, open.asked))
    }

    /// A request was put to a node. Every request is told, whoever makes it, and before what it
    /// brings about. A ticket is used once in a run.
    pub fn on_ask(&mut self, now: Instant, ticket: Ticket, node: NodeId, ask: &Ask) {
        let what = match ask {
            Ask::Command(command) => {
                let bytes = encode_command(command);
                self.commands.on_ask(bytes.clone());
                self.windows.on_command(ticket, &bytes, command);
                Asked::Command { bytes, command: command.clone() }
            }
            Ask::Linearizable(request) => {
                self.windows.on_read(ticket, request);
                Asked::Linearizable(request.clone())
            }
            Ask::Serializable(request) => Asked::Serializable(request.clone()),
            Ask::KeepAlive(id) => {
                self.leases.on_wanted(*id);
                Asked::KeepAlive(*id)
            }
            Ask::Transfer(_) => Asked::Transfer,
        };
        let open = Open {
            node,
            asked: now,
            since: self.leases.now(self.committed),
            floor: self.floor,
            node_floor: self.node_floors.get(&node).copied().unwrap_or_default(),
            what,
        };
        self.tally.asked += 1;
        let earlier = self.open.insert(ticket, open);
        assert!(earlier.is_none(), "a ticket is used once");
    }

    /// An entry was committed, with these bytes of a command or with none. Each index is told
    /// once, in order, as soon as any node learns of it, and before any answer of it.
    pub fn on_commit(&mut self, index: Index, command: Option<&Bytes>) -> Result<(), Violation> {
        self.on_entry(index, ClusterTime::default(), command)
    }

    /// The same, where the entry has this stamp.
    pub fn on_entry(
        &mut self,
        index: Index,
        time: ClusterTime,
        command: Option<&Bytes>,
    ) -> Result<(), Violation> {
        assert!(self.committed < index, "entries are told in order, each once");
        self.committed = index;
        let as_asked =
            |evidence| Violation { guarantee: Guarantee::CommittedAsAsked, ticket: None, evidence };
        let Ok(decoded) = command.map(|bytes| decode_command(bytes.clone())).transpose() else {
            return Err(as_asked(format!("entry {index} is no command")));
        };
        let (expired, expected) = self.truth.commit(time, decoded.as_ref());
        let now = self.truth.now();
        self.watching.on_commit(self.truth.changed(), now.revision, now.compacted);
        self.leases.on_commit(index, &expired, decoded.as_ref().zip(expected.as_ref()))?;
        let (Some(bytes), Some(command), Some(expected)) = (command, decoded, expected) else {
            return Ok(());
        };
        if is_internal(&command) {
            return Ok(());
        }
        self.tally.committed += 1;
        let place = self.truth.newest();
        self.windows.on_commit(bytes, place);
        let committed = Committed { index, place, expected };
        self.commands.on_commit(bytes, committed).map_err(|_| {
            as_asked(format!("entry {index} was not asked for, or once too often: {command:?}"))
        })
    }

    /// A request ended. Every end that a node gives is told, also one that the client no longer
    /// waits for.
    pub fn on_end(&mut self, ticket: Ticket, end: &End) -> Result<(), Violation> {
        let Some(open) = self.open.remove(&ticket) else {
            let evidence = format!("{ticket:?} is not open, and ended with {end:?}");
            return Err(Violation::of(Guarantee::OneOutcome, ticket, evidence));
        };
        match &open.what {
            Asked::Transfer => {
                self.tally.transfers += 1;
                Ok(())
            }
            Asked::Command { bytes, command } => {
                self.on_command_end(ticket, &open, bytes, command, end)
            }
            Asked::Linearizable(read) | Asked::Serializable(read) => {
                self.on_read_end(ticket, &open, read, end)
            }
            Asked::KeepAlive(id) => self.on_keep_alive_end(ticket, &open, *id, end),
        }
    }

    /// The run is over: searches what has not been searched yet.
    pub fn finish(&mut self) -> Result<(), Violation> {
        self.cut(Extent::All)
    }

    /// The node's process is gone: another life may know less. What was open there still has to be
    /// told as [`End::Lost`].
    pub fn on_node_gone(&mut self, node: NodeId) {
        self.watching.on_node_gone(node);
        self.node_floors.remove(&node);
    }

    fn on_command_end(
        &mut self,
        ticket: Ticket,
        open: &Open,
        bytes: &Bytes,
        command: &Command,
        end: &End,
    ) -> Result<(), Violation> {
        match end {
            End::Answer(Answer::Command(answer)) => {
                self.on_acknowledged(ticket, open, bytes, answer)?;
                let response = answer.as_ref().ok();
                self.windows.on_answer(ticket, |key| project::answered(key, command, response?));
                self.cut(Extent::Long)
            }
            End::Ending(Ending::Refused(_) | Ending::NoLeader) => {
                self.windows.on_nothing(ticket);
                self.on_refused(ticket, bytes, end)
            }
            End::Ending(Ending::Unknown) | End::Lost => {
                self.tally.unknown += 1;
                self.windows.on_unknown(ticket);
                self.commands.on_unknown(bytes);
                Ok(())
            }
            End::Answer(_) | End::Ending(Ending::Transferred(_)) => Err(odd(ticket, open, end)),
        }
    }

    fn on_acknowledged(
        &mut self,
        ticket: Ticket,
        open: &Open,
        bytes: &Bytes,
        answer: &Expected,
    ) -> Result<(), Violation> {
        let committed = self
            .commands
            .on_answer(bytes, answer, open.since.index)
            .map_err(|why| violation_of_command(ticket, answer, why))?;
        self.tally.acknowledged += 1;
        self.tally.declined += u64::from(answer.is_err());
        self.show(open.node, committed.place);
        self.promise_granted(open.since, answer)
    }

    fn on_refused(&mut self, ticket: Ticket, bytes: &Bytes, end: &End) -> Result<(), Violation> {
        self.tally.refused += 1;
        self.commands.on_refusal(bytes).map_err(|_| {
            let evidence = format!("{ticket:?} is committed, and was told {end:?}");
            Violation::of(Guarantee::RefusedMeansNever, ticket, evidence)
        })
    }

    fn on_read_end(
        &mut self,
        ticket: Ticket,
        open: &Open,
        read: &ReadRequest,
        end: &End,
    ) -> Result<(), Violation> {
        match (end, &open.what) {
            (End::Answer(Answer::Read(answer)), Asked::Serializable(_)) => {
                self.on_serializable(ticket, open, read, answer)
            }
            (End::Answer(Answer::Read(answer)), _) => {
                self.on_linearizable(ticket, open, read, answer)?;
                let response = answer.as_ref().ok();
                self.windows.on_answer(ticket, |key| project::read(key, read, response?));
                self.cut(Extent::Long)
            }
            (
                End::Answer(Answer::Command(_) | Answer::KeptAlive(_))
                | End::Ending(Ending::Transferred(_)),
                _,
            ) => Err(odd(ticket, open, end)),
            (End::Answer(Answer::Behind | Answer::Overloaded) | End::Ending(_) | End::Lost, _) => {
                self.tally.unanswered_reads += 1;
                self.windows.on_nothing(ticket);
                Ok(())
            }
        }
    }

    fn on_linearizable(
        &mut self,
        ticket: Ticket,
        open: &Open,
        read: &ReadRequest,
        answer: &Result<ReadResponse, CommandError>,
    ) -> Result<(), Violation> {
        match self.truth.explain(open.floor, read, answer) {
            Ok(place) => {
                self.tally.linearizable_reads += 1;
                self.show(open.node, place);
                self.judge_leases(open.since, place, read, answer)
            }
            Err(Unexplained::Forgotten) => {
                self.tally.unjudged_reads += 1;
                Ok(())
            }
            Err(why) => Err(violation_of_read(ticket, read, answer, why, Guarantee::ReadsAreFresh)),
        }
    }

    fn on_serializable(
        &mut self,
        ticket: Ticket,
        open: &Open,
        read: &ReadRequest,
        answer: &Result<ReadResponse, CommandError>,
    ) -> Result<(), Violation> {
        match self.truth.explain(open.node_floor, read, answer) {
            Ok(place) => {
                self.tally.serializable_reads += 1;
                let node_floor = self.node_floors.entry(open.node).or_default();
                *node_floor = place.max(*node_floor);
                Ok(())
            }
            Err(Unexplained::Forgotten) => {
                self.tally.unjudged_reads += 1;
                Ok(())
            }
            Err(why) => {
                Err(violation_of_read(ticket, read, answer, why, Guarantee::NodesGoForward))
            }
        }
    }

    fn cut(&mut self, extent: Extent) -> Result<(), Violation> {
        let (truth, shown) = (&self.truth, self.floor);
        self.windows.cut(extent, shown, |key| truth.value(shown, key)).map_err(
            |Impossible { evidence }| Violation {
                guarantee: Guarantee::Linearizable,
                ticket: None,
                evidence,
            },
        )
    }

    /// An answer has shown this state to a client: nothing older may be read from now on.
    fn show(&mut self, node: NodeId, place: Place) {
        self.floor = self.floor.max(place);
        let node_floor = self.node_floors.entry(node).or_default();
        *node_floor = place.max(*node_floor);
    }
}

/// Whether nodes propose it on their own.
fn is_internal(command: &Command) -> bool {
    matches!(
        command,
        Command::SetQuota(_) | Command::Publish(_) | Command::Advance | Command::LeaseRenew(_)
    )
}

/// An end that no request of this kind can have.
fn odd(ticket: Ticket, open: &Open, end: &End) -> Violation {
    let evidence = format!("{ticket:?} asked for {:?} and was told {end:?}", open.what);
    Violation::of(Guarantee::AnswersAreTrue, ticket, evidence)
}

fn violation_of_command(ticket: Ticket, answer: &Expected, why: Unfounded) -> Violation {
    let told = format!("{ticket:?} was told {answer:?}");
    match why {
        Unfounded::NotCommitted => {
            let evidence = format!("{told}, which is not committed since it was asked");
            Violation::of(Guarantee::AcknowledgedIsCommitted, ticket, evidence)
        }
        Unfounded::Differs(expected) => {
            let evidence = format!("{told}, and the model says {expected:?}");
            Violation::of(Guarantee::AnswersAreTrue, ticket, evidence)
        }
    }
}

fn violation_of_read(
    ticket: Ticket,
    read: &ReadRequest,
    answer: &Result<ReadResponse, CommandError>,
    why: Unexplained,
    outdated: Guarantee,
) -> Violation {
    let asked = format!("{ticket:?} read {read:?} and was told {answer:?}");
    let (guarantee, why) = match why {
        Unexplained::Foretold => {
            (Guarantee::NothingIsForetold, "which is not committed yet".to_owned())
        }
        Unexplained::Forgotten => unreachable!("nobody can tell that it is wrong"),
        Unexplained::Outdated => (outdated, "which was outdated when it was asked".to_owned()),
        Unexplained::Differs(why) => (Guarantee::AnswersAreTrue, why),
    };
    Violation::of(guarantee, ticket, format!("{asked}: {why}"))
}
