//! Whether a history is linearizable in the order of its revisions, in linear time.
//!
//! etcd's answers carry the revision, so the order of writes need not be searched for: it is known,
//! and only has to explain every answer and agree with real time. What really happened is read from
//! the cluster afterwards ([`super::audit`]), which also resolves the unknown outcomes.

use std::collections::BTreeMap;

use super::history::{Call, Consistency, Nanos, Operation, Outcome, Record, Truth, Value};

/// How many violations are told.
const SHOWN_MAX: usize = 10;

/// What a good history consisted of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Writes with an answer that says so; each is there, at its revision.
    pub(crate) acknowledged: usize,
    /// Writes without an answer that turned out to have happened.
    pub(crate) unknown_happened: usize,
    /// Writes without an answer that turned out not to have happened.
    pub(crate) unknown_never: usize,
    /// Linearizable reads, and swaps that read instead.
    pub(crate) linearizable_reads: usize,
    /// Serializable reads.
    pub(crate) serializable_reads: usize,
}

/// Judges a history by what really happened. Gives the violations, if there are any.
pub(crate) fn check(history: &[Operation], truth: &Truth) -> Result<Tally, Vec<String>> {
    let mut checker = Checker::new(history, truth);
    checker.check_truth();
    checker.check_answers();
    checker.check_real_time();
    let violations = checker.violations;
    if violations.is_empty() {
        return Ok(checker.tally);
    }
    let count = violations.len();
    let mut shown: Vec<String> = violations.into_iter().take(SHOWN_MAX).collect();
    shown.push(format!("{count} violations in all"));
    Err(shown)
}

/// The acknowledged writes that are not there, or not at their revision.
pub(crate) fn lost<'a>(history: &'a [Operation], truth: &Truth) -> Vec<&'a Operation> {
    let is_lost = |operation: &&Operation| {
        let Outcome::Wrote { revision } = operation.outcome else { return false };
        let made = truth.get(&revision);
        let is_made = |(key, value): (&str, Value)| {
            made.is_some_and(|made| {
                made.iter().any(|record| record.key == key && record.value == value)
            })
        };
        !operation.call.writes().into_iter().all(is_made)
    };
    history.iter().filter(is_lost).collect()
}

struct Checker<'a> {
    history: &'a [Operation],
    truth: &'a Truth,
    /// Each key's records, by revision.
    keys: BTreeMap<&'a str, Vec<&'a Record>>,
    /// Which operation wrote a value.
    writers: BTreeMap<Value, &'a Operation>,
    /// The revision that a value was written at.
    revisions: BTreeMap<Value, i64>,
    tally: Tally,
    violations: Vec<String>,
}

impl<'a> Checker<'a> {
    fn new(history: &'a [Operation], truth: &'a Truth) -> Self {
        let mut keys: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        let mut revisions = BTreeMap::new();
        for (revision, records) in truth {
            for record in records {
                keys.entry(&record.key).or_default().push(record);
                revisions.entry(record.value).or_insert(*revision);
            }
        }
        let mut writers = BTreeMap::new();
        for operation in history {
            for (_, value) in operation.call.writes() {
                writers.insert(value, operation);
            }
        }
        let (tally, violations) = (Tally::default(), Vec::new());
        Self { history, truth, keys, writers, revisions, tally, violations }
    }

    fn report(&mut self, violation: String) {
        self.violations.push(violation);
    }

    /// What happened was asked for, whole, once, and counted right.
    fn check_truth(&mut self) {
        let mut expected_revision = self.truth.keys().next().copied();
        for (&revision, records) in self.truth {
            if Some(revision) != expected_revision {
                self.report(format!("no record of the revision before {revision} is there"));
            }
            expected_revision = Some(revision + 1);
            for record in records {
                self.check_record(revision, record, records);
            }
        }
        let keys = std::mem::take(&mut self.keys);
        for records in keys.values() {
            self.check_counts(records);
        }
        self.keys = keys;
    }

    fn check_record(&mut self, revision: i64, record: &Record, records: &[Record]) {
        if self.revisions.get(&record.value) != Some(&revision) {
            self.report(format!("written twice, the second time at {revision}: {record:?}"));
        }
        let Some(writer) = self.writers.get(&record.value).copied() else {
            return self.report(format!("nobody wrote this: {record:?}"));
        };
        let asked = writer.call.writes();
        if asked.len() != records.len() || !asked.contains(&(&record.key, record.value)) {
            self.report(format!("{writer:?} was done as {records:?}"));
        }
    }

    /// A key's records continue each other. Nothing is ever deleted here.
    fn check_counts(&mut self, records: &[&Record]) {
        let Some(first) = records.first() else { return };
        for (place, record) in records.iter().enumerate() {
            let version = i64::try_from(place + 1).expect("it is small");
            if record.version != version || record.create_revision != first.mod_revision {
                self.report(format!("version {version} of its key is {record:?}"));
            }
        }
    }

