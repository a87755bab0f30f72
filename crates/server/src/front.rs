//! What answers a connection's requests: the service of keys at once, everything else by its route.
//!
//! Nearly all requests are for keys. A router that looks for their place, and copies what serves
//! that place for each of them, costs as much as the service itself.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use quorate_etcdapi::etcdserverpb::kv_server::KvServer;
use tower::util::MapResponse;
use tower::{Layer, Service};

use crate::api::KvService;
use crate::gathered::{Unanswered, UnansweredRequest};
use crate::metrics::{Counted, GrpcLayer};
use crate::oversize;

/// What the paths of the service of keys begin with.
const KEYS: &str = "/etcdserverpb.KV/";

/// Puts other words into an answer.
type Reword = fn(Response<tonic::body::Body>) -> Response<tonic::body::Body>;

/// The service of keys as it is served: counted, and its refusals in etcd's words.
type Keys = Counted<MapResponse<KvServer<KvService>, Reword>>;

/// Everything that one address serves. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    keys: Option<Keys>,
    routes: Router,
}

impl Front {
    /// These routes.
    pub(crate) fn of(routes: Router) -> Self {
        Self { keys: None, routes }
    }

    /// The service of keys before these routes.
    pub(crate) fn with_keys(
        keys: KvServer<KvService>,
        counted: &GrpcLayer,
        routes: Router,
    ) -> Self {
        let reword: Reword = oversize::name_as_etcd;
        let keys = counted.layer(MapResponse::new(keys, reword));
        Self { keys: Some(keys), routes }
    }
}

impl Front {
    /// What serves one connection.
    pub(crate) fn on_connection(self, unanswered: Unanswered) -> OnConnection {
        OnConnection { front: self, unanswered }
    }

    /// Nothing here has to be waited for before it is called.
    fn call(&self, request: Request<Incoming>) -> Answer {
        match &self.keys {
            Some(keys) if request.uri().path().starts_with(KEYS) => keys.clone().call(request),
            _ => Box::pin(self.routes.clone().call(request)),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The front, as the requests of one connection meet it.
#[derive(Clone)]
pub(crate) struct OnConnection {
    front: Front,
    unanswered: Unanswered,
}

impl hyper::service::Service<Request<Incoming>> for OnConnection {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let unanswered = self.unanswered.begin();
        Answering { answer: self.front.call(request), _unanswered: unanswered }
    }
}

/// An answer to come, counted until it is there.
pub(crate) struct Answering {
    answer: Answer,
    _unanswered: UnansweredRequest,
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(context)
    }
}
