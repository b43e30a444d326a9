//! Revocation (RFC 7009): telling the provider that a token is no longer needed.
//!
//! Written out here, because `oauth2`'s own insists on https, which the local stack's demo provider has not.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, header};
use url::{Url, form_urlencoded};

use super::{
    answer::accepted,
    outbound::{Outbound, Purpose},
};
use crate::model::{Secret, Timestamp, connection::ClientAuth, dialect::Dialect, failure::Failure};

/// Where to revoke, and as whom.
#[derive(Clone, Debug)]
pub struct Revocation<'a> {
    pub revocation_url: Url,
    pub client_id: &'a str,
    pub client_secret: Option<&'a Secret>,
    pub client_auth: ClientAuth,
}

/// Revokes a token, refresh or access: without a hint, a provider must look for it among both (RFC 7009 2.1). One that
/// it does not know counts as revoked (RFC 7009 2.2).
pub async fn revoke(outbound: &Outbound, revocation: &Revocation<'_>, token: &Secret) -> Result<(), Failure> {
    let credentials = match (revocation.client_auth, revocation.client_secret) {
        (ClientAuth::PrivateKeyJwt, _) => {
            return Err(Failure::new(
                "client-auth-unsupported",
                "private_key_jwt can't be used yet. Nothing was sent.",
            ));
        }
        (ClientAuth::Basic, Some(secret)) => Some(basic_credentials(revocation.client_id, secret)),
        (ClientAuth::Basic, None) | (ClientAuth::Post, _) => None,
    };
    let mut fields = vec![("token", token.expose())];
    if credentials.is_none() {
        fields.push(("client_id", revocation.client_id));
        fields.extend(revocation.client_secret.map(|secret| ("client_secret", secret.expose())));
    }
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();

    let mut request = http::Request::builder()
        .method(Method::POST)
        .uri(revocation.revocation_url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(credentials) = &credentials {
        request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
    }
    let request = request
        .body(form.into_bytes())
        .map_err(|_| Failure::new("url-not-allowed", "The revocation URL can't be used in a request."))?;

    let secrets = [Some(token), revocation.client_secret].into_iter().flatten().map(Secret::expose);
    let sent: Vec<&str> = secrets.chain(credentials.as_deref()).collect();
    let answer = outbound.send(request, Purpose::Other).await?;
    let host = revocation.revocation_url.host_str().unwrap_or_default();
    accepted(&answer, host, &sent, Timestamp::now(), &Dialect::default()).map(|_body| ())
}

/// RFC 6749 2.3.1: both halves are form-encoded before they become a user name and a password.
fn basic_credentials(client_id: &str, secret: &Secret) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret.expose())))
}
