//! What stands in the columns of the table of members.

use std::time::Duration;

use super::{NAME_LETTERS_MAX, Width, shortened};
use crate::output::byte_count;
use crate::survey::{Facts, Survey, Surveyed};

/// The metric of the syncs of the log, under etcd's name.
pub(super) const SYNC: &str = "etcd_disk_wal_fsync_duration_seconds";

/// What there is no number for.
const NONE: &str = "-";

/// Where the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// What is known of a member whether it answers or not.
type OfAll = fn(&Surveyed) -> String;

/// What only one that answers tells, if it does.
type OfUp = fn(&Survey, &Surveyed, &Facts) -> Option<String>;

/// What is in a column.
#[derive(Clone, Copy, Debug)]
enum Cells {
    All(OfAll),
    Up(OfUp),
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// What stands above it.
    pub(super) title: &'static str,
    /// Where its cells stand.
    pub(super) side: Side,
    cells: Cells,
    is_wide_only: bool,
}

impl Column {
    /// The cell of a member.
    pub(super) fn cell(&self, survey: &Survey, member: &Surveyed) -> String {
        match (self.cells, member.facts()) {
            (Cells::All(cell), _) => cell(member),
            (Cells::Up(cell), Some(facts)) => {
                cell(survey, member, facts).unwrap_or_else(|| NONE.to_owned())
            }
            (Cells::Up(_), None) => NONE.to_owned(),
        }
    }
}

fn words(title: &'static str, cell: OfAll) -> Column {
    Column { title, side: Side::Left, cells: Cells::All(cell), is_wide_only: false }
}

fn number(title: &'static str, cell: OfUp) -> Column {
    Column { title, side: Side::Right, cells: Cells::Up(cell), is_wide_only: false }
}

fn wide(column: Column) -> Column {
    Column { is_wide_only: true, ..column }
}

/// The columns that are shown; the last one is the address.
///
/// What Raft calls a term is the round of a ballot in Multi-Paxos, and an index a slot.
pub(super) fn columns(survey: &Survey, width: Width) -> Vec<Column> {
    let (term, applied) = match engine(survey) {
        Some("paxos") => ("BALLOT", "SLOT"),
        _ => ("TERM", "APPLIED"),
    };
    let name: OfAll = match width {
        Width::Narrow => |member| shortened(&member.label(), NAME_LETTERS_MAX),
        Width::Wide => Surveyed::label,
    };
    let role: OfAll = |member| member.facts().map_or("DOWN", |it| role(member, it)).to_owned();
    let all = [
        wide(words("ID", |member| format!("{:x}", member.id))),
        words("NAME", name),
        words("ROLE", role),
        number(term, |_, _, facts| Some(facts.status.raft_term.to_string())),
        wide(number("COMMITTED", |_, _, facts| Some(facts.status.raft_index.to_string()))),
        wide(number("PERSISTED", |_, _, facts| Some(facts.own["persisted"].as_u64()?.to_string()))),
        number(applied, |_, _, facts| Some(facts.status.raft_applied_index.to_string())),
        wide(number("REVISION", |_, _, facts| Some(revision(facts)?.to_string()))),
        number("LAG", |survey, member, _| Some(survey.lag(member)?.to_string())),
        number("RTT", |survey, member, _| round_trip(survey, member).map(milliseconds)),
        wide(number("SYNC MEAN", |_, _, facts| Some(milliseconds(facts.scrape.mean(SYNC)?.0)))),
        number("SYNC P99", |_, _, facts| facts.scrape.p99(SYNC).map(milliseconds)),
        number("DB SIZE", |_, _, facts| Some(byte_count(facts.status.db_size))),
        wide(number("IN USE", |_, _, facts| Some(byte_count(facts.status.db_size_in_use)))),
        wide(number("MEMORY", |_, _, facts| Some(byte_count(memory(facts)?.cast_signed())))),
        wide(number("VERSION", |_, _, facts| Some(facts.version().to_owned()))),
        words("ENDPOINT", Surveyed::address),
    ];
    all.into_iter().filter(|column| width == Width::Wide || !column.is_wide_only).collect()
}

/// What orders the log, if a member tells.
pub(super) fn engine(survey: &Survey) -> Option<&str> {
    survey.up().find_map(|member| member.facts()?.own["engine"].as_str())
}

/// What a member that answers is to the others.
pub(super) fn role(member: &Surveyed, facts: &Facts) -> &'static str {
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
pub(super) fn round_trip(survey: &Survey, member: &Surveyed) -> Option<Duration> {
    let leader = survey.leader()?.facts()?;
    leader.round_trips.get(&member.id).copied().flatten().map(Duration::from_micros)
}

/// The revision of the store, of etcd's members as their header tells it.
pub(super) fn revision(facts: &Facts) -> Option<u64> {
    let told = facts.status.header.as_ref().map_or(0, |header| header.revision);
    facts.own["revision"].as_u64().or(u64::try_from(told).ok().filter(|told| *told != 0))
}

/// Bytes of memory that the process holds.
pub(super) fn memory(facts: &Facts) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    facts.scrape.number("process_resident_memory_bytes").map(|bytes| bytes as u64)
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
