//! The list of differences that are meant: the `sequence` tables of `docs/etcd-differences.toml`.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::compare::Difference;

/// One kind of difference. In texts, `*` stands for anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    /// The kind of request.
    pub(crate) request: String,
    /// What the request looks like, as a report shows it.
    #[serde(default = "anything")]
    pub(crate) when: String,
    /// The field of the answer.
    pub(crate) field: String,
    /// What etcd answers.
    pub(crate) etcd: String,
    /// What Quorate answers.
    pub(crate) quorate: String,
    /// Whether the stores differ from here on, so that nothing after it can be compared.
    #[serde(default)]
    pub(crate) parts: bool,
    /// Whether one member alone does not show it.
    #[serde(default)]
    pub(crate) of_several_members: bool,
}

fn anything() -> String {
    "*".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// For whoever reads the file.
    #[expect(dead_code, reason = "every group has to have one")]
    reason: String,
    differences: Vec<Kind>,
}

/// The part of the file that is about sequences; the rest is about the cases of a test.
#[derive(Clone, Debug, Deserialize)]
struct File {
    #[serde(default)]
    sequence: Vec<Group>,
}

/// The differences that are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Vec<Kind>);

/// Which of them occurred.
pub(crate) type Met = BTreeSet<usize>;

impl Known {
    /// Reads the list.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context("the list of differences")?;
        Ok(Self(file.sequence.into_iter().flat_map(|group| group.differences).collect()))
    }

    /// The place in the list of what this is, if it is meant.
    pub(crate) fn place_of(&self, request: &str, shown: &str, it: &Difference) -> Option<usize> {
        self.0.iter().position(|kind| {
            kind.request == request
                && matches(&kind.when, shown)
                && matches(&kind.field, &it.field)
                && matches(&kind.etcd, &it.etcd)
                && matches(&kind.quorate, &it.quorate)
        })
    }

    /// Whether the stores differ after the one at this place.
    pub(crate) fn parts(&self, place: usize) -> bool {
        self.0[place].parts
    }

    /// Those that did not occur on clusters of so many members, though they could have.
    pub(crate) fn unmet(&self, met: &Met, members: u16) -> Vec<&Kind> {
        let unmet = self.0.iter().enumerate().filter(|(place, _)| !met.contains(place));
        let could = unmet.filter(|(_, kind)| 1 < members || !kind.of_several_members);
        could.map(|(_, kind)| kind).collect()
    }
}

/// Whether a text is what the pattern says.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    // The shortest and every longer text may be what the star stands for.
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let cases = [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*b*", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c", "abcd", false),
            ("*.header", "x.header", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_difference_is_known_by_request_field_and_both_answers() {
        let known = Known::parse(
            "[[group]]\nreason = \"x\"\n\n[[sequence]]\nreason = \"r\"\ndifferences = [\n\
             { request = \"Put\", when = \"* key=*\", field = \"error\", etcd = \"(absent)\", \
             quorate = \"A: *\", parts = true },\n]\n",
        )
        .expect("the list is well formed");
        let difference = |quorate: &str| Difference {
            field: "error".to_owned(),
            etcd: "(absent)".to_owned(),
            quorate: quorate.to_owned(),
        };
        assert_eq!(known.place_of("Put", "Put key=1", &difference("A: b")), Some(0));
        assert_eq!(known.place_of("Put", "Put", &difference("A: b")), None);
        assert_eq!(known.place_of("Range", "Put key=1", &difference("A: b")), None);
        assert_eq!(known.place_of("Put", "Put key=1", &difference("B: b")), None);
        assert!(known.parts(0));
        assert_eq!(known.unmet(&Met::new(), 1).len(), 1);
        assert!(known.unmet(&Met::from([0]), 1).is_empty());
    }

    /// Seed 5, sequence 27 on three members: those of etcd part at a transaction that it refuses.
    #[test]
    fn only_etcds_members_may_part() {
        let text = include_str!("../../../docs/etcd-differences.toml");
        let known = Known::parse(text).expect("the list is well formed");
        let refused = "OutOfRange: etcdserver: mvcc: required revision is a future revision";
        let parted = format!("{refused}; members are at [7, 6, 7]");
        let place_of = |etcd: &str, quorate: &str| {
            let [etcd, quorate] = [etcd, quorate].map(str::to_owned);
            let difference = Difference { field: "error".to_owned(), etcd, quorate };
            known.place_of("Txn", "Txn success[0].request.key=1", &difference)
        };
        let place = place_of(&parted, refused).expect("it is known");
        assert!(known.parts(place));
        assert_eq!(place_of(refused, &parted), None);
        let unmet = |members| known.unmet(&Met::new(), members).len();
        assert_eq!(unmet(1) + 2, unmet(3));
    }
}
