//! What a command says when it fails, line by line: the code, what happened, what is likely behind
//! it, and what to do next.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::thread;

use crate::cli::{quorate, run, stdout};
use crate::support::{Cluster, Options, Program};

/// What listens and is no member.
#[derive(Clone, Copy)]
enum Listener {
    /// It answers the beginning of TLS with an alert, and hangs up on everything else.
    Tls,
    /// It answers everything as a web server answers nonsense.
    Http1,
    /// It answers requests of HTTP/2, and has none of what is asked for.
    Http2,
    /// It hangs up.
    HangsUp,
    /// It accepts, and says nothing.
    Silent,
}

/// Where it listens, for as long as the test runs.
fn listen(as_what: Listener) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    if matches!(as_what, Listener::Http2) {
        thread::spawn(move || serve_http2(listener));
        return address;
    }
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut hello = [0; 1];
            let answer: &[u8] = match as_what {
                Listener::Silent => {
                    held.push(stream);
                    continue;
                }
                Listener::Tls if stream.read(&mut hello).is_ok() && hello == [0x16] => {
                    &[0x15, 3, 1, 0, 2, 2, 40]
                }
                Listener::Tls | Listener::HangsUp => continue,
                Listener::Http2 => unreachable!("it is served otherwise"),
                Listener::Http1 => b"HTTP/1.1 400 Bad Request\r\n\r\n",
            };
            // A client that has left misses nothing.
            let _ = stream.write_all(answer);
        }
    });
    address
}

fn serve_http2(listener: TcpListener) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it starts").block_on(async {
        listener.set_nonblocking(true).expect("it is a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("it is bound");
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let absent = http::Response::builder().status(404).body(());
                    // A client that has left misses nothing.
                    let _ = respond.send_response(absent.expect("it is a response"), true);
                }
            });
        }
    });
}

/// The exit code, and what was said, with the address left out.
fn failure(endpoints: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let flag = format!("--endpoints={endpoints}");
    let output = quorate(&[arguments, &[flag.as_str(), "--command-timeout=1s"]].concat())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    assert!(output.stdout.is_empty(), "failures are told on standard error: {output:?}");
    let said = String::from_utf8(output.stderr).expect("it speaks UTF-8");
    (output.status.code(), said.replace(endpoints, "ENDPOINT"))
}

#[track_caller]
fn assert_fails(endpoints: &str, arguments: &[&str], code: i32, expected: &str) {
    assert_eq!(failure(endpoints, arguments), (Some(code), expected.to_owned()), "{arguments:?}");
}

#[test]
fn nothing_listens() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let expected = "\
error[E-REFUSED]: nothing listens on ENDPOINT. Nothing was done
  likely: the cluster is not running, or serves clients somewhere else
  next:   `quorate demo` starts a cluster; --endpoints HOST:PORT,... names another
  more:   `quorate explain E-REFUSED`
";
    for arguments in [&["put", "a", "b"][..], &["get", "a"], &["compact", "1"], &["status"]] {
        assert_fails(&nobody.to_string(), arguments, 69, expected);
    }
}

#[test]
fn a_server_of_tls_is_told_apart_and_nothing_was_done() {
    let expected = "\
error[E-TLS]: this client speaks plain text (ENDPOINT: it speaks TLS). Nothing was done
  likely: the server was started with certificates; this version speaks plain text only
  next:   use an endpoint without TLS, or a TLS proxy on this side, such as stunnel
  more:   `quorate explain E-TLS`
";
    let endpoint = listen(Listener::Tls);
    assert_fails(&endpoint, &["put", "a", "b"], 69, expected);
    assert_fails(&endpoint, &["get", "a"], 69, expected);
}

