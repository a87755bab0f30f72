//! What is left of an answer to compare: every field but identities, terms and times.

use std::fmt::Debug;

use tonic::{Response, Status};

use crate::flatten::{self, Field};
use crate::relative::{BASE, InWords, Place};

/// The field that says why a request failed.
pub(crate) const ERROR: &str = "error";

/// Identities, terms and hashes of two clusters differ; whether they are told is compared.
const PRESENCE: [&str; 4] = ["cluster_id", "member_id", "raft_term", "hash"];

/// Compared is the distance from the revision at which the sequence began.
const REVISIONS: [&str; 6] =
    ["revision", "create_revision", "mod_revision", "compact_revision", "hash_revision", "rev"];

/// Compared is which of the leases it is whose number the server chose.
const LEASES: [&str; 2] = ["id", "lease"];

/// The answer to one request: fields, ready to be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer(pub(crate) Vec<Field>);

impl Answer {
    /// The answer to a unary request.
    pub(crate) fn of<T: Debug>(answer: &Result<Response<T>, Status>, place: &Place) -> Self {
        match answer {
            Ok(answer) => Self::message(answer.get_ref(), place),
            Err(status) => Self::failure(format!("{:?}: {}", status.code(), status.message())),
        }
    }

    /// A message that a stream brought.
    pub(crate) fn message(message: &impl Debug, place: &Place) -> Self {
        Self(flatten::fields(message).into_iter().map(|field| normalise(field, place)).collect())
    }

    /// No answer, and why.
    pub(crate) fn failure(reason: String) -> Self {
        Self(vec![Field::new(ERROR, reason)])
    }

    /// Adds another answer's fields under a name.
    pub(crate) fn append(&mut self, name: &str, other: Self) {
        let moved = other.0.into_iter();
        self.0.extend(moved.map(|field| Field::new(format!("{name}.{}", field.path), field.value)));
    }

    /// What a field holds.
    pub(crate) fn value(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|field| field.path == path).map(|field| field.value.as_str())
    }
}

fn normalise(mut field: Field, place: &Place) -> Field {
    let Ok(number) = field.value.parse::<i128>() else { return field };
    let name = field.name();
    if PRESENCE.contains(&name) {
        let told = if number == 0 { "zero" } else { "present" };
        told.clone_into(&mut field.value);
    } else if let Ok(number) = i64::try_from(number) {
        if REVISIONS.contains(&name) && 0 < number {
            field.value = InWords(BASE + number - place.base).to_string();
        } else if LEASES.contains(&name) {
            field.value = InWords(place.name_of_lease(number)).to_string();
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use quorate_etcdapi::etcdserverpb::{LeaseGrantResponse, PutResponse, ResponseHeader};

    use super::*;

    fn place() -> Place {
        Place { base: 100, given: vec![7], ..Place::default() }
    }

    #[test]
    fn identities_are_present_and_revisions_relative() {
        let header = ResponseHeader { cluster_id: 5, member_id: 0, revision: 103, raft_term: 9 };
        let answer =
            Answer::message(&PutResponse { header: Some(header), prev_kv: None }, &place());
        assert_eq!(answer.value("header.cluster_id"), Some("present"));
        assert_eq!(answer.value("header.member_id"), Some("zero"));
        assert_eq!(answer.value("header.revision"), Some("base+3"));
        assert_eq!(answer.value("prev_kv"), Some("None"));
    }

    #[test]
    fn leases_are_named_by_their_order_if_the_server_chose() {
        let lease = |id| LeaseGrantResponse { id, ttl: 10, ..Default::default() };
        let id_of = |id| Answer::message(&lease(id), &place()).value("id").map(str::to_owned);
        assert_eq!(id_of(7).as_deref(), Some("given"));
        assert_eq!(id_of(8).as_deref(), Some("8"));
    }

    #[test]
    fn a_failure_is_its_code_and_text() {
        let failed: Result<Response<PutResponse>, Status> = Err(Status::not_found("gone"));
        assert_eq!(Answer::of(&failed, &place()).value(ERROR), Some("NotFound: gone"));
    }
}
