//! The command line as a whole: its subcommands, and which code runs for each.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::client::ClientCommand;
use crate::client_flags::{self, ClientFlags, LegacyFlags};
use crate::code::Code;
use crate::demo::{self, DemoFlags};
use crate::environment::Variables;
use crate::etcdctl;
use crate::exit::{Exit, Failure, Personality};
use crate::explain::{self, ExplainFlags};
use crate::inspect::{self, InspectFlags};
use crate::lab::{self, LabFlags};
use crate::output;
use crate::program::ProgramCommand;
use crate::refused;
use crate::serve;
use crate::serve_flags::{Origin, Origins, ServeFlags};
use crate::sim::{self, SimFlags};
use crate::usage;

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
    #[command(after_help = DEMO_NOTES)]
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
    /// Look at a member's data directory without changing it
    #[command(after_help = inspect::NOTES)]
    Inspect(InspectFlags),
    #[command(flatten)]
    Client(ClientCommand),
    /// Tell more of an error that has a code, such as E-NOQUORUM
    #[command(after_help = explain::NOTES)]
    Explain(ExplainFlags),
    #[command(flatten)]
    Program(ProgramCommand),
}

/// Reads, writes and looks after a cluster through the etcd v3 API, as etcdctl 3.4 does
#[derive(Debug, Parser)]
#[command(name = "etcdctl", term_width = 80, args_override_self = true)]
#[command(disable_version_flag = true, after_help = ETCDCTL_NOTES)]
struct EtcdctlCli {
    #[command(flatten)]
    client: ClientFlags,
    #[command(flatten)]
    legacy: LegacyFlags,
    #[command(subcommand)]
    command: EtcdctlCommand,
}

#[derive(Debug, Subcommand)]
enum EtcdctlCommand {
    #[command(flatten)]
    Client(ClientCommand),
    #[command(flatten)]
    Program(ProgramCommand),
}

const NOTES: &str = "\
Examples:
  quorate demo                 start three members, with keys to break them
  quorate put hello world      write
  quorate get hello            read
  quorate status               who leads, who is down, how much more may fail

`quorate COMMAND --help` has the flags of a command.";

const DEMO_NOTES: &str = "\
Examples:
  quorate demo                           three members on Raft
  quorate demo --engine paxos --nodes 5  five on Multi-Paxos
  quorate demo --keep                    their data stays when it ends";

const LAB_NOTES: &str = "\
Examples:
  quorate lab list                          the stories
  quorate lab run figure-8                  tell one
  quorate lab run council-3 --lang zh       in Chinese

Stories are played by the real engines on the simulator. Each ends in checks;
the exit code is 1 if one does not hold.";

const SERVE_NOTES: &str = "\
Examples:
  quorate serve --data-dir data               a cluster of one
  quorate serve --data-dir data --engine paxos
  quorate serve --name a --data-dir a.quorate \\
    --listen-client-urls http://10.0.0.1:2379 \\
    --advertise-client-urls http://10.0.0.1:2379 \\
    --listen-peer-urls http://10.0.0.1:2380 \\
    --initial-advertise-peer-urls http://10.0.0.1:2380 \\
    --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380

Each flag can be an environment variable instead: ETCD_NAME for --name, and so
on. URLS are http://HOST:PORT, several separated by commas.";

const ETCDCTL_NOTES: &str = "\
This is quorate, called by another name. Each flag above can be an environment
variable instead: ETCDCTL_ENDPOINTS for --endpoints, and so on.";

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let personality = personality_of(&arguments);
    let ended = match personality {
        Personality::Quorate => {
            run_quorate(arguments.clone()).map_err(|stop| stop.coded(&arguments))
        }
        Personality::Etcdctl => run_etcdctl(arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Clap(error)) => {
            // There is nowhere to report that the report failed.
            let _ = error.print();
            let code = if error.use_stderr() { Exit::Usage.code(personality) } else { 0 };
            ExitCode::from(code)
        }
        Err(Stop::Failure(failure)) => {
            if let Some(text) = failure.text(personality) {
                // The same.
                let _ = writeln!(io::stderr(), "{}", painted(&text, personality));
            }
            ExitCode::from(failure.exit().code(personality))
        }
    }
}

/// With the code in red, where there are colours.
fn painted(text: &str, personality: Personality) -> String {
    match text.split_once(": ") {
        Some((begin, rest))
            if personality == Personality::Quorate && begin.starts_with("error") =>
        {
            let paint = output::Paint::of(&io::stderr());
            format!("{}: {rest}", paint.apply(output::Colour::Red, begin))
        }
        _ => text.to_owned(),
    }
}

/// The name of the program decides, whatever path leads to it.
fn personality_of(arguments: &[OsString]) -> Personality {
    let path = arguments.first().map(Path::new);
    match path.and_then(Path::file_stem).and_then(OsStr::to_str) {
        Some("etcdctl") => Personality::Etcdctl,
        _ => Personality::Quorate,
    }
}

