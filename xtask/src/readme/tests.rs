//! Real shells, run on small samples of a README.

use std::process::Command;

use super::*;

fn run_markdown(markdown: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    run_blocks(directory.path(), &parse::blocks(markdown)?)
}

fn failure(markdown: &str) -> String {
    format!("{:#}", run_markdown(markdown).expect_err("the sample is wrong"))
}

#[test]
fn what_a_block_sets_the_next_one_finds() -> Result<()> {
    run_markdown(
        "```sh\ngreeting=hello\nmkdir place && cd place\n```\n\
         ```sh\necho \"$greeting from $(basename $PWD)\"\n```\n\
         <!-- expect -->\n```text\nhello from place\n```\n",
    )
}

#[test]
fn home_is_empty_and_there_is_nothing_to_read() -> Result<()> {
    run_markdown(
        "```sh\nls -A \"$HOME\" | wc -l\ncat\necho done\n```\n\
         <!-- expect -->\n```text\n0\ndone\n```\n",
    )
}

#[test]
fn a_command_that_fails_is_named_by_its_line() {
    let error = failure("```sh\ntrue\n```\n\n```sh\nfalse\necho never\n```\n");
    assert!(error.starts_with("README.md:5: it failed: exit status: 1"), "{error}");
}

#[test]
fn a_failure_within_a_pipe_counts() {
    assert!(failure("```sh\nfalse | cat\n```\n").starts_with("README.md:1:"));
}

#[test]
fn expected_lines_must_come_in_their_order() {
    let markdown = "```sh\necho one\necho two\n```\n<!-- expect -->\n```text\ntwo\none\n```\n";
    assert_eq!(failure(markdown), "README.md:1: `one` was expected and not printed");
}

#[test]
fn a_skipped_block_does_not_run() -> Result<()> {
    run_markdown("<!-- run: skip it fails -->\n```sh\nfalse\n```\n")
}

#[test]
fn a_demo_runs_beside_the_blocks_and_tells_them_where_it_is() -> Result<()> {
    run_markdown(
        "<!-- run: demo until ready -->\n```sh\n# It stays.\n\
         sh -c 'echo \"export WHERE=here\"; echo ready; exec tail -f /dev/null'\n```\n\
         ```sh\necho \"it is $WHERE\"\n```\n<!-- expect -->\n```text\nit is here\n```\n",
    )
}

#[test]
fn a_demo_without_keys_gets_the_flag_and_a_closed_input() -> Result<()> {
    run_markdown(
        "<!-- run: demo until ready -->\n\
         ```sh\nsh -c 'cat; echo \"$0\"; echo ready; exec tail -f /dev/null'\n```\n\
         <!-- expect -->\n```text\n--no-keys\n```\n",
    )
}

#[test]
fn a_demo_that_ends_before_it_is_ready_fails_the_run() {
    let error = failure("<!-- run: demo until ready -->\n```sh\nsh -c 'echo no; exit 3'\n```\n");
    assert_eq!(error, "README.md:2: it failed: exit status: 3");
}

#[test]
fn a_demo_is_gone_when_it_is_dropped() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = Place { directory: directory.path(), environment: BTreeMap::new() };
    // One child more, which does not hear that its parent is told to end.
    let command = "sh -c 'tail -f /dev/null & echo child $!; exec tail -f /dev/null'";
    let (demo, printed) = Demo::start(&place, command, "child")?;
    let child = printed[0].trim_start_matches("child ").to_owned();
    let parent = demo.id().to_string();
    drop(demo);
    for process in [parent, child] {
        // A killed process needs a moment to leave; asking takes a moment each time.
        assert!(!(0..200).all(|_| is_alive(&process)), "process {process} is still there");
    }
    Ok(())
}

/// Whether a process runs; one that only waits to be buried does not.
fn is_alive(process: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", process]).output();
    let state = state.expect("ps runs").stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}
