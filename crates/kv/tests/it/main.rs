//! The store's rules as tables, and its whole against a naive model.

mod alarm;
mod commit;
mod compaction;
mod hash;
mod history;
mod lease;
mod map;
mod open;
mod quota;
mod range;
mod snapshot;
mod support;
mod txn;
mod validate;
mod watch;
mod watch_stories;
mod write;
