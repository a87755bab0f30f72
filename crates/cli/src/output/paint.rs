//! Colours, on terminals of people who have not said that they want none (<https://no-color.org>).

use std::env;
use std::io::IsTerminal;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// No.
    Plain,
    /// Yes.
    Coloured,
}

/// What stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// What is broken.
    Red,
    /// What is well.
    Green,
    /// What is to be looked at.
    Yellow,
}

impl Paint {
    /// As it suits this output.
    pub(crate) fn of(output: &impl IsTerminal) -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        if output.is_terminal() && !is_set("NO_COLOR") && !is_dumb {
            Self::Coloured
        } else {
            Self::Plain
        }
    }

    /// The text in that colour.
    pub(crate) fn apply(self, colour: Colour, text: &str) -> String {
        let code = match (self, colour) {
            (Self::Plain, _) => return text.to_owned(),
            (Self::Coloured, Colour::Red) => 31,
            (Self::Coloured, Colour::Green) => 32,
            (Self::Coloured, Colour::Yellow) => 33,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
