//! What answers a connection's requests: the service of keys at once, everything else by its route.
//!
//! Nearly all requests are for keys. A router that looks for their place, and copies what serves
//! that place for each of them, costs as much as the service itself.

use std::convert::Infallible;
use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use quorate_etcdapi::etcdserverpb::kv_server::KvServer;
use tower::util::MapResponse;
use tower::{Layer, Service};

use crate::api::KvService;
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

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// Nothing here has to be waited for before it is called.
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match &self.keys {
            Some(keys) if request.uri().path().starts_with(KEYS) => keys.clone().call(request),
            _ => Box::pin(self.routes.clone().call(request)),
        }
    }
}
