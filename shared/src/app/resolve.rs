//! "What do I need to call this API for this organization?": merged configuration, entity id, fresh token.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Bifrost, Deadline,
    lookup::{Along, Reached, Seen, fill, url_values},
    refresh::{REFRESH_TOKEN, Usable},
};
use crate::{
    model::{
        Code, Exposed, GrantId, IntegrationId, Name, Problem, Scope, Timestamp,
        access::Caller,
        config::StoredConfig,
        connection::{Connection, ConnectionStatus, LastError},
        grant::{Grant, Want},
    },
    store::ItemKey,
};

/// The answer to a workflow.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Resolved {
    pub integration_id: IntegrationId,
    pub entity_id: Option<String>,
    pub entity_name: Option<String>,
    /// Defaults overlaid by the organization's overrides, secrets readable.
    pub config: Map<String, Value>,
    /// Required keys without a value.
    pub missing_config: Vec<String>,
    /// Null only where no connection is found.
    pub oauth: Option<ResolvedOauth>,
}

/// What is needed to call the API in the organization's name.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ResolvedOauth {
    pub connection_name: Name,
    pub grant_id: Option<GrantId>,
    pub client_id: String,
    /// For callers that may read it.
    pub client_secret: Option<Exposed>,
    /// Placeholders filled in.
    pub authorization_url: Option<String>,
    pub token_url: Option<String>,
    pub scopes: Vec<String>,
    pub access_token: Option<Exposed>,
    pub token_type: Option<String>,
    /// For callers that may read it.
    pub refresh_token: Option<Exposed>,
    pub expires_at: Option<Timestamp>,
    pub generation: Option<u64>,
    /// What the provider said about the grant beside its tokens, such as `realmId` or `instance_url`.
    pub facts: BTreeMap<String, String>,
    pub status: ConnectionStatus,
    /// Why there is no access token, or what is wrong beside it.
    pub problem: Option<OauthProblem>,
}

/// A problem that does not fail the resolve.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct OauthProblem {
    pub code: String,
    pub title: String,
    pub detail: String,
    pub fix: String,
}

impl Bifrost {
    pub async fn resolve(
        &self,
        caller: &Caller,
        scope: Scope,
        name: &Name,
        deadline: Deadline,
    ) -> Result<Resolved, Problem> {
        let found = self.look_up_integration(scope, &name.folded(), Along::DataKeys).await?;
        let (seen, reached) = found.ok_or_else(|| Problem::not_found("integration", name))?;
        let oauth = match &reached {
            Some(reached) => Some(self.resolve_oauth(caller, &seen, reached, deadline).await),
            None => None,
        };
        let config = self.merged_config(scope, &seen).await?;
        let Seen { integration, mapping } = seen;
        let missing_config = integration
            .config_schema
            .missing(&integration.defaults, mapping.as_ref().map(|mapping| &mapping.config));
        let (entity_id, entity_name) =
            mapping.map(|mapping| (mapping.entity_id, mapping.entity_name)).unwrap_or_default();
        Ok(Resolved {
            integration_id: integration.id,
            entity_id: entity_id.or(integration.default_entity_id),
            entity_name,
            config,
            missing_config,
            oauth,
        })
    }

    async fn merged_config(&self, scope: Scope, seen: &Seen) -> Result<Map<String, Value>, Problem> {
        let name = seen.integration.name.folded();
        let mut config = Map::new();
        let item = ItemKey::integration(&name);
        self.overlay(&mut config, Scope::Global, &item, &seen.integration.defaults).await?;
        if let (Some(mapping), Some(organization)) = (&seen.mapping, scope.organization()) {
            self.overlay(&mut config, scope, &ItemKey::mapping(organization, &name), &mapping.config).await?;
        }
        // A key that the schema has lost since is no longer part of the integration.
        config.retain(|key, _| seen.integration.config_schema.field(key).is_some());
        Ok(config)
    }

    async fn overlay(
        &self,
        config: &mut Map<String, Value>,
        scope: Scope,
        item: &ItemKey,
        values: &StoredConfig,
    ) -> Result<(), Problem> {
        config.extend(values.plain.clone());
        for (key, sealed) in &values.secrets {
            let attribute = StoredConfig::secret_attribute(key);
            let secret = self.vault.open(scope, item, &attribute, sealed).await?;
            config.insert(key.clone(), Value::String(secret.expose().to_owned()));
        }
        Ok(())
    }

