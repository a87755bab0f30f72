//! `status`: all members in one table, and in one sentence what that means.

mod ticking;
mod view;

use std::time::Duration;

use clap::Args;

use self::ticking::Period;
use self::view::{View, Width};
use super::block_on;
use crate::client_flags::Context;
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::logging;
use crate::survey::{self, Standing};

/// The end of the help of `status`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate status                                all members, found through one
  quorate status --watch                        again every second, until Ctrl-C
  quorate status --watch 5 -w json >> log       a line of JSON every 5 seconds
  quorate status || echo \"look after it\"

LAG is how many entries of the leader's log are not known to be durable on the
member. RTT is the time of a connection from the leader to it. SYNC P99 is what
99 of 100 writes to its log took with their sync, since it was started.

The exit code is 0 if all is well, 1 if the cluster serves and something does
not work, 69 if there is no leader or no quorum, or nobody answers. With --watch
it is 0 whatever was seen.";

/// The longest wait for one member, unless --command-timeout allows less.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The flags of `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusFlags {
    /// Show all columns, names and addresses in full, however long the lines
    #[arg(long)]
    wide: bool,
    /// Go on, with a pause of so many seconds [default: 1]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1")]
    watch: Option<Period>,
}

/// Asks all members, and prints what they say.
pub(crate) fn run(flags: &StatusFlags, context: &Context) -> Result<(), Failure> {
    if let Some(period) = flags.watch {
        return block_on(ticking::watch(period, flags.width(), context));
    }
    let view = block_on(look(flags.width(), context))?;
    context.printer.print(&view)?;
    match view.standing() {
        Standing::Healthy => Ok(()),
        Standing::Degraded => Err(Failure::told(Exit::Error)),
        Standing::NoLeader | Standing::NoQuorum => Err(Failure::told(Exit::Unavailable)),
    }
}

/// How the members are now.
async fn look(width: Width, context: &Context) -> Result<View, Failure> {
    let session = &context.session;
    let time = logging::timestamp();
    let limit = ANSWER_MAX.min(session.timeout());
    let taken = survey::take(session.targets(), limit).await;
    let survey = taken.map_err(|unreached| connect::nobody(&unreached))?;
    Ok(View { survey, time, width })
}

impl StatusFlags {
    fn width(&self) -> Width {
        if self.wide { Width::Wide } else { Width::Narrow }
    }
}
