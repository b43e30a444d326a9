//! The keys of the issuer that people sign in at: found by its configuration (OpenID Connect Discovery 1.0).
//!
//! Which issuer that is, whoever deploys the stack says, and the issuer itself where its keys are. No token has a say in
//! where requests go.

use http::header;
use oauth2::HttpResponse;
use url::Url;

use super::{
    answer::{accepted, unreadable},
    outbound::{Outbound, Purpose},
};
use crate::model::{
    Timestamp,
    dialect::Dialect,
    failure::Failure,
    oidc::{KeySet, Policy},
};

/// The issuer's keys, as they are now.
pub async fn issuer_keys(outbound: &Outbound, policy: &Policy) -> Result<KeySet, Failure> {
    let configuration = fetch(outbound, policy.configuration_url()).await?;
    let jwks_url = policy.jwks_url(configuration.body()).ok_or_else(|| {
        Failure::new("malformed-answer", "The issuer's configuration is none, or is that of another issuer.")
    })?;
    let keys = fetch(outbound, &jwks_url).await?;
    KeySet::parse(keys.body()).ok_or_else(|| unreadable(&keys))
}

async fn fetch(outbound: &Outbound, url: &Url) -> Result<HttpResponse, Failure> {
    let request = http::Request::builder().uri(url.as_str()).header(header::ACCEPT, "application/json");
    let request = request
        .body(Vec::new())
        .map_err(|_| Failure::new("url-not-allowed", "The issuer's URL can't be used in a request."))?;
    let answer = outbound.send(request, Purpose::Other).await?;
    accepted(&answer, url.host_str().unwrap_or_default(), &[], Timestamp::now(), &Dialect::default())?;
    Ok(answer)
}
