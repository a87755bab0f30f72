//! A member's metrics, read back.

use std::time::Duration;

/// The text of a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scrape(String);

impl Scrape {
    /// What `/metrics` answered.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// A number without labels.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let mut samples = self.samples(name);
        samples.find(|(labels, _)| labels.is_empty()).map(|(_, value)| value)
    }

    /// A number with this label.
    pub(crate) fn labelled(&self, name: &str, label: &str, value: &str) -> Option<f64> {
        let wanted = format!("{label}=\"{value}\"");
        let mut samples = self.samples(name);
        samples
            .find(|(labels, _)| labels.split(',').any(|label| label == wanted))
            .map(|(_, value)| value)
    }

    /// The mean of a histogram's observations, and how many they are; none if there are none.
    pub(crate) fn mean(&self, name: &str) -> Option<(Duration, f64)> {
        let count = self.number(&format!("{name}_count")).filter(|count| 0.0 < *count)?;
        let sum = self.number(&format!("{name}_sum"))?;
        Some((Duration::try_from_secs_f64(sum / count).ok()?, count))
    }

    /// What 99 of 100 observations of a histogram do not exceed, within their bucket by proportion.
    pub(crate) fn p99(&self, name: &str) -> Option<Duration> {
        let buckets: Vec<(f64, f64)> = self
            .samples(&format!("{name}_bucket"))
            .filter_map(|(labels, count)| {
                let (_, bound) = labels.split_once("le=\"")?;
                Some((bound.trim_end_matches('"').parse().ok()?, count))
            })
            .collect();
        p99_of(&buckets).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// All samples of this name, as labels and value.
    fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.trim().parse().ok()?))
        })
    }
}

/// The same of upper bounds, ascending, each with how many are not above it.
fn p99_of(buckets: &[(f64, f64)]) -> Option<f64> {
    let (_, count) = *buckets.last()?;
    if count <= 0.0 {
        return None;
    }
    let rank = count * 0.99;
    let place = buckets.iter().position(|(_, upto)| rank <= *upto)?;
    let (bound, upto) = buckets[place];
    let (below, before) = match place {
        0 => (0.0, 0.0),
        _ => buckets[place - 1],
    };
    // The last bucket has no bound: what is known is that it is above the one before.
    if !bound.is_finite() {
        return Some(below);
    }
    Some(below + (bound - below) * (rank - before) / (upto - before).max(f64::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP quorate_records Retained records.
quorate_records 12
quorate_records_total 13
quorate_peer_lag_entries{To=\"ab\"} 4
quorate_peer_lag_entries{To=\"cd\"} 0
sync_seconds_bucket{le=\"0.001\"} 90
sync_seconds_bucket{le=\"0.002\"} 99
sync_seconds_bucket{le=\"0.004\"} 100
sync_seconds_bucket{le=\"+Inf\"} 100
sync_seconds_sum 0.2
sync_seconds_count 100
";

    #[test]
    fn numbers_are_found_by_name_and_label() {
        let scrape = Scrape::new(TEXT.to_owned());
        assert_eq!(scrape.number("quorate_records"), Some(12.0));
        assert_eq!(scrape.number("quorate"), None);
        assert_eq!(scrape.labelled("quorate_peer_lag_entries", "To", "ab"), Some(4.0));
        assert_eq!(scrape.labelled("quorate_peer_lag_entries", "To", "a"), None);
    }

    #[test]
    fn a_percentile_lies_within_its_bucket() {
        let scrape = Scrape::new(TEXT.to_owned());
        assert_eq!(scrape.p99("sync_seconds"), Some(Duration::from_millis(2)));
        assert_eq!(scrape.p99("nothing"), None);
        assert_eq!(scrape.mean("sync_seconds"), Some((Duration::from_millis(2), 100.0)));
        assert_eq!(p99_of(&[(0.001, 0.0), (f64::INFINITY, 5.0)]), Some(0.001));
        assert_eq!(p99_of(&[(0.001, 0.0), (f64::INFINITY, 0.0)]), None);
    }
}
