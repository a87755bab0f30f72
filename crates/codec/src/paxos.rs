//! Multi-Paxos's messages.
//!
//! ```text
//! message     u8 tag, then
//!               0  elect         u64 round
//!               1  elect reply   u64 round, ballot highest, option ballot leader
//!               2  prepare       ballot, u64 base
//!               3  promise       ballot, part
//!               4  nack          ballot, ballot promised
//!               5  accept        ballot, u64 commit, option u64 confirm, list entry
//!               6  accepted      ballot, u64 chosen up to, storage, list span
//!               7  commit        ballot, u64 commit, u64 floor, u64 confirm
//!               8  commit ack    ballot, u64 confirm, u64 chosen up to, storage
//!               9  learn         list span
//!               10 learned       list entry
//!               11 snapshot      meta
//!               12 take over     ballot
//! part        u64 first, option u64 last, u64 chosen up to, u64 withheld up to, list entry
//! span        u64 first, u64 last; the last is not before the first
//! storage     u8: 0 writable, 1 full
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::paxos::{ElectionRound, Message, PromisePart};
use quorate_consensus::{Ballot, Confirmation, Entries, Index, Meta, Span, StorageState};

use crate::error::DecodeError;
use crate::primitives::Layout;
use crate::reader::Reader;
use crate::wire::Wire;

const ELECT: u8 = 0;
const ELECT_REPLY: u8 = 1;
const PREPARE: u8 = 2;
const PROMISE: u8 = 3;
const NACK: u8 = 4;
const ACCEPT: u8 = 5;
const ACCEPTED: u8 = 6;
const COMMIT: u8 = 7;
const COMMIT_ACK: u8 = 8;
const LEARN: u8 = 9;
const LEARNED: u8 = 10;
const SNAPSHOT: u8 = 11;
const TAKE_OVER: u8 = 12;

impl Wire for Message {
    fn encode(&self, out: &mut BytesMut) {
        self.put(out);
    }

    fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&mut bytes);
        let message = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }
}

impl Layout for Message {
    const NAME: &'static str = "paxos message";
    const BYTES_MIN: usize = 5;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(tag(self));
        match self {
            Self::Elect { round } => round.put(out),
            Self::ElectReply { round, highest, leader } => {
                round.put(out);
                highest.put(out);
                leader.put(out);
            }
            Self::Prepare { ballot, base } => {
                ballot.put(out);
                base.put(out);
            }
            Self::Promise { ballot, part } => {
                ballot.put(out);
                part.put(out);
            }
            Self::Nack { ballot, promised } => {
                ballot.put(out);
                promised.put(out);
            }
            Self::Accept { ballot, entries, commit, confirm } => {
                ballot.put(out);
                commit.put(out);
                confirm.put(out);
                entries.put(out);
            }
            Self::Accepted { ballot, votes, chosen_upto, storage } => {
                ballot.put(out);
                chosen_upto.put(out);
                storage.put(out);
                votes.put(out);
            }
            Self::Commit { ballot, commit, floor, confirm } => {
                ballot.put(out);
                commit.put(out);
                floor.put(out);
                confirm.put(out);
            }
            Self::CommitAck { ballot, confirm, chosen_upto, storage } => {
                ballot.put(out);
                confirm.put(out);
                chosen_upto.put(out);
                storage.put(out);
            }
            Self::Learn { slots } => slots.put(out),
            Self::Learned { entries } => entries.put(out),
            Self::Snapshot { meta } => meta.put(out),
            Self::TakeOver { ballot } => ballot.put(out),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.byte(Self::NAME)? {
            ELECT => Self::Elect { round: ElectionRound::read(reader)? },
            ELECT_REPLY => Self::ElectReply {
                round: ElectionRound::read(reader)?,
                highest: Ballot::read(reader)?,
                leader: Option::read(reader)?,
            },
            PREPARE => Self::Prepare { ballot: Ballot::read(reader)?, base: Index::read(reader)? },
            PROMISE => {
                Self::Promise { ballot: Ballot::read(reader)?, part: PromisePart::read(reader)? }
            }
            NACK => Self::Nack { ballot: Ballot::read(reader)?, promised: Ballot::read(reader)? },
            ACCEPT => read_accept(reader)?,
            ACCEPTED => read_accepted(reader)?,
            COMMIT => Self::Commit {
                ballot: Ballot::read(reader)?,
                commit: Index::read(reader)?,
                floor: Index::read(reader)?,
                confirm: Confirmation::read(reader)?,
            },
            COMMIT_ACK => Self::CommitAck {
                ballot: Ballot::read(reader)?,
                confirm: Confirmation::read(reader)?,
                chosen_upto: Index::read(reader)?,
                storage: StorageState::read(reader)?,
            },
            LEARN => Self::Learn { slots: Vec::read(reader)? },
            LEARNED => Self::Learned { entries: Entries::read(reader)? },
            SNAPSHOT => Self::Snapshot { meta: Box::new(Meta::read(reader)?) },
            TAKE_OVER => Self::TakeOver { ballot: Ballot::read(reader)? },
            found => return Err(DecodeError::BadTag { what: Self::NAME, found }),
        })
    }
}

fn tag(message: &Message) -> u8 {
    match message {
        Message::Elect { .. } => ELECT,
        Message::ElectReply { .. } => ELECT_REPLY,
        Message::Prepare { .. } => PREPARE,
        Message::Promise { .. } => PROMISE,
        Message::Nack { .. } => NACK,
        Message::Accept { .. } => ACCEPT,
        Message::Accepted { .. } => ACCEPTED,
        Message::Commit { .. } => COMMIT,
        Message::CommitAck { .. } => COMMIT_ACK,
        Message::Learn { .. } => LEARN,
        Message::Learned { .. } => LEARNED,
        Message::Snapshot { .. } => SNAPSHOT,
        Message::TakeOver { .. } => TAKE_OVER,
    }
}

fn read_accept(reader: &mut Reader<'_>) -> Result<Message, DecodeError> {
    let ballot = Ballot::read(reader)?;
    let commit = Index::read(reader)?;
    let confirm = Option::<Confirmation>::read(reader)?;
    Ok(Message::Accept { ballot, entries: Entries::read(reader)?, commit, confirm })
}

fn read_accepted(reader: &mut Reader<'_>) -> Result<Message, DecodeError> {
    let ballot = Ballot::read(reader)?;
    let chosen_upto = Index::read(reader)?;
    let storage = StorageState::read(reader)?;
    Ok(Message::Accepted { ballot, votes: Vec::read(reader)?, chosen_upto, storage })
}

impl Layout for PromisePart {
    const NAME: &'static str = "promise part";
    const BYTES_MIN: usize = 29;

    fn put(&self, out: &mut BytesMut) {
        self.first.put(out);
        self.last.put(out);
        self.chosen_upto.put(out);
        self.withheld_upto.put(out);
        self.votes.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = Index::read(reader)?;
        let last = Option::read(reader)?;
        let chosen_upto = Index::read(reader)?;
        let withheld_upto = Index::read(reader)?;
        let votes = Entries::read(reader)?;
        Ok(Self { first, last, votes, chosen_upto, withheld_upto })
    }
}

impl Layout for ElectionRound {
    const NAME: &'static str = "election round";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for Span {
    const NAME: &'static str = "span";
    const BYTES_MIN: usize = 16;

    fn put(&self, out: &mut BytesMut) {
        self.first.put(out);
        self.last.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let span = Self { first: Index::read(reader)?, last: Index::read(reader)? };
        if span.last < span.first {
            return Err(DecodeError::BadOrder { what: Self::NAME });
        }
        Ok(span)
    }
}
