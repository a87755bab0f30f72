//! Making a failing run smaller: which of its faults and operations does the failure need?

/// Removes items while the failure stays, and gives those that are left, in their order: the
/// delta debugging of Zeller and Hildebrandt (2002), with complements only, since a run with
/// fewer faults is always a legal run.
///
/// `fails` runs once for each attempt, at most `attempts_max` times. What is left still fails, and
/// unless the attempts ran out, no single item can be removed from it.
pub fn shrink<T: Clone>(
    items: &[T],
    attempts_max: usize,
    mut fails: impl FnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut kept = items.to_vec();
    let mut attempts = 0;
    let mut size = kept.len();
    while 0 < size && !kept.is_empty() {
        let removed = remove_chunks(&mut kept, size, attempts_max, &mut attempts, &mut fails);
        if attempts == attempts_max {
            return kept;
        }
        if size == 1 && !removed {
            return kept;
        }
        // What could not go in company may go alone, once something else is gone.
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    kept
}

/// Tries to do without each run of `size` items, from the end, where what matters least to a
/// failure further ahead is found. Says whether any could go.
fn remove_chunks<T: Clone>(
    kept: &mut Vec<T>,
    size: usize,
    attempts_max: usize,
    attempts: &mut usize,
    fails: &mut impl FnMut(&[T]) -> bool,
) -> bool {
    let mut removed = false;
    let mut end = kept.len();
    while 0 < end && *attempts < attempts_max {
        let start = end.saturating_sub(size);
        let without = [&kept[..start], &kept[end..]].concat();
        *attempts += 1;
        if fails(&without) {
            *kept = without;
            removed = true;
        }
        end = start;
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failure that needs all of these.
    fn needs(needed: &[u32]) -> impl FnMut(&[u32]) -> bool {
        move |kept| needed.iter().all(|item| kept.contains(item))
    }

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let items: Vec<u32> = (0..1_000).collect();
        let needed = [3, 500, 501, 998];
        let mut attempts = 0;
        let mut fails = needs(&needed);
        let left = shrink(&items, usize::MAX, |kept| {
            attempts += 1;
            fails(kept)
        });
        assert_eq!(left, needed);
        assert!(attempts < 150, "{attempts} attempts");
    }

    #[test]
    fn a_failure_that_needs_nothing_is_left_with_nothing() {
        assert!(shrink(&[1, 2, 3], usize::MAX, |_| true).is_empty());
        assert!(shrink(&[0; 0], usize::MAX, |_| true).is_empty());
    }

    #[test]
    fn a_failure_that_needs_everything_keeps_it() {
        let items = [1, 2, 3, 4, 5];
        assert_eq!(shrink(&items, usize::MAX, needs(&items)), items);
    }

    #[test]
    fn one_of_two_causes_is_enough() {
        let items: Vec<u32> = (0..64).collect();
        let left = shrink(&items, usize::MAX, |kept| kept.contains(&7) || kept.contains(&60));
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn no_more_attempts_are_made_than_allowed() {
        let items: Vec<u32> = (0..100).collect();
        let mut attempts = 0;
        let left = shrink(&items, 10, |kept| {
            attempts += 1;
            kept.contains(&50)
        });
        assert_eq!(attempts, 10);
        assert!(left.contains(&50));
    }
}
