//! One connection to a member, over HTTP/2 without a gRPC library: such a library's client costs
//! more processor time than the server that is measured.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Request, StatusCode, Uri};
use quorate_server::HttpUrl;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::framing::Deframer;
use super::trouble::Trouble;

/// What the server may send of one answer before the client has read any of it, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;

/// The same of all answers of a connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `KV.Range`.
    Range,
    /// `KV.Put`.
    Put,
    /// `KV.Txn`.
    Txn,
    /// `Maintenance.Status`.
    Status,
}

impl Method {
    const ALL: [Self; 4] = [Self::Range, Self::Put, Self::Txn, Self::Status];

    fn path(self) -> &'static str {
        match self {
            Self::Range => "/etcdserverpb.KV/Range",
            Self::Put => "/etcdserverpb.KV/Put",
            Self::Txn => "/etcdserverpb.KV/Txn",
            Self::Status => "/etcdserverpb.Maintenance/Status",
        }
    }
}

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For an answer, the connection included.
    pub(super) answer: Duration,
    /// For a connection.
    pub(super) dial: Duration,
}

/// A connection that is made when it is needed, and again, with the next member, when it broke.
#[derive(Debug)]
pub(super) struct Connection {
    members: Rc<[HttpUrl]>,
    /// Which member is dialled next.
    next: Cell<usize>,
    patience: Patience,
    line: RefCell<Option<Line>>,
    /// Held by the one who dials.
    dialling: Mutex<()>,
}

impl Connection {
    /// A connection that begins with one of the members.
    pub(super) fn new(members: Rc<[HttpUrl]>, first: usize, patience: Patience) -> Self {
        assert!(!members.is_empty(), "there is a member to ask");
        let dialling = Mutex::new(());
        Self { members, next: Cell::new(first), patience, line: RefCell::default(), dialling }
    }

    /// Makes it, if it can be made now.
    pub(super) async fn open(&self) -> Result<(), Trouble> {
        self.line().await.map(drop)
    }

    /// Sends a framed message, and gives the message that answers it.
    pub(super) async fn call(&self, method: Method, frame: Bytes) -> Result<Bytes, Trouble> {
        let answer = timeout(self.patience.answer, self.exchange(method, frame));
        answer.await.unwrap_or(Err(Trouble::TimedOut))
    }

    async fn exchange(&self, method: Method, frame: Bytes) -> Result<Bytes, Trouble> {
        let line = self.line().await?;
        let number = line.number;
        let answer = line.exchange(method, frame).await;
        if answer.as_ref().is_err_and(Trouble::ends_connection) {
            self.hang_up(number);
        }
        answer
    }

    async fn line(&self) -> Result<Line, Trouble> {
        if let Some(line) = self.line.borrow().as_ref() {
            return Ok(line.clone());
        }
        let _dialling = self.dialling.lock().await;
        if let Some(line) = self.line.borrow().as_ref() {
            return Ok(line.clone());
        }
        let number = self.next.get();
        self.next.set(number + 1);
        let line = self.dial(number).await?;
        *self.line.borrow_mut() = Some(line.clone());
        Ok(line)
    }

    async fn dial(&self, number: usize) -> Result<Line, Trouble> {
        let member = &self.members[number % self.members.len()];
        let dialled = timeout(self.patience.dial, Line::dial(member, number)).await;
        dialled.unwrap_or(Err(Trouble::Unreachable))
    }

    /// Forgets a line, unless another one has taken its place.
    fn hang_up(&self, number: usize) {
        self.line.borrow_mut().take_if(|line| line.number == number);
    }
}

/// An established connection.
#[derive(Clone, Debug)]
struct Line {
    number: usize,
    /// Where each method is asked for, in the order of [`Method::ALL`].
    uris: Rc<[Uri; 4]>,
    sender: SendRequest<Bytes>,
}

impl Line {
    async fn dial(member: &HttpUrl, number: usize) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(member.authority()).await;
        let stream = stream.map_err(|_| Trouble::Unreachable)?;
        stream.set_nodelay(true).map_err(|_| Trouble::Unreachable)?;
        let mut settings = client::Builder::new();
        settings.initial_window_size(STREAM_WINDOW);
        settings.initial_connection_window_size(CONNECTION_WINDOW);
        let shaken = settings.handshake(stream).await;
        let (sender, connection) = shaken.map_err(|_| Trouble::Unreachable)?;
        spawn_local(async move {
            // Whoever waits for an answer is told the same.
            let _ = connection.await;
        });
        let uris = Method::ALL.map(|method| uri(&member.authority(), method));
        Ok(Self { number, uris: Rc::new(uris), sender })
    }

    async fn exchange(self, method: Method, frame: Bytes) -> Result<Bytes, Trouble> {
        let mut sender = self.sender.ready().await?;
        let request = request(self.uris[method as usize].clone());
        let (answer, mut sending) = sender.send_request(request, false)?;
        sending.send_data(frame, true)?;
        let (head, mut body) = answer.await?.into_parts();
        if let Some(trouble) = Trouble::of_status(&head.headers) {
            return Err(trouble);
        }
        if head.status != StatusCode::OK {
            return Err(Trouble::Malformed);
        }
        let mut deframer = Deframer::default();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            deframer.push(&piece);
        }
        let trailers = body.trailers().await?.ok_or(Trouble::Malformed)?;
        if !trailers.contains_key("grpc-status") {
            return Err(Trouble::Malformed);
        }
        if let Some(trouble) = Trouble::of_status(&trailers) {
            return Err(trouble);
        }
        let message = deframer.message().map_err(|_| Trouble::Malformed)?;
        message.filter(|_| deframer.is_empty()).ok_or(Trouble::Malformed)
    }
}

fn uri(member: &str, method: Method) -> Uri {
    let uri = Uri::builder().scheme("http").authority(member).path_and_query(method.path());
    uri.build().expect("hosts and paths are plain")
}

fn request(uri: Uri) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    request
}
