//! What the harness asks of an engine beyond the contract: how to read its messages.

use quorate_consensus::invariants::Claims;

/// An engine that scripts can run.
pub(crate) trait Protocol: Claims {
    /// The name of the folder with its own scripts.
    const NAME: &'static str;
    /// How many entries of its own the first leader of a cluster adds before any client's: what
    /// `+3` in a script counts from.
    const OWN_ENTRIES: u64;

    /// The kind of a message, as scripts name it.
    fn kind(message: &Self::Message) -> &'static str;

    /// A message in one short line.
    fn render(message: &Self::Message) -> String;
}
