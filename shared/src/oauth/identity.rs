//! Who signed in: from the ID token beside the tokens, or by asking the provider's API.

use http::{HeaderValue, Method, header};
use serde_json::{Map, Value};
use url::Url;

use super::{
    answer::{accepted, unreadable},
    dialect::token_object,
    outbound::{Outbound, Purpose},
    token_answer::unverified_claims,
};
use crate::model::{
    Secret, Timestamp,
    dialect::{Dialect, Verify},
    failure::Failure,
    identity::Identity,
};

/// What the ID token in a token answer says. Its signature is not checked: it came from the token endpoint itself, over
/// TLS, which is all that a signature would show (OpenID Connect Core 1.0 section 3.1.3.7, point 6).
pub(super) fn of_answer(answer: &Map<String, Value>, dialect: &Dialect) -> Option<Identity> {
    let tokens = token_object(answer, dialect);
    let id_token = tokens.get("id_token").or_else(|| answer.get("id_token"))?.as_str()?;
    Identity::from_claims(&unverified_claims(id_token)?)
}

/// Asks whose an access token is. `url` is the dialect's, filled in. `None`: the answer doesn't say.
pub async fn verify(
    outbound: &Outbound,
    url: &Url,
    verify: &Verify,
    token_type: &str,
    access_token: &Secret,
) -> Result<Option<Identity>, Failure> {
    let unusable =
        || Failure::new("url-not-allowed", "The access token or the URL can't be used in a request.");
    let mut authorization =
        HeaderValue::from_str(&format!("{token_type} {}", access_token.expose())).map_err(|_| unusable())?;
    authorization.set_sensitive(true);
    let request = http::Request::builder()
        .method(Method::GET)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, authorization)
        .body(Vec::new())
        .map_err(|_| unusable())?;
    let answer = outbound.send(request, Purpose::Other).await?;
    let body = accepted(
        &answer,
        url.host_str().unwrap_or_default(),
        &[access_token.expose()],
        Timestamp::now(),
        &Dialect::default(),
    )?;
    let body = body.ok_or_else(|| unreadable(&answer))?;
    Ok(Identity::from_answer(&body, verify))
}
