//! Expectations: what `expect` checks and what `run ... until` waits for.

use quorate_consensus::invariants::Order;
use quorate_consensus::{Flow, Index, NodeId, PeerStatus, Role, Status, StorageState};

use crate::cluster::Cluster;
use crate::fault::{Check, Fault, fail};
use crate::host::Host;
use crate::journal::{describe_host, describe_rounds, kebab, role_name};
use crate::machine::Machine;
use crate::protocol::Protocol;
use crate::words::{self, Relation};

/// Whether an expectation holds; if not, what is the case instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Differs(String),
}

impl Verdict {
    fn of(holds: bool, actual: impl FnOnce() -> String) -> Self {
        if holds { Self::Holds } else { Self::Differs(actual()) }
    }
}

/// Judges one expectation; a fault means that it makes no sense.
pub(crate) fn judge<P: Protocol>(cluster: &Cluster<P>, words: &[&str]) -> Check<Verdict> {
    match words {
        ["one", "leader"] => Ok(judge_leaders(cluster, |count| count == 1)),
        ["no", "leader"] => Ok(judge_leaders(cluster, |count| count == 0)),
        ["log", node, "=", rounds] => {
            let actual = cluster.host(words::node(node)?)?.disk.issued.rounds();
            judge_rounds(&actual, rounds)
        }
        ["durable", node, "=", rounds] => {
            let actual = cluster.host(words::node(node)?)?.disk.durable.rounds();
            judge_rounds(&actual, rounds)
        }
        ["same", what, nodes @ ..] => judge_same(cluster, what, nodes),
        ["machine", node, "=", commands @ ..] => {
            let actual = cluster.host(words::node(node)?)?.machine.commands();
            Ok(Verdict::of(actual == commands, || actual.join(" ")))
        }
        ["outcome", names, "=", expected @ ..] => judge_outcomes(cluster, names, expected),
        ["messages", pattern @ .., relation, "one-by-one", link] => {
            let sent = cluster.network.sent(&words::pattern(pattern)?);
            let link = words::pattern(&[link])?;
            let (Some(leader), Some(peer)) = (link.from, link.to) else { fail!("whose steps?") };
            let Some(count) = cluster.one_by_one.get(&(leader, peer)) else {
                fail!("{leader} has never led {peer}")
            };
            compare(sent, relation, &count.to_string())
        }
        ["messages", pattern @ .., relation, limit] => {
            let sent = cluster.network.sent(&words::pattern(pattern)?);
            compare(sent, relation, limit)
        }
        ["flying", pattern @ .., relation, limit] => {
            let count = cluster.network.matching(&words::pattern(pattern)?).count();
            compare(count as u64, relation, limit)
        }
        ["snapshots", link, relation, limit] => {
            let link = words::pattern(&[link])?;
            let (Some(from), Some(to)) = (link.from, link.to) else { fail!("from whom to whom?") };
            compare(cluster.snapshots_asked.get(&(from, to)).copied().unwrap_or(0), relation, limit)
        }
        ["elapsed", relation, limit] => {
            let elapsed = cluster.now - cluster.mark.0;
            let holds = Relation::parse(relation)?.holds(&elapsed, &words::micros(limit)?);
            Ok(Verdict::of(holds, || format!("{elapsed}us")))
        }
        ["leaders", relation, limit] => {
            compare(cluster.invariants.elections() - cluster.mark.1, relation, limit)
        }
        ["trace", node, words @ .., relation, limit] => {
            compare(cluster.journal.count(words::node(node)?, words), relation, limit)
        }
        [nodes, properties @ ..] if !properties.is_empty() => {
            judge_nodes(cluster, &words::nodes(nodes)?, properties)
        }
        _ => fail!("`{}` is no expectation", words.join(" ")),
    }
}

fn compare(actual: u64, relation: &str, limit: &str) -> Check<Verdict> {
    let holds = Relation::parse(relation)?.holds(&actual, &words::number(limit)?);
    Ok(Verdict::of(holds, || actual.to_string()))
}

fn judge_leaders<P: Protocol>(cluster: &Cluster<P>, is_right: fn(usize) -> bool) -> Verdict {
    let leads = |host: &&Host<P>| host.status().is_some_and(|status| status.role == Role::Leader);
    let leaders: Vec<String> =
        cluster.hosts.values().filter(leads).map(|host| host.id.to_string()).collect();
    Verdict::of(is_right(leaders.len()), || format!("leaders: {}", leaders.join(" ")))
}

fn judge_rounds(actual: &[u64], expected: &str) -> Check<Verdict> {
    let expected = words::numbers(expected)?;
    Ok(Verdict::of(actual == expected, || describe_rounds(actual)))
}

fn judge_same<P: Protocol>(cluster: &Cluster<P>, what: &str, nodes: &[&str]) -> Check<Verdict> {
    let nodes = match nodes {
        [] => cluster.nodes_up(),
        [nodes] => words::nodes(nodes)?,
        _ => fail!("same logs n1,n2"),
    };
    let describe = |host: &Host<P>| match what {
        "logs" => Ok(describe_log(host)),
        "machines" => {
            let Machine { meta, clock, .. } = &host.machine;
            Ok(format!("{} {clock:?} {:?}", meta.index, host.machine.commands()))
        }
        _ => Err(Fault(format!("the same {what}?"))),
    };
    let mut all = Vec::new();
    for node in nodes {
        all.push(describe(cluster.host(node)?)?);
    }
    Ok(Verdict::of(all.windows(2).all(|two| two[0] == two[1]), || all.join("\n  ")))
}

