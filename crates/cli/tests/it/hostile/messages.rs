//! Requests that nobody would send on purpose: sound messages full of odd values, and what is left
//! of them after damage.

use bytes::Bytes;
use prost_reflect::prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    Value,
};
use quorate_etcdapi::DESCRIPTORS;

use crate::support::random::Random;

/// How deep messages lie within each other at most, where they may.
const DEPTH_MAX: usize = 4;

/// Every method of every service.
pub(super) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("it was generated");
    pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// A message of this type with odd values in some of its fields.
pub(super) fn odd(random: &mut Random, descriptor: &MessageDescriptor) -> DynamicMessage {
    message(random, descriptor, DEPTH_MAX)
}

fn message(random: &mut Random, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if random.below(3) == 0 || is_spared(&field) {
            continue;
        }
        let value = if field.is_list() {
            let count = if random.below(50) == 0 { 200 } else { random.below(4) };
            Value::List((0..count).filter_map(|_| value(random, &field, depth)).collect())
        } else {
            let Some(value) = value(random, &field, depth) else { continue };
            value
        };
        message.set_field(&field, value);
    }
    message
}

/// An alarm of damage makes a cluster refuse every write, as it should.
fn is_spared(field: &FieldDescriptor) -> bool {
    field.full_name() == "etcdserverpb.AlarmRequest.action"
}

fn value(random: &mut Random, field: &FieldDescriptor, depth: usize) -> Option<Value> {
    Some(match field.kind() {
        Kind::Int64 => Value::I64(integer(random)),
        Kind::Uint64 => Value::U64(integer(random).cast_unsigned()),
        Kind::Int32 => Value::I32(integer(random) as i32),
        Kind::Uint32 => Value::U32(integer(random).cast_unsigned() as u32),
        Kind::Bool => Value::Bool(random.below(2) == 0),
        Kind::Enum(_) => Value::EnumNumber(integer(random) as i32),
        Kind::Bytes => Value::Bytes(bytes(random)),
        Kind::String => Value::String(String::from_utf8_lossy(&bytes(random)).into_owned()),
        Kind::Message(_) if depth == 0 => return None,
        Kind::Message(descriptor) => Value::Message(message(random, &descriptor, depth - 1)),
        other => unreachable!("the interface has no {other:?}"),
    })
}

/// Small ones that meet, and those at which something ends.
fn integer(random: &mut Random) -> i64 {
    const ODD: [i64; 10] = [0, 1, 2, 3, -1, 60, 1 << 32, 9_000_000_001, i64::MAX, i64::MIN];
    match random.below(4) {
        0 => random.next().cast_signed(),
        1 => i64::try_from(random.below(100)).expect("it is small"),
        _ => ODD[random.below(ODD.len())],
    }
}

/// Short ones that meet, and long ones.
fn bytes(random: &mut Random) -> Bytes {
    const ODD: [&[u8]; 9] =
        [b"", b"\0", b"a", b"a\0", b"b", b"c", b"\xff", b"\xff\xff", b"http://127.0.0.1:1"];
    let length = match random.below(200) {
        0 => 700_000,
        1..4 => 5_000,
        4..20 => random.below(64),
        _ => return Bytes::from_static(ODD[random.below(ODD.len())]),
    };
    noise(random, length)
}

/// Bytes without any sense.
pub(super) fn noise(random: &mut Random, length: usize) -> Bytes {
    (0..length).map(|_| random.next() as u8).collect()
}

/// A message as bytes: sound, damaged, or noise.
pub(super) fn encoded(random: &mut Random, descriptor: &MessageDescriptor) -> Bytes {
    match random.below(8) {
        0 => {
            let length = random.below(300);
            noise(random, length)
        }
        1..4 => {
            let sound = odd(random, descriptor).encode_to_vec();
            damaged(random, sound)
        }
        _ => odd(random, descriptor).encode_to_vec().into(),
    }
}

/// Bytes after one to three accidents.
pub(super) fn damaged(random: &mut Random, mut bytes: Vec<u8>) -> Bytes {
    for _ in 0..=random.below(3) {
        let place = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, random.next() as u8),
            2 => bytes.extend_from_within(place..),
            3 => {
                bytes.truncate(place);
                bytes.extend(noise(random, 16));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes.into()
}
