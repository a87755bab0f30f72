//! A client of plain HTTP/1.1.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection, made again when it has been closed.
pub(crate) struct Http {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Http {
    /// A client of this address.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Sends a request, and gives the answer as it comes. A server may close a connection between
    /// two requests, so one that finds a kept connection closed is sent again over a new one, as
    /// clients do (RFC 9112, section 9.3.1).
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> hyper::Result<Response<Incoming>> {
        let host = self.address.to_string();
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.body(Full::new(body.into())).expect("it is a request");
        if let Some(kept) = self.kept().await {
            match kept.send_request(request.clone()).await {
                Err(error) if error.is_incomplete_message() || error.is_canceled() => {}
                answered => return answered,
            }
        }
        let sender = connect(self.address).await?;
        self.sender.insert(sender).send_request(request).await
    }

    /// Leaves whatever is under way.
    pub(crate) fn close(&mut self) {
        self.sender = None;
    }

    /// The connection of the last request, if it is open.
    async fn kept(&mut self) -> Option<&mut SendRequest<Full<Bytes>>> {
        let mut sender = self.sender.take()?;
        sender.ready().await.ok()?;
        Some(self.sender.insert(sender))
    }
}

async fn connect(address: SocketAddr) -> hyper::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.expect("the port is served");
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with the last request, or badly: whoever sends one is told.
    tokio::spawn(connection);
    Ok(sender)
}

/// The next line of an answer that goes on, or what is left of it.
pub(crate) async fn line(response: &mut Response<Incoming>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let Some(Ok(frame)) = response.frame().await else { break };
        line.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    (!line.is_empty()).then_some(line)
}
