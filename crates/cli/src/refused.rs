//! Flags of etcd that this version knows and refuses.
//!
//! Ignoring one would serve without the protection that was asked for.

use crate::exit::Failure;

/// Why a flag is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Connections are not encrypted.
    Tls,
    /// Users and roles do not exist.
    Auth,
}

/// The flags, without their dashes.
const REFUSED: &[(&str, Absent)] = &[
    ("auth-token", Absent::Auth),
    ("auth-token-ttl", Absent::Auth),
    ("auto-tls", Absent::Tls),
    ("bcrypt-cost", Absent::Auth),
    ("ca-file", Absent::Tls),
    ("cert-file", Absent::Tls),
    ("cipher-suites", Absent::Tls),
    ("client-cert-allowed-hostname", Absent::Tls),
    ("client-cert-auth", Absent::Tls),
    ("client-cert-file", Absent::Tls),
    ("client-crl-file", Absent::Tls),
    ("client-key-file", Absent::Tls),
    ("experimental-peer-skip-client-san-verification", Absent::Tls),
    ("key-file", Absent::Tls),
    ("peer-auto-tls", Absent::Tls),
    ("peer-ca-file", Absent::Tls),
    ("peer-cert-allowed-cn", Absent::Tls),
    ("peer-cert-allowed-hostname", Absent::Tls),
    ("peer-cert-file", Absent::Tls),
    ("peer-client-cert-auth", Absent::Tls),
    ("peer-client-cert-file", Absent::Tls),
    ("peer-client-key-file", Absent::Tls),
    ("peer-crl-file", Absent::Tls),
    ("peer-key-file", Absent::Tls),
    ("peer-skip-client-san-verification", Absent::Tls),
    ("peer-trusted-ca-file", Absent::Tls),
    ("self-signed-cert-validity", Absent::Tls),
    ("tls-max-version", Absent::Tls),
    ("tls-min-version", Absent::Tls),
    ("trusted-ca-file", Absent::Tls),
];

/// What a flag asks for that does not exist, if it is one of these.
pub(crate) fn absent(flag: &str) -> Option<Absent> {
    REFUSED.iter().find(|(name, _)| *name == flag).map(|(_, absent)| *absent)
}

/// The refusal of a setting, named as the user wrote it.
pub(crate) fn refusal(setting: &str, absent: Absent) -> Failure {
    Failure::usage(match absent {
        Absent::Tls => format!(
            "{setting}: TLS is not available in this version, and serving in plain text instead \
             would not be what you asked for. Remove the setting and keep clients and peers on a \
             trusted network, or put a TLS proxy in front"
        ),
        Absent::Auth => format!(
            "{setting}: authentication is not available in this version: everybody who can connect \
             may read and write. Remove the setting and keep the ports on a trusted network"
        ),
    })
}

/// The refusal of a flag of etcdctl.
pub(crate) fn client_refusal(flag: &str, absent: Absent) -> Failure {
    Failure::usage(match absent {
        Absent::Tls => format!(
            "{flag}: TLS is not available in this version, and speaking plain text instead would \
             not be what you asked for. Remove the flag, or put a TLS proxy in front"
        ),
        Absent::Auth => format!(
            "{flag}: users are not available in this version: everybody who can connect may read \
             and write. Remove the flag"
        ),
    })
}
