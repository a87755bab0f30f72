//! The flags of the commands that make a load.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use super::plan::{Freshness, Order, Plan, Work};
use crate::client_flags::Timeout;
use crate::exit::Failure;

/// Clients that share a connection unless that is said.
const CLIENTS_EACH: usize = 8;

/// Threads that clients share unless that is said: one is busy before most servers are.
const THREADS: usize = 2;

/// Longest key, in bytes.
const KEY_MAX: u64 = 32 << 10;

/// Longest value, in bytes.
const VALUE_MAX: u64 = 64 << 20;

/// The flags that all loads share.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadFlags {
    /// How many clients, each with one request at a time
    #[arg(long, value_name = "N", default_value = "64")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub(super) clients: usize,
    /// How many connections they share, over all endpoints in turn [default: one for eight clients]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    connections: Option<usize>,
    /// How many threads drive them [default: as many as there are cores, but at most 2]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    threads: Option<usize>,
    /// Requests a second (open loop), whether or not earlier ones were answered; latency is counted
    /// from when a request was due [default: each client asks when it was answered (closed loop)]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) rate: Option<u32>,
    /// For how long, such as 10s or 1m [default: 5s]
    #[arg(long, value_name = "DURATION", conflicts_with = "total")]
    duration: Option<Timeout>,
    /// How many requests, instead of for how long
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    total: Option<u64>,
    /// How long the load runs before it counts, such as 500ms, or 0s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = warm_up)]
    pub(super) warm_up: Duration,
    /// How many keys
    #[arg(long, value_name = "N", default_value = "10000")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    keys: u64,
    /// Take them one after the other instead of at random
    #[arg(long)]
    sequential: bool,
    /// The length of keys in bytes
    #[arg(long, value_name = "BYTES", default_value = "16")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(7..=KEY_MAX))]
    key_size: usize,
    /// The length of values in bytes
    #[arg(long, value_name = "BYTES", default_value = "256")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(0..=VALUE_MAX))]
    value_size: usize,
    /// What keys and values are drawn from
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Ask the leader alone, whichever endpoint that is
    #[arg(long)]
    pub(super) target_leader: bool,
}

/// The flags of `bench put`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PutFlags {
    #[command(flatten)]
    load: LoadFlags,
}

/// The flags of reads.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReadFlags {
    /// Linearizable (l), or what the member knows, serializable (s)
    #[arg(long, value_name = "KIND", default_value = "l")]
    consistency: Consistency,
    /// Do not write the keys first
    #[arg(long)]
    skip_fill: bool,
}

/// The flags of `bench range`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RangeFlags {
    #[command(flatten)]
    read: ReadFlags,
    /// How many keys each request reads
    #[arg(long, value_name = "N", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    span: u64,
    #[command(flatten)]
    load: LoadFlags,
}

/// The flags of `bench mixed`.
#[derive(Args, Clone, Debug)]
pub(crate) struct MixedFlags {
    /// The share of reads, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.9", value_parser = share)]
    read_ratio: f64,
    #[command(flatten)]
    read: ReadFlags,
    #[command(flatten)]
    load: LoadFlags,
}

/// The flags of `bench txn`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TxnFlags {
    /// How many puts each transaction makes
    #[arg(long, value_name = "N", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=128))]
    txn_ops: u64,
    #[command(flatten)]
    load: LoadFlags,
}

/// How fresh, as etcdctl's `get` says it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Consistency {
    L,
    S,
}

impl From<Consistency> for Freshness {
    fn from(consistency: Consistency) -> Self {
        match consistency {
            Consistency::L => Self::Linearizable,
            Consistency::S => Self::Serializable,
        }
    }
}

/// Whether keys are written before they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// All of them.
    First,
    /// They are there, or it does not matter.
    Skipped,
}

/// What ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// The clock.
    Time(Duration),
    /// So many requests.
    Requests(u64),
}

/// A run as it was asked for.
#[derive(Debug)]
pub(crate) struct Load {
    pub(super) operation: &'static str,
    pub(super) work: Work,
    pub(super) fill: Fill,
    pub(super) flags: LoadFlags,
}

