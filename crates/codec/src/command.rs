//! Commands: what the payload of an entry asks of the store.
//!
//! ```text
//! command     u8 version (1), u8 tag, then
//!               0 put, 1 delete range, 2 txn, 3 compact, 4 advance (empty), 5 set quota,
//!               6 publish, 7 grant, 8 revoke, 9 renew, 10 alarm
//! put         u8 flags (1 prev kv, 2 ignore value, 4 ignore lease), i64 lease,
//!             string key, string value
//! delete      u8 flags (1 prev kv), string key, string range end
//! txn         list compare, list op success, list op failure
//! compact     u8 flags (1 physical), i64 revision
//! set quota   u64 bytes
//! publish     u64 member, string attributes
//! grant       i64 lease (not 0), i64 ttl
//! revoke      i64 lease
//! renew       list i64 lease, at most 1,000
//! alarm       u8 action (0 raise, 1 end), u64 member, u8 kind (0 no space, 1 corrupt)
//! compare     u8 result (0 equal, 1 greater, 2 less, 3 not equal, 255 unrecognized),
//!             u8 target, then i64 (0 version, 1 create, 2 mod, 4 lease), string (3 value)
//!             or nothing (255 unrecognized), string key, string range end
//! op          u8 tag (0 range, 1 put, 2 delete range, 3 txn), then the request
//! range       u8 flags (1 serializable, 2 keys only, 4 count only), u8 order (0 none, 1 ascend,
//!             2 descend), u8 target (0 key, 1 version, 2 create, 3 mod, 4 value), i64 limit,
//!             i64 revision, i64 min mod, i64 max mod, i64 min create, i64 max create,
//!             string key, string range end
//! ```
//!
//! Keys and values are slices of the payload: a store that keeps a key in memory for good copies
//! it, or it keeps the whole payload.

use bytes::{BufMut, Bytes, BytesMut};
use quorate_kv::{
    AlarmRequest, Command, CompactRequest, Compare, CompareResult, CompareTarget,
    DeleteRangeRequest, LeaseGrantRequest, LeaseId, LeaseRenewRequest, LeaseRevokeRequest,
    PublishRequest, PutRequest, RangeRequest, RequestOp, SetQuotaRequest, SortOrder, SortTarget,
    TXN_DEPTH_MAX, TxnRequest,
};

use crate::error::DecodeError;
use crate::primitives::{Layout, put_length};
use crate::reader::Reader;

/// The newest version of a command.
pub const COMMAND_VERSION: u8 = 1;

/// Encodes a command as the payload of an entry.
///
/// The command has passed [`quorate_kv::validate`]: nested deeper than [`TXN_DEPTH_MAX`] it is
/// refused by an assertion, because no replica could apply it once it was in the log.
pub fn encode_command(command: &Command) -> Bytes {
    let mut out = BytesMut::with_capacity(capacity(command));
    out.put_u8(COMMAND_VERSION);
    match command {
        Command::Put(request) => {
            out.put_u8(COMMAND_PUT);
            request.put(&mut out);
        }
        Command::DeleteRange(request) => {
            out.put_u8(COMMAND_DELETE_RANGE);
            request.put(&mut out);
        }
        Command::Txn(request) => {
            out.put_u8(COMMAND_TXN);
            put_txn(request, TXN_DEPTH_MAX, &mut out);
        }
        Command::Compact(request) => {
            out.put_u8(COMMAND_COMPACT);
            request.put(&mut out);
        }
        Command::Advance => out.put_u8(COMMAND_ADVANCE),
        Command::SetQuota(request) => {
            out.put_u8(COMMAND_SET_QUOTA);
            request.quota_bytes.put(&mut out);
        }
        Command::Publish(request) => {
            out.put_u8(COMMAND_PUBLISH);
            request.member.put(&mut out);
            request.attributes.put(&mut out);
        }
        Command::Alarm(request) => {
            out.put_u8(COMMAND_ALARM);
            request.put(&mut out);
        }
        Command::LeaseGrant(request) => {
            out.put_u8(COMMAND_LEASE_GRANT);
            request.put(&mut out);
        }
        Command::LeaseRevoke(request) => {
            out.put_u8(COMMAND_LEASE_REVOKE);
            request.id.put(&mut out);
        }
        Command::LeaseRenew(request) => {
            out.put_u8(COMMAND_LEASE_RENEW);
            request.put(&mut out);
        }
    }
    out.freeze()
}

