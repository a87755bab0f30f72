//! Cleans up when the test cannot: a shell that outlives the test by a moment.
//!
//! A test that fails cleans up while it unwinds. One that is killed itself cannot, so it tells each
//! process and mount to a shell in a process group of its own, whose standard input ends when the
//! test does, however it does.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Reads `kind name` lines into one variable per kind, and acts on them at the end of input.
const SCRIPT: &str = r#"
pids=' '; mounts=''; directories=''
while read -r kind name; do
  case "$kind" in
    process) pids="$pids$name " ;;
    reaped) pids=$(printf '%s' "$pids" | sed "s/ $name / /") ;;
    mount) mounts="$name $mounts" ;;
    directory) directories="$directories $name" ;;
  esac
done
for mount in $mounts; do mountpoint -q "$mount" && fsfreeze -u "$mount"; done
for pid in $pids; do kill -9 "$pid"; done
for mount in $mounts; do mountpoint -q "$mount" && umount -l "$mount"; done
for directory in $directories; do rm -rf "$directory"; done
"#;

/// Something that must not outlive the test.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice<'a> {
    /// A child process was started.
    Process(u32),
    /// A child process was waited for; its number is free for others.
    Reaped(u32),
    /// A file system may be mounted here.
    Mount(&'a Path),
    /// A temporary directory.
    Directory(&'a Path),
}

/// The shell. It cleans up what is left of what it was told when this is dropped, or when the test
/// ends without.
pub(crate) struct Guardian {
    shell: Mutex<Child>,
}

impl Guardian {
    /// Starts the shell.
    pub(crate) fn new() -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { shell: Mutex::new(command.spawn().expect("a shell can be started")) }
    }

    /// Tells it. Names with spaces are not for it: temporary directories have none.
    pub(crate) fn tell(&self, notice: Notice<'_>) {
        let line = match notice {
            Notice::Process(pid) => format!("process {pid}\n"),
            Notice::Reaped(pid) => format!("reaped {pid}\n"),
            Notice::Mount(path) => format!("mount {}\n", path.display()),
            Notice::Directory(path) => format!("directory {}\n", path.display()),
        };
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let input = shell.stdin.as_mut().expect("it is closed only when this is dropped");
        input.write_all(line.as_bytes()).expect("the shell reads until this ends");
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(shell.stdin.take());
        // It has nobody to report to.
        let _ = shell.wait();
    }
}
