//! The text that is scraped: Prometheus' exposition format, version 0.0.4, as etcd writes it.
//!
//! Written here and not by the usual client crate, because that one writes `OpenMetrics`, where
//! a counter's family has another name than etcd's, and takes a lock for each observation.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;

/// What is sent as the content type.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// A scrape that is being written.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// The whole text.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// One gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// One counter without labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// One histogram without labels.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        self.distribution(name, &[], histogram);
    }

    /// The lines that begin a family. Its samples follow at once.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}")
            .expect("a string takes everything");
    }

    /// One value of the family that was begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.text.push_str(name);
        self.labels(labels);
        writeln!(self.text, " {value}").expect("a string takes everything");
    }

    /// The buckets, sum and count of the family that was begun last.
    pub(super) fn distribution(&mut self, name: &str, labels: &[Label<'_>], histogram: &Histogram) {
        let view = histogram.view();
        for (bound, count) in &view.buckets {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.sample(&format!("{name}_bucket"), &labels, count);
        }
        self.sample(&format!("{name}_sum"), labels, view.sum);
        self.sample(&format!("{name}_count"), labels, view.count);
    }

    fn labels(&mut self, labels: &[Label<'_>]) {
        if labels.is_empty() {
            return;
        }
        let mut separator = '{';
        for (name, value) in labels {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(name);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        self.text.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut text = Exposition::default();
        text.family("a", "gauge", "Help.");
        text.sample("a", &[("x", "1\"\\\n"), ("y", "")], 2);
        let expected = "# HELP a Help.\n# TYPE a gauge\na{x=\"1\\\"\\\\\\n\",y=\"\"} 2\n";
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_with_infinity() {
        static BOUNDS: [u64; 2] = [10, 20];
        let histogram = Histogram::of_counts(&BOUNDS);
        for value in [1, 10, 11, 21] {
            histogram.observe(value);
        }
        let mut text = Exposition::default();
        text.histogram("h", "Help.", &histogram);
        let expected = "# HELP h Help.\n# TYPE h histogram\nh_bucket{le=\"10\"} 2\n\
                        h_bucket{le=\"20\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 43\nh_count 4\n";
        assert_eq!(text.into_text(), expected);
    }
}