fn run_quorate(mut arguments: Vec<OsString>) -> Result<(), Stop> {
    // As compilers have it.
    if arguments.get(1).is_some_and(|first| first == "--explain") {
        arguments[1] = "explain".into();
    }
    let (matches, unknown_variables) = parse(arguments)?;
    let cli = Cli::from_arg_matches(&matches).map_err(Stop::Clap)?;
    dispatch(cli, &matches, &unknown_variables)
}

fn dispatch(cli: Cli, matches: &ArgMatches, unknown_variables: &[String]) -> Result<(), Stop> {
    match cli.command {
        Command::Demo(flags) => demo::run(&flags)?,
        Command::Lab(flags) => lab::run(&flags)?,
        Command::Sim(flags) => sim::run(&flags)?,
        Command::Inspect(flags) => inspect::run(&flags)?,
        Command::Explain(flags) => explain::run(&flags)?,
        Command::Serve(flags) => serve::run(*flags, origins(matches), unknown_variables)?,
        Command::Program(program) => program.run(command(), Personality::Quorate)?,
        Command::Client(client) => {
            let flags = ClientFlags::from_arg_matches(deepest(matches)).map_err(Stop::Clap)?;
            client.run(&flags.context(Personality::Quorate))?;
        }
    }
    Ok(())
}

fn run_etcdctl(arguments: Vec<OsString>) -> Result<(), Stop> {
    if arguments.last().is_some_and(|last| last == "--") && arguments.iter().any(|it| it == "watch")
    {
        return Err(etcdctl::separator_without_command().into());
    }
    let matches = match with_client_variables(arguments.clone(), 1, &etcdctl_command()) {
        Err(Stop::Clap(error)) if error.use_stderr() => {
            let help = etcdctl::help_instead(&error, etcdctl_command(), &arguments);
            let help = help.ok_or_else(|| etcdctl::failure_of(&error))?;
            return Ok(output::flush(help.as_bytes())?);
        }
        read => read?,
    };
    let cli = EtcdctlCli::from_arg_matches(&matches).map_err(Stop::Clap)?;
    cli.legacy.check()?;
    let flags = ClientFlags::from_arg_matches(deepest(&matches)).map_err(Stop::Clap)?;
    flags.check_etcdctl()?;
    match cli.command {
        EtcdctlCommand::Program(program) => program.run(etcdctl_command(), Personality::Etcdctl)?,
        EtcdctlCommand::Client(client) => client.run(&flags.context(Personality::Etcdctl))?,
    }
    Ok(())
}

/// The arguments of the command that runs, below the commands it belongs to.
fn deepest(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| deepest(below))
}

/// Why nothing more is run.
#[derive(Debug)]
enum Stop {
    /// The arguments ask for help, or make no sense.
    Clap(clap::Error),
    /// The command failed.
    Failure(Failure),
}

