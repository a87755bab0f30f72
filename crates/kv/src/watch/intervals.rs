//! Which of many ranges of keys contain a key: a treap over their starts, where each node knows
//! the greatest end below it (Cormen et al., "Introduction to Algorithms", interval trees; Seidel
//! and Aragon 1996, treaps).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use bytes::Bytes;

/// Where a range of keys ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Before this key.
    Before(Bytes),
    /// Nowhere.
    Never,
}

/// A range of keys, as requests name them (see [`crate::RangeRequest`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    start: Bytes,
    end: End,
}

impl Interval {
    /// The keys that a request with this key and end names; none if there cannot be any.
    pub(super) fn new(key: &Bytes, range_end: &Bytes) -> Option<Self> {
        let end = match &range_end[..] {
            [] => End::Before(successor(key)),
            [0] => End::Never,
            _ if range_end <= key => return None,
            _ => End::Before(range_end.clone()),
        };
        Some(Self { start: key.clone(), end })
    }

    /// What its ends hold.
    pub(super) fn bytes(&self) -> usize {
        let end = match &self.end {
            End::Before(end) => end.len(),
            End::Never => 0,
        };
        self.start.len() + end
    }
}

/// The least key above `key`.
fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

fn is_before(key: &[u8], end: &End) -> bool {
    match end {
        End::Before(end) => key < &end[..],
        End::Never => true,
    }
}

/// A set of ranges, each held by one or more holders.
#[derive(Debug)]
pub(super) struct Intervals<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    root: Link,
    made: u64,
}

type Link = Option<u32>;

#[derive(Debug)]
struct Node<T> {
    interval: Interval,
    holders: BTreeSet<T>,
    /// The greatest end in this subtree.
    end_max: End,
    /// Greater than those of the nodes below.
    priority: u64,
    left: Link,
    right: Link,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: None, made: 0 }
    }
}

impl<T: Copy + Ord> Intervals<T> {
    /// Adds a holder to a range.
    pub(super) fn insert(&mut self, interval: &Interval, holder: T) {
        if let Some(at) = self.find(interval) {
            self.node_mut(at).holders.insert(holder);
            return;
        }
        let made = self.make(interval.clone(), holder);
        let (left, right) = self.split(self.root, interval);
        let left = self.merge(left, Some(made));
        self.root = self.merge(left, right);
    }

    /// Takes a holder from a range that it holds.
    pub(super) fn remove(&mut self, interval: &Interval, holder: T) {
        let at = self.find(interval).expect("only what was inserted is removed");
        let holders = &mut self.node_mut(at).holders;
        assert!(holders.remove(&holder), "only what was inserted is removed");
        if holders.is_empty() {
            self.root = self.cut(self.root, interval);
            self.free.push(at);
        }
    }

    /// Calls `visit` for each holder of each range that contains `key`.
    pub(super) fn containing(&self, key: &[u8], visit: &mut impl FnMut(T)) {
        self.visit(self.root, key, visit);
    }

    fn visit(&self, link: Link, key: &[u8], visit: &mut impl FnMut(T)) {
        let Some(node) = link.map(|at| self.node(at)) else { return };
        if !is_before(key, &node.end_max) {
            return;
        }
        self.visit(node.left, key, visit);
        if key < &node.interval.start[..] {
            return;
        }
        if is_before(key, &node.interval.end) {
            node.holders.iter().copied().for_each(&mut *visit);
        }
        self.visit(node.right, key, visit);
    }

    fn find(&self, interval: &Interval) -> Link {
        let mut link = self.root;
        while let Some(at) = link {
            let node = self.node(at);
            link = match interval.cmp(&node.interval) {
                Ordering::Equal => return Some(at),
                Ordering::Less => node.left,
                Ordering::Greater => node.right,
            };
        }
        None
    }

    fn make(&mut self, interval: Interval, holder: T) -> u32 {
        self.made += 1;
        let node = Node {
            end_max: interval.end.clone(),
            interval,
            holders: BTreeSet::from([holder]),
            priority: mix(self.made),
            left: None,
            right: None,
        };
        if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            return at;
        }
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).expect("there are fewer than 2^32 ranges")
    }

    /// The nodes below `interval`, and those above it; it is not among them.
    fn split(&mut self, link: Link, interval: &Interval) -> (Link, Link) {
        let Some(at) = link else { return (None, None) };
        if self.node(at).interval < *interval {
            let (left, right) = self.split(self.node(at).right, interval);
            self.node_mut(at).right = left;
            self.update(at);
            return (Some(at), right);
        }
        let (left, right) = self.split(self.node(at).left, interval);
        self.node_mut(at).left = right;
        self.update(at);
        (left, Some(at))
    }

    /// One tree of two, of which all of `left` comes before all of `right`.
    fn merge(&mut self, left: Link, right: Link) -> Link {
        let (Some(first), Some(second)) = (left, right) else { return left.or(right) };
        if self.node(first).priority > self.node(second).priority {
            let merged = self.merge(self.node(first).right, right);
            self.node_mut(first).right = merged;
            self.update(first);
            return left;
        }
        let merged = self.merge(left, self.node(second).left);
        self.node_mut(second).left = merged;
        self.update(second);
        right
    }

    /// The tree without the node of `interval`.
    fn cut(&mut self, link: Link, interval: &Interval) -> Link {
        let at = link.expect("the range is in the tree");
        let (left, right) = (self.node(at).left, self.node(at).right);
        match interval.cmp(&self.node(at).interval) {
            Ordering::Equal => return self.merge(left, right),
            Ordering::Less => {
                let cut = self.cut(left, interval);
                self.node_mut(at).left = cut;
            }
            Ordering::Greater => {
                let cut = self.cut(right, interval);
                self.node_mut(at).right = cut;
            }
        }
        self.update(at);
        link
    }

    fn update(&mut self, at: u32) {
        let node = self.node(at);
        let below = [node.left, node.right].into_iter().flatten();
        let ends = below.map(|below| &self.node(below).end_max);
        let end_max = ends.chain([&node.interval.end]).max().expect("there is its own").clone();
        self.node_mut(at).end_max = end_max;
    }

    fn node(&self, at: u32) -> &Node<T> {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: u32) -> &mut Node<T> {
        &mut self.nodes[at as usize]
    }
}

