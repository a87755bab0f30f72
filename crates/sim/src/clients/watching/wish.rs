//! What a client wants to watch, and how far it has been told: what it takes from one stream to
//! the next.

use bytes::Bytes;
use quorate_kv::{WatchFilter, WatchRequest};

use super::super::plan::Plan;
use crate::draws::{Chance, Draws, Site};

const SITE: Site = Site::new("watchers/wish");

/// Something that is watched, on one stream after another.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    request: WatchRequest,
    /// Where it goes on; none if it has not begun.
    next: Option<i64>,
}

impl Wish {
    /// The wish of these numbers, of a client that has heard of a revision.
    pub(super) fn draw(draws: Draws, plan: &Plan, keys: [u64; 3], known: i64) -> Self {
        let drawn = Drawn { draws, plan, keys };
        let (key, range_end) = drawn.range();
        let request = WatchRequest {
            key,
            range_end,
            start_revision: drawn.start(known),
            id: if drawn.below(3, 6) == 0 { drawn.below(4, 3).cast_signed() } else { 0 },
            wants_previous: drawn.below(5, 2) == 0,
            wants_progress: drawn.below(6, 2) == 0,
            wants_fragments: drawn.below(7, 2) == 0,
            filter: drawn.filter(),
        };
        Self { request, next: None }
    }

    /// What to ask for, on a new stream.
    pub(super) fn request(&self) -> WatchRequest {
        let start_revision = self.next.unwrap_or(self.request.start_revision);
        WatchRequest { start_revision, ..self.request.clone() }
    }

    /// Whether it goes on from where it was.
    pub(super) fn is_resumed(&self) -> bool {
        self.next.is_some()
    }

    /// It begins, where the store stands there.
    pub(super) fn on_begun(&mut self, revision: i64) {
        if self.request.start_revision == 0 {
            self.next.get_or_insert(revision + 1);
        }
    }

    /// It has been told everything up to a revision.
    pub(super) fn on_told(&mut self, revision: i64) {
        let first = self.next.unwrap_or(self.request.start_revision);
        self.next = Some(first.max(revision + 1));
    }

    /// History begins here now.
    pub(super) fn on_compacted(&mut self, compacted: i64) {
        self.next = Some(compacted);
    }
}

/// The choices of one wish.
#[derive(Clone, Copy)]
struct Drawn<'a> {
    draws: Draws,
    plan: &'a Plan,
    keys: [u64; 3],
}

impl Drawn<'_> {
    fn below(self, what: u64, bound: u64) -> u64 {
        let [client, life, number] = self.keys;
        self.draws.below(SITE, [client, life, number, what], bound)
    }

    fn hot_key(self, what: u64) -> Bytes {
        let index = self.below(what, u64::from(self.plan.hot_keys)) as u32;
        self.plan.hot_key(self.draws, index)
    }

    fn range(self) -> (Bytes, Bytes) {
        let all = Bytes::from_static(&[0]);
        match self.below(10, 20) {
            0..6 => (self.hot_key(11), Bytes::new()),
            6..10 => ("hot/".into(), "hot0".into()),
            10..13 => (self.hot_key(11), self.hot_key(12)),
            13..16 => (all.clone(), all),
            16 => (self.hot_key(11), all),
            17 => ("leased/".into(), "leased0".into()),
            18 => (Bytes::new(), all),
            _ => ("hot/".into(), "hot".into()),
        }
    }

    fn start(self, known: i64) -> i64 {
        let distance = self.below(21, 60).cast_signed();
        match self.below(20, 20) {
            0..9 => 0,
            9..14 => (known - distance).max(1),
            14..16 => 1,
            16..19 => known + distance / 2,
            _ => -1,
        }
    }

    fn filter(self) -> WatchFilter {
        const PLAIN: Chance = Chance::percent(65);
        let [client, life, number] = self.keys;
        if self.draws.happens(SITE, [client, life, number, 30], PLAIN) {
            return WatchFilter::All;
        }
        [WatchFilter::Puts, WatchFilter::Deletions, WatchFilter::Nothing]
            [self.below(31, 3) as usize]
    }
}
