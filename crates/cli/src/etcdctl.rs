//! Called as `etcdctl`, through a link of that name: etcdctl's flags, texts and exit codes.
//!
//! The commands are the same; what differs is how arguments are read. Go's flags take
//! `--flag=false` for what is either there or not, may stand before the command, and tell a wrong
//! flag (exit code 1) from arguments that make no sense (128).

use std::ffi::OsString;

use clap::builder::{BoolishValueParser, ValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use crate::exit::{Exit, Failure};

/// The version whose behaviour this is, which etcdctl prints.
pub(crate) const VERSION: &str = "3.4.23";

/// Commands that ignore what follows their arguments, with the command they belong to.
const IGNORING_MORE: [(&str, &str); 6] = [
    ("etcdctl", "put"),
    ("etcdctl", "get"),
    ("etcdctl", "del"),
    ("txn", "put"),
    ("txn", "get"),
    ("txn", "del"),
];

/// The same command line, read as Go reads it.
pub(crate) fn lenient(command: Command) -> Command {
    let parent = command.get_name().to_owned();
    command.mut_args(lenient_flag).mut_subcommands(|command| {
        let ignores_more = IGNORING_MORE.contains(&(parent.as_str(), command.get_name()))
            || (command.get_name() == "list" && parent != "alarm");
        let command = if ignores_more { command.arg(more()) } else { command };
        lenient(command)
    })
}

fn more() -> Arg {
    let more = Arg::new("more").num_args(0..).hide(true).action(ArgAction::Append);
    more.value_parser(ValueParser::os_string())
}

/// What is printed where a group of commands is named and none of it, which is no error.
pub(crate) fn help_instead(
    error: &clap::Error,
    mut line: Command,
    words: &[OsString],
) -> Option<String> {
    let is_missing = matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingSubcommand
            | ErrorKind::InvalidSubcommand
    );
    if !is_missing {
        return None;
    }
    line.build();
    let group = line
        .get_subcommands_mut()
        .find(|group| group.has_subcommands() && words.iter().any(|word| word == group.get_name()));
    match group {
        Some(group) => Some(group.render_help().to_string()),
        None if error.kind() == ErrorKind::InvalidSubcommand => None,
        None => Some(line.render_help().to_string()),
    }
}

fn lenient_flag(argument: Arg) -> Arg {
    if argument.is_positional() {
        // What begins with a dash is a flag, unless it stands behind `--`.
        return argument.allow_hyphen_values(false).allow_negative_numbers(false);
    }
    if !matches!(argument.get_action(), ArgAction::SetTrue) {
        return argument;
    }
    argument
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .value_parser(BoolishValueParser::new())
}

/// What etcdctl would make of arguments that cannot be read.
pub(crate) fn failure_of(error: &clap::Error) -> Failure {
    Failure::new(exit_of(error), first_line(error))
}

/// The same for an operation of a transaction.
pub(crate) fn failure_of_operation(error: &clap::Error, line: &str) -> Failure {
    match exit_of(error) {
        Exit::Error => Failure::new(Exit::InvalidInput, format!("invalid txn request: {line}")),
        _ => failure_of(error),
    }
}

/// etcdctl reads numbers and durations of flags as flags, words of flags and its arguments itself.
fn exit_of(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::ArgumentConflict
        | ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues => Exit::Usage,
        ErrorKind::UnknownArgument if !is_flag(error) => Exit::Usage,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => match argument_of(error) {
            text if text.starts_with("--order") || text.starts_with("--sort-by") => {
                Exit::BadFeature
            }
            text if text.starts_with("--consistency") || text.starts_with("--write-out") => {
                Exit::BadFeature
            }
            text if text.starts_with("--lease") => Exit::Usage,
            text if text.starts_with('-') || text.contains("REVISION") => Exit::Error,
            _ => Exit::Usage,
        },
        _ => Exit::Error,
    }
}

fn argument_of(error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    }
}

fn is_flag(error: &clap::Error) -> bool {
    argument_of(error).starts_with('-')
}

/// What clap says first, without what else it says.
pub(crate) fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

/// `watch foo --`, and nothing behind it.
pub(crate) fn separator_without_command() -> Failure {
    Failure::usage("bad number of arguments (found separator --, but no commands)")
}
