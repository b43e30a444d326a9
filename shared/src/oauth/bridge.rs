//! Between the `oauth2` crate and [`Outbound`].
//!
//! `oauth2` would make a parse error, with the answer's bytes in it, of everything that is not exactly an RFC 6749
//! answer. So the answer is judged here, and what goes on to `oauth2` is an answer that it can only accept.

use std::{collections::BTreeMap, pin::Pin, sync::OnceLock};

use http::{StatusCode, header};
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    answer::{accepted, unreadable},
    credentials::Credentials,
    dialect::{facts, spoken, understood},
    identity,
    outbound::{Outbound, Purpose},
    token_answer::TokenAnswer,
};
use crate::model::{Timestamp, dialect::Dialect, failure::Failure, identity::Identity};

/// Carries one token request.
pub(super) struct Bridge<'a> {
    pub(super) outbound: &'a Outbound,
    /// The secrets that the request holds.
    pub(super) sent: Vec<&'a str>,
    pub(super) now: Timestamp,
    pub(super) credentials: Credentials<'a>,
    pub(super) dialect: &'a Dialect,
    /// What the answer said beside the tokens.
    pub(super) beside: OnceLock<Beside>,
}

/// What a token answer says that `oauth2` has no place for.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) facts: BTreeMap<String, String>,
    pub(super) identity: Option<Identity>,
}

impl<'c> AsyncHttpClient<'c> for Bridge<'_> {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Failure>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}

impl Bridge<'_> {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let basic = basic_credentials(&request);
        let host = request.uri().host().unwrap_or_default().to_owned();
        let sent: Vec<&str> = self.sent.iter().copied().chain(basic.as_deref()).collect();

        let request = spoken(asserted(request, self.credentials), self.dialect);
        let answer = self.outbound.send(request, Purpose::TokenExchange).await?;
        let body = accepted(&answer, &host, &sent, self.now, self.dialect)?;
        let body = body.ok_or_else(|| unreadable(&answer))?;
        // One request, one answer: nobody has set it before.
        let (facts, identity) = (facts(&body, self.dialect), identity::of_answer(&body, self.dialect));
        let _ = self.beside.set(Beside { facts, identity });
        let body = understood(&body, self.dialect);
        TokenAnswer::read(&body).map_err(|reason| Failure::new("malformed-answer", reason))?;

        let mut accepted = HttpResponse::new(Value::Object(body).to_string().into_bytes());
        // RFC 6749 5.1 has 200 alone, and so has `oauth2`; some providers answer 201.
        *accepted.status_mut() = StatusCode::OK;
        Ok(accepted)
    }
}

/// The request with the client's assertion in its body, which is still a form.
fn asserted(request: HttpRequest, credentials: Credentials<'_>) -> HttpRequest {
    let assertion = credentials.assertion();
    if assertion.is_empty() {
        return request;
    }
    let form = form_urlencoded::parse(request.body());
    let form =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(form).extend_pairs(assertion).finish();
    request.map(|_| form.into_bytes())
}

/// What follows `Basic `: the client's secret in yet another spelling.
fn basic_credentials(request: &HttpRequest) -> Option<String> {
    let authorization = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    authorization.strip_prefix("Basic ").map(str::to_owned)
}
