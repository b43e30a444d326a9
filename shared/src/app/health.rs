//! How integrations are doing at a glance: for how many organizations each is mapped, and whom it has a token for.
//!
//! A glance is bounded: it reads indexes, which are a moment behind, and no further than a page of them goes. What
//! holds back the client of an organization's own connection is not looked for; the connection itself tells.

use std::collections::HashMap;

use super::{
    Bifrost,
    connections::{ConnectionView, Standing, view},
    integrations::IntegrationView,
    lookup::{Along, Reached, Seen, is_minted},
    refresh::breaker_key,
};
use crate::{
    model::{
        Code, ConnectionId, Name, OrganizationId, Problem, Scope, Timestamp,
        access::Caller,
        config::{ConfigSchema, StoredConfig},
        connection::{Connection, ConnectionStatus, Flow},
        grant::{Grant, GrantStatus},
    },
    store::{Batch, ItemKey, breakers::BreakerItem, grants::Named, mappings::Mapped},
};

/// How many integrations are looked at at the same time. Each takes three requests at once.
const AT_ONCE: usize = 4;

/// How an integration is doing for the organizations that the caller sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// The connection that organizations share, and how its own grant is doing.
    pub connection: Option<(Name, ConnectionStatus)>,
    /// For how many organizations it is mapped. Each is counted once more below, unless no connection serves it.
    pub mapped: usize,
    /// There are more than a glance goes through.
    pub more: bool,
    pub active: usize,
    /// Of a client that speaks for itself and has not been asked yet.
    pub unused: usize,
    pub not_connected: usize,
    pub failing: usize,
    pub reauthorize: usize,
    /// Organizations without a value for a required key.
    pub incomplete: usize,
}

/// A connection as one scope reaches it through an integration.
#[derive(Debug)]
pub struct Reach {
    /// Its status and times are those of the grant that serves the scope.
    pub connection: ConnectionView,
    /// Whose grant that is.
    pub grant_scope: Scope,
}

/// What goes with an integration that is deleted.
#[derive(Debug)]
pub struct Deletion {
    pub mappings: usize,
    /// There are more than a glance goes through.
    pub more: bool,
    /// The organizations among them that have signed in themselves to the connection that all share.
    pub signed_in: Vec<OrganizationId>,
    /// The other integrations that use that connection: an organization that is mapped there, too, keeps its grant.
    pub shared_with: Vec<Name>,
}

/// The global connection, and what its own grant is worth to those who have none.
struct Shared {
    id: ConnectionId,
    flow: Flow,
    /// Each organization's token is got at its own tenant.
    minted: bool,
    grant: Option<GrantStatus>,
    held_back: bool,
}

impl Bifrost {
    /// Of each integration, in their order. Provider callers see all organizations, others their own.
    pub async fn health(
        &self,
        caller: &Caller,
        integrations: &[IntegrationView],
    ) -> Result<Vec<Health>, Problem> {
        let own = caller.home.organization().filter(|_| !caller.lists_all_mappings());
        let mut all = Vec::with_capacity(integrations.len());
        for some in integrations.chunks(AT_ONCE) {
            let health = async |index: usize| match (some.get(index), own) {
                (None, _) => Ok(None),
                (Some(integration), None) => self.health_for_all(integration).await.map(Some),
                (Some(integration), Some(own)) => self.health_for(own, &integration.name).await.map(Some),
            };
            let (a, b, c, d) = tokio::join!(health(0), health(1), health(2), health(3));
            all.extend([a?, b?, c?, d?].into_iter().flatten());
        }
        Ok(all)
    }

    async fn health_for_all(&self, integration: &IntegrationView) -> Result<Health, Problem> {
        let name = integration.connection.as_ref().unwrap_or(&integration.name);
        let folded = name.folded();
        let required = required(&integration.config_schema, |key| integration.defaults.contains_key(key));
        let (mapped, named, global) = tokio::join!(
            self.store.mapped(integration.id, !required.is_empty()),
            self.store.glimpse_named(&folded),
            self.owned_connection(Scope::Global, name),
        );
        let ((mapped, more_mapped), (named, more_named)) = (mapped?, named?);
        let mut health =
            Health { mapped: mapped.len(), more: more_mapped || more_named, ..Health::default() };
        health.incomplete = mapped.iter().filter(|mapped| lacks(&mapped.config, &required)).count();
        let shared = match global {
            Ok((connection, standing)) => Some(health.share(connection, standing)),
            Err(problem) if problem.code == Code::NotFound => None,
            Err(problem) => return Err(problem),
        };
        health.count(&mapped, &named, shared.as_ref());
        Ok(health)
    }

