//! `quorate demo`: a cluster of real members with temporary data, and keys to break it with.

mod cluster;
mod input;
mod member;
mod ports;
mod screen;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tempfile::TempDir;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, interval, timeout};

use crate::exit::Failure;
use crate::serve_flags::EngineName;
use cluster::{Cluster, StartFailure};
use input::{Input, Key};
use ports::Preference;

/// How long the members may take to elect a leader, on a slow machine.
const READY_MAX: Duration = Duration::from_mins(1);

/// How long a change is waited for before the keys work again.
const CHANGE_MAX: Duration = Duration::from_secs(15);

/// How often it is noticed that a member has ended.
const LOOK: Duration = Duration::from_millis(250);

/// How many times the members are started: a port that was free may be taken by then.
const ATTEMPTS: u32 = 3;

/// The flags of `demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoFlags {
    /// How many members, from 1 to 7
    #[arg(long, value_name = "N", default_value = "3")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// How members agree
    #[arg(long, default_value = "raft")]
    engine: EngineName,
    /// Keep the data when the demo ends
    #[arg(long)]
    keep: bool,
    /// Take no keys; run until SIGTERM or SIGINT
    #[arg(long)]
    no_keys: bool,
}

/// Runs until it is told to stop.
pub(crate) fn run(flags: &DemoFlags) -> Result<(), Failure> {
    let folder = TempDir::with_prefix("quorate-demo-").map_err(Failure::error)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(Failure::error)?.block_on(play(flags, folder.path()));
    if flags.keep {
        screen::say(&format!("the data stays in {}", folder.keep().display()));
    }
    result
}

async fn play(flags: &DemoFlags, folder: &Path) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::error)?;
    let begun = Instant::now();
    let mut cluster = tokio::select! {
        cluster = start(flags, folder) => cluster?,
        // Dropping a cluster kills its members.
        () = signals.any() => return Ok(()),
    };
    screen::ready(&mut cluster, begun.elapsed(), folder, flags).await;
    let mut input = if flags.no_keys { Input::none() } else { Input::open() };
    loop {
        let key = tokio::select! {
            key = next(&mut cluster, &mut input) => key,
            () = signals.any() => Key::Quit,
        };
        if key == Key::Quit {
            break;
        }
        tokio::select! {
            () = on_key(&mut cluster, key) => {}
            () = signals.any() => break,
        }
    }
    drop(input);
    screen::say("stopping");
    cluster.stop().await;
    Ok(())
}

/// Starts the members, on other ports if one was taken meanwhile.
async fn start(flags: &DemoFlags, folder: &Path) -> Result<Cluster, Failure> {
    let mut attempt = 1;
    loop {
        let preference = if attempt == 1 { Preference::Usual } else { Preference::Any };
        let directory = folder.join(attempt.to_string());
        let mut cluster =
            Cluster::start(flags.nodes.into(), flags.engine.into(), &directory, preference)
                .map_err(|error| Failure::error(format!("no member could be started: {error}")))?;
        match timeout(READY_MAX, cluster.ready()).await {
            Ok(Ok(())) => return Ok(cluster),
            Ok(Err(failure)) if failure.is_listen && attempt < ATTEMPTS => attempt += 1,
            Ok(Err(StartFailure { what, .. })) => return Err(Failure::error(what)),
            Err(_) => return Err(Failure::error(cluster.why_not_ready(READY_MAX))),
        }
    }
}

/// Waits for a key; meanwhile reports members that end by themselves.
async fn next(cluster: &mut Cluster, input: &mut Input) -> Key {
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            key = input.next() => return key,
            _ = look.tick() => {
                for report in cluster.unexpected_ends() {
                    screen::say(&report);
                }
            }
        }
    }
}

async fn on_key(cluster: &mut Cluster, key: Key) {
    match key {
        Key::Kill => kill_leader(cluster).await,
        Key::Restart => restart(cluster).await,
        Key::Status => screen::status(cluster).await,
        Key::Other => screen::say(screen::KEYS),
        Key::Quit => unreachable!("it ends the loop"),
    }
}

async fn kill_leader(cluster: &mut Cluster) {
    let Some(leader) = cluster.leader().await else {
        screen::say("nobody leads, so there is no leader to kill; r restarts what is down");
        return;
    };
    let begun = Instant::now();
    cluster.kill(leader).await;
    let name = cluster.name(leader).to_owned();
    if !cluster.has_quorum() {
        screen::say(&format!(
            "{name} killed (kill -9): no majority is left, so nothing is served until r"
        ));
        return;
    }
    screen::say(&format!("{name} killed (kill -9)"));
    match timeout(CHANGE_MAX, cluster.new_leader()).await {
        Ok(leader) => screen::say(&format!(
            "{} leads after {}; r restarts {name}",
            cluster.name(leader),
            screen::seconds(begun.elapsed())
        )),
        Err(_) => screen::say("no new leader yet; s shows the status"),
    }
}

async fn restart(cluster: &mut Cluster) {
    let begun = Instant::now();
    let names = match cluster.restart() {
        Ok(names) if names.is_empty() => return screen::say("all members are running"),
        Ok(names) => names.join(", "),
        Err(error) => return screen::say(&format!("a member could not be started: {error}")),
    };
    let answered = timeout(CHANGE_MAX, cluster.all_answer()).await;
    screen::say(&match answered {
        Ok(()) => format!("{names} back after {}", screen::seconds(begun.elapsed())),
        Err(_) => format!("{names} not back yet; s shows the status"),
    });
}

/// What ends the demo from outside.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Where a member keeps what it has.
fn directory_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
