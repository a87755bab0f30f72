//! The first command of a script, which makes its world: `cluster n1..n5 seed=7 timers=off`.

use std::collections::BTreeSet;

use quorate_consensus::{
    Ballot, ClusterTime, Config, Entry, FlexibleSizes, HardState, Incarnation, Index, Input,
    Members, NodeId, Payload, Promise, ProposalId, Timers,
};

use crate::cluster::Cluster;
use crate::disk::{Disk, Log};
use crate::fault::{Check, ensure, fail};
use crate::host::Host;
use crate::network::Network;
use crate::protocol::Protocol;
use crate::words;

/// What the words after `cluster` say.
struct Options {
    members: Members,
    config: Config,
    seed: u64,
    latency: u64,
    sync_latency: u64,
    tail_entries_max: usize,
    down: Vec<NodeId>,
    leader: Option<NodeId>,
}

/// Makes a world.
pub(crate) fn create<P: Protocol>(rules: P::Rules, words: &[&str]) -> Check<Cluster<P>> {
    let options = parse(words)?;
    let mut cluster = Cluster::new(rules, options.members.clone());
    if let Some(sizes) = options.config.quorums {
        cluster.invariants = cluster.invariants.clone().with_sizes(sizes);
    }
    cluster.network = Network::new(options.latency, options.seed);
    cluster.sync_latency = options.sync_latency;
    for node in options.members.nodes() {
        let config = Config { node, ..options.config.clone() };
        let mut host = Host::new(config, options.members.clone(), options.seed);
        host.tail_entries_max = options.tail_entries_max;
        cluster.hosts.insert(node, host);
    }
    for node in options.members.nodes() {
        if !options.down.contains(&node) {
            cluster.start(node)?;
        }
    }
    if let Some(leader) = options.leader {
        cluster.feed(leader, vec![Input::Campaign])?;
        cluster.settle()?;
        let leads = cluster.host(leader)?.engine.as_ref().and_then(P::leader);
        ensure!(leads.is_some_and(|ballot| ballot.node == leader), "{leader} was not elected");
    }
    Ok(cluster)
}

fn parse(words: &[&str]) -> Check<Options> {
    let mut options = Options {
        members: Members::default(),
        config: Config::new(NodeId(1)),
        seed: 1,
        latency: 0,
        sync_latency: 0,
        tail_entries_max: usize::MAX,
        down: Vec::new(),
        leader: None,
    };
    let Some((voters, words)) = words.split_first() else { fail!("a cluster of whom?") };
    options.members.voters = words::nodes(voters)?.into_iter().collect();
    for word in words {
        let Some((name, value)) = word.split_once('=') else { fail!("`{word}` is no option") };
        set(&mut options, name, value)?;
    }
    Ok(options)
}

fn set(options: &mut Options, name: &str, value: &str) -> Check {
    let nodes = || words::nodes(value).map(|nodes| nodes.into_iter().collect::<BTreeSet<_>>());
    match name {
        "seed" => options.seed = words::number(value)?,
        "latency" => options.latency = words::micros(value)?,
        "sync" => options.sync_latency = words::micros(value)?,
        "tail_entries" => options.tail_entries_max = words::number(value)? as usize,
        "down" => options.down = words::nodes(value)?,
        "leader" => options.leader = Some(words::node(value)?),
        "learners" => options.members.learners = nodes()?,
        "outgoing" => options.members.outgoing = nodes()?,
        _ => return set_config(&mut options.config, name, value),
    }
    Ok(())
}

fn set_config(config: &mut Config, name: &str, value: &str) -> Check {
    match name {
        "timers" if value == "off" => config.timers = Timers::Off,
        "timers" if value == "on" => config.timers = Timers::On,
        "election" => config.election_timeout = words::duration(value)?,
        "heartbeat" => config.heartbeat_interval = words::duration(value)?,
        "stall" => config.disk_stall_timeout = words::duration(value)?,
        "append_bytes" => config.append_bytes_max = words::number(value)?,
        "window" => config.window_messages_max = words::number(value)? as u32,
        "window_bytes" => config.window_bytes_max = words::number(value)?,
        "in_flight" => config.in_flight_max = words::number(value)? as u32,
        "in_flight_bytes" => config.in_flight_bytes_max = words::number(value)?,
        "reads" => config.reads_max = words::number(value)? as u32,
        "apply_bytes" => config.apply_bytes_max = words::number(value)?,
        "tail_bytes" => config.tail_bytes_max = words::number(value)?,
        "quorums" => {
            let [phase1, phase2] = words::numbers(value)?[..] else { fail!("quorums=4,2") };
            let (phase1, phase2) = (phase1 as usize, phase2 as usize);
            config.quorums = Some(FlexibleSizes { phase1, phase2 });
        }
        _ => fail!("`{name}={value}` is no option"),
    }
    Ok(())
}

/// `log n1 = 1,1,4 [round=5] [committed=2]`: a log from an earlier life, before anything happens.
pub(crate) fn seed_log<P: Protocol>(cluster: &mut Cluster<P>, words: &[&str]) -> Check {
    let [node, "=", rounds, options @ ..] = words else { fail!("log n1 = 1,1,4 [round=5]") };
    let node = words::node(node)?;
    let rounds = words::numbers(rounds)?;
    let round = rounds.last().copied().unwrap_or(0);
    let mut hard = HardState { promise: Promise { round, to: None }, committed: Index::ZERO };
    for option in options {
        match option.split_once('=') {
            Some(("round", value)) => hard.promise.round = words::number(value)?,
            Some(("committed", value)) => hard.committed = Index(words::number(value)?),
            _ => fail!("`{option}` is no option"),
        }
    }
    ensure!(cluster.now == 0, "logs are given before time passes");
    let mut log = Log::new(cluster.members.clone());
    log.hard = hard;
    // Zero is a hole.
    for (index, round) in (1..).map(Index).zip(rounds).filter(|(_, round)| 0 < *round) {
        log.entries.insert(index, seeded_entry(&cluster.members, index, round));
    }
    let host = cluster.host_mut(node)?;
    if host.is_up() {
        host.crash(0);
    }
    host.disk = Disk::new(log);
    cluster.invariants.on_lost(node);
    cluster.start(node)
}

/// The entry of this index and round, the same in every log that has it: `x<index>=<round>`.
fn seeded_entry(members: &Members, index: Index, round: u64) -> Entry {
    let voters: Vec<NodeId> = members.voters.iter().copied().collect();
    let leader = voters[round as usize % voters.len()];
    let command = format!("x{index}={round}");
    Entry {
        index,
        ballot: Ballot { round, node: leader },
        born: Ballot { round, node: leader },
        id: Some(ProposalId {
            node: leader,
            incarnation: Incarnation(0),
            sequence: round * 1_000 + index.0,
        }),
        time: ClusterTime(round * 1_000_000),
        payload: Payload::Command(command.into_bytes().into()),
    }
}
