//! Showing and writing mappings.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Bifrost,
    lookup::{Along, Reached, Seen},
    page::PageRequest,
};
use crate::{
    model::{
        Code, GrantId, IntegrationId, MappingId, Name, OrganizationId, Problem, Scope, Timestamp,
        access::Caller,
        config::StoredConfig,
        connection::Connection,
        grant::{Grant, GrantStatus},
        input::EntityId,
        integration::Integration,
        mapping::{Mapping, NewMapping},
    },
    store::{Batch, ItemKey, Page, page::Listing},
};

/// A mapping as answers show it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct MappingView {
    pub id: MappingId,
    pub integration_id: IntegrationId,
    pub organization_id: OrganizationId,
    pub entity_id: Option<String>,
    pub entity_name: Option<String>,
    /// The organization's own grant on the integration's connection.
    pub oauth_token_id: Option<GrantId>,
    /// Its overrides; secrets as the mark that they are set.
    pub config: Map<String, Value>,
    pub missing_config: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(skip)]
    pub revision: u64,
}

/// What an organization is mapped to, at a glance.
#[derive(Debug)]
pub struct MappedTo {
    pub integration: Name,
    pub entity_id: Option<String>,
    pub entity_name: Option<String>,
    pub missing_config: Vec<String>,
    /// How its own grant on the platform's connection is doing, where it has one.
    pub own_grant: Option<GrantStatus>,
}

/// What a PUT did.
#[derive(Debug)]
pub enum Put {
    Created(MappingView),
    Replaced(MappingView),
}

impl Bifrost {
    pub async fn show_mapping(
        &self,
        name: &Name,
        organization: OrganizationId,
    ) -> Result<MappingView, Problem> {
        let missing = || Problem::not_found("mapping", format!("of {organization} on {name}"));
        self.found_mapping(name, organization).await?.ok_or_else(missing)
    }

    async fn found_mapping(
        &self,
        name: &Name,
        organization: OrganizationId,
    ) -> Result<Option<MappingView>, Problem> {
        let found = self
            .look_up_integration(Scope::Organization(organization), &name.folded(), Along::Nothing)
            .await?;
        let (Seen { integration, mapping }, reached) =
            found.ok_or_else(|| Problem::not_found("integration", name))?;
        Ok(mapping.map(|mapping| view(&integration, mapping, own_grant(reached.as_ref(), organization))))
    }

    /// Provider callers write all of a mapping; others change the config of what the provider has mapped.
    pub async fn put_mapping(
        &self,
        caller: &Caller,
        name: &Name,
        organization: OrganizationId,
        body: Map<String, Value>,
        if_match: Option<u64>,
    ) -> Result<Put, Problem> {
        self.put_mapping_in_place_of(caller, name, organization, body, if_match.map(Some)).await
    }

