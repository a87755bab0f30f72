//! Compares what two servers answered to one sequence.

use std::collections::BTreeMap;
use std::fmt;

use crate::answer::{Answer, ERROR};
use crate::known::{Known, Met};
use crate::sequence::Step;

/// What stands for a field that is not there.
const ABSENT: &str = "(absent)";

/// The request by which what watches brought is known, which is compared at the end.
const EVENTS: &str = "Events";

/// A field on which the two disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The field.
    pub(crate) field: String,
    /// What etcd says.
    pub(crate) etcd: String,
    /// What Quorate says.
    pub(crate) quorate: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: etcd {}, quorate {}", self.field, self.etcd, self.quorate)
    }
}

/// The first step to which the answers differ in a way that is not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its place in the sequence; that after the last is what watches brought.
    pub(crate) step: usize,
    /// The kind of its request.
    pub(crate) request: String,
    /// What differs.
    pub(crate) differences: Vec<Difference>,
}

impl Finding {
    /// By this two findings are taken for the same.
    pub(crate) fn signature(&self) -> String {
        let Difference { field, etcd, quorate } = &self.differences[0];
        let field: String = field.chars().filter(|it| !it.is_ascii_digit()).collect();
        if field == ERROR {
            return format!("{} {etcd} {quorate}", self.request);
        }
        format!("{} {field}", self.request)
    }
}

/// The first difference that is not meant. Notes which of those that are meant occurred before it.
pub(crate) fn compare(
    steps: &[Step],
    etcd: &[Answer],
    quorate: &[Answer],
    known: &Known,
    met: &mut Met,
) -> Option<Finding> {
    let none = Answer::default();
    for step in 0..=steps.len() {
        let of = |answers: &[Answer]| answers.get(step).unwrap_or(&none).clone();
        let (request, shown) = match steps.get(step) {
            Some(step) => (step.kind(), step.to_string()),
            None => (EVENTS, String::new()),
        };
        let mut parts = false;
        let mut differences = differences(&of(etcd), &of(quorate));
        differences.retain(|difference| {
            let Some(place) = known.place_of(request, &shown, difference) else { return true };
            met.insert(place);
            parts |= known.parts(place);
            false
        });
        if !differences.is_empty() {
            return Some(Finding { step, request: request.to_owned(), differences });
        }
        if parts {
            return None;
        }
    }
    None
}

/// Every field on which two answers disagree.
fn differences(etcd: &Answer, quorate: &Answer) -> Vec<Difference> {
    if etcd == quorate {
        return Vec::new();
    }
    let has_failed = etcd.value(ERROR).is_some() || quorate.value(ERROR).is_some();
    let mut pairs: BTreeMap<&str, [&str; 2]> = BTreeMap::new();
    for (side, answer) in [etcd, quorate].into_iter().enumerate() {
        for field in &answer.0 {
            // A success and a failure differ in this, not in each field that only one of them has.
            if !has_failed || field.path == ERROR {
                pairs.entry(&field.path).or_insert([ABSENT; 2])[side] = &field.value;
            }
        }
    }
    let differing = pairs.into_iter().filter(|(_, [etcd, quorate])| etcd != quorate);
    let difference = |(field, [etcd, quorate]): (&str, [&str; 2])| Difference {
        field: field.to_owned(),
        etcd: etcd.to_owned(),
        quorate: quorate.to_owned(),
    };
    differing.map(difference).collect()
}

#[cfg(test)]
mod tests {
    use quorate_etcdapi::etcdserverpb::{LeaseLeasesRequest, PutRequest};

    use crate::flatten::Field;

    use super::*;

    fn answer(fields: &[(&str, &str)]) -> Answer {
        Answer(fields.iter().map(|(path, value)| Field::new(*path, *value)).collect())
    }

    fn steps() -> [Step; 2] {
        [Step::Put(PutRequest::default()), Step::Leases(LeaseLeasesRequest {})]
    }

    fn first(etcd: &[Answer], quorate: &[Answer], known: &Known) -> Option<Finding> {
        compare(&steps(), etcd, quorate, known, &mut Met::new())
    }

    #[test]
    fn equal_answers_have_no_difference() {
        let answers = [answer(&[("a", "1")]), answer(&[("error", "x")])];
        assert_eq!(first(&answers, &answers, &Known::default()), None);
    }

    #[test]
    fn the_first_step_that_differs_is_found_with_its_fields() {
        let etcd = [answer(&[("a", "1")]), answer(&[("a", "1"), ("b", "2")])];
        let quorate = [answer(&[("a", "1")]), answer(&[("a", "2")])];
        let finding = first(&etcd, &quorate, &Known::default()).expect("they differ");
        let lines: Vec<String> = finding.differences.iter().map(ToString::to_string).collect();
        assert_eq!(finding.step, 1);
        assert_eq!(lines, ["a: etcd 1, quorate 2", "b: etcd 2, quorate (absent)"]);
    }

    #[test]
    fn a_failure_differs_in_one_field() {
        let etcd = [answer(&[("a", "1")])];
        let quorate = [answer(&[("error", "x")])];
        let finding = first(&etcd, &quorate, &Known::default()).expect("they differ");
        assert_eq!(finding.signature(), "Put (absent) x");
    }

    #[test]
    fn a_missing_answer_is_a_difference() {
        let etcd = [answer(&[("a", "1")])];
        assert!(first(&etcd, &[], &Known::default()).is_some());
    }

    #[test]
    fn nothing_is_compared_once_the_stores_part() {
        let known = Known::parse(
            "[[sequence]]\nreason = \"r\"\ndifferences = [{ request = \"Put\", field = \"a\", \
             etcd = \"1\", quorate = \"2\", parts = true }]",
        )
        .expect("the list is well formed");
        let etcd = [answer(&[("a", "1")]), answer(&[("a", "1")])];
        let quorate = [answer(&[("a", "2")]), answer(&[("a", "2")])];
        let mut met = Met::new();
        assert_eq!(compare(&steps(), &etcd, &quorate, &known, &mut met), None);
        assert_eq!(met, Met::from([0]));
    }
}
