//! API Gateway's HTTP API on one address: routes, authorizer, events in, answers out.
//!
//! What the gateway says by itself (400, 401, 403, 404, 413, 431, 500, 503) has AWS's words and shape. What functions say
//! passes through.

mod answer;
mod authorizer;
mod event;
mod route;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use serde_json::Value;

use crate::console::Console;
use crate::runtime::Outcome;
use crate::runtime::api::Pools;
use crate::template::Template;

use answer::{plain, translate};
use authorizer::{Authorizers, Decision, Undecided};
use event::Incoming;
use route::{Match, Routes};

/// What an HTTP API takes as a body at most
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// The same for the request line and the values of all headers together.
const LARGEST_HEAD: usize = 10_240;
/// What Lambda takes as an event at most (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const LARGEST_EVENT: usize = 6 * 1024 * 1024;

pub(crate) struct Gateway {
    routes: Routes,
    authorizers: Authorizers,
    pools: Pools,
    api_id: String,
    console: Console,
}

impl Gateway {
    pub(crate) fn new(template: &Template, pools: Pools, console: Console) -> Self {
        Self {
            routes: Routes::of(&template.routes),
            authorizers: Authorizers::default(),
            pools,
            api_id: template.api_id.clone(),
            console,
        }
    }

    pub(crate) fn router(self) -> Router {
        Router::new().fallback(serve).with_state(Arc::new(self))
    }

    async fn answer(&self, request: Request, peer: SocketAddr, id: &str) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Some(refusal) = refusal_of(&parts) {
            return refusal;
        }
        let Some(found) = self.routes.find(&parts.method, parts.uri.path()) else {
            return plain(StatusCode::NOT_FOUND, "Not Found");
        };
        let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let incoming = Incoming { parts: &parts, body: &body, peer, id, api_id: &self.api_id, found: &found };
        let caller = match self.decide(&incoming).await {
            Ok(caller) => caller,
            Err(refusal) => return refusal,
        };
        let event = event::request(&incoming, caller.as_ref()).to_string();
        if event.len() > LARGEST_EVENT {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        let patience = found.route.patience;
        match tokio::time::timeout(patience, self.invoke(&found.route.function, event)).await {
            Ok(Outcome::Answer(answer)) => self.translated(&found, &answer),
            Ok(Outcome::Failed(_)) => plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Err(_) => {
                self.report(&found, patience);
                plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
        }
    }

    /// Who calls, as the route's authorizer sees it; nobody on an open route.
    async fn decide(&self, incoming: &Incoming<'_>) -> Result<Option<Value>, Response<Body>> {
        let Some(authorizer) = &incoming.found.route.authorizer else {
            return Ok(None);
        };
        let Some(identity) = authorizer::identity(authorizer, &incoming.parts.headers) else {
            return Err(plain(StatusCode::UNAUTHORIZED, "Unauthorized"));
        };
        let event = event::authorization(incoming, &identity);
        let ask = self.invoke(&authorizer.function, event.to_string());
        match self.authorizers.decide(authorizer, identity, ask).await {
            Ok(Decision::Allowed(context)) => Ok(Some(context)),
            Ok(Decision::Denied) => Err(plain(StatusCode::FORBIDDEN, "Forbidden")),
            Err(undecided) => {
                if let Undecided::Unusable(problem) = undecided {
                    let package = self.package(&authorizer.function);
                    self.console.say(format_args!("{package}: as authorizer, {problem}"));
                }
                Err(plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
            }
        }
    }

    async fn invoke(&self, function: &str, event: String) -> Outcome {
        match self.pools.get(function) {
            Some(pool) => pool.invoke(Bytes::from(event)).await,
            None => {
                Outcome::Failed(crate::runtime::Failure::DidNotStart("there is no such function".to_owned()))
            }
        }
    }

    fn translated(&self, found: &Match<'_>, answer: &[u8]) -> Response<Body> {
        translate(answer).unwrap_or_else(|problem| {
            self.console.say(format_args!(
                "{}: its answer is not one for HTTP: {problem}",
                self.package(&found.route.function)
            ));
            plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        })
    }

    /// The name under which people know a function.
    fn package<'a>(&'a self, function: &'a str) -> &'a str {
        self.pools.get(function).map_or(function, |pool| &pool.function.package)
    }

    fn report(&self, found: &Match<'_>, patience: Duration) {
        let (key, seconds) = (found.key(), patience.as_secs());
        self.console.say(format_args!(
            "{key}: no answer within {seconds} s, the caller got 503; the function goes on"
        ));
    }
}

/// What never gets as far as a route.
fn refusal_of(parts: &Parts) -> Option<Response<Body>> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    // RFC 9112 section 3.2: one host, and a valid one.
    if host.is_none() || hosts.next().is_some() {
        return Some(plain(StatusCode::BAD_REQUEST, "Bad Request"));
    }
    let line = parts.method.as_str().len() + parts.uri.to_string().len();
    let head = line + parts.headers.values().map(HeaderValue::len).sum::<usize>();
    let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    (head > LARGEST_HEAD).then(|| plain(too_large, "Request Header Fields Too Large"))
}

async fn serve(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let id = event::request_id();
    let mut response = gateway.answer(request, peer, &id).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}
