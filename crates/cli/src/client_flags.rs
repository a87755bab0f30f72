//! The flags that all client commands share, and those of etcdctl that are only understood.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args, Command};
use quorate_server::{HttpUrl, UrlError};

use crate::connect::Session;
use crate::exit::{Exit, Failure, Personality};
use crate::output::{ByteForm, Format, Printer};
use crate::refused::{self, Absent};

/// What variables for client commands begin with: `ETCDCTL_ENDPOINTS` stands for `--endpoints`.
const PREFIX: &str = "ETCDCTL_";

/// What is common to all client commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct ClientFlags {
    /// Members to ask, in this order, as HOST:PORT,...
    #[arg(long, global = true, value_name = "LIST", default_value = "127.0.0.1:2379")]
    endpoints: Endpoints,
    /// How long to wait for an answer, such as 500ms or 1m30s
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s")]
    command_timeout: Timeout,
    /// How long to wait for a connection
    #[arg(long, global = true, value_name = "DURATION", default_value = "2s")]
    dial_timeout: Timeout,
    /// The form of the output
    #[arg(short = 'w', long, global = true, value_name = "FORM", default_value = "simple")]
    write_out: Format,
    /// Print the bytes of keys and values in hexadecimal
    #[arg(long, global = true)]
    hex: bool,
}

/// The flags that variables stand for, as arguments, and the names of those variables.
///
/// An empty variable is as good as none.
pub(crate) fn from_environment() -> (Vec<OsString>, Vec<String>) {
    let flags = ClientFlags::augment_args(Command::new("client"));
    let (mut arguments, mut names) = (Vec::new(), Vec::new());
    for argument in flags.get_arguments() {
        let long = argument.get_long().expect("these flags have names");
        let name = format!("{PREFIX}{}", long.to_ascii_uppercase().replace('-', "_"));
        let Some(value) = std::env::var(&name).ok().filter(|value| !value.is_empty()) else {
            continue;
        };
        let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
        match (is_switch, value.as_str()) {
            (true, "true" | "1" | "t" | "T" | "TRUE" | "True") => {
                arguments.push(format!("--{long}").into());
            }
            (true, _) => continue,
            (false, _) => arguments.push(format!("--{long}={value}").into()),
        }
        names.push(name);
    }
    (arguments, names)
}

/// What a client command runs with.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The members to ask.
    pub(crate) session: Session,
    /// What prints the answers.
    pub(crate) printer: Printer,
    /// Under which name the program was called.
    pub(crate) personality: Personality,
}

impl Context {
    /// Fails if answers about keys have no such form: etcdctl has no tables of them.
    pub(crate) fn assert_form_of_keys(&self) -> Result<(), Failure> {
        match self.personality {
            Personality::Quorate => Ok(()),
            Personality::Etcdctl => self.printer.assert_simple_form(),
        }
    }
}

impl ClientFlags {
    /// Fails if they ask for what etcdctl does not have.
    pub(crate) fn check_etcdctl(&self) -> Result<(), Failure> {
        match self.write_out {
            Format::JsonLines => Err(Failure::new(Exit::BadFeature, "unsupported output format")),
            _ => Ok(()),
        }
    }

    /// What a command needs of them.
    pub(crate) fn context(&self, personality: Personality) -> Context {
        let byte_form = if self.hex { ByteForm::Hex } else { ByteForm::Raw };
        Context {
            session: Session::new(
                self.endpoints.0.clone(),
                self.command_timeout.0,
                self.dial_timeout.0,
            ),
            printer: Printer::new(self.write_out, byte_form),
            personality,
        }
    }
}

