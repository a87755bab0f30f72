//! Admitting and counting requests where they arrive and leave: a layer around all gRPC services.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use quorate_etcdapi::ApiError;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::histogram::{Histogram, REQUEST_BOUNDS};
use super::methods::{METHODS, Method};
use super::text::Exposition;
use crate::admission::{Admission, Admitted, AdmittedWhole, HeldUntilSent, Meter};
use crate::config::MetricsDetail;

const STATUS: &str = "grpc-status";

/// gRPC's codes by number, as Go names them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// What is counted of all requests.
#[derive(Debug)]
pub(crate) struct GrpcMetrics {
    /// Where a path's counts are.
    places: HashMap<String, usize>,
    methods: Vec<MethodMetrics>,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

#[derive(Debug)]
struct MethodMetrics {
    method: Method,
    started: AtomicU64,
    handled: [AtomicU64; CODES.len()],
    /// Only where details were asked for.
    seconds: Option<Histogram>,
}

impl GrpcMetrics {
    /// Counts of nothing.
    pub(super) fn new(detail: MetricsDetail) -> Self {
        let path = |method: &Method| format!("/{}/{}", method.service, method.name);
        let places = METHODS.iter().map(path).enumerate().map(|(place, path)| (path, place));
        let methods = METHODS.iter().map(|method| MethodMetrics::new(*method, detail));
        Self {
            places: places.collect(),
            methods: methods.collect(),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
        }
    }

    /// All families.
    pub(super) fn write(&self, text: &mut Exposition) {
        let name = "grpc_server_started_total";
        text.family(name, "counter", "Total number of RPCs started on the server.");
        for method in &self.methods {
            text.sample(name, &method.labels(), method.started.load(Relaxed));
        }
        self.write_handled(text);
        self.write_seconds(text);
        text.counter(
            "etcd_network_client_grpc_received_bytes_total",
            "The total number of bytes received from grpc clients.",
            self.received_bytes.load(Relaxed),
        );
        text.counter(
            "etcd_network_client_grpc_sent_bytes_total",
            "The total number of bytes sent to grpc clients.",
            self.sent_bytes.load(Relaxed),
        );
    }

    /// A code that a method never answered with is left out, but for `OK`.
    fn write_handled(&self, text: &mut Exposition) {
        let name = "grpc_server_handled_total";
        let help = "Total number of RPCs completed on the server, regardless of success.";
        text.family(name, "counter", help);
        for method in &self.methods {
            for (code, count) in CODES.iter().zip(&method.handled) {
                let count = count.load(Relaxed);
                if 0 < count || *code == "OK" {
                    let [service, name_of_method, kind] = method.labels();
                    let labels = [("grpc_code", *code), name_of_method, service, kind];
                    text.sample(name, &labels, count);
                }
            }
        }
    }

    fn write_seconds(&self, text: &mut Exposition) {
        let name = "grpc_server_handling_seconds";
        let mut timed = self.methods.iter().filter_map(|method| {
            let seconds = method.seconds.as_ref()?;
            Some((method, seconds))
        });
        let Some(first) = timed.next() else { return };
        let help = "Response latency of RPCs handled by the server, streams until they end.";
        text.family(name, "histogram", help);
        for (method, seconds) in std::iter::once(first).chain(timed) {
            text.distribution(name, &method.labels(), seconds);
        }
    }
}

impl MethodMetrics {
    fn new(method: Method, detail: MetricsDetail) -> Self {
        let seconds = match detail {
            MetricsDetail::Basic => None,
            MetricsDetail::Extensive => Some(Histogram::of_durations(&REQUEST_BOUNDS)),
        };
        Self { method, started: AtomicU64::new(0), handled: Default::default(), seconds }
    }

    fn labels(&self) -> [(&'static str, &'static str); 3] {
        let Method { service, name, kind } = self.method;
        [("grpc_method", name), ("grpc_service", service), ("grpc_type", kind.label())]
    }
}

/// Puts the counting around a service.
#[derive(Clone, Debug)]
pub(crate) struct GrpcLayer {
    metrics: Arc<GrpcMetrics>,
    admission: Admission,
}

impl GrpcLayer {
    /// Lets in what `admission` has room for, and counts into `metrics`.
    pub(crate) fn new(metrics: Arc<GrpcMetrics>, admission: Admission) -> Self {
        Self { metrics, admission }
    }
}

impl GrpcLayer {
    /// Counts a request of which all `bytes` are at hand, and lets it in if there is room. Its path
    /// must be known.
    pub(crate) fn enter(&self, path: &str, bytes: usize) -> Entered {
        let call = Call::begin(self.metrics.clone(), self.metrics.places[path]);
        let admitted = self.admission.admit_whole(bytes);
        if admitted.is_ok() {
            self.metrics.received_bytes.fetch_add(bytes as u64, Relaxed);
        }
        Entered { call, admitted }
    }
}

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    call: Call,
    admitted: Result<AdmittedWhole, ApiError>,
}

