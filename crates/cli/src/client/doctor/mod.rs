//! `doctor`: measures what a cluster depends on, and says for each finding what to do about it.

mod cluster;
mod finding;
mod machine;
mod members;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::block_on;
use crate::client_flags::Context;
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::survey;
use finding::{Finding, Findings, Level};

/// The end of the help of `doctor`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate doctor                            all that can be asked from here
  quorate doctor --data-dir /var/lib/quorate    and how fast that disk syncs
  quorate doctor -w json

The timing that Raft and Multi-Paxos need is broadcastTime << electionTimeout <<
MTBF: a round of messages and syncs, far less than what is waited for a silent
leader, far less than the time between failures of a machine. The first two are
measured; of the third only how often leaders changed is known.

The probe of a disk writes at most 800 KiB within 3 seconds into a file without
a name. The exit code is 0 if all is well, 1 if something is to be done, 69 if
the cluster does not serve.";

/// The longest wait for one member, unless --command-timeout allows less.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// The flags of `doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorFlags {
    /// Measure how long writes to the disk of this directory take
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Looks at everything, and prints what it finds.
pub(crate) fn run(flags: &DoctorFlags, context: &Context) -> Result<(), Failure> {
    let session = &context.session;
    let limit = ANSWER_MAX.min(session.timeout());
    let taken = block_on(async { Ok(survey::take(session.targets(), limit).await) })?;
    let mut all = Vec::new();
    match &taken {
        Ok(survey) => {
            all.push(cluster::standing(survey));
            all.extend(cluster::of(survey));
            all.extend(members::of(survey));
        }
        Err(unreached) => all.push(nobody(unreached)),
    }
    all.extend(machine::of(flags.data_dir.as_deref()));
    let findings = Findings(all);
    context.printer.print(&findings)?;
    let serves = taken.is_ok_and(|survey| survey.serves());
    match findings.worst() {
        _ if !serves => Err(Failure::told(Exit::Unavailable)),
        Level::Fine => Ok(()),
        Level::Warning | Level::Bad => Err(Failure::told(Exit::Error)),
    }
}

fn nobody(unreached: &[(quorate_server::HttpUrl, connect::Unreached)]) -> Finding {
    let failure = connect::nobody(unreached);
    Finding::bad("cluster", failure.message(), failure.next().unwrap_or_default())
}
