//! The one shell that the blocks run in.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Place;
use super::lines::{self, Lines};

/// How long one block may take; a first build is part of some.
const BLOCK_MAX: Duration = Duration::from_mins(15);

/// How long the shell may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(2);

/// What the shell prints after each block.
const DONE: &str = "-- this block is done --";

/// A shell that stops at the first command that fails.
pub(crate) struct Shell {
    process: Child,
    input: ChildStdin,
    lines: Lines,
    /// The block that runs, as a file: commands in it find nothing to read.
    script: TempDir,
}

impl Shell {
    /// Starts the shell.
    pub(crate) fn start(place: &Place) -> Result<Self> {
        let mut process = Command::new("bash")
            .args(["--noprofile", "--norc", "-s"])
            .current_dir(place.directory)
            .envs(&place.environment)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("bash did not start")?;
        let mut input = process.stdin.take().expect("its input is a pipe");
        let output = process.stdout.take().expect("its output is a pipe");
        writeln!(input, "exec 2>&1; set -e -o pipefail")?;
        Ok(Self { process, input, lines: Lines::of(output), script: tempfile::tempdir()? })
    }

    /// Runs commands and returns what they printed; fails if one of them does.
    pub(crate) fn run(&mut self, commands: &str) -> Result<Vec<String>> {
        let script = self.script.path().join("block.sh");
        fs::write(&script, commands)?;
        // Both at once: a shell that has ended in between could not be written to. The mark begins
        // with a line end, lest a last line without one should hide it.
        let call = format!(". '{}' </dev/null\nprintf '\\n{DONE}\\n'\n", script.display());
        self.input.write_all(call.as_bytes()).context("the shell has ended before")?;
        let mut printed = self.lines.until(&mut self.process, BLOCK_MAX, |line| line == DONE)?;
        printed.pop();
        Ok(printed)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        lines::end(&mut self.process, GRACE);
    }
}
