//! One member of a demo: a process of this same program, running `serve`.
//!
//! The member stops by itself when its standard input ends, which it does when the demo ends, in
//! whatever way. It has a process group of its own, so that Ctrl-C reaches the demo alone.

use std::collections::VecDeque;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use quorate_server::HttpUrl;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// How long a member may take to stop when it is asked.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How many of its last lines tell why a member ended.
const LAST_LINES: usize = 5;

/// One member, running or not.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) client_url: HttpUrl,
    /// The arguments it is started with.
    arguments: Vec<String>,
    log: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    /// Held open: its end is what tells the member to stop.
    input: Option<ChildStdin>,
}

impl Member {
    /// A member that is not running yet. Its log lines go to `log`.
    pub(crate) fn new(
        name: String,
        client_url: HttpUrl,
        arguments: Vec<String>,
        log: PathBuf,
    ) -> Self {
        Self { name, client_url, arguments, log, running: None }
    }

    /// Whether it has been started, and has not been seen to end.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts it.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        assert!(self.running.is_none(), "a member has one process");
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let settings = env::vars_os().map(|(name, _)| name);
        let settings = settings.filter(|name| name.as_encoded_bytes().starts_with(b"ETCD_"));
        let mut command = Command::new(env::current_exe()?);
        // Settings for a server of the user's are not for these.
        for name in settings {
            command.env_remove(name);
        }
        let mut process = command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = process.stdin.take();
        self.running = Some(Running { process, input });
        Ok(())
    }

    /// Kills it, as by `kill -9`.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // It may have ended by itself a moment ago.
            let _ = running.process.kill().await;
        }
    }

    /// Asks it to stop, and kills it if it does not.
    pub(crate) async fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        drop(running.input.take());
        if timeout(STOP_TIMEOUT, running.process.wait()).await.is_err() {
            // The same as above.
            let _ = running.process.kill().await;
        }
    }

    /// Its exit status, if it has ended since it was started. It is told once.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let running = self.running.as_mut()?;
        // A process that cannot be asked is taken for running.
        let status = running.process.try_wait().ok().flatten()?;
        self.running = None;
        Some(status)
    }

    /// The last lines that it wrote.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let Ok(file) = File::open(&self.log) else { return Vec::new() };
        let mut last = VecDeque::new();
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
        last.into()
    }
}
