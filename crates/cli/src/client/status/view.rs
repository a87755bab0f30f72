//! How the members of a cluster are printed.

mod columns;

use std::time::Duration;

use self::columns::{Column, Side};
use crate::output::{Answer, Colour, Json, Object, Table, Text};
use crate::survey::{Seen, Standing, Survey, Surveyed};

/// The longest line of the table for people, unless all columns are asked for.
const LINE_LETTERS_MAX: usize = 100;

/// The longest name that is printed whole there.
const NAME_LETTERS_MAX: usize = 12;

/// What is left of an address at least.
const ADDRESS_LETTERS_MIN: usize = 12;

/// The longest reason that is printed whole there.
const REASON_LETTERS_MAX: usize = 38;

/// How much is shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// What fits into lines of 100 letters.
    Narrow,
    /// All columns, and nothing shortened.
    Wide,
}

/// The members at one moment, as they are to be shown.
#[derive(Debug)]
pub(super) struct View {
    /// The members.
    pub(super) survey: Survey,
    /// When they were asked.
    pub(super) time: String,
    /// How much of it is shown.
    pub(super) width: Width,
}

impl View {
    /// How the cluster is.
    pub(super) fn standing(&self) -> Standing {
        self.survey.standing()
    }

    fn engine(&self) -> Option<&str> {
        columns::engine(&self.survey)
    }

    fn columns(&self) -> Vec<Column> {
        columns::columns(&self.survey, self.width)
    }

    fn row(&self, columns: &[Column], member: &Surveyed) -> Vec<String> {
        columns.iter().map(|column| column.cell(&self.survey, member)).collect()
    }

    fn shortened(&self, text: &str, letters_max: usize) -> String {
        match self.width {
            Width::Narrow => shortened(text, letters_max),
            Width::Wide => text.to_owned(),
        }
    }

    /// Words to the left, numbers to the right; in narrow lines the last column gets what is left.
    fn aligned(&self, columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let last = columns.len() - 1;
        let widths: Vec<usize> = (0..last).map(|column| width(column).unwrap_or(0)).collect();
        let taken: usize = widths.iter().map(|width| width + 2).sum();
        let left = LINE_LETTERS_MAX.saturating_sub(taken).max(ADDRESS_LETTERS_MIN);
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for ((cell, width), column) in row.iter().zip(&widths).zip(columns) {
                let cell = match column.side {
                    Side::Left => format!("{cell:<width$}  "),
                    Side::Right => format!("{cell:>width$}  "),
                };
                line.push_str(&cell);
            }
            line + &self.shortened(&row[last], left)
        };
        rows.iter().map(line).collect()
    }

    /// The sentence, and what is wrong beside it.
    fn verdict(&self) -> Vec<String> {
        let survey = &self.survey;
        let engine = self.engine().map_or_else(String::new, |engine| format!(" ({engine})"));
        let mut lines =
            vec![format!("{}: {}{engine}", survey.standing().name(), survey.sentence())];
        for member in &survey.members {
            if let Seen::Down(reason) = &member.seen {
                let reason = self.shortened(reason, REASON_LETTERS_MAX);
                let name = self.shortened(&member.label(), NAME_LETTERS_MAX);
                let address = member.address();
                lines.push(format!(
                    "  {name} does not answer ({address}: {reason}); start it again"
                ));
            }
        }
        let told = |complaint: &&String| !complaint.contains("not answer");
        lines.extend(survey.complaints().iter().filter(told).map(|it| format!("  {it}")));
        lines
    }
}

fn shortened(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters_max - 1).collect();
    format!("{kept}\u{2026}")
}

