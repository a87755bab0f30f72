//! `inspect`: what lies in a member's data directory, without changing a byte of it.

mod view;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use quorate_server::{Wanted, look};

use crate::exit::{Exit, Failure, Form};
use crate::output::{ByteForm, Format, Printer};

/// The end of the help.
pub(crate) const NOTES: &str = "\
Examples:
  quorate inspect /var/lib/quorate          whose it is, its log, its state
  quorate inspect data --records 50         and the last 50 records of the log
  quorate inspect data --from 1000 --records 20
  quorate inspect backup-of-data -w json    read-only copies will do

Nothing is ever written or repaired. Damaged places are told with file and
offset; the exit code is 1 if there are any, or if a server would not start.
While a server has the directory open, its newest bytes may look torn.";

/// The flags of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectFlags {
    /// The data directory of a member
    directory: PathBuf,
    /// How many records of the log to print
    #[arg(long, value_name = "N", default_value = "10")]
    records: usize,
    /// Print those from this index on, and not the last ones
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,
    /// The form of the output
    #[arg(short = 'w', long, value_name = "FORM", default_value = "simple")]
    write_out: InspectForm,
}

/// The forms that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InspectForm {
    /// What people read.
    Simple,
    /// One JSON document on a line.
    Json,
}

/// Reads the directory, and prints what is in it.
pub(crate) fn run(flags: &InspectFlags) -> Result<(), Failure> {
    let (format, form) = match flags.write_out {
        InspectForm::Simple => (Format::Simple, Form::Text),
        InspectForm::Json => (Format::Json, Form::Json),
    };
    let wanted = Wanted { from: flags.from, count_max: flags.records };
    let seen = look(&flags.directory, wanted).map_err(|error| {
        Failure::error(error).in_form(form).with_advice(
            "A data directory has the files `identity`, `wal` and `kv`: name that of one member, \
             as in `quorate inspect demo/n1`",
        )
    })?;
    Printer::new(format, ByteForm::Raw).print(&seen)?;
    if view::is_sound(&seen) { Ok(()) } else { Err(Failure::told(Exit::Error)) }
}
