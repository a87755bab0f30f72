//! Finds the command blocks in Markdown, with what stands before and after them.

use anyhow::{Context, Result, bail};

/// A block of commands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its opening fence.
    pub(crate) line: usize,
    pub(crate) commands: String,
    pub(crate) how: How,
    /// Lines that it must print.
    pub(crate) expected: Vec<String>,
}

/// What is done with a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It runs to its end.
    Run,
    /// It is started, and stays until the last block has run.
    Demo { until: String },
    /// It is left out.
    Skip { reason: String },
}

/// What a comment says about the block after it.
enum Directive {
    How(How),
    Expect,
}

/// Languages that are `sh` by another name.
const REFUSED: [&str; 5] = ["bash", "shell", "console", "shellsession", "zsh"];

/// A fenced block of any kind.
struct Fenced {
    line: usize,
    language: String,
    text: Vec<String>,
}

/// The command blocks, in order.
pub(crate) fn blocks(markdown: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut directive = None;
    let mut lines = (1..).zip(markdown.lines());
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            let fenced = Fenced {
                line: number,
                language: language.trim().to_owned(),
                text: until_fence(&mut lines)
                    .with_context(|| format!("README.md:{number}: the block does not end"))?,
            };
            add(&mut blocks, fenced, directive.take())?;
        } else if let Some(words) = comment(line) {
            directive = Some(
                parse_directive(words).with_context(|| format!("README.md:{number}: {line}"))?,
            );
        } else if !line.is_empty() {
            refuse_lost(directive.take().as_ref(), number)?;
        }
    }
    refuse_lost(directive.as_ref(), markdown.lines().count())?;
    Ok(blocks)
}

fn until_fence<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Option<Vec<String>> {
    let mut text = Vec::new();
    for (_, line) in lines {
        if line.trim() == "```" {
            return Some(text);
        }
        text.push(line.trim_end().to_owned());
    }
    None
}

/// The words of a comment that is for this program.
fn comment(line: &str) -> Option<&str> {
    let words = line.strip_prefix("<!--")?.strip_suffix("-->")?.trim();
    (words == "expect" || words.starts_with("run:")).then_some(words)
}

fn parse_directive(words: &str) -> Result<Directive> {
    let Some(words) = words.strip_prefix("run:").map(str::trim) else {
        return Ok(Directive::Expect);
    };
    let how = match words.split_once(' ') {
        Some(("skip", reason)) => How::Skip { reason: reason.trim().to_owned() },
        Some(("demo", rest)) => {
            let until = rest.trim().strip_prefix("until ").context("expected `demo until TEXT`")?;
            How::Demo { until: until.trim().to_owned() }
        }
        _ => bail!("expected `run: skip REASON` or `run: demo until TEXT`"),
    };
    Ok(Directive::How(how))
}

/// Takes a block in, or attaches it as expectation to the one before.
fn add(blocks: &mut Vec<Block>, fenced: Fenced, directive: Option<Directive>) -> Result<()> {
    let line = fenced.line;
    let language = fenced.language.as_str();
    if REFUSED.contains(&language) {
        bail!("README.md:{line}: `{language}`: command blocks are marked `sh`");
    }
    match (language, directive) {
        ("sh", None) => blocks.push(fenced.into_block(How::Run)),
        ("sh", Some(Directive::How(how))) => blocks.push(fenced.into_block(how)),
        ("text", Some(Directive::Expect)) => {
            let before = blocks.last_mut().with_context(|| {
                format!("README.md:{line}: no command block stands before the expected lines")
            })?;
            before.expected = fenced.text;
        }
        (_, directive) => refuse_lost(directive.as_ref(), line)?,
    }
    Ok(())
}

/// A directive that stands before nothing it could speak of would do nothing, unnoticed.
fn refuse_lost(directive: Option<&Directive>, line: usize) -> Result<()> {
    match directive {
        None => Ok(()),
        Some(Directive::How(_)) => bail!("README.md:{line}: no `sh` block follows `run:`"),
        Some(Directive::Expect) => bail!("README.md:{line}: no `text` block follows `expect`"),
    }
}

impl Fenced {
    fn into_block(self, how: How) -> Block {
        Block { line: self.line, commands: self.text.join("\n"), how, expected: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(line: usize, commands: &str, how: How, expected: &[&str]) -> Block {
        let expected = expected.iter().map(|line| (*line).to_owned()).collect();
        Block { line, commands: commands.to_owned(), how, expected }
    }

    #[test]
    fn blocks_are_found_with_their_directives() -> Result<()> {
        let markdown = "# Title\n\n```sh\none\ntwo\n```\n<!-- expect -->\n```text\nout\n```\n\
            <!-- a remark -->\n```toml\nx = 1\n```\n\n<!-- run: demo until ready to serve -->\n\n\
            ```sh\nserve\n```\n<!-- run: skip it needs a network -->\n```sh\nclone\n```\n";
        let expected = [
            block(3, "one\ntwo", How::Run, &["out"]),
            block(18, "serve", How::Demo { until: "ready to serve".to_owned() }, &[]),
            block(22, "clone", How::Skip { reason: "it needs a network".to_owned() }, &[]),
        ];
        assert_eq!(blocks(markdown)?, expected);
        Ok(())
    }

    #[test]
    fn what_would_be_passed_over_is_refused() {
        let bad = [
            "```bash\nx\n```\n",
            "```console\n$ x\n```\n",
            "```sh\nx\n",
            "<!-- run: skip -->\n```sh\nx\n```\n",
            "<!-- run: demo -->\n```sh\nx\n```\n",
            "<!-- run: later -->\n```sh\nx\n```\n",
            "<!-- run: skip why -->\nprose\n```sh\nx\n```\n",
            "<!-- run: skip why -->\n```text\nx\n```\n",
            "<!-- expect -->\n```text\nx\n```\n",
            "<!-- expect -->\n",
            "```sh\nx\n```\n<!-- expect -->\n```sh\ny\n```\n",
        ];
        for markdown in bad {
            assert!(blocks(markdown).is_err(), "{markdown:?}");
        }
    }
}
