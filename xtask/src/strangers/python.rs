//! The Python suites: `aetcd` over gRPC and `etcd3gw` over the JSON gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::verdict::Verdict;
use super::{LeftOut, Site, Suite};
use crate::workspace::{self, Workspace};

/// What is installed, by exact version: a suite is judged as it was published.
const PACKAGES: [&str; 3] = ["aetcd[test]==1.0.0", "etcd3gw==2.7.0", "oslotest==6.1.0"];

/// The published source that holds the tests of aetcd.
const AETCD_SOURCE: &str = "aetcd==1.0.0";

/// Tests of aetcd that are not run.
pub(super) const AETCD_LEFT_OUT: [LeftOut; 2] = [
    LeftOut {
        test: "tests/integration/test_auth.py::test_auth",
        reason: "it enables authentication, which is not served yet, and dials port 2379",
    },
    LeftOut {
        test: "tests/integration/test_maintenance.py::test_snapshot",
        reason: "it has etcdctl read the snapshot, which knows etcd's file format alone",
    },
];

/// Runs the tests of `aetcd`, those that need a cluster included.
pub(super) fn aetcd(suite: &Suite, site: &Site<'_>) -> Result<Verdict> {
    let python = Python::ready(site.workspace)?;
    let source = python.source_of_aetcd()?;
    let mut command = python.pytest(&source);
    command.args(["--with-cluster", "tests"]);
    for left_out in suite.left_out {
        command.args(["--deselect", left_out.test]);
    }
    command.env("TEST_ETCD_HTTP_URL", site.cluster.url());
    finish(&mut command)
}

/// Runs the tests of `etcd3gw`.
pub(super) fn etcd3gw(_suite: &Suite, site: &Site<'_>) -> Result<Verdict> {
    let python = Python::ready(site.workspace)?;
    let mut command = python.pytest(&python.directory);
    command.args(["--pyargs", "etcd3gw.tests"]);
    command.env("TOOZ_TEST_HTTP_URL", site.cluster.url());
    command.env("TOOZ_TEST_ETCD_PORT", site.cluster.port().to_string());
    finish(&mut command)
}

fn finish(command: &mut Command) -> Result<Verdict> {
    Ok(command.output().context("pytest did not start")?.into())
}

/// A Python with what the suites need.
struct Python {
    directory: PathBuf,
}

impl Python {
    /// Makes the environment below `target`, once.
    fn ready(workspace: &Workspace) -> Result<Self> {
        let python = Self { directory: workspace.path("target/strangers/python") };
        let stamp = python.directory.join("installed");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == stamped()) {
            return Ok(python);
        }
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&python.directory);
        workspace::run(&mut make).context("Debian has venv in the package python3-venv")?;
        let mut install = python.module("pip");
        install.args(["install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
        workspace::run(&mut install)?;
        std::fs::write(stamp, stamped())?;
        Ok(python)
    }

    fn module(&self, name: &str) -> Command {
        let mut command = Command::new(self.directory.join("bin/python"));
        command.args(["-m", name]);
        command
    }

    /// pytest in a directory, with the options of the package itself (coverage) left out.
    fn pytest(&self, directory: &Path) -> Command {
        let mut command = self.module("pytest");
        command.current_dir(directory).env("ETCDCTL_API", "3");
        command.args(["-q", "-p", "no:cacheprovider", "-o", "addopts="]);
        command
    }

    /// The unpacked source, whose tests the installed package lacks.
    fn source_of_aetcd(&self) -> Result<PathBuf> {
        let source = self.directory.join(AETCD_SOURCE.replace("==", "-"));
        if source.is_dir() {
            return Ok(source);
        }
        let mut download = self.module("pip");
        download.args(["download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        download.args(["--no-binary", ":all:", "--dest"]).arg(&self.directory).arg(AETCD_SOURCE);
        workspace::run(&mut download)?;
        let archive = self.directory.join(format!("{}.tar.gz", AETCD_SOURCE.replace("==", "-")));
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(archive).arg("-C").arg(&self.directory);
        workspace::run(&mut unpack)?;
        Ok(source)
    }
}

fn stamped() -> String {
    PACKAGES.join("\n")
}
