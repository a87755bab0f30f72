//! The contract between a protocol and whoever hosts it.

use crate::ballot::Ballot;
use crate::config::Config;
use crate::effects::Effects;
use crate::entry::Meta;
use crate::ids::Seed;
use crate::input::Input;
use crate::rules::Rules;
use crate::status::{Fingerprint, Status, Summary};
use crate::time::{ClusterTime, Instant};
use crate::write::Recovered;

/// A consensus protocol as a state machine: feed it inputs, drain what the host must do.
///
/// The host feeds everything that is waiting and then drains once, so that one drain holds one
/// append per peer and one disk write. Equal seeds, inputs and times give equal effects.
///
/// The engine holds back every message that depends on a write until `Input::Persisted` covers
/// it, so whatever is in `Effects::messages` may be sent at once.
pub trait Engine: Sized {
    /// What its nodes say to each other.
    type Message: Clone + core::fmt::Debug + PartialEq + Send + 'static;
    /// Which rules it keeps.
    type Rules: Rules;

    /// A node as it stands after a start.
    fn new(
        config: Config,
        rules: Self::Rules,
        seed: Seed,
        recovered: Recovered,
        now: Instant,
    ) -> Self;

    /// Takes one input. `now` never decreases from call to call.
    fn handle(&mut self, now: Instant, input: Input<Self::Message>);

    /// Puts everything the host must do since the last call, batched, in the place of `effects`.
    /// What the host left in there is dropped, and its memory used again: a host that drains often
    /// hands in what it has drained before.
    fn effects_into(&mut self, effects: &mut Effects<Self::Message>);

    /// Everything the host must do since the last call, batched.
    fn effects(&mut self) -> Effects<Self::Message> {
        let mut effects = Effects::default();
        self.effects_into(&mut effects);
        effects
    }

    /// When to call with [`Input::Wake`] if nothing else happens before.
    fn deadline(&self) -> Option<Instant>;

    /// What the node is doing. Allocates: for operators and tests, not for each message.
    fn status(&self) -> Status;

    /// The cheap part of the status. An engine that can make it without the rest does.
    fn summary(&self) -> Summary {
        Summary::from(&self.status())
    }

    /// The ballot of the leader this node follows, or of its own leadership; `ballot.node` is the
    /// leader. `None` while no leader is known. Cheap.
    fn leader(&self) -> Option<Ballot>;

    /// The cluster's time at `now`, with which this node would stamp an entry; `None` while it
    /// does not lead, or leads and counts no time yet, which it does once an entry of its own is
    /// applied.
    fn cluster_time(&self, now: Instant) -> Option<ClusterTime>;

    /// The snapshot a message asks its receiver to install, if it is that kind of message. A host
    /// passes such a message on only when it holds that snapshot whole, and drops it otherwise.
    fn snapshot_in(message: &Self::Message) -> Option<&Meta>;

    /// The protocol state in canonical form.
    fn fingerprint(&self) -> Fingerprint;

    /// Whether a proposal made under `proposed`, and not met in the log so far, can never happen
    /// once an entry of ballot `applied` has been applied.
    ///
    /// Raft: yes, as soon as the applied ballot has the higher round, because rounds never decrease
    /// along a committed log. Paxos: no, because an old vote may be adopted in a later slot.
    fn excludes(applied: Ballot, proposed: Ballot) -> bool;
}
