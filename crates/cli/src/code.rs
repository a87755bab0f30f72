//! The codes of errors, with what is likely behind each and what to do next. docs/errors.md tells
//! more of each.

use crate::exit::Exit;

/// What kind of thing went wrong, as `error[E-...]` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Nothing listens where the endpoints say.
    Refused,
    /// No connection, for another reason.
    Unreachable,
    /// The endpoint speaks TLS.
    Tls,
    /// What listens there does not speak gRPC.
    Protocol,
    /// A majority answers, and nobody leads it.
    NoLeader,
    /// Fewer members answer than can decide.
    NoQuorum,
    /// No answer in time, and nothing was done.
    Timeout,
    /// A write was sent and not answered.
    Unknown,
    /// The member has too much to do.
    Overloaded,
    /// The cluster or a disk is full.
    NoSpace,
    /// The request is longer than the server takes.
    TooLarge,
    /// The revision is gone.
    Compacted,
    /// The revision does not exist yet.
    Future,
    /// Nothing is there of what was required to be.
    NotFound,
    /// The key must exist, and does not.
    NoKey,
    /// No key is named.
    EmptyKey,
    /// No such lease.
    NoLease,
    /// A member has found damaged data.
    Corrupt,
    /// The command line makes no sense.
    Usage,
}

/// What is told of a code beside what happened.
struct Row {
    name: &'static str,
    exit: Exit,
    likely: &'static str,
    next: &'static str,
}

impl Code {
    /// All of them, in the order of docs/errors.md.
    pub(crate) const ALL: [Self; 19] = [
        Self::Refused,
        Self::Unreachable,
        Self::Tls,
        Self::Protocol,
        Self::NoLeader,
        Self::NoQuorum,
        Self::Timeout,
        Self::Unknown,
        Self::Overloaded,
        Self::NoSpace,
        Self::TooLarge,
        Self::Compacted,
        Self::Future,
        Self::NotFound,
        Self::NoKey,
        Self::EmptyKey,
        Self::NoLease,
        Self::Corrupt,
        Self::Usage,
    ];

    /// The one of this name, in capital letters or not, with its `E-` or without.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let is_it = |code: &Self| {
            code.name() == name || code.name().strip_prefix("E-") == Some(name.as_str())
        };
        Self::ALL.into_iter().find(is_it)
    }

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        self.row().name
    }

    /// How the command ends.
    pub(crate) fn exit(self) -> Exit {
        self.row().exit
    }

    /// The cause that is likely.
    pub(crate) fn likely(self) -> &'static str {
        self.row().likely
    }

    /// What to do next.
    pub(crate) fn next(self) -> &'static str {
        self.row().next
    }

    fn row(self) -> Row {
        match self {
            Self::Refused
            | Self::Unreachable
            | Self::Tls
            | Self::Protocol
            | Self::NoLeader
            | Self::NoQuorum
            | Self::Timeout
            | Self::Unknown => self.row_of_connections(),
            Self::Usage => Row {
                name: "E-USAGE",
                exit: Exit::Usage,
                likely: "a word is misspelt, is missing, or belongs to another command",
                next: "`quorate COMMAND --help` shows what a command takes",
            },
            _ => self.row_of_refusals(),
        }
    }

    fn row_of_connections(self) -> Row {
        let unavailable = |name, likely, next| Row { name, exit: Exit::Unavailable, likely, next };
        match self {
            Self::Refused => unavailable(
                "E-REFUSED",
                "the cluster is not running, or serves clients somewhere else",
                "`quorate demo` starts a cluster; --endpoints HOST:PORT,... names another",
            ),
            Self::Unreachable => unavailable(
                "E-UNREACHABLE",
                "the name or address is wrong, the machine is down, or a firewall drops packets",
                "check --endpoints, then `quorate status` from the machine of a member",
            ),
            Self::Tls => unavailable(
                "E-TLS",
                "the server was started with certificates; this version speaks plain text only",
                "use an endpoint without TLS, or a TLS proxy on this side, such as stunnel",
            ),
            Self::Protocol => unavailable(
                "E-PROTOCOL",
                "the endpoint is a port for peers or metrics, or of another program",
                "use the client port: 2379, or what --advertise-client-urls says",
            ),
            Self::NoLeader => unavailable(
                "E-NOLEADER",
                "an election is going on, or members reach this client but not each other",
                "try again in a second; if it stays so: `quorate status`, then `quorate doctor`",
            ),
            Self::NoQuorum => unavailable(
                "E-NOQUORUM",
                "more members are down than the cluster tolerates",
                "start the members that do not answer; `quorate status` shows each",
            ),
            Self::Timeout => unavailable(
                "E-TIMEOUT",
                "the server is paused or overloaded, or its disk stalls",
                "`quorate status`; to wait longer: --command-timeout 30s",
            ),
            _ => Row {
                name: "E-UNKNOWN",
                exit: Exit::Unknown,
                likely: "the connection broke or the leader changed before the answer came",
                next: "read what is there before you write again: `quorate get`",
            },
        }
    }

    fn row_of_refusals(self) -> Row {
        let error = |name, likely, next| Row { name, exit: Exit::Error, likely, next };
        match self {
            Self::Overloaded => Row {
                name: "E-OVERLOADED",
                exit: Exit::Unavailable,
                likely: "clients send more than the cluster keeps up with",
                next: "send less at a time, then try again; `quorate status` shows who lags",
            },
            Self::NoSpace => error(
                "E-NOSPACE",
                "the quota is used up, or the disk of a member is full",
                "`quorate compact` old revisions and `quorate del` keys, or raise \
                 --quota-backend-bytes; `quorate alarm list` shows whose alarm it is",
            ),
            Self::TooLarge => error(
                "E-TOOLARGE",
                "one request carries more than --max-request-bytes of the server (1.5 MiB)",
                "split the value or the transaction, or raise --max-request-bytes",
            ),
            Self::Compacted => error(
                "E-COMPACTED",
                "that revision was compacted away; history is kept since the last compaction",
                "read without --rev, or from the revision that `quorate get KEY -w json` tells",
            ),
            Self::Future => error(
                "E-FUTURE",
                "the revision is of another cluster, or of one that was restored since",
                "read without --rev to see the newest",
            ),
            Self::NotFound => Row {
                name: "E-NOTFOUND",
                exit: Exit::NotFound,
                likely: "it was never written, was deleted, or went with its lease",
                next: "`quorate get --prefix \"\" --keys-only` lists the keys there are",
            },
            Self::NoKey => error(
                "E-NOKEY",
                "--ignore-value and --ignore-lease keep what a key has, and this one is not there",
                "put it once without them",
            ),
            Self::EmptyKey => error(
                "E-EMPTYKEY",
                "a variable in the command line is empty",
                "name a key, or mean all of them with --prefix \"\"",
            ),
            Self::NoLease => error(
                "E-NOLEASE",
                "it ended or was revoked, or the id is not written in hexadecimal",
                "`quorate lease list` shows those there are; `quorate lease grant 60` makes one",
            ),
            _ => error(
                "E-CORRUPT",
                "members disagree about the data, or a disk has changed what was written",
                "`quorate endpoint hashkv --cluster` shows who differs; `quorate inspect DIR` \
                 looks at a stopped member",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
