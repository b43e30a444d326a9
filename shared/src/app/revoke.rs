//! Telling a provider that a token is no longer needed (RFC 7009). Best effort: what can't be revoked expires.

use std::collections::BTreeMap;

use super::{
    Bifrost,
    lookup::fill,
    refresh::{ACCESS_TOKEN, REFRESH_TOKEN},
};
use crate::{
    model::{Scope, Secret, connection::Connection, grant::Grant},
    oauth::{self, Revocation},
    store::ItemKey,
};

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
        let client_secret = self.client_secret(connection).await.ok().flatten();
        let token = self.revocable_token(scope, key, grant).await?;
        self.revoke(connection, client_secret.as_ref(), &grant.url_values, &token).await
    }

    /// Revokes one token; whether the provider did, or `None` if it has no revocation endpoint.
    pub(super) async fn revoke(
        &self,
        connection: &Connection,
        client_secret: Option<&Secret>,
        url_values: &BTreeMap<String, String>,
        token: &Secret,
    ) -> Option<bool> {
        let settings = &connection.settings;
        let url = settings.revocation_url.as_ref()?;
        let revoked = match fill(settings, url, url_values) {
            Ok(revocation_url) => {
                let (client_id, client_auth) = (settings.client_id.as_str(), settings.client_auth);
                let revocation = Revocation { revocation_url, client_id, client_secret, client_auth };
                oauth::revoke(&self.outbound, &revocation, token).await.map_err(|failure| failure.code)
            }
            Err(problem) => Err(problem.detail),
        };
        if let Err(reason) = &revoked {
            tracing::warn!(connection = %connection.id, reason, "a token could not be revoked at the provider");
        }
        Some(revoked.is_ok())
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