    async fn health_for(&self, organization: OrganizationId, name: &Name) -> Result<Health, Problem> {
        let scope = Scope::Organization(organization);
        let mut health = Health::default();
        // Deleted since it was listed.
        let Some((seen, reached)) = self.look_up_integration(scope, &name.folded(), Along::Nothing).await?
        else {
            return Ok(health);
        };
        let Seen { integration, mapping } = seen;
        let reached = match reached {
            Some(reached) => Some(self.with_breaker(reached).await?),
            None => None,
        };
        if let Some((reached, standing)) = &reached {
            let held_back = standing.held_back(&reached.connection).is_some();
            let status = reached.connection.status(standing.grant.as_ref(), held_back, Timestamp::now());
            health.connection = Some((reached.connection.name.clone(), status));
        }
        let Some(mapping) = mapping else { return Ok(health) };
        health.mapped = 1;
        if let Some((reached, standing)) = &reached {
            let held_back = standing.held_back(&reached.connection).is_some();
            let grant = standing.grant.as_ref().map(|grant| grant.status);
            health.note(grant, reached.connection.settings.flow, held_back);
        }
        let missing = integration.config_schema.missing(&integration.defaults, Some(&mapping.config));
        health.incomplete = usize::from(!missing.is_empty());
        Ok(health)
    }

    /// The connection that a scope reaches through an integration, as the grant that serves it has it.
    pub async fn reached_connection(
        &self,
        scope: Scope,
        integration: &Name,
        public_url: &str,
    ) -> Result<Option<Reach>, Problem> {
        let found = self.look_up_integration(scope, &integration.folded(), Along::Nothing).await?;
        let (_, reached) = found.ok_or_else(|| Problem::not_found("integration", integration))?;
        let Some(reached) = reached else { return Ok(None) };
        let (reached, standing) = self.with_breaker(reached).await?;
        let connection = view(reached.connection, standing, public_url, Timestamp::now());
        Ok(Some(Reach { connection, grant_scope: reached.grant_scope }))
    }

    /// What the deletion of an integration would take along.
    pub async fn deletion(&self, integration: &IntegrationView) -> Result<Deletion, Problem> {
        let connection = integration.connection.as_ref().unwrap_or(&integration.name).folded();
        let (mapped, named, all) = tokio::join!(
            self.store.mapped(integration.id, false),
            self.store.glimpse_named(&connection),
            self.store.all_integrations(),
        );
        let ((mapped, more), (named, _)) = (mapped?, named?);
        let global = named.iter().find(|named| named.key == ItemKey::connection(Scope::Global, &connection));
        let on_global = |organization: OrganizationId| {
            let key = ItemKey::grant(Scope::Organization(organization), Scope::Global, &connection);
            let grant = named.iter().find(|named| named.key == key)?;
            let very_one = grant.connection_id == global.map(|global| ConnectionId::from(global.id));
            grant.status.filter(|status| very_one && status.is_connected())
        };
        let organizations = mapped.iter().map(|mapped| mapped.organization_id);
        let signed_in = organizations.filter(|id| on_global(*id).is_some()).collect();
        let others = all?
            .into_iter()
            .filter(|other| other.id != integration.id && other.connection_name().folded() == connection);
        let shared_with = others.map(|other| other.name).collect();
        Ok(Deletion { mappings: mapped.len(), more, signed_in, shared_with })
    }

    /// What was reached, and how the grant stands that serves: where an organization's is got for the connection's own
    /// sign-in and has not been needed yet, that one.
    async fn with_breaker(&self, reached: Reached) -> Result<(Reached, Standing), Problem> {
        let key = breaker_key(&reached.connection);
        let mut batch = Batch::default();
        batch.data(key.clone());
        let breaker: Option<BreakerItem> = self.store.read(batch).await?.take(&key)?;
        let source = reached.source.as_ref().and_then(|source| source.grant.clone());
        let serves = |grant: &Grant| !matches!(grant.status, GrantStatus::New | GrantStatus::Disconnected);
        let grant = reached.grant.clone().filter(|grant| source.is_none() || serves(grant)).or(source);
        Ok((reached, Standing { grant, breaker: breaker.map(|item| item.breaker) }))
    }
}

impl Health {
    fn share(&mut self, connection: Connection, standing: Standing) -> Shared {
        let held_back = standing.held_back(&connection).is_some();
        let grant = standing.grant.filter(|grant| grant.connection_id == connection.id);
        let status = connection.status(grant.as_ref(), held_back, Timestamp::now());
        let (id, flow, minted) = (connection.id, connection.settings.flow, is_minted(&connection));
        self.connection = Some((connection.name, status));
        Shared { id, flow, minted, grant: grant.map(|grant| grant.status), held_back }
    }

    /// Counts each organization by the grant that serves it, in the order in which look-ups go.
    fn count(&mut self, mapped: &[Mapped], named: &[Named], shared: Option<&Shared>) {
        let (connections, grants): (Vec<_>, Vec<_>) =
            named.iter().partition(|named| named.key.is_connection());
        let owned: HashMap<_, _> =
            connections.iter().map(|named| (named.key.scope(), ConnectionId::from(named.id))).collect();
        let statuses: HashMap<_, _> =
            grants.iter().map(|grant| ((grant.key.scope(), grant.connection_id), grant.status)).collect();
        for Mapped { organization_id, .. } in mapped {
            let scope = Some(Scope::Organization(*organization_id));
            let grant = |on: ConnectionId| statuses.get(&(scope, Some(on))).copied().flatten();
            if let Some(own) = owned.get(&scope) {
                self.note(grant(*own), Flow::AuthorizationCode, false);
            } else if let Some(shared) = shared {
                let own = grant(shared.id).filter(|status| shared.minted || status.is_connected());
                let serving = if shared.minted { own } else { own.or(shared.grant) };
                self.note(serving, shared.flow, shared.held_back);
            }
        }
    }

