//! `watch -i`: what to watch comes as lines on standard input.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::watch::{self, WatchFlags};
use super::watching::Watching;
use super::words::words;
use crate::client_flags::Context;
use crate::etcdctl;
use crate::exit::{Exit, Failure, Personality};
use crate::output;

/// Reads lines of `watch ...` and `progress` until the input ends: an error, as for etcdctl.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut watches =
        Watches { context: context.clone(), running: JoinSet::new(), asked: Vec::new() };
    loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => watches.on_line(&line).await?,
                Ok(None) => return Err(ended("EOF")),
                Err(error) => return Err(ended(&error.to_string())),
            },
            Some(ended) = watches.running.join_next() => {
                on_end(ended.expect("a watch does not panic"))?;
            }
        }
    }
}

fn ended(why: &str) -> Failure {
    Failure::new(Exit::InvalidInput, format!("Error reading watch request line: {why}"))
}

/// The watches that were asked for.
struct Watches {
    context: Context,
    running: JoinSet<Result<(), Failure>>,
    /// Where each is asked how far it is.
    asked: Vec<UnboundedSender<()>>,
}

impl Watches {
    async fn on_line(&mut self, line: &str) -> Result<(), Failure> {
        let words = words(line).unwrap_or_default();
        match words.first().map(String::as_str) {
            Some("watch") => self.on_watch(line, words).await,
            Some("progress") => {
                self.asked.retain(|asked| asked.send(()).is_ok());
                Ok(())
            }
            Some(_) => {
                output::complain(format_args!("Invalid command {line} (only support watch)"));
                Ok(())
            }
            None => {
                output::complain(format_args!(
                    "Invalid command: {line} (watch and progress supported)"
                ));
                Ok(())
            }
        }
    }

    async fn on_watch(&mut self, line: &str, words: Vec<String>) -> Result<(), Failure> {
        let flags = flags_of(words, self.context.personality)?;
        if !flags.names_key() {
            output::complain(format_args!(
                "Invalid command {line} (command type or key is not provided)"
            ));
            return Ok(());
        }
        let exec = flags.exec().to_vec();
        let request = match flags.request() {
            Ok(request) => request,
            Err(failure) => {
                output::complain(format_args!("Invalid command {line} ({})", failure.message()));
                return Ok(());
            }
        };
        let watching = Watching::start(&self.context.session, request).await?;
        let (asked, asks) = mpsc::unbounded_channel();
        self.asked.push(asked);
        self.running.spawn(follow(watching, exec, asks, self.context.clone()));
        Ok(())
    }
}

/// The end of one watch does not end the others.
fn on_end(ended: Result<(), Failure>) -> Result<(), Failure> {
    match ended {
        Err(failure) if failure.exit() != Exit::Interrupted => Err(failure),
        _ => Ok(()),
    }
}

fn flags_of(words: Vec<String>, personality: Personality) -> Result<WatchFlags, Failure> {
    let parser = WatchFlags::augment_args(Command::new("watch")).args_override_self(true);
    let parser = parser.disable_help_flag(true);
    let parser = match personality {
        Personality::Quorate => parser,
        Personality::Etcdctl => etcdctl::lenient(parser),
    };
    if words.last().is_some_and(|word| word == "--") {
        return Err(etcdctl::separator_without_command());
    }
    let words = words.into_iter().map(OsString::from);
    let read = parser
        .try_get_matches_from(words)
        .and_then(|matches| WatchFlags::from_arg_matches(&matches));
    read.map_err(|error| Failure::usage(etcdctl::first_line(&error)))
}

async fn follow(
    mut watching: Watching,
    exec: Vec<OsString>,
    mut asks: UnboundedReceiver<()>,
    context: Context,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            response = watching.next() => watch::tell(&response?, &exec, &context).await?,
            Some(()) = asks.recv() => watching.ask_progress().await,
        }
    }
}