/// The finaliser of Steele, Lea and Flood's `SplitMix64`: spreads a count over all priorities.
fn mix(count: u64) -> u64 {
    let state = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    impl Interval {
        fn contains(&self, key: &[u8]) -> bool {
            self.start <= key && is_before(key, &self.end)
        }
    }

    fn interval(key: &str, end: &str) -> Interval {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Interval::new(&bytes(key), &bytes(end)).expect("it has keys")
    }

    fn holders(intervals: &Intervals<u32>, key: &str) -> Vec<u32> {
        let mut found = Vec::new();
        intervals.containing(key.as_bytes(), &mut |holder| found.push(holder));
        found.sort_unstable();
        found
    }

    #[test]
    fn requests_name_one_key_a_range_or_everything_from_a_key() {
        let one = interval("b", "");
        assert!(one.contains(b"b") && !one.contains(b"b\0") && !one.contains(b"a"));
        let range = interval("b", "d");
        assert!(range.contains(b"b") && range.contains(b"cz") && !range.contains(b"d"));
        let from = interval("b", "\0");
        assert!(from.contains(b"b") && from.contains(b"\xff\xff") && !from.contains(b"a"));
        let bytes = Bytes::from_static;
        assert_eq!(Interval::new(&bytes(b"b"), &bytes(b"b")), None);
        assert_eq!(Interval::new(&bytes(b"b"), &bytes(b"a")), None);
    }

    #[test]
    fn a_range_has_as_many_holders_as_were_added() {
        let mut intervals = Intervals::default();
        intervals.insert(&interval("a", "c"), 1);
        intervals.insert(&interval("a", "c"), 2);
        intervals.insert(&interval("b", ""), 3);
        assert_eq!(holders(&intervals, "b"), [1, 2, 3]);
        intervals.remove(&interval("a", "c"), 1);
        assert_eq!(holders(&intervals, "b"), [2, 3]);
        intervals.remove(&interval("a", "c"), 2);
        assert_eq!(holders(&intervals, "b"), [3]);
        assert_eq!(holders(&intervals, "a"), []);
    }

    #[test]
    fn many_ranges_are_searched_in_few_steps() {
        let mut intervals = Intervals::default();
        for number in 0..10_000_u32 {
            intervals.insert(&interval(&format!("{number:05}/"), &format!("{number:05}0")), number);
        }
        assert_eq!(holders(&intervals, "07123/x"), [7_123]);
        assert!(depth(&intervals, intervals.root) < 50);
    }

    fn depth(intervals: &Intervals<u32>, link: Link) -> usize {
        let Some(node) = link.map(|at| intervals.node(at)) else { return 0 };
        1 + depth(intervals, node.left).max(depth(intervals, node.right))
    }

    proptest! {
        /// Whatever was inserted and removed, the answer is that of looking at each.
        #[test]
        fn it_answers_as_a_plain_list_would(
            steps in vec((0..8_u8, 0..10_u8, 0..4_u32, any::<bool>()), 1..80)
        ) {
            let mut intervals = Intervals::default();
            let mut list: BTreeSet<(Interval, u32)> = BTreeSet::new();
            for (start, end, holder, is_insert) in steps {
                let key = Bytes::from(vec![start]);
                let range_end =
                    if end == 9 { Bytes::new() } else { Bytes::from(vec![end]) };
                let Some(interval) = Interval::new(&key, &range_end) else { continue };
                if is_insert {
                    intervals.insert(&interval, holder);
                    list.insert((interval, holder));
                } else if list.remove(&(interval.clone(), holder)) {
                    intervals.remove(&interval, holder);
                }
                for key in 0..10_u8 {
                    let mut found = Vec::new();
                    intervals.containing(&[key], &mut |holder| found.push(holder));
                    found.sort_unstable();
                    let mut expected: Vec<u32> = list
                        .iter()
                        .filter(|(interval, _)| interval.contains(&[key]))
                        .map(|(_, holder)| *holder)
                        .collect();
                    expected.sort_unstable();
                    prop_assert_eq!(&found, &expected);
                }
            }
        }
    }
}
