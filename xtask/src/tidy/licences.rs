//! Every dependency may be used and passed on under terms that we accept.

use super::metadata::{Metadata, Package};

/// Terms that ask for no more than to be named.
const ACCEPTED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates under other terms that we accept, each with the terms and the reason.
const NAMED: [(&str, &str, &str); 0] = [];

/// Crates whose terms we did not accept.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    metadata.packages.iter().filter(|package| !is_accepted(package)).map(problem).collect()
}

fn problem(package: &Package) -> String {
    let license = package.license.as_deref().unwrap_or("none stated");
    format!("{}: licence {license} is not accepted", package.name)
}

fn is_accepted(package: &Package) -> bool {
    let Some(license) = package.license.as_deref() else {
        return false;
    };
    let is_named = NAMED.iter().any(|(name, terms, _)| package.name == *name && license == *terms);
    is_named || Expression::parse(license).is_some_and(|expression| expression.is_accepted())
}

/// An SPDX licence expression.
enum Expression {
    /// One licence, with its exception if it has one.
    One(String),
    /// The user chooses.
    Any(Vec<Expression>),
    /// All of them apply.
    All(Vec<Expression>),
}

impl Expression {
    fn is_accepted(&self) -> bool {
        match self {
            Self::One(name) => ACCEPTED.contains(&name.as_str()),
            Self::Any(choices) => choices.iter().any(Self::is_accepted),
            Self::All(parts) => parts.iter().all(Self::is_accepted),
        }
    }

    /// Reads an expression; none if it is not one. The old `A/B` means `A OR B`.
    fn parse(text: &str) -> Option<Self> {
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut words = words.as_slice();
        let expression = Self::any(&mut words)?;
        words.is_empty().then_some(expression)
    }

    fn any(words: &mut &[&str]) -> Option<Self> {
        let mut choices = vec![Self::all(words)?];
        while take(words, "OR") {
            choices.push(Self::all(words)?);
        }
        Some(Self::Any(choices))
    }

    fn all(words: &mut &[&str]) -> Option<Self> {
        let mut parts = vec![Self::one(words)?];
        while take(words, "AND") {
            parts.push(Self::one(words)?);
        }
        Some(Self::All(parts))
    }

    fn one(words: &mut &[&str]) -> Option<Self> {
        if take(words, "(") {
            let inner = Self::any(words)?;
            return take(words, ")").then_some(inner);
        }
        let name = next(words)?;
        if take(words, "WITH") {
            return Some(Self::One(format!("{name} WITH {}", next(words)?)));
        }
        Some(Self::One(name.to_owned()))
    }
}

/// Takes the next word if it is this one.
fn take(words: &mut &[&str], wanted: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == wanted => {
            *words = rest;
            true
        }
        _ => false,
    }
}

/// Takes the next word if it names something.
fn next<'a>(words: &mut &[&'a str]) -> Option<&'a str> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    (!["AND", "OR", "WITH", "(", ")"].contains(first)).then_some(*first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn package(license: Option<&str>) -> Package {
        Package {
            name: "sample".to_owned(),
            is_ours: false,
            license: license.map(str::to_owned),
            dependencies: BTreeSet::new(),
            dev_dependencies: BTreeSet::new(),
        }
    }

    #[test]
    fn accepted_terms_pass_in_every_spelling() {
        let good = [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR GPL-3.0-only",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "MIT AND BSD-3-Clause",
        ];
        for license in good {
            assert!(is_accepted(&package(Some(license))), "{license}");
        }
    }

    #[test]
    fn other_terms_and_nonsense_are_found() {
        let bad = [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "MPL-2.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "MIT OR",
            "(MIT",
            "MIT Apache-2.0",
            "",
        ];
        for license in bad {
            assert!(!is_accepted(&package(Some(license))), "{license}");
        }
        let metadata = Metadata { packages: vec![package(None), package(Some("MIT"))] };
        assert_eq!(check(&metadata), ["sample: licence none stated is not accepted"]);
    }
}