impl Answer for View {
    fn simple(&self, text: &mut Text) {
        let columns = self.columns();
        let titles = columns.iter().map(|column| column.title.to_owned()).collect();
        let mut rows: Vec<Vec<String>> = vec![titles];
        let members = &self.survey.members;
        rows.extend(members.iter().map(|member| self.row(&columns, member)));
        let downs = std::iter::once(false).chain(members.iter().map(|it| it.facts().is_none()));
        for (line, is_down) in self.aligned(&columns, &rows).iter().zip(downs) {
            if is_down {
                text.painted(Colour::Red, line.trim_end());
            } else {
                text.line(line.trim_end().as_bytes());
            }
        }
        let lines = self.verdict();
        text.painted(colour_of(self.standing()), &lines[0]);
        lines[1..].iter().for_each(|line| text.line(line.as_bytes()));
    }

    fn json(&self) -> Json {
        let survey = &self.survey;
        let member = |member: &Surveyed| member_json(survey, member);
        Object::new()
            .with("time", self.time.as_str())
            .with("standing", survey.standing().name())
            .with("sentence", survey.sentence().as_str())
            .with("engine", self.engine().map_or(Json::Null, Json::from))
            .with("leader", survey.leader().map_or(Json::Null, |it| it.label().as_str().into()))
            .with("voters", survey.voters() as u64)
            .with("voters_up", survey.voters_up() as u64)
            .with("quorum", survey.quorum() as u64)
            .with("tolerated", survey.tolerated() as u64)
            .with("read_us", microseconds(survey.read))
            .with("complaints", Json::list(&survey.complaints(), |it| it.as_str().into()))
            .with("members", Json::list(&survey.members, member))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.quoted_field("Time", self.time.as_bytes());
        text.quoted_field("Standing", self.standing().name().as_bytes());
        text.quoted_field("Sentence", self.survey.sentence().as_bytes());
        text.field("Tolerated", self.survey.tolerated());
        let columns = self.columns();
        for member in &self.survey.members {
            text.line(b"");
            for (column, cell) in columns.iter().zip(self.row(&columns, member)) {
                text.quoted_field(column.title, cell.as_bytes());
            }
        }
    }

    fn table(&self) -> Option<Table> {
        let columns = self.columns();
        let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
        let rows = self.survey.members.iter().map(|member| self.row(&columns, member)).collect();
        Some(Table::new(&titles, rows))
    }
}

fn colour_of(standing: Standing) -> Colour {
    match standing {
        Standing::Healthy => Colour::Green,
        Standing::Degraded => Colour::Yellow,
        Standing::NoLeader | Standing::NoQuorum => Colour::Red,
    }
}

fn microseconds(duration: Option<Duration>) -> Json {
    duration.map_or(Json::Null, |it| Json::Number(i128::try_from(it.as_micros()).unwrap_or(0)))
}

fn member_json(survey: &Survey, member: &Surveyed) -> Json {
    let object = Object::new()
        .with("id", format!("{:x}", member.id).as_str())
        .with("name", member.name.as_str())
        .with("endpoint", member.address().as_str())
        .with("up", member.facts().is_some());
    let Some(facts) = member.facts() else {
        let Seen::Down(reason) = &member.seen else { return object.into() };
        return object.with("reason", reason.as_str()).into();
    };
    let number = |number: Option<u64>| number.map_or(Json::Null, Json::from);
    object
        .with("version", facts.version())
        .with("role", columns::role(member, facts))
        .with("term", facts.status.raft_term)
        .with("index", facts.status.raft_index)
        .with("persisted", number(facts.own["persisted"].as_u64()))
        .with("applied", facts.status.raft_applied_index)
        .with("revision", number(columns::revision(facts)))
        .with("lag", number(survey.lag(member)))
        .with("round_trip_us", microseconds(columns::round_trip(survey, member)))
        .with("sync_p99_us", microseconds(facts.scrape.p99(columns::SYNC)))
        .with("db_size", facts.status.db_size)
        .with("db_size_in_use", facts.status.db_size_in_use)
        .with("memory", number(columns::memory(facts)))
        .into()
}

#[cfg(test)]
mod tests;