    /// `replaced`: the revision that it is to take the place of, or that there must be none; if anything at all is said
    /// about it.
    pub async fn put_mapping_in_place_of(
        &self,
        caller: &Caller,
        name: &Name,
        organization: OrganizationId,
        body: Map<String, Value>,
        replaced: Option<Option<u64>>,
    ) -> Result<Put, Problem> {
        let scope = Scope::Organization(organization);
        let found = self.look_up_integration(scope, &name.folded(), Along::Nothing).await?;
        let (seen, reached) = found.ok_or_else(|| Problem::not_found("integration", name))?;
        let Seen { integration, mapping: old } = seen;
        if replaced.is_some_and(|replaced| replaced != old.as_ref().map(|old| old.revision)) {
            let detail = match replaced {
                Some(None) => "The organization has been mapped meanwhile.",
                _ => "The mapping has changed since.",
            };
            return Err(Problem::new(Code::StaleRevision, detail));
        }
        let folded = integration.name.folded();
        let no_config = StoredConfig::default();
        let stored = old.as_ref().map_or(&no_config, |old| &old.config);
        let (names_entity, names_entity_name) =
            (body.contains_key("entity_id"), body.contains_key("entity_name"));
        let mut new = NewMapping::from_input(body, &integration.config_schema, stored)?;
        if !caller.chooses_tenants() {
            let old =
                old.as_ref().ok_or_else(|| Problem::forbidden("Only the provider maps organizations."))?;
            // To leave out what one may not change is not to ask for its removal.
            if !names_entity {
                new.entity_id = old.entity_id.clone();
            }
            if !names_entity_name {
                new.entity_name = old.entity_name.clone();
            }
            // Not the connection in force: a user can put one of its own in front of the global one and take it away.
            let global =
                self.store.connection(Scope::Global, &integration.connection_name().folded()).await?;
            check_managed_change(old, &new, global.as_ref())?;
        }
        let provider_keys = provider_keys(caller, &new, old.as_ref());
        let item = ItemKey::mapping(organization, &folded);
        let config = self.seal_config(scope, &item, new.config, Some(stored)).await?;
        let now = Timestamp::now();
        let mapping = Mapping {
            id: old.as_ref().map_or_else(MappingId::new, |old| old.id),
            integration_id: integration.id,
            organization_id: organization,
            entity_id: new.entity_id,
            entity_name: new.entity_name,
            config,
            provider_keys,
            created_at: old.as_ref().map_or(now, |old| old.created_at),
            updated_at: now,
            revision: old.as_ref().map_or(0, |old| old.revision) + 1,
        };
        let written = self.store.put_mapping(&integration, &mapping, old.as_ref()).await;
        written.map_err(|problem| problem.stale_if(replaced.is_some()))?;
        let view = view(&integration, mapping, own_grant(reached.as_ref(), organization));
        Ok(if old.is_some() { Put::Replaced(view) } else { Put::Created(view) })
    }

    /// Provider callers see all organizations' mappings, others their own. All come from an index: what was written a
    /// moment ago can be missing.
    pub async fn mappings(
        &self,
        caller: &Caller,
        name: &Name,
        entity_id: Option<&EntityId>,
        request: PageRequest<'_>,
    ) -> Result<Page<MappingView>, Problem> {
        let (integration, connection) = self.integration_for_listing(name).await?;
        let only = match (caller.lists_all_mappings(), entity_id) {
            (true, None) => {
                let page: Page<Mapping> = self.page(Listing::mappings(integration.id), request).await?;
                let grants = self.own_grants(&integration, connection, &page).await?;
                let grant = |mapping: &Mapping| grants.get(&mapping.organization_id).copied();
                return Ok(page.map(|mapping| {
                    let grant = grant(&mapping);
                    view(&integration, mapping, grant)
                }));
            }
            (true, Some(entity_id)) => {
                self.store.organization_of_entity(integration.id, entity_id.as_str()).await?
            }
            (false, _) => caller.home.organization(),
        };
        let shown = match only {
            Some(organization) => self.found_mapping(name, organization).await?,
            None => None,
        };
        let entity_id = entity_id.map(EntityId::as_str);
        let wanted = |shown: &MappingView| entity_id.is_none_or(|id| shown.entity_id.as_deref() == Some(id));
        Ok(Page::single(Listing::mappings(integration.id), shown.filter(wanted)))
    }
}