#[test]
fn another_protocol_is_told_apart() {
    let likely = [
        "  likely: the endpoint is a port for peers or metrics, or of another program",
        "  next:   use the client port: 2379, or what --advertise-client-urls says",
        "  more:   `quorate explain E-PROTOCOL`",
        "",
    ];
    let likely = likely.join("\n");
    let http = "it speaks HTTP/1 alone";
    let silent = "it hangs up without a word";
    let web = "it answers with HTTP status 404, and without gRPC";
    let listeners = [(Listener::Http1, http), (Listener::Http2, web), (Listener::HangsUp, silent)];
    for (listener, why) in listeners {
        let begin = format!("this is no member of a cluster (ENDPOINT: {why}). Nothing was done");
        let expected = format!("error[E-PROTOCOL]: {begin}\n{likely}");
        assert_fails(&listen(listener), &["get", "a"], 69, &expected);
    }
    let (code, said) = failure(&listen(Listener::Http2), &["put", "a", "b"]);
    assert!(code == Some(69) && said.contains("Nothing was done"), "{said}");
}

#[test]
fn an_unknown_outcome_is_no_failure_and_has_its_own_code() {
    let text = |why: &str| {
        format!(
            "\
error[E-UNKNOWN]: the write may or may not have happened (ENDPOINT{why})
  likely: the connection broke or the leader changed before the answer came
  next:   `quorate get a -w json` shows what is there, and mod_revision when it was written; \
write again only then
  more:   `quorate explain E-UNKNOWN`
"
        )
    };
    let silent = listen(Listener::Silent);
    assert_fails(&silent, &["put", "a", "b"], 75, &text(" did not answer in time"));
    let closing = listen(Listener::HangsUp);
    assert_fails(&closing, &["del", "a"], 75, &text(": it hangs up without a word"));
}

#[test]
fn a_read_without_an_answer_is_over_in_time() {
    let expected = "\
error[E-TIMEOUT]: there was no answer within 1s (ENDPOINT did not answer in time). Nothing was done
  likely: the server is paused or overloaded, or its disk stalls
  next:   `quorate status`; to wait longer: --command-timeout 30s
  more:   `quorate explain E-TIMEOUT`
";
    assert_fails(&listen(Listener::Silent), &["get", "a"], 69, expected);
}