impl Entered {
    /// Whether it was let in.
    pub(crate) fn admitted(&self) -> Result<(), ApiError> {
        self.admitted.as_ref().map(|_| ()).map_err(ApiError::clone)
    }

    /// So much of its answer goes out.
    pub(crate) fn on_sent(&self, bytes: usize) {
        self.call.metrics.sent_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// It was answered with this code.
    pub(crate) fn end(mut self, code: Code) {
        self.call.code = code;
    }
}

impl<S> Layer<S> for GrpcLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.metrics.clone(), admission: self.admission.clone() }
    }
}

/// A service whose requests are admitted and counted.
#[derive(Clone, Debug)]
pub(crate) struct Counted<S> {
    inner: S,
    metrics: Arc<GrpcMetrics>,
    admission: Admission,
}

type Answered = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<Received<A>>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Answered {
        let Some(place) = self.metrics.places.get(request.uri().path()).copied() else {
            let answered = self.inner.call(request.map(Received::uncounted));
            return Box::pin(async move { Ok(answered.await?.map(Body::new)) });
        };
        let call = Call::begin(self.metrics.clone(), place);
        let admitted = match self.admission.begin() {
            Ok(admitted) => admitted,
            Err(error) => return Box::pin(ready(Ok(call.refused(error)))),
        };
        let counting = Some((self.metrics.clone(), self.admission.meter(&admitted)));
        let answered = self.inner.call(request.map(|inner| Received { inner, counting }));
        Box::pin(async move {
            let (mut head, inner) = answered.await?.into_parts();
            let mut call = call;
            call.look_for_status(&head.headers);
            let held = head.extensions.remove();
            let body = Sent { inner, call, _admitted: admitted, _held: held };
            Ok(Response::from_parts(head, Body::new(body)))
        })
    }
}

/// A request under way. Dropped without a status, it was canceled.
#[derive(Debug)]
struct Call {
    metrics: Arc<GrpcMetrics>,
    place: usize,
    start: Instant,
    code: Code,
}

impl Call {
    fn begin(metrics: Arc<GrpcMetrics>, place: usize) -> Self {
        metrics.methods[place].started.fetch_add(1, Relaxed);
        Self { metrics, place, start: Instant::now(), code: Code::Cancelled }
    }

    /// The request was not let in.
    fn refused(mut self, error: ApiError) -> Response<Body> {
        let response = Status::from(error).into_http();
        self.look_for_status(response.headers());
        response
    }

    fn look_for_status(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get(STATUS) {
            self.code = Code::from_bytes(status.as_bytes());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let method = &self.metrics.methods[self.place];
        method.handled[self.code as usize].fetch_add(1, Relaxed);
        if let Some(seconds) = &method.seconds {
            seconds.observe_duration(self.start.elapsed());
        }
    }
}

/// The body of a request, counted as it is read.
#[derive(Debug)]
pub(crate) struct Received<A> {
    inner: A,
    /// `None` if it is for no method that is counted.
    counting: Option<(Arc<GrpcMetrics>, Meter)>,
}

impl<A> Received<A> {
    fn uncounted(inner: A) -> Self {
        Self { inner, counting: None }
    }
}

/// The body of an answer, counted as it is sent. Its trailers carry the status.
struct Sent<B> {
    inner: B,
    call: Call,
    _admitted: Admitted,
    _held: Option<HeldUntilSent>,
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

impl<A> HttpBody for Received<A>
where
    A: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<axum::BoxError> {
        let Self { inner, counting } = self.get_mut();
        let polled = Pin::new(inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && let Some((metrics, meter)) = counting
        {
            metrics.received_bytes.fetch_add(data.len() as u64, Relaxed);
            if let Err(error) = meter.on_data(data) {
                return Poll::Ready(Some(Err(Status::from(error).into())));
            }
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Sent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<B::Error> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if let Some(data) = frame.data_ref() {
                self.call.metrics.sent_bytes.fetch_add(data.len() as u64, Relaxed);
            }
            if let Some(trailers) = frame.trailers_ref() {
                self.call.look_for_status(trailers);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
