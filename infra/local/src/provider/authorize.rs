//! The authorization endpoint (RFC 6749, section 4.1.1; RFC 7636; RFC 9207): a sign-in page, and the way back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::client::Refusal;
use super::ledger::Family;
use super::pages;
use super::params::Params;
use super::server::{Inner, Shared};

/// An authorization request that deserves an answer by redirect: its client and redirect URI are known.
pub(super) struct Request {
    pub(super) client_id: String,
    redirect_uri: Url,
    /// As it came: `Url` may have normalized it.
    redirect_uri_text: String,
    state: Option<String>,
}

/// What the person is asked to allow.
struct Consent {
    scopes: Vec<String>,
    challenge: Option<String>,
}

/// Shows the sign-in page, or says what is wrong with the request.
pub(super) async fn show(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let inner = shared.lock();
    let (params, request) = match identify(&inner, query.unwrap_or_default().as_bytes()) {
        Ok(identified) => identified,
        Err(refusal) => return error_page(&refusal),
    };
    match examine(&inner, &params) {
        Ok(consent) => {
            pages::sign_in(&request.client_id, &consent.scopes, &params.into_pairs()).into_response()
        }
        Err(refusal) => redirect_error(&shared.issuer, &inner, &request, &refusal),
    }
}

/// Takes the person's decision. The form repeats the request, and it is examined again: forms can be edited.
pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    tenant: Option<Path<String>>,
    body: Bytes,
) -> Response {
    let mut inner = shared.lock();
    let (params, request) = match identify(&inner, &body) {
        Ok(identified) => identified,
        Err(refusal) => return error_page(&refusal),
    };
    let consent = match examine(&inner, &params) {
        Ok(consent) => consent,
        Err(refusal) => return redirect_error(&shared.issuer, &inner, &request, &refusal),
    };
    if params.optional("decision") != Some("allow") {
        let denied = denial("access_denied", "the person who was asked said no");
        return redirect_error(&shared.issuer, &inner, &request, &denied);
    }
    let Some(user) = params.optional("user") else {
        return error_page(&Refusal::invalid_request("a user name is needed to sign in"));
    };
    let family = Family {
        client_id: request.client_id.clone(),
        user: Some(user.to_owned()),
        tenant: tenant.map(|Path(tenant)| tenant),
        scopes: inner.stage.granted_scopes.clone().unwrap_or(consent.scopes),
        revoked: false,
    };
    let code = inner.ledger.issue_code(family, &request.redirect_uri_text, consent.challenge.as_deref());
    inner.save();
    redirect(&shared.issuer, &inner, &request, &[("code", &code)])
}

/// Client and redirect URI come first: before they are known, nobody may be sent anywhere (section 4.1.2.1).
pub(super) fn identify(inner: &Inner, encoded: &[u8]) -> Result<(Params, Request), Refusal> {
    let params = Params::parse(encoded)?;
    let client_id = params.required("client_id")?;
    let client = inner
        .options
        .clients
        .iter()
        .find(|client| client.id == client_id)
        .ok_or_else(|| Refusal::invalid_request(format!("no client is called {client_id}")))?;
    let redirect_uri_text = params.required("redirect_uri")?.to_owned();
    let registered = client.redirect_uris.allow(&redirect_uri_text);
    let redirect_uri = Url::parse(&redirect_uri_text).ok().filter(|_| registered).ok_or_else(|| {
        Refusal::invalid_request(format!("{redirect_uri_text} is not a redirect URI of {client_id}"))
    })?;
    let state = params.optional("state").map(str::to_owned);
    let request = Request { client_id: client.id.clone(), redirect_uri, redirect_uri_text, state };
    Ok((params, request))
}

fn examine(inner: &Inner, params: &Params) -> Result<Consent, Refusal> {
    match params.required("response_type")? {
        "code" => {}
        _ => {
            return Err(denial("unsupported_response_type", "only response_type=code is supported"));
        }
    }
    params.required("state")?;
    let unknown = |scope: &String| inner.options.scopes.as_ref().is_some_and(|known| !known.contains(scope));
    if let Some(scope) = params.scopes().iter().find(|scope| unknown(scope)) {
        return Err(denial("invalid_scope", &format!("there is no scope {scope}")));
    }
    let challenge = params.optional("code_challenge").map(str::to_owned);
    match &challenge {
        None if inner.options.pkce_required => {
            return Err(Refusal::invalid_request("PKCE is required: code_challenge is missing"));
        }
        None => {}
        Some(_) if params.optional("code_challenge_method") != Some("S256") => {
            return Err(Refusal::invalid_request("code_challenge_method must be S256"));
        }
        // The length of a base64url SHA-256.
        Some(challenge) if challenge.len() != 43 => {
            return Err(Refusal::invalid_request("code_challenge is not an S256 challenge"));
        }
        Some(_) => {}
    }
    Ok(Consent { scopes: params.scopes(), challenge })
}

pub(super) fn denial(error: &'static str, description: &str) -> Refusal {
    Refusal { error, ..Refusal::invalid_request(description) }
}

pub(super) fn redirect_error(issuer: &str, inner: &Inner, request: &Request, refusal: &Refusal) -> Response {
    let answer = [("error", refusal.error), ("error_description", refusal.description.as_str())];
    redirect(issuer, inner, request, &answer)
}

/// Sends the browser back, keeping whatever query the redirect URI has of its own (section 3.1.2).
pub(super) fn redirect(issuer: &str, inner: &Inner, request: &Request, answer: &[(&str, &str)]) -> Response {
    let mut location = request.redirect_uri.clone();
    {
        let mut query = location.query_pairs_mut();
        query.extend_pairs(answer);
        query.extend_pairs(request.state.as_deref().map(|state| ("state", state)));
        query.extend_pairs(inner.options.announces_issuer.then_some(("iss", issuer)));
    }
    let headers =
        [(header::LOCATION, String::from(location)), (header::CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::SEE_OTHER, headers).into_response()
}

pub(super) fn error_page(refusal: &Refusal) -> Response {
    (StatusCode::BAD_REQUEST, pages::error(&refusal.description)).into_response()
}
