//! The API behind the provider: one resource, which tells the caller what its token says.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::server::Shared;

/// `GET /me`, with the refusals of RFC 6750, section 3.
pub(super) async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let hold = shared.lock().stage.hold_resource;
    tokio::time::sleep(hold).await;
    let Some(token) = bearer_token(&headers) else {
        return refuse("Bearer", "no bearer token in the Authorization header");
    };
    let mut inner = shared.lock();
    inner.stage.resource_requests += 1;
    let Some(bearer) = inner.ledger.bearer(token) else {
        return refuse("Bearer error=\"invalid_token\"", "the access token is unknown, expired or revoked");
    };
    let left = bearer.expires_at.duration_since(SystemTime::now()).unwrap_or_default();
    Json(json!({
        "user": bearer.family.user,
        "client_id": bearer.family.client_id,
        "tenant": bearer.family.tenant,
        "scopes": bearer.family.scopes,
        "expires_at": OffsetDateTime::from(bearer.expires_at).format(&Rfc3339).ok(),
        "expires_in": left.as_secs(),
    }))
    .into_response()
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn refuse(challenge: &'static str, message: &str) -> Response {
    let body = Json(json!({"error": "invalid_token", "error_description": message}));
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], body).into_response()
}
