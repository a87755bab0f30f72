//! A thread of clients: its connections, and the requests that they make.
//!
//! Everything of a connection stays on one thread, so that an answer wakes no other one.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_server::HttpUrl;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep};

use super::connection::{Connection, Patience};
use super::flags::Fill;
use super::pace::{Admission, Arrivals, Window};
use super::plan::{Draws, Kind, Plan};
use super::tally::{Ended, Pulse, Tally};
use super::trouble::Trouble;

/// How long a client waits after no member could be connected to, so that it does not spin.
const REDIAL_PAUSE: Duration = Duration::from_millis(20);

/// How often the writing of a batch of keys is tried before it is given up.
const FILL_TRIES: usize = 10;

/// What a thread has to do.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) threads: usize,
    pub(super) clients: usize,
    pub(super) connections: usize,
    pub(super) members: Vec<HttpUrl>,
    pub(super) patience: Patience,
    pub(super) rate: Option<u32>,
    pub(super) fill: Fill,
    pub(super) plan: Arc<Plan>,
    pub(super) pool: Bytes,
}

/// What a thread tells.
#[derive(Debug)]
pub(super) enum Event {
    /// It has connected and written its share of the keys, or that failed.
    Ready(Result<(), Trouble>),
    /// It is done.
    Done(Box<Tally>),
}

/// What begins the load, when all threads are ready.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) window: Arc<Window>,
    pub(super) pulse: Arc<Pulse>,
}

impl Worker {
    /// Runs to the end of the load, or until nobody waits for it.
    pub(super) fn run(
        self,
        runtime: &Runtime,
        events: mpsc::UnboundedSender<Event>,
        start: watch::Receiver<Option<Start>>,
    ) {
        runtime.block_on(LocalSet::new().run_until(self.work(events, start)));
    }

    async fn work(
        self,
        events: mpsc::UnboundedSender<Event>,
        mut start: watch::Receiver<Option<Start>>,
    ) {
        let members: Rc<[HttpUrl]> = self.members.clone().into();
        let connections: Vec<Rc<Connection>> = (self.number..self.connections)
            .step_by(self.threads)
            .map(|number| Rc::new(Connection::new(members.clone(), number, self.patience)))
            .collect();
        // Nobody listens once the run was given up.
        let _ = events.send(Event::Ready(self.prepare(&connections).await));
        let Ok(started) = start.wait_for(Option::is_some).await.map(|start| start.clone()) else {
            return;
        };
        let tally = self.load(connections, started.expect("it was waited for")).await;
        let _ = events.send(Event::Done(Box::new(tally)));
    }

    async fn prepare(&self, connections: &[Rc<Connection>]) -> Result<(), Trouble> {
        let mut filling = JoinSet::new();
        for (place, connection) in connections.iter().enumerate() {
            let number = place * self.threads + self.number;
            filling.spawn_local(self.clone().fill(connection.clone(), number));
        }
        filling.join_all().await.into_iter().collect()
    }

    /// Connects, and writes the keys that fall to this connection.
    async fn fill(self, connection: Rc<Connection>, number: usize) -> Result<(), Trouble> {
        // If a member is away, its requests fail and are counted.
        let _ = connection.open().await;
        if self.fill == Fill::Skipped {
            return Ok(());
        }
        let mut draws = Draws::new(self.plan.clone(), self.pool.clone(), u64::MAX);
        for batch in (0..self.plan.fill_batches()).skip(number).step_by(self.connections) {
            let request = draws.fill(batch);
            let mut tries = FILL_TRIES;
            while let Err(trouble) = connection.call(request.method, request.frame.clone()).await {
                tries -= 1;
                if tries == 0 {
                    return Err(trouble);
                }
                sleep(REDIAL_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn load(&self, connections: Vec<Rc<Connection>>, start: Start) -> Tally {
        let end = start.window.end();
        let arrivals = |rate| Arrivals::new(start.window.origin, rate, self.number, self.threads);
        let arrivals = self.rate.map(arrivals);
        let load = Rc::new(Load { arrivals, start, tally: RefCell::new(Tally::new()) });
        let mut tasks = JoinSet::new();
        if load.arrivals.is_some() {
            tasks.spawn_local(load.clone().release(end));
        }
        for number in 0..self.clients {
            let connection = number % self.connections;
            if connection % self.threads == self.number {
                let connection = connections[connection / self.threads].clone();
                let number = u64::try_from(number).expect("there are few");
                let draws = Draws::new(self.plan.clone(), self.pool.clone(), number);
                tasks.spawn_local(load.clone().ask(connection, draws));
            }
        }
        tasks.join_all().await;
        let mut tally = load.tally.replace(Tally::new());
        let unsent = load.arrivals.as_ref().map_or(0, |arrivals| arrivals.unsent(end));
        if 0 < unsent {
            tally.troubles.add(Trouble::Unsent, unsent);
        }
        tally
    }
}

/// What the clients of a thread share.
#[derive(Debug)]
struct Load {
    /// When requests are due, in an open loop.
    arrivals: Option<Arrivals>,
    start: Start,
    tally: RefCell<Tally>,
}

impl Load {
    async fn release(self: Rc<Self>, end: Option<Instant>) {
        let Some(arrivals) = &self.arrivals else { return };
        let released = arrivals.release(end).await;
        arrivals.close();
        released.expect("a timer takes one file descriptor");
    }

    /// One client: asks, waits for the answer, and asks again until the time is over.
    async fn ask(self: Rc<Self>, connection: Rc<Connection>, mut draws: Draws) {
        while let Some(due) = self.due().await {
            let admission = self.start.window.admit(due);
            if admission == Admission::Over {
                break;
            }
            let request = draws.request();
            let answer = connection.call(request.method, request.frame).await;
            let trouble = answer.err();
            let is_unreachable = trouble == Some(Trouble::Unreachable);
            self.on_end(admission, request.kind, due, trouble);
            if is_unreachable {
                sleep(REDIAL_PAUSE).await;
            }
        }
        if let Some(arrivals) = &self.arrivals {
            arrivals.close();
        }
    }

    /// When the next request is due; nothing once no more are made.
    async fn due(&self) -> Option<Instant> {
        match &self.arrivals {
            None => Some(Instant::now()),
            Some(arrivals) => arrivals.next().await,
        }
    }

    fn on_end(&self, admission: Admission, kind: Kind, due: Instant, trouble: Option<Trouble>) {
        let now = Instant::now();
        match &trouble {
            None => self.start.pulse.on_answer(now),
            Some(_) if admission == Admission::Counted => self.start.pulse.on_trouble(),
            Some(_) => (),
        }
        let end = Ended { admission, kind, latency: now - due, at: now };
        self.tally.borrow_mut().on_end(&self.start.window, end, trouble);
    }
}