/// Flags of etcdctl beside those. None of them changes anything here, so those are refused that ask
/// for more than that.
#[derive(Args, Debug)]
pub(crate) struct LegacyFlags {
    #[arg(long, global = true, hide = true, default_value = "")]
    cacert: String,
    #[arg(long, global = true, hide = true, default_value = "")]
    cert: String,
    // `put` and its like have an argument of this name.
    #[arg(id = "tls_key", long = "key", global = true, hide = true, default_value = "")]
    key: String,
    #[arg(long, global = true, hide = true, default_value = "")]
    user: String,
    #[arg(long, global = true, hide = true, default_value = "")]
    password: String,
    #[arg(short = 'd', long, global = true, hide = true, default_value = "")]
    discovery_srv: String,
    #[arg(long, global = true, hide = true, default_value = "")]
    discovery_srv_name: String,
    #[arg(long, global = true, hide = true, action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value = "true")]
    insecure_transport: bool,
    #[arg(long, global = true, hide = true, default_value = "2s")]
    keepalive_time: Timeout,
    #[arg(long, global = true, hide = true, default_value = "6s")]
    keepalive_timeout: Timeout,
    #[command(flatten)]
    switches: LegacySwitches,
}

/// Those of them that are there or not.
#[derive(Args, Debug)]
struct LegacySwitches {
    #[arg(long, global = true, hide = true)]
    insecure_discovery: bool,
    #[arg(long, global = true, hide = true)]
    insecure_skip_tls_verify: bool,
    #[arg(long, global = true, hide = true)]
    debug: bool,
}

impl LegacyFlags {
    /// Fails if one asks for what there is not.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let refused = [
            (&self.cacert, "--cacert", Absent::Tls),
            (&self.cert, "--cert", Absent::Tls),
            (&self.key, "--key", Absent::Tls),
            (&self.user, "--user", Absent::Auth),
            (&self.password, "--password", Absent::Auth),
        ];
        for (value, flag, absent) in refused {
            if !value.is_empty() {
                return Err(refused::client_refusal(flag, absent));
            }
        }
        if !self.insecure_transport {
            return Err(refused::client_refusal("--insecure-transport=false", Absent::Tls));
        }
        if !self.discovery_srv.is_empty() {
            return Err(Failure::usage(
                "--discovery-srv: endpoints are not looked up in DNS; name them with --endpoints",
            ));
        }
        Ok(())
    }
}

/// Where a member serves, as it was written and as it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As it was written.
    pub(crate) text: String,
    /// What it means.
    pub(crate) url: HttpUrl,
}

impl FromStr for Target {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let url =
            if text.contains("://") { text.parse() } else { format!("http://{text}").parse() };
        Ok(Self { text: text.to_owned(), url: url? })
    }
}

/// Addresses as etcdctl takes them, with or without `http://`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoints(Vec<Target>);

impl FromStr for Endpoints {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// A duration as Go writes it: `5s`, `1m30s`, `1.5h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Duration);

/// Go's units, with their seconds; those that end in `s` before `s` itself.
const UNITS: [(&str, f64); 6] =
    [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];

impl FromStr for Timeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MALFORMED: &str = "write it with a unit, such as 500ms, 5s or 1m30s";
        let mut rest = text;
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(MALFORMED)?;
            let (number, tail) = rest.split_at(end);
            let (unit, scale) =
                UNITS.iter().find(|(unit, _)| tail.starts_with(unit)).ok_or(MALFORMED)?;
            seconds += number.parse::<f64>().map_err(|_| MALFORMED)? * scale;
            rest = &tail[unit.len()..];
        }
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| MALFORMED)?;
        if duration.is_zero() { Err("it must be more than nothing") } else { Ok(Self(duration)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_etcdctl_reads_them() {
        let endpoints = "127.0.0.1:2379, http://b:1".parse::<Endpoints>().unwrap();
        let urls: Vec<HttpUrl> = endpoints.0.iter().map(|target| target.url.clone()).collect();
        assert_eq!(urls, [HttpUrl::new("127.0.0.1", 2379), HttpUrl::new("b", 1)]);
        assert!("".parse::<Endpoints>().is_err());
        let refusal = "https://b:1".parse::<Endpoints>().unwrap_err();
        assert!(refusal.to_string().contains("TLS"), "{refusal}");
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let cases = [("5s", 5_000), ("500ms", 500), ("1m30s", 90_000), ("1.5h", 5_400_000)];
        for (text, milliseconds) in cases {
            let expected = Timeout(Duration::from_millis(milliseconds));
            assert_eq!(text.parse::<Timeout>(), Ok(expected), "{text}");
        }
        for text in ["", "5", "s", "5x", "-5s", "1..2s", "0s"] {
            assert!(text.parse::<Timeout>().is_err(), "{text}");
        }
    }
}
