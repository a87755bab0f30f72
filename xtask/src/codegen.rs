//! Compiles `proto/` to Rust, without `protoc` and without a `build.rs`, and to the descriptors by
//! which the JSON gateway reads messages.
//!
//! The result is committed, so that building the project needs neither, and a change of the
//! interface is reviewed like any other code. `--check` fails when the committed files are not what
//! `proto/` compiles to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use protox::prost_reflect::prost::Message;
use tonic_prost_build::FileDescriptorSet;

use crate::workspace::Workspace;

/// The interface files; each is compiled with everything it imports.
const PROTOS: [&str; 6] = [
    "mvccpb/kv.proto",
    "authpb/auth.proto",
    "etcdserverpb/rpc.proto",
    "v3lockpb/v3lock.proto",
    "v3electionpb/v3election.proto",
    "health/health.proto",
];

/// Where the generated files live.
const GENERATED: &str = "crates/etcdapi/src/gen";

/// Line 1 of each generated file.
const HEADER: &str = "//! Generated from `proto/` by `cargo xtask codegen`; do not edit.\n\n";

/// Name of the file that describes every message and service, as protobuf encodes it.
const DESCRIPTORS: &str = "descriptors.binpb";

/// Generated files by name.
type Files = BTreeMap<String, Vec<u8>>;

/// What to do with the generated code.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail if the committed files differ.
    #[arg(long)]
    check: bool,
}

/// Writes the generated files, or checks them.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    if arguments.check {
        return check(workspace);
    }
    write_directory(&workspace.path(GENERATED), &generate(workspace)?)
}

/// Fails if the committed files are not what `proto/` compiles to.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let committed = read_directory(&workspace.path(GENERATED))?;
    compare(&committed, &generate(workspace)?)
}

/// Compiles the interface in a scratch directory.
fn generate(workspace: &Workspace) -> Result<Files> {
    let scratch = tempfile::tempdir()?;
    let descriptors = compile(workspace)?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::codec::MessageCodec")
        .emit_rerun_if_changed(false)
        .out_dir(scratch.path())
        .compile_fds(descriptors.clone())?;

    let mut files = read_directory(scratch.path())?;
    for (name, text) in &mut files {
        text.splice(..0, HEADER.bytes());
        fs::write(scratch.path().join(name), &text)?;
    }
    format(workspace, scratch.path(), &files)?;
    let mut files = read_directory(scratch.path())?;
    files.insert(DESCRIPTORS.to_owned(), encode(descriptors));
    Ok(files)
}

/// The descriptors without comments and places in the source, which nobody reads at run time.
fn encode(mut descriptors: FileDescriptorSet) -> Vec<u8> {
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    descriptors.encode_to_vec()
}

/// Reads the interface files and everything they import.
fn compile(workspace: &Workspace) -> Result<FileDescriptorSet> {
    Ok(protox::compile(PROTOS, [workspace.path("proto")])?)
}

/// Formats the files in place, by the repository's own rules.
fn format(workspace: &Workspace, directory: &Path, files: &Files) -> Result<()> {
    let mut rustfmt = workspace.command("rustfmt", &["--edition", "2024", "--config-path"]);
    rustfmt.arg(workspace.root());
    rustfmt.args(files.keys().map(|name| directory.join(name)));
    crate::workspace::run(&mut rustfmt)
}

/// Every file of a directory; none if it does not exist.
fn read_directory(directory: &Path) -> Result<Files> {
    let mut files = Files::new();
    if !directory.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().expect("a listed file has a name");
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        files.insert(name.to_string_lossy().into_owned(), bytes);
    }
    Ok(files)
}

/// Makes the directory hold exactly these files.
fn write_directory(directory: &Path, files: &Files) -> Result<()> {
    fs::create_dir_all(directory)?;
    for stale in read_directory(directory)?.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(directory.join(stale))?;
    }
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes)?;
    }
    println!("{} files written to {GENERATED}", files.len());
    Ok(())
}

/// Fails, naming the first difference, unless both hold the same files.
fn compare(committed: &Files, generated: &Files) -> Result<()> {
    let names = committed.keys().chain(generated.keys());
    for name in names {
        match (committed.get(name), generated.get(name)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(_), Some(_)) => bail!("{GENERATED}/{name} differs; run `cargo xtask codegen`"),
            (None, _) => bail!("{GENERATED}/{name} is missing; run `cargo xtask codegen`"),
            (_, None) => bail!("{GENERATED}/{name} has no source; run `cargo xtask codegen`"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
