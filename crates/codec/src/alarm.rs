//! Alarms: what the store keeps of them, and what commands say of them.

use bytes::{BufMut, BytesMut};
use quorate_kv::{Alarm, AlarmAction, AlarmKind, AlarmRequest};

use crate::error::DecodeError;
use crate::primitives::Layout;
use crate::reader::Reader;

impl Layout for Alarm {
    const NAME: &'static str = "alarm";
    const BYTES_MIN: usize = 9;

    fn put(&self, out: &mut BytesMut) {
        self.member.put(out);
        out.put_u8(match self.kind {
            AlarmKind::NoSpace => 0,
            AlarmKind::Corrupt => 1,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let member = u64::read(reader)?;
        let kind = match reader.byte(Self::NAME)? {
            0 => AlarmKind::NoSpace,
            1 => AlarmKind::Corrupt,
            found => return Err(DecodeError::BadTag { what: Self::NAME, found }),
        };
        Ok(Self { member, kind })
    }
}

impl Layout for AlarmRequest {
    const NAME: &'static str = "request about an alarm";
    const BYTES_MIN: usize = 10;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self.action {
            AlarmAction::Raise => 0,
            AlarmAction::End => 1,
        });
        self.alarm.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let action = match reader.byte(Self::NAME)? {
            0 => AlarmAction::Raise,
            1 => AlarmAction::End,
            found => return Err(DecodeError::BadTag { what: Self::NAME, found }),
        };
        Ok(Self { action, alarm: Alarm::read(reader)? })
    }
}
