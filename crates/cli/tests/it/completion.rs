//! The scripts that complete commands, read by the shells they are for, where those are installed.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use crate::cli::{run, stdout};

fn script(shell: &str) -> String {
    let output = run(&["completion", shell]);
    assert!(output.status.success(), "{output:?}");
    stdout(&output).to_owned()
}

/// Has a shell read a script from its standard input; nothing if it is not installed.
fn read_by(shell: &str, arguments: &[&str], script: &str) -> Option<Output> {
    let mut command = Command::new(shell);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        started => started.expect("the shell starts"),
    };
    let mut input = process.stdin.take().expect("it is a pipe");
    input.write_all(script.as_bytes()).expect("it reads all of it");
    drop(input);
    Some(process.wait_with_output().expect("it ends"))
}

#[test]
fn shells_understand_their_scripts() {
    let pwsh = "$errors = $null; $tokens = $null; \
        [System.Management.Automation.Language.Parser]::ParseInput(\
        [Console]::In.ReadToEnd(), [ref]$tokens, [ref]$errors) | Out-Null; \
        exit $errors.Count";
    let shells: [(&str, &str, &[&str]); 4] = [
        ("bash", "bash", &["--norc", "-n"]),
        ("zsh", "zsh", &["-f", "-n"]),
        ("fish", "fish", &["--no-config", "--no-execute"]),
        ("powershell", "pwsh", &["-NoProfile", "-Command", pwsh]),
    ];
    for (name, program, arguments) in shells {
        let script = script(name);
        for word in ["status", "explain", "no-such-command"] {
            assert_eq!(script.contains(word), word != "no-such-command", "{name}: {word}");
        }
        match read_by(program, arguments, &script) {
            Some(read) => {
                assert!(read.status.success() && read.stderr.is_empty(), "{name}: {read:?}");
                let broken = script + "\nif (\n";
                let read = read_by(program, arguments, &broken).expect("it is installed");
                assert!(!read.status.success(), "{name} reads anything: {read:?}");
            }
            None => println!("skipped: {name}, since {program} is not installed"),
        }
    }
}

#[test]
fn bash_completes_commands_flags_and_their_values() {
    let cases = [
        ("sta", "_quorate quorate sta quorate", "status"),
        ("get --wri", "_quorate quorate --wri get", "--write-out"),
        ("get -w json", "_quorate quorate json -w", "json jsonl"),
        ("lease rev", "_quorate quorate rev lease", "revoke"),
    ];
    for (typed, call, expected) in cases {
        let words =
            format!("COMP_WORDS=(quorate {typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))");
        let asked = format!("{}\n{words}\n{call}\necho \"${{COMPREPLY[@]}}\"\n", script("bash"));
        let Some(read) = read_by("bash", &["--norc"], &asked) else { return };
        assert_eq!(stdout(&read), format!("{expected}\n"), "{typed}: {read:?}");
    }
}
