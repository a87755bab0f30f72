//! A server of etcd's Put and Range that keeps nothing: what is left is what gRPC costs, through
//! tonic or on `h2` directly. It is the ceiling that `cargo xtask versus-etcd` measures beside
//! servers that do something.
//!
//! ```text
//! echo --library tonic|h2 [--value-size BYTES]
//! ```
//!
//! It prints its address and serves until it is killed.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use anyhow::Context;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use clap::{Parser, ValueEnum};
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request as HttpRequest, Response as HttpResponse};
use prost::Message;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::etcdserverpb::kv_server::{Kv, KvServer};
use quorate_etcdapi::mvccpb::KeyValue;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Empty, Stream, StreamExt};
use tonic::{Request, Response, Status};

/// The same as the server that it is compared with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Flags {
    /// What speaks gRPC.
    #[arg(long, value_enum)]
    library: Library,
    /// The length of the value that every Range finds, in bytes.
    #[arg(long, default_value_t = 256)]
    value_size: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Library {
    Tonic,
    H2,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut output = io::stdout();
    writeln!(output, "{}", listener.local_addr()?)?;
    output.flush()?;
    let echo = Echo { value: vec![b'v'; flags.value_size].into() };
    match flags.library {
        Library::Tonic => {
            let server = tonic::transport::Server::builder().add_service(KvServer::new(echo));
            server.serve_with_incoming(incoming(listener)).await.context("the server stopped")
        }
        Library::H2 => loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream, echo.clone()));
        },
    }
}

/// Connections that send small answers at once.
fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    TcpListenerStream::new(listener).map(|stream| {
        let stream = stream?;
        stream.set_nodelay(true)?;
        Ok(stream)
    })
}

/// The answers.
#[derive(Clone)]
struct Echo {
    value: Bytes,
}

impl Echo {
    fn header() -> pb::ResponseHeader {
        pb::ResponseHeader { cluster_id: 1, member_id: 1, revision: 1, raft_term: 1 }
    }

    fn on_put() -> pb::PutResponse {
        pb::PutResponse { header: Some(Self::header()), ..pb::PutResponse::default() }
    }

    fn on_range(&self, request: pb::RangeRequest) -> pb::RangeResponse {
        let pair = KeyValue {
            key: request.key,
            value: self.value.clone(),
            create_revision: 1,
            mod_revision: 1,
            version: 1,
            lease: 0,
        };
        pb::RangeResponse { header: Some(Self::header()), kvs: vec![pair], more: false, count: 1 }
    }
}

fn absent<T>() -> Result<T, Status> {
    Err(Status::unimplemented("only Put and Range are"))
}

#[tonic::async_trait]
impl Kv for Echo {
    type RangeStreamStream = Empty<Result<pb::RangeStreamResponse, Status>>;

    async fn range(
        &self,
        request: Request<pb::RangeRequest>,
    ) -> Result<Response<pb::RangeResponse>, Status> {
        Ok(Response::new(self.on_range(request.into_inner())))
    }

    async fn put(
        &self,
        _request: Request<pb::PutRequest>,
    ) -> Result<Response<pb::PutResponse>, Status> {
        Ok(Response::new(Self::on_put()))
    }

    async fn range_stream(
        &self,
        _request: Request<pb::RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        absent()
    }

    async fn delete_range(
        &self,
        _request: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<pb::DeleteRangeResponse>, Status> {
        absent()
    }

    async fn txn(
        &self,
        _request: Request<pb::TxnRequest>,
    ) -> Result<Response<pb::TxnResponse>, Status> {
        absent()
    }

    async fn compact(
        &self,
        _request: Request<pb::CompactionRequest>,
    ) -> Result<Response<pb::CompactionResponse>, Status> {
        absent()
    }
}

/// A connection without a gRPC library.
async fn serve(stream: TcpStream, echo: Echo) -> Result<(), h2::Error> {
    let mut connection = server::handshake(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        tokio::spawn(answer(request, respond, echo.clone()));
    }
    Ok(())
}

async fn answer(
    request: HttpRequest<RecvStream>,
    mut respond: SendResponse<Bytes>,
    echo: Echo,
) -> Result<(), h2::Error> {
    const PREFIX: usize = 5;
    let (head, mut body) = request.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    let frame = if bytes.len() < PREFIX {
        None
    } else {
        bytes.advance(PREFIX);
        answer_to(head.uri.path(), bytes.freeze(), &echo)
    };
    let Some(frame) = frame else {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        return Ok(());
    };
    let mut response = HttpResponse::new(());
    let plain = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    let mut sending = respond.send_response(response, false)?;
    sending.send_data(frame, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    sending.send_trailers(trailers)
}

fn answer_to(path: &str, message: Bytes, echo: &Echo) -> Option<Bytes> {
    match path {
        "/etcdserverpb.KV/Put" => {
            pb::PutRequest::decode(message).ok()?;
            Some(framed(&Echo::on_put()))
        }
        "/etcdserverpb.KV/Range" => {
            Some(framed(&echo.on_range(pb::RangeRequest::decode(message).ok()?)))
        }
        _ => None,
    }
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(length + 5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("answers are small"));
    message.encode(&mut bytes).expect("there is room for it");
    bytes.freeze()
}
