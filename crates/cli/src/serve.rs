//! `quorate serve`: one member, until it is told to stop.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use quorate_server::{Config, RealDisk, Server};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Failure;
use crate::logging;
use crate::serve_flags::{Origins, ServeFlags};

/// How long what is still running may take to notice that the server has stopped.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until a signal, a failure, or the end of standard input if that was asked for.
pub(crate) fn run(
    flags: ServeFlags,
    origins: Origins,
    unknown_variables: &[String],
) -> Result<(), Failure> {
    let (level, format) = (flags.log_level, flags.log_format);
    let stops_with_stdin = flags.stop_with_stdin;
    let config = flags.into_config(origins)?;
    logging::start(level, format);
    for name in unknown_variables {
        tracing::warn!(name, "unrecognized environment variable");
    }
    let runtime = Runtime::new().map_err(Failure::error)?;
    let result = runtime.block_on(async {
        let wishes = Wishes::listen(stops_with_stdin)?;
        serve(config, wishes).await
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

async fn serve(config: Config, mut wishes: Wishes) -> Result<(), Failure> {
    let start = Server::start(config, Arc::new(RealDisk), entropy());
    let mut server = tokio::select! {
        server = start => server.map_err(Failure::error)?,
        reason = wishes.stop() => {
            tracing::info!(reason, "stopped before it had started");
            return Ok(());
        }
    };
    tokio::select! {
        failure = server.failed() => return Err(Failure::error(failure)),
        reason = wishes.stop() => tracing::info!(reason, "stopping"),
    }
    tokio::select! {
        () = server.stop() => Ok(()),
        _ = wishes.signal() => Err(Failure::error("a second signal came before the server had \
            stopped; what was acknowledged is safe, the next start takes longer")),
    }
}

/// Different at every start.
pub(crate) fn entropy() -> u64 {
    // The hasher's keys come from the system's random numbers.
    RandomState::new().hash_one((process::id(), SystemTime::now()))
}

/// Everything that can ask the server to stop.
#[derive(Debug)]
struct Wishes {
    terminate: Signal,
    interrupt: Signal,
    stdin_ended: Option<oneshot::Receiver<()>>,
}

impl Wishes {
    /// Begins to listen. Must be called in a runtime.
    fn listen(with_stdin: bool) -> Result<Self, Failure> {
        let handler = |kind| signal(kind).map_err(Failure::error);
        Ok(Self {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
            stdin_ended: with_stdin.then(watch_stdin),
        })
    }

    /// Waits for one of them, and names it.
    async fn stop(&mut self) -> &'static str {
        let Some(stdin_ended) = &mut self.stdin_ended else { return self.signal().await };
        tokio::select! {
            _ = stdin_ended => "standard input ended",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Waits for a signal, and names it.
    async fn signal(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Tells when standard input ends. It has a thread of its own, which a runtime would wait for.
fn watch_stdin() -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while io::stdin().read(&mut buffer).is_ok_and(|count| 0 < count) {}
        // The server may have stopped for another reason.
        let _ = sender.send(());
    });
    ended
}
