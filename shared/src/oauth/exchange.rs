//! The exchanges at a token endpoint (RFC 6749 4.1.3, 4.4.2 and 6). Each sends one request, once.

use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock, time::Duration};

use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use url::Url;

use super::{
    bridge::{Beside, Bridge},
    credentials::Credentials,
    outbound::Outbound,
    token_answer::{TokenAnswer, TokenSet},
};
use crate::model::{Secret, Timestamp, dialect::Dialect, failure::Failure};

/// A client's registration at a provider: what every exchange needs to know, with all placeholders filled in.
#[derive(Clone, Debug)]
pub struct Registration<'a> {
    pub client_id: &'a str,
    pub credentials: Credentials<'a>,
    pub token_url: Url,
    /// Sent with every exchange. Names that the flow sets itself are refused where connections are written.
    pub token_params: &'a BTreeMap<String, String>,
    pub scopes: &'a [String],
    pub audience: Option<&'a str>,
    pub dialect: &'a Dialect,
}

/// Exchanges the code that the provider's redirect brought (RFC 6749 4.1.3), with its PKCE verifier (RFC 7636 4.5).
///
/// `redirect_uri` is the text that the authorize URL had. `now` counts as the moment of sending.
pub async fn exchange_code(
    outbound: &Outbound,
    registration: &Registration<'_>,
    code: &Secret,
    verifier: Option<&Secret>,
    redirect_uri: &str,
    now: Timestamp,
) -> Result<TokenSet, Failure> {
    let client = client(registration);
    let bridge = bridge(outbound, registration, [Some(code), verifier], now);
    let redirect_uri = RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| {
        Failure::new("redirect-uri-invalid", "The redirect URI of the connection is not a URL.")
    })?;
    let mut request = client
        .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
        .set_redirect_uri(Cow::Owned(redirect_uri));
    if let Some(verifier) = verifier {
        request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
    }
    for (name, value) in registration.token_params {
        request = request.add_extra_param(name, value);
    }
    token_set(request.request_async(&bridge).await, registration, bridge, now)
}

/// Exchanges a refresh token (RFC 6749 6). Scopes are not sent unless the dialect wants them: those granted stay, and
/// asking for others is an error even where only their order changed.
pub async fn refresh(
    outbound: &Outbound,
    registration: &Registration<'_>,
    refresh_token: &Secret,
    now: Timestamp,
) -> Result<TokenSet, Failure> {
    let client = client(registration);
    let bridge = bridge(outbound, registration, [Some(refresh_token), None], now);
    let refresh_token = RefreshToken::new(refresh_token.expose().to_owned());
    let mut request = client.exchange_refresh_token(&refresh_token);
    let dialect = registration.dialect;
    if dialect.send_scopes_on_refresh {
        request = request.add_scopes(scopes(registration));
    }
    let replaced = |name: &String| dialect.refresh_params.contains_key(name);
    let kept = registration.token_params.iter().filter(|(name, _)| !replaced(name));
    for (name, value) in kept.chain(&dialect.refresh_params) {
        request = request.add_extra_param(name, value);
    }
    token_set(request.request_async(&bridge).await, registration, bridge, now)
}

/// Asks for a token in the client's own name (RFC 6749 4.4).
pub async fn client_credentials(
    outbound: &Outbound,
    registration: &Registration<'_>,
    now: Timestamp,
) -> Result<TokenSet, Failure> {
    let client = client(registration);
    let bridge = bridge(outbound, registration, [None, None], now);
    let mut request = client.exchange_client_credentials().add_scopes(scopes(registration));
    // Not an OAuth parameter, but what Auth0 and its likes choose the API by.
    if let Some(audience) = registration.audience {
        request = request.add_extra_param("audience", audience);
    }
    for (name, value) in registration.token_params {
        request = request.add_extra_param(name, value);
    }
    token_set(request.request_async(&bridge).await, registration, bridge, now)
}

/// `oauth2`'s client, with our own reading of token answers.
type Client = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

fn client(registration: &Registration<'_>) -> Client {
    let client = oauth2::Client::new(ClientId::new(registration.client_id.to_owned()))
        .set_token_uri(TokenUrl::from_url(registration.token_url.clone()))
        .set_auth_type(match registration.credentials {
            Credentials::Basic(_) => AuthType::BasicAuth,
            // Of an assertion, `oauth2` knows nothing: the bridge adds it to the body.
            Credentials::None | Credentials::Post(_) | Credentials::Assertion(_) => AuthType::RequestBody,
        });
    match registration.credentials.client_secret() {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
        None => client,
    }
}

pub(super) fn bridge<'a>(
    outbound: &'a Outbound,
    registration: &Registration<'a>,
    sent: [Option<&'a Secret>; 2],
    now: Timestamp,
) -> Bridge<'a> {
    let Registration { credentials, dialect, .. } = *registration;
    let sent = sent.into_iter().flatten().chain(credentials.secret()).map(Secret::expose).collect();
    Bridge { outbound, sent, now, credentials, dialect, beside: OnceLock::new() }
}

/// As one, for `oauth2` would put spaces between them.
fn scopes(registration: &Registration<'_>) -> Option<Scope> {
    let scopes = registration.dialect.joined(registration.scopes);
    (!scopes.is_empty()).then(|| Scope::new(scopes))
}

pub(super) fn token_set(
    answer: Result<TokenAnswer, RequestTokenError<Failure, BasicErrorResponse>>,
    registration: &Registration<'_>,
    bridge: Bridge<'_>,
    now: Timestamp,
) -> Result<TokenSet, Failure> {
    let Beside { facts, identity } = bridge.beside.into_inner().unwrap_or_default();
    match answer {
        Ok(answer) => {
            let default_lifetime = registration.dialect.default_lifetime.map(Duration::from_secs);
            Ok(TokenSet { facts, identity, ..answer.into_token_set(now, default_lifetime) })
        }
        Err(RequestTokenError::Request(failure)) => Err(failure),
        // The bridge lets nothing else through. Should `oauth2` think of something, its error stays here: a parse
        // error holds the whole answer.
        Err(_) => Err(Failure::new("malformed-answer", "The provider's answer is no token answer.")),
    }
}
