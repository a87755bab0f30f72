//! The names of operations, and that clients ask everything they can.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_kv::{Command, RequestOp};
use quorate_replica::{ReadRequest, Ticket};
use quorate_sim::clients::{Ask, NoOperation, OperationId, Plan, Request};

use super::service::{Flaw, Service};

#[test]
fn the_name_of_an_operation_is_read_back() {
    let operation = OperationId::new(12, 3_456);
    assert_eq!(operation.to_string(), "c12.3456");
    assert_eq!("c12.3456".parse(), Ok(operation));
    assert_eq!(OperationId::of(operation.ticket()), Some(operation));
    for bad in ["", "c", "c1", "c.1", "c1.", "12.3", "c1.x", "c1.4294967296"] {
        assert_eq!(bad.parse::<OperationId>(), Err(NoOperation), "{bad}");
    }
}

#[test]
fn the_tickets_of_others_name_no_operation() {
    assert_eq!(OperationId::of(Ticket(0)), None);
    assert_eq!(OperationId::of(Ticket(u64::from(u32::MAX))), None);
    assert_eq!(OperationId::of(Ticket(1 << 32 | 1)), Some(OperationId::new(1, 1)));
}

/// What a request is, as far as the store treats it differently.
fn traits(request: &Request) -> Vec<&'static str> {
    match &request.ask {
        Ask::Command(Command::Put(put)) if put.lease.0 != 0 => vec!["put with a lease"],
        Ask::Command(Command::Put(put)) if put.prev_kv => vec!["put that returns"],
        Ask::Command(Command::Put(put)) if put.ignore_lease => vec!["put that keeps the lease"],
        Ask::Command(Command::Put(_)) => vec!["put"],
        Ask::Command(Command::DeleteRange(delete)) if delete.range_end.is_empty() => vec!["delete"],
        Ask::Command(Command::DeleteRange(_)) => vec!["delete of a range"],
        Ask::Command(Command::Compact(_)) => vec!["compaction"],
        Ask::Command(Command::Txn(txn)) => {
            let mut traits = vec!["txn"];
            for op in txn.success.iter().chain(&txn.failure) {
                traits.push(match op {
                    RequestOp::Range(_) => "txn with a range",
                    RequestOp::Put(_) => "txn with a put",
                    RequestOp::DeleteRange(_) => "txn with a delete",
                    RequestOp::Txn(_) => "nested txn",
                });
            }
            traits
        }
        Ask::Command(_) | Ask::KeepAlive(_) | Ask::Transfer(_) => vec!["not for clients"],
        Ask::Linearizable(ReadRequest::Txn(_)) => vec!["linearizable txn"],
        Ask::Serializable(ReadRequest::Txn(_)) => vec!["serializable txn"],
        Ask::Linearizable(ReadRequest::Range(range)) if 0 < range.revision => vec!["old read"],
        Ask::Serializable(ReadRequest::Range(range)) if 0 < range.revision => {
            vec!["old serializable read"]
        }
        Ask::Linearizable(ReadRequest::Range(range)) if 0 < range.limit => vec!["limited read"],
        Ask::Linearizable(_) => vec!["linearizable read"],
        Ask::Serializable(_) => vec!["serializable read"],
    }
}

#[test]
fn clients_ask_everything() {
    let mut service = Service::new(1, Plan::default(), Flaw::None).steady();
    service.run(Duration::from_mins(2)).expect("it keeps its promises");
    let asked: BTreeSet<&str> = service.requests.iter().flat_map(traits).collect();
    let expected = BTreeSet::from([
        "put with a lease",
        "put that returns",
        "put that keeps the lease",
        "put",
        "delete",
        "delete of a range",
        "compaction",
        "txn",
        "txn with a range",
        "txn with a put",
        "txn with a delete",
        "nested txn",
        "linearizable txn",
        "serializable txn",
        "old read",
        "old serializable read",
        "limited read",
        "linearizable read",
        "serializable read",
    ]);
    assert_eq!(asked, expected);
}

#[test]
fn no_two_commands_are_the_same() {
    let mut service = Service::new(2, Plan::default(), Flaw::None);
    service.run(Duration::from_mins(1)).expect("it keeps its promises");
    let commands = service.requests.iter().filter_map(|request| match &request.ask {
        Ask::Command(command) => Some(quorate_codec::encode_command(command)),
        _ => None,
    });
    let commands: Vec<_> = commands.collect();
    let different: BTreeSet<_> = commands.iter().collect();
    assert!(500 < commands.len());
    assert_eq!(commands.len(), different.len());
}
