//! What a method takes and returns.

use axum::http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, MessageDescriptor};

/// How many messages a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// One.
    Once,
    /// As many as it likes.
    Often,
}

/// How many messages the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// One.
    Once,
    /// As many as there are.
    Often,
}

/// A method of a gRPC service.
#[derive(Clone, Debug)]
pub(super) struct Method {
    /// Where gRPC has it.
    pub(super) path: PathAndQuery,
    /// What it takes.
    pub(super) input: MessageDescriptor,
    /// What it returns.
    pub(super) output: MessageDescriptor,
    /// How often it takes that.
    pub(super) asks: Asks,
    /// How often it returns that.
    pub(super) tells: Tells,
}

impl Method {
    /// The method of this full name, which must exist.
    pub(super) fn find(pool: &DescriptorPool, name: &str) -> Self {
        let (service, method) = name.rsplit_once('.').expect("a full name has a dot");
        let found = pool.get_service_by_name(service);
        let found = found.and_then(|service| service.methods().find(|it| it.name() == method));
        let found = found.expect("every path's method is in the interface");
        let path = format!("/{service}/{method}");
        Self {
            path: path.parse().expect("names make a path"),
            input: found.input(),
            output: found.output(),
            asks: if found.is_client_streaming() { Asks::Often } else { Asks::Once },
            tells: if found.is_server_streaming() { Tells::Often } else { Tells::Once },
        }
    }
}
