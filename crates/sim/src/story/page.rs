//! A tale on a page of text, at most a hundred columns wide.

use core::fmt::Write as _;

use super::Story;
use super::phrase::{Arg, Phrase, Voice};
use super::tale::{Check, Event, Item, Tale};
use super::text::{self, Language};
use super::words;

/// The page's width.
pub const COLUMNS_MAX: usize = 100;

/// The width of the column with the time.
const TIME_COLUMNS: usize = 12;

/// The story and its tale in one language.
pub(super) fn render(story: &Story, tale: &Tale, language: Language) -> String {
    let voice = Voice { language, skin: story.skin };
    let mut page = Page { text: String::new(), voice };
    page.head(story);
    let mut steps = 0;
    for item in tale.items() {
        match item {
            Item::Step(step) => {
                steps += 1;
                page.step(steps, step);
            }
            Item::Event(event) => page.event(event),
            Item::Note(note) => page.note(note),
        }
    }
    page.checks(tale.checks());
    page.text
}

struct Page {
    text: String,
    voice: Voice,
}

impl Page {
    fn head(&mut self, story: &Story) {
        let title = story.title.in_language(self.voice.language);
        let head = format!("{} · {title}", story.name);
        self.line(&head);
        self.line(&"=".repeat(text::width(&head)));
        self.paragraph("", "", story.intro.in_language(self.voice.language));
    }

    fn step(&mut self, number: usize, step: &Phrase) {
        self.line("");
        let words = step.render(self.voice, 1);
        let number = format!("{number}. ");
        self.paragraph(&number, &" ".repeat(number.len()), &words);
    }

    fn note(&mut self, note: &Phrase) {
        let (head, colon) = (self.word("page.note"), self.word("page.colon"));
        let first = format!("   {head}{colon}");
        self.paragraph(&first, "   ", &note.render(self.voice, 1));
    }

    fn event(&mut self, event: &Event) {
        let time = match event.at {
            Some(at) => {
                let tenths = at.as_micros() / 100;
                let unit = self.word("unit.milliseconds");
                let time = format!("{}.{} {unit}", tenths / 10, tenths % 10);
                let missing = TIME_COLUMNS.saturating_sub(text::width(&time));
                format!("{}{time}  ", " ".repeat(missing))
            }
            None => "   ".to_owned(),
        };
        let indent = " ".repeat(text::width(&time));
        self.paragraph(&time, &indent, &self.sentence(event));
    }

    fn sentence(&self, event: &Event) -> String {
        let Voice { language, skin } = self.voice;
        let mut what = event.what.clone();
        if !event.receivers.is_empty() {
            what = what.with("to", Arg::Nodes(event.receivers.clone()));
        }
        let words = what.render(self.voice, event.subjects.len());
        let mut sentence = if event.subjects.is_empty() {
            words
        } else {
            text::spaced(&format!("{} {words}", skin.name(language, &event.subjects)))
        };
        if let Some(code) = &event.reason {
            if let Some(because) = words::key(&format!("reason.{code}")) {
                let because = Phrase::of(because).render(self.voice, 1);
                let _ = write!(sentence, "{}{because}", self.word("page.colon"));
            }
            let _ = write!(sentence, " [{code}]");
        }
        sentence
    }

    fn checks(&mut self, checks: &[Check]) {
        self.line("");
        let (head, colon) = (self.word("page.checked"), self.word("page.colon"));
        self.line(format!("{head}{colon}").trim_end());
        for check in checks {
            let claim = check.claim.render(self.voice, 1);
            match &check.verdict {
                Ok(()) => self.paragraph("  ✓ ", "    ", &claim),
                Err(found) => {
                    let (fails, was) = (self.word("page.fails"), self.word("page.found"));
                    let colon = self.word("page.colon");
                    let words = format!("{claim} ({fails}; {was}{colon}{found})");
                    self.paragraph("  ✗ ", "    ", &words);
                }
            }
        }
        let failed = checks.iter().filter(|check| check.verdict.is_err()).count();
        let key = match failed {
            0 => "page.outcome.holds",
            _ => "page.outcome.fails",
        };
        let outcome = Phrase::of(key)
            .with("count", Arg::Number(checks.len() as u64))
            .with("failed", Arg::Number(failed as u64));
        let outcome = outcome.render(self.voice, 1);
        self.line(&outcome);
    }

    fn word(&self, key: &str) -> &'static str {
        words::template(self.voice.language, key)
    }

    /// A text under a hanging indent.
    fn paragraph(&mut self, first: &str, indent: &str, words: &str) {
        let columns = COLUMNS_MAX - text::width(first).max(text::width(indent));
        for (number, line) in text::wrap(words, columns).iter().enumerate() {
            let before = if number == 0 { first } else { indent };
            self.line(&format!("{before}{line}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}
