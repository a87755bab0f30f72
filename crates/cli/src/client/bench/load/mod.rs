//! A load on a cluster, Quorate's or etcd's: how many requests it answers, how soon, and at what
//! cost.

mod connection;
mod flags;
mod framing;
mod pace;
mod plan;
mod progress;
mod report;
mod servers;
mod tally;
mod trouble;
mod worker;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prost::Message;
use quorate_etcdapi::etcdserverpb::{StatusRequest, StatusResponse};
use quorate_server::HttpUrl;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use self::connection::{Connection, Method, Patience};
use self::flags::{Fill, Length};
pub(super) use self::flags::{Load, MixedFlags, PutFlags, RangeFlags, TxnFlags};
use self::framing::framed;
use self::pace::{Until, Window};
use self::plan::{Draws, Plan};
use self::progress::Progress;
use self::report::{Cpu, LoadReport, Setting};
use self::servers::Processes;
use self::tally::{Pulse, Tally};
use self::trouble::Trouble;
use self::worker::{Event, Start, Worker};
use crate::client_flags::Context;
use crate::exit::{Exit, Failure};

/// Measures.
pub(super) fn measure(load: Load, context: &Context) -> Result<LoadReport, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::error)?;
    runtime.block_on(LocalSet::new().run_until(Run { load, context }.measure()))
}

/// One run.
struct Run<'a> {
    load: Load,
    context: &'a Context,
}

/// The workers, while they work.
struct Crew {
    count: usize,
    start: watch::Sender<Option<Start>>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Run<'_> {
    async fn measure(self) -> Result<LoadReport, Failure> {
        let plan = Arc::new(self.load.plan()?);
        let connections = self.load.connections()?;
        // Says in the usual words if nobody is there.
        self.context.session.connect(0).await?;
        let members = self.members().await?;
        let setting = self.setting(&plan, &members, connections);
        let progress = Progress::new(match self.load.length() {
            Length::Requests(total) => Some(total),
            Length::Time(_) => None,
        });
        progress.say(if self.load.fill == Fill::First { "writing the keys" } else { "connecting" });
        // All of them work for what one of them answers.
        let servers = Processes::listening_at(&addresses(&self.all()).await);
        let mut crew = Crew::hire(&self.workers(plan, members, &setting))?;
        let report = crew.ready().await;
        let report = match report {
            Ok(()) => Ok(self.watch(crew, setting, &servers, &progress).await),
            Err(failure) => Err(failure),
        };
        progress.clear();
        report.and_then(assert_answered)
    }

    fn patience(&self) -> Patience {
        let session = &self.context.session;
        Patience { answer: session.timeout(), dial: session.dial_timeout() }
    }

    fn workers(&self, plan: Arc<Plan>, members: Vec<HttpUrl>, setting: &Setting) -> Vec<Worker> {
        let pool = Draws::pool(&plan);
        let worker = |number| Worker {
            number,
            threads: setting.threads,
            clients: setting.clients,
            connections: setting.connections,
            members: members.clone(),
            patience: self.patience(),
            rate: setting.rate,
            fill: self.load.fill,
            plan: plan.clone(),
            pool: pool.clone(),
        };
        (0..setting.threads).map(worker).collect()
    }

    fn setting(&self, plan: &Plan, members: &[HttpUrl], connections: usize) -> Setting {
        Setting {
            operation: self.load.operation,
            endpoints: members.iter().map(HttpUrl::authority).collect(),
            clients: self.load.flags.clients,
            connections,
            threads: self.load.threads(connections),
            rate: self.load.flags.rate,
            keys: plan.keys,
            key_size: plan.key_size,
            value_size: plan.value_size,
            seed: plan.seed,
            warm_up: self.load.flags.warm_up,
        }
    }

    /// All that were named.
    fn all(&self) -> Vec<HttpUrl> {
        self.context.session.targets().iter().map(|target| target.url.clone()).collect()
    }

    /// Whom to ask.
    async fn members(&self) -> Result<Vec<HttpUrl>, Failure> {
        if !self.load.flags.target_leader {
            return Ok(self.all());
        }
        for member in self.all() {
            if is_leader(&member, self.patience()).await {
                return Ok(vec![member]);
            }
        }
        let failure = Failure::new(Exit::Unavailable, "no endpoint says that it is the leader");
        Err(failure.with_advice("Name all members with --endpoints, or wait until one leads"))
    }

