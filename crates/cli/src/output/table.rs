//! Tables drawn with `+`, `-` and `|`, as etcdctl draws them: titles in the middle and in capital
//! letters, everything else to the right.

use std::fmt;

/// Titles and rows, as many cells in each row as there are titles.
#[derive(Debug)]
pub(crate) struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table.
    pub(crate) fn new(titles: &[&str], rows: Vec<Vec<String>>) -> Self {
        assert!(rows.iter().all(|row| row.len() == titles.len()), "every cell has a title");
        Self { titles: titles.iter().map(|title| title.to_uppercase()).collect(), rows }
    }

    fn widths(&self) -> Vec<usize> {
        let all = || std::iter::once(&self.titles).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max();
        (0..self.titles.len()).filter_map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        let rule = format!("+{}", dashes.join("+"));
        writeln!(out, "{rule}+")?;
        for (title, width) in self.titles.iter().zip(&widths) {
            write!(out, "| {title:^width$} ")?;
        }
        writeln!(out, "|\n{rule}+")?;
        for row in &self.rows {
            for (cell, width) in row.iter().zip(&widths) {
                write!(out, "| {cell:>width$} ")?;
            }
            writeln!(out, "|")?;
        }
        if self.rows.is_empty() { Ok(()) } else { writeln!(out, "{rule}+") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_drawn_as_etcdctl_draws_it() {
        let rows = vec![vec!["started".to_owned(), "n1".to_owned(), String::new()]];
        let drawn = Table::new(&["Status", "Name", "is learner"], rows).to_string();
        let expected = "\
+---------+------+------------+
| STATUS  | NAME | IS LEARNER |
+---------+------+------------+
| started |   n1 |            |
+---------+------+------------+
";
        assert_eq!(drawn, expected);
    }
}
