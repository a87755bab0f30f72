//! Raft's messages.
//!
//! ```text
//! message     u64 term, u8 tag, then
//!               0  pre-vote         position last
//!               1  pre-vote reply   u64 asked, verdict
//!               2  vote             position last, cause
//!               3  vote reply       u64 asked, verdict
//!               4  append           position previous, u64 commit, option u64 confirm, list entry
//!               5  append reply     storage, result
//!               6  heartbeat        position commit, u64 confirm
//!               7  heartbeat reply  u64 confirm, storage
//!               8  snapshot         meta
//!               9  timeout now
//!               10 stale term
//! position    ballot, u64 index
//! verdict     u8: 0 granted, 1 refused
//! cause       u8: 0 leader lost, 1 transfer
//! storage     u8: 0 writable, 1 full
//! result      u8 tag, then
//!               0 matched   u64 index
//!               1 rejected  u64 refused, position hint
//!               2 busy
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::log::Position;
use quorate_consensus::raft::{AppendResult, Body, Cause, Message, Term, Verdict};
use quorate_consensus::{Ballot, Confirmation, Entries, Index, Meta, StorageState};

use crate::error::DecodeError;
use crate::primitives::Layout;
use crate::reader::Reader;
use crate::wire::Wire;

const PRE_VOTE: u8 = 0;
const PRE_VOTE_REPLY: u8 = 1;
const VOTE: u8 = 2;
const VOTE_REPLY: u8 = 3;
const APPEND: u8 = 4;
const APPEND_REPLY: u8 = 5;
const HEARTBEAT: u8 = 6;
const HEARTBEAT_REPLY: u8 = 7;
const SNAPSHOT: u8 = 8;
const TIMEOUT_NOW: u8 = 9;
const STALE_TERM: u8 = 10;

impl Wire for Message {
    fn encode(&self, out: &mut BytesMut) {
        self.term.put(out);
        self.body.put(out);
    }

    fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&mut bytes);
        let message = Self { term: Term::read(&mut reader)?, body: Body::read(&mut reader)? };
        reader.finish()?;
        Ok(message)
    }
}

impl Layout for Body {
    const NAME: &'static str = "raft message";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(tag(self));
        match self {
            Self::PreVote { last } => last.put(out),
            Self::Vote { last, cause } => {
                last.put(out);
                cause.put(out);
            }
            Self::PreVoteReply { asked, verdict } | Self::VoteReply { asked, verdict } => {
                asked.put(out);
                verdict.put(out);
            }
            Self::Append { previous, entries, commit, confirm } => {
                previous.put(out);
                commit.put(out);
                confirm.put(out);
                entries.put(out);
            }
            Self::AppendReply { result, storage } => {
                storage.put(out);
                result.put(out);
            }
            Self::Heartbeat { commit, confirm } => {
                commit.put(out);
                confirm.put(out);
            }
            Self::HeartbeatReply { confirm, storage } => {
                confirm.put(out);
                storage.put(out);
            }
            Self::Snapshot { meta } => meta.put(out),
            Self::TimeoutNow | Self::StaleTerm => {}
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.byte(Self::NAME)? {
            PRE_VOTE => Self::PreVote { last: Position::read(reader)? },
            PRE_VOTE_REPLY => {
                Self::PreVoteReply { asked: Term::read(reader)?, verdict: Verdict::read(reader)? }
            }
            VOTE => Self::Vote { last: Position::read(reader)?, cause: Cause::read(reader)? },
            VOTE_REPLY => {
                Self::VoteReply { asked: Term::read(reader)?, verdict: Verdict::read(reader)? }
            }
            APPEND => read_append(reader)?,
            APPEND_REPLY => {
                let storage = StorageState::read(reader)?;
                Self::AppendReply { result: AppendResult::read(reader)?, storage }
            }
            HEARTBEAT => Self::Heartbeat {
                commit: Position::read(reader)?,
                confirm: Confirmation::read(reader)?,
            },
            HEARTBEAT_REPLY => Self::HeartbeatReply {
                confirm: Confirmation::read(reader)?,
                storage: StorageState::read(reader)?,
            },
            SNAPSHOT => Self::Snapshot { meta: Box::new(Meta::read(reader)?) },
            TIMEOUT_NOW => Self::TimeoutNow,
            STALE_TERM => Self::StaleTerm,
            found => return Err(DecodeError::BadTag { what: Self::NAME, found }),
        })
    }
}

fn tag(body: &Body) -> u8 {
    match body {
        Body::PreVote { .. } => PRE_VOTE,
        Body::PreVoteReply { .. } => PRE_VOTE_REPLY,
        Body::Vote { .. } => VOTE,
        Body::VoteReply { .. } => VOTE_REPLY,
        Body::Append { .. } => APPEND,
        Body::AppendReply { .. } => APPEND_REPLY,
        Body::Heartbeat { .. } => HEARTBEAT,
        Body::HeartbeatReply { .. } => HEARTBEAT_REPLY,
        Body::Snapshot { .. } => SNAPSHOT,
        Body::TimeoutNow => TIMEOUT_NOW,
        Body::StaleTerm => STALE_TERM,
    }
}

fn read_append(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let previous = Position::read(reader)?;
    let commit = Index::read(reader)?;
    let confirm = Option::<Confirmation>::read(reader)?;
    Ok(Body::Append { previous, entries: Entries::read(reader)?, commit, confirm })
}

const RESULT_MATCHED: u8 = 0;
const RESULT_REJECTED: u8 = 1;
const RESULT_BUSY: u8 = 2;

impl Layout for AppendResult {
    const NAME: &'static str = "append result";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Matched { index } => {
                out.put_u8(RESULT_MATCHED);
                index.put(out);
            }
            Self::Rejected { refused, hint } => {
                out.put_u8(RESULT_REJECTED);
                refused.put(out);
                hint.put(out);
            }
            Self::Busy => out.put_u8(RESULT_BUSY),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            RESULT_MATCHED => Ok(Self::Matched { index: Index::read(reader)? }),
            RESULT_REJECTED => {
                Ok(Self::Rejected { refused: Index::read(reader)?, hint: Position::read(reader)? })
            }
            RESULT_BUSY => Ok(Self::Busy),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for Term {
    const NAME: &'static str = "term";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for Position {
    const NAME: &'static str = "position";
    const BYTES_MIN: usize = 24;

    fn put(&self, out: &mut BytesMut) {
        self.ballot.put(out);
        self.index.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { ballot: Ballot::read(reader)?, index: Index::read(reader)? })
    }
}

impl Layout for Verdict {
    const NAME: &'static str = "verdict";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Granted => 0,
            Self::Refused => 1,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::Granted),
            1 => Ok(Self::Refused),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for Cause {
    const NAME: &'static str = "cause";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::LeaderLost => 0,
            Self::Transfer => 1,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::LeaderLost),
            1 => Ok(Self::Transfer),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}
