//! What the cluster stores about a member, and how its id follows from its URLs.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_consensus::NodeId;

use crate::url::HttpUrl;

/// What is stored about a member beside its id, in the configuration that the log carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberDetails {
    /// Its name.
    pub(crate) name: String,
    /// Where peers reach it.
    pub(crate) peer_urls: Vec<HttpUrl>,
}

/// What a member tells of itself once it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemberAttributes {
    /// Its name.
    pub(crate) name: String,
    /// Where its clients go.
    pub(crate) client_urls: Vec<HttpUrl>,
}

/// The details do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadDetails;

/// Version of the layout: `u8 version, string name, u32 count, strings`; strings are
/// `u32 length, bytes`, numbers little-endian.
const VERSION: u8 = 1;

impl MemberDetails {
    /// The stored form.
    pub(crate) fn encode(&self) -> Bytes {
        encode(&self.name, &self.peer_urls)
    }

    /// Reads the stored form.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, BadDetails> {
        let (name, peer_urls) = decode(bytes)?;
        Ok(Self { name, peer_urls })
    }
}

impl MemberAttributes {
    /// The stored form.
    pub(crate) fn encode(&self) -> Bytes {
        encode(&self.name, &self.client_urls)
    }

    /// Reads the stored form.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, BadDetails> {
        let (name, client_urls) = decode(bytes)?;
        Ok(Self { name, client_urls })
    }
}

fn encode(name: &str, urls: &[HttpUrl]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    put_string(name, &mut out);
    out.put_u32_le(urls.len() as u32);
    for url in urls {
        put_string(&url.to_string(), &mut out);
    }
    out.freeze()
}

fn decode(mut bytes: Bytes) -> Result<(String, Vec<HttpUrl>), BadDetails> {
    if bytes.try_get_u8().map_err(|_| BadDetails)? != VERSION {
        return Err(BadDetails);
    }
    let name = read_string(&mut bytes)?;
    let count = bytes.try_get_u32_le().map_err(|_| BadDetails)?;
    let mut urls = Vec::new();
    for _ in 0..count {
        urls.push(read_string(&mut bytes)?.parse().map_err(|_| BadDetails)?);
    }
    Ok((name, urls))
}

fn put_string(text: &str, out: &mut BytesMut) {
    out.put_u32_le(text.len() as u32);
    out.put_slice(text.as_bytes());
}

fn read_string(bytes: &mut Bytes) -> Result<String, BadDetails> {
    let length = bytes.try_get_u32_le().map_err(|_| BadDetails)? as usize;
    if bytes.len() < length {
        return Err(BadDetails);
    }
    String::from_utf8(bytes.split_to(length).to_vec()).map_err(|_| BadDetails)
}

/// The id of a member that starts with these peer URLs under this token. Never zero, and below
/// 2^63, so that it survives clients that take ids for signed numbers.
pub(crate) fn member_id(peer_urls: &[HttpUrl], token: &str) -> NodeId {
    let mut urls: Vec<String> = peer_urls.iter().map(ToString::to_string).collect();
    urls.sort_unstable();
    let mut bytes = BytesMut::new();
    put_string(token, &mut bytes);
    for url in urls {
        put_string(&url, &mut bytes);
    }
    NodeId((xxhash_rust::xxh3::xxh3_64(&bytes) >> 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_survive_a_round_trip_and_refuse_every_truncation() {
        let details = MemberDetails {
            name: "n1".to_owned(),
            peer_urls: vec![HttpUrl::new("127.0.0.1", 2380), HttpUrl::new("::1", 2381)],
        };
        let bytes = details.encode();
        assert_eq!(MemberDetails::decode(bytes.clone()), Ok(details));
        for length in 0..bytes.len() {
            assert_eq!(MemberDetails::decode(bytes.slice(..length)), Err(BadDetails));
        }
    }

    #[test]
    fn the_id_depends_on_urls_and_token_but_not_on_their_order() {
        let (a, b) = (HttpUrl::new("a", 1), HttpUrl::new("b", 1));
        let id = member_id(&[a.clone(), b.clone()], "t");
        assert_eq!(id, member_id(&[b, a.clone()], "t"));
        assert_ne!(id, member_id(std::slice::from_ref(&a), "t"));
        assert_ne!(member_id(std::slice::from_ref(&a), "t"), member_id(&[a], "u"));
    }
}
