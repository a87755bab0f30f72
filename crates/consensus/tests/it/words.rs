//! The words of a command: nodes, durations, links, options and comparisons.

use std::time::Duration;

use quorate_consensus::NodeId;

use crate::fault::{Check, Fault, ensure, fail};
use crate::network::{Delay, Pattern};

/// `n3`.
pub(crate) fn node(word: &str) -> Check<NodeId> {
    match word.strip_prefix('n').map(str::parse) {
        Some(Ok(number)) if 0 < number => Ok(NodeId(number)),
        _ => fail!("`{word}` is no node"),
    }
}

/// `n1..n5`, `n1,n3`, or `none`.
pub(crate) fn nodes(word: &str) -> Check<Vec<NodeId>> {
    if word == "none" {
        return Ok(Vec::new());
    }
    if let Some((first, last)) = word.split_once("..") {
        let (first, last) = (node(first)?, node(last)?);
        return Ok((first.0..=last.0).map(NodeId).collect());
    }
    word.split(',').map(node).collect()
}

/// `7`.
pub(crate) fn number(word: &str) -> Check<u64> {
    word.parse().map_err(|_| Fault(format!("`{word}` is no number")))
}

/// `1,1,4`, or `-`.
pub(crate) fn numbers(word: &str) -> Check<Vec<u64>> {
    if word == "-" {
        return Ok(Vec::new());
    }
    word.split(',').map(number).collect()
}

/// `500us`, `150ms` or `2s`, in microseconds.
pub(crate) fn duration(word: &str) -> Check<Duration> {
    let digits = word.trim_end_matches(char::is_alphabetic);
    let count = number(digits)?;
    match &word[digits.len()..] {
        "us" => Ok(Duration::from_micros(count)),
        "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        unit => fail!("`{unit}` is no unit of time"),
    }
}

pub(crate) fn micros(word: &str) -> Check<u64> {
    Ok(duration(word)?.as_micros() as u64)
}

/// `20ms`, or `3ms..20ms`.
pub(crate) fn delay(word: &str) -> Check<Delay> {
    let (least, most) = word.split_once("..").unwrap_or((word, word));
    let (least, most) = (micros(least)?, micros(most)?);
    ensure!(least <= most, "`{word}` ends before it begins");
    Ok(Delay { least, most })
}

/// Messages: `n1->n2`, `n1->*`, `*->*`, each with an optional kind after it.
pub(crate) fn pattern(words: &[&str]) -> Check<Pattern> {
    let Some((link, kind)) = words.split_first() else { return Ok(Pattern::ALL) };
    ensure!(kind.len() <= 1, "one kind of message at most");
    let Some((from, to)) = link.split_once("->") else { fail!("`{link}` is no link") };
    let end = |word: &str| if word == "*" { Ok(None) } else { node(word).map(Some) };
    let kind = kind.first().map(|&kind| kind.to_owned());
    Ok(Pattern { from: end(from)?, to: end(to)?, kind })
}

/// How two values are to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Relation {
    const ALL: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("!=", Self::Differs),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    pub(crate) fn parse(word: &str) -> Check<Self> {
        match Self::ALL.iter().find(|(sign, _)| *sign == word) {
            Some((_, relation)) => Ok(*relation),
            None => fail!("`{word}` compares nothing"),
        }
    }

    pub(crate) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Differs => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => right < left,
            Self::AtLeast => right <= left,
        }
    }
}

/// `last>=3` as `last`, `>=`, `3`; nothing if there is no sign in it.
pub(crate) fn comparison(word: &str) -> Option<(&str, Relation, &str)> {
    let at = word.find(['<', '>', '!', '='])?;
    let (name, rest) = word.split_at(at);
    let (sign, relation) = Relation::ALL.iter().find(|(sign, _)| rest.starts_with(sign))?;
    Some((name, *relation, &rest[sign.len()..]))
}
