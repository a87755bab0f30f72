//! What listens at an address that does not answer as a member would.
//!
//! Looked at only after a failure: it opens one or two connections of its own, each with a limit.

use std::fmt;
use std::time::Duration;

use quorate_server::HttpUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a listener may take to show what it speaks.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// The head of a frame of HTTP/2, or of a record of TLS and more: enough to tell.
const ANSWER_BYTES: usize = 9;

/// How HTTP/2 begins, and an empty frame of settings (RFC 9113, sections 3.4 and 6.5).
const HTTP2_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// The type of a frame of settings, and where in a frame the type is.
const SETTINGS: (usize, u8) = (3, 4);

/// How TLS begins (RFC 8446, section 4.1.2): a client of TLS 1.2 with two cipher suites. Whatever
/// speaks TLS answers it, with a hello of its own or an alert.
const TLS_HELLO: &[u8] = &{
    let mut hello = [0; 54];
    // A handshake record of 49 bytes, in it a client hello of 45.
    let head = [0x16, 3, 1, 0, 49, 1, 0, 0, 45, 3, 3];
    let mut place = 0;
    while place < head.len() {
        hello[place] = head[place];
        place += 1;
    }
    // Behind 32 bytes of what should be random: no session, two suites, one compression (none).
    let tail = [0, 0, 4, 0xc0, 0x2f, 0xc0, 0x2b, 1, 0, 0, 0];
    let mut place = 0;
    while place < tail.len() {
        hello[43 + place] = tail[place];
        place += 1;
    }
    hello
};

/// The types of TLS records that answer a hello.
const TLS_HANDSHAKE: u8 = 0x16;
const TLS_ALERT: u8 = 0x15;

/// What listens and is no member. But for [`Foreign::HangsUp`] that is certain: nothing that was
/// sent to it can have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// A server of TLS.
    Tls,
    /// A server of HTTP/1 alone.
    Http1,
    /// A server of HTTP/2 that has no gRPC, and refuses a request with this status.
    NoGrpc(u16),
    /// A server of something else that speaks first, or answers otherwise.
    Other,
    /// It ends each connection without a word: a port for peers does, and so does a balancer whose
    /// server has gone.
    HangsUp,
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoGrpc(status) => {
                return write!(formatter, "it answers with HTTP status {status}, and without gRPC");
            }
            Self::Tls => "it speaks TLS",
            Self::Http1 => "it speaks HTTP/1 alone",
            Self::Other => "it speaks something else",
            Self::HangsUp => "it hangs up without a word",
        })
    }
}

/// What listens there, if it is no server of gRPC in plain text.
pub(crate) async fn foreign(url: &HttpUrl) -> Option<Foreign> {
    let (answer, end) = exchange(url, HTTP2_HELLO).await?;
    match judge(&answer) {
        // A server of TLS may do that.
        Judged::Silent => {
            let (answer, _) = exchange(url, TLS_HELLO).await?;
            if is_tls(&answer) {
                return Some(Foreign::Tls);
            }
            (end == End::HungUp).then_some(Foreign::HangsUp)
        }
        Judged::Http2 => None,
        Judged::Foreign(foreign) => Some(foreign),
    }
}

/// What an answer to the beginning of HTTP/2 says.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Http2,
    Silent,
    Foreign(Foreign),
}

fn judge(answer: &[u8]) -> Judged {
    let (place, settings) = SETTINGS;
    match answer {
        [] => Judged::Silent,
        bytes if is_tls(bytes) => Judged::Foreign(Foreign::Tls),
        bytes if bytes.starts_with(b"HTTP/1.") => Judged::Foreign(Foreign::Http1),
        bytes if bytes.get(place) == Some(&settings) => Judged::Http2,
        _ => Judged::Foreign(Foreign::Other),
    }
}

fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [TLS_HANDSHAKE | TLS_ALERT, 3, ..])
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The other side closed the connection.
    HungUp,
    /// There was enough, or nothing more in time.
    Enough,
}

/// The first bytes that are answered, none if there are none in time. Nothing if there is no
/// connection.
async fn exchange(url: &HttpUrl, hello: &[u8]) -> Option<(Vec<u8>, End)> {
    let connected = timeout(LOOK_MAX, TcpStream::connect(url.authority())).await;
    let mut stream = connected.ok()?.ok()?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    let spoken = timeout(LOOK_MAX, async {
        stream.write_all(hello).await?;
        while answer.len() < ANSWER_BYTES {
            if stream.read_buf(&mut answer).await? == 0 {
                return Ok(End::HungUp);
            }
        }
        Ok::<End, std::io::Error>(End::Enough)
    });
    // What has come by then is what there is to judge; a reset is an end too.
    let end = spoken.await.map_or(End::Enough, |spoken| spoken.unwrap_or(End::HungUp));
    Some((answer, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hello_of_tls_has_the_lengths_it_claims() {
        assert_eq!(TLS_HELLO.len(), 5 + 49);
        assert_eq!(usize::from(TLS_HELLO[4]), TLS_HELLO.len() - 5);
        assert_eq!(usize::from(TLS_HELLO[8]), TLS_HELLO.len() - 9);
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(judge(b"\x00\x00\x06\x04\x00"), Judged::Http2);
        assert_eq!(judge(b""), Judged::Silent);
        assert_eq!(judge(b"\x15\x03\x01\x00\x02"), Judged::Foreign(Foreign::Tls));
        assert_eq!(judge(b"HTTP/1.1 400 Bad"), Judged::Foreign(Foreign::Http1));
        assert_eq!(judge(b"SSH-2.0-OpenSSH"), Judged::Foreign(Foreign::Other));
    }
}
