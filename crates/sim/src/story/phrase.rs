//! Phrases: a template by its key, with what fills its places, rendered in one language.

use core::time::Duration;

use quorate_consensus::{Ballot, NodeId};

use super::skin::Skin;
use super::text::{self, Language, Text};
use super::words;

/// What fills a place of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A number.
    Number(u64),
    /// A node, by the name its story gives it.
    Node(NodeId),
    /// Several nodes.
    Nodes(Vec<NodeId>),
    /// A ballot: Raft's term, Paxos's proposal number.
    Ballot(Ballot),
    /// A ballot's round without its node.
    Round(u64),
    /// A duration, in milliseconds or seconds as fits.
    Span(Duration),
    /// A name or a value, the same in each language.
    Raw(String),
    /// Words of the story.
    Text(Text),
    /// A phrase within this one.
    Phrase(Box<Phrase>),
}

/// A template with what fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    template: Template,
    args: Vec<(&'static str, Arg)>,
}

/// Where the words of a phrase come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Template {
    /// The table of both languages.
    Key(&'static str),
    /// The story itself.
    Own(Text),
}

impl From<Text> for Phrase {
    fn from(text: Text) -> Self {
        Self { template: Template::Own(text), args: Vec::new() }
    }
}

impl Phrase {
    /// The template of this key.
    pub fn of(key: &'static str) -> Self {
        Self { template: Template::Key(key), args: Vec::new() }
    }

    /// The phrase with this place filled.
    pub fn with(mut self, place: &'static str, arg: Arg) -> Self {
        self.args.push((place, arg));
        self
    }

    /// The phrase in words. `subjects` is how many nodes it is about: `{one|many}` follows it.
    pub fn render(&self, voice: Voice, subjects: usize) -> String {
        let template = match self.template {
            Template::Key(key) => words::template(voice.language, key),
            Template::Own(text) => text.in_language(voice.language),
        };
        let filled = fill(template, subjects, |place| {
            let arg = self.args.iter().find(|(name, _)| *name == place).map(|(_, arg)| arg);
            match arg {
                Some(arg) => voice.show(arg),
                None => voice.skin.word(voice.language, place),
            }
        });
        text::spaced(&filled)
    }

    /// The key of its template, if it comes from the table.
    pub fn key(&self) -> Option<&'static str> {
        match self.template {
            Template::Key(key) => Some(key),
            Template::Own(_) => None,
        }
    }
}

/// Who speaks: in which language, and what the nodes of the story are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// The language.
    pub language: Language,
    /// The names.
    pub skin: Skin,
}

impl Voice {
    fn show(self, arg: &Arg) -> String {
        match arg {
            Arg::Number(number) => number.to_string(),
            Arg::Node(node) => self.skin.name(self.language, &[*node]),
            Arg::Nodes(nodes) => self.skin.name(self.language, nodes),
            Arg::Ballot(ballot) => self.skin.ballot(self.language, *ballot),
            Arg::Round(round) => self.skin.round(self.language, *round),
            Arg::Span(span) => self.span(*span),
            Arg::Raw(raw) => raw.clone(),
            Arg::Text(text) => text.in_language(self.language).to_owned(),
            Arg::Phrase(phrase) => phrase.render(self, 1),
        }
    }

    fn span(self, span: Duration) -> String {
        let micros = span.as_micros();
        let (value, unit) = if micros < 1_000_000 {
            (micros / 100, words::template(self.language, "unit.milliseconds"))
        } else {
            (micros / 100_000, words::template(self.language, "unit.seconds"))
        };
        match value % 10 {
            0 => format!("{} {unit}", value / 10),
            tenth => format!("{}.{tenth} {unit}", value / 10),
        }
    }
}

/// Fills the `{places}` of a template, and picks from each `{one|many}`.
fn fill(template: &str, subjects: usize, mut value: impl FnMut(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (place, behind) = after.split_once('}').expect("a place of a template is closed");
        filled.push_str(before);
        match place.split_once('|') {
            Some((one, many)) => filled.push_str(if subjects == 1 { one } else { many }),
            None => filled.push_str(&value(place)),
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// The names of a template's places, ascending, each once.
#[cfg(test)]
pub(super) fn places(template: &str) -> Vec<&str> {
    let mut places: Vec<&str> = template
        .split('{')
        .skip(1)
        .map(|after| after.split_once('}').expect("a place of a template is closed").0)
        .filter(|place| !place.contains('|'))
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::super::text::both;
    use super::*;

    const VOICE: Voice = Voice { language: Language::English, skin: Skin::Servers };

    #[test]
    fn places_are_filled_and_verbs_agree() {
        let phrase = Phrase::from(both("vote{s|} for {who} in {term}", ""))
            .with("who", Arg::Node(NodeId(1)))
            .with("term", Arg::Round(3));
        assert_eq!(phrase.render(VOICE, 1), "votes for S1 in term 3");
        assert_eq!(phrase.render(VOICE, 2), "vote for S1 in term 3");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(VOICE.span(Duration::from_micros(1_500)), "1.5 ms");
        assert_eq!(VOICE.span(Duration::from_millis(150)), "150 ms");
        assert_eq!(VOICE.span(Duration::from_millis(2_340)), "2.3 s");
    }

    #[test]
    fn places_of_a_template_are_found() {
        assert_eq!(places("a {x} b {one|many} {a} {x}"), ["a", "x"]);
    }
}
