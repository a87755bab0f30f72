//! Connections as clients write them, in pieces of every size.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const URL: &str = "http://127.0.0.1:42379";

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
    frame.extend_from_slice(payload);
    frame
}

/// `:method POST`, then this authority as a literal to be remembered, then `:path /`.
fn block(authority: &[u8]) -> Vec<u8> {
    let mut block = vec![0x83, 0x41, u8::try_from(authority.len()).expect("it is short")];
    block.extend_from_slice(authority);
    block.push(0x84);
    block
}

fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE.to_vec(), frame(4, 0, &[]), frames.concat()].concat()
}

/// What comes out when `bytes` come in pieces of `piece` bytes.
fn through(bytes: &[u8], piece: usize) -> (Vec<u8>, Stage) {
    let mut repair = Repair::default();
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        repair.take(piece);
        let mut room = [0; 64];
        loop {
            let mut room = ReadBuf::new(&mut room);
            if !repair.hand_out(&mut room) {
                break;
            }
            out.extend_from_slice(room.filled());
        }
    }
    let stage = repair.stage;
    repair.give_up();
    out.extend_from_slice(&repair.ready[repair.handed_out..]);
    (out, stage)
}

#[test]
fn an_authority_that_is_none_is_replaced_however_the_bytes_arrive() {
    for wrong in [URL.as_bytes(), b"https://a:1", b"#initially=[a:1]"] {
        let rest = frame(0, 1, b"data");
        let sent = connection(&[frame(HEADERS, 4, &block(wrong)), rest.clone()]);
        let wanted = connection(&[frame(HEADERS, 4, &block(b"any")), rest]);
        for piece in 1..=sent.len() {
            assert_eq!(through(&sent, piece), (wanted.clone(), Stage::Frames), "{piece}");
        }
    }
}

#[test]
fn a_compressed_authority_is_known_by_its_first_bits() {
    let coded = |text: &[u8]| {
        let mut block = block(text);
        block[2] |= 0x80;
        connection(&[frame(HEADERS, 4, &block)])
    };
    // "http://a", "https://a" and "#a"; 'a' is 00011, and ones fill the last byte.
    let http = [0x9d, 0x29, 0xae, 0xe3, 0x0c, 0x0f];
    let https = [0x9d, 0x29, 0xad, 0x17, 0x18, 0x60, 0xff];
    let fragment = [0xff, 0xa1, 0xff];
    let wanted = connection(&[frame(HEADERS, 4, &block(b"any"))]);
    for wrong in [&http[..], &https, &fragment] {
        assert_eq!(through(&coded(wrong), 7).0, wanted, "{wrong:x?}");
    }
    // "www.example.com", from RFC 7541, appendix C.4.1.
    let right = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    assert_eq!(through(&coded(&right), 7), (coded(&right), Stage::Done));
}

#[test]
fn a_connection_that_begins_right_is_left_alone_from_then_on() {
    let right = frame(HEADERS, 4, &block(b"127.0.0.1:2379"));
    let sent = connection(&[right, frame(HEADERS, 4, &block(URL.as_bytes()))]);
    for piece in 1..=sent.len() {
        assert_eq!(through(&sent, piece), (sent.clone(), Stage::Done));
    }
}

#[test]
fn later_requests_of_a_repaired_connection_are_looked_at_too() {
    let wrong = || frame(HEADERS, 4, &block(URL.as_bytes()));
    let remembered = frame(HEADERS, 4, &[0x83, 0xbe, 0x84]);
    let sent = connection(&[wrong(), remembered.clone(), wrong()]);
    let right = || frame(HEADERS, 4, &block(b"any"));
    assert_eq!(through(&sent, 5).0, connection(&[right(), remembered, right()]));
}

#[test]
fn priority_and_padding_stay_where_they_are() {
    let padded = |authority| {
        let mut payload = vec![2, 0, 0, 0, 0, 15];
        payload.extend(block(authority));
        payload.extend([0, 0]);
        connection(&[frame(HEADERS, 0x2c, &payload)])
    };
    assert_eq!(through(&padded(URL.as_bytes()), 9).0, padded(b"any"));
}

#[test]
fn what_is_not_http2_or_not_understood_passes_as_it_is() {
    let long = connection(&[[&[0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1][..], &[7; 99]].concat()]);
    let cut = connection(&[frame(HEADERS, 4, &[0x41, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff])]);
    let padding = connection(&[frame(HEADERS, 8, &[200, 0x83])]);
    for sent in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), b"PRI".to_vec(), long, cut, padding] {
        for piece in 1..=sent.len() {
            assert_eq!(through(&sent, piece).0, sent);
        }
    }
}

const LIMIT: Duration = Duration::from_secs(9);

#[tokio::test(start_paused = true)]
async fn a_preface_that_does_not_end_ends_the_connection() {
    let (mut client, server) = tokio::io::duplex(64);
    client.write_all(&PREFACE[..7]).await.expect("it is open");
    let begun = tokio::time::Instant::now();
    let mut repaired = Repaired::new(server, LIMIT);
    let ended = repaired.read_u8().await.expect_err("nothing else comes");
    assert_eq!((ended.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, LIMIT));
}

#[tokio::test(start_paused = true)]
async fn a_connection_behind_its_preface_may_be_silent() {
    for first in [PREFACE, b"GET"] {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(first).await.expect("it is open");
        let mut repaired = Repaired::new(server, LIMIT);
        let mut read = vec![0; first.len()];
        repaired.read_exact(&mut read).await.expect("it was written");
        let silent = tokio::time::timeout(2 * LIMIT, repaired.read_u8()).await;
        assert!(silent.is_err(), "{silent:?}");
    }
}

#[tokio::test]
async fn what_a_client_speaks_is_told_and_nothing_of_it_is_lost() {
    for (said, version) in
        [(connection(&[]), Version::Http2), (b"POST / HTTP/1.1\r\n".to_vec(), Version::Http1)]
    {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Repaired::new(near, Duration::from_mins(1));
        let sent = said.clone();
        tokio::spawn(async move { far.write_all(&sent).await });
        assert_eq!(near.version().await.expect("it says enough"), version);
        let mut read = Vec::new();
        near.read_to_end(&mut read).await.expect("it ends");
        assert_eq!(read, said);
    }
}
