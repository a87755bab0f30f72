//! Large values, so that what watches are told has to be cut.

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::etcdserverpb::request_op::Request;

use crate::random::Random;
use crate::sequence::Step;

/// A response is cut at 2 MiB: ten of these fit.
const VALUE: &[u8] = &[b'x'; 200_000];

/// Large values in one request, which may have 1.5 MiB.
const VALUES_MAX: usize = 6;

/// The step with large values, and with watches that take fragments, if it has any.
pub(super) fn enlarged(random: &mut Random, mut step: Step) -> Step {
    match &mut step {
        Step::Put(put) => enlarge(random, put),
        Step::Txn(txn) => {
            let operations = txn.success.iter_mut().chain(&mut txn.failure);
            let puts = operations.filter_map(|operation| match &mut operation.request {
                Some(Request::RequestPut(put)) => Some(put),
                _ => None,
            });
            puts.take(VALUES_MAX).for_each(|put| enlarge(random, put));
        }
        Step::Watch(_, watch) => {
            watch.fragment = random.chance(80);
            watch.prev_kv = random.chance(60);
        }
        _ => {}
    }
    step
}

fn enlarge(random: &mut Random, put: &mut pb::PutRequest) {
    if !put.ignore_value && random.chance(80) {
        put.value = Bytes::from_static(VALUE);
    }
}
