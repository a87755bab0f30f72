//! How the members of a cluster are printed.

use std::time::Duration;

use crate::output::{Answer, Colour, Json, Object, Table, Text, byte_count};
use crate::survey::{Facts, Seen, Standing, Survey, Surveyed};

/// The longest line of the table for people.
const LINE_LETTERS_MAX: usize = 100;

/// The longest name that is printed whole.
const NAME_LETTERS_MAX: usize = 12;

/// What is left of an address at least.
const ADDRESS_LETTERS_MIN: usize = 12;

/// The longest reason that is printed whole.
const REASON_LETTERS_MAX: usize = 38;

/// The metric of the syncs of the log, under etcd's name.
const SYNC: &str = "etcd_disk_wal_fsync_duration_seconds";

/// What there is no number for.
const NONE: &str = "-";

/// A cell for each column of the table.
fn row(survey: &Survey, member: &Surveyed) -> [String; 9] {
    let name = shortened(&member.label(), NAME_LETTERS_MAX);
    let address = member.address();
    let none = || NONE.to_owned();
    let Some(facts) = member.facts() else {
        let cells = [none(), none(), none(), none(), none(), none()];
        let [term, applied, lag, trip, sync, size] = cells;
        return [name, "DOWN".to_owned(), term, applied, lag, trip, sync, size, address];
    };
    [
        name,
        role(member, facts).to_owned(),
        facts.status.raft_term.to_string(),
        facts.status.raft_applied_index.to_string(),
        survey.lag(member).map_or_else(none, |lag| lag.to_string()),
        round_trip(survey, member).map_or_else(none, milliseconds),
        facts.scrape.p99(SYNC).map_or_else(none, milliseconds),
        byte_count(facts.status.db_size),
        address,
    ]
}

/// The titles; what Raft calls a term is the round of a ballot in Multi-Paxos, and an index a slot.
fn titles(survey: &Survey) -> [&'static str; 9] {
    let (term, applied) = match engine(survey) {
        Some("paxos") => ("BALLOT", "SLOT"),
        _ => ("TERM", "APPLIED"),
    };
    ["NAME", "ROLE", term, applied, "LAG", "RTT", "SYNC P99", "DB SIZE", "ENDPOINT"]
}

fn engine(survey: &Survey) -> Option<&str> {
    survey.up().find_map(|member| member.facts()?.own["engine"].as_str())
}

fn role(member: &Surveyed, facts: &Facts) -> &'static str {
    match facts.own["role"].as_str() {
        _ if facts.status.is_learner => "learner",
        Some("Leader") => "leader",
        Some("Candidate" | "PreCandidate") => "candidate",
        None if member.leads() => "leader",
        _ if facts.status.leader == 0 => "leaderless",
        _ => "follower",
    }
}

/// From the leader to the member, as the leader measured it.
fn round_trip(survey: &Survey, member: &Surveyed) -> Option<Duration> {
    let leader = survey.leader()?.facts()?;
    leader.round_trips.get(&member.id).copied().flatten().map(Duration::from_micros)
}

fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 0.1 {
        format!("{milliseconds:.2} ms")
    } else if milliseconds < 100.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

fn shortened(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters_max - 1).collect();
    format!("{kept}\u{2026}")
}

/// The sentence, and what is wrong beside it.
fn verdict(survey: &Survey) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", survey.standing().name(), survey.sentence())];
    for member in &survey.members {
        if let Seen::Down(reason) = &member.seen {
            let reason = shortened(reason, REASON_LETTERS_MAX);
            let (name, address) = (shortened(&member.label(), NAME_LETTERS_MAX), member.address());
            lines.push(format!("  {name} does not answer ({address}: {reason}); start it again"));
        }
    }
    let told = |complaint: &&String| !complaint.contains("not answer");
    lines.extend(survey.complaints().iter().filter(told).map(|it| format!("  {it}")));
    lines
}

impl Answer for Survey {
    fn simple(&self, text: &mut Text) {
        let titles = titles(self).map(str::to_owned);
        let rows: Vec<[String; 9]> =
            std::iter::once(titles).chain(self.members.iter().map(|it| row(self, it))).collect();
        let downs =
            std::iter::once(false).chain(self.members.iter().map(|it| it.facts().is_none()));
        for (line, is_down) in aligned(&rows).iter().zip(downs) {
            if is_down {
                text.painted(Colour::Red, line.trim_end());
            } else {
                text.line(line.trim_end().as_bytes());
            }
        }
        let engine = engine(self).map_or_else(String::new, |engine| format!(" ({engine})"));
        let mut lines = verdict(self);
        lines[0].push_str(&engine);
        text.painted(colour_of(self.standing()), &lines[0]);
        lines[1..].iter().for_each(|line| text.line(line.as_bytes()));
    }

    fn json(&self) -> Json {
        let member = |member: &Surveyed| member_json(self, member);
        Object::new()
            .with("standing", self.standing().name())
            .with("sentence", self.sentence().as_str())
            .with("engine", engine(self).map_or(Json::Null, Json::from))
            .with("leader", self.leader().map_or(Json::Null, |it| it.label().as_str().into()))
            .with("voters", self.voters() as u64)
            .with("voters_up", self.voters_up() as u64)
            .with("quorum", self.quorum() as u64)
            .with("tolerated", self.tolerated() as u64)
            .with("read_us", microseconds(self.read))
            .with("complaints", Json::list(&self.complaints(), |it| it.as_str().into()))
            .with("members", Json::list(&self.members, member))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.quoted_field("Standing", self.standing().name().as_bytes());
        text.quoted_field("Sentence", self.sentence().as_bytes());
        text.field("Tolerated", self.tolerated());
        for member in &self.members {
            text.line(b"");
            for (title, cell) in titles(self).iter().zip(row(self, member)) {
                text.quoted_field(title, cell.as_bytes());
            }
        }
    }

    fn table(&self) -> Option<Table> {
        let rows = self.members.iter().map(|member| row(self, member).to_vec()).collect();
        Some(Table::new(&titles(self), rows))
    }
}

fn colour_of(standing: Standing) -> Colour {
    match standing {
        Standing::Healthy => Colour::Green,
        Standing::Degraded => Colour::Yellow,
        Standing::NoLeader | Standing::NoQuorum => Colour::Red,
    }
}

/// Words to the left, numbers to the right; the last column gets what is left of the line.
fn aligned(rows: &[[String; 9]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..8).map(|column| width(column).unwrap_or(0)).collect();
    let taken: usize = widths.iter().map(|width| width + 2).sum();
    let left = LINE_LETTERS_MAX.saturating_sub(taken).max(ADDRESS_LETTERS_MIN);
    let line = |row: &[String; 9]| {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let cell =
                if column < 2 { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
            line.push_str(&cell);
        }
        line + &shortened(&row[8], left)
    };
    rows.iter().map(line).collect()
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
    object
        .with("version", facts.version())
        .with("role", role(member, facts))
        .with("term", facts.status.raft_term)
        .with("index", facts.status.raft_index)
        .with("applied", facts.status.raft_applied_index)
        .with("lag", survey.lag(member).map_or(Json::Null, Json::from))
        .with("round_trip_us", microseconds(round_trip(survey, member)))
        .with("sync_p99_us", microseconds(facts.scrape.p99(SYNC)))
        .with("db_size", facts.status.db_size)
        .into()
}

#[cfg(test)]
mod tests;