/// A log in whatever must be equal: all of it, or the decided values, where undecided votes may
/// differ for ever and ballots tell only who voted when.
fn describe_log<P: Protocol>(host: &Host<P>) -> String {
    let log = &host.disk.issued;
    if P::ORDER == Order::Terms {
        return format!("{:?} {:?}", log.meta, log.entries);
    }
    let decided = host.status().map_or(log.hard.committed, |status| status.committed);
    let entries = log.entries.values().take_while(|entry| entry.index <= decided);
    let values: Vec<String> = entries
        .map(|entry| format!("{}: {:?} {:?}", entry.index, entry.id, entry.payload))
        .collect();
    format!("{} {decided} {}", log.meta.index, values.join(", "))
}

/// The expected words must begin what is the case: `= refused` accepts every refusal.
fn judge_outcomes<P: Protocol>(
    cluster: &Cluster<P>,
    names: &str,
    expected: &[&str],
) -> Check<Verdict> {
    let names: Vec<&str> = match names {
        "all" => cluster.requests.iter().map(|request| request.name.as_str()).collect(),
        names => names.split(',').collect(),
    };
    for name in names {
        let actual = cluster.requests.named(name)?.describe();
        let begins = actual.split(' ').zip(expected).filter(|(is, wanted)| is == *wanted).count();
        if begins < expected.len() {
            return Ok(Verdict::Differs(format!("{name} {actual}")));
        }
    }
    Ok(Verdict::Holds)
}

fn judge_nodes<P: Protocol>(
    cluster: &Cluster<P>,
    nodes: &[NodeId],
    properties: &[&str],
) -> Check<Verdict> {
    for node in nodes {
        let host = cluster.host(*node)?;
        for property in properties {
            if !has_property(host, property)? {
                return Ok(Verdict::Differs(describe_host(host)));
            }
        }
    }
    Ok(Verdict::Holds)
}

fn has_property<P: Protocol>(host: &Host<P>, property: &str) -> Check<bool> {
    match property {
        "up" => return Ok(host.is_up()),
        "down" => return Ok(!host.is_up()),
        _ => {}
    }
    if let Some((name, relation, value)) = words::comparison(property)
        && let Some(actual) = disk_property(host, name)
    {
        return Ok(relation.holds(&actual, &words::number(value)?));
    }
    let Some(status) = host.status() else { return Ok(false) };
    if let Some((name, relation, value)) = words::comparison(property) {
        return compare_property(&status, name, relation, value);
    }
    match property {
        "leader" | "follower" | "candidate" | "pre-candidate" => {
            Ok(role_name(status.role) == property)
        }
        _ => fail!("`{property}` is no property of a node"),
    }
}

/// What only the disk and the machine know.
fn disk_property<P: Protocol>(host: &Host<P>, name: &str) -> Option<u64> {
    let durable = &host.disk.durable;
    match name {
        "durable_round" => Some(durable.hard.promise.round),
        "durable_vote" => Some(durable.hard.promise.to.map_or(0, |node| node.0)),
        "durable_last" => Some(durable.last().0),
        "machine" => Some(host.machine.meta.index.0),
        "time" => Some(host.machine.clock.time.0 / 1_000),
        "unsynced" => Some(host.disk.pending() as u64),
        _ => None,
    }
}

fn compare_property(status: &Status, name: &str, relation: Relation, value: &str) -> Check<bool> {
    if let Some((peer, field)) = name.split_once('.') {
        let peer = words::node(peer)?;
        let Some(peer) = status.peers.iter().find(|status| status.node == peer) else {
            return Ok(false);
        };
        return compare_peer(peer, field, relation, value);
    }
    if name == "leader" {
        let wanted = words::nodes(value)?.first().copied();
        return Ok(relation.holds(&status.leader, &wanted));
    }
    let Index(actual) = match name {
        "round" | "term" => Index(status.ballot.round),
        "last" => status.last,
        "persisted" => status.persisted,
        "committed" => status.committed,
        "applied" => status.applied,
        "compacted" => status.compacted,
        "in_flight" => Index(u64::from(status.in_flight)),
        "full" => Index(u64::from(status.storage == StorageState::Full)),
        "serves_reads" => Index(u64::from(status.can_serve_reads)),
        _ => fail!("`{name}` is no property of a node"),
    };
    Ok(relation.holds(&actual, &words::number(value)?))
}

fn compare_peer(peer: &PeerStatus, field: &str, relation: Relation, value: &str) -> Check<bool> {
    let actual = match field {
        "matched" => peer.matched.0,
        "next" => peer.next.0,
        "in_flight" => u64::from(peer.in_flight),
        "active" => u64::from(peer.is_active),
        "flow" => return Ok(relation.holds(&flow_name(peer.flow).as_str(), &value)),
        _ => fail!("`{field}` is no property of a peer"),
    };
    Ok(relation.holds(&actual, &words::number(value)?))
}

fn flow_name(flow: Flow) -> String {
    kebab(&format!("{flow:?}"))
}
