//! `explain`: what a code means, and which there are, as docs/errors.md tells it.

use clap::Args;

use crate::code::Code;
use crate::exit::{Failure, Personality};
use crate::output;

/// The end of the help.
pub(crate) const NOTES: &str = "\
Examples:
  quorate explain                 all codes
  quorate explain E-NOQUORUM      one of them
  quorate --explain noquorum      the same";

/// The page of which each code has a part.
const PAGE: &str = include_str!("../../../docs/errors.md");

/// The longest line that is printed.
const LINE_LETTERS_MAX: usize = 80;

/// The flags of `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainFlags {
    /// A code, with or without its E-; all codes if it is left out
    code: Option<String>,
}

/// Prints what is known of a code.
pub(crate) fn run(flags: &ExplainFlags) -> Result<(), Failure> {
    let text = match &flags.code {
        None => list(),
        Some(name) => explained(Code::named(name).ok_or_else(|| unknown(name))?),
    };
    output::flush(text.as_bytes())
}

fn unknown(name: &str) -> Failure {
    let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    Failure::usage(format!("there is no code {name}; those there are: {}", names.join(", ")))
}

/// A line or two for each.
fn list() -> String {
    let lines = Code::ALL.iter().map(|code| {
        let (name, begin) = (code.name(), first_sentence(section(*code)));
        wrapped(begin, &format!("{name:<15}"), &" ".repeat(15))
    });
    lines.collect::<String>() + "\n`quorate explain CODE` tells more of each.\n"
}

/// All of one.
fn explained(code: Code) -> String {
    let exit = code.exit().code(Personality::Quorate);
    let mut text = format!("{}, exit code {exit}\n\n", code.name());
    for paragraph in without_exit(section(code)).split("\n\n") {
        text += &wrapped(paragraph, "", "");
        text += "\n";
    }
    text += &wrapped(code.likely(), "likely: ", "        ");
    text + &wrapped(code.next(), "next:   ", "        ")
}

/// What the page says below the name of a code.
fn section(code: Code) -> &'static str {
    let heading = format!("## {}\n", code.name());
    let (_, below) = PAGE.split_once(heading.as_str()).expect("a test finds every code there");
    below.split_once("\n## ").map_or(below, |(section, _)| section).trim()
}

/// The same without the exit code, which it begins with.
fn without_exit(section: &str) -> &str {
    section.split_once(". ").map_or(section, |(_, rest)| rest)
}

fn first_sentence(section: &str) -> &str {
    let rest = without_exit(section);
    let is_end =
        |(at, _): &(usize, &str)| rest[at + 1..].chars().next().is_none_or(char::is_whitespace);
    let end = rest.match_indices(['.', ':', ';']).find(is_end).map_or(rest.len(), |(at, _)| at);
    &rest[..end]
}

/// The words in lines that are not too long, the first and the others after something else.
fn wrapped(words: &str, first: &str, others: &str) -> String {
    let (mut text, mut line) = (String::new(), first.to_owned());
    let mut is_begun = false;
    for word in words.split_whitespace() {
        if is_begun && LINE_LETTERS_MAX <= line.chars().count() + word.chars().count() {
            text += &line;
            text += "\n";
            (line, is_begun) = (others.to_owned(), false);
        }
        line += if is_begun { " " } else { "" };
        line += word;
        is_begun = true;
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_each_code_with_its_exit_code_and_no_others() {
        for code in Code::ALL {
            let exit = code.exit().code(Personality::Quorate);
            assert!(section(code).starts_with(&format!("Exit {exit}. ")), "{}", code.name());
        }
        assert_eq!(PAGE.matches("\n## E-").count(), Code::ALL.len());
        let exits: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("| ")).collect();
        for code in Code::ALL {
            let cell = format!("{} | ", code.exit().code(Personality::Quorate));
            assert!(exits.iter().any(|line| line.starts_with(&cell)), "{}", code.name());
        }
    }

    #[test]
    fn everything_fits_80_columns() {
        let pages = Code::ALL.iter().map(|code| explained(*code)).chain([list()]);
        for page in pages {
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        }
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        for name in ["E-NOQUORUM", "e-noquorum", "NOQUORUM", "noquorum"] {
            assert_eq!(Code::named(name), Some(Code::NoQuorum), "{name}");
        }
        assert_eq!(Code::named("E-"), None);
        let refusal = unknown("E-NOPE").message().to_owned();
        assert!(refusal.contains("E-NOPE") && refusal.contains("E-REFUSED, E-UNREACHABLE"));
    }
}