impl Stop {
    /// The same, with a code if these words make no sense.
    fn coded(self, words: &[OsString]) -> Self {
        match self {
            Self::Clap(error) => match usage::failure_of(&error, &command(), words) {
                Some(failure) => Self::Failure(failure),
                None => Self::Clap(error),
            },
            told @ Self::Failure(_) => told,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Reads the arguments, and the environment for those commands that look at it.
///
/// Gives as well the variables for `serve` that stand for nothing.
fn parse(arguments: Vec<OsString>) -> Result<(ArgMatches, Vec<String>), Stop> {
    let name = arguments.get(1).cloned().unwrap_or_default();
    if name == "serve" {
        return parse_serve(arguments);
    }
    let is_client = client_commands().any(|client| name == client.as_str());
    if is_client {
        // After the name of the command, and before the flags that outweigh them.
        return Ok((with_client_variables(arguments, 2, &command())?, Vec::new()));
    }
    Ok((matches_of(&arguments)?, Vec::new()))
}

fn parse_serve(mut arguments: Vec<OsString>) -> Result<(ArgMatches, Vec<String>), Stop> {
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
    Ok((matches, variables.unknown(&flags)))
}

/// Reads arguments of a client command, with the variables that stand for some of them put in.
fn with_client_variables(
    mut arguments: Vec<OsString>,
    place: usize,
    command: &clap::Command,
) -> Result<ArgMatches, Stop> {
    let read = |arguments: &[OsString]| {
        command.clone().try_get_matches_from(arguments).map_err(Stop::Clap)
    };
    let given = read(&arguments)?;
    let (from_environment, names) = client_flags::from_environment();
    if from_environment.is_empty() {
        return Ok(given);
    }
    arguments.splice(place..place, from_environment);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    read(&arguments).map_err(|stop| blame(stop, &names))
}

fn matches_of(arguments: &[OsString]) -> Result<ArgMatches, Stop> {
    command().try_get_matches_from(arguments).map_err(Stop::Clap)
}

/// The command line, with one form of help: the short one, however it is asked for.
fn command() -> clap::Command {
    let names: Vec<String> = client_commands().collect();
    with_examples_first(Cli::command()).mut_subcommands(|command| {
        let is_client = names.iter().any(|name| name == command.get_name());
        with_short_help(if is_client { with_client_flags(command) } else { command })
    })
}

/// With the flags of all client commands, and what it says of itself as it was.
fn with_client_flags(command: clap::Command) -> clap::Command {
    let about = command.get_about().cloned();
    let command = ClientFlags::augment_args(command).next_help_heading(None);
    command.about(about.expect("every command says what it does"))
}

/// The same as etcdctl.
fn etcdctl_command() -> clap::Command {
    etcdctl::lenient(with_short_help(EtcdctlCli::command()))
}

/// The order of the parts of a help text: what it is for, and how it looks in use, before all else.
const HELP_TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// With the examples that its notes begin with before its flags.
fn with_examples_first(command: clap::Command) -> clap::Command {
    let Some(notes) = command.get_after_help().map(ToString::to_string) else { return command };
    // They end where a line that is neither empty nor set off follows the heading.
    let is_end = |(at, _): &(usize, &str)| notes[at + 1..].starts_with(|it: char| it > ' ');
    let end = notes.match_indices('\n').find(is_end).map(|(at, _)| at);
    let (examples, rest) = notes.split_at(end.unwrap_or(notes.len()));
    if !examples.starts_with("Example") {
        return command;
    }
    let rest = Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty());
    command
        .help_template(HELP_TEMPLATE)
        .before_help(examples.trim_end().to_owned())
        .after_help(rest.map_or(Resettable::Reset, |rest| Resettable::Value(rest.into())))
}

fn with_short_help(command: clap::Command) -> clap::Command {
    let command = with_examples_first(command);
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort);
    let command = command.disable_help_flag(true);
    command.arg(help.help("Print help")).mut_subcommands(with_short_help)
}

/// The names of the client commands, and other names for them.
fn client_commands() -> impl Iterator<Item = String> {
    let commands = ClientCommand::augment_subcommands(clap::Command::new("quorate"));
    let names = commands.get_subcommands().flat_map(|command| {
        let aliases = command.get_all_aliases().map(str::to_owned);
        aliases.chain([command.get_name().to_owned()]).collect::<Vec<_>>()
    });
    names.collect::<Vec<_>>().into_iter()
}

/// The arguments alone were fine, so it is one of the variables.
fn blame(stop: Stop, variables: &[&str]) -> Stop {
    match stop {
        Stop::Clap(error) if error.kind() != ErrorKind::DisplayHelp => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let reason = first.strip_prefix("error: ").unwrap_or(first);
            let names = variables.join(", ");
            let reason = format!("{reason} (from the environment: {names})");
            Stop::Failure(Failure::coded(Code::Usage, reason))
        }
        other => other,
    }
}

/// Whether URLs were given, or are those of nobody's choice.
fn origins(matches: &ArgMatches) -> Origins {
    let serve = matches.subcommand_matches("serve");
    let origin = |id| match serve.and_then(|serve| serve.value_source(id)) {
        Some(ValueSource::CommandLine) => Origin::Given,
        _ => Origin::Default,
    };
    Origins {
        listen_client_urls: origin("listen_client_urls"),
        advertise_client_urls: origin("advertise_client_urls"),
    }
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
        etcdctl_command().debug_assert();
    }

    #[test]
    fn the_name_decides_the_personality() {
        let personality = |path: &str| personality_of(&[path.into()]);
        assert_eq!(personality("/usr/bin/etcdctl"), Personality::Etcdctl);
        assert_eq!(personality("target/release/quorate"), Personality::Quorate);
    }

    #[test]
    fn flags_of_etcdctl_may_stand_before_the_command_and_have_values() {
        let read = |line: &str| {
            let matches = etcdctl_command().try_get_matches_from(line.split(' ')).unwrap();
            ClientFlags::from_arg_matches(deepest(&matches)).unwrap().context(Personality::Etcdctl)
        };
        let context = read("etcdctl --endpoints=a:1 -w json lease list --hex=false");
        assert_eq!(context.session.targets()[0].text, "a:1");
        assert_eq!(context.printer.format(), output::Format::Json);
        let context = read("etcdctl --endpoints=a:1 get k --endpoints b:2,c:3");
        assert_eq!(context.session.targets().len(), 2);
        let context = read("etcdctl get k --keys-only=true more");
        assert_eq!(context.session.targets()[0].text, "127.0.0.1:2379");
    }
}
