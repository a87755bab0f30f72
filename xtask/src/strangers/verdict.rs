//! How a suite went: what it printed, and how many of its tests passed.

use std::process::Output;

use anyhow::{Result, bail};

/// The end of one suite.
pub(crate) struct Verdict {
    text: String,
    has_succeeded: bool,
}

impl From<Output> for Verdict {
    fn from(output: Output) -> Self {
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Self { text, has_succeeded: output.status.success() }
    }
}

impl Verdict {
    /// Fails, with all that was printed, unless every test that ran passed and as many as are
    /// wanted did.
    pub(crate) fn judge(&self, suite: &str, wanted: usize) -> Result<()> {
        let passed = passed(&self.text);
        if !self.has_succeeded || passed != wanted {
            println!("{}", self.text);
            bail!("{suite}: {passed} tests passed, {wanted} must");
        }
        println!("    {passed} tests passed");
        Ok(())
    }
}

/// The sum of all `N passed`, as pytest and cargo both put it.
fn passed(text: &str) -> usize {
    let words: Vec<&str> = text.split_whitespace().collect();
    let count = |pair: &[&str]| {
        let is_count = pair[1].trim_end_matches([',', ';']) == "passed";
        is_count.then(|| pair[0].parse::<usize>().ok()).flatten()
    };
    words.windows(2).filter_map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, has_succeeded: bool) -> Verdict {
        Verdict { text: text.to_owned(), has_succeeded }
    }

    #[test]
    fn both_ways_of_counting_are_read() {
        assert_eq!(passed("3 failed, 90 passed in 70.02s (0:01:10)"), 90);
        assert_eq!(passed("test result: ok. 20 passed; 0 failed; 1 ignored\nok. 2 passed;"), 22);
        assert_eq!(passed("no tests ran in 0.01s"), 0);
    }

    #[test]
    fn fewer_tests_than_wanted_or_a_failure_do_not_pass() {
        assert!(verdict("90 passed in 1s", true).judge("s", 90).is_ok());
        assert!(verdict("90 passed in 1s", true).judge("s", 91).is_err());
        assert!(verdict("90 passed in 1s", false).judge("s", 90).is_err());
    }
}
