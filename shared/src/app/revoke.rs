//! Telling a provider that a token is no longer needed (RFC 7009). Best effort: what can't be revoked expires.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    Bifrost,
    credentials::{Credentials, audience},
    lookup::fill,
    refresh::{ACCESS_TOKEN, REFRESH_TOKEN},
};
use crate::{
    model::{
        Scope, Secret, connection::Connection, failure::FailureClass, grant::Grant, url_template::UrlTemplate,
    },
    oauth::{self, Revocation},
    store::ItemKey,
};

/// A provider that takes longer to turn the client away is not asked again: whoever revokes has reckoned with one request.
const PATIENCE: Duration = Duration::from_secs(2);

impl Bifrost {
    /// Revokes what a grant holds; whether the provider did, or `None` if it has no revocation endpoint. Whatever comes
    /// of it, the grant is gone here.
    pub(super) async fn revoke_grant(
        &self,
        connection: &Connection,
        scope: Scope,
        key: &ItemKey,
        grant: &Grant,
    ) -> Option<bool> {
        connection.settings.revocation_url.as_ref()?;
        let credentials = self.credentials(connection).await.unwrap_or_default();
        let token = self.revocable_token(scope, key, grant).await?;
        self.revoke(connection, &credentials, &grant.url_values, &token).await
    }

    /// Revokes one token; whether the provider did, or `None` if it has no revocation endpoint.
    pub(super) async fn revoke(
        &self,
        connection: &Connection,
        credentials: &Credentials,
        url_values: &BTreeMap<String, String>,
        token: &Secret,
    ) -> Option<bool> {
        let url = connection.settings.revocation_url.as_ref()?;
        let revoked = self.try_to_revoke(connection, url, credentials, url_values, token).await;
        if let Err(reason) = &revoked {
            tracing::warn!(connection = %connection.id, reason, "a token could not be revoked at the provider");
        }
        Some(revoked.is_ok())
    }

    async fn try_to_revoke(
        &self,
        connection: &Connection,
        url: &UrlTemplate,
        credentials: &Credentials,
        url_values: &BTreeMap<String, String>,
        token: &Secret,
    ) -> Result<(), String> {
        let settings = &connection.settings;
        let revocation_url = fill(settings, url, url_values).map_err(|problem| problem.detail)?;
        let token_url = fill(settings, &settings.token_url, url_values).unwrap_or(revocation_url.clone());
        let mut audiences = vec![audience(connection, &token_url, url_values)];
        if settings.client_assertion_audience.is_none() {
            // OpenID Connect Core 9 has the token URL, whatever the endpoint. Okta insists on the endpoint.
            audiences.push(revocation_url.to_string());
        }
        let proof = self.proof(connection, credentials, audiences).await;
        let mut proof = proof.map_err(|problem| problem.detail)?;
        let begun = Instant::now();
        loop {
            let (client_id, credentials) = (settings.client_id.as_str(), proof.credentials());
            let revocation = Revocation { revocation_url: revocation_url.clone(), client_id, credentials };
            match oauth::revoke(&self.outbound, &revocation, token).await {
                Ok(()) => {
                    self.note_accepted(connection, &proof);
                    return Ok(());
                }
                Err(failure)
                    if failure.class == FailureClass::Client
                        && begun.elapsed() < PATIENCE
                        && self.prove_otherwise(connection, &mut proof).await => {}
                Err(failure) => return Err(failure.code),
            }
        }
    }

    /// The refresh token, because its end is the end of the grant; else the access token.
    pub(super) async fn revocable_token(&self, scope: Scope, key: &ItemKey, grant: &Grant) -> Option<Secret> {
        let (attribute, sealed) = match (&grant.refresh_token, &grant.access_token) {
            (Some(sealed), _) => (REFRESH_TOKEN, sealed),
            // A provider may take it for the revocation of the sign-in that others' tokens come from (RFC 7009 section 2.1).
            (None, Some(_)) if grant.redeemed_from.is_some() => return None,
            (None, Some(sealed)) => (ACCESS_TOKEN, sealed),
            (None, None) => return None,
        };
        self.vault.open(scope, key, attribute, sealed).await.ok()
    }
}
