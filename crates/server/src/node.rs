//! A running node: its threads, how they are started, and how they end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_codec::{EngineKind, Wire};
use quorate_consensus::paxos::Paxos;
use quorate_consensus::raft::Raft;
use quorate_consensus::{Config as EngineConfig, Engine, Members, NodeId, Recovered, Seed, Strict};
use quorate_kv::{Records, Store, WatchLimits};
use quorate_replica::{Applying, CommitPolicy, Limits, Ordering, Origin, members_to_bytes};
use quorate_storage::{Disk, Identity, LogReader, Opened, Options, Reservation};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::applying_thread::{ANSWERS_KIB_MAX, ApplyingThread, Lag};
use crate::client::Client;
use crate::clock::Clock;
use crate::config::Config;
use crate::fatal::Alarm;
use crate::fetcher::{self, FetchOrder};
use crate::log_thread::{LogThread, run_reserver};
use crate::member::MemberDetails;
use crate::metrics::Metrics;
use crate::ordering_thread::{OrderingThread, Outlets, Shared};
use crate::peers::{Exchange, Known, KnownError, Listener, Peers, Self_, dial_all};
use crate::queue::{self, Receiver, Sender};
use crate::room::Room;
use crate::store_thread::StoreThread;
use crate::url::HttpUrl;
use crate::waiter::{Order, ToApplying, ToLog, ToOrdering, ToStore, Waiting};
use crate::watching::Streams;

