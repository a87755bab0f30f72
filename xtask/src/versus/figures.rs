//! Figures of several rounds, and the table that compares them.

use std::fmt::Write as _;

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// The lower one.
    Less,
    /// The higher one.
    More,
}

/// One thing that was measured once.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What it is, with its unit.
    pub(crate) name: String,
    /// Which is better.
    pub(crate) better: Better,
    /// How much.
    pub(crate) value: f64,
}

/// The figures of all rounds as Markdown: the median of each, with the least and the greatest, and
/// how many times better Quorate's is, as the median over the rounds.
pub(crate) fn table(quorate: &[Vec<Figure>], etcd: &[Vec<Figure>]) -> String {
    let mut text = "| what | Quorate | etcd | times better |\n|---|---|---|---|\n".to_owned();
    let names = quorate.first().map_or(&[][..], |figures| figures);
    for (place, figure) in names.iter().enumerate() {
        let of = |rounds: &[Vec<Figure>]| -> Vec<f64> {
            rounds.iter().map(|figures| figures[place].value).collect()
        };
        let (ours, theirs) = (of(quorate), of(etcd));
        let better = ours.iter().zip(&theirs).map(|(ours, theirs)| match figure.better {
            Better::Less => theirs / ours,
            Better::More => ours / theirs,
        });
        let better = median(better.collect());
        writeln!(text, "| {} | {} | {} | {better:.1} |", figure.name, spread(ours), spread(theirs))
            .expect("text can be written");
    }
    text
}

/// The median with the least and the greatest.
pub(crate) fn spread(mut values: Vec<f64>) -> String {
    values.sort_unstable_by(f64::total_cmp);
    let (least, greatest) = (values[0], values[values.len() - 1]);
    format!("{} ({} to {})", shown(median(values)), shown(least), shown(greatest))
}

/// Three digits or more.
pub(crate) fn shown(value: f64) -> String {
    let decimals = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 100.0) };
    format!("{value:.decimals$}")
}

/// The middle one, the lower of two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(better: Better, values: &[f64]) -> Vec<Vec<Figure>> {
        let figure = |value: &f64| vec![Figure { name: "x".to_owned(), better, value: *value }];
        values.iter().map(figure).collect()
    }

    #[test]
    fn a_row_tells_medians_spread_and_how_many_times_better() {
        let less = table(
            &rounds(Better::Less, &[1.0, 3.0, 2.0]),
            &rounds(Better::Less, &[4.0, 6.0, 200.0]),
        );
        let row = "| x | 2.00 (1.00 to 3.00) | 6.00 (4.00 to 200) | 4.0 |";
        assert_eq!(less.lines().last(), Some(row));
        let more = table(&rounds(Better::More, &[10.0]), &rounds(Better::More, &[4.0]));
        assert_eq!(
            more.lines().last(),
            Some("| x | 10.0 (10.0 to 10.0) | 4.00 (4.00 to 4.00) | 2.5 |")
        );
    }
}
