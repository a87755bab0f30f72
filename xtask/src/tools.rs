//! What the gate needs beside cargo, and how to get it.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::workspace::{self, Workspace};

/// A program that a step calls.
struct Tool {
    program: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
    /// What calls it.
    purpose: &'static str,
    need: Need,
}

/// What happens without it.
#[derive(PartialEq, Eq)]
enum Need {
    /// The gate cannot pass; it is installed where that is possible.
    Required,
    /// Some tests say that they were skipped.
    Optional,
}

const TOOLS: [Tool; 13] = [
    required("git", "git", "tidy and the seeds of property tests"),
    required("bash", "bash", "the command blocks of README.md"),
    required("etcd", "etcd-server", "the comparison with etcd"),
    required("etcdctl", "etcd-client", "the comparison with etcd and README.md"),
    required("python3", "python3-venv", "the suites of Python clients"),
    required("pgrep", "procps", "a suite that stops two members"),
    required("tar", "tar", "the suites of Python clients"),
    required("protoc", "protobuf-compiler", "the suite of a Rust client, which compiles with it"),
    optional("mkfs.ext4", "e2fsprogs", "power-cut tests"),
    optional("losetup", "util-linux", "power-cut tests"),
    optional("mount", "util-linux", "power-cut tests"),
    optional("zsh", "zsh", "the script that completes commands in it"),
    optional("fish", "fish", "the script that completes commands in it"),
];

const fn required(program: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool { program, package, purpose, need: Need::Required }
}

const fn optional(program: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool { program, package, purpose, need: Need::Optional }
}

/// Makes sure that every required tool is there: installs what is missing, or says how to.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    let missing = missing_tools();
    for tool in &missing {
        println!("missing: {} (package {}), for {}", tool.program, tool.package, tool.purpose);
    }
    let packages = packages_to_install(&missing);
    if packages.is_empty() {
        return Ok(());
    }
    if !may_install() {
        bail!("install them first: apt-get install -y {}", packages.join(" "));
    }
    install(workspace, &packages)?;
    match packages_to_install(&missing_tools()).as_slice() {
        [] => Ok(()),
        still => bail!("still missing after the installation: {}", still.join(" ")),
    }
}

fn missing_tools() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !is_installed(tool.program)).collect()
}

/// Packages of the missing tools that the gate cannot do without, each once.
fn packages_to_install(missing: &[&Tool]) -> Vec<&'static str> {
    let required = missing.iter().filter(|tool| tool.need == Need::Required);
    let mut packages: Vec<&str> = required.map(|tool| tool.package).collect();
    packages.dedup();
    packages
}

fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    workspace.run("apt-get", &["update", "--quiet"])?;
    let mut command = workspace.command("apt-get", &["install", "--yes", "--quiet"]);
    command.args(packages);
    // Nobody is there to answer, and no service of these packages is to be started.
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    workspace::run(&mut command)
}

/// Whether packages can be installed without asking anyone.
fn may_install() -> bool {
    let user = Command::new("id").arg("-u").output();
    let is_root = user.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    is_root && is_installed("apt-get")
}

/// Whether a program is found; some live where only root's path leads.
fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_or_not() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-program-has-this-name"));
    }

    #[test]
    fn only_required_packages_are_installed_each_once() {
        let (one, two) = (required("a", "p", ""), required("b", "p", ""));
        let (three, four) = (required("c", "q", ""), optional("d", "r", ""));
        assert_eq!(packages_to_install(&[&one, &two, &three, &four]), ["p", "q"]);
        assert!(packages_to_install(&[&four]).is_empty());
    }
}
