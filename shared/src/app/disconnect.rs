//! Forgetting a grant: here at once, then at the provider (RFC 7009).

use serde::Serialize;

use super::Bifrost;
use crate::{
    model::{
        GrantId, Name, Problem, Timestamp, access::GrantPlace, connection::ConnectionStatus, grant::Grant,
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

/// What is left of a grant that ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Deleted,
    /// What keeps its count: a person disconnected it at this revision of its connection, and a client that speaks for
    /// itself does not begin anew before the next.
    Tombstone {
        revision: u64,
    },
}

impl Bifrost {
    /// Forgets the grant in that place.
    pub async fn disconnect(&self, place: GrantPlace, name: &Name) -> Result<Disconnected, Problem> {
        let connection = self.store.connection(place.owner, &name.folded()).await?;
        let connection = connection.ok_or_else(|| Problem::not_found("connection", name))?;
        let key = ItemKey::grant(place.scope, place.owner, &connection.name.folded());
        let ending = |grant: &Grant| {
            let stands = grant.connection_id == connection.id && grant.status.is_connected();
            stands.then_some(Ending::Tombstone { revision: connection.revision })
        };
        let grant = self.end_grant(&key, ending).await?;
        let grant = grant.ok_or_else(|| Problem::not_found("grant", format!("on {}", connection.name)))?;
        let revoked = self.revoke_grant(&connection, place.scope, &key, &grant).await;
        tracing::info!(connection = %connection.id, scope = %place.scope, ?revoked, "disconnected");
        Ok(Disconnected {
            connection_name: connection.name,
            grant_id: grant.id,
            status: ConnectionStatus::NotConnected,
            revoked,
        })
    }

    /// Ends the grant as `ending` has it, and returns it as it was then; `None` if there is none that is to end. Whoever
    /// refreshes it meanwhile finds it gone, or comes before and is waited for: it is read again until it could be taken.
    pub(super) async fn end_grant(
        &self,
        key: &ItemKey,
        ending: impl Fn(&Grant) -> Option<Ending>,
    ) -> Result<Option<Grant>, Problem> {
        for _ in 0..ATTEMPTS {
            let Some(grant) = self.store.grant(key).await? else { return Ok(None) };
            let Some(ending) = ending(&grant) else { return Ok(None) };
            let ended = match ending {
                Ending::Deleted => self.store.delete_grant(key, &grant).await?,
                Ending::Tombstone { revision } => {
                    self.store.disconnect_grant(key, &grant, revision, Timestamp::now()).await?
                }
            };
            if ended {
                return Ok(Some(grant));
            }
        }
        Err(Problem::unavailable("a grant keeps changing"))
    }
}
