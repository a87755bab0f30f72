//! `status`: all members in one table, and in one sentence what that means.

mod view;

use std::time::Duration;

use clap::Args;

use super::block_on;
use crate::client_flags::Context;
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::survey::{self, Standing};

/// The end of the help of `status`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate status                                all members, found through one
  quorate status --endpoints 10.0.0.4:2379 -w json
  quorate status || echo \"look after it\"

LAG is how many entries of the leader's log are not known to be durable on the
member. RTT is the time of a connection from the leader to it. SYNC P99 is what
99 of 100 writes to its log took with their sync, since it was started.

The exit code is 0 if all is well, 1 if the cluster serves and something does
not work, 69 if there is no leader or no quorum, or nobody answers.";

/// The longest wait for one member, unless --command-timeout allows less.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The flags of `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusFlags {}

/// Asks all members, and prints what they say.
pub(crate) fn run(_: &StatusFlags, context: &Context) -> Result<(), Failure> {
    let session = &context.session;
    let limit = ANSWER_MAX.min(session.timeout());
    let taken = block_on(async { Ok(survey::take(session.targets(), limit).await) })?;
    let survey = taken.map_err(|unreached| connect::nobody(&unreached))?;
    context.printer.print(&survey)?;
    match survey.standing() {
        Standing::Healthy => Ok(()),
        Standing::Degraded => Err(Failure::told(Exit::Error)),
        Standing::NoLeader | Standing::NoQuorum => Err(Failure::told(Exit::Unavailable)),
    }
}
