//! What client commands print: etcdctl's forms of output, byte for byte.
//!
//! An [`Answer`] knows how it looks in each form; a [`Printer`] knows which form is wanted.

mod cluster;
mod json;
mod kv;
mod lease;
mod paint;
mod quote;
mod table;
mod units;

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use clap::ValueEnum;
use quorate_etcdapi::etcdserverpb::ResponseHeader;
use quorate_etcdapi::mvccpb::KeyValue;

pub(crate) use cluster::{HashAt, Health, StatusAt};
pub(crate) use json::{Json, Object};
pub(crate) use lease::TimeToLive;
pub(crate) use paint::{Colour, Paint, understands_codes};
pub(crate) use quote::{quoted, unquoted};
pub(crate) use table::Table;
pub(crate) use units::{byte_count, duration};

use crate::exit::{Exit, Failure, Form};

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// What people read: keys and values on lines of their own.
    Simple,
    /// One JSON document on a line, with etcd's names.
    Json,
    /// The same, with a line for each of what is a list.
    #[value(name = "jsonl")]
    JsonLines,
    /// One field on a line, as `"Name" : value`.
    Fields,
    /// A table, for what is a list of things.
    Table,
    /// The message as it was received.
    Protobuf,
}

/// Which parts of a pair the simple form has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// The key, then the value, a line each.
    Pair,
    /// The value alone.
    Value,
}

/// How the simple form writes the bytes of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteForm {
    /// As they are.
    Raw,
    /// Each as `\x` and two hexadecimal digits.
    Hex,
}

/// Something that can be printed in every form that it has.
pub(crate) trait Answer {
    /// For people.
    fn simple(&self, text: &mut Text);
    /// As JSON.
    fn json(&self) -> Json;
    /// As JSON in lines: each of what is a list on its own.
    fn json_lines(&self) -> Vec<Json> {
        match self.json() {
            Json::List(elements) => elements,
            whole => vec![whole],
        }
    }
    /// Field by field.
    fn fields(&self, text: &mut Text);
    /// As a table, if it is one.
    fn table(&self) -> Option<Table> {
        None
    }
    /// As a protobuf message, if it is one.
    fn protobuf(&self) -> Option<Vec<u8>> {
        None
    }
}

/// Prints answers in the form that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    format: Format,
    parts: Parts,
    byte_form: ByteForm,
}

impl Printer {
    /// A printer of this form.
    pub(crate) fn new(format: Format, byte_form: ByteForm) -> Self {
        Self { format, parts: Parts::Pair, byte_form }
    }

    /// The form it prints.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// One that leaves the keys out of the simple form.
    pub(crate) fn with_parts(self, parts: Parts) -> Self {
        Self { parts, ..self }
    }

    /// How failures are told beside it.
    pub(crate) fn failure_form(self) -> Form {
        if self.is_json() { Form::Json } else { Form::Text }
    }

    /// Whether it prints JSON.
    pub(crate) fn is_json(self) -> bool {
        matches!(self.format, Format::Json | Format::JsonLines)
    }

    /// One that prints the simple form.
    pub(crate) fn in_simple_form(self) -> Self {
        Self { format: Format::Simple, ..self }
    }

    /// Prints an answer on standard output.
    pub(crate) fn print(self, answer: &impl Answer) -> Result<(), Failure> {
        flush(&self.painted(answer, Paint::of(&io::stdout()))?)
    }

    /// The same, and fails as well if nobody reads it any more: for what goes on printing.
    pub(crate) fn stream(self, answer: &impl Answer) -> Result<(), Failure> {
        write(&self.render(answer)?)
    }

    /// Fails if this form is one that few things have. To be asked before anything is done.
    pub(crate) fn assert_simple_form(self) -> Result<(), Failure> {
        match self.format {
            Format::Table => Err(unsupported("table")),
            _ => Ok(()),
        }
    }

    /// The same as bytes.
    pub(crate) fn render(self, answer: &impl Answer) -> Result<Vec<u8>, Failure> {
        self.painted(answer, Paint::Plain)
    }

