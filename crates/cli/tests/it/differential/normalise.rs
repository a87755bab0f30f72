//! What may differ between two clusters that behave alike: each kind of field, and what is left
//! of it to compare.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::answer::{Field, Value};

/// A kind of field that is not compared as it is.
pub(crate) struct Normalisation {
    /// The last parts of its path.
    pub(crate) fields: &'static [&'static str],
    /// What is left of it.
    pub(crate) keep: Keep,
    /// Why.
    pub(crate) reason: &'static str,
}

/// What is left of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Whether it is there: not zero, not empty.
    Presence,
    /// The distance from the revision at which the case started; 0 and below stay.
    Distance,
    /// The shape of a version: three numbers.
    VersionShape,
    /// The shape of a list of URLs.
    UrlShape,
}

impl Keep {
    /// What is left, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Presence => "whether it is present",
            Self::Distance => "its distance from the revision at which the case starts",
            Self::VersionShape => "that it is `X.Y.Z`",
            Self::UrlShape => "that each is `http://<address>:<port>`",
        }
    }
}

/// Everything that is normalised. Whatever is not listed is compared as it is.
pub(crate) const NORMALISATIONS: &[Normalisation] = &[
    Normalisation {
        fields: &["header.cluster_id", "header.member_id", "id", "name", "leader"],
        keep: Keep::Presence,
        reason: "identities differ between clusters",
    },
    Normalisation {
        fields: &["raft_term", "raft_index", "raft_applied_index"],
        keep: Keep::Presence,
        reason: "elections and internal entries differ between clusters",
    },
    Normalisation {
        fields: &["db_size", "db_size_in_use", "hash"],
        keep: Keep::Presence,
        reason: "they describe the file, whose format is each program's own",
    },
    Normalisation {
        fields: &[
            "revision",
            "create_revision",
            "mod_revision",
            "compact_revision",
            "hash_revision",
        ],
        keep: Keep::Distance,
        reason: "cases run one after the other on one store",
    },
    Normalisation {
        fields: &["version"],
        keep: Keep::VersionShape,
        reason: "the programs have different versions; of a key, a version is a number and stays",
    },
    Normalisation {
        fields: &["peer_urls", "client_urls"],
        keep: Keep::UrlShape,
        reason: "addresses are chosen when a process starts",
    },
];

/// The fields of an answer, normalised: path to what is compared.
pub(crate) fn normalise(fields: &[Field], base: i64) -> BTreeMap<String, String> {
    let mut normalised = BTreeMap::new();
    for field in fields {
        let text = normalise_value(&field.path, &field.value, base);
        let known = normalised.entry(field.path.clone()).or_insert_with(|| text.clone());
        if *known != text {
            // The members of one cluster tell different things of themselves.
            *known = format!("{known} | {text}");
        }
    }
    normalised
}

fn normalise_value(path: &str, value: &Value, base: i64) -> String {
    match (keep_of(path), value) {
        (Some(Keep::Presence), value) => presence(value),
        (Some(Keep::Distance), Value::Number(number)) if 0 < *number => {
            format!("base{:+}", number - i128::from(base))
        }
        (Some(Keep::VersionShape), Value::Text(text)) => version_shape(text),
        (Some(Keep::UrlShape), Value::Text(text)) => url_shape(text),
        (_, Value::Number(number)) => number.to_string(),
        (_, Value::Text(text)) => text.clone(),
    }
}

fn keep_of(path: &str) -> Option<Keep> {
    let ends_with = |name: &&str| {
        path.strip_suffix(*name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let listed = NORMALISATIONS.iter().find(|listed| listed.fields.iter().any(ends_with));
    listed.map(|listed| listed.keep)
}

fn presence(value: &Value) -> String {
    let is_present = match value {
        Value::Text(text) => !text.is_empty(),
        Value::Number(number) => *number != 0,
    };
    if is_present { "present".to_owned() } else { "zero".to_owned() }
}

fn version_shape(text: &str) -> String {
    let parts: Vec<&str> = text.split('.').collect();
    let are_numbers = parts.iter().all(|part| part.parse::<u32>().is_ok());
    if parts.len() == 3 && are_numbers { "X.Y.Z".to_owned() } else { text.to_owned() }
}

fn url_shape(text: &str) -> String {
    let shapes = text.split(',').map(|url| {
        let address = url.strip_prefix("http://").map(str::parse::<SocketAddr>);
        if matches!(address, Some(Ok(_))) { "http://<address>:<port>" } else { url }
    });
    shapes.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(path: &str, value: Value) -> String {
        normalise_value(path, &value, 100)
    }

    #[test]
    fn identities_keep_only_their_presence() {
        assert_eq!(normalised("header.member_id", Value::Number(7)), "present");
        assert_eq!(normalised("header.member_id", Value::Number(0)), "zero");
        assert_eq!(normalised("members[each].name", Value::Text(String::new())), "zero");
    }

    #[test]
    fn revisions_become_distances_and_zero_stays() {
        assert_eq!(normalised("kvs[0].mod_revision", Value::Number(103)), "base+3");
        assert_eq!(normalised("header.revision", Value::Number(99)), "base-1");
        assert_eq!(normalised("header.revision", Value::Number(0)), "0");
    }

    #[test]
    fn a_keys_version_is_compared_and_a_programs_version_is_not() {
        assert_eq!(normalised("kvs[0].version", Value::Number(4)), "4");
        assert_eq!(normalised("version", Value::Text("3.6.1".to_owned())), "X.Y.Z");
        assert_eq!(normalised("version", Value::Text("3.6.1-ours".to_owned())), "3.6.1-ours");
    }

    #[test]
    fn what_is_not_listed_stays_as_it_is() {
        assert_eq!(normalised("kvs[0].key", Value::Text("a".to_owned())), "a");
        assert_eq!(normalised("count", Value::Number(3)), "3");
        assert_eq!(normalised("error", Value::Text("NotFound: x".to_owned())), "NotFound: x");
    }
}
