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

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;
    use crate::model::input::Field;

    fn subject(answer: Value, dialect: Value) -> Option<String> {
        let dialect = Dialect::from_json(dialect).unwrap();
        of_answer(answer.as_object().unwrap(), &dialect)?.subject
    }

    fn id_token(claims: Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn an_id_token_is_found_beside_the_tokens_or_around_them() {
        let id_token = id_token(json!({"sub": "ada"}));
        let flat = json!({"access_token": "at", "id_token": id_token});
        assert_eq!(subject(flat.clone(), json!({})).as_deref(), Some("ada"));
        let nested = json!({"token_path": "authed_user"});
        assert_eq!(subject(json!({"authed_user": flat}), nested.clone()).as_deref(), Some("ada"));
        let around = json!({"authed_user": {"access_token": "at"}, "id_token": id_token});
        assert_eq!(subject(around, nested).as_deref(), Some("ada"));
    }

    #[test]
    fn what_is_no_id_token_says_nothing() {
        for odd in [json!(null), json!(7), json!(""), json!("a.b.c"), json!(id_token(json!([])))] {
            assert_eq!(subject(json!({"access_token": "at", "id_token": odd}), json!({})), None, "{odd}");
        }
    }
}
