//! What was found, and how it is printed.

use crate::output::{Answer, Colour, Json, Object, Table, Text};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// As it should be.
    Fine,
    /// It works, and may not for long.
    Warning,
    /// It does not work, or soon will not.
    Bad,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "WARN",
            Self::Bad => "BAD",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What it is about.
    pub(super) topic: &'static str,
    /// What was measured.
    pub(super) what: String,
    /// What to do about it; empty where there is nothing to do.
    pub(super) fix: String,
}

impl Finding {
    /// All is well.
    pub(super) fn fine(topic: &'static str, what: impl Into<String>) -> Self {
        Self { level: Level::Fine, topic, what: what.into(), fix: String::new() }
    }

    /// Something is to be done.
    pub(super) fn warning(
        topic: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, topic, what: what.into(), fix: fix.into() }
    }

    /// Something is to be done now.
    pub(super) fn bad(
        topic: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { level: Level::Bad, topic, what: what.into(), fix: fix.into() }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// The worst level among them.
    pub(super) fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Fine)
    }

    fn sentence(&self) -> String {
        let count = |level| self.0.iter().filter(|finding| finding.level == level).count();
        match (count(Level::Bad), count(Level::Warning)) {
            (0, 0) => format!("{} checks, all well", self.0.len()),
            (bad, warnings) => {
                format!("{} checks: {bad} bad, {warnings} to look at", self.0.len())
            }
        }
    }
}

impl Answer for Findings {
    fn simple(&self, text: &mut Text) {
        for finding in &self.0 {
            let Finding { level, topic, what, fix } = finding;
            let line = format!("{:<4}  {topic:<8}  {what}", level.name());
            match level {
                Level::Fine => text.line(line.as_bytes()),
                Level::Warning => text.painted(Colour::Yellow, &line),
                Level::Bad => text.painted(Colour::Red, &line),
            }
            if !fix.is_empty() {
                text.line(format!("      {:<8}  {fix}", "fix").as_bytes());
            }
        }
        text.line(self.sentence().as_bytes());
    }

    fn json(&self) -> Json {
        let findings = Json::list(&self.0, |finding| {
            Object::new()
                .with("level", finding.level.name().to_ascii_lowercase().as_str())
                .with("topic", finding.topic)
                .with("what", finding.what.as_str())
                .with("fix", finding.fix.as_str())
                .into()
        });
        Object::new()
            .with("worst", self.worst().name().to_ascii_lowercase().as_str())
            .with("sentence", self.sentence().as_str())
            .with("findings", findings)
            .into()
    }

    fn fields(&self, text: &mut Text) {
        for finding in &self.0 {
            text.quoted_field("Level", finding.level.name().as_bytes());
            text.quoted_field("Topic", finding.topic.as_bytes());
            text.quoted_field("What", finding.what.as_bytes());
            text.quoted_field("Fix", finding.fix.as_bytes());
            text.line(b"");
        }
    }

    fn table(&self) -> Option<Table> {
        let row = |finding: &Finding| {
            let Finding { level, topic, what, fix } = finding.clone();
            vec![level.name().to_owned(), topic.to_owned(), what, fix]
        };
        let rows = self.0.iter().map(row).collect();
        Some(Table::new(&["Level", "Topic", "What", "Fix"], rows))
    }
}
