//! Deleting an organization: first nothing can be added, then nothing can be read, then nothing is left.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{Bifrost, Deadline, credentials::Credentials, disconnect::Ending};
use crate::{
    model::{OrganizationId, Problem, Scope, Secret, Timestamp, connection::Connection, grant::Grant},
    store::{
        Batch,
        cleanups::{Cleanup, Deleted},
    },
};

/// How many tokens are revoked at the same time, and how long all of that may take: it is a courtesy, for the
/// organization's own tokens can't be read from then on, and expire.
const REVOCATIONS: usize = 16;
const REVOCATION_TIME: Duration = Duration::from_secs(10);

/// A token that can still be revoked when its data key is gone.
struct Revocable {
    connection: Connection,
    credentials: Credentials,
    grant: Grant,
    token: Secret,
}

impl Bifrost {
    /// In steps that can be resumed: until the last one the organization is marked, and every write that would create
    /// something in it is refused by its own condition. What this request leaves, for want of time or because it is
    /// cut off, the cleaner goes on with, and so does the same request again.
    pub async fn delete_organization(
        self: Arc<Self>,
        id: OrganizationId,
        deadline: Deadline,
    ) -> Result<(), Problem> {
        let cleanup = Cleanup { after: Deleted::Organization(id), deleted_at: Timestamp::now() };
        if !self.store.begin_deleting_organization(id, &cleanup).await? {
            return Err(Problem::not_found("organization", id));
        }
        let revocable = self.take_grants(id).await.unwrap_or_else(|problem| {
            tracing::warn!(organization = %id, cause = problem.cause_chain(), "tokens are not revoked");
            Vec::new()
        });
        // With its data keys go all its secrets; what is in some function's memory of them, within five minutes.
        self.store.delete_data_keys(Scope::Organization(id)).await?;
        let revoked = Self::revoke_all(&self, revocable);
        if tokio::time::timeout(REVOCATION_TIME.min(deadline.remaining() / 2), revoked).await.is_err() {
            tracing::warn!(organization = %id, "not every token could be revoked in time");
        }
        if self.begin_clean_up(&cleanup, deadline).await {
            self.store.finish_cleanup(&cleanup).await?;
        }
        Ok(())
    }

    /// Everything that is left of a marked organization. True when that is nothing, and its id is free again.
    pub(super) async fn remove_organization(
        &self,
        id: OrganizationId,
        deadline: Deadline,
    ) -> Result<bool, Problem> {
        // Another one may have the id by now.
        if !self.store.is_organization_being_deleted(id).await? {
            return Ok(true);
        }
        let scope = Scope::Organization(id);
        self.store.delete_data_keys(scope).await?;
        loop {
            let items = self.store.items_of_organization(id).await?;
            if items.is_empty() {
                break;
            }
            if deadline.remaining().as_secs() < 3 {
                return Ok(false);
            }
            // Entity ids that it was mapped to may be given to others.
            for key in items.iter().filter(|key| key.mapped_integration().is_some()) {
                self.store.free_entity_of(id, key).await?;
            }
            self.store.remove(&items).await?;
        }
        // Last, because they come from an index that is a moment behind. None of them opens anything since the mark.
        self.store.remove(&self.store.api_key_items(scope).await?).await?;
        self.store.finish_deleting_organization(id).await?;
        Ok(true)
    }

    async fn revoke_all(this: &Arc<Self>, tokens: Vec<Revocable>) {
        let mut under_way = JoinSet::new();
        for Revocable { connection, credentials, grant, token } in tokens {
            if under_way.len() == REVOCATIONS {
                under_way.join_next().await;
            }
            let this = Arc::clone(this);
            under_way.spawn(async move {
                this.revoke(&connection, &credentials, &grant.url_values, &token).await;
            });
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Takes its grants away, and returns their tokens with all that it takes to revoke them. A refresh that is under
    /// way finds its grant gone, and revokes what it received by itself.
    async fn take_grants(&self, id: OrganizationId) -> Result<Vec<Revocable>, Problem> {
        let scope = Scope::Organization(id);
        let keys = self.store.grants_of_organization(id).await?;
        let mut batch = Batch::default();
        for (_, connection) in &keys {
            batch.data(connection.clone());
        }
        let mut found = self.store.read(batch).await?;
        let mut revocable = Vec::new();
        for (key, connection) in &keys {
            let Some(grant) = self.end_grant(key, |_| Some(Ending::Deleted)).await? else { continue };
            let Some(connection) = found.take::<Connection>(connection)? else { continue };
            if connection.id != grant.connection_id || connection.settings.revocation_url.is_none() {
                continue;
            }
            let credentials = self.credentials(&connection).await.unwrap_or_default();
            if let Some(token) = self.revocable_token(scope, key, &grant).await {
                revocable.push(Revocable { connection, credentials, grant, token });
            }
        }
        Ok(revocable)
    }
}
