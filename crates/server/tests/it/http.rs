//! A client of plain HTTP/1.1.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A connection.
pub(crate) struct Http {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Http {
    /// Connects to a URL's host and port.
    pub(crate) async fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).await.expect("the server listens");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
        tokio::spawn(connection);
        Self { sender, host }
    }

    /// Sends a request with these headers, and gives the answer as it comes.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", &self.host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("it is a request");
        self.sender.ready().await.expect("the connection is open");
        self.sender.send_request(request).await.expect("the server answers")
    }

    /// Posts JSON, and gives the status and the JSON that comes back.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> (u16, Value) {
        let response = self.send(Method::POST, path, &[], body).await;
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/json");
        let text = text(response).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }
}

/// All of an answer's body.
pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.expect("the body is whole");
    String::from_utf8(body.to_bytes().to_vec()).expect("it is text")
}

/// The next line of an answer that goes on.
pub(crate) async fn line(response: &mut Response<Incoming>) -> Value {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let frame = response.frame().await.expect("it goes on").expect("it is sound");
        line.extend_from_slice(&frame.into_data().expect("it is data"));
    }
    serde_json::from_slice(&line).expect("it is one line of JSON")
}
