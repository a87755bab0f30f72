//! The cases: each a few requests about one behaviour, and the rules it shows.

mod cluster;
mod compact;
mod compare;
mod delete;
mod duplicates;
mod election;
mod lease;
mod limits;
mod lock;
mod put;
mod range;
mod revision;
mod sort;
mod txn;

use super::script::Script;

/// A few requests about one behaviour.
pub(crate) struct Case {
    /// Its name: what the list of differences calls it.
    pub(crate) name: &'static str,
    /// The rules it shows, by their ids.
    pub(crate) rules: &'static [&'static str],
    /// Its requests.
    pub(crate) script: fn(&mut Script),
}

const fn case(name: &'static str, rules: &'static [&'static str], script: fn(&mut Script)) -> Case {
    Case { name, rules, script }
}

/// Every case, those that need a store on which nothing happened yet first, and the one that ends
/// all processes last.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let groups = [
        revision::FRESH,
        range::CASES,
        sort::CASES,
        put::CASES,
        delete::CASES,
        compare::CASES,
        txn::CASES,
        limits::CASES,
        duplicates::CASES,
        revision::CASES,
        lease::CASES,
        lock::CASES,
        election::CASES,
        cluster::CASES,
        compact::CASES,
        revision::RESTART,
    ];
    groups.into_iter().flatten()
}
