//! How changes reach watches: live ones as they are applied, earlier ones from history.

use std::sync::Arc;

use super::{
    CancelCause, Change, Matched, Name, Place, SLICE_RECORDS, WatchLimits, WatchResponse, Watches,
};
use crate::{Damage, KeyValue, Record, RecordKind, Revision, Rule, Rules, Step, Store};

impl<R: Rules> Watches<R> {
    /// Tells the watches that keep up what was applied since the last call.
    ///
    /// To be called after each batch of entries, and before a compaction is applied: what is
    /// compacted before it was seen cannot be told any more.
    pub fn on_applied(&mut self, store: &Store<R>) -> Result<(), Damage> {
        if self.watches.is_empty() {
            self.seen = self.seen.max(store.revision());
        }
        while self.seen < store.revision() {
            let Ok(events) = store.events(self.seen + 1, SLICE_RECORDS)? else {
                self.on_installed(store);
                return Ok(());
            };
            let matched = self.match_with(Place::Current, store, events.records)?;
            self.seen = events.upto;
            self.hand_out(matched, events.upto);
        }
        self.answer_all_progress();
        Ok(())
    }

    /// The state was replaced by a newer one: whatever lies between is read from its history.
    pub fn on_installed(&mut self, store: &Store<R>) {
        let next = self.seen + 1;
        self.seen = store.revision().max(self.seen);
        if self.rules.breaks(Rule::WatchSkipsInstalled) {
            return;
        }
        let current = |(name, watch): (&Name, &super::Watch)| {
            (watch.place == Place::Current).then_some(*name)
        };
        let names: Vec<Name> = self.watches.iter().filter_map(current).collect();
        for name in names {
            self.lift(name);
            let watch = self.watches.get_mut(&name).expect("it was just found");
            if !self.rules.breaks(Rule::WatchRepeatsAfterInstall) {
                watch.from = watch.from.max(next);
            }
            self.go_on(name);
        }
    }

    /// Tells watches that are behind a slice of what they have missed.
    pub fn catch_up(&mut self, store: &Store<R>) -> Result<Step<()>, Damage> {
        self.on_applied(store)?;
        let Some((from, _)) = self.cursors.first() else { return Ok(Step::Done(())) };
        match store.events(*from, SLICE_RECORDS)? {
            Ok(events) => {
                let matched = self.match_with(Place::Behind, store, events.records)?;
                self.hand_out(matched, events.upto);
                self.advance(events.upto);
            }
            Err(_) => self.cancel_compacted(store.compacted()),
        }
        self.answer_all_progress();
        Ok(if self.cursors.is_empty() { Step::Done(()) } else { Step::More })
    }

    /// Moves the cursors of all that have been told everything up to a revision.
    fn advance(&mut self, upto: i64) {
        while let Some((from, name)) = self.cursors.first().copied() {
            if upto < from {
                return;
            }
            self.lift(name);
            let skipped = i64::from(self.rules.breaks(Rule::WatchSkipsAtHandOver));
            let watch = self.watches.get_mut(&name).expect("a cursor is of a watch");
            watch.from = upto + 1 + skipped;
            self.go_on(name);
        }
    }

    /// Ends the watches whose next change may be gone.
    fn cancel_compacted(&mut self, compacted: i64) {
        while let Some((from, name)) = self.cursors.first().copied() {
            let is_at_edge = from == compacted && self.rules.breaks(Rule::WatchEndsAtEdge);
            if compacted <= from && !is_at_edge {
                return;
            }
            if self.rules.breaks(Rule::WatchSkipsCompacted) {
                self.lift(name);
                self.watches.get_mut(&name).expect("a cursor is of a watch").from = compacted;
                self.go_on(name);
                continue;
            }
            let (stream, watch) = name;
            self.forget(name);
            let open = self.streams.get_mut(&stream).expect("a watch is on an open stream");
            open.end(watch);
            self.ended += 1;
            let cause = CancelCause::Compacted { compacted };
            self.tell(stream, WatchResponse::Canceled { watch, cause });
        }
    }

