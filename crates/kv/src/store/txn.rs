//! Transactions: compares first, then every check, then the writes (etcd: `TX/txn.go`).

use std::cmp::Ordering;

use super::answer::Asked;
use super::index::{Head, Span};
use super::{Read, Store};
use crate::{
    CommandError, Compare, CompareResult, CompareTarget, Damage, KeyValue, LeaseId, PutRequest,
    RangeRequest, RequestOp, ResponseOp, Rule, Rules, TxnRequest, TxnResponse,
};

/// Which branch each transaction takes, nested ones of the branch taken included, in order.
struct Path {
    succeeded: bool,
    nested: Vec<Path>,
}

impl Path {
    fn branch<'a>(&self, txn: &'a TxnRequest) -> &'a [RequestOp] {
        if self.succeeded { &txn.success } else { &txn.failure }
    }
}

/// What a compare looks at: the newest version of a key, or a key that does not exist.
enum Side<'a> {
    Present(&'a [u8], &'a Head),
    Absent,
}

impl<R: Rules> Store<R> {
    /// Evaluates a transaction that cannot write, at the current revision.
    pub fn read_txn(&self, request: &TxnRequest) -> Read<TxnResponse> {
        assert!(request.is_read_only(), "a transaction that writes goes through the log");
        let path = self.choose(request)?;
        if let Err(error) = self.check_path(request, &path) {
            return Ok(Err(error));
        }
        if let Err(error) = self.check_answer(&asked(request, &path))? {
            return Ok(Err(error));
        }
        let mut response = self.read_branch(request, &path)?;
        response.revision = self.state.revision;
        Ok(Ok(response))
    }

    pub(super) fn on_txn(&mut self, request: &TxnRequest) -> Read<TxnResponse> {
        let path = self.choose(request)?;
        let bytes = self.path_bytes(request, &path);
        let checked = self.check_path(request, &path).and_then(|()| self.check_space_if(bytes));
        if let Err(error) = checked {
            return Ok(Err(error));
        }
        if let Err(error) = self.check_answer(&asked(request, &path))? {
            return Ok(Err(error));
        }
        let mut response = self.do_branch(request, &path)?;
        response.revision = self.revision_seen();
        Ok(Ok(response))
    }

    /// A branch without puts needs no space, so that deletes work when there is none.
    fn check_space_if(&mut self, bytes: u64) -> Result<(), CommandError> {
        if bytes == 0 { Ok(()) } else { self.check_space(bytes) }
    }

    /// Evaluates all compares on the path, before anything is written.
    fn choose(&self, txn: &TxnRequest) -> Result<Path, Damage> {
        let mut path = Path { succeeded: self.all_hold(&txn.compares)?, nested: Vec::new() };
        for op in path.branch(txn) {
            if let RequestOp::Txn(nested) = op {
                let nested = self.choose(nested)?;
                path.nested.push(nested);
            }
        }
        Ok(path)
    }

