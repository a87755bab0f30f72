//! `status --watch`: on a terminal, into a pipe, and how it ends.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::cli::{Running, output_of, quorate};
use crate::support::{Cluster, Options, Program};

fn watching(cluster: &Cluster, arguments: &[&str]) -> Running {
    let mut command = quorate(&[&["status", "--watch", "0.1"], arguments].concat());
    command.env("ETCDCTL_ENDPOINTS", cluster.endpoints()).stdout(Stdio::piped());
    Running::start(&mut command, output_of)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_status_tells_what_changes_until_it_is_interrupted() {
    let mut cluster = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    for form in ["json", "jsonl"] {
        let mut told = watching(&cluster, &["-w", form]);
        for _ in 0..2 {
            let line: serde_json::Value =
                serde_json::from_str(&told.line_with("\"members\":[")).unwrap();
            assert_eq!(line["members"][0]["name"], "m1", "{line}");
        }
        told.signal(Signal::INT);
        assert_eq!(told.exit_code(), Some(0));
    }
    let mut tables = watching(&cluster, &["--wide"]);
    for _ in 0..2 {
        assert!(tables.line_with("NAME").contains("PERSISTED"));
        tables.line_with("the one member answers");
    }
    // That nobody answers is one more thing to tell.
    cluster.kill(0);
    tables.line_with("error[E-REFUSED]");
    tables.line_with("error[E-REFUSED]");
    tables.signal(Signal::TERM);
    assert_eq!(tables.exit_code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_status_ends_when_nobody_reads_it() {
    let cluster = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let mut command = quorate(&["status", "--watch", "100ms"]);
    command.env("ETCDCTL_ENDPOINTS", cluster.endpoints());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = process.stdout.take().unwrap();
    output.read_exact(&mut [0; 1]).expect("it begins");
    drop(output);
    let ended = process.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_drawn_over() {
    let cluster = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    let mut command = quorate(&["status", "--watch=0.1"]);
    command.env("ETCDCTL_ENDPOINTS", cluster.endpoints());
    command.env("TERM", "xterm").env("NO_COLOR", "1").stdout(theirs);
    let mut screen = Running::start(&mut command, |_| {
        Box::new(std::io::BufRead::lines(std::io::BufReader::new(File::from(ours))))
    });
    assert!(screen.line_with("Ctrl-C ends it").starts_with("\x1b[2J\x1b[H2"));
    assert!(screen.line_with("NAME").ends_with("\x1b[K"));
    let again = screen.line_with("Ctrl-C ends it");
    assert!(again.starts_with("\x1b[J\x1b[H2"), "{again:?}");
    // Colours are not wanted, but where things stand is no colour.
    assert_eq!(screen.line_with("healthy").find("\x1b[3"), None);
    screen.signal(Signal::INT);
    assert_eq!(screen.exit_code(), Some(0));
}
