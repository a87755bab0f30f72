//! A client of plain HTTP/1.1.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection, made again when it is closed.
pub(crate) struct Http {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Http {
    /// A client of this address.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Sends a request, and gives the answer as it comes.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> hyper::Result<Response<Incoming>> {
        let host = self.address.to_string();
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.body(Full::new(body.into())).expect("it is a request");
        self.open().await?.send_request(request).await
    }

    /// Leaves whatever is under way.
    pub(crate) fn close(&mut self) {
        self.sender = None;
    }

    async fn open(&mut self) -> hyper::Result<&mut SendRequest<Full<Bytes>>> {
        let kept = match self.sender.take() {
            Some(mut sender) => sender.ready().await.ok().map(|()| sender),
            None => None,
        };
        let sender = match kept {
            Some(sender) => sender,
            None => connect(self.address).await?,
        };
        Ok(self.sender.insert(sender))
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
