//! A command that keeps running beside the blocks after it.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Place;
use super::lines::{self, Lines};

/// How long it may take until it is ready; a first build is part of it.
const READY_MAX: Duration = Duration::from_mins(15);

/// How long it may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// A running demo. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Demo {
    process: Child,
}

impl Demo {
    /// Starts the command and waits for its line; returns what it printed until then.
    pub(crate) fn start(place: &Place, commands: &str, until: &str) -> Result<(Self, Vec<String>)> {
        let command = one_command(commands)?;
        let mut process = Command::new("bash")
            // The shell becomes the command, so that its process id is the command's.
            .args(["--noprofile", "--norc", "-c", &format!("exec {command} --no-keys 2>&1")])
            .current_dir(place.directory)
            .envs(&place.environment)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("bash did not start")?;
        let lines = Lines::of(process.stdout.take().expect("its output is a pipe"));
        // From here on it is ended, whatever happens.
        let mut demo = Self { process };
        let printed = lines.until(&mut demo.process, READY_MAX, |line| line.contains(until))?;
        Ok((demo, printed))
    }

    /// Its process id.
    #[cfg(test)]
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        lines::end(&mut self.process, GRACE);
    }
}

/// The only line that is neither empty nor a comment.
fn one_command(commands: &str) -> Result<&str> {
    let mut lines =
        commands.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(command), None) => Ok(command),
        _ => bail!("a demo block holds exactly one command"),
    }
}
