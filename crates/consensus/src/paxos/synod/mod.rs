//! Single-decree Paxos: a council that decides one thing, once (Lamport, "Paxos Made Simple",
//! 2001, §2; the comments call it PMS). The tutorials' algorithm, whole, with what they leave out:
//! a disk, lost and doubled messages, crashes, and proposers that get in each other's way.
//!
//! - [`message`]: the four messages, the refusal, and the news of the decision
//! - [`number`]: proposal numbers as people write them, `n*i+j`
//! - [`proposer`], [`acceptor`], [`learner`]: the three roles, each knowing nothing of the others
//! - [`node`]: a councillor: the roles it plays, its disk, its patience; [`config`] and [`effects`]
//!   are what it is told and what it wants done
//! - `withheld`: nothing leaves before what it promises is durable
//!
//! ```
//! use quorate_consensus::paxos::synod::{Config, Council, Durable, Input, Synod};
//! use quorate_consensus::{Instant, NodeId, Seed, Strict};
//!
//! let nodes = [NodeId(1), NodeId(2), NodeId(3)];
//! let council = Council::of(nodes);
//! let mut councillors = nodes.map(|node| {
//!     let config = Config::new(node, council.clone());
//!     Synod::new(config, Strict, Seed(1), Durable::default(), Instant::ORIGIN)
//! });
//! councillors[0].handle(Instant::ORIGIN, Input::Propose { value: "a tax of 10%" });
//!
//! let mut decisions = Vec::new();
//! while decisions.len() < 3 {
//!     for at in 0..councillors.len() {
//!         let effects = councillors[at].effects();
//!         decisions.extend(effects.learned);
//!         if let Some((write, _to_disk)) = effects.write {
//!             councillors[at].handle(Instant::ORIGIN, Input::Persisted { write });
//!         }
//!         for envelope in effects.messages {
//!             let input = Input::Message { from: nodes[at], message: envelope.message };
//!             let to = nodes.iter().position(|node| *node == envelope.to).expect("a councillor");
//!             councillors[to].handle(Instant::ORIGIN, input);
//!         }
//!     }
//! }
//! assert!(decisions.iter().all(|vote| vote.value == "a tax of 10%"));
//! ```

pub mod acceptor;
pub mod config;
pub mod effects;
pub mod learner;
pub mod message;
pub mod node;
pub mod number;
pub mod proposer;
mod withheld;

#[cfg(test)]
mod tests;

pub use acceptor::SynodAcceptor;
pub use config::{Backoff, Config, Council};
pub use effects::{Durable, Effects, Event, Input};
pub use learner::Learner;
pub use message::{Message, Phase, Vote};
pub use node::Synod;
pub use number::Numbering;
pub use proposer::Proposer;
