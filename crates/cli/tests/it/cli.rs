//! The command line as users meet it: help, refusals, exit codes, and the demo.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tempfile::TempDir;

use crate::support::poll;

/// How long anything may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(90);

/// The program, with none of the caller's settings.
pub(crate) fn quorate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCD") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    quorate(arguments).output().expect("the program runs")
}

/// Runs to a failure, and gives its exit code and what it said.
fn failure(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("the program runs");
    assert!(!output.status.success(), "{command:?}");
    assert!(output.stdout.is_empty(), "failures are told on standard error");
    (output.status.code(), String::from_utf8(output.stderr).expect("it speaks UTF-8"))
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("it speaks UTF-8")
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A program that runs beside the test. Dropping it kills it.
pub(crate) struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts it and listens to one of its outputs.
    pub(crate) fn start(command: &mut Command, output: impl FnOnce(&mut Child) -> Lines) -> Self {
        let mut process = command.spawn().expect("the program starts");
        let pipe = output(&mut process);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in pipe.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { process, lines }
    }

    /// Waits for a line with this text.
    pub(crate) fn line_with(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no `{text}`"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// A line that is there already.
    pub(crate) fn try_line(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is still there");
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().expect("it is ours to wait for").code()
    }

    fn input(&mut self) -> ChildStdin {
        self.process.stdin.take().expect("its input is a pipe")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test passed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) type Lines = Box<dyn Iterator<Item = std::io::Result<String>> + Send>;

fn errors_of(process: &mut Child) -> Lines {
    Box::new(BufReader::new(process.stderr.take().expect("it is a pipe")).lines())
}

pub(crate) fn output_of(process: &mut Child) -> Lines {
    Box::new(BufReader::new(process.stdout.take().expect("it is a pipe")).lines())
}

/// All commands, and those that they consist of.
const COMMANDS: [&str; 47] = [
    "",
    "serve",
    "demo",
    "lab",
    "sim",
    "inspect",
    "status",
    "doctor",
    "put",
    "get",
    "del",
    "txn",
    "watch",
    "compact",
    "lease",
    "lease grant",
    "lease revoke",
    "lease timetolive",
    "lease list",
    "lease keep-alive",
    "lock",
    "elect",
    "endpoint",
    "endpoint health",
    "endpoint status",
    "endpoint hashkv",
    "member",
    "member list",
    "move-leader",
    "alarm",
    "alarm list",
    "alarm disarm",
    "defrag",
    "snapshot",
    "snapshot save",
    "snapshot status",
    "snapshot restore",
    "bench",
    "bench put",
    "bench range",
    "bench mixed",
    "bench txn",
    "bench watch",
    "bench lease",
    "explain",
    "version",
    "completion",
];

#[test]
fn help_is_as_agreed_and_fits_80_columns() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = run(&arguments);
        let text = stdout(&output);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let is_group_or_whole = !command.contains(' ') && command != "version";
        if is_group_or_whole {
            let (example, usage) = (text.find("\nExample"), text.find("\nUsage: "));
            assert!(example.is_some() && example < usage, "examples come first: {text}");
        }
        let name = if command.is_empty() { "quorate" } else { &command.replace(' ', "-") };
        let path = golden.join(format!("{name}.txt"));
        if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&path, text).expect("the golden file is written");
        }
        let agreed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, agreed, "{name}: REWRITE=1 accepts the new text");
    }
}

#[test]
fn what_a_code_means_is_told_as_agreed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explained.txt");
    let list = run(&["explain"]);
    let codes = stdout(&list).lines().filter_map(|line| line.split(' ').next());
    let mut text = stdout(&list).to_owned();
    for code in codes.filter(|word| word.starts_with("E-")) {
        let explained = run(&["explain", code]);
        text = format!("{text}\n$ quorate explain {code}\n{}", stdout(&explained));
        let asked_otherwise = run(&["--explain", &code.to_ascii_lowercase()]);
        assert_eq!(explained, asked_otherwise, "{code}");
    }
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&golden, &text).expect("the golden file is written");
    }
    let agreed = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(text, agreed, "REWRITE=1 accepts the new text");
    let (code, said) = failure(&mut quorate(&["explain", "E-NOPE"]));
    assert_eq!(code, Some(2));
    assert!(said.contains("no code E-NOPE; those there are: E-REFUSED, "), "{said}");
}

