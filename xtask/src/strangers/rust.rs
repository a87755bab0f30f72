//! The tests that ship in the published crate `etcd-client`.
//!
//! The crate compiles its protobuf files with `protoc` when it is built, so it lives outside of the
//! workspace: its source is taken from the registry, and of it only the address of the server is
//! changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::verdict::Verdict;
use super::{LeftOut, Site, Suite};
use crate::workspace::{self, Workspace, cargo};

/// The version whose tests are run.
const VERSION: &str = "0.21.1";

/// The address that its tests dial.
const ADDRESS: &str = "localhost:2379";

const AUTHENTICATION: &str = "authentication is not served yet";

/// Its tests that are not run.
pub(super) const LEFT_OUT: [LeftOut; 7] = [
    LeftOut { test: "test_auth", reason: AUTHENTICATION },
    LeftOut { test: "test_auth_refresh_token", reason: AUTHENTICATION },
    LeftOut { test: "test_auth_refresh_token_once_for_concurrent_calls", reason: AUTHENTICATION },
    LeftOut { test: "test_role", reason: AUTHENTICATION },
    LeftOut { test: "test_user", reason: AUTHENTICATION },
    LeftOut {
        test: "test_cluster",
        reason: "changes of membership are not served yet, and it wants a host named node4",
    },
    LeftOut {
        test: "test_move_leader",
        reason: "it wants a header in the answer, which etcd leaves out too",
    },
];

/// Runs the tests of `etcd-client`.
pub(super) fn etcd_client(suite: &Suite, site: &Site<'_>) -> Result<Verdict> {
    let source = source(site.workspace)?;
    dial(&source, &site.cluster.leader()?)?;
    let mut command = Command::new(cargo());
    // Two are ignored because older versions of etcd lack what they ask for.
    command.args(["test", "--tests", "--", "--exact", "--include-ignored"]).current_dir(&source);
    for left_out in suite.left_out {
        command.args(["--skip", left_out.test]);
    }
    command.env("CARGO_TARGET_DIR", site.workspace.path("target/strangers/build"));
    Ok(command.output().context("cargo did not start")?.into())
}

/// A copy of the published source below `target`.
fn source(workspace: &Workspace) -> Result<PathBuf> {
    let copy = workspace.path("target/strangers/etcd-client");
    if copy.join("Cargo.toml").is_file() {
        return Ok(copy);
    }
    let published = fetch(workspace)?;
    let mut command = Command::new("cp");
    command.arg("-r").arg(published).arg(&copy);
    workspace::run(&mut command)?;
    // It lies below this workspace without being a part of it.
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, format!("{text}\n[workspace]\n"))?;
    Ok(copy)
}

/// Lets cargo bring the crate, and tells where it put it.
fn fetch(workspace: &Workspace) -> Result<PathBuf> {
    let asking = workspace.path("target/strangers/asking");
    fs::create_dir_all(asking.join("src"))?;
    fs::write(asking.join("src/lib.rs"), "")?;
    fs::write(asking.join("Cargo.toml"), manifest())?;
    let mut command = Command::new(cargo());
    command.args(["metadata", "--format-version", "1"]).current_dir(&asking);
    let output = command.output().context("cargo did not start")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "etcd-client was not fetched: {complaint}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let found = packages.iter().find(|package| package["name"] == "etcd-client");
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.context("cargo did not bring etcd-client")?);
    Ok(manifest.parent().context("a manifest lies in a directory")?.to_owned())
}

fn manifest() -> String {
    format!(
        "[package]\nname = \"asking\"\nedition = \"2024\"\n\n[dependencies]\n\
         etcd-client = \"={VERSION}\"\n\n[workspace]\n"
    )
}

/// Points the tests to the given address, wherever they pointed before.
fn dial(source: &Path, address: &str) -> Result<()> {
    let path = source.join("tests/testing.rs");
    let pristine = source.join("tests/testing.rs.published");
    if !pristine.is_file() {
        fs::copy(&path, &pristine)?;
    }
    let text = fs::read_to_string(pristine)?;
    ensure!(text.contains(ADDRESS), "the tests dial something else than {ADDRESS}");
    fs::write(path, text.replace(ADDRESS, address))?;
    Ok(())
}
