//! Settings of `serve` from the environment: `ETCD_<FLAG>`, as in etcd.
//!
//! An empty variable is as good as none. A setting that comes both as a flag and as a variable is
//! refused, since one of them would be ignored. Variables that belong to no flag are reported.

use std::collections::BTreeMap;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::exit::Failure;
use crate::refused;

/// What variables for the server begin with.
const PREFIX: &str = "ETCD_";

/// Variables of etcd's that are no flags, but not unknown either.
const NO_FLAGS: [&str; 1] = ["ETCD_UNSUPPORTED_ARCH"];

/// The variables for the server, by the flag they stand for.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    by_flag: BTreeMap<String, Variable>,
}

#[derive(Debug)]
struct Variable {
    name: String,
    value: String,
}

impl Variables {
    /// Picks them out of an environment.
    pub(crate) fn of(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = environment.into_iter().filter(|(name, value)| {
            name.starts_with(PREFIX) && !NO_FLAGS.contains(&name.as_str()) && !value.is_empty()
        });
        let by_flag = ours.map(|(name, value)| {
            let flag = name[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
            (flag, Variable { name, value })
        });
        Self { by_flag: by_flag.collect() }
    }

    /// Fails if one asks for what this version does not have.
    pub(crate) fn check_refused(&self) -> Result<(), Failure> {
        for (flag, variable) in &self.by_flag {
            if let Some(absent) = refused::absent(flag) {
                return Err(refused::refusal(&variable.name, absent));
            }
        }
        Ok(())
    }

    /// Fails if a setting was given here and on the command line.
    pub(crate) fn check_conflicts(
        &self,
        flags: &[String],
        given: &ArgMatches,
    ) -> Result<(), Failure> {
        for flag in flags {
            let source = given.value_source(&flag.replace('-', "_"));
            let Some(variable) = self.by_flag.get(flag) else { continue };
            if source == Some(ValueSource::CommandLine) {
                return Err(Failure::usage(format!(
                    "the environment variable {} and the flag --{flag} set the same thing: unset \
                     the variable or remove the flag",
                    variable.name
                )));
            }
        }
        Ok(())
    }

    /// The variables that belong to one of the flags, as arguments, with their names.
    pub(crate) fn as_arguments(&self, flags: &[String]) -> Vec<(String, &str)> {
        let known = self.by_flag.iter().filter(|(flag, _)| flags.contains(flag));
        known
            .map(|(flag, variable)| {
                (format!("--{flag}={}", variable.value), variable.name.as_str())
            })
            .collect()
    }

    /// The names of those that belong to none of the flags.
    pub(crate) fn unknown(&self, flags: &[String]) -> Vec<String> {
        let unknown = self.by_flag.iter().filter(|(flag, _)| !flags.contains(flag));
        unknown.map(|(_, variable)| variable.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_variable_stands_for_the_flag_of_its_name() {
        let variables = variables(&[("ETCD_DATA_DIR", "d"), ("HOME", "h"), ("ETCD_NAME", "")]);
        let flags = ["data-dir".to_owned(), "name".to_owned()];
        let arguments = variables.as_arguments(&flags);
        assert_eq!(arguments, [("--data-dir=d".to_owned(), "ETCD_DATA_DIR")]);
        assert!(variables.unknown(&flags).is_empty());
    }

    #[test]
    fn what_belongs_to_no_flag_is_told() {
        let variables = variables(&[("ETCD_NMAE", "x"), ("ETCD_UNSUPPORTED_ARCH", "arm")]);
        assert_eq!(variables.unknown(&["name".to_owned()]), ["ETCD_NMAE"]);
    }

    #[test]
    fn a_request_for_encryption_is_refused() {
        assert!(variables(&[("ETCD_NAME", "x")]).check_refused().is_ok());
        let refusal = variables(&[("ETCD_CERT_FILE", "x")]).check_refused().unwrap_err();
        assert!(refusal.to_string().starts_with("error: ETCD_CERT_FILE: TLS is not available"));
    }
}
