//! Who is asking at the token endpoint, and how a refusal is answered (RFC 6749, sections 2.3 and 5.2).

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::assertion::{self, Accepted, Place};
use super::options::{Client, ClientAuth, Options};
use super::params::Params;

/// Finds the client that a request authenticates as, and by which method it did.
pub(super) fn authenticate<'o>(
    options: &'o Options,
    accepted: &mut Accepted,
    place: Place<'_>,
    headers: &HeaderMap,
    params: &Params,
) -> Result<(&'o Client, ClientAuth), Refusal> {
    let in_body = params.optional("client_secret");
    let (client, method) = match params.optional("client_assertion") {
        Some(_) if in_body.is_some() || headers.contains_key(header::AUTHORIZATION) => {
            return Err(Refusal::invalid_request(
                "the client authenticated twice, by assertion and by secret",
            ));
        }
        Some(assertion) => {
            let kind = params.optional("client_assertion_type");
            (assertion::verify(options, accepted, place, kind, assertion)?, ClientAuth::PrivateKeyJwt)
        }
        None => by_secret(options, headers, params)?,
    };
    if params.optional("client_id").is_some_and(|named| named != client.id) {
        return Err(Refusal::invalid_request(
            "client_id names another client than the one that authenticated",
        ));
    }
    if !client.auth.contains(&method) {
        return Err(Refusal::invalid_client(format!("this client may not authenticate by {method:?}")));
    }
    Ok((client, method))
}

fn by_secret<'o>(
    options: &'o Options,
    headers: &HeaderMap,
    params: &Params,
) -> Result<(&'o Client, ClientAuth), Refusal> {
    let in_body = params.optional("client_secret");
    let (id, secret, method) = match basic_credentials(headers)? {
        Some(_) if in_body.is_some() => {
            return Err(Refusal::invalid_request("the client authenticated twice, by header and by body"));
        }
        Some((id, secret)) => (id, secret, ClientAuth::Basic),
        None => {
            let (Some(id), Some(secret)) = (params.optional("client_id"), in_body) else {
                return Err(Refusal::invalid_client("no client authentication"));
            };
            (id.to_owned(), secret.to_owned(), ClientAuth::Post)
        }
    };
    let client = options.clients.iter().find(|client| client.id == id && client.has_secret(&secret));
    // One without a secret has none to show.
    let client = client.filter(|_| !secret.is_empty());
    Ok((client.ok_or_else(|| Refusal::invalid_client("unknown client or wrong secret"))?, method))
}

/// Id and secret are form-encoded before they are joined with a colon (RFC 6749, section 2.3.1): without that, a
/// secret with `+`, `%` or a non-ASCII letter in it would not arrive as it was issued.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let unreadable = || Refusal::invalid_client("the Authorization header is not readable as Basic");
    let value = value.to_str().map_err(|_| unreadable())?;
    let (scheme, encoded) = value.split_once(' ').ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let joined = STANDARD.decode(encoded.trim()).map_err(|_| unreadable())?;
    let joined = String::from_utf8(joined).map_err(|_| unreadable())?;
    let (id, secret) = joined.split_once(':').ok_or_else(unreadable)?;
    Ok(Some((form_decode(id), form_decode(secret))))
}

fn form_decode(text: &str) -> String {
    // A pair without `=` is a name with an empty value, and names are decoded like values.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

/// An error answer of the token or revocation endpoint.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: String,
}

impl Refusal {
    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "invalid_request", description: description.into() }
    }

    pub(super) fn invalid_client(description: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description: description.into() }
    }

    pub(super) fn invalid_grant(description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "invalid_grant", description: description.into() }
    }

    pub(super) fn invalid_scope(description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "invalid_scope", description: description.into() }
    }

    pub(super) fn unauthorized_client(description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: "unauthorized_client",
            description: description.into(),
        }
    }

    pub(super) fn unsupported_grant_type(description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: "unsupported_grant_type",
            description: description.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.error, "error_description": self.description}));
        let mut response = (self.status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Basic realm=\"provider\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