    /// Trouble with OAuth never fails a resolve: the answer says what it is.
    async fn resolve_oauth(
        &self,
        caller: &Caller,
        seen: &Seen,
        reached: &Reached,
        deadline: Deadline,
    ) -> ResolvedOauth {
        let usable = self.usable_token(reached, Want::Fresh { min_ttl: None }, deadline).await;
        let held_back = match &usable {
            Ok(usable) => usable.error.is_some(),
            Err(problem) => problem.code == Code::ClientRejected,
        };
        let (grant, access_token, problem) = match usable {
            Ok(Usable { grant, access_token, error, .. }) => {
                let problem = error.as_ref().map(OauthProblem::from);
                (Some(grant), Some(Exposed(access_token)), problem)
            }
            Err(problem) => {
                // What the failed attempt left behind; it was read before it.
                let grant =
                    self.store.grant(&reached.grant_key).await.ok().flatten().or(reached.grant.clone());
                (
                    grant.filter(|grant| grant.connection_id == reached.connection.id),
                    None,
                    Some(problem.into()),
                )
            }
        };
        let connection = &reached.connection;
        let settings = &connection.settings;
        let values = url_values(connection, Some(seen));
        let filled = |url| fill(settings, url, &values).ok().map(|url| url.to_string());
        let client_secret = match caller.reads_secrets_of(connection.scope) {
            true => self.readable_client_secret(connection).await,
            false => None,
        };
        let refresh_token = match (grant.as_ref(), caller.reads_secrets_of(reached.grant_scope)) {
            (Some(grant), true) => self.refresh_token(reached, grant).await,
            _ => None,
        };
        let scopes = grant.as_ref().map(|grant| grant.scopes.clone()).filter(|scopes| !scopes.is_empty());
        let now = Timestamp::now();
        ResolvedOauth {
            connection_name: connection.name.clone(),
            grant_id: grant.as_ref().map(|grant| grant.id),
            client_id: settings.client_id.clone(),
            client_secret,
            authorization_url: settings.authorization_url.as_ref().and_then(filled),
            token_url: filled(&settings.token_url),
            scopes: scopes.unwrap_or_else(|| settings.scopes.clone()),
            token_type: access_token
                .is_some()
                .then(|| grant.as_ref().map(|grant| grant.token_type.clone()))
                .flatten(),
            expires_at: grant.as_ref().filter(|_| access_token.is_some()).and_then(|grant| grant.expires_at),
            access_token,
            refresh_token,
            generation: grant.as_ref().map(|grant| grant.generation),
            facts: grant.as_ref().map(|grant| grant.facts.clone()).unwrap_or_default(),
            status: connection.status(grant.as_ref(), held_back, now),
            problem,
        }
    }

    /// One that can't be read is no reason to answer nothing; the token's own problem says the same.
    async fn readable_client_secret(&self, connection: &Connection) -> Option<Exposed> {
        let read = self.client_secret(connection).await.inspect_err(|problem| {
            let cause = problem.cause_chain();
            tracing::warn!(connection = %connection.id, code = %problem.code, cause, "a client secret can't be read");
        });
        read.ok().flatten().map(Exposed)
    }

    async fn refresh_token(&self, reached: &Reached, grant: &Grant) -> Option<Exposed> {
        let sealed = grant.refresh_token.as_ref()?;
        self.open_token(reached, REFRESH_TOKEN, sealed).await.ok().map(Exposed)
    }
}

// Not derived: `config` holds readable secrets.
impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolved").field("integration_id", &self.integration_id).finish_non_exhaustive()
    }
}

impl From<Problem> for OauthProblem {
    fn from(problem: Problem) -> Self {
        if let Some(cause) = problem.cause_chain() {
            tracing::error!(code = %problem.code, cause, "a resolve goes without a token");
        }
        let title = problem.code.title().to_owned();
        Self { code: problem.code.to_string(), title, detail: problem.detail, fix: problem.fix }
    }
}

impl From<&LastError> for OauthProblem {
    fn from(error: &LastError) -> Self {
        let LastError { code, title, detail, fix, .. } = error.clone();
        Self { code, title, detail, fix }
    }
}