#[test]
fn programs_are_told_in_json() {
    let (code, said) = failure(&listen(Listener::Silent), &["put", "a", "b", "-w", "json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!(code, Some(75));
    let error = &told["error"];
    assert_eq!((&error["code"], &error["outcome"]), (&"E-UNKNOWN".into(), &"unknown".into()));
    assert_eq!(error["exit"], 75);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_refuses_has_a_code() {
    let mut options = Options::new(Program::Quorate, 1);
    let flags = ["--quota-backend-bytes=4096", "--max-request-bytes=10000"];
    options.flags = flags.map(str::to_owned).to_vec();
    let cluster = Cluster::ready(options).await;
    let endpoints = cluster.endpoints();
    let ask = |arguments: &[&str]| {
        let flag = format!("--endpoints={endpoints}");
        run(&[arguments, &[flag.as_str()]].concat())
    };
    assert_eq!(stdout(&ask(&["put", "a", "1"])), "OK\n");
    assert_eq!(stdout(&ask(&["put", "a", "2"])), "OK\n");
    assert_eq!(stdout(&ask(&["compact", "3"])), "compacted revision 3\n");
    let (too_much, too_long) = ("x".repeat(5_000), "x".repeat(20_000));
    let refused: [(&[&str], &str, &str); 7] = [
        (&["get", "a", "--rev=1"], "E-COMPACTED", "required revision has been compacted"),
        (&["get", "a", "--rev=99"], "E-FUTURE", "required revision is a future revision"),
        (&["put", "", "x"], "E-EMPTYKEY", "key is not provided"),
        (&["put", "b", "--ignore-value"], "E-NOKEY", "key not found"),
        (&["put", "b", "c", "--lease=77"], "E-NOLEASE", "requested lease not found"),
        (&["put", "b", &too_long], "E-TOOLARGE", "request is too large"),
        (&["put", "b", &too_much], "E-NOSPACE", "database space exceeded"),
    ];
    let (exit, said) = failure(&endpoints, &["get", "x", "--require", "-w", "json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!((exit, &told["error"]["code"]), (Some(3), &"E-NOTFOUND".into()));
    assert_eq!(failure(&endpoints, &["get", "x", "y", "--require", "--count-only"]).0, Some(3));
    assert_eq!(stdout(&ask(&["get", "a", "--require", "--count-only"])), "1\n");
    let (_, said) = failure(&endpoints, &["compact", "3"]);
    assert!(said.contains("gone already\n"), "{said}");
    let counted = ask(&["get", "a", "--count-only", "-w", "table"]);
    assert!(stdout(&counted).contains("|     1 |\n"), "{counted:?}");
    for (arguments, code, text) in refused {
        let (exit, said) = failure(&endpoints, arguments);
        assert_eq!(exit, Some(1), "{said}");
        assert!(said.starts_with(&format!("error[{code}]: etcdserver: ")), "{said}");
        assert!(said.contains(text) && said.lines().count() == 4, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_quorum_is_told_with_who_is_left() {
    let mut cluster = Cluster::ready(Options::new(Program::Quorate, 3)).await;
    let endpoints = cluster.endpoints();
    let status = |code: i32| {
        let output = run(&["status", &format!("--endpoints={endpoints}")]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = stdout(&output).to_owned();
        assert!(text.lines().take(4).all(|line| line.chars().count() <= 100), "{text}");
        text
    };
    assert!(status(0).contains("healthy: all 3 members answer, "));
    cluster.kill(0);
    cluster.wait_leader().await;
    let text = status(1);
    assert!(text.contains("degraded: 2 of 3 members answer, ") && text.contains("m1    DOWN"));
    cluster.kill(1);
    let text = status(69);
    assert!(text.contains("no quorum: 1 of 3 members answers, and 2 must"), "{text}");
    assert_fails(
        &endpoints,
        &["get", "a"],
        69,
        "\
error[E-NOQUORUM]: 1 of 3 members answers, and 2 must: nothing can be decided. Nothing was done
  likely: more members are down than the cluster tolerates
  next:   start the members that do not answer; `quorate status` shows each
  more:   `quorate explain E-NOQUORUM`
",
    );
    let (code, said) = failure(&endpoints, &["put", "a", "b"]);
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("1 of 3 members answers"), "{said}");
}

/// With examples of what clap finds in different places.
#[test]
fn command_lines_that_make_no_sense_have_a_code_and_a_next_step() {
    let wrong: [(&[&str], &str, &str); 6] = [
        (&["sevre"], "unrecognized subcommand 'sevre'", "quorate"),
        (&["get"], "the following required arguments were not provided: <KEY>", "quorate get"),
        (&["serve", "--nmae=a"], "unexpected argument '--nmae' found", "quorate serve"),
        (&["lease", "garnt", "60"], "unrecognized subcommand 'garnt'", "quorate lease"),
        (&["get", "a", "-w", "jsn"], "invalid value 'jsn' for '--write-out <FORM>'", "quorate get"),
        (&["compact", "one"], "invalid value 'one' for '<REVISION>'", "quorate compact"),
    ];
    for (arguments, happened, command) in wrong {
        let output = run(arguments);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{arguments:?}");
        let said = String::from_utf8(output.stderr).expect("it speaks UTF-8");
        assert!(said.starts_with(&format!("error[E-USAGE]: {happened}")), "{said}");
        assert!(said.contains(&format!("`{command} --help` shows what there is\n")), "{said}");
        assert_eq!(said.lines().count(), 4, "{said}");
    }
    let output = run(&["serve", "--nmae=a"]);
    let expected = "\
error[E-USAGE]: unexpected argument '--nmae' found
  likely: a word is misspelt, is missing, or belongs to another command
  next:   a similar argument exists: '--name'; `quorate serve --help` shows what there is
  more:   `quorate explain E-USAGE`
";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    let output = run(&["status", "-w", "json", "--no-such"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stderr).expect("it is JSON");
    assert_eq!((&told["error"]["code"], &told["error"]["exit"]), (&"E-USAGE".into(), &2.into()));
}
