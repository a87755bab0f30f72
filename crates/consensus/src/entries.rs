//! Entries that are shared instead of copied.

use std::sync::Arc;

use crate::entry::Entry;

/// Some entries, ascending by index, as part of a list that others may hold too.
///
/// A leader's log, its messages to every peer, what it has written and what it hands over are the
/// same list in memory: a clone copies no entry, and neither does a part of it. In return, the list
/// stays as long as anyone holds a part.
#[derive(Clone, Default)]
pub struct Entries {
    /// None for no entries, which take no memory.
    list: Option<Arc<Vec<Entry>>>,
    begin: u32,
    end: u32,
    cost: u64,
}

impl Entries {
    /// The entries from the place `begin` to before the place `end`.
    pub(crate) fn part(&self, begin: usize, end: usize) -> Self {
        assert!(begin <= end && end <= self.len(), "a part reaches beyond the whole");
        if begin == end {
            return Self::default();
        }
        if end - begin == self.len() {
            return self.clone();
        }
        let place = |at: usize| self.begin + at as u32;
        let cost = cost_of(&self[begin..end]);
        Self { list: self.list.clone(), begin: place(begin), end: place(end), cost }
    }

    /// Forgets the first entry.
    pub(crate) fn drop_first(&mut self) {
        let first = self.first().expect("the first of no entries is dropped");
        self.cost -= first.cost();
        self.begin += 1;
    }

    /// Forgets the entries from the place `end` on.
    pub(crate) fn truncate(&mut self, end: usize) {
        self.cost -= cost_of(&self[end..]);
        self.end = self.begin + end as u32;
    }

    /// The same in parts that have no holes.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Self> {
        let mut begin = 0;
        self.chunk_by(|one, next| one.index.next() == next.index).map(move |run| {
            let end = begin + run.len();
            self.part(std::mem::replace(&mut begin, end), end)
        })
    }

    /// What they cost against byte limits: see [`Entry::cost`].
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The same part, as far as it fits `bytes_max`, but at least one entry if there is any.
    pub(crate) fn fitting(&self, begin: usize, end: usize, bytes_max: u64) -> Self {
        if self.cost <= bytes_max {
            return self.part(begin, end);
        }
        let (count, _) = Entry::fitting(self[begin..end].iter(), bytes_max);
        self.part(begin, begin + count)
    }
}

fn cost_of(entries: &[Entry]) -> u64 {
    entries.iter().map(Entry::cost).sum()
}

impl std::ops::Deref for Entries {
    type Target = [Entry];

    #[inline]
    fn deref(&self) -> &[Entry] {
        match &self.list {
            Some(list) => &list[self.begin as usize..self.end as usize],
            None => &[],
        }
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(entries: Vec<Entry>) -> Self {
        let end = u32::try_from(entries.len()).expect("what is in one list fits memory many times");
        let cost = cost_of(&entries);
        let list = (end != 0).then(|| Arc::new(entries));
        Self { list, begin: 0, end, cost }
    }
}

impl From<Entry> for Entries {
    fn from(entry: Entry) -> Self {
        Self::from(vec![entry])
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self::from(Vec::from_iter(entries))
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Entries {}

impl std::fmt::Debug for Entries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(formatter)
    }
}