    /// Which watches of a place want to know of which records.
    fn match_with(
        &self,
        place: Place,
        store: &Store<R>,
        records: Vec<(Revision, Record)>,
    ) -> Result<Matched, Damage> {
        let index = if place == Place::Current { &self.current } else { &self.behind };
        let mut matched = Matched::new();
        for (revision, record) in records {
            let mut names = Vec::new();
            let mut wants_previous = false;
            index.containing(&record.key, &mut |name| {
                let watch = &self.watches[&name];
                if watch.wants(revision, &record, &self.rules) {
                    wants_previous |= watch.wants_previous;
                    names.push(name);
                }
            });
            if names.is_empty() {
                continue;
            }
            let at = revision.main - i64::from(!self.rules.breaks(Rule::WatchPreviousIsNew));
            let previous = if wants_previous { previous(store, at, &record)? } else { None };
            let change = Arc::new(Change { revision, record, previous });
            for name in names {
                matched.entry(name).or_default().push(Arc::clone(&change));
            }
        }
        Ok(matched)
    }

    fn hand_out(&mut self, matched: Matched, upto: i64) {
        for (name, changes) in matched {
            self.deliver(name, changes, upto);
        }
    }

    /// Tells one watch its changes, or leaves its cursor before them if its client is behind.
    fn deliver(&mut self, name: Name, changes: Vec<Arc<Change>>, revision: i64) {
        let (stream, id) = name;
        let outbox_bytes_max = self.outbox_bytes_max();
        let open = self.streams.get_mut(&stream).expect("a watch is on an open stream");
        if outbox_bytes_max <= open.bytes() {
            if self.rules.breaks(Rule::WatchDropsWhenSlow) {
                return;
            }
            open.stick(id);
            self.lift(name);
            let watch = self.watches.get_mut(&name).expect("it is told something");
            watch.from = changes[0].revision.main;
            watch.place = Place::Stuck;
            if !self.rules.breaks(Rule::WatchRepeatsWhenSlow) {
                return;
            }
        }
        let watch = self.watches.get_mut(&name).expect("it is told something");
        if let Some(progress) = &mut watch.progress {
            progress.is_quiet = false;
        }
        let (wants_previous, wants_fragments) = (watch.wants_previous, watch.wants_fragments);
        let pieces = if wants_fragments { cut(changes, self.limits) } else { vec![changes] };
        let last = pieces.len() - 1;
        for (at, changes) in pieces.into_iter().enumerate() {
            let is_fragment = at < last && !self.rules.breaks(Rule::WatchSplitsRevision);
            self.tell(
                stream,
                WatchResponse::Changes {
                    watch: id,
                    revision,
                    changes,
                    wants_previous,
                    is_fragment,
                },
            );
        }
    }

    fn answer_all_progress(&mut self) {
        for stream in self.asking.clone() {
            self.answer_progress(stream);
        }
    }
}

/// What a key was at the revision before a change; nothing if that is compacted, or if there was
/// nothing.
fn previous<R: Rules>(
    store: &Store<R>,
    at: i64,
    record: &Record,
) -> Result<Option<KeyValue>, Damage> {
    let is_created = record.kind == RecordKind::Put && record.version == 1;
    if is_created || at <= 0 {
        return Ok(None);
    }
    Ok(store.key_at(&record.key, at)?.unwrap_or(None))
}

/// Pieces of about the bytes of a fragment, at least one change each.
fn cut(changes: Vec<Arc<Change>>, limits: WatchLimits) -> Vec<Vec<Arc<Change>>> {
    let mut pieces = vec![Vec::new()];
    let mut bytes = 0;
    for change in changes {
        if limits.fragment_bytes_max <= bytes + change.bytes() && 0 < bytes {
            pieces.push(Vec::new());
            bytes = 0;
        }
        bytes += change.bytes();
        pieces.last_mut().expect("there is one").push(change);
    }
    pieces
}
