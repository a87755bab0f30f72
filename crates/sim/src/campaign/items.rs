//! Faults and operations to be left out, as one argument of a command line.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeSet;

use crate::clients::OperationId;
use crate::world::faults::FaultId;

/// Items of a run. As text: names and runs of names, separated by commas: `f3,f5-f9,c1.2-c1.40`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// Faults.
    pub faults: BTreeSet<FaultId>,
    /// Operations of clients.
    pub operations: BTreeSet<OperationId>,
}

/// Most items in one run of names.
const RUN_MAX: u32 = 1_000_000;

/// Not a list of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoItem;

impl fmt::Display for NoItem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of faults and operations looks like f3,f5-f9,c1.2-c1.40")
    }
}

impl core::error::Error for NoItem {}

impl Items {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty() && self.operations.is_empty()
    }

    fn add(&mut self, first: &str, last: &str) -> Result<(), NoItem> {
        if let (Ok(first), Ok(last)) = (first.parse(), last.parse()) {
            let (FaultId(first), FaultId(last)) = (first, last);
            check_run(first, last)?;
            self.faults.extend((first..=last).map(FaultId));
            return Ok(());
        }
        let first: OperationId = first.parse().map_err(|_| NoItem)?;
        let last: OperationId = last.parse().map_err(|_| NoItem)?;
        if first.client() != last.client() {
            return Err(NoItem);
        }
        check_run(first.number(), last.number())?;
        let numbers = first.number()..=last.number();
        self.operations.extend(numbers.map(|number| OperationId::new(first.client(), number)));
        Ok(())
    }
}

fn check_run(first: u32, last: u32) -> Result<(), NoItem> {
    if last < first || RUN_MAX < last - first { Err(NoItem) } else { Ok(()) }
}

impl FromStr for Items {
    type Err = NoItem;

    fn from_str(text: &str) -> Result<Self, NoItem> {
        let mut items = Self::default();
        for run in text.split(',').filter(|run| !run.is_empty()) {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            items.add(first, last)?;
        }
        Ok(items)
    }
}

impl fmt::Display for Items {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = runs(self.faults.iter().copied(), |a, b| a.0 + 1 == b.0);
        let follows = |a: OperationId, b: OperationId| {
            a.client() == b.client() && a.number() + 1 == b.number()
        };
        let operations = runs(self.operations.iter().copied(), follows);
        let all: Vec<String> = faults.into_iter().chain(operations).collect();
        formatter.write_str(&all.join(","))
    }
}

/// Names that follow each other, as runs.
fn runs<T: Copy + PartialEq + fmt::Display>(
    names: impl Iterator<Item = T>,
    follows: impl Fn(T, T) -> bool,
) -> Vec<String> {
    let mut runs: Vec<(T, T)> = Vec::new();
    for name in names {
        match runs.last_mut() {
            Some((_, last)) if follows(*last, name) => *last = name,
            _ => runs.push((name, name)),
        }
    }
    let text = |(first, last): (T, T)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_written_as_runs_and_read_back() {
        let text = "f3,f5-f9,c1.2-c1.40,c2.7";
        let items: Items = text.parse().expect("it is a list");
        assert_eq!(items.faults.len(), 6);
        assert_eq!(items.operations.len(), 40);
        assert_eq!(items.to_string(), text);
        assert_eq!("".parse(), Ok(Items::default()));
        assert!(Items::default().is_empty());
    }

    #[test]
    fn what_is_no_list_of_items_is_refused() {
        for text in ["x", "f", "f9-f3", "c1", "c1.1-c2.9", "f1-c1.1", "f0-f4000000000", "c1.1-"] {
            assert_eq!(text.parse::<Items>(), Err(NoItem), "{text}");
        }
    }
}