    /// Each answer is what the state at its revision gives.
    fn check_answers(&mut self) {
        for operation in self.history {
            let is_explained = match &operation.outcome {
                Outcome::Wrote { revision } => self.explains_write(operation, *revision),
                Outcome::Kept { revision, seen } => {
                    self.explains_keep(&operation.call, *revision, seen.as_ref())
                }
                Outcome::Read { revision, seen } => {
                    self.explains_read(&operation.call, *revision, seen)
                }
                Outcome::Refused => self.resolved(operation).is_none(),
                Outcome::Unknown => self.explains_unknown(operation),
            };
            if !is_explained {
                self.report(format!("the state does not explain {operation:?}"));
            }
        }
    }

    fn explains_write(&mut self, operation: &Operation, revision: i64) -> bool {
        self.tally.acknowledged += 1;
        self.resolved(operation) == Some(revision) && self.allows_swap(&operation.call, revision)
    }

    fn explains_unknown(&mut self, operation: &Operation) -> bool {
        if operation.call.writes().is_empty() {
            return true;
        }
        let Some(revision) = self.resolved(operation) else {
            self.tally.unknown_never += 1;
            return true;
        };
        self.tally.unknown_happened += 1;
        self.allows_swap(&operation.call, revision)
    }

    /// Whether a swap's condition held just before its revision.
    fn allows_swap(&self, call: &Call, revision: i64) -> bool {
        let Call::Swap { key, expected, .. } = call else { return true };
        self.state(key, revision - 1).map(|record| record.value) == *expected
    }

    fn explains_keep(&mut self, call: &Call, revision: i64, seen: Option<&Record>) -> bool {
        self.tally.linearizable_reads += 1;
        let Call::Swap { key, expected, .. } = call else { return false };
        let state = self.state(key, revision);
        state == seen && state.map(|record| record.value) != *expected
    }

    fn explains_read(&mut self, call: &Call, revision: i64, seen: &[Record]) -> bool {
        let Call::Read { prefix, consistency } = call else { return false };
        match consistency {
            Consistency::Linearizable => self.tally.linearizable_reads += 1,
            Consistency::Serializable => self.tally.serializable_reads += 1,
        }
        let keys = self.keys.range(&**prefix..);
        let covered = keys.map(|(key, _)| *key).take_while(|key| key.starts_with(&**prefix));
        let state = covered.filter_map(|key| self.state(key, revision));
        state.eq(seen)
    }

    /// A key's record as of a revision.
    fn state(&self, key: &str, revision: i64) -> Option<&'a Record> {
        let records = self.keys.get(key)?;
        let count = records.partition_point(|record| record.mod_revision <= revision);
        count.checked_sub(1).map(|last| records[last])
    }

    /// The revision at which a write really happened.
    fn resolved(&self, operation: &Operation) -> Option<i64> {
        let writes = operation.call.writes();
        let (_, value) = writes.first()?;
        self.revisions.get(value).copied()
    }

    /// Nothing is answered from before an answer that was there when it was asked, nor from a
    /// write that was asked for only after the answer.
    fn check_real_time(&mut self) {
        let history = self.history;
        let mut by_return: Vec<&Operation> = history.iter().collect();
        by_return.sort_by_key(|operation| operation.returned);
        let mut by_invocation: Vec<&Operation> = history.iter().collect();
        by_invocation.sort_by_key(|operation| operation.invoked);
        let mut returned = by_return.iter().peekable();
        let mut floor = 0;
        for operation in by_invocation {
            let is_past = |earlier: &&&Operation| earlier.returned < operation.invoked;
            while let Some(earlier) = returned.next_if(is_past) {
                floor = floor.max(earlier.outcome.revision().unwrap_or(0));
            }
            if !self.is_after(operation, floor) {
                self.report(format!("revision {floor} was known before {operation:?}"));
            }
        }
        self.check_causes();
    }

    fn is_after(&self, operation: &Operation, floor: i64) -> bool {
        if let Some(revision) = self.resolved(operation) {
            return floor < revision;
        }
        let revision = operation.outcome.revision();
        !operation.is_linearizable() || revision.is_none_or(|revision| floor <= revision)
    }

    fn check_causes(&mut self) {
        // For each revision, when the last of the writes up to it was asked for.
        let mut latest: Nanos = 0;
        let mut asked_by: BTreeMap<i64, Nanos> = BTreeMap::new();
        for (revision, records) in self.truth {
            let asked = records.iter().filter_map(|record| self.writers.get(&record.value));
            latest = asked.map(|writer| writer.invoked).fold(latest, Nanos::max);
            asked_by.insert(*revision, latest);
        }
        let history = self.history;
        for operation in history {
            let Some(revision) = operation.outcome.revision() else { continue };
            let cause = asked_by.range(..=revision).next_back();
            if cause.is_some_and(|(_, asked)| operation.returned < *asked) {
                self.report(format!("answered before it was asked for: {operation:?}"));
            }
        }
    }
}

#[cfg(test)]
#[path = "revisions_tests.rs"]
mod tests;
