//! The token endpoint (RFC 6749, sections 4.1.3, 4.4 and 6) and the revocation endpoint (RFC 7009).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use serde_json::{Map, Value, json};

use super::assertion::Place;
use super::client::{Refusal, authenticate};
use super::control::{Fault, TokenRequest};
use super::device;
use super::identity::id_token;
use super::ledger::{Asker, Family, Issued, Terms};
use super::params::Params;
use super::server::{HangUp, Inner, Shared};
use crate::checkpoint::Moment;

pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    tenant: Option<Path<String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let tenant = tenant.map(|Path(tenant)| tenant);
    let (hold, checkpoint) = {
        let stage = &shared.lock().stage;
        let params = form(&headers, &body).ok();
        let grant_type = params.as_ref().and_then(|params| params.optional("grant_type"));
        (stage.hold, grant_type.and_then(|grant_type| stage.checkpoints.get(grant_type)).cloned())
    };
    tokio::time::sleep(hold).await;
    if let Some(checkpoint) = &checkpoint {
        checkpoint.pass(Moment::Arrived).await;
    }
    let path = tenant.as_ref().map_or_else(|| "/token".to_owned(), |tenant| format!("/{tenant}/token"));
    let place = Place { issuer: &shared.issuer, path: &path };
    let (response, delay) = serve_token(&mut shared.lock(), place, tenant, &headers, &body);
    if let Some(checkpoint) = &checkpoint {
        checkpoint.pass(Moment::Done).await;
    }
    tokio::time::sleep(delay).await;
    response
}

fn serve_token(
    inner: &mut Inner,
    place: Place<'_>,
    tenant: Option<String>,
    headers: &HeaderMap,
    body: &[u8],
) -> (Response, Duration) {
    let params = form(headers, body);
    let pairs = params.as_ref().map(|params| params.clone().into_pairs()).unwrap_or_default();
    let mut seen = TokenRequest::new(pairs, tenant.clone());
    let fault = inner.stage.faults.pop_front();
    let response = match fault {
        Some(Fault::Answer { status, headers, body }) => {
            seen.refused = Some(format!("a fault, {status}"));
            canned(status, &headers, body)
        }
        Some(Fault::Drop) => {
            seen.refused = Some("a fault, no answer".to_owned());
            HangUp.into_response()
        }
        fault => {
            let outcome = params
                .and_then(|params| exchange(inner, place, tenant.as_deref(), headers, &params, &mut seen));
            seen.refused =
                outcome.as_ref().err().map(|refusal| format!("{}: {}", refusal.error, refusal.description));
            inner.save();
            let answer = outcome.map_or_else(IntoResponse::into_response, |answer| success(&answer));
            match fault {
                Some(Fault::DropAnswer) => HangUp.into_response(),
                Some(Fault::CutAnswer) => answer.map(|body| Body::new(Half::of(body))),
                Some(Fault::CloseAfterAnswer) => ([(header::CONNECTION, "close")], answer).into_response(),
                Some(Fault::Replace { status, headers, body }) => canned(status, &headers, body),
                _ => answer,
            }
        }
    };
    inner.stage.requests.push(seen);
    (response, inner.stage.delay)
}