    fn all_hold(&self, compares: &[Compare]) -> Result<bool, Damage> {
        for compare in compares {
            if !self.holds(compare)? && !self.rules.breaks(Rule::ComparesIgnored) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a condition holds for every key of its range. A range without keys is one key
    /// that does not exist.
    fn holds(&self, compare: &Compare) -> Result<bool, Damage> {
        if compare.range_end.is_empty() {
            let head = self.index.head(&compare.key);
            let side = head.map_or(Side::Absent, |head| Side::Present(&compare.key, head));
            return self.holds_for(compare, &side);
        }
        let mut side = Side::Absent;
        for (key, entry) in self.index.span(Span::new(&compare.key, &compare.range_end)) {
            if let Some(head) = entry.live() {
                side = Side::Present(key, head);
                if !self.holds_for(compare, &side)? {
                    return Ok(false);
                }
            }
        }
        match side {
            Side::Present(..) => Ok(true),
            Side::Absent => self.holds_for(compare, &side),
        }
    }

    fn holds_for(&self, compare: &Compare, side: &Side<'_>) -> Result<bool, Damage> {
        let ordering = match &compare.target {
            CompareTarget::Version(given) => side.number(|head| head.version).cmp(given),
            CompareTarget::Create(given) => side.number(|head| head.create_revision).cmp(given),
            CompareTarget::Mod(given) => side.number(|head| head.revision().main).cmp(given),
            CompareTarget::Value(given) => match self.stored(side)? {
                Some(stored) => stored.value.cmp(given),
                // No value compares with the value of a missing key, not even as different.
                None => return Ok(false),
            },
            CompareTarget::Lease(given) => {
                let stored = self.stored(side)?;
                stored.map_or(LeaseId::NONE, |stored| stored.lease).cmp(given)
            }
            CompareTarget::Unrecognized => Ordering::Equal,
        };
        Ok(match compare.result {
            CompareResult::Equal => ordering.is_eq(),
            CompareResult::Greater => ordering.is_gt(),
            CompareResult::Less => ordering.is_lt(),
            CompareResult::NotEqual => ordering.is_ne(),
            CompareResult::Unrecognized => true,
        })
    }

    fn stored(&self, side: &Side<'_>) -> Result<Option<KeyValue>, Damage> {
        let Side::Present(key, head) = side else {
            return Ok(None);
        };
        Ok(Some(self.fetch(key, head.revision())?.key_value(head.revision())))
    }

    /// Checks every operation on the path, so that none can fail once the first has written.
    fn check_path(&self, txn: &TxnRequest, path: &Path) -> Result<(), CommandError> {
        let mut nested = path.nested.iter();
        for op in path.branch(txn) {
            match op {
                RequestOp::Range(range) => self.check_txn_range(range)?,
                RequestOp::Put(put) => self.check_txn_put(put)?,
                RequestOp::DeleteRange(_) => {}
                RequestOp::Txn(txn) => self.check_path(txn, next(&mut nested))?,
            }
        }
        Ok(())
    }

    /// Looks at the key before the lease, the other way round than a put on its own.
    fn check_txn_put(&self, put: &PutRequest) -> Result<(), CommandError> {
        self.check_kept(put)?;
        self.check_lease(put.lease)
    }

    /// Unlike a range on its own, a negative revision counts as one before the compacted.
    fn check_txn_range(&self, range: &RangeRequest) -> Result<(), CommandError> {
        if range.revision == 0 { Ok(()) } else { self.check_readable(range.revision) }
    }

    /// The logical bytes that the puts on the path add.
    fn path_bytes(&self, txn: &TxnRequest, path: &Path) -> u64 {
        let mut nested = path.nested.iter();
        let bytes = path.branch(txn).iter().map(|op| match op {
            RequestOp::Range(_) | RequestOp::DeleteRange(_) => 0,
            RequestOp::Put(put) => self.put_bytes(put),
            RequestOp::Txn(txn) => self.path_bytes(txn, next(&mut nested)),
        });
        bytes.sum()
    }

    fn do_branch(&mut self, txn: &TxnRequest, path: &Path) -> Result<TxnResponse, Damage> {
        let mut nested = path.nested.iter();
        let mut responses = Vec::with_capacity(path.branch(txn).len());
        for op in path.branch(txn) {
            responses.push(match op {
                RequestOp::Range(range) => ResponseOp::Range(self.range_in_txn(range)?),
                RequestOp::Put(put) => ResponseOp::Put(self.put(put)?),
                RequestOp::DeleteRange(delete) => {
                    ResponseOp::DeleteRange(self.delete_range(delete)?)
                }
                RequestOp::Txn(txn) => ResponseOp::Txn(self.do_nested(txn, next(&mut nested))?),
            });
        }
        Ok(TxnResponse { revision: 0, succeeded: path.succeeded, responses })
    }

    fn do_nested(&mut self, txn: &TxnRequest, path: &Path) -> Result<TxnResponse, Damage> {
        if self.rules.breaks(Rule::NestedComparesSeeWrites) {
            let path = self.choose(txn)?;
            return self.do_branch(txn, &path);
        }
        self.do_branch(txn, path)
    }

    fn read_branch(&self, txn: &TxnRequest, path: &Path) -> Result<TxnResponse, Damage> {
        let mut nested = path.nested.iter();
        let mut responses = Vec::with_capacity(path.branch(txn).len());
        for op in path.branch(txn) {
            responses.push(match op {
                RequestOp::Range(range) => ResponseOp::Range(self.range_in_txn(range)?),
                RequestOp::Txn(txn) => ResponseOp::Txn(self.read_branch(txn, next(&mut nested))?),
                RequestOp::Put(_) | RequestOp::DeleteRange(_) => {
                    unreachable!("the transaction was checked to be read-only")
                }
            });
        }
        Ok(TxnResponse { revision: 0, succeeded: path.succeeded, responses })
    }
}

impl Side<'_> {
    /// A number of the version; 0 if the key does not exist.
    fn number(&self, of: impl FnOnce(&Head) -> i64) -> i64 {
        match self {
            Self::Present(_, head) => of(head),
            Self::Absent => 0,
        }
    }
}

/// What the answers to the operations on the path hold, in order.
fn asked<'a>(txn: &'a TxnRequest, path: &Path) -> Vec<Asked<'a>> {
    let mut found = Vec::new();
    collect_asked(txn, path, &mut found);
    found
}

fn collect_asked<'a>(txn: &'a TxnRequest, path: &Path, found: &mut Vec<Asked<'a>>) {
    let mut nested = path.nested.iter();
    for op in path.branch(txn) {
        match op {
            RequestOp::Range(range) => found.push(Asked::Range(range)),
            RequestOp::Put(put) => found.extend(Asked::by_put(put)),
            RequestOp::DeleteRange(delete) => found.extend(Asked::by_delete(delete)),
            RequestOp::Txn(txn) => collect_asked(txn, next(&mut nested), found),
        }
    }
}

fn next<'a>(nested: &mut impl Iterator<Item = &'a Path>) -> &'a Path {
    nested.next().expect("the path has one part for each nested transaction")
}
