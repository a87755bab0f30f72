//! Compares the answers of two clusters, and holds what differs against the list of differences
//! that are meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use super::answer::ERROR;
use super::runner::Answers;

/// What stands for a field that is not there.
const ABSENT: &str = "(absent)";

/// A field on which the two disagree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Difference {
    /// The case.
    pub(crate) case: String,
    /// The request in it, counted from 1.
    pub(crate) step: usize,
    /// The field of the answer.
    pub(crate) field: String,
    /// What etcd answers.
    pub(crate) etcd: String,
    /// What Quorate answers.
    pub(crate) quorate: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{{ case = {:?}, step = {}, field = {:?}, etcd = {:?}, quorate = {:?} }}",
            self.case, self.step, self.field, self.etcd, self.quorate
        )
    }
}

/// Differences that are meant, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Why they are meant.
    pub(crate) reason: String,
    /// The differences.
    pub(crate) differences: Vec<Difference>,
}

/// The list of differences that are meant. What the same file says of random sequences is not read
/// here, but by `crates/versus`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listed {
    /// Each reason with its differences.
    pub(crate) group: Vec<Group>,
}

impl Listed {
    /// Reads the list. Fails on anything that is not understood.
    pub(crate) fn parse(text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| panic!("the list of differences: {error}"))
    }

    /// The part of the list that is about these cases.
    pub(crate) fn about(mut self, is_meant: impl Fn(&str) -> bool) -> Self {
        for group in &mut self.group {
            group.differences.retain(|difference| is_meant(&difference.case));
        }
        self
    }

    /// What is wrong with these differences: unlisted ones, and listed ones that did not occur.
    pub(crate) fn judge(&self, found: &[Difference]) -> Vec<String> {
        let found: BTreeSet<&Difference> = found.iter().collect();
        let listed: BTreeSet<&Difference> =
            self.group.iter().flat_map(|group| &group.differences).collect();
        let unlisted = found.difference(&listed).map(|it| format!("unlisted: {it}"));
        let vanished = listed.difference(&found).map(|it| format!("no longer occurs: {it}"));
        unlisted.chain(vanished).collect()
    }
}

/// Every field of a case on which the two disagree.
pub(crate) fn compare(case: &str, etcd: &Answers, quorate: &Answers) -> Vec<Difference> {
    assert!(etcd.keys().eq(quorate.keys()), "{case}: both were asked the same");
    let steps = etcd.iter().zip(quorate.values());
    steps.flat_map(|((step, etcd), quorate)| compare_step(case, *step, etcd, quorate)).collect()
}

fn compare_step(
    case: &str,
    step: usize,
    etcd: &BTreeMap<String, String>,
    quorate: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let has_failed = etcd.contains_key(ERROR) || quorate.contains_key(ERROR);
    let fields: BTreeSet<&str> = if has_failed {
        // A success and a failure differ in this, not in each field that only one of them has.
        BTreeSet::from([ERROR])
    } else {
        etcd.keys().chain(quorate.keys()).map(String::as_str).collect()
    };
    let of = |answer: &BTreeMap<String, String>, field: &str| {
        answer.get(field).map_or(ABSENT, String::as_str).to_owned()
    };
    let pairs = fields.into_iter().map(|field| Difference {
        case: case.to_owned(),
        step,
        field: field.to_owned(),
        etcd: of(etcd, field),
        quorate: of(quorate, field),
    });
    pairs.filter(|pair| pair.etcd != pair.quorate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(fields: &[(&str, &str)]) -> Answers {
        let fields = fields.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Answers::from([(1, fields.collect())])
    }

    fn difference(field: &str, etcd: &str, quorate: &str) -> Difference {
        let [case, field, etcd, quorate] = ["c", field, etcd, quorate].map(str::to_owned);
        Difference { case, step: 1, field, etcd, quorate }
    }

    #[test]
    fn equal_answers_have_no_difference() {
        let answer = answers(&[("count", "1"), ("more", "0")]);
        assert_eq!(compare("c", &answer, &answer), []);
    }

    #[test]
    fn each_field_that_differs_or_is_missing_is_found() {
        let etcd = answers(&[("count", "1"), ("more", "0")]);
        let quorate = answers(&[("count", "2"), ("header", "absent"), ("more", "0")]);
        let expected = [difference("count", "1", "2"), difference("header", ABSENT, "absent")];
        assert_eq!(compare("c", &etcd, &quorate), expected);
    }

    #[test]
    fn a_failure_differs_from_a_success_in_one_field() {
        let etcd = answers(&[("count", "1"), ("more", "0")]);
        let quorate = answers(&[(ERROR, "NotFound: gone")]);
        let expected = [difference(ERROR, ABSENT, "NotFound: gone")];
        assert_eq!(compare("c", &etcd, &quorate), expected);
    }

    #[test]
    fn unlisted_and_vanished_differences_are_told() {
        let listed = Listed::parse(
            "[[group]]\nreason = \"r\"\ndifferences = [\n\
             { case = \"c\", step = 1, field = \"count\", etcd = \"1\", quorate = \"2\" },\n]\n",
        );
        assert_eq!(listed.judge(&[difference("count", "1", "2")]), Vec::<String>::new());
        let problems = listed.judge(&[difference("count", "1", "3")]);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("unlisted: "), "{problems:?}");
        assert!(problems[1].starts_with("no longer occurs: "), "{problems:?}");
    }
}
