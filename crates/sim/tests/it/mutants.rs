//! Would the checks notice? What is recorded of each mutant must still be so.

use std::time::Duration;

use quorate_sim::mutants::{Effort, Row, gallery, table_of};

#[test]
fn every_mutant_serves_and_is_caught_where_it_was_recorded() {
    let mut clock = || Duration::ZERO;
    let rows = gallery(Effort::RECORDED, &|_| true, &mut clock, &mut |_| {});
    let bad: Vec<&Row> = rows.iter().filter(|row| !row.is_good()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(60 < rows.len(), "{} mutants", rows.len());
    assert!(!table_of(&rows).contains("survived"));
}
