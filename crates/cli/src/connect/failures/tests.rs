//! What is said of failures that a test cannot bring about, and of every refusal.

use std::net::{Ipv4Addr, TcpListener};

use super::*;
use crate::client_flags::Target;

fn url(text: &str) -> HttpUrl {
    text.parse().expect("it is a URL")
}

/// A session with a member that is not there.
fn alone() -> Session {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let target: Target = port.expect("there is a free port").to_string().parse().unwrap();
    Session::new(vec![target], Duration::from_secs(5), Duration::from_secs(1))
}

#[test]
fn members_that_cannot_be_reached_are_listed_each_with_its_reason() {
    let tried = [
        (url("http://a.example:2379"), Unreached::Other("the name is unknown".to_owned())),
        (url("http://10.0.0.4:2379"), Unreached::Late),
        (url("http://10.0.0.5:2379"), Unreached::Refused),
    ];
    let expected = "\
error[E-UNREACHABLE]: no member can be reached (a.example:2379: the name is unknown; \
10.0.0.4:2379: no connection in time; 10.0.0.5:2379: nothing listens there). Nothing was done
  likely: the name or address is wrong, the machine is down, or a firewall drops packets
  next:   check --endpoints, then `quorate status` from the machine of a member
  more:   `quorate explain E-UNREACHABLE`";
    assert_eq!(nobody(&tried).to_string(), expected);
}

#[tokio::test]
async fn a_missing_leader_and_a_member_with_too_much_to_do_are_no_timeouts() {
    let leaderless = unavailable(ApiError::NoLeader.text(), &alone()).await;
    let expected = "\
error[E-NOLEADER]: nobody led within 5s. Nothing was done
  likely: an election is going on, or members reach this client but not each other
  next:   try again in a second; if it stays so: `quorate status`, then `quorate doctor`
  more:   `quorate explain E-NOLEADER`";
    assert_eq!(leaderless.to_string(), expected);
    let busy = unavailable(ApiError::TooManyRequests.text(), &alone()).await;
    let expected = "\
error[E-OVERLOADED]: etcdserver: too many requests. Nothing was done
  likely: clients send more than the cluster keeps up with
  next:   send less at a time, then try again; `quorate status` shows who lags
  more:   `quorate explain E-OVERLOADED`";
    assert_eq!(busy.to_string(), expected);
}

#[test]
fn every_refusal_is_told_as_agreed() {
    let refusals = [
        ApiError::EmptyKey,
        ApiError::KeyNotFound,
        ApiError::Compacted,
        ApiError::FutureRevision,
        ApiError::LeaseNotFound,
        ApiError::NoSpace,
        ApiError::RequestTooLarge,
        ApiError::Corrupt,
    ];
    let told: Vec<String> =
        refusals.iter().map(|it| refused(&Status::unknown(it.text())).to_string()).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/refusals.txt");
    let told = told.join("\n") + "\n";
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(path, &told).expect("the golden file is written");
    }
    let agreed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(told, agreed, "REWRITE=1 accepts the new text");
}