impl From<PutFlags> for Load {
    fn from(flags: PutFlags) -> Self {
        Self { operation: "put", work: Work::Put, fill: Fill::Skipped, flags: flags.load }
    }
}

impl From<RangeFlags> for Load {
    fn from(flags: RangeFlags) -> Self {
        let freshness = flags.read.consistency.into();
        let work = Work::Range { freshness, span: flags.span };
        Self { operation: "range", work, fill: flags.read.fill(), flags: flags.load }
    }
}

impl From<MixedFlags> for Load {
    fn from(flags: MixedFlags) -> Self {
        let freshness = flags.read.consistency.into();
        let work = Work::Mixed { freshness, reads: flags.read_ratio };
        Self { operation: "mixed", work, fill: flags.read.fill(), flags: flags.load }
    }
}

impl From<TxnFlags> for Load {
    fn from(flags: TxnFlags) -> Self {
        let work = Work::Txn { puts: flags.txn_ops };
        Self { operation: "txn", work, fill: Fill::Skipped, flags: flags.load }
    }
}

impl ReadFlags {
    fn fill(self) -> Fill {
        if self.skip_fill { Fill::Skipped } else { Fill::First }
    }
}

impl Load {
    /// The requests that it makes.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let flags = &self.flags;
        let key_size_min = Plan::key_size_min(flags.keys);
        if flags.key_size < key_size_min {
            return Err(Failure::usage(format!(
                "--key-size {} is too short for {} keys: it takes {key_size_min}",
                flags.key_size, flags.keys
            )));
        }
        let order = if flags.sequential { Order::Sequential } else { Order::Random };
        Ok(Plan {
            work: self.work,
            keys: flags.keys,
            key_size: flags.key_size,
            value_size: flags.value_size,
            order,
            seed: flags.seed,
            next: AtomicU64::new(0),
        })
    }

    /// What ends it.
    pub(super) fn length(&self) -> Length {
        const DURATION: Duration = Duration::from_secs(5);
        match (self.flags.total, self.flags.duration) {
            (Some(total), _) => Length::Requests(total),
            (None, Some(duration)) => Length::Time(duration.0),
            (None, None) => Length::Time(DURATION),
        }
    }

    /// How many connections.
    pub(super) fn connections(&self) -> Result<usize, Failure> {
        let clients = self.flags.clients;
        let connections = self.flags.connections.unwrap_or(clients.div_ceil(CLIENTS_EACH));
        if clients < connections {
            return Err(Failure::usage(format!(
                "--connections {connections} is more than there are clients ({clients})"
            )));
        }
        Ok(connections)
    }

    /// How many threads: no more than there are connections.
    pub(super) fn threads(&self, connections: usize) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.flags.threads.unwrap_or(cores.min(THREADS)).min(connections)
    }
}

fn warm_up(text: &str) -> Result<Duration, &'static str> {
    if text == "0" || text == "0s" {
        return Ok(Duration::ZERO);
    }
    text.parse::<Timeout>().map(|duration| duration.0)
}

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or("it is a number from 0 to 1")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: MixedFlags,
    }

    fn load(line: &str) -> Load {
        let words = std::iter::once("mixed").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().flags.into()
    }

    #[test]
    fn what_is_not_said_is_chosen() {
        let load = load("");
        assert_eq!(load.connections().unwrap(), 8);
        assert_eq!(load.length(), Length::Time(Duration::from_secs(5)));
        assert_eq!(load.fill, Fill::First);
        assert_eq!(load.flags.warm_up, Duration::from_secs(1));
        assert_eq!(load.threads(1), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(load("--clients 2 --connections 3").connections().is_err());
        assert!(load("--keys 10001 --key-size 10").plan().is_err());
        assert!(load("--keys 10000 --key-size 10").plan().is_ok());
        assert!(share("1.5").is_err() && share("-0").is_ok() && share("NaN").is_err());
        assert_eq!(warm_up("0s"), Ok(Duration::ZERO));
        assert!(warm_up("1").is_err());
    }

    #[test]
    fn a_number_of_requests_takes_the_place_of_the_time() {
        assert_eq!(load("--total 7").length(), Length::Requests(7));
        let both = Line::try_parse_from(["mixed", "--total=7", "--duration=1s"]);
        assert!(both.is_err());
    }
}
