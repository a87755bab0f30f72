//! Command lines that make no sense, told as every other error is: with a code and a next step.

use std::ffi::OsString;

use clap::Command;
use clap::error::ErrorKind;

use crate::code::Code;
use crate::exit::{Failure, Form};

/// What begins those of clap's lines that say what may have been meant.
const TIP: &str = "tip: ";

/// What is wrong with these words. `None` if they ask for help, or for nothing, which is as good.
pub(crate) fn failure_of(
    error: &clap::Error,
    line: &Command,
    words: &[OsString],
) -> Option<Failure> {
    let is_help =
        !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help {
        return None;
    }
    let help = format!("`{} --help` shows what there is", named(line, words));
    let mut next: Vec<String> = tips(&error.to_string()).collect();
    next.push(help);
    let failure = Failure::coded(Code::Usage, what_happened(&error.to_string()));
    Some(failure.with_advice(next.join("; ")).in_form(form_of(words)))
}

/// All that clap says before its first empty line, in one.
fn what_happened(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let happened = lines.collect::<Vec<_>>().join(" ");
    happened.strip_prefix("error: ").unwrap_or(&happened).to_owned()
}

fn tips(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| line.trim().strip_prefix(TIP)).map(str::to_owned)
}

/// The command that is meant, with those it belongs to.
fn named(line: &Command, words: &[OsString]) -> String {
    let (mut name, mut command) = (line.get_name().to_owned(), line);
    for word in words.iter().skip(1) {
        let Some(below) = command.find_subcommand(word) else { break };
        name = format!("{name} {}", below.get_name());
        command = below;
    }
    name
}

/// Whether JSON is asked for, so far as that can be told of words that make no sense.
fn form_of(words: &[OsString]) -> Form {
    let mut is_named = false;
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        let value = match word.strip_prefix("--write-out=").or_else(|| word.strip_prefix("-w")) {
            Some(value) => value.trim_start_matches('='),
            None if is_named => word,
            None => "",
        };
        if matches!(value, "json" | "jsonl") {
            return Form::Json;
        }
        is_named = matches!(word, "-w" | "--write-out");
    }
    Form::Text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn json_is_asked_for_in_four_ways() {
        for flag in ["-w json", "-wjson", "-w=jsonl", "--write-out json", "--write-out=json"] {
            assert_eq!(form_of(&words(&format!("quorate get a {flag}"))), Form::Json, "{flag}");
        }
        for flag in ["-w table", "json", "-w", "--hex json"] {
            assert_eq!(form_of(&words(&format!("quorate get a {flag}"))), Form::Text, "{flag}");
        }
    }

    #[test]
    fn the_command_is_named_as_far_as_it_is_one() {
        let line = Command::new("quorate")
            .subcommand(Command::new("lease").subcommand(Command::new("grant")));
        assert_eq!(named(&line, &words("quorate lease grant --no")), "quorate lease grant");
        assert_eq!(named(&line, &words("quorate lease garnt")), "quorate lease");
        assert_eq!(named(&line, &words("quorate laese grant")), "quorate");
    }

    #[test]
    fn what_clap_says_is_taken_apart() {
        let text = "error: these were not provided:\n  <KEY>\n\n  tip: one\n  tip: two\n\nUsage: x";
        assert_eq!(what_happened(text), "these were not provided: <KEY>");
        assert_eq!(tips(text).collect::<Vec<_>>(), ["one", "two"]);
    }
}