/// Reads the payload of an entry. Keys and values are slices of it, not copies.
pub fn decode_command(mut payload: Bytes) -> Result<Command, DecodeError> {
    let mut reader = Reader::new(&mut payload);
    reader.version(COMMAND, COMMAND_VERSION)?;
    let command = match reader.byte(COMMAND)? {
        COMMAND_PUT => Command::Put(PutRequest::read(&mut reader)?),
        COMMAND_DELETE_RANGE => Command::DeleteRange(DeleteRangeRequest::read(&mut reader)?),
        COMMAND_TXN => Command::Txn(read_txn(TXN_DEPTH_MAX, &mut reader)?),
        COMMAND_COMPACT => Command::Compact(CompactRequest::read(&mut reader)?),
        COMMAND_ADVANCE => Command::Advance,
        COMMAND_SET_QUOTA => {
            Command::SetQuota(SetQuotaRequest { quota_bytes: u64::read(&mut reader)? })
        }
        COMMAND_PUBLISH => Command::Publish(PublishRequest {
            member: u64::read(&mut reader)?,
            attributes: reader.string("attributes")?,
        }),
        COMMAND_ALARM => Command::Alarm(AlarmRequest::read(&mut reader)?),
        COMMAND_LEASE_GRANT => Command::LeaseGrant(LeaseGrantRequest::read(&mut reader)?),
        COMMAND_LEASE_REVOKE => {
            Command::LeaseRevoke(LeaseRevokeRequest { id: LeaseId::read(&mut reader)? })
        }
        COMMAND_LEASE_RENEW => Command::LeaseRenew(LeaseRenewRequest::read(&mut reader)?),
        found => return Err(DecodeError::BadTag { what: COMMAND, found }),
    };
    reader.finish()?;
    Ok(command)
}

const COMMAND: &str = "command";
const COMMAND_PUT: u8 = 0;
const COMMAND_DELETE_RANGE: u8 = 1;
const COMMAND_TXN: u8 = 2;
const COMMAND_COMPACT: u8 = 3;
const COMMAND_ADVANCE: u8 = 4;
const COMMAND_SET_QUOTA: u8 = 5;
const COMMAND_PUBLISH: u8 = 6;
const COMMAND_LEASE_GRANT: u8 = 7;
const COMMAND_LEASE_REVOKE: u8 = 8;
const COMMAND_LEASE_RENEW: u8 = 9;
const COMMAND_ALARM: u8 = 10;

const OP_RANGE: u8 = 0;
const OP_PUT: u8 = 1;
const OP_DELETE_RANGE: u8 = 2;
const OP_TXN: u8 = 3;

/// Tag of what etcd's protocol left room for and this version does not know.
const UNRECOGNIZED: u8 = 255;

/// Operations that a list makes room for before it has read any. Lists nest, so that a count
/// which the remaining bytes justify could be claimed again at every depth.
const OPS_RESERVED_MAX: usize = 32;

/// Bytes to reserve: exact for a put, a guess elsewhere.
fn capacity(command: &Command) -> usize {
    match command {
        Command::Put(request) => 19 + request.key.len() + request.value.len(),
        Command::DeleteRange(request) => 11 + request.key.len() + request.range_end.len(),
        Command::Txn(_) => 512,
        Command::Publish(request) => 14 + request.attributes.len(),
        Command::LeaseRenew(request) => 6 + 8 * request.ids.len(),
        Command::LeaseGrant(_) => 18,
        Command::Compact(_)
        | Command::SetQuota(_)
        | Command::Advance
        | Command::Alarm(_)
        | Command::LeaseRevoke(_) => 16,
    }
}

