//! Forgetting a grant: here at once, then at the provider (RFC 7009).

use serde::Serialize;

use super::Bifrost;
use crate::{
    model::{
        GrantId, Name, Problem, Timestamp,
        access::GrantPlace,
        connection::{Connection, ConnectionStatus},
        grant::Grant,
    },
    store::ItemKey,
};

/// How often a grant that others keep changing is read again; each time one refresh got in between.
const ATTEMPTS: usize = 10;

/// What became of a grant.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Disconnected {
    pub connection_name: Name,
    pub grant_id: GrantId,
    /// Always `not_connected`: a provider that refuses does not keep the grant here.
    pub status: ConnectionStatus,
    /// Whether the provider revoked the token; null if it has no revocation endpoint.
    pub revoked: Option<bool>,
}

impl Bifrost {
    /// Forgets the grant in that place.
    pub async fn disconnect(&self, place: GrantPlace, name: &Name) -> Result<Disconnected, Problem> {
        let connection = self.store.connection(place.owner, &name.folded()).await?;
        let connection = connection.ok_or_else(|| Problem::not_found("connection", name))?;
        let key = ItemKey::grant(place.scope, place.owner, &connection.name.folded());
        let grant = self.forget_grant(&connection, &key).await?;
        let revoked = self.revoke_grant(&connection, place.scope, &key, &grant).await;
        tracing::info!(connection = %connection.id, scope = %place.scope, ?revoked, "disconnected");
        Ok(Disconnected {
            connection_name: connection.name,
            grant_id: grant.id,
            status: ConnectionStatus::NotConnected,
            revoked,
        })
    }

    /// Leaves a tombstone, and returns what stood there.
    async fn forget_grant(&self, connection: &Connection, key: &ItemKey) -> Result<Grant, Problem> {
        for _ in 0..ATTEMPTS {
            let grant = self.store.grant(key).await?;
            let grant =
                grant.filter(|grant| grant.connection_id == connection.id && grant.status.is_connected());
            let grant =
                grant.ok_or_else(|| Problem::not_found("grant", format!("on {}", connection.name)))?;
            let now = Timestamp::now();
            if self.store.disconnect_grant(key, &grant, connection.revision, now).await? {
                return Ok(grant);
            }
        }
        Err(Problem::unavailable("a grant keeps changing"))
    }
}
