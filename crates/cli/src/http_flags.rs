//! The flags of `serve` about plain HTTP on the client port, named and defaulted as etcd's.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::str::FromStr;

use clap::{ArgAction, Args};
use quorate_server::HttpSettings;

/// The flags.
#[derive(Args, Clone, Debug)]
pub(crate) struct HttpFlags {
    /// Whether to offer etcd's services as JSON under /v3
    #[arg(long, value_name = "BOOL", default_value = "true", help_heading = "HTTP")]
    #[arg(action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    #[arg(require_equals = true)]
    enable_grpc_gateway: bool,
    /// Origins whose web pages may read answers; * means all
    #[arg(long, value_name = "ORIGINS", default_value = "*", help_heading = "HTTP")]
    cors: Names,
    /// Host names that requests may call this member by; * means all
    #[arg(long, value_name = "HOSTS", default_value = "*", help_heading = "HTTP")]
    host_whitelist: Names,
}

impl From<HttpFlags> for HttpSettings {
    fn from(flags: HttpFlags) -> Self {
        Self {
            enable_grpc_gateway: flags.enable_grpc_gateway,
            cors: flags.cors.0,
            host_whitelist: flags.host_whitelist.0,
        }
    }
}

/// A list of names, separated by commas.
#[derive(Clone, Debug)]
struct Names(BTreeSet<String>);

impl FromStr for Names {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self(names.map(str::to_owned).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        http: HttpFlags,
    }

    fn settings(flags: &[&str]) -> HttpSettings {
        let arguments = ["serve"].iter().chain(flags);
        Serve::try_parse_from(arguments).expect("the flags are known").http.into()
    }

    #[test]
    fn the_defaults_are_the_servers() {
        assert_eq!(settings(&[]), HttpSettings::default());
    }

    #[test]
    fn each_flag_is_read_as_etcd_reads_it() {
        assert!(!settings(&["--enable-grpc-gateway=false"]).enable_grpc_gateway);
        assert!(settings(&["--enable-grpc-gateway"]).enable_grpc_gateway);
        let names = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(settings(&["--cors=a, b"]).cors, names);
        assert_eq!(settings(&["--host-whitelist", "b,a,"]).host_whitelist, names);
    }
}