#[test]
fn a_setting_given_twice_is_refused() {
    let mut command = quorate(&["serve", "--name=a"]);
    let (code, text) = failure(command.env("ETCD_NAME", "b"));
    assert_eq!(code, Some(2));
    assert!(text.contains("ETCD_NAME and the flag --name set the same thing"), "{text}");
}

#[test]
fn what_this_version_lacks_is_refused_and_never_ignored() {
    let tls =
        ["--cert-file=a", "--peer-auto-tls", "--client-cert-auth", "--tls-min-version=TLS1.3"];
    for flag in tls {
        let (code, text) = failure(&mut quorate(&["serve", flag]));
        assert_eq!(code, Some(2), "{flag}");
        assert!(text.contains("TLS is not available in this version"), "{text}");
    }
    let mut with_variable = quorate(&["serve"]);
    let (code, text) = failure(with_variable.env("ETCD_TRUSTED_CA_FILE", "a"));
    assert_eq!(code, Some(2));
    assert!(text.starts_with("error: ETCD_TRUSTED_CA_FILE: TLS is not available"), "{text}");
    let (_, text) = failure(&mut quorate(&["serve", "--auth-token", "simple"]));
    assert!(text.contains("authentication is not available"), "{text}");
}

#[test]
fn usage_that_makes_no_sense_has_its_own_exit_code() {
    let wrong: [&[&str]; 6] = [
        &[],
        &["sevre"],
        &["serve", "--no-such-flag"],
        &["serve", "--initial-cluster=nonsense"],
        &["serve", "--listen-client-urls=http://localhost:0"],
        &["get", "a", "b", "--prefix"],
    ];
    for arguments in wrong {
        assert_eq!(failure(&mut quorate(arguments)).0, Some(2), "{arguments:?}");
    }
    let (code, text) = failure(quorate(&["serve"]).env("ETCD_MAX_TXN_OPS", "many"));
    assert_eq!(code, Some(2));
    assert!(text.contains("from the environment: ETCD_MAX_TXN_OPS"), "{text}");
}

#[test]
fn a_cluster_that_is_not_there_is_unavailable() {
    let endpoint = format!("127.0.0.1:{}", free_port());
    for arguments in [&["put", "a", "b"][..], &["get", "a"], &["del", "a"]] {
        let mut command = quorate(arguments);
        let (code, text) = failure(command.env("ETCDCTL_ENDPOINTS", &endpoint));
        assert_eq!(code, Some(69), "{text}");
        assert!(text.contains(&endpoint) && text.contains("Nothing was done"), "{text}");
    }
}

#[test]
fn a_write_without_an_answer_is_unknown_and_a_read_is_not() {
    // The system accepts connections for it, and nobody ever answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("--endpoints={}", silent.local_addr().unwrap());
    let common = [endpoint.as_str(), "--command-timeout=300ms"];
    let (code, text) = failure(&mut quorate(&[&["put", "a", "b"], &common[..]].concat()));
    assert_eq!(code, Some(75), "{text}");
    assert!(text.contains("may or may not have happened"), "{text}");
    let (code, text) = failure(&mut quorate(&[&["get", "a"], &common[..]].concat()));
    assert_eq!(code, Some(69), "{text}");
}

#[test]
fn a_start_that_fails_says_why_in_one_line() {
    let directory = TempDir::new().unwrap();
    let member = Member::new(directory.path());
    let occupied = TcpListener::bind((Ipv4Addr::LOCALHOST, member.client)).unwrap();
    let (code, text) = failure(&mut quorate(&member.arguments()));
    assert_eq!(code, Some(1));
    assert!(text.contains(&format!("error: cannot listen on http://127.0.0.1:{}", member.client)));
    drop(occupied);
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let member = Member { data_dir: file.join("below"), ..member };
    let (code, text) = failure(&mut quorate(&member.arguments()));
    assert_eq!(code, Some(1));
    assert!(text.starts_with("error: ") && text.lines().count() == 1, "{text}");
}

/// A cluster of one.
struct Member {
    client: u16,
    data_dir: PathBuf,
    flags: Vec<String>,
}

