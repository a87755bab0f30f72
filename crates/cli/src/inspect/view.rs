//! How a data directory is printed.

use quorate_server::{
    DirectoryView, EngineKind, MemberView, RecordLine, SegmentView, StartView, StoreView,
};

use crate::output::{Answer, Json, Object, Text, byte_count};

/// The longest key that is printed whole.
const KEY_LETTERS_MAX: usize = 32;

/// Most leases and members that are printed one by one for people.
const LINES_MAX: usize = 20;

/// Whether everything is as it was written, and a server would start.
pub(crate) fn is_sound(view: &DirectoryView) -> bool {
    problems(view).is_empty()
}

/// What is wrong, one line each.
fn problems(view: &DirectoryView) -> Vec<String> {
    let mut problems: Vec<String> =
        view.segments.iter().flat_map(|segment| &segment.damage).map(ToString::to_string).collect();
    match &view.start {
        Err(error) => problems.push(format!("a server would not start: {error}")),
        Ok(StartView { store: Err(error), .. }) => {
            problems.push(format!("a server would not start: the state's file: {error}"));
        }
        Ok(_) => {}
    }
    problems
}

fn plural(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn bytes(count: u64) -> String {
    byte_count(i64::try_from(count).unwrap_or(i64::MAX))
}

impl Answer for DirectoryView {
    fn simple(&self, text: &mut Text) {
        let mut say = |line: String| text.line(line.trim_end().as_bytes());
        let identity = &self.identity;
        say(format!("directory   {}", self.directory.display()));
        say(format!(
            "identity    member {:x} of cluster {:x}, engine {}, started {}",
            identity.node.0,
            identity.cluster.0,
            identity.engine,
            plural(identity.boots, "time")
        ));
        if self.is_in_use {
            say("in use      a server has it open: the newest bytes may look torn".to_owned());
        }
        say(String::new());
        log_lines(self).into_iter().for_each(&mut say);
        if let Ok(start) = &self.start {
            start_lines(start).into_iter().for_each(&mut say);
        }
        if !self.records.is_empty() {
            say(String::new());
            record_lines(&self.records, self.identity.engine).into_iter().for_each(&mut say);
        }
        say(String::new());
        let problems = problems(self);
        if problems.is_empty() {
            say("sound: every checksum holds, and a server would start from it".to_owned());
        }
        for problem in problems {
            say(format!("DAMAGED     {problem}"));
        }
    }

    fn json(&self) -> Json {
        let identity = &self.identity;
        Object::new()
            .with("directory", self.directory.display().to_string().as_str())
            .with("member", format!("{:x}", identity.node.0).as_str())
            .with("cluster", format!("{:x}", identity.cluster.0).as_str())
            .with("engine", identity.engine.to_string().as_str())
            .with("incarnation", format!("{:x}", identity.incarnation.0).as_str())
            .with("starts", identity.boots)
            .with("in_use", self.is_in_use)
            .with("sound", is_sound(self))
            .with("problems", Json::list(&problems(self), |it| it.as_str().into()))
            .with("segments", Json::list(&self.segments, segment_json))
            .with("kinds", kinds_json(self))
            .with("log", self.start.as_ref().map_or(Json::Null, start_json))
            .with("records", Json::list(&self.records, record_json))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        self.simple(text);
    }
}

fn log_lines(view: &DirectoryView) -> Vec<String> {
    let count: u64 = view.segments.iter().map(|segment| segment.records).sum();
    let files = plural(view.segments.len() as u64, "file");
    let mut lines = vec![format!("log         {} in {files}", plural(count, "record"))];
    for segment in &view.segments {
        let name = segment.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let indices = segment.indices.map_or_else(
            || "no entries".to_owned(),
            |(low, high)| format!("entries {low} to {high}"),
        );
        lines.push(format!(
            "  {name}  {} of {} used, {} batches, {} records, {indices}",
            bytes(segment.end),
            bytes(segment.length),
            segment.batches,
            segment.records
        ));
        if let Some(offset) = segment.torn {
            lines.push(format!(
                "    a torn batch at byte {offset}: never acknowledged, the next start cuts it"
            ));
        }
    }
    let kinds: Vec<String> =
        view.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    lines.push(format!("  {}", kinds.join(", ")));
    lines
}

fn start_lines(start: &StartView) -> Vec<String> {
    let promise = start.hard.promise;
    let to = promise.to.map_or_else(|| "nobody".to_owned(), |to| format!("{:x}", to.0));
    let mut lines = vec![
        format!("  begins behind {}, ends with {}", start.base, start.last),
        format!(
            "hard state  round {} promised to {to}, committed at least {}",
            promise.round, start.hard.committed
        ),
    ];
    if let Ok(store) = &start.store {
        lines.extend(store_lines(store));
    }
    lines.push(format!("members     {}", start.members.len()));
    lines.extend(start.members.iter().take(LINES_MAX).map(member_line));
    lines
}

fn member_line(member: &MemberView) -> String {
    let clients = match member.client_urls.join(",") {
        urls if urls.is_empty() => "clients not told yet".to_owned(),
        urls => format!("clients {urls}"),
    };
    let learner = if member.is_learner { " (learner)" } else { "" };
    format!(
        "  {:x} {}{learner}  peers {}  {clients}",
        member.id,
        member.name,
        member.peer_urls.join(",")
    )
}

fn store_lines(store: &StoreView) -> Vec<String> {
    let compacted = store
        .compacted
        .map_or_else(|| "never compacted".to_owned(), |at| format!("compacted at {at}"));
    let mut lines = vec![
        format!(
            "state       revision {}, {compacted}, applied up to entry {}",
            store.revision, store.applied
        ),
        format!(
            "  {} keys; {} puts and {} tombstones, with {} of keys and {} of values",
            store.keys,
            store.puts,
            store.tombstones,
            bytes(store.bytes.0),
            bytes(store.bytes.1)
        ),
        format!("  {} of {} of the quota", bytes(store.quota.0), bytes(store.quota.1)),
        format!("leases      {}", store.leases.len()),
    ];
    let each = store.leases.iter().take(LINES_MAX);
    lines.extend(each.map(|lease| format!("  {:x} of {} s", lease.id.0, lease.ttl.seconds())));
    lines
}

fn key_text(record: &RecordLine) -> String {
    let Some(key) = &record.key else { return String::new() };
    let text = key.escape_ascii().to_string();
    if text.chars().count() <= KEY_LETTERS_MAX {
        return text;
    }
    let kept: String = text.chars().take(KEY_LETTERS_MAX - 1).collect();
    format!("{kept}\u{2026}")
}

fn ballot_text(record: &RecordLine) -> String {
    record.ballot.map_or_else(|| "-".to_owned(), |ballot| ballot.round.to_string())
}

fn record_lines(records: &[RecordLine], engine: EngineKind) -> Vec<String> {
    let (index, term) = match engine {
        EngineKind::Raft => ("INDEX", "TERM"),
        EngineKind::Paxos => ("SLOT", "BALLOT"),
    };
    let titles = [index, term, "KIND", "BYTES", "KEY", "DETAIL"].map(str::to_owned);
    let row = |record: &RecordLine| {
        [
            record.index.map_or_else(|| "-".to_owned(), |index| index.to_string()),
            ballot_text(record),
            record.kind.to_owned(),
            record.bytes.to_string(),
            key_text(record),
            record.detail.clone(),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(titles).chain(records.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; 6]| {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let is_number = matches!(column, 0 | 1 | 3);
            let cell =
                if is_number { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
            line.push_str(&cell);
        }
        line
    };
    rows.iter().map(line).collect()
}

fn segment_json(segment: &SegmentView) -> Json {
    let (low, high) = segment
        .indices
        .map_or((Json::Null, Json::Null), |(low, high)| (low.0.into(), high.0.into()));
    Object::new()
        .with("file", segment.path.display().to_string().as_str())
        .with("length", segment.length)
        .with("used", segment.end)
        .with("batches", segment.batches)
        .with("records", segment.records)
        .with("first", low)
        .with("last", high)
        .with("torn_at", segment.torn.map_or(Json::Null, Json::from))
        .into()
}

fn kinds_json(view: &DirectoryView) -> Json {
    let kinds: Vec<(&String, &u64)> = view.kinds.iter().collect();
    Json::list(&kinds, |(kind, count)| {
        Object::new().with("kind", kind.as_str()).with("count", **count).into()
    })
}

fn start_json(start: &StartView) -> Json {
    let promise = start.hard.promise;
    let to = promise.to.map_or(Json::Null, |to| format!("{:x}", to.0).as_str().into());
    Object::new()
        .with("base", start.base)
        .with("last", start.last)
        .with("round", promise.round)
        .with("promised_to", to)
        .with("committed", start.hard.committed.0)
        .with("cut_at", start.cut.as_ref().map_or(Json::Null, |cut| cut.offset.into()))
        .with("members", Json::list(&start.members, member_json))
        .with("state", start.store.as_ref().map_or(Json::Null, store_json))
        .into()
}

fn member_json(member: &MemberView) -> Json {
    let texts = |texts: &[String]| Json::list(texts, |text| text.as_str().into());
    Object::new()
        .with("id", format!("{:x}", member.id).as_str())
        .with("name", member.name.as_str())
        .with("peer_urls", texts(&member.peer_urls))
        .with("client_urls", texts(&member.client_urls))
        .with("learner", member.is_learner)
        .into()
}

fn store_json(store: &StoreView) -> Json {
    let lease = |lease: &quorate_server::Lease| {
        Object::new()
            .with("id", format!("{:x}", lease.id.0).as_str())
            .with("ttl", lease.ttl.seconds())
            .into()
    };
    Object::new()
        .with("applied", store.applied)
        .with("revision", store.revision)
        .with("compacted", store.compacted.map_or(Json::Null, Json::from))
        .with("keys", store.keys)
        .with("puts", store.puts)
        .with("tombstones", store.tombstones)
        .with("key_bytes", store.bytes.0)
        .with("value_bytes", store.bytes.1)
        .with("logical_bytes", store.quota.0)
        .with("quota_bytes", store.quota.1)
        .with("leases", Json::list(&store.leases, lease))
        .into()
}

fn record_json(record: &RecordLine) -> Json {
    Object::new()
        .with("segment", record.segment)
        .with("offset", record.offset)
        .with("bytes", record.bytes)
        .with("index", record.index.map_or(Json::Null, Json::from))
        .with("round", record.ballot.map_or(Json::Null, |ballot| ballot.round.into()))
        .with(
            "leader",
            record
                .ballot
                .map_or(Json::Null, |ballot| format!("{:x}", ballot.node.0).as_str().into()),
        )
        .with("kind", record.kind)
        .with("key", record.key.clone().map_or(Json::Null, Json::Bytes))
        .with("detail", record.detail.as_str())
        .into()
}
