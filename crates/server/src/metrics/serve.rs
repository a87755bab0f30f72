//! Where metrics are scraped.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::render::render;
use super::text::CONTENT_TYPE;
use crate::client::Client;

/// The route of the metrics.
pub(crate) fn routes() -> Router<Client> {
    Router::new().route("/metrics", get(scrape))
}

async fn scrape(State(client): State<Client>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(&client).await).into_response()
}
