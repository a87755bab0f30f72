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

/// Whether it is a terminal on which colours and the place of the cursor can be set.
pub(crate) fn understands_codes(output: &impl IsTerminal) -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    output.is_terminal() && !is_dumb
}

impl Paint {
    /// As it suits this output.
    pub(crate) fn of(output: &impl IsTerminal) -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        if understands_codes(output) && !is_set("NO_COLOR") { Self::Coloured } else { Self::Plain }
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