fn put_txn(txn: &TxnRequest, depth_left: usize, out: &mut BytesMut) {
    assert!(0 < depth_left, "a transaction is validated before it is proposed");
    txn.compares.put(out);
    put_ops(&txn.success, depth_left, out);
    put_ops(&txn.failure, depth_left, out);
}

fn put_ops(ops: &[RequestOp], depth_left: usize, out: &mut BytesMut) {
    put_length(ops.len(), out);
    for op in ops {
        match op {
            RequestOp::Range(request) => {
                out.put_u8(OP_RANGE);
                request.put(out);
            }
            RequestOp::Put(request) => {
                out.put_u8(OP_PUT);
                request.put(out);
            }
            RequestOp::DeleteRange(request) => {
                out.put_u8(OP_DELETE_RANGE);
                request.put(out);
            }
            RequestOp::Txn(request) => {
                out.put_u8(OP_TXN);
                put_txn(request, depth_left - 1, out);
            }
        }
    }
}

fn read_txn(depth_left: usize, reader: &mut Reader<'_>) -> Result<TxnRequest, DecodeError> {
    if depth_left == 0 {
        return Err(DecodeError::TooDeep { what: "transaction" });
    }
    Ok(TxnRequest {
        compares: Vec::read(reader)?,
        success: read_ops(depth_left, reader)?,
        failure: read_ops(depth_left, reader)?,
    })
}

fn read_ops(depth_left: usize, reader: &mut Reader<'_>) -> Result<Vec<RequestOp>, DecodeError> {
    const OP: &str = "operation";
    const OP_BYTES_MIN: usize = 1 + DeleteRangeRequest::BYTES_MIN;

    let count = reader.count(OP, OP_BYTES_MIN)?;
    let mut ops = Vec::with_capacity(count.min(OPS_RESERVED_MAX));
    for _ in 0..count {
        ops.push(match reader.byte(OP)? {
            OP_RANGE => RequestOp::Range(RangeRequest::read(reader)?),
            OP_PUT => RequestOp::Put(PutRequest::read(reader)?),
            OP_DELETE_RANGE => RequestOp::DeleteRange(DeleteRangeRequest::read(reader)?),
            OP_TXN => RequestOp::Txn(read_txn(depth_left - 1, reader)?),
            found => return Err(DecodeError::BadTag { what: OP, found }),
        });
    }
    Ok(ops)
}

fn flags<const N: usize>(flags: [bool; N]) -> u8 {
    flags.iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(*flag))
}

fn read_flags<const N: usize>(reader: &mut Reader<'_>) -> Result<[bool; N], DecodeError> {
    let byte = reader.byte("flags")?;
    if byte >> N != 0 {
        return Err(DecodeError::BadTag { what: "set of flags", found: byte });
    }
    Ok(core::array::from_fn(|bit| byte >> bit & 1 == 1))
}

impl Layout for PutRequest {
    const NAME: &'static str = "put";
    const BYTES_MIN: usize = 17;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(flags([self.prev_kv, self.ignore_value, self.ignore_lease]));
        self.lease.put(out);
        self.key.put(out);
        self.value.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [prev_kv, ignore_value, ignore_lease] = read_flags(reader)?;
        Ok(Self {
            lease: LeaseId::read(reader)?,
            key: reader.string("key")?,
            value: reader.string("value")?,
            prev_kv,
            ignore_value,
            ignore_lease,
        })
    }
}

impl Layout for DeleteRangeRequest {
    const NAME: &'static str = "delete range";
    const BYTES_MIN: usize = 9;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(flags([self.prev_kv]));
        self.key.put(out);
        self.range_end.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [prev_kv] = read_flags(reader)?;
        let key = reader.string("key")?;
        Ok(Self { key, range_end: reader.string("range end")?, prev_kv })
    }
}

impl Layout for CompactRequest {
    const NAME: &'static str = "compact";
    const BYTES_MIN: usize = 9;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(flags([self.physical]));
        self.revision.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [physical] = read_flags(reader)?;
        Ok(Self { revision: i64::read(reader)?, physical })
    }
}

