//! `lock`: a lock that is held while a command runs, or until this process is told to end.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use bytes::Bytes;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind, signal};

use super::block_on;
use super::lease_session::LeaseSession;
use super::owner::{self, Claim};
use crate::client_flags::Context;
use crate::connect::Session;
use crate::exit::{Exit, Failure};
use crate::output;

/// The end of the help of `lock`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate lock backup ./backup.sh     run it while nobody else does
  quorate lock backup                 hold the lock until Ctrl-C
  quorate lock backup --ttl 60 -- tar -c -f data.tar data

Without a command the lock's key is printed once it is held. A command finds it
in ETCD_LOCK_KEY and its revision in ETCD_LOCK_REV, and its exit code becomes
this one's. The lock ends with this process: at once when that can say so, else
after --ttl seconds.";

/// The flags of `lock`.
#[derive(Args, Debug)]
pub(crate) struct LockFlags {
    /// The name of the lock
    name: OsString,
    /// A command to run while it is held
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    exec: Vec<OsString>,
    /// Seconds after which the lock of a process that is gone ends
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    ttl: i64,
}

/// What tells this process to end.
pub(crate) struct Stop {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Stop {
    /// Takes the signals from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::error);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them, and says which it is.
    pub(crate) async fn told(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}

/// Holds the lock.
pub(crate) fn run(flags: &LockFlags, context: &Context) -> Result<(), Failure> {
    context.printer.assert_simple_form()?;
    block_on(async {
        let mut stop = Stop::listen()?;
        let session = context.session.patient();
        let mut lease = LeaseSession::grant(&session, flags.ttl).await?;
        let held = hold(flags, context, &session, &mut lease, &mut stop).await;
        // Its key goes with the lease.
        let revoked = lease.revoke(&session).await;
        held.and(revoked)
    })
}

async fn hold(
    flags: &LockFlags,
    context: &Context,
    session: &Session,
    lease: &mut LeaseSession,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let (name, id) = (flags.name.clone().into_vec(), lease.id());
    let value = Bytes::new();
    let acquired = tokio::select! {
        acquired = owner::acquire(session, &name, id, &value) => acquired?,
        () = lease.gone() => return Err(Failure::error("session expired")),
        _ = stop.told() => return Err(Failure::error("context canceled")),
    };
    let (claim, revision) = acquired;
    if !flags.exec.is_empty() {
        return run_command(&flags.exec, &claim, revision, lease, stop).await;
    }
    let own = owner::read(session, &claim.key).await?;
    if own.kvs.is_empty() {
        return Err(Failure::error("lock lost on init"));
    }
    context.printer.stream(&own)?;
    tokio::select! {
        () = lease.gone() => Err(Failure::error("session expired")),
        _ = stop.told() => Ok(()),
    }
}

/// Runs the command to its end, whatever happens: the lock is not given up while it runs.
async fn run_command(
    exec: &[OsString],
    claim: &Claim,
    revision: i64,
    lease: &mut LeaseSession,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let mut command = Command::new(&exec[0]);
    command.args(&exec[1..]);
    command.env("ETCD_LOCK_KEY", OsString::from_vec(claim.key.to_vec()));
    command.env("ETCD_LOCK_REV", revision.to_string());
    let spawned = command.spawn();
    let mut child =
        spawned.map_err(|error| Failure::error(format!("exec: {}: {error}", exec[0].display())))?;
    let mut is_lost = false;
    let status = loop {
        tokio::select! {
            ended = child.wait() => break ended.map_err(Failure::error)?,
            // A terminal's Ctrl-C reaches the command by itself.
            signal = stop.told() => if signal == Signal::TERM { terminate(&child) },
            () = lease.gone(), if !is_lost => {
                output::complain("the lock is lost while the command runs: the session expired");
                is_lost = true;
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(Exit::Child(code_of(status)), status.to_string()))
}

/// Passes on that it is to end. It may have ended already.
fn terminate(child: &Child) {
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(id) = id {
        let _ = kill_process(id, Signal::TERM);
    }
}

/// The exit code, or what a shell makes of a signal.
fn code_of(status: ExitStatus) -> u8 {
    /// What shells add to the number of a signal.
    const SIGNAL_BASE: i32 = 128;
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNAL_BASE + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
