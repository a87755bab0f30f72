//! The URLs that etcd's flags take: `http://host:port` and nothing else.

use std::fmt;
use std::str::FromStr;

/// An address as etcd's flags spell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpUrl {
    host: String,
    port: u16,
}

/// Why a text is no such URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// TLS is not served yet.
    Tls {
        /// The URL.
        url: String,
    },
    /// It is not `http://host:port`.
    Malformed {
        /// The URL.
        url: String,
    },
}

impl fmt::Display for UrlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { url } => {
                write!(formatter, "{url}: TLS is not available in this version; use http://")
            }
            Self::Malformed { url } => {
                write!(formatter, "{url:?} is not of the form http://host:port")
            }
        }
    }
}

impl std::error::Error for UrlError {}

impl HttpUrl {
    /// The URL of a host and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// What to bind to or connect to, in the form `host:port`.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}", self.authority())
    }
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.starts_with("https://") || text.starts_with("unixs://") {
            return Err(UrlError::Tls { url: text.to_owned() });
        }
        let malformed = || UrlError::Malformed { url: text.to_owned() };
        let authority = text.strip_prefix("http://").ok_or_else(malformed)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = authority.rsplit_once(':').ok_or_else(malformed)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(malformed());
        }
        let port = port.parse().map_err(|_| malformed())?;
        Ok(Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcds_spellings_are_read_and_written_back() {
        for text in ["http://127.0.0.1:2379", "http://localhost:1", "http://[::1]:2380"] {
            assert_eq!(text.parse::<HttpUrl>().unwrap().to_string(), text);
        }
        assert_eq!("http://a:1/".parse::<HttpUrl>().unwrap().to_string(), "http://a:1");
    }

    #[test]
    fn tls_is_refused_by_name() {
        let error = "https://a:1".parse::<HttpUrl>().unwrap_err();
        assert!(error.to_string().contains("TLS is not available"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "a:1", "http://", "http://a", "http://a:b", "http://:1", "http://a b:1"] {
            assert!(text.parse::<HttpUrl>().is_err(), "{text:?}");
        }
    }
}
