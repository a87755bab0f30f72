//! `snapshot save`: a member's whole state, into a file.
//!
//! The file is complete or not there: it is written under another name first.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorate_etcdapi::etcdserverpb::SnapshotRequest;
use quorate_etcdapi::etcdserverpb::maintenance_client::MaintenanceClient;

use crate::client::block_on;
use crate::client_flags::Context;
use crate::connect::refused;
use crate::exit::{Exit, Failure};
use crate::output::{self, byte_count};
use crate::snapshot_restore::{self, RestoreFlags};
use crate::snapshot_status::{self, StatusFlags};

/// The end of the help of `snapshot`.
pub(crate) const NOTES: &str = "\
Example:
  quorate snapshot save backup.db --endpoints 127.0.0.1:2379";

/// The end of the help of `snapshot restore`.
const RESTORE_NOTES: &str = "\
Example, on each of the new members with its own name:
  quorate snapshot restore backup.db --name a --data-dir a.quorate \\
    --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380 \\
    --initial-advertise-peer-urls http://10.0.0.1:2380";

/// What can be done with snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Store what a member holds in a file
    Save(SaveFlags),
    /// Say what is in a stored snapshot
    Status(StatusFlags),
    /// Make the data directory of a member of a new cluster
    #[command(after_help = RESTORE_NOTES)]
    Restore(Box<RestoreFlags>),
}

/// The flags of `snapshot save`.
#[derive(Args, Debug)]
pub(crate) struct SaveFlags {
    /// The file, which is replaced if it is there
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

/// Runs one of them.
pub(crate) fn run(command: SnapshotCommand, context: &Context) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Save(flags) => save(&flags.path, context),
        SnapshotCommand::Status(flags) => snapshot_status::run(&flags, context.printer.format()),
        SnapshotCommand::Restore(flags) => snapshot_restore::run(*flags),
    }
}

fn save(path: &Path, context: &Context) -> Result<(), Failure> {
    if 1 < context.session.targets().len() {
        return Err(Failure::usage(
            "snapshot must be requested to one selected node, not multiple",
        ));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let saved = block_on(receive(&part, context));
    if saved.is_err() {
        // The failure says more than that this one failed as well.
        let _ = fs::remove_file(&part);
    }
    let bytes = saved?;
    fs::rename(&part, path).map_err(|error| cannot("rename", &part, &error))?;
    output::complain(format_args!("{} received", byte_count(bytes)));
    output::say(format_args!("Snapshot saved at {}", path.display()))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::new(Exit::Interrupted, format!("could not {what} {path} ({error})"))
}

/// Writes what the member sends, and gives how many bytes that is.
async fn receive(part: &Path, context: &Context) -> Result<i64, Failure> {
    let mut file = File::create(part).map_err(|error| cannot("open", part, &error))?;
    let channel = context.session.connect(0).await?;
    let mut client = MaintenanceClient::new(channel).max_decoding_message_size(usize::MAX);
    let interrupted = |status| refused(&status).with_exit(Exit::Interrupted);
    let mut blobs = client.snapshot(SnapshotRequest {}).await.map_err(interrupted)?.into_inner();
    let mut bytes = 0;
    while let Some(response) = blobs.message().await.map_err(interrupted)? {
        file.write_all(&response.blob).map_err(|error| cannot("write", part, &error))?;
        bytes += i64::try_from(response.blob.len()).expect("a message is far smaller");
    }
    file.sync_all().map_err(|error| cannot("sync", part, &error))?;
    Ok(bytes)
}
