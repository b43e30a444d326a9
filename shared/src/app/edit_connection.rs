//! Changing and deleting connections.

use serde_json::{Map, Value};

use super::{
    Bifrost,
    client_secret::CLIENT_SECRET,
    connections::{ConnectionView, own_grant_key, view},
};
use crate::{
    model::{
        Code, Name, Problem, Scope, Timestamp,
        access::{Caller, Role},
        connection::{Connection, SecretChange},
        grant::Grant,
    },
    store::ItemKey,
};

/// How often an edit without `If-Match` is made anew on what another has just written.
const ATTEMPTS: usize = 10;

impl Bifrost {
    /// RFC 7396 merge patch. With `if_match`, on that revision alone; without, on whatever stands: two writers never
    /// lose each other's fields.
    pub async fn update_connection(
        &self,
        caller: &Caller,
        scope: Scope,
        name: &Name,
        patch: &Map<String, Value>,
        if_match: Option<u64>,
        public_url: &str,
    ) -> Result<ConnectionView, Problem> {
        for _ in 0..ATTEMPTS {
            let old = self.connection_at(scope, name, if_match).await?;
            let new = self.edited(caller, &old, patch.clone()).await?;
            if self.store.update_connection(&new, old.revision).await? {
                let grant: Option<Grant> = self.store.grant(&own_grant_key(&new)).await?;
                return Ok(view(new, grant, public_url, Timestamp::now()));
            }
        }
        Err(Problem::new(Code::Conflict, format!("The connection {name} keeps being changed by others.")))
    }

    async fn edited(
        &self,
        caller: &Caller,
        old: &Connection,
        patch: Map<String, Value>,
    ) -> Result<Connection, Problem> {
        let patched = old.patched(patch, self.url_rules(), caller.role == Role::Admin)?;
        let client_secret = match patched.client_secret {
            SecretChange::Keep => old.client_secret.clone(),
            SecretChange::Remove => None,
            SecretChange::Replace(secret) => {
                let item = ItemKey::connection(old.scope, &old.name.folded());
                Some(self.seal(old.scope, &item, CLIENT_SECRET, &secret).await?)
            }
        };
        Ok(Connection {
            settings: patched.settings,
            client_secret,
            connect_error: None,
            updated_at: Timestamp::now(),
            revision: old.revision + 1,
            ..old.clone()
        })
    }

    /// Refused while integrations use it, unless forced. Its grants go with it and are revoked at the provider.
    pub async fn delete_connection(
        &self,
        scope: Scope,
        name: &Name,
        if_match: Option<u64>,
        force: bool,
    ) -> Result<(), Problem> {
        let connection = self.connection_at(scope, name, if_match).await?;
        if !force {
            self.check_unused(&connection).await?;
        }
        if !self.store.delete_connection(&connection).await? {
            let stale = if if_match.is_some() { Code::StaleRevision } else { Code::Conflict };
            return Err(Problem::new(stale, format!("The connection {name} was changed meanwhile.")));
        }
        self.remove_grants(&connection).await;
        Ok(())
    }

    async fn check_unused(&self, connection: &Connection) -> Result<(), Problem> {
        let folded = connection.name.folded();
        let integrations = self.store.all_integrations().await?;
        let users =
            integrations.into_iter().filter(|integration| integration.connection_name().folded() == folded);
        let users: Vec<_> = users.map(|integration| integration.name.to_string()).collect();
        if users.is_empty() {
            return Ok(());
        }
        let detail = format!("Integrations use the connection {}: {}.", connection.name, users.join(", "));
        Err(Problem::new(Code::InUse, detail)
            .fix("Link them to another connection, or delete with ?force=true."))
    }

    /// Without their connection the grants are nobody's already; this is so that nothing of them is left, here or at
    /// the provider. What a crash leaves behind, the sweep takes out of its sight.
    async fn remove_grants(&self, connection: &Connection) {
        let keys = self.store.grant_keys(connection.id).await.unwrap_or_else(|problem| {
            tracing::warn!(connection = %connection.id, cause = problem.cause_chain(), "grants are left behind");
            Vec::new()
        });
        for key in keys {
            if let Err(problem) = self.remove_grant(connection, &key).await {
                tracing::warn!(grant = %key, cause = problem.cause_chain(), "a grant is left behind");
            }
        }
    }

    async fn remove_grant(&self, connection: &Connection, key: &ItemKey) -> Result<(), Problem> {
        let Some((scope, _)) = key.grant_parts() else {
            return Ok(());
        };
        // A refresh may change it between the read and the deletion.
        for _ in 0..ATTEMPTS {
            let grant = self.store.grant(key).await?.filter(|grant| grant.connection_id == connection.id);
            let Some(grant) = grant else { return Ok(()) };
            if self.store.delete_grant(key, &grant).await? {
                self.revoke_grant(connection, scope, key, &grant).await;
                return Ok(());
            }
        }
        Err(Problem::unavailable("a grant keeps changing"))
    }

    async fn connection_at(
        &self,
        scope: Scope,
        name: &Name,
        if_match: Option<u64>,
    ) -> Result<Connection, Problem> {
        let connection = self.store.connection(scope, &name.folded()).await?;
        let connection = connection.ok_or_else(|| Problem::not_found("connection", name))?;
        if if_match.is_some_and(|revision| revision != connection.revision) {
            return Err(Problem::new(
                Code::StaleRevision,
                format!("The connection {name} has changed since."),
            ));
        }
        Ok(connection)
    }
}