    fn window(&self) -> Window {
        let origin = Instant::now();
        let start = origin + self.load.flags.warm_up;
        let until = match self.load.length() {
            Length::Time(duration) => Until::Time(start + duration),
            Length::Requests(total) => Until::Requests(AtomicU64::new(total)),
        };
        Window { origin, start, until }
    }

    /// Lets the load begin, and looks on.
    async fn watch(
        &self,
        mut crew: Crew,
        setting: Setting,
        servers: &Processes,
        progress: &Progress,
    ) -> LoadReport {
        let window = Arc::new(self.window());
        let pulse = Arc::new(Pulse::new(window.start));
        let own = Processes::own();
        let used = || (servers.used(), own.used());
        crew.begin(Start { window: window.clone(), pulse: pulse.clone() });
        sleep_until(window.start).await;
        let before = used();
        let after_time = async {
            match window.end() {
                Some(end) => {
                    sleep_until(end).await;
                    Some(used())
                }
                None => None,
            }
        };
        let show = async {
            loop {
                progress.update(&window, &pulse);
                tokio::time::sleep(progress::PERIOD).await;
            }
        };
        let work = async { tokio::join!(after_time, crew.tally()) };
        let (after, tally) = tokio::select! {
            ended = work => ended,
            () = show => unreachable!("it shows until the work is done"),
        };
        let after = after.unwrap_or_else(used);
        let end = window.end().or(tally.last).unwrap_or_else(Instant::now);
        LoadReport {
            setting,
            elapsed: end.saturating_duration_since(window.start),
            tally,
            longest_pause: pulse.longest_pause(end),
            servers: Cpu { processes: servers.count(), used: after.0.saturating_sub(before.0) },
            client: Cpu { processes: own.count(), used: after.1.saturating_sub(before.1) },
        }
    }
}

impl Crew {
    fn hire(workers: &[Worker]) -> Result<Self, Failure> {
        let (start, started) = watch::channel(None);
        let (sender, events) = mpsc::unbounded_channel();
        for worker in workers {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(Failure::error)?;
            let (worker, sender, started) = (worker.clone(), sender.clone(), started.clone());
            let thread = std::thread::Builder::new().name("bench".to_owned());
            let run = move || worker.run(&runtime, sender, started);
            thread.spawn(run).map_err(Failure::error)?;
        }
        Ok(Self { count: workers.len(), start, events })
    }

    /// Waits until all are ready.
    async fn ready(&mut self) -> Result<(), Failure> {
        for _ in 0..self.count {
            if let Event::Ready(Err(trouble)) = self.event().await {
                return Err(Failure::error(format!(
                    "the keys could not be written first: {} {}",
                    trouble.kind(),
                    trouble.text()
                )));
            }
        }
        Ok(())
    }

    fn begin(&self, start: Start) {
        // Those who do not wait any more have failed.
        let _ = self.start.send(Some(start));
    }

    /// What came of it all.
    async fn tally(&mut self) -> Tally {
        let mut all = Tally::new();
        for _ in 0..self.count {
            if let Event::Done(tally) = self.event().await {
                all.add(&tally);
            }
        }
        all
    }

    async fn event(&mut self) -> Event {
        self.events.recv().await.expect("workers tell how they end")
    }
}

/// A run in which nothing was answered has measured nothing.
fn assert_answered(report: LoadReport) -> Result<LoadReport, Failure> {
    if 0 < report.tally.done {
        return Ok(report);
    }
    let troubles: Vec<String> = report.tally.troubles.iter().map(described).collect();
    let reasons =
        if troubles.is_empty() { "the time was too short".to_owned() } else { troubles.join("; ") };
    Err(Failure::new(Exit::Unavailable, format!("no request was answered: {reasons}")))
}

fn described((trouble, count): (&Trouble, u64)) -> String {
    format!("{count} x {} {}", trouble.kind(), trouble.text()).trim_end().to_owned()
}

async fn is_leader(member: &HttpUrl, patience: Patience) -> bool {
    let connection = Connection::new(Rc::new([member.clone()]), 0, patience);
    let answer = connection.call(Method::Status, framed(&StatusRequest {})).await;
    let status = answer.ok().and_then(|answer| StatusResponse::decode(answer).ok());
    status.is_some_and(|status| {
        let own = status.header.unwrap_or_default().member_id;
        status.leader != 0 && status.leader == own
    })
}

/// Where the names of members lead to.
async fn addresses(members: &[HttpUrl]) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for member in members {
        // A member whose name is unknown cannot be asked either, and that is counted.
        if let Ok(found) = tokio::net::lookup_host(member.authority()).await {
            addresses.extend(found);
        }
    }
    addresses
}
