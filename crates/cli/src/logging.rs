//! Where log lines go: to standard error, for people or for programs.
//!
//! The form for programs is etcd's: one JSON object a line with `level`, `ts`, `caller` and `msg`,
//! because its tools wait for `"msg":"ready to serve client requests"`.

use std::fmt;
use std::io::{self, IsTerminal};

use clap::ValueEnum;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Console,
}

/// Which log lines are written: those at least as severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator may want to know.
    Info,
    /// What may need attention.
    Warn,
    /// What went wrong.
    Error,
    /// etcd's; the same as `error`.
    #[value(hide = true)]
    Panic,
    /// etcd's; the same as `error`.
    #[value(hide = true)]
    Fatal,
}

impl LogLevel {
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error | Self::Panic | Self::Fatal => "error",
        }
    }
}

/// Starts logging. Without a wish for a form it is `console` on a terminal and `json` elsewhere.
pub(crate) fn start(level: LogLevel, format: Option<LogFormat>) {
    let is_terminal = io::stderr().is_terminal();
    let default = if is_terminal { LogFormat::Console } else { LogFormat::Json };
    // The libraries below speak of every frame at `debug`; theirs is not our operator's concern.
    let filter = EnvFilter::new(format!("warn,quorate={0}", level.name()));
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(filter);
    match format.unwrap_or(default) {
        LogFormat::Json => lines.event_format(JsonLines).init(),
        LogFormat::Console => lines.with_ansi(is_terminal && has_colour()).init(),
    }
}

/// Whether colours are welcome. See <https://no-color.org>.
pub(crate) fn has_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The time of day, in UTC.
pub(crate) fn timestamp() -> String {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time)).expect("a string can be written to");
    time
}

/// etcd's form of a log line.
#[derive(Debug)]
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let time = timestamp();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let place = metadata.file().unwrap_or(metadata.target());
        let caller = format!("{place}:{}", metadata.line().unwrap_or(0));
        let (level, time) = (level_name(*metadata.level()), Value::from(time));
        let (caller, message) = (Value::from(caller), Value::from(fields.message));
        write!(writer, r#"{{"level":"{level}","ts":{time},"caller":{caller},"msg":{message}"#)?;
        for (name, value) in fields.others {
            write!(writer, ",{}:{value}", Value::from(name))?;
        }
        writeln!(writer, "}}")
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// What an event carries.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.others.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field, text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_as_etcd_writes_it() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt().event_format(JsonLines);
        let lines = lines.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(lines, || {
            tracing::info!(name = "a\"b", port = 7, error = ?Some(1), "ready to serve");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with(r#"{"level":"info","ts":""#), "{text}");
        assert!(text.contains(r#""msg":"ready to serve""#), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["name"], "a\"b");
        assert_eq!(value["port"], 7);
        assert_eq!(value["error"], "Some(1)");
        assert!(value["caller"].as_str().unwrap().contains("logging.rs:"));
    }
}
