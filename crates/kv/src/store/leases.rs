//! The leases and the keys attached to them, in memory: by name, by deadline, by key.
//!
//! Nothing here is found by a scan: a grant, a renewal and an end cost a few searches, and an end
//! what its keys cost. `cargo run --example lease_memory` tells what they take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{ClusterTime, Lease, LeaseId, LeaseTtl};

/// A lease that is held, but for its name.
#[derive(Debug)]
struct Held {
    ttl: LeaseTtl,
    deadline: ClusterTime,
}

/// All leases.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: BTreeMap<LeaseId, Held>,
    by_deadline: BTreeSet<(ClusterTime, LeaseId)>,
    /// Each lease with each of its keys. One set for all: most leases have one key or none.
    keys: BTreeSet<(LeaseId, Arc<[u8]>)>,
    /// The keys that are attached to a lease, and to which.
    lease_of: BTreeMap<Arc<[u8]>, LeaseId>,
}

/// Whether a key that is attached to a lease anew leaves the one it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It does.
    Leaves,
    /// It does not, which is a mistake.
    Stays,
}

impl Leases {
    /// The lease of this name.
    pub(super) fn find(&self, id: LeaseId) -> Option<Lease> {
        let Held { ttl, deadline } = self.held.get(&id)?;
        Some(Lease { id, ttl: *ttl, deadline: *deadline })
    }

    /// The keys attached to a lease, in order.
    pub(super) fn keys(&self, id: LeaseId) -> impl Iterator<Item = &[u8]> {
        self.attached(id).map(|key| &**key)
    }

    fn attached(&self, id: LeaseId) -> impl Iterator<Item = &Arc<[u8]>> {
        let from_first = self.keys.range((id, Arc::default())..);
        from_first.take_while(move |(lease, _)| *lease == id).map(|(_, key)| key)
    }

    /// All leases, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = Lease> {
        self.held.iter().map(|(id, held)| Lease { id: *id, ttl: held.ttl, deadline: held.deadline })
    }

    /// All leases by deadline, those with the same by name.
    pub(super) fn by_deadline(&self) -> impl Iterator<Item = (ClusterTime, LeaseId)> {
        self.by_deadline.iter().copied()
    }

    /// Takes in a lease that is new here, without keys.
    pub(super) fn insert(&mut self, lease: Lease) {
        let Lease { id, ttl, deadline } = lease;
        let before = self.held.insert(id, Held { ttl, deadline });
        assert!(before.is_none(), "a lease is granted once");
        self.by_deadline.insert((deadline, id));
    }

    /// Moves the deadline of a lease that is held.
    pub(super) fn postpone(&mut self, renewed: Lease) {
        let held = self.held.get_mut(&renewed.id).expect("a lease that is renewed is held");
        let before = core::mem::replace(&mut held.deadline, renewed.deadline);
        let was_listed = self.by_deadline.remove(&(before, renewed.id));
        assert!(was_listed, "every lease is listed by its deadline");
        self.by_deadline.insert((renewed.deadline, renewed.id));
    }

    /// Takes out a lease that is held. Returns its keys, in order.
    pub(super) fn remove(&mut self, id: LeaseId) -> Vec<Arc<[u8]>> {
        let Held { deadline, .. } = self.held.remove(&id).expect("a lease that ends is held");
        let was_listed = self.by_deadline.remove(&(deadline, id));
        assert!(was_listed, "every lease is listed by its deadline");
        let keys: Vec<_> = self.attached(id).cloned().collect();
        for key in &keys {
            self.keys.remove(&(id, Arc::clone(key)));
            if self.lease_of.get(key) == Some(&id) {
                self.lease_of.remove(key);
            }
        }
        keys
    }

    /// Attaches a key to a lease, or to none; it leaves the one it was attached to.
    pub(super) fn attach(&mut self, key: &[u8], lease: LeaseId, how: Move) {
        let before = self.lease_of.get_key_value(key).map(|(key, lease)| (Arc::clone(key), *lease));
        if before.as_ref().map_or(LeaseId::NONE, |(_, before)| *before) == lease {
            return;
        }
        let key = match before {
            Some((key, before)) => {
                if how == Move::Leaves {
                    self.keys.remove(&(before, Arc::clone(&key)));
                }
                key
            }
            None => Arc::from(key),
        };
        if lease == LeaseId::NONE {
            self.lease_of.remove(&key);
            return;
        }
        self.keys.insert((lease, Arc::clone(&key)));
        self.lease_of.insert(key, lease);
    }
}

/// Which lease each key is attached to, as the records of a map say, oldest first.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    lease_of: BTreeMap<Arc<[u8]>, LeaseId>,
}

impl Attachments {
    /// A record of this key attaches it to this lease, or to none.
    pub(super) fn add(&mut self, key: &[u8], lease: LeaseId) {
        if lease == LeaseId::NONE {
            self.lease_of.remove(key);
            return;
        }
        match self.lease_of.get_mut(key) {
            Some(attached) => *attached = lease,
            None => {
                self.lease_of.insert(Arc::from(key), lease);
            }
        }
    }

    /// Gives each lease its keys. The first lease that a key names in vain, if there is one.
    pub(super) fn join(self, leases: &mut Leases) -> Result<(), LeaseId> {
        assert!(leases.lease_of.is_empty(), "keys are attached once");
        for (key, lease) in &self.lease_of {
            if !leases.held.contains_key(lease) {
                return Err(*lease);
            }
            leases.keys.insert((*lease, Arc::clone(key)));
        }
        leases.lease_of = self.lease_of;
        Ok(())
    }
}
