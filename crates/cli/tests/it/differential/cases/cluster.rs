//! `Status`, `MemberList` and the other questions about the members.

use quorate_etcdapi::etcdserverpb::{HashKvRequest, MemberListRequest};

use super::super::script::Request;
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("status", &["maintenance.status", "revision.header"], |s| {
        s.set(&[("a", "1")]);
        s.ask(Request::Status);
    }),
    case("member_list", &["cluster.member-list"], |s| {
        s.set(&[("a", "1")]);
        for linearizable in [true, false] {
            s.ask(Request::MemberList(MemberListRequest { linearizable }));
        }
    }),
    case("hash_kv", &["maintenance.hash-kv"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        for revision in [0, -1, s.at(1), s.at(2), s.at(3), 1 << 40] {
            s.ask(Request::HashKv(HashKvRequest { revision }));
        }
    }),
    case("alarms", &["maintenance.alarm"], |s| {
        s.set(&[("a", "1")]);
        s.ask(Request::Alarms);
    }),
    case("defragment", &["maintenance.defragment"], |s| {
        s.set(&[("a", "1")]);
        s.ask(Request::Defragment);
        s.get("a");
    }),
    case("move_leader_to_nobody", &["maintenance.move-leader"], |s| {
        s.ask(Request::MoveLeader(1));
    }),
];
