//! `snapshot status`: what is in a stored snapshot, and whether it is whole.

use std::path::PathBuf;

use clap::Args;
use quorate_server::{HashCheck, SnapshotFile, inspect};

use crate::exit::Failure;
use crate::output::{self, Format, Table, byte_count};

/// The flags of `snapshot status`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StatusFlags {
    /// The snapshot
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

/// Reads all of it, and says what it is.
pub(crate) fn run(flags: &StatusFlags, format: Format) -> Result<(), Failure> {
    let file = SnapshotFile::open(&flags.path, HashCheck::Verify).map_err(Failure::error)?;
    let summary = inspect(file).map_err(Failure::error)?;
    let hash = summary.hash;
    let (revision, keys, bytes) = (summary.revision, summary.keys, summary.bytes);
    let size = byte_count(i64::try_from(bytes).unwrap_or(i64::MAX));
    match format {
        Format::Json | Format::JsonLines => output::say(serde_json::json!({
            "hash": hash, "revision": revision, "totalKey": keys, "totalSize": bytes,
            "version": summary.version,
        })),
        Format::Table => {
            let row = vec![format!("{hash:x}"), revision.to_string(), keys.to_string(), size];
            output::say(Table::new(&["hash", "revision", "total keys", "total size"], vec![row]))
        }
        _ => output::say(format_args!("{hash:x}, {revision}, {keys}, {size}")),
    }
}
