//! Golden scripts: commands and hand-written expectations first, then the rendered run of each
//! engine below `--- raft` or `--- paxos`.
//!
//! `REWRITE=1` refreshes the renderings; nothing ever rewrites what is above them. A loop repeats
//! its lines: `each $n of n1..n5` or `each pair $a $b of n1..n5`, then `end`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cluster::Cluster;
use crate::fault::{Check, Fault, ensure, fail};
use crate::options;
use crate::protocol::Protocol;
use crate::words;

const DIVIDER: &str = "--- ";

/// A line of the command part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
    /// Whether it stands in a loop, whose rounds are not rendered.
    is_repeated: bool,
}

/// What to do with a rendered run that is not the one in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Golden {
    Compare,
    Rewrite,
}

/// A script as it stands in its file.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) path: PathBuf,
    /// Everything above the first divider, to the byte.
    commands: String,
    /// The rendered runs, by engine.
    golden: BTreeMap<String, String>,
}

impl Script {
    pub(crate) fn read(path: &Path) -> Check<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(path, &text)),
            Err(error) => fail!("{}: {error}", path.display()),
        }
    }

    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let mut commands = String::new();
        let mut golden: BTreeMap<String, String> = BTreeMap::new();
        let mut engine = None;
        for line in text.split_inclusive('\n') {
            if let Some(name) = line.strip_prefix(DIVIDER) {
                engine = Some(name.trim().to_owned());
            }
            match &engine {
                None => commands.push_str(line),
                Some(engine) => golden.entry(engine.clone()).or_default().push_str(line),
            }
        }
        Self { path: path.to_owned(), commands, golden }
    }

    /// All scripts of a folder, by name.
    pub(crate) fn read_folder(folder: &Path) -> Check<Vec<Self>> {
        let listing = fs::read_dir(folder).map_err(|error| Fault(error.to_string()))?;
        let mut paths: Vec<PathBuf> = listing.flatten().map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// Runs the commands and checks the expectations; the rendered run.
    pub(crate) fn run<P: Protocol>(&self, rules: P::Rules) -> Check<String> {
        let lines = self.lines()?;
        let expects = lines.iter().any(|line| line.text.starts_with("expect "));
        ensure!(expects, "{}: a script without `expect` checks nothing", self.path.display());
        let Some((first, lines)) = lines.split_first() else { fail!("an empty script") };
        let mut cluster = self.create::<P>(rules.clone(), first)?;
        let fresh = core::mem::take(&mut cluster.journal);
        cluster.journal.adopt(&first.text, fresh);
        for line in lines {
            self.step(&mut cluster, rules.clone(), line)?;
        }
        Ok(cluster.journal.into_text())
    }

    fn create<P: Protocol>(&self, rules: P::Rules, line: &Line) -> Check<Cluster<P>> {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let Some((&"cluster", options)) = words.split_first() else {
            return Err(self.locate(line, &Fault("a script begins with `cluster`".to_owned())));
        };
        let mut cluster =
            options::create::<P>(rules, options).map_err(|fault| self.locate(line, &fault))?;
        cluster.journal.mute = usize::from(line.is_repeated);
        Ok(cluster)
    }

    /// One line: a new cluster replaces the old one, so that loops can begin anew.
    fn step<P: Protocol>(&self, cluster: &mut Cluster<P>, rules: P::Rules, line: &Line) -> Check {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        cluster.journal.mute = usize::from(line.is_repeated);
        if words[0] == "cluster" {
            let journal = core::mem::take(&mut cluster.journal);
            *cluster = self.create::<P>(rules, line)?;
            let fresh = core::mem::replace(&mut cluster.journal, journal);
            cluster.journal.adopt(&line.text, fresh);
            return Ok(());
        }
        if words[0] != "expect" {
            cluster.journal.line(format!("> {}", line.text));
        }
        cluster.execute(&words).map_err(|fault| {
            let fault = Fault(format!("{fault}\nafter:\n{}", cluster.journal.recent()));
            self.locate(line, &fault)
        })
    }

    fn locate(&self, line: &Line, fault: &Fault) -> Fault {
        Fault(format!("{}:{}: {}\n  {fault}", self.path.display(), line.number, line.text))
    }

    /// The lines to run: comments gone, loops unrolled.
    pub(crate) fn lines(&self) -> Check<Vec<Line>> {
        let mut lines = Vec::new();
        let mut rest = self.commands.lines().zip(1..);
        while let Some((text, number)) = rest.next() {
            let text = text.split('#').next().unwrap_or("").trim();
            if text.starts_with("each ") {
                let body: Vec<(&str, usize)> =
                    rest.by_ref().take_while(|(line, _)| line.trim() != "end").collect();
                self.unroll(text, number, &body, &mut lines)?;
            } else if !text.is_empty() {
                lines.push(Line { number, text: text.to_owned(), is_repeated: false });
            }
        }
        Ok(lines)
    }

    fn unroll(
        &self,
        head: &str,
        number: usize,
        body: &[(&str, usize)],
        lines: &mut Vec<Line>,
    ) -> Check {
        let words: Vec<&str> = head.split_whitespace().collect();
        let place = |fault| Fault(format!("{}:{number}: {fault}", self.path.display()));
        let rounds: Vec<Vec<(&str, String)>> = match words[..] {
            ["each", name, "of", list] => {
                values(list).map_err(place)?.into_iter().map(|value| vec![(name, value)]).collect()
            }
            ["each", "pair", first, second, "of", list] => pairs(&values(list).map_err(place)?)
                .map(|(a, b)| vec![(first, a), (second, b)])
                .collect(),
            _ => fail!("{}:{number}: each $n of n1..n5", self.path.display()),
        };
        for round in rounds {
            for (text, number) in body {
                let mut text = text.split('#').next().unwrap_or("").trim().to_owned();
                for (name, value) in &round {
                    text = text.replace(name, value);
                }
                if !text.is_empty() {
                    lines.push(Line { number: *number, text, is_repeated: true });
                }
            }
        }
        Ok(())
    }

    /// Whether the rendered run is the one in the file; with `Golden::Rewrite`, makes it so.
    pub(crate) fn compare(&self, engine: &str, rendered: &str, golden: Golden) -> Check {
        let rendered = format!("{DIVIDER}{engine}\n{rendered}");
        let known = self.golden.get(engine).map_or("", String::as_str);
        if rendered == known {
            return Ok(());
        }
        if golden == Golden::Rewrite {
            return self.rewrite(engine, rendered);
        }
        let differs = |(new, old): &(&str, &str)| new != old;
        let mut lines = rendered.lines().chain([""]).zip(known.lines().chain([""]));
        let at = lines.clone().position(|pair| differs(&pair)).unwrap_or(0);
        let (new, old) = lines.nth(at).unwrap_or(("", ""));
        fail!(
            "{}: the run under {engine} differs from the one in the file at its line {}:\n  \
             was: {old}\n  now: {new}\n\
             If that is right, REWRITE=1 cargo test -p quorate-consensus refreshes it.",
            self.path.display(),
            at + 1
        )
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the test harness keeps files, the crate does not"
    )]
    fn rewrite(&self, engine: &str, rendered: String) -> Check {
        let mut sections = self.golden.clone();
        sections.insert(engine.to_owned(), rendered);
        let mut text = self.commands.clone();
        for section in sections.values() {
            text.push_str(section);
        }
        fs::write(&self.path, text).map_err(|error| Fault(error.to_string()))
    }
}

/// `n1..n5`, `n1,n3` or `1..20`.
fn values(list: &str) -> Check<Vec<String>> {
    if list.starts_with('n') {
        return Ok(words::nodes(list)?.iter().map(ToString::to_string).collect());
    }
    let Some((first, last)) = list.split_once("..") else { fail!("`{list}` is no list") };
    Ok((words::number(first)?..=words::number(last)?).map(|number| number.to_string()).collect())
}

fn pairs(values: &[String]) -> impl Iterator<Item = (String, String)> + '_ {
    (0..values.len()).flat_map(move |first| {
        (first + 1..values.len()).map(move |second| (values[first].clone(), values[second].clone()))
    })
}
