//! Scenarios told as stories: a script plays on the simulated world, what happens there is told
//! line by line in English or Chinese, and the end is checked.
//!
//! The words come from the trace events and messages of the real engines, by one table of templates
//! per language: a broken rule tells another story.

mod board;
mod page;
mod phrase;
mod record;
mod saying;
mod scenarios;
mod setting;
mod skin;
mod stage;
mod tale;
mod text;
mod view;
mod words;

pub use page::COLUMNS_MAX;
pub use phrase::{Arg, Phrase, Voice};
pub use quorate_consensus::Seed;
pub use skin::Skin;
pub use tale::{Check, Event, Item, Tale};
pub use text::{Language, Text, both, width};
pub use words::table;

/// All stories, in the order in which they are best read.
pub fn all() -> Vec<&'static Story> {
    scenarios::ALL.iter().copied().flatten().collect()
}

/// The story of this name.
pub fn find(name: &str) -> Option<&'static Story> {
    all().into_iter().find(|story| story.name == name)
}

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// Its name on the command line.
    pub name: &'static str,
    /// What its nodes are called.
    pub skin: Skin,
    /// Its title.
    pub title: Text,
    /// What one will see, and why it matters.
    pub intro: Text,
    /// The script: plays the scenario and tells of it.
    pub play: fn(Seed, &mut Tale),
}

impl Story {
    /// Plays the story.
    pub fn tell(&self, seed: Seed) -> Tale {
        let mut tale = Tale::default();
        (self.play)(seed, &mut tale);
        tale
    }

    /// What was told, as a page of text.
    pub fn page(&self, tale: &Tale, language: Language) -> String {
        page::render(self, tale, language)
    }
}
