//! Simpler forms of a step: each with one thing less in it.

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::etcdserverpb::request_op::Request;

use crate::sequence::Step;

/// Ways to say less.
type Cuts<T> = [fn(&mut T)];

const RANGE: &Cuts<pb::RangeRequest> = &[
    |it| it.range_end.clear(),
    |it| it.limit = 0,
    |it| it.revision = 0,
    |it| it.sort_order = 0,
    |it| it.sort_target = 0,
    |it| it.serializable = false,
    |it| it.keys_only = false,
    |it| it.count_only = false,
    |it| it.min_mod_revision = 0,
    |it| it.max_mod_revision = 0,
    |it| it.min_create_revision = 0,
    |it| it.max_create_revision = 0,
    |it| it.key = "a".into(),
];

const PUT: &Cuts<pb::PutRequest> = &[
    |it| it.value.clear(),
    |it| it.lease = 0,
    |it| it.prev_kv = false,
    |it| it.ignore_value = false,
    |it| it.ignore_lease = false,
    |it| it.key = "a".into(),
];

const DELETE: &Cuts<pb::DeleteRangeRequest> =
    &[|it| it.range_end.clear(), |it| it.prev_kv = false, |it| it.key = "a".into()];

const COMPARE: &Cuts<pb::Compare> = &[
    |it| it.range_end.clear(),
    |it| it.target_union = None,
    |it| it.target = 0,
    |it| it.result = 0,
    |it| it.key = "a".into(),
];

const WATCH: &Cuts<pb::WatchCreateRequest> = &[
    |it| it.range_end.clear(),
    |it| it.start_revision = 0,
    |it| it.progress_notify = false,
    |it| it.filters.clear(),
    |it| it.prev_kv = false,
    |it| it.watch_id = 0,
    |it| it.fragment = false,
    |it| it.key = "a".into(),
];

const COMPACT: &Cuts<pb::CompactionRequest> = &[|it| it.physical = false];

const GRANT: &Cuts<pb::LeaseGrantRequest> = &[|it| it.ttl = 1000, |it| it.id = 1];

const TIME_TO_LIVE: &Cuts<pb::LeaseTimeToLiveRequest> = &[|it| it.keys = false];

/// Every form of a step with one thing less.
pub(crate) fn simpler(step: &Step) -> Vec<Step> {
    match step {
        Step::Range(it) => cut(it, RANGE).map(Step::Range).collect(),
        Step::Put(it) => cut(it, PUT).map(Step::Put).collect(),
        Step::DeleteRange(it) => cut(it, DELETE).map(Step::DeleteRange).collect(),
        Step::Txn(it) => simpler_operation(it),
        Step::Compact(it) => cut(it, COMPACT).map(Step::Compact).collect(),
        Step::Grant(it) => cut(it, GRANT).map(Step::Grant).collect(),
        Step::TimeToLive(it) => cut(it, TIME_TO_LIVE).map(Step::TimeToLive).collect(),
        Step::Watch(stream, it) => cut(it, WATCH).map(|it| Step::Watch(*stream, it)).collect(),
        Step::HashKv(_)
        | Step::Revoke(_)
        | Step::KeepAlive(_)
        | Step::Leases(_)
        | Step::Cancel(..)
        | Step::Progress(..)
        | Step::Lock(_)
        | Step::Unlock(_)
        | Step::Campaign(_)
        | Step::Proclaim(_)
        | Step::Leader(_)
        | Step::Resign(_) => Vec::new(),
    }
}

/// The request with each thing taken away that is there.
fn cut<T: Clone + PartialEq>(whole: &T, cuts: &Cuts<T>) -> impl Iterator<Item = T> {
    cuts.iter().filter_map(move |cut| {
        let mut less = whole.clone();
        cut(&mut less);
        (less != *whole).then_some(less)
    })
}

