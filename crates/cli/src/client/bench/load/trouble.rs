//! How a request can go wrong, told apart as far as the client can know.

use http::HeaderMap;

/// Longest text of an error that is kept, in bytes.
const TEXT_MAX: usize = 200;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// No member could be connected to.
    Unreachable,
    /// The connection broke.
    Closed,
    /// The server took its leave of the connection (GOAWAY).
    GoneAway,
    /// The server gave up the request alone (`RST_STREAM`).
    Reset,
    /// No answer in time.
    TimedOut,
    /// The answer is none of gRPC.
    Malformed,
    /// The answer is an error: a code of gRPC, and the server's words.
    Status {
        /// The code.
        code: u32,
        /// What was said, cut at 200 bytes.
        text: String,
    },
    /// More kinds of errors than are told apart.
    Other,
    /// Due while all clients waited for answers, and still not sent when the time was over.
    Unsent,
}

/// The names of gRPC's codes, from 0.
const CODES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

impl Trouble {
    /// What a status in headers or trailers says, if one is there and it is an error.
    pub(super) fn of_status(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get("grpc-status")?;
        match code.to_str().ok().and_then(|code| code.parse().ok()) {
            Some(0) => None,
            Some(code) => {
                let text = headers.get("grpc-message").map(|text| unescaped(text.as_bytes()));
                Some(Self::Status { code, text: text.unwrap_or_default() })
            }
            None => Some(Self::Malformed),
        }
    }

    /// Its name.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::GoneAway => "goaway",
            Self::Reset => "reset",
            Self::TimedOut => "timeout",
            Self::Malformed => "malformed",
            Self::Status { code, .. } => CODES.get(*code as usize).unwrap_or(&"unknown"),
            Self::Other => "other",
            Self::Unsent => "unsent",
        }
    }

    /// What the server said, which may be nothing.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Status { text, .. } => text,
            _ => "",
        }
    }

    /// Whether nothing more can be asked over this connection.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Closed | Self::GoneAway)
    }
}

impl From<h2::Error> for Trouble {
    fn from(error: h2::Error) -> Self {
        if error.is_go_away() {
            Self::GoneAway
        } else if error.is_reset() {
            Self::Reset
        } else {
            Self::Closed
        }
    }
}

/// A message of gRPC without its percent encoding.
fn unescaped(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len().min(TEXT_MAX));
    let mut rest = text;
    while let [first, tail @ ..] = rest
        && bytes.len() < TEXT_MAX
    {
        let (byte, tail) = match escape(rest) {
            Some(byte) => (byte, &rest[3..]),
            None => (*first, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: &'static str, text: &'static str) -> Option<Trouble> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", code.parse().unwrap());
        headers.insert("grpc-message", text.parse().unwrap());
        Trouble::of_status(&headers)
    }

    #[test]
    fn a_status_is_a_code_and_words() {
        assert_eq!(status("0", ""), None);
        assert_eq!(Trouble::of_status(&HeaderMap::new()), None);
        assert_eq!(status("many", ""), Some(Trouble::Malformed));
        let trouble = status("14", "100%25 busy%2").unwrap();
        assert_eq!((trouble.kind(), trouble.text()), ("unavailable", "100% busy%2"));
        assert_eq!(status("99", "").unwrap().kind(), "unknown");
    }

    #[test]
    fn long_words_are_cut() {
        let long = unescaped(&[b'a'; 5000]);
        assert_eq!(long.len(), TEXT_MAX);
    }
}