    /// The same, with colours if there are any.
    pub(crate) fn painted(self, answer: &impl Answer, paint: Paint) -> Result<Vec<u8>, Failure> {
        let Self { parts, byte_form, .. } = self;
        let mut text = Text { bytes: Vec::new(), parts, byte_form, paint };
        match self.format {
            Format::Simple => answer.simple(&mut text),
            Format::Fields => answer.fields(&mut text),
            Format::Json => text.line(answer.json().to_string().as_bytes()),
            Format::JsonLines => {
                answer.json_lines().iter().for_each(|it| text.line(it.to_string().as_bytes()));
            }
            Format::Table => match answer.table() {
                Some(table) => text.bytes = table.to_string().into_bytes(),
                None => return Err(unsupported("table")),
            },
            Format::Protobuf => match answer.protobuf() {
                Some(message) => text.bytes = message,
                None => return Err(unsupported("protobuf")),
            },
        }
        Ok(text.bytes)
    }
}

fn unsupported(form: &str) -> Failure {
    Failure::new(Exit::BadFeature, format!("{form} not supported as output format"))
}

/// Lines that are being written.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    parts: Parts,
    byte_form: ByteForm,
    paint: Paint,
}

impl Text {
    /// A line that stands out where there are colours.
    pub(crate) fn painted(&mut self, colour: Colour, line: &str) {
        let painted = self.paint.apply(colour, line);
        self.line(painted.as_bytes());
    }

    /// A line of any bytes.
    pub(crate) fn line(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.push(b'\n');
    }

    /// A line of a key or a value.
    fn raw_or_hex(&mut self, bytes: &[u8]) {
        if self.byte_form == ByteForm::Raw {
            return self.line(bytes);
        }
        let hex: Vec<String> = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        self.line(hex.concat().as_bytes());
    }

    /// A key and its value.
    pub(crate) fn pair(&mut self, pair: &KeyValue) {
        if self.parts == Parts::Pair {
            self.raw_or_hex(&pair.key);
        }
        self.raw_or_hex(&pair.value);
    }

    /// A field whose value is written as it is.
    pub(crate) fn field(&mut self, name: &str, value: impl Display) {
        self.line(format!("\"{name}\" : {value}").as_bytes());
    }

    /// A field whose value is quoted.
    pub(crate) fn quoted_field(&mut self, name: &str, value: &[u8]) {
        self.field(name, quoted(value));
    }

    /// The fields that every answer begins with.
    pub(crate) fn header_fields(&mut self, header: Option<&ResponseHeader>) {
        let Some(header) = header else { return };
        self.field("ClusterID", header.cluster_id);
        self.field("MemberID", header.member_id);
        self.field("Revision", header.revision);
        self.field("RaftTerm", header.raft_term);
    }

    /// The fields of a key, with something before their names.
    pub(crate) fn pair_fields(&mut self, before: &str, pair: &KeyValue) {
        self.quoted_field(&format!("{before}Key"), &pair.key);
        self.field(&format!("{before}CreateRevision"), pair.create_revision);
        self.field(&format!("{before}ModRevision"), pair.mod_revision);
        self.field(&format!("{before}Version"), pair.version);
        self.quoted_field(&format!("{before}Value"), &pair.value);
        self.field(&format!("{before}Lease"), pair.lease);
    }
}

/// Writes to standard output what was printed. A reader that has left is no failure.
pub(crate) fn flush(printed: &[u8]) -> Result<(), Failure> {
    match write(printed) {
        Err(failure) if failure.exit() == Exit::ReaderGone => Ok(()),
        other => other,
    }
}

/// The same, and tells if the reader has left.
pub(crate) fn write(printed: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    let written = output.write_all(printed).and_then(|()| output.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::reader_gone(),
        _ => Failure::error(format!("the answer cannot be written: {error}")),
    })
}

/// Writes a line to standard output.
pub(crate) fn say(line: impl Display) -> Result<(), Failure> {
    flush(format!("{line}\n").as_bytes())
}

/// Writes a line to standard error.
pub(crate) fn complain(line: impl Display) {
    // There is nowhere to report that the report failed.
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests;
