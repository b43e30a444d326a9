//! Revocation (RFC 7009): telling the provider that a token is no longer needed.
//!
//! Written out here, because `oauth2`'s own insists on https, which the local stack's demo provider has not.

use http::{Method, header};
use url::{Url, form_urlencoded};

use super::{
    answer::accepted,
    credentials::Credentials,
    outbound::{Outbound, Purpose},
};
use crate::model::{Secret, Timestamp, dialect::Dialect, failure::Failure};

/// Where to revoke, and as whom.
#[derive(Clone, Debug)]
pub struct Revocation<'a> {
    pub revocation_url: Url,
    pub client_id: &'a str,
    pub credentials: Credentials<'a>,
}

/// Revokes a token, refresh or access: without a hint, a provider must look for it among both (RFC 7009 2.1). One that
/// it does not know counts as revoked (RFC 7009 2.2).
pub async fn revoke(outbound: &Outbound, revocation: &Revocation<'_>, token: &Secret) -> Result<(), Failure> {
    let Revocation { client_id, credentials, .. } = *revocation;
    let basic = credentials.basic(client_id);
    let mut fields = vec![("token", token.expose())];
    if basic.is_none() {
        fields.push(("client_id", client_id));
        fields.extend(credentials.client_secret().map(|secret| ("client_secret", secret.expose())));
        fields.extend(credentials.assertion());
    }
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();

    let mut request = http::Request::builder()
        .method(Method::POST)
        .uri(revocation.revocation_url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(basic) = &basic {
        request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
    }
    let request = request
        .body(form.into_bytes())
        .map_err(|_| Failure::new("url-not-allowed", "The revocation URL can't be used in a request."))?;

    let secrets = [Some(token), credentials.secret()].into_iter().flatten().map(Secret::expose);
    let sent: Vec<&str> = secrets.chain(basic.as_deref()).collect();
    let answer = outbound.send(request, Purpose::Other).await?;
    let host = revocation.revocation_url.host_str().unwrap_or_default();
    accepted(&answer, host, &sent, Timestamp::now(), &Dialect::default()).map(|_body| ())
}
