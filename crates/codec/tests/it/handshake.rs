//! Who may talk to whom.

use bytes::{BufMut, BytesMut};
use quorate_codec::{
    ClusterId, DecodeError, EngineKind, HANDSHAKE_BYTES_MAX, HANDSHAKE_VERSION, Hello, HelloReply,
    ProtocolRange, Wire,
};

use crate::round_trip::bytes_of;
use crate::samples;

const MEMBERS: [(&str, &str); 2] = [("a", "http://h1:2380"), ("b", "http://h2:2380")];

#[test]
fn a_cluster_id_depends_on_the_members_and_not_on_their_order() {
    let id = |members: &[(&'static str, &'static str)]| {
        ClusterId::of(members.iter().copied(), "token", EngineKind::Raft)
    };
    let reversed = [MEMBERS[1], MEMBERS[0]];
    assert_eq!(id(&MEMBERS), id(&reversed));
    assert_eq!(id(&MEMBERS), id(&[MEMBERS[0], MEMBERS[1], MEMBERS[0]]));
    assert_ne!(id(&MEMBERS), id(&MEMBERS[..1]));
    assert_ne!(id(&MEMBERS), id(&[("a", MEMBERS[1].1), ("b", MEMBERS[0].1)]));
    assert_ne!(id(&[("ab", "c")]), id(&[("a", "bc")]));
}

#[test]
fn a_cluster_id_depends_on_the_token_and_the_engine() {
    let id = ClusterId::of(MEMBERS, "token", EngineKind::Raft);
    assert_ne!(id, ClusterId::of(MEMBERS, "other", EngineKind::Raft));
    assert_ne!(id, ClusterId::of(MEMBERS, "token", EngineKind::Paxos));
}

#[test]
fn the_newest_common_version_is_spoken() {
    let range = |min, max| ProtocolRange { min, max };
    let table = [
        (range(1, 1), range(1, 1), Some(1)),
        (range(1, 3), range(2, 5), Some(3)),
        (range(2, 5), range(1, 3), Some(3)),
        (range(1, 9), range(4, 5), Some(5)),
        (range(1, 2), range(3, 4), None),
        (range(3, 4), range(1, 2), None),
    ];
    for (one, other, common) in table {
        assert_eq!(one.common(other), common, "{one:?} and {other:?}");
    }
}

#[test]
fn fields_of_newer_programs_are_ignored() {
    for (_, hello) in samples::hellos() {
        let longer = [&bytes_of(&hello, Hello::encode)[..], b"and more"].concat();
        assert_eq!(Hello::decode(longer.into()), Ok(hello));
    }
    for (_, reply) in samples::hello_replies() {
        let longer = [&bytes_of(&reply, HelloReply::encode)[..], b"and more"].concat();
        assert_eq!(HelloReply::decode(longer.into()), Ok(reply));
    }
}

#[test]
fn strangers_are_told_from_peers() {
    let mut bytes = BytesMut::new();
    bytes.put_bytes(b'x', 100);
    let bytes = bytes.freeze();
    assert_eq!(Hello::decode(bytes.clone()), Err(DecodeError::BadMagic { what: "hello" }));
    assert_eq!(HelloReply::decode(bytes), Err(DecodeError::BadMagic { what: "reply" }));

    let (_, hello) = samples::hellos()[0];
    let echoed = HelloReply::decode(bytes_of(&hello, Hello::encode));
    assert_eq!(echoed, Err(DecodeError::BadMagic { what: "reply" }));
}

#[test]
fn a_handshake_is_short_and_is_no_peer_message() {
    assert_ne!(HANDSHAKE_VERSION, quorate_codec::PROTOCOL.min);
    for (_, hello) in samples::hellos() {
        assert!(bytes_of(&hello, Hello::encode).len() < HANDSHAKE_BYTES_MAX / 4);
    }
}

#[test]
fn a_refusal_names_the_thing_and_the_remedy() {
    for (name, reply) in samples::hello_replies() {
        let HelloReply::Refused(refusal) = reply else {
            continue;
        };
        let text = refusal.to_string();
        assert!(text.contains(": "), "{name} gives no remedy: {text}");
    }
}
