//! Revisions and leases that a sequence names before it runs.
//!
//! The two stores stand at different revisions, so a sequence says "the revision where it began,
//! and three". Such a name is a number far above every real revision, in the field where the
//! revision will be: the request stays an ordinary message, and [`Place`] puts in what it means on
//! one server. The leases that a server chose the number of are named by their order.

use std::fmt;

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::etcdserverpb::{compare::TargetUnion, request_op};

/// Names reach so far from their origin.
const REACH: u64 = 1 << 20;

/// Where the sequence began.
pub(crate) const BASE: i64 = 1 << 40;

/// The store's revision when the request is sent.
pub(crate) const CURRENT: i64 = 1 << 41;

/// The last compaction when the request is sent.
pub(crate) const COMPACTED: i64 = 1 << 42;

/// The leases whose number the server chose, in order from this one on.
pub(crate) const GIVEN: i64 = 1 << 43;

/// A lease that nobody has.
const NO_LEASE: i64 = 999_999_937;

/// What a sequence's names mean on one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The revision at which the sequence began.
    pub(crate) base: i64,
    /// The newest revision that an answer told.
    pub(crate) current: i64,
    /// The revision of the last compaction.
    pub(crate) compacted: i64,
    /// The leases that the server chose the number of.
    pub(crate) given: Vec<i64>,
}

impl Place {
    /// The revision that this is, or names.
    pub(crate) fn revision(&self, name: i64) -> i64 {
        let origins = [(BASE, self.base), (CURRENT, self.current), (COMPACTED, self.compacted)];
        let near = origins.iter().find(|(origin, _)| name.abs_diff(*origin) < REACH);
        near.map_or(name, |(origin, revision)| name - origin + revision)
    }

    /// The lease that this is, or names.
    pub(crate) fn lease(&self, name: i64) -> i64 {
        if name < GIVEN || REACH <= name.abs_diff(GIVEN) {
            return name;
        }
        let order = usize::try_from(name - GIVEN).expect("it is small");
        self.given.get(order).copied().unwrap_or(NO_LEASE)
    }

    /// How a sequence names a lease: what [`Place::lease`] turns back.
    pub(crate) fn name_of_lease(&self, lease: i64) -> i64 {
        let mut names = GIVEN..;
        let mut given = self.given.iter().zip(&mut names);
        given.find(|(given, _)| **given == lease).map_or(lease, |(_, name)| name)
    }

    pub(crate) fn range(&self, range: &mut pb::RangeRequest) {
        let fields = [
            &mut range.revision,
            &mut range.min_mod_revision,
            &mut range.max_mod_revision,
            &mut range.min_create_revision,
            &mut range.max_create_revision,
        ];
        for field in fields {
            *field = self.revision(*field);
        }
    }

    pub(crate) fn put(&self, put: &mut pb::PutRequest) {
        put.lease = self.lease(put.lease);
    }

    pub(crate) fn txn(&self, txn: &mut pb::TxnRequest) {
        for compare in &mut txn.compare {
            match &mut compare.target_union {
                Some(
                    TargetUnion::CreateRevision(revision) | TargetUnion::ModRevision(revision),
                ) => {
                    *revision = self.revision(*revision);
                }
                Some(TargetUnion::Lease(lease)) => *lease = self.lease(*lease),
                Some(TargetUnion::Version(_) | TargetUnion::Value(_)) | None => {}
            }
        }
        for operation in txn.success.iter_mut().chain(&mut txn.failure) {
            match &mut operation.request {
                Some(request_op::Request::RequestRange(range)) => self.range(range),
                Some(request_op::Request::RequestPut(put)) => self.put(put),
                Some(request_op::Request::RequestTxn(txn)) => self.txn(txn),
                Some(request_op::Request::RequestDeleteRange(_)) | None => {}
            }
        }
    }
}

/// A number as a person reads it: names in words.
pub(crate) struct InWords(pub(crate) i64);

impl fmt::Display for InWords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = *self;
        let origins =
            [(BASE, "base"), (CURRENT, "current"), (COMPACTED, "compacted"), (GIVEN, "given")];
        match origins.iter().find(|(origin, _)| number.abs_diff(*origin) < REACH) {
            Some((origin, name)) if number == *origin => formatter.write_str(name),
            Some((origin, name)) => write!(formatter, "{name}{:+}", number - origin),
            None => write!(formatter, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { base: 100, current: 120, compacted: 110, given: vec![77] }
    }

    #[test]
    fn names_mean_revisions_near_their_origin() {
        let meant = [BASE + 3, CURRENT, CURRENT + 1, COMPACTED - 1].map(|it| place().revision(it));
        assert_eq!(meant, [103, 120, 121, 109]);
    }

    #[test]
    fn what_is_no_name_stays() {
        let numbers = [0, -1, 5, i64::MAX, i64::MIN];
        assert_eq!(numbers.map(|it| place().revision(it)), numbers);
        assert_eq!(numbers.map(|it| place().lease(it)), numbers);
    }

    #[test]
    fn a_lease_that_was_not_given_is_nobodys() {
        assert_eq!(place().lease(GIVEN), 77);
        assert_eq!(place().lease(GIVEN + 1), NO_LEASE);
    }

    #[test]
    fn names_are_told_in_words() {
        let words = [BASE, CURRENT - 1, GIVEN + 1, 7].map(|it| InWords(it).to_string());
        assert_eq!(words, ["base", "current-1", "given+1", "7"]);
    }
}