/// Its operations as steps of their own, and then itself with less in it.
fn simpler_operation(txn: &pb::TxnRequest) -> Vec<Step> {
    let operations = txn.success.iter().chain(&txn.failure);
    let alone = operations.filter_map(|operation| match operation.request.clone()? {
        Request::RequestRange(it) => Some(Step::Range(it)),
        Request::RequestPut(it) => Some(Step::Put(it)),
        Request::RequestDeleteRange(it) => Some(Step::DeleteRange(it)),
        Request::RequestTxn(it) => Some(Step::Txn(it)),
    });
    alone.chain(simpler_txns(txn).into_iter().map(Step::Txn)).collect()
}

fn simpler_txns(txn: &pb::TxnRequest) -> Vec<pb::TxnRequest> {
    let mut all = Vec::new();
    for compare in shorter(&txn.compare, |it| cut(it, COMPARE).collect()) {
        all.push(pb::TxnRequest { compare, ..txn.clone() });
    }
    for success in shorter(&txn.success, simpler_operations) {
        all.push(pb::TxnRequest { success, ..txn.clone() });
    }
    for failure in shorter(&txn.failure, simpler_operations) {
        all.push(pb::TxnRequest { failure, ..txn.clone() });
    }
    all
}

fn simpler_operations(operation: &pb::RequestOp) -> Vec<pb::RequestOp> {
    let simpler: Vec<Request> = match &operation.request {
        Some(Request::RequestRange(it)) => cut(it, RANGE).map(Request::RequestRange).collect(),
        Some(Request::RequestPut(it)) => cut(it, PUT).map(Request::RequestPut).collect(),
        Some(Request::RequestDeleteRange(it)) => {
            cut(it, DELETE).map(Request::RequestDeleteRange).collect()
        }
        Some(Request::RequestTxn(it)) => {
            simpler_txns(it).into_iter().map(Request::RequestTxn).collect()
        }
        None => Vec::new(),
    };
    simpler.into_iter().map(|it| pb::RequestOp { request: Some(it) }).collect()
}

/// The list without a part of it, or with one element made simpler.
fn shorter<T: Clone>(list: &[T], simpler: impl Fn(&T) -> Vec<T>) -> Vec<Vec<T>> {
    let mut all = without_parts(list);
    for (place, element) in list.iter().enumerate() {
        for less in simpler(element) {
            let mut changed = list.to_vec();
            changed[place] = less;
            all.push(changed);
        }
    }
    all
}

/// The list without its halves, its quarters, and so on down to single elements.
pub(crate) fn without_parts<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    let mut size = list.len();
    while 0 < size {
        for start in (0..list.len()).step_by(size) {
            let end = (start + size).min(list.len());
            all.push([&list[..start], &list[end..]].concat());
        }
        size /= 2;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_out_largest_first() {
        let parts = without_parts(&[1, 2, 3]);
        assert_eq!(parts, [vec![], vec![2, 3], vec![1, 3], vec![1, 2]]);
        assert_eq!(without_parts(&[1, 2, 3, 4])[1..3], [vec![3, 4], vec![1, 2]]);
    }

    #[test]
    fn each_simpler_form_has_one_thing_less() {
        let put = pb::PutRequest { key: "b".into(), lease: 3, prev_kv: true, ..Default::default() };
        let forms: Vec<String> = simpler(&Step::Put(put)).iter().map(Step::to_string).collect();
        let expected = [
            "Put key=b\"b\" prev_kv=true",
            "Put key=b\"b\" lease=3",
            "Put key=b\"a\" lease=3 prev_kv=true",
        ];
        assert_eq!(forms, expected);
    }

    #[test]
    fn the_simplest_step_has_no_simpler_form() {
        let put = pb::PutRequest { key: "a".into(), ..Default::default() };
        assert_eq!(simpler(&Step::Put(put)), []);
    }

    #[test]
    fn a_transaction_is_taken_apart() {
        let request = Some(Request::RequestPut(pb::PutRequest::default()));
        let txn =
            pb::TxnRequest { success: vec![pb::RequestOp { request }; 2], ..Default::default() };
        let forms = simpler(&Step::Txn(txn));
        assert_eq!(forms[0], Step::Put(pb::PutRequest::default()));
        assert!(forms.contains(&Step::Txn(pb::TxnRequest::default())));
    }
}
