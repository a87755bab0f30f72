//! Range: what is sorted, by what, and when the limit counts.

use quorate_etcdapi::etcdserverpb::{
    RangeRequest,
    range_request::{SortOrder, SortTarget},
};

use super::super::script::{Script, delete, range};
use super::{Case, case};

const ORDERS: [SortOrder; 3] = [SortOrder::None, SortOrder::Ascend, SortOrder::Descend];

/// Four keys that each target orders differently, without ties.
fn seed(s: &mut Script) {
    s.set(&[("b", "w"), ("d", "x"), ("a", "y"), ("c", "z")]);
    s.set(&[("d", "m"), ("d", "n"), ("a", "o"), ("d", "k"), ("a", "v"), ("c", "u")]);
}

fn sorted(target: SortTarget, order: SortOrder) -> RangeRequest {
    RangeRequest { sort_target: target.into(), sort_order: order.into(), ..range("a", "z") }
}

/// Each order of one target, without a limit and with each that cuts.
fn sort_by(s: &mut Script, target: SortTarget) {
    seed(s);
    for order in ORDERS {
        for limit in 0..=4 {
            s.range(RangeRequest { limit, ..sorted(target, order) });
        }
    }
}

pub(super) const CASES: &[Case] = &[
    case("sort_by_key", &["sort.targets", "sort.before-limit"], |s| sort_by(s, SortTarget::Key)),
    case("sort_by_version", &["sort.targets", "sort.before-limit", "sort.none"], |s| {
        sort_by(s, SortTarget::Version);
    }),
    case("sort_by_create", &["sort.targets", "sort.before-limit", "sort.none"], |s| {
        sort_by(s, SortTarget::Create);
    }),
    case("sort_by_mod", &["sort.targets", "sort.before-limit", "sort.none"], |s| {
        sort_by(s, SortTarget::Mod);
    }),
    case("sort_by_value", &["sort.targets", "sort.before-limit", "sort.none"], |s| {
        sort_by(s, SortTarget::Value);
    }),
    case("sort_keys_only_by_value", &["sort.targets", "range.keys-only"], |s| {
        seed(s);
        for order in ORDERS {
            s.range(RangeRequest { keys_only: true, ..sorted(SortTarget::Value, order) });
        }
    }),
    case("sort_at_a_past_revision", &["sort.targets", "range.revision-past"], |s| {
        seed(s);
        s.delete(delete("b"));
        for revision in [s.at(4), s.at(7), s.at(10)] {
            s.range(RangeRequest { revision, ..sorted(SortTarget::Mod, SortOrder::Descend) });
            let request = sorted(SortTarget::Version, SortOrder::Descend);
            s.range(RangeRequest { revision, limit: 1, ..request });
        }
    }),
    case("sort_with_bounds", &["sort.targets", "range.bounds"], |s| {
        seed(s);
        let min_mod_revision = s.at(5);
        for order in ORDERS {
            for limit in 0..=2 {
                let request = sorted(SortTarget::Mod, order);
                s.range(RangeRequest { min_mod_revision, limit, ..request });
            }
        }
    }),
    case("sort_first_and_last", &["sort.first-last"], |s| {
        seed(s);
        for target in [SortTarget::Key, SortTarget::Create, SortTarget::Mod] {
            for order in [SortOrder::Ascend, SortOrder::Descend] {
                s.range(RangeRequest { limit: 1, ..sorted(target, order) });
            }
        }
    }),
    case("sort_unknown_target", &["sort.unknown"], |s| {
        s.set(&[("a", "1")]);
        s.range(RangeRequest { sort_target: 5, ..range("a", "z") });
        s.range(RangeRequest { sort_target: -1, ..range("a", "z") });
    }),
    case("sort_unknown_order", &["sort.unknown"], |s| {
        s.set(&[("a", "1")]);
        s.range(RangeRequest { sort_order: 3, ..range("a", "z") });
        s.range(RangeRequest { sort_order: -1, ..range("a", "z") });
    }),
    case("sort_unknown_without_a_key", &["sort.unknown", "range.empty-key"], |s| {
        s.range(RangeRequest { sort_order: 3, ..RangeRequest::default() });
    }),
];
