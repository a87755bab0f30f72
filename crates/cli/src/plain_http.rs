//! One request of plain HTTP to a member: what it tells beyond the etcd API.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use quorate_server::HttpUrl;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest answer that is read, in bytes: metrics of a member with all details take a tenth.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What a path answers, if it answers well and soon.
pub(crate) async fn get(url: &HttpUrl, path: &str, limit: Duration) -> Option<String> {
    timeout(limit, ask(url, path)).await.ok()?
}

async fn ask(url: &HttpUrl, path: &str) -> Option<String> {
    let stream = TcpStream::connect(url.authority()).await.ok()?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.ok()?;
    // It ends with the sender, and says nothing that the answer does not.
    let driving = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, url.authority())
        .body(Empty::<Bytes>::new())
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    driving.abort();
    let text = String::from_utf8(body.ok()?.to_bytes().to_vec()).ok()?;
    (status == StatusCode::OK).then_some(text)
}