/// Does what the grant type says, and makes the members of the answer.
fn exchange(
    inner: &mut Inner,
    place: Place<'_>,
    tenant: Option<&str>,
    headers: &HeaderMap,
    params: &Params,
    seen: &mut TokenRequest,
) -> Result<Map<String, Value>, Refusal> {
    let (client, method) = authenticate(&inner.options, &mut inner.accepted, place, headers, params)?;
    seen.auth = Some(method);
    let asker = Asker { client_id: &client.id, tenant };
    let terms = Terms {
        access_token_lifetime: inner.options.access_token_lifetime,
        refresh_tokens: inner.options.refresh_tokens,
        at_any_tenant: inner.options.redeems_at_any_tenant,
    };
    let ledger = &mut inner.ledger;
    let issued = match params.required("grant_type")? {
        "authorization_code" => ledger.redeem_code(
            params.required("code")?,
            &asker,
            params.optional("redirect_uri"),
            params.optional("code_verifier"),
            terms,
        )?,
        "refresh_token" => {
            ledger.redeem_refresh_token(params.required("refresh_token")?, &asker, params.scopes(), terms)?
        }
        device::GRANT_TYPE => {
            let family = inner.devices.redeem(params.required("device_code")?, &client.id)?;
            ledger.sign_in(family, terms)
        }
        "client_credentials" => {
            let let_in = || tenant.is_some_and(|tenant| inner.stage.consents.contains(tenant));
            if inner.options.admin_consent_required && !let_in() {
                return Err(Refusal::unauthorized_client(
                    "no administrator of the tenant has let the client in",
                ));
            }
            let family = Family {
                client_id: client.id.clone(),
                user: None,
                tenant: tenant.map(str::to_owned),
                scopes: params.scopes(),
                revoked: false,
            };
            ledger.mint_for_client(family, terms)
        }
        other => {
            return Err(Refusal::unsupported_grant_type(format!("{other} is not supported")));
        }
    };
    let id_token = issued.identified.as_ref().map(|family| id_token(place.issuer, &client.secret, family));
    let mut answer = members(issued, terms.access_token_lifetime);
    if let Some(id_token) = id_token {
        ledger.note_handed_out(&id_token);
        answer.insert("id_token".to_owned(), json!(id_token));
    }
    if let Some(edit) = &inner.stage.edit_answer {
        edit(&mut answer);
    }
    Ok(answer)
}

fn members(issued: Issued, lifetime: Duration) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("access_token".to_owned(), json!(issued.access_token));
    answer.insert("token_type".to_owned(), json!("Bearer"));
    answer.insert("expires_in".to_owned(), json!(lifetime.as_secs()));
    if let Some(refresh_token) = issued.refresh_token {
        answer.insert("refresh_token".to_owned(), json!(refresh_token));
    }
    answer.insert("scope".to_owned(), json!(issued.scopes.join(" ")));
    answer
}

fn success(answer: &Map<String, Value>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// A body that breaks off after its first half. Its length is announced as a whole, so the client notices.
struct Half {
    whole: Body,
    length: u64,
    next: HalfStep,
}

enum HalfStep {
    Data,
    /// What is written so far gets out before the connection closes.
    Flush,
    Cut,
}

impl Half {
    fn of(whole: Body) -> Self {
        let length = whole.size_hint().exact().unwrap_or_default();
        Self { whole, length, next: HalfStep::Data }
    }
}

impl HttpBody for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.next {
            HalfStep::Data => {
                let whole = ready!(Pin::new(&mut self.whole).poll_frame(context));
                self.next = HalfStep::Flush;
                let data =
                    whole.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).unwrap_or_default();
                Poll::Ready(Some(Ok(Frame::data(data.slice(..data.len() / 2)))))
            }
            HalfStep::Flush => {
                self.next = HalfStep::Cut;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            HalfStep::Cut => Poll::Ready(Some(Err(io::Error::other("cut on purpose")))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

fn canned(status: u16, headers: &[(String, String)], body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

pub(super) async fn revoke(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let place = Place { issuer: &shared.issuer, path: "/revoke" };
    serve_revoke(&mut shared.lock(), place, &headers, &body)
        .map_or_else(IntoResponse::into_response, IntoResponse::into_response)
}

/// Answers 200 for unknown tokens too: what the client wanted is the case (RFC 7009, section 2.2).
fn serve_revoke(
    inner: &mut Inner,
    place: Place<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<StatusCode, Refusal> {
    let params = form(headers, body)?;
    let (client, _) = authenticate(&inner.options, &mut inner.accepted, place, headers, &params)?;
    inner.ledger.revoke(params.required("token")?, &client.id);
    inner.stage.revocations += 1;
    inner.save();
    Ok(StatusCode::OK)
}

pub(super) fn form(headers: &HeaderMap, body: &[u8]) -> Result<Params, Refusal> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refusal::invalid_request("the body must be application/x-www-form-urlencoded"));
    }
    Params::parse(body)
}
