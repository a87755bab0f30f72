//! What the nodes of a story are called: servers, generals with their couriers, or councillors with
//! their attendants.

use quorate_consensus::{Ballot, NodeId};

use super::text::Language;
use super::words;

/// The names of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skin {
    /// Raft servers: S1, S2.
    Servers,
    /// Servers that run Multi-Paxos: S1, S2, with proposal numbers instead of terms.
    PaxosServers,
    /// The generals of the Raft tutorial: A, B, C.
    Generals,
    /// The councillors of the Paxos tutorial: A1 to A5 of five.
    Councillors,
}

impl Skin {
    /// What these nodes are called together.
    pub fn name(self, language: Language, nodes: &[NodeId]) -> String {
        let comma = match language {
            Language::English => ", ",
            Language::Chinese => "、",
        };
        let names: Vec<String> = nodes.iter().map(|&node| self.letter(node)).collect();
        let names = names.join(comma);
        match self.title(nodes.len()) {
            Some(key) => format!("{} {names}", words::template(language, key)),
            None => names,
        }
    }

    fn letter(self, node: NodeId) -> String {
        match self {
            Self::Servers | Self::PaxosServers => format!("S{}", node.0),
            Self::Generals => {
                let letter = u32::try_from(node.0).ok().and_then(|n| char::from_u32(64 + n));
                letter.expect("there are fewer generals than letters").to_string()
            }
            Self::Councillors => format!("A{}", node.0),
        }
    }

    fn title(self, count: usize) -> Option<&'static str> {
        match self {
            Self::Servers | Self::PaxosServers => None,
            Self::Generals if count == 1 => Some("title.general"),
            Self::Generals => Some("title.generals"),
            Self::Councillors if count == 1 => Some("title.councillor"),
            Self::Councillors => Some("title.councillors"),
        }
    }

    /// A ballot as the story's protocol speaks of it.
    pub fn ballot(self, language: Language, ballot: Ballot) -> String {
        match self {
            Self::Servers | Self::Generals => self.round(language, ballot.round),
            Self::PaxosServers if ballot.node == NodeId(0) => self.round(language, ballot.round),
            Self::PaxosServers => {
                format!("{} {}.{}", self.word(language, "ballot"), ballot.round, ballot.node.0)
            }
            Self::Councillors => number(ballot),
        }
    }

    /// A ballot's round as the story's protocol speaks of it.
    pub fn round(self, language: Language, round: u64) -> String {
        let word = match self {
            Self::Servers | Self::Generals => "term",
            Self::PaxosServers | Self::Councillors => "round",
        };
        format!("{} {round}", self.word(language, word))
    }

    /// The word for a thing of the protocol, as the story's people call it.
    pub fn word(self, language: Language, thing: &str) -> String {
        let own = match self {
            Self::Generals => words::find(language, &format!("general.{thing}")),
            Self::Councillors => words::find(language, &format!("council.{thing}")),
            Self::PaxosServers => words::find(language, &format!("paxos.{thing}")),
            Self::Servers => None,
        };
        let common = || words::find(language, &format!("word.{thing}"));
        own.or_else(common).unwrap_or_else(|| panic!("no word for {thing}")).to_owned()
    }
}

/// How many councillors there are: the tutorial's `n` in `n*i+j`.
const COUNCILLORS: u64 = 5;

/// A proposal number as the tutorial shows it, `5*i+j`, with its parts behind it: `9 (1.5)` is the
/// second attempt of the fifth councillor. The tutorial counts attempts and councillors from zero.
fn number(ballot: Ballot) -> String {
    let attempt = ballot.round;
    let place = ballot.node.0.checked_sub(1).expect("councillors are numbered from one");
    format!("{} ({attempt}.{})", COUNCILLORS * attempt + place, ballot.node.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_titles() {
        let (a, b) = (NodeId(1), NodeId(2));
        assert_eq!(Skin::Generals.name(Language::English, &[a]), "General A");
        assert_eq!(Skin::Generals.name(Language::English, &[a, b]), "Generals A, B");
        assert_eq!(Skin::Generals.name(Language::Chinese, &[a, b]), "将军 A、B");
        assert_eq!(Skin::Councillors.name(Language::Chinese, &[a]), "议员 A1");
        assert_eq!(Skin::Servers.name(Language::English, &[b]), "S2");
    }

    #[test]
    fn proposal_numbers_are_those_of_the_tutorial() {
        let ballot = |round, node| Ballot { round, node: NodeId(node) };
        assert_eq!(number(ballot(1, 1)), "5 (1.1)");
        assert_eq!(number(ballot(0, 5)), "4 (0.5)");
        assert_eq!(number(ballot(1, 5)), "9 (1.5)");
        assert_eq!(number(ballot(2, 1)), "10 (2.1)");
    }
}