impl Layout for RangeRequest {
    const NAME: &'static str = "range";
    const BYTES_MIN: usize = 59;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(flags([self.serializable, self.keys_only, self.count_only]));
        self.sort_order.put(out);
        self.sort_target.put(out);
        self.limit.put(out);
        self.revision.put(out);
        self.min_mod_revision.put(out);
        self.max_mod_revision.put(out);
        self.min_create_revision.put(out);
        self.max_create_revision.put(out);
        self.key.put(out);
        self.range_end.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [serializable, keys_only, count_only] = read_flags(reader)?;
        Ok(Self {
            serializable,
            keys_only,
            count_only,
            sort_order: SortOrder::read(reader)?,
            sort_target: SortTarget::read(reader)?,
            limit: i64::read(reader)?,
            revision: i64::read(reader)?,
            min_mod_revision: i64::read(reader)?,
            max_mod_revision: i64::read(reader)?,
            min_create_revision: i64::read(reader)?,
            max_create_revision: i64::read(reader)?,
            key: reader.string("key")?,
            range_end: reader.string("range end")?,
        })
    }
}

impl Layout for SortOrder {
    const NAME: &'static str = "sort order";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::None => 0,
            Self::Ascend => 1,
            Self::Descend => 2,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::None),
            1 => Ok(Self::Ascend),
            2 => Ok(Self::Descend),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for SortTarget {
    const NAME: &'static str = "sort target";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Key => 0,
            Self::Version => 1,
            Self::Create => 2,
            Self::Mod => 3,
            Self::Value => 4,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::Key),
            1 => Ok(Self::Version),
            2 => Ok(Self::Create),
            3 => Ok(Self::Mod),
            4 => Ok(Self::Value),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for Compare {
    const NAME: &'static str = "compare";
    const BYTES_MIN: usize = 10;

    fn put(&self, out: &mut BytesMut) {
        self.result.put(out);
        self.target.put(out);
        self.key.put(out);
        self.range_end.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            result: CompareResult::read(reader)?,
            target: CompareTarget::read(reader)?,
            key: reader.string("key")?,
            range_end: reader.string("range end")?,
        })
    }
}

impl Layout for CompareResult {
    const NAME: &'static str = "compare result";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Equal => 0,
            Self::Greater => 1,
            Self::Less => 2,
            Self::NotEqual => 3,
            Self::Unrecognized => UNRECOGNIZED,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::Equal),
            1 => Ok(Self::Greater),
            2 => Ok(Self::Less),
            3 => Ok(Self::NotEqual),
            UNRECOGNIZED => Ok(Self::Unrecognized),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

const TARGET_VERSION: u8 = 0;
const TARGET_CREATE: u8 = 1;
const TARGET_MOD: u8 = 2;
const TARGET_VALUE: u8 = 3;
const TARGET_LEASE: u8 = 4;

impl Layout for CompareTarget {
    const NAME: &'static str = "compare target";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Version(number) => put_numbered(TARGET_VERSION, *number, out),
            Self::Create(number) => put_numbered(TARGET_CREATE, *number, out),
            Self::Mod(number) => put_numbered(TARGET_MOD, *number, out),
            Self::Lease(lease) => put_numbered(TARGET_LEASE, lease.0, out),
            Self::Value(value) => {
                out.put_u8(TARGET_VALUE);
                value.put(out);
            }
            Self::Unrecognized => out.put_u8(UNRECOGNIZED),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            TARGET_VERSION => i64::read(reader).map(Self::Version),
            TARGET_CREATE => i64::read(reader).map(Self::Create),
            TARGET_MOD => i64::read(reader).map(Self::Mod),
            TARGET_VALUE => reader.string("value").map(Self::Value),
            TARGET_LEASE => LeaseId::read(reader).map(Self::Lease),
            UNRECOGNIZED => Ok(Self::Unrecognized),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

fn put_numbered(tag: u8, number: i64, out: &mut BytesMut) {
    out.put_u8(tag);
    number.put(out);
}
