//! The table of a whole comparison, and the file of everything that was measured for it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::versus::figures::{Better, Figure, median, shown, spread};

/// Figures of one system, by turn.
pub(super) type Turns = Vec<Vec<Figure>>;

/// What both systems and the ceilings have shown.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// What tables call the two.
    pub(super) names: [String; 2],
    /// The figures of the two, each turn beside that of the other.
    pub(super) systems: [Turns; 2],
    /// What the ceilings are called, with their figures.
    pub(super) ceilings: Vec<(String, Turns)>,
}

impl Results {
    /// As Markdown: medians with the least and the greatest value, how many times better the first
    /// system is turn by turn, and how much of each ceiling it reaches.
    pub(super) fn table(&self) -> String {
        let [first, second] = &self.names;
        let mut text = format!("| what | {first} | {second} | times better |");
        for (ceiling, _) in &self.ceilings {
            write!(text, " of {ceiling} |").expect("text can be written");
        }
        text.push_str("\n|---|---|---|---|");
        text.push_str(&"---|".repeat(self.ceilings.len()));
        text.push('\n');
        for name in self.rows() {
            let [ours, theirs] = self.systems.each_ref().map(|turns| values(turns, &name));
            let better = self.better(&name, &ours, &theirs);
            write!(text, "| {name} | {} | {} | {better} |", cell(&ours), cell(&theirs))
                .expect("text can be written");
            for (_, turns) in &self.ceilings {
                write!(text, " {} |", share(&ours, &values(turns, &name)))
                    .expect("text can be written");
            }
            text.push('\n');
        }
        text
    }

    /// The names of all figures, in the order in which they were first measured.
    fn rows(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for figure in self.systems.iter().flatten().flatten() {
            if !names.contains(&figure.name) {
                names.push(figure.name.clone());
            }
        }
        names
    }

    fn better(&self, name: &str, ours: &[f64], theirs: &[f64]) -> String {
        let mut all = self.systems.iter().flatten().flatten();
        let which = all.find(|figure| figure.name == name).map(|figure| figure.better);
        let ratio = |(ours, theirs): (&f64, &f64)| match which {
            Some(Better::More) => ours / theirs,
            _ => theirs / ours,
        };
        cell(&ours.iter().zip(theirs).map(ratio).collect::<Vec<_>>())
    }
}

fn values(turns: &[Vec<Figure>], name: &str) -> Vec<f64> {
    let all = turns.iter().flatten().filter(|figure| figure.name == name);
    all.map(|figure| figure.value).collect()
}

fn cell(values: &[f64]) -> String {
    if values.is_empty() { "-".to_owned() } else { spread(values.to_vec()) }
}

/// How much of a ceiling a system reaches, and where that is.
fn share(ours: &[f64], ceiling: &[f64]) -> String {
    if ours.is_empty() || ceiling.is_empty() {
        return "-".to_owned();
    }
    let (ours, ceiling) = (median(ours.to_vec()), median(ceiling.to_vec()));
    format!("{:.2} of {}", ours / ceiling, shown(ceiling))
}

/// Where everything that was measured is kept, a line of JSON each, as it comes.
#[derive(Debug)]
pub(super) struct Raw {
    directory: PathBuf,
    name: String,
    file: File,
}

impl Raw {
    /// A new file in a directory.
    pub(super) fn create(directory: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let path = directory.join(format!("{name}.jsonl"));
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        Ok(Self { directory: directory.to_owned(), name: name.to_owned(), file })
    }

    /// Keeps one thing.
    pub(super) fn keep(&mut self, value: &Value) -> Result<()> {
        writeln!(self.file, "{value}").context("the raw figures cannot be kept")
    }

    /// Keeps the table beside them.
    pub(super) fn keep_table(&self, table: &str) -> Result<PathBuf> {
        let path = self.directory.join(format!("{}.md", self.name));
        fs::write(&path, table).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(name: &str, better: Better, values: &[f64]) -> Turns {
        let figure = |value: &f64| vec![Figure { name: name.to_owned(), better, value: *value }];
        values.iter().map(figure).collect()
    }

    #[test]
    fn ratios_are_of_turns_side_by_side() {
        let results = Results {
            names: ["Quorate".to_owned(), "etcd".to_owned()],
            systems: [
                turns("a", Better::More, &[10.0, 40.0, 30.0]),
                turns("a", Better::More, &[5.0, 10.0, 10.0]),
            ],
            ceilings: vec![("an echo".to_owned(), turns("a", Better::More, &[60.0]))],
        };
        let table = results.table();
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows[0], "| what | Quorate | etcd | times better | of an echo |");
        assert_eq!(rows[1], "|---|---|---|---|---|");
        let expected = "| a | 30.0 (10.0 to 40.0) | 10.0 (5.00 to 10.0) | 3.00 (2.00 to 4.00) \
                        | 0.50 of 60.0 |";
        assert_eq!(rows[2], expected);
    }

    #[test]
    fn less_is_better_where_it_is_and_what_has_no_ceiling_says_so() {
        let results = Results {
            names: ["a".to_owned(), "b".to_owned()],
            systems: [turns("t", Better::Less, &[2.0]), turns("t", Better::Less, &[3.0])],
            ceilings: vec![("an echo".to_owned(), Turns::new())],
        };
        let table = results.table();
        let row = "| t | 2.00 (2.00 to 2.00) | 3.00 (3.00 to 3.00) | 1.50 (1.50 to 1.50) | - |";
        assert_eq!(table.lines().last(), Some(row));
    }
}
