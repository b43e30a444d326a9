//! Changing and deleting connections.

use serde_json::{Map, Value};

use super::{
    Bifrost, Deadline,
    connections::{ConnectionView, Standing, own_grant_key, view},
    credentials::{CLIENT_PRIVATE_KEY, CLIENT_SECRET, CLIENT_SECRET_NEXT},
};
use crate::{
    model::{
        Code, Name, OrganizationId, Problem, Scope, Sealed, Timestamp,
        access::Caller,
        connection::{Connection, SecretChange},
        grant::GrantStatus,
    },
    store::{
        ItemKey,
        cleanups::{Cleanup, Deleted},
    },
};

/// How often an edit without `If-Match` is made anew on what another has just written.
const ATTEMPTS: usize = 10;

/// What depends on a connection.
#[derive(Debug)]
pub struct Dependants {
    /// The integrations that use it.
    pub integrations: Vec<Name>,
    /// Those that have a grant of their own on it.
    pub organizations: Vec<OrganizationId>,
}

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
                // An edit leaves the breaker behind.
                let standing =
                    Standing { grant: self.store.grant(&own_grant_key(&new)).await?, breaker: None };
                return Ok(view(new, standing, public_url, Timestamp::now()));
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
        let patched = old.patched(patch, self.url_rules(), caller.sets_platform_fields())?;
        let settings = patched.settings;
        let public_key = match &patched.client_private_key {
            SecretChange::Keep if settings.client_key_arn == old.settings.client_key_arn => {
                old.client_public_key.clone()
            }
            SecretChange::Replace(key) => Some(key.public.clone()),
            SecretChange::Keep | SecretChange::Remove => {
                self.client_public_key(None, settings.client_key_arn.as_deref()).await?
            }
        };
        if let Some(key) = &public_key {
            settings.check_key(key)?;
        }
        let private_key = match patched.client_private_key {
            SecretChange::Keep => SecretChange::Keep,
            SecretChange::Remove => SecretChange::Remove,
            SecretChange::Replace(key) => SecretChange::Replace(key.pem),
        };
        let item = ItemKey::connection(old.scope, &old.name.folded());
        let sealed = async |attribute, change, old_one: &Option<Sealed>| match change {
            SecretChange::Keep => Ok(old_one.clone()),
            SecretChange::Remove => Ok(None),
            SecretChange::Replace(secret) => self.seal(old.scope, &item, attribute, &secret).await.map(Some),
        };
        Ok(Connection {
            settings,
            client_secret: sealed(CLIENT_SECRET, patched.client_secret, &old.client_secret).await?,
            client_secret_next: sealed(
                CLIENT_SECRET_NEXT,
                patched.client_secret_next,
                &old.client_secret_next,
            )
            .await?,
            client_private_key: sealed(CLIENT_PRIVATE_KEY, private_key, &old.client_private_key).await?,
            client_public_key: public_key,
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
        deadline: Deadline,
    ) -> Result<(), Problem> {
        let connection = self.connection_at(scope, name, if_match).await?;
        if !force {
            self.check_unused(&connection).await?;
        }
        let after = Deleted::Connection(Box::new(connection.clone()));
        let cleanup = Cleanup { after, deleted_at: Timestamp::now() };
        if !self.store.delete_connection(&connection, &cleanup).await? {
            let stale = if if_match.is_some() { Code::StaleRevision } else { Code::Conflict };
            return Err(Problem::new(stale, format!("The connection {name} was changed meanwhile.")));
        }
        self.begin_clean_up(&cleanup, deadline).await;
        Ok(())
    }

    /// What would be without the connection. A moment behind, as far as grants are concerned.
    pub async fn dependants(&self, scope: Scope, name: &Name) -> Result<Dependants, Problem> {
        let connection = self.connection_at(scope, name, None).await?;
        let integrations = self.users_of(&connection).await?;
        let grants = self.store.grants_on(&connection).await?.into_iter();
        let connected = grants.filter(|grant| grant.status.is_some_and(GrantStatus::is_connected));
        let elsewhere =
            connected.filter_map(|grant| grant.key.scope().filter(|scope| *scope != connection.scope));
        Ok(Dependants { integrations, organizations: elsewhere.filter_map(Scope::organization).collect() })
    }

    /// The integrations that use it.
    async fn users_of(&self, connection: &Connection) -> Result<Vec<Name>, Problem> {
        let folded = connection.name.folded();
        let integrations = self.store.all_integrations().await?;
        let users =
            integrations.into_iter().filter(|integration| integration.connection_name().folded() == folded);
        Ok(users.map(|integration| integration.name).collect())
    }

    async fn check_unused(&self, connection: &Connection) -> Result<(), Problem> {
        let users = self.users_of(connection).await?;
        if users.is_empty() {
            return Ok(());
        }
        let users: Vec<_> = users.iter().map(Name::as_str).collect();
        let detail = format!("Integrations use the connection {}: {}.", connection.name, users.join(", "));
        Err(Problem::new(Code::InUse, detail)
            .fix("Link them to another connection, or delete with ?force=true."))
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
