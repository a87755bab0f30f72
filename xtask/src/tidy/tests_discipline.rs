//! Tests wait for what happens, not for time to pass; they run anywhere, in any order, all of them.

use super::source::Source;

/// Test files that may sleep, each with the reason.
///
/// Only a bounded poll of something outside this process can be one: a real process cannot be
/// awaited otherwise.
pub(crate) const SLEEPERS: &[(&str, &str)] = &[(
    "crates/cli/tests/it/support/poll.rs",
    "the one poll of real processes, each look 10 ms after the last, each wait with a limit",
)];

/// What no test does, and what it does instead.
const BANNED: [(&str, &str); 3] = [
    ("#[ignore", "a test that does not run proves nothing; remove it or mend it"),
    ("todo!", "write it"),
    ("unimplemented!", "write it"),
];

/// What waits for time to pass.
const SLEEPS: [&str; 4] =
    ["thread::sleep(", "tokio::time::sleep(", "time::sleep(", "time::sleep_until("];

/// What stands before a port in the address of this machine.
const HOSTS: [&str; 4] = ["127.0.0.1:", "localhost:", "0.0.0.0:", "[::1]:"];

/// What takes or asks for a port; an address that is only parsed or compared needs none.
const SOCKETS: [&str; 3] = ["bind(", "connect(", "--listen-"];

/// This file names what it bans.
const SELF: &str = "xtask/src/tidy/tests_discipline.rs";

/// Lines of tests that break the discipline.
pub(crate) fn check(sources: &[Source], sleepers: &[(&str, &str)]) -> Vec<String> {
    let judged = sources.iter().filter(|source| source.is_rust() && source.path != SELF);
    judged.flat_map(|source| undisciplined(source, sleepers)).collect()
}

fn undisciplined(source: &Source, sleepers: &[(&str, &str)]) -> Vec<String> {
    let may_sleep = sleepers.iter().any(|(path, _)| *path == source.path);
    let mut problems = Vec::new();
    for (number, line) in source.tests() {
        let mut report = |what: &str| problems.push(format!("{}:{number}: {what}", source.path));
        for (word, instead) in BANNED {
            if line.contains(word) {
                report(&format!("`{word}`: {instead}"));
            }
        }
        if !may_sleep && SLEEPS.iter().any(|sleep| line.contains(sleep)) {
            report("a test sleeps: wait for the event, or use a clock that is an argument");
        }
        if has_fixed_port(line) {
            report("a fixed port: bind port 0 and ask which it became");
        }
    }
    problems
}

/// Whether the line opens or asks for a socket on a port of its own choice.
fn has_fixed_port(line: &str) -> bool {
    SOCKETS.iter().any(|call| line.contains(call)) && HOSTS.iter().any(|host| chooses(line, host))
}

/// Whether the host is followed by a port other than 0.
fn chooses(line: &str, host: &str) -> bool {
    line.split(host).skip(1).any(|rest| rest.starts_with(|c: char| ('1'..='9').contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::sample;

    fn problems_of(line: &str) -> Vec<String> {
        check(&[sample("crates/kv/src/tests.rs", line)], &[])
    }

    #[test]
    fn what_no_test_does_is_found() {
        let bad = [
            "#[ignore]",
            "#[ignore = \"slow\"]",
            "todo!()",
            "unimplemented!()",
            "std::thread::sleep(second);",
            "thread::sleep(second);",
            "tokio::time::sleep(second).await;",
            "time::sleep_until(then).await;",
            "TcpListener::bind(\"127.0.0.1:2379\")",
            "TcpStream::connect(\"localhost:8080\")",
            "let flag = \"--listen-client-urls=http://127.0.0.1:2379\";",
        ];
        for line in bad {
            assert_eq!(problems_of(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn what_a_test_may_do_passes() {
        let good = [
            "TcpListener::bind(\"127.0.0.1:0\")",
            "assert_eq!(url, \"http://localhost:2379\");",
            "// It sleeps(soundly).",
            "clock.advance(second);",
        ];
        for line in good {
            assert!(problems_of(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn production_code_may_sleep_and_tests_at_its_end_may_not() {
        let text = "thread::sleep(x);\n#[cfg(test)]\nmod tests {\nthread::sleep(x);\n}\n";
        let problems = check(&[sample("a.rs", text)], &[]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("a.rs:4:"));
    }

    #[test]
    fn a_named_sleeper_may_sleep_and_nothing_else() {
        let source = sample("it/tests/poll.rs", "thread::sleep(x);\n#[ignore]\n");
        let sleepers = [("it/tests/poll.rs", "polls another process, at most 10 s")];
        assert_eq!(check(&[source], &sleepers).len(), 1);
    }
}