/// The shortest and the longest time a watch can be told its progress after; the former is etcd's.
const WATCH_PROGRESS_INTERVAL_MIN: Duration = Duration::from_millis(100);
const WATCH_PROGRESS_INTERVAL_MAX: Duration = Duration::from_hours(365 * 24);

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// The data directory was not opened.
    Storage(quorate_storage::OpenError),
    /// The state machine in it was not opened.
    Store(quorate_kv::OpenError),
    /// The list of known peers was not read.
    Known(KnownError),
    /// A thread could not be started.
    Thread(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(formatter),
            Self::Store(error) => write!(
                formatter,
                "the state machine's file is damaged: {error}. Remove the member, wipe its data \
                 directory and add it as new, or restore a backup"
            ),
            Self::Known(error) => error.fmt(formatter),
            Self::Thread(error) => write!(formatter, "a thread could not be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// An engine that a server can run.
trait ServedEngine: Engine<Rules = Strict, Message: Wire> + Send + 'static {}

impl<E: Engine<Rules = Strict, Message: Wire> + Send + 'static> ServedEngine for E {}

/// A running node.
pub(crate) struct Node {
    pub(crate) client: Client,
    ordering: Arc<dyn Order>,
    applying: Sender<ToApplying>,
    store: Sender<ToStore>,
    log: Sender<ToLog>,
    fetcher: Sender<FetchOrder>,
    stopping: Arc<AtomicBool>,
    threads: Threads,
    /// The connections with peers. They end with the node.
    tasks: JoinSet<()>,
}

/// The threads, in the order in which they are told to stop.
struct Threads {
    ordering: JoinHandle<()>,
    applying: JoinHandle<()>,
    store: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
}

impl Node {
    /// Opens the data directory and starts everything. Peers are accepted on `peer_listeners`.
    ///
    /// The only place that asks which engine runs: behind it, the threads and the peers are made
    /// for one engine, and whoever serves clients sees none.
    pub(crate) fn start(
        config: &Config,
        disk: Arc<dyn Disk>,
        entropy: u64,
        peer_listeners: Vec<TcpListener>,
        alarm: Alarm,
    ) -> Result<Self, StartError> {
        let start = match config.engine {
            EngineKind::Raft => Self::start_with::<Raft>,
            EngineKind::Paxos => Self::start_with::<Paxos>,
        };
        start(config, disk, entropy, peer_listeners, alarm)
    }

    fn start_with<E: ServedEngine>(
        config: &Config,
        disk: Arc<dyn Disk>,
        entropy: u64,
        peer_listeners: Vec<TcpListener>,
        alarm: Alarm,
    ) -> Result<Self, StartError> {
        let opened = open(config, disk.clone(), entropy)?;
        let identity = opened.identity;
        let known =
            Known::open(disk, &config.data_dir, alarm.clone()).map_err(StartError::Known)?;
        let members = opened.recovered.meta.members.clone();
        let urls = peer_urls(&members, identity.node);
        let metrics = Arc::new(Metrics::new(&members, identity.node, config.metrics));
        let (peers, dials) = Peers::<E::Message>::new(&urls, metrics.clone());
        let peers = Arc::new(peers);

        let queues = Queues::<E::Message>::new();
        let own = Self_ {
            cluster: identity.cluster,
            engine: identity.engine,
            node: identity.node,
            incarnation: identity.incarnation,
        };
        let exchange = Exchange {
            own,
            known: Arc::new(known),
            ordering: queues.ordering.0.clone(),
            applying: queues.applying.0.clone(),
            alarm: alarm.clone(),
            metrics: metrics.clone(),
        };
        let shared = Arc::new(Shared::default());
        let client = Client::new(
            config,
            members,
            Arc::new(queues.ordering.0.clone()),
            queues.applying.0.clone(),
            shared.clone(),
            metrics.clone(),
            entropy,
        );
        let parts = Parts { config, entropy, peers: peers.clone(), shared, alarm, metrics };
        let mut node = start_threads::<E>(parts, opened, queues, client)?;
        let listener = Listener { exchange: exchange.clone(), members: peers.hang_ups() };
        for socket in peer_listeners {
            node.tasks.spawn(listener.clone().serve(socket));
        }
        dial_all(dials, &exchange, &mut node.tasks);
        Ok(node)
    }

    /// Stops: no more promises, what is applied goes to the disk map, then everything ends.
    pub(crate) fn stop(mut self) {
        // Nothing listens for peers any more when this is done: the next life of this node will.
        Handle::current().block_on(self.tasks.shutdown());
        self.stopping.store(true, Memory::Relaxed);
        self.ordering.stop();
        let _ = self.threads.ordering.join();
        // A thread that has ended already needs no telling.
        let _ = self.applying.send(ToApplying::Stop);
        let _ = self.threads.applying.join();
        let _ = self.store.send(ToStore::Stop);
        let _ = self.threads.store.join();
        let _ = self.fetcher.send(FetchOrder::Stop);
        let _ = self.log.send(ToLog::Stop);
        for thread in self.threads.others {
            let _ = thread.join();
        }
    }
}

type Queue<T> = (Sender<T>, Receiver<T>);

struct Queues<M> {
    ordering: Queue<ToOrdering<M>>,
    applying: Queue<ToApplying>,
    store: Queue<ToStore>,
    log: Queue<ToLog>,
    fetcher: Queue<FetchOrder>,
}

impl<M> Queues<M> {
    fn new() -> Self {
        Self {
            ordering: queue::channel(),
            applying: queue::channel(),
            store: queue::channel(),
            log: queue::channel(),
            fetcher: queue::channel(),
        }
    }
}

struct Parts<'a, M> {
    config: &'a Config,
    entropy: u64,
    peers: Arc<Peers<M>>,
    shared: Arc<Shared>,
    alarm: Alarm,
    metrics: Arc<Metrics>,
}

fn open(config: &Config, disk: Arc<dyn Disk>, entropy: u64) -> Result<Opened, StartError> {
    let options = Options {
        entropy,
        segment_bytes: config.wal_segment_bytes,
        ..Options::new(config.cluster_id(), config.node(), config.engine, config.initial_members())
    };
    let opened = quorate_storage::open(disk, &config.data_dir, options);
    let opened = opened.map_err(StartError::Storage)?;
    if let Some(cut) = &opened.cut {
        tracing::warn!(
            path = %cut.path.display(), offset = cut.offset,
            "the log ended in a batch that was never finished: cut"
        );
    }
    Ok(opened)
}

/// The two halves around what was found on the disk.
fn halves<E: ServedEngine>(
    config: &Config,
    entropy: u64,
    clock: Clock,
    opened: (Identity, Arc<dyn Records>, Recovered),
) -> Result<(Ordering<E>, Applying<quorate_kv::Strict>), StartError> {
    let (identity, records, recovered) = opened;
    let mut store = Store::open(records, store_config(config), quorate_kv::Strict)
        .map_err(StartError::Store)?;
    if store.members().is_empty() {
        store.set_members(members_to_bytes(&recovered.meta.members));
    }
    let origin = Origin {
        node: identity.node,
        incarnation: identity.incarnation,
        boots: u32::try_from(identity.boots).expect("a directory is opened less than 2^32 times"),
    };
    let policy = commit_policy(config, &recovered.meta.members, identity.node);
    let applying = Applying::new(store, policy, recovered.meta.index, origin.first_number())
        .with_watch_limits(watch_limits(config));
    let seed = Seed(entropy ^ identity.node.0.rotate_left(32));
    let engine_config = engine_config(config, identity.node);
    let engine = E::new(engine_config, Strict, seed, recovered, clock.now());
    let ordering = Ordering::new(engine, origin, Limits::new(config.election_timeout));
    Ok((ordering, applying))
}

/// Responses are cut where etcd cuts them: at a request's bound and half a MiB.
/// Each member goes to its disk at another part of the bytes between two commits.
fn commit_policy(config: &Config, members: &Members, node: NodeId) -> CommitPolicy {
    let usual = CommitPolicy { snapshot_count: config.snapshot_count, ..CommitPolicy::default() };
    let members = members.nodes();
    let (place, count) = (members.range(..=node).count() as u64, members.len() as u64);
    CommitPolicy { first_bytes: usual.bytes * place / count.max(1), ..usual }
}

fn watch_limits(config: &Config) -> WatchLimits {
    let interval = config
        .watch_progress_notify_interval
        .clamp(WATCH_PROGRESS_INTERVAL_MIN, WATCH_PROGRESS_INTERVAL_MAX);
    let request_bytes_max = usize::try_from(config.max_request_bytes).unwrap_or(usize::MAX);
    WatchLimits {
        fragment_bytes_max: request_bytes_max.saturating_add(512 << 10),
        progress_interval_micros: u64::try_from(interval.as_micros()).expect("a year is less"),
        ..WatchLimits::default()
    }
}

fn store_config(config: &Config) -> quorate_kv::Config {
    let quota_bytes = config.quota_backend_bytes;
    quorate_kv::Config { quota_bytes, ..quorate_kv::Config::default() }
}

fn start_threads<E: ServedEngine>(
    parts: Parts<'_, E::Message>,
    opened: Opened,
    queues: Queues<E::Message>,
    client: Client,
) -> Result<Node, StartError> {
    let clock = Clock::start();
    let Parts { config, entropy, peers, shared, alarm, metrics } = parts;
    let Opened { identity, wal, reader, records, installer, recovered, .. } = opened;
    let found = (identity, records.clone(), recovered);
    let (ordering, applying) = halves::<E>(config, entropy, clock, found)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let (to_ordering, ordering_inbox) = queues.ordering;
    let (to_applying, applying_inbox) = queues.applying;
    let (to_store, store_inbox) = queues.store;
    let (to_log, log_inbox) = queues.log;
    let (to_fetcher, fetcher_inbox) = queues.fetcher;
    let (to_reserver, reserver_inbox) = queue::channel();

    let outlets = Outlets {
        log: to_log.clone(),
        applying: to_applying.clone(),
        fetcher: to_fetcher.clone(),
        peers: peers.clone(),
        metrics: metrics.clone(),
    };
    let ordering_thread =
        OrderingThread::new(ordering, clock, ordering_inbox, outlets, shared, alarm.clone());
    let applying_thread = ApplyingThread {
        applying,
        clock,
        inbox: applying_inbox,
        ordering: to_ordering.clone(),
        store: to_store.clone(),
        peers,
        alarm: alarm.clone(),
        read_timeout: Limits::new(config.election_timeout).request_timeout,
        waiting: Waiting::default(),
        answers: Room::of_kib(ANSWERS_KIB_MAX),
        streams: Streams::default(),
        metrics: metrics.clone(),
        lag: Lag::default(),
    };
    let store_thread = StoreThread {
        records,
        installer,
        store_config: store_config(config),
        inbox: store_inbox,
        applying: to_applying.clone(),
        alarm: alarm.clone(),
        stopping: stopping.clone(),
        metrics: metrics.clone(),
    };
    let log_thread =
        LogThread::new(wal, log_inbox, to_ordering.clone(), to_reserver, alarm.clone(), metrics);
    let others = vec![
        spawn("log", move || log_thread.run())?,
        spawn_reserver(reserver_inbox, to_log.clone(), alarm.clone())?,
        spawn_fetcher(reader, fetcher_inbox, to_ordering.clone(), alarm)?,
    ];
    let threads = Threads {
        ordering: spawn("ordering", move || ordering_thread.run())?,
        applying: spawn("applying", move || applying_thread.run())?,
        store: spawn("store", move || store_thread.run())?,
        others,
    };
    Ok(Node {
        client,
        ordering: Arc::new(to_ordering),
        applying: to_applying,
        store: to_store,
        log: to_log,
        fetcher: to_fetcher,
        stopping,
        threads,
        tasks: JoinSet::new(),
    })
}

fn spawn_reserver(
    inbox: Receiver<Box<Reservation>>,
    log: Sender<ToLog>,
    alarm: Alarm,
) -> Result<JoinHandle<()>, StartError> {
    spawn("reserver", move || run_reserver(inbox, &log, &alarm))
}

fn spawn_fetcher<M: Send + 'static>(
    reader: LogReader,
    inbox: Receiver<FetchOrder>,
    ordering: Sender<ToOrdering<M>>,
    alarm: Alarm,
) -> Result<JoinHandle<()>, StartError> {
    spawn("fetcher", move || fetcher::run(&reader, inbox, &ordering, &alarm))
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let thread = std::thread::Builder::new().name(format!("quorate-{name}"));
    thread.spawn(body).map_err(StartError::Thread)
}

fn engine_config(config: &Config, node: NodeId) -> EngineConfig {
    EngineConfig {
        election_timeout: config.election_timeout,
        heartbeat_interval: config.heartbeat_interval,
        disk_stall_timeout: config.election_timeout,
        ..EngineConfig::new(node)
    }
}

/// Where each other member is reached.
fn peer_urls(members: &Members, own: NodeId) -> BTreeMap<NodeId, Vec<HttpUrl>> {
    let others = members.details.iter().filter(|(node, _)| **node != own);
    others
        .map(|(node, details)| {
            let details = MemberDetails::decode(details.clone())
                .expect("the details in the log were encoded here");
            (*node, details.peer_urls)
        })
        .collect()
}
