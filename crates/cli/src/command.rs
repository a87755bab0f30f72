//! The command line as a whole: its subcommands, and which code runs for each.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::demo::{self, DemoFlags};
use crate::environment::Variables;
use crate::exit::{Exit, Failure};
use crate::kv::{self, DelFlags, GetFlags, PutFlags};
use crate::lab::{self, LabFlags};
use crate::refused;
use crate::serve;
use crate::serve_flags::{Origin, Origins, ServeFlags};
use crate::sim::{self, SimFlags};

/// A replicated, strongly consistent key-value store that speaks the etcd v3 API
#[derive(Debug, Parser)]
#[command(name = "quorate", version, term_width = 80, args_override_self = true)]
#[command(disable_help_subcommand = true, override_usage = "quorate COMMAND", after_help = NOTES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a cluster to try things on, and break it by pressing keys
    Demo(DemoFlags),
    /// Run one member of a cluster
    #[command(after_help = SERVE_NOTES)]
    Serve(Box<ServeFlags>),
    /// Watch Raft and Paxos at work, and at their limits, as stories
    #[command(after_help = LAB_NOTES)]
    Lab(LabFlags),
    /// Search simulated clusters for runs in which something goes wrong
    #[command(after_help = sim::EXAMPLES)]
    Sim(SimFlags),
    /// Write a key
    #[command(after_help = CLIENT_NOTES)]
    Put(PutFlags),
    /// Read a key, or a range of keys
    #[command(after_help = CLIENT_NOTES)]
    Get(GetFlags),
    /// Delete a key, or a range of keys
    #[command(after_help = CLIENT_NOTES)]
    Del(DelFlags),
}

const NOTES: &str = "\
Try it:
  quorate demo                 start three members, with keys to break them
  quorate put hello world      write
  quorate get hello            read

`quorate COMMAND --help` has the flags of a command.";

const LAB_NOTES: &str = "\
Examples:
  quorate lab list                          the stories
  quorate lab run figure-8                  tell one
  quorate lab run council-3 --lang zh       in Chinese

Stories are played by the real engines on the simulator. Each ends in checks;
the exit code is 1 if one does not hold.";

const SERVE_NOTES: &str = "\
Each flag can be an environment variable instead: ETCD_NAME for --name, and so
on. URLS are http://HOST:PORT, several separated by commas.";

const CLIENT_NOTES: &str = "\
The exit code is 0 for success, 1 for a refusal, 2 for wrong usage, 69 if the
cluster cannot be reached and nothing was done, 75 if a write may or may not
have happened.";

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match parse(arguments).and_then(|(cli, context)| dispatch(cli, &context)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Clap(error)) => {
            // There is nowhere to report that the report failed.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { 0 })
        }
        Err(Stop::Failure(failure)) => {
            // The same.
            let _ = writeln!(io::stderr(), "{failure}");
            failure.code()
        }
    }
}

/// Why nothing more is run.
#[derive(Debug)]
enum Stop {
    /// The arguments ask for help, or make no sense.
    Clap(clap::Error),
    /// The command failed.
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What commands need to know beside their arguments.
#[derive(Debug)]
struct Context {
    origins: Origins,
    unknown_variables: Vec<String>,
}

fn dispatch(cli: Cli, context: &Context) -> Result<(), Stop> {
    match cli.command {
        Command::Demo(flags) => demo::run(&flags)?,
        Command::Lab(flags) => lab::run(&flags)?,
        Command::Sim(flags) => sim::run(&flags)?,
        Command::Put(flags) => kv::put(flags)?,
        Command::Get(flags) => kv::get(flags)?,
        Command::Del(flags) => kv::del(flags)?,
        Command::Serve(flags) => serve::run(*flags, context.origins, &context.unknown_variables)?,
    }
    Ok(())
}

/// Reads the arguments, and for `serve` the environment as well.
fn parse(mut arguments: Vec<OsString>) -> Result<(Cli, Context), Stop> {
    let is_serve = arguments.get(1).is_some_and(|argument| argument == "serve");
    if !is_serve {
        let matches = matches_of(&arguments)?;
        return finish(&matches, Vec::new());
    }
    check_refused(&arguments)?;
    let flags = serve_flag_names();
    let variables =
        Variables::of(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
    let given = matches_of(&arguments)?;
    variables.check_refused()?;
    let serve = given.subcommand_matches("serve").expect("it is the first argument");
    variables.check_conflicts(&flags, serve)?;
    let from_environment = variables.as_arguments(&flags);
    arguments.extend(from_environment.iter().map(|(argument, _)| argument.into()));
    let names: Vec<&str> = from_environment.iter().map(|(_, name)| *name).collect();
    let matches = matches_of(&arguments).map_err(|stop| blame(stop, &names))?;
    finish(&matches, variables.unknown(&flags))
}

fn matches_of(arguments: &[OsString]) -> Result<ArgMatches, Stop> {
    command().try_get_matches_from(arguments).map_err(Stop::Clap)
}

/// The command line, with one form of help: the short one, however it is asked for.
fn command() -> clap::Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort);
    let help = help.help("Print help");
    Cli::command().mut_subcommands(|command| command.disable_help_flag(true).arg(help.clone()))
}

/// The arguments alone were fine, so it is one of the variables.
fn blame(stop: Stop, variables: &[&str]) -> Stop {
    match stop {
        Stop::Clap(error) if error.kind() != ErrorKind::DisplayHelp => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let reason = first.strip_prefix("error: ").unwrap_or(first);
            let names = variables.join(", ");
            Stop::Failure(Failure::usage(format!("{reason} (from the environment: {names})")))
        }
        other => other,
    }
}

fn finish(matches: &ArgMatches, unknown_variables: Vec<String>) -> Result<(Cli, Context), Stop> {
    let cli = Cli::from_arg_matches(matches).map_err(Stop::Clap)?;
    let serve = matches.subcommand_matches("serve");
    let origin = |id| match serve.and_then(|serve| serve.value_source(id)) {
        Some(ValueSource::CommandLine) => Origin::Given,
        _ => Origin::Default,
    };
    let origins = Origins {
        listen_client_urls: origin("listen_client_urls"),
        advertise_client_urls: origin("advertise_client_urls"),
    };
    Ok((cli, Context { origins, unknown_variables }))
}

/// Refuses flags of etcd that this version does not have, in whatever form they are given.
fn check_refused(arguments: &[OsString]) -> Result<(), Failure> {
    for argument in arguments.iter().filter_map(|argument| argument.to_str()) {
        let Some(flag) = argument.strip_prefix("--") else { continue };
        let name = flag.split('=').next().unwrap_or(flag);
        if let Some(absent) = refused::absent(name) {
            return Err(refused::refusal(&format!("--{name}"), absent));
        }
    }
    Ok(())
}

/// The long names of the flags of `serve`.
fn serve_flag_names() -> Vec<String> {
    let command = ServeFlags::augment_args(clap::Command::new("serve"));
    let visible = command.get_arguments().filter(|argument| !argument.is_hide_set());
    visible.filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