impl Member {
    fn new(directory: &Path) -> Self {
        let (client, peer) = (free_port(), free_port());
        let flags = ["--listen-peer-urls", "--initial-advertise-peer-urls"];
        let mut flags: Vec<String> =
            flags.iter().map(|flag| format!("{flag}=http://127.0.0.1:{peer}")).collect();
        for flag in ["--listen-client-urls", "--advertise-client-urls"] {
            flags.push(format!("{flag}=http://127.0.0.1:{client}"));
        }
        Self { client, data_dir: directory.join("data"), flags }
    }

    fn arguments(&self) -> Vec<&str> {
        let data_dir = self.data_dir.to_str().expect("the path is UTF-8");
        let own = ["serve", "--wal-segment-bytes=1048576", "--data-dir", data_dir];
        own.into_iter().chain(self.flags.iter().map(String::as_str)).collect()
    }
}

#[test]
fn a_member_serves_the_commands_and_stops_when_asked() {
    let directory = TempDir::new().unwrap();
    let member = Member::new(directory.path());
    let mut command = quorate(&member.arguments());
    command.env("ETCD_NMAE", "typo").stderr(Stdio::piped());
    let mut server = Running::start(&mut command, errors_of);
    let warning = server.line_with("unrecognized environment variable");
    assert!(warning.contains(r#""level":"warn""#) && warning.contains("ETCD_NMAE"), "{warning}");
    server.line_with(r#""msg":"ready to serve client requests""#);

    let endpoint = format!("--endpoints=127.0.0.1:1,127.0.0.1:{}", member.client);
    let ask = |arguments: &[&str]| {
        let output = run(&[arguments, &[endpoint.as_str()]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        stdout(&output).to_owned()
    };
    assert_eq!(ask(&["put", "a", "-1"]), "OK\n");
    assert_eq!(ask(&["put", "ab", "2", "--prev-kv"]), "OK\n");
    assert_eq!(ask(&["put", "a", "3", "--prev-kv"]), "OK\na\n-1\n");
    assert_eq!(ask(&["get", "a"]), "a\n3\n");
    assert_eq!(ask(&["get", "a", "--rev=2"]), "a\n-1\n");
    assert_eq!(ask(&["get", "--prefix", "a", "--order=DESCEND"]), "ab\n2\na\n3\n");
    assert_eq!(ask(&["get", "", "--from-key", "--sort-by=MODIFY", "--keys-only"]), "ab\n\na\n\n");
    assert_eq!(ask(&["get", "a", "b", "--count-only"]), "2\n");
    assert_eq!(ask(&["get", "missing"]), "");
    assert_eq!(ask(&["del", "--prefix", "a", "--prev-kv"]), "2\na\n3\nab\n2\n");
    let (code, text) = failure(&mut quorate(&["get", "a", "--rev=99", &endpoint]));
    assert_eq!(code, Some(1));
    assert!(text.contains("required revision is a future revision"), "{text}");

    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

/// A demo on whatever ports it found, ready, with the addresses it printed.
fn demo(arguments: &[&str]) -> (Running, Vec<String>, PathBuf) {
    let mut command = quorate(&[&["demo"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let demo = Running::start(&mut command, output_of);
    demo.line_with("cluster ready in");
    let data = demo.line_with("data in");
    let folder = data.split_whitespace().nth(2).expect("it names the folder");
    let export = demo.line_with("export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=");
    let (_, list) = export.rsplit_once('=').expect("it has a value");
    (demo, list.split(',').map(str::to_owned).collect(), folder.into())
}

fn assert_all_gone(addresses: &[String]) {
    let are_gone = || {
        let connected = addresses.iter().any(|address| TcpStream::connect(address).is_ok());
        (!connected).then_some(())
    };
    poll::until_blocking(LIMIT, are_gone).expect("the members end with the demo");
}

#[test]
fn a_demo_without_keys_serves_until_it_is_told_to_stop() {
    let (mut demo, addresses, folder) = demo(&["--no-keys"]);
    demo.line_with("stop");
    assert_eq!(addresses.len(), 3);
    for address in &addresses {
        let endpoint = format!("--endpoints={address}");
        assert_eq!(stdout(&run(&["put", "by", address, &endpoint])), "OK\n");
        let read = run(&["get", "by", "--print-value-only", &endpoint]);
        assert_eq!(stdout(&read), format!("{address}\n"));
    }
    // The end of its input means nothing to it.
    drop(demo.input());
    demo.signal(Signal::TERM);
    demo.line_with("stopping");
    assert_eq!(demo.exit_code(), Some(0));
    assert_all_gone(&addresses);
    assert!(!folder.exists(), "temporary data is deleted");
}

#[test]
fn a_demo_survives_its_leader_and_brings_it_back() {
    let (mut demo, addresses, _) = demo(&[]);
    let list = format!("--endpoints={}", addresses.join(","));
    assert_eq!(stdout(&run(&["put", "kept", "yes", &list])), "OK\n");
    let mut keys = demo.input();
    keys.write_all(b"k\n").unwrap();
    demo.line_with("killed (kill -9)");
    demo.line_with(" leads after ");
    assert_eq!(stdout(&run(&["get", "kept", &list])), "kept\nyes\n");
    keys.write_all(b"s\nr\n").unwrap();
    demo.line_with("down; r restarts it");
    demo.line_with(" back after ");
    drop(keys);
    assert_eq!(demo.exit_code(), Some(0));
    assert_all_gone(&addresses);
}

#[test]
fn a_terminal_gives_single_keys_and_is_given_back() {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    let is_by_lines = || tcgetattr(&theirs).unwrap().local_modes.contains(LocalModes::ICANON);
    assert!(is_by_lines());
    let mut command = quorate(&["demo", "--nodes=1"]);
    command.stdin(theirs.try_clone().unwrap()).stdout(Stdio::piped());
    let mut demo = Running::start(&mut command, output_of);
    demo.line_with("keys");
    // Without an end of line.
    rustix::io::write(&ours, b"s").unwrap();
    demo.line_with("leader    term");
    assert!(!is_by_lines());
    rustix::io::write(&ours, b"q").unwrap();
    assert_eq!(demo.exit_code(), Some(0));
    assert!(is_by_lines());
}

#[test]
fn a_member_that_ends_by_itself_is_reported_with_its_last_words() {
    let (mut demo, _, folder) = demo(&[]);
    let data_dir = format!("--data-dir={}", folder.join("1/n2").display());
    let member = process_with(&data_dir).expect("n2 runs");
    kill_process(member, Signal::TERM).expect("it is still there");
    demo.line_with("n2 ended unexpectedly");
    demo.line_with(r#""msg":"stopped""#);
    demo.line_with("r restarts n2");
    demo.signal(Signal::TERM);
    assert_eq!(demo.exit_code(), Some(0));
}

/// The process with this argument.
fn process_with(argument: &str) -> Option<Pid> {
    let processes = std::fs::read_dir("/proc").expect("this is Linux").flatten();
    let found = processes.into_iter().find(|process| {
        let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        line.split('\0').any(|word| word == argument)
    });
    Pid::from_raw(found?.file_name().to_str()?.parse().ok()?)
}

#[test]
fn members_end_with_a_demo_that_is_killed() {
    let (mut demo, addresses, folder) = demo(&["--nodes=1"]);
    assert_eq!(addresses.len(), 1);
    demo.signal(Signal::KILL);
    assert_eq!(demo.exit_code(), None);
    assert_all_gone(&addresses);
    std::fs::remove_dir_all(folder).expect("a killed demo leaves its folder");
}

#[test]
fn every_story_of_the_lab_ends_as_it_must() {
    let output = run(&["lab", "run", "all", "--lang", "zh", "--seed", "3"]);
    let told = stdout(&output);
    assert!(output.status.success(), "{told}");
    let listed = run(&["lab", "list"]);
    let names: Vec<&str> = stdout(&listed).lines().filter_map(|it| it.split(' ').next()).collect();
    assert!(20 < names.len(), "{names:?}");
    for name in names {
        assert!(told.contains(&format!("{name} · ")), "{name} is told");
    }
}

#[test]
fn a_story_that_does_not_exist_is_refused_with_a_hint() {
    let (code, said) = failure(&mut quorate(&["lab", "run", "figure-9"]));
    assert_eq!(code, Some(2));
    assert!(said.contains("figure-9") && said.contains("quorate lab list"), "{said}");
}
