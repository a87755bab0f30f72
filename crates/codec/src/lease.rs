//! Leases: what the store keeps of them on disk, and what commands say of them.
//!
//! ```text
//! lease on disk  u8 version (1), lease
//! lease          i64 id (not 0), i64 ttl (seconds, 1 to 9,000,000,000), u64 deadline
//!                (microseconds)
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use quorate_kv::{
    ClusterTime, LEASE_RENEW_MAX, Lease, LeaseGrantRequest, LeaseId, LeaseRenewRequest, LeaseTtl,
};

use crate::error::DecodeError;
use crate::primitives::Layout;
use crate::reader::Reader;

/// The newest version of a stored lease.
pub const LEASE_VERSION: u8 = 1;

/// Appends a lease as it is stored.
pub fn encode_lease(lease: &Lease, out: &mut BytesMut) {
    out.put_u8(LEASE_VERSION);
    lease.put(out);
}

/// Reads a stored lease that fills `bytes`.
pub fn decode_lease(mut bytes: Bytes) -> Result<Lease, DecodeError> {
    let mut reader = Reader::new(&mut bytes);
    reader.version(Lease::NAME, LEASE_VERSION)?;
    let lease = Lease::read(&mut reader)?;
    reader.finish()?;
    Ok(lease)
}

impl Layout for LeaseId {
    const NAME: &'static str = "lease";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        i64::read(reader).map(Self)
    }
}

impl Layout for LeaseTtl {
    const NAME: &'static str = "time to live";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.seconds().put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::new(i64::read(reader)?).ok_or(DecodeError::OutOfBounds { what: Self::NAME })
    }
}

impl Layout for Lease {
    const NAME: &'static str = "lease";
    const BYTES_MIN: usize = 24;

    fn put(&self, out: &mut BytesMut) {
        self.id.put(out);
        self.ttl.put(out);
        self.deadline.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = read_name(reader)?;
        let ttl = LeaseTtl::read(reader)?;
        Ok(Self { id, ttl, deadline: ClusterTime(u64::read(reader)?) })
    }
}

/// A lease's id where there must be one.
fn read_name(reader: &mut Reader<'_>) -> Result<LeaseId, DecodeError> {
    let id = LeaseId::read(reader)?;
    if id == LeaseId::NONE {
        return Err(DecodeError::OutOfBounds { what: LeaseId::NAME });
    }
    Ok(id)
}

impl Layout for LeaseGrantRequest {
    const NAME: &'static str = "grant";
    const BYTES_MIN: usize = 16;

    fn put(&self, out: &mut BytesMut) {
        assert!(self.id != LeaseId::NONE, "a lease has a name when it is proposed");
        self.id.put(out);
        self.ttl.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = read_name(reader)?;
        Ok(Self { id, ttl: LeaseTtl::read(reader)? })
    }
}

impl Layout for LeaseRenewRequest {
    const NAME: &'static str = "renewal";
    const BYTES_MIN: usize = 4;

    fn put(&self, out: &mut BytesMut) {
        assert!(self.ids.len() <= LEASE_RENEW_MAX, "a renewal is cut before it is proposed");
        self.ids.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ids: Vec<LeaseId> = Vec::read(reader)?;
        if LEASE_RENEW_MAX < ids.len() {
            return Err(DecodeError::OutOfBounds { what: Self::NAME });
        }
        Ok(Self { ids })
    }
}