    fn note(&mut self, grant: Option<GrantStatus>, flow: Flow, held_back: bool) {
        let place = match grant {
            Some(GrantStatus::Reauthorize) => &mut self.reauthorize,
            Some(GrantStatus::Failing) => &mut self.failing,
            Some(GrantStatus::Active) if !held_back => &mut self.active,
            Some(GrantStatus::Active) => &mut self.failing,
            Some(GrantStatus::Disconnected) => &mut self.not_connected,
            None | Some(GrantStatus::New) if flow == Flow::AuthorizationCode => &mut self.not_connected,
            None | Some(GrantStatus::New) if held_back => &mut self.failing,
            None | Some(GrantStatus::New) => &mut self.unused,
        };
        *place += 1;
    }
}

/// The keys that each organization must bring itself.
fn required(schema: &ConfigSchema, has_default: impl Fn(&str) -> bool) -> Vec<&str> {
    let fields = schema.fields().iter().filter(|field| field.required && !has_default(&field.key));
    fields.map(|field| field.key.as_str()).collect()
}

fn lacks(config: &StoredConfig, required: &[&str]) -> bool {
    required.iter().any(|key| !config.plain.contains_key(*key) && !config.secrets.contains_key(*key))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn named(key: ItemKey, connection: Option<Uuid>, status: Option<GrantStatus>) -> Named {
        let id = if connection.is_none() { Uuid::from_u128(7) } else { Uuid::new_v4() };
        Named { key, id, connection_id: connection.map(ConnectionId::from), status }
    }

    fn glance(shared: Option<&Shared>, mapped: &[OrganizationId], named: &[Named]) -> Health {
        let mapped = mapped.iter().map(|id| Mapped { organization_id: *id, config: StoredConfig::default() });
        let mut health = Health::default();
        health.count(&mapped.collect::<Vec<_>>(), named, shared);
        health
    }

    fn shared(flow: Flow, minted: bool, grant: Option<GrantStatus>) -> Shared {
        Shared { id: Uuid::from_u128(1).into(), flow, minted, grant, held_back: false }
    }

    #[test]
    fn each_organization_counts_by_its_own_connection_else_its_own_grant_else_the_shared_one() {
        let [first, second, third] = [(); 3].map(|()| OrganizationId::new());
        let name = Name::parse("Halo").unwrap().folded();
        let scope = Scope::Organization;
        let named = [
            named(ItemKey::connection(scope(first), &name), None, None),
            named(
                ItemKey::grant(scope(first), scope(first), &name),
                Some(Uuid::from_u128(7)),
                Some(GrantStatus::Reauthorize),
            ),
            named(
                ItemKey::grant(scope(second), Scope::Global, &name),
                Some(Uuid::from_u128(1)),
                Some(GrantStatus::Failing),
            ),
            // Of a connection that had the name before.
            named(
                ItemKey::grant(scope(third), Scope::Global, &name),
                Some(Uuid::from_u128(2)),
                Some(GrantStatus::Reauthorize),
            ),
        ];
        let shared = shared(Flow::AuthorizationCode, false, Some(GrantStatus::Active));
        let health = glance(Some(&shared), &[first, second, third], &named);
        let expected = Health { reauthorize: 1, failing: 1, active: 1, ..Health::default() };
        assert_eq!(health, expected);
    }

    #[test]
    fn whose_own_grant_was_disconnected_is_served_by_the_shared_one() {
        let organization = OrganizationId::new();
        let name = Name::parse("Halo").unwrap().folded();
        let key = ItemKey::grant(Scope::Organization(organization), Scope::Global, &name);
        let named = [named(key, Some(Uuid::from_u128(1)), Some(GrantStatus::Disconnected))];
        let code = shared(Flow::AuthorizationCode, false, Some(GrantStatus::Active));
        assert_eq!(glance(Some(&code), &[organization], &named).active, 1);
        let minted = shared(Flow::ClientCredentials, true, Some(GrantStatus::Active));
        assert_eq!(glance(Some(&minted), &[organization], &named).not_connected, 1);
    }

    #[test]
    fn a_client_that_speaks_for_itself_and_was_not_asked_yet_is_not_unconnected() {
        let organization = [OrganizationId::new()];
        let unasked = shared(Flow::ClientCredentials, true, None);
        assert_eq!(glance(Some(&unasked), &organization, &[]).unused, 1);
        let refused = Shared { held_back: true, ..unasked };
        assert_eq!(glance(Some(&refused), &organization, &[]).failing, 1);
        assert_eq!(glance(None, &organization, &[]), Health::default());
    }
}