impl Bifrost {
    /// What an organization is mapped to, the first so many by integration; and whether that is all.
    pub async fn mapped_to(
        &self,
        organization: OrganizationId,
        limit: usize,
    ) -> Result<(Vec<MappedTo>, bool), Problem> {
        let page: Page<ItemKey> = self.store.page(Listing::mappings_to(organization), limit, None).await?;
        let mut batch = Batch::default();
        for key in page.items() {
            batch.data(key.clone());
            key.mapped_integration().map(|integration| batch.data(integration));
        }
        let mut found = self.store.read(batch).await?;
        let mut mapped = Vec::new();
        for key in page.items() {
            let mapping: Option<Mapping> = found.take(key)?;
            let integration = key.mapped_integration().map(|key| found.take::<Integration>(&key));
            let (Some(mapping), Some(integration)) = (mapping, integration.transpose()?.flatten()) else {
                continue;
            };
            // One of an integration that is gone, of the same name.
            if mapping.integration_id == integration.id {
                mapped.push((mapping, integration));
            }
        }
        let scope = Scope::Organization(organization);
        let keys = |integration: &Integration| {
            let connection = integration.connection_name().folded();
            let grant = ItemKey::grant(scope, Scope::Global, &connection);
            (ItemKey::connection(Scope::Global, &connection), grant)
        };
        let mut batch = Batch::default();
        for (_, integration) in &mapped {
            let (connection, grant) = keys(integration);
            batch.data(connection).data(grant);
        }
        let found = self.store.read(batch).await?;
        let view = |(mapping, integration): (Mapping, Integration)| {
            let (connection, grant) = keys(&integration);
            // Several integrations may use one connection.
            let (connection, grant) =
                (found.look_at::<Connection>(&connection)?, found.look_at::<Grant>(&grant)?);
            let grant = connection.zip(grant).filter(|(connection, grant)| {
                grant.connection_id == connection.id && grant.status.is_connected()
            });
            let own_grant = grant.map(|(_, grant)| grant.status);
            Ok(MappedTo {
                missing_config: integration
                    .config_schema
                    .missing(&integration.defaults, Some(&mapping.config)),
                integration: integration.name,
                entity_id: mapping.entity_id,
                entity_name: mapping.entity_name,
                own_grant,
            })
        };
        let mapped = mapped.into_iter().map(view).collect::<Result<_, Problem>>()?;
        Ok((mapped, page.next.is_none()))
    }
}

/// What a managed user must leave alone: which tenant it is mapped to decides which tenant's token comes out.
fn check_managed_change(old: &Mapping, new: &NewMapping, global: Option<&Connection>) -> Result<(), Problem> {
    if new.entity_id != old.entity_id || new.entity_name != old.entity_name {
        return Err(Problem::forbidden("Only the provider changes entity_id and entity_name."));
    }
    let urls = global.into_iter().flat_map(|connection| connection.settings.urls());
    for name in urls.flat_map(|url| url.placeholders()) {
        if old.config.plain.get(name) != new.config.plain.get(name) {
            let detail = format!("Only the provider changes {name}: it fills a URL of a global connection.");
            return Err(Problem::forbidden(detail));
        }
    }
    Ok(())
}

/// The keys whose values come from a provider caller: now, or before and unchanged since.
fn provider_keys(caller: &Caller, new: &NewMapping, old: Option<&Mapping>) -> BTreeSet<String> {
    let vouched = |key: &String, value: &Value| {
        let before = old.filter(|old| old.provider_keys.contains(key));
        caller.chooses_tenants() || before.is_some_and(|old| old.config.plain.get(key) == Some(value))
    };
    let plain = new.config.plain.iter().filter(|(key, value)| vouched(key, value));
    plain.map(|(key, _)| key.clone()).collect()
}

pub(super) fn own_grant(reached: Option<&Reached>, organization: OrganizationId) -> Option<GrantId> {
    let own = reached.filter(|reached| reached.grant_scope == Scope::Organization(organization))?;
    own.grant.as_ref().filter(|grant| grant.status.is_connected()).map(|grant| grant.id)
}

pub(super) fn view(
    integration: &Integration,
    mapping: Mapping,
    oauth_token_id: Option<GrantId>,
) -> MappingView {
    MappingView {
        id: mapping.id,
        integration_id: mapping.integration_id,
        organization_id: mapping.organization_id,
        entity_id: mapping.entity_id,
        entity_name: mapping.entity_name,
        oauth_token_id,
        missing_config: integration.config_schema.missing(&integration.defaults, Some(&mapping.config)),
        config: mapping.config.shown(),
        created_at: mapping.created_at,
        updated_at: mapping.updated_at,
        revision: mapping.revision,
    }
}
