//! The Runtime API that function processes poll, version 2018-06-01, as far as functions need it.
//! See <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
//!
//! Every instance has a path of its own, `/<function>/<instance>/2018-06-01/...`, so one server does for all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Response, StatusCode, header};
use axum::routing::{get, post};
use bytes::Bytes;
use uuid::Uuid;

use super::pool::Pool;
use super::{Failure, Outcome};

/// What Lambda takes as an answer at most.
const LARGEST_ANSWER: usize = 6 * 1024 * 1024;

/// By the functions' logical ids.
pub(crate) type Pools = Arc<HashMap<String, Arc<Pool>>>;

pub(crate) fn router(pools: Pools) -> Router {
    let instance = Router::new()
        .route("/runtime/invocation/next", get(next))
        .route("/runtime/invocation/{request}/response", post(response))
        .route("/runtime/invocation/{request}/error", post(error))
        .route("/runtime/init/error", post(init_error))
        // Ours to refuse, with a word that the function can log.
        .layer(DefaultBodyLimit::disable());
    Router::new().nest("/{function}/{instance}/2018-06-01", instance).with_state(pools)
}

async fn next(
    State(pools): State<Pools>,
    Path((function, instance)): Path<(String, Uuid)>,
) -> Response<Body> {
    let Some(pool) = pools.get(&function) else {
        return refused(StatusCode::NOT_FOUND, "UnknownFunction");
    };
    let assignment = match pool.next(instance) {
        Some(assigned) => assigned.await,
        None => return refused(StatusCode::FORBIDDEN, "UnknownInstance"),
    };
    // The stack is going down, and so is whoever asked.
    let Ok(assignment) = assignment else {
        return refused(StatusCode::GONE, "Stopping");
    };
    let deadline = SystemTime::now() + assignment.timeout;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header("lambda-runtime-aws-request-id", assignment.request.to_string())
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", &pool.function.arn)
        .header("lambda-runtime-trace-id", crate::trace_id())
        .body(Body::from(assignment.event))
        .unwrap_or_default()
}

async fn response(
    State(pools): State<Pools>,
    Path((function, instance, request)): Path<(String, Uuid, Uuid)>,
    body: Bytes,
) -> Response<Body> {
    let too_large = body.len() > LARGEST_ANSWER;
    let outcome = if too_large {
        let error = r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#;
        Outcome::Failed(Failure::Function(error.to_owned()))
    } else {
        Outcome::Answer(body)
    };
    match finish(&pools, &function, instance, request, outcome) {
        true if too_large => refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
        true => accepted(),
        false => refused(StatusCode::BAD_REQUEST, "InvalidRequestID"),
    }
}

async fn error(
    State(pools): State<Pools>,
    Path((function, instance, request)): Path<(String, Uuid, Uuid)>,
    body: Bytes,
) -> Response<Body> {
    let outcome = Outcome::Failed(Failure::Function(String::from_utf8_lossy(&body).into_owned()));
    match finish(&pools, &function, instance, request, outcome) {
        true => accepted(),
        false => refused(StatusCode::BAD_REQUEST, "InvalidRequestID"),
    }
}

async fn init_error(
    State(pools): State<Pools>,
    Path((function, instance)): Path<(String, Uuid)>,
    body: Bytes,
) -> Response<Body> {
    if let Some(pool) = pools.get(&function) {
        pool.failed_to_start(instance, String::from_utf8_lossy(&body).into_owned());
    }
    accepted()
}

fn finish(pools: &Pools, function: &str, instance: Uuid, request: Uuid, outcome: Outcome) -> bool {
    pools.get(function).is_some_and(|pool| pool.finish(instance, request, outcome))
}

fn accepted() -> Response<Body> {
    json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#.to_owned())
}

fn refused(status: StatusCode, kind: &str) -> Response<Body> {
    json(status, format!(r#"{{"errorType":"{kind}","errorMessage":"{kind}"}}"#))
}

fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
