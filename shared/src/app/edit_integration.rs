//! Listing, changing and deleting integrations.

use serde_json::{Map, Value};

use super::{Bifrost, Deadline, integrations::IntegrationView, page::PageRequest};
use crate::{
    model::{
        Code, FieldError, Name, OrganizationId, Problem, Scope, Timestamp, config::ConfigSchema,
        integration::Integration, mapping::Mapping,
    },
    store::{
        ItemKey, Page,
        cleanups::{Cleanup, Deleted},
        page::Listing,
    },
};

/// Stored values that a schema has no place for.
#[derive(Debug, Default)]
pub struct Stranded {
    /// The keys of defaults.
    pub defaults: Vec<String>,
    /// The keys that organizations have values for. A moment behind.
    pub mappings: Vec<(OrganizationId, Vec<String>)>,
}

/// How often an edit without `If-Match` is made anew on what another has just written.
const ATTEMPTS: usize = 10;

impl Bifrost {
    pub async fn integrations(&self, request: PageRequest<'_>) -> Result<Page<IntegrationView>, Problem> {
        let page = self.page::<Integration>(Listing::integrations(), request).await?;
        Ok(page.map(IntegrationView::from))
    }

    /// RFC 7396 merge patch. A schema that leaves organizations' values without a place is refused with the list of
    /// them; `force` lets go of the values.
    pub async fn update_integration(
        &self,
        name: &Name,
        patch: &Map<String, Value>,
        if_match: Option<u64>,
        force: bool,
    ) -> Result<IntegrationView, Problem> {
        for _ in 0..ATTEMPTS {
            let old = self.integration_at(name, if_match).await?;
            let new = self.edited_integration(&old, patch.clone(), force).await?;
            let reshaped = new.config_schema != old.config_schema;
            if reshaped && !force {
                self.settle_stranded(&new, false).await?;
            }
            if self.store.update_integration(&new, old.revision).await? {
                // No value that the old schema let in can come any more: mappings are written on this revision.
                if force {
                    self.settle_stranded(&new, true).await?;
                }
                return Ok(new.into());
            }
        }
        Err(Problem::new(Code::Conflict, format!("The integration {name} keeps being changed by others.")))
    }

    async fn edited_integration(
        &self,
        old: &Integration,
        patch: Map<String, Value>,
        force: bool,
    ) -> Result<Integration, Problem> {
        let new = old.patched(patch, force)?;
        let item = ItemKey::integration(&old.name.folded());
        let defaults = self.seal_config(Scope::Global, &item, new.defaults, Some(&old.defaults)).await?;
        Ok(Integration {
            description: new.description,
            entity_id_name: new.entity_id_name,
            default_entity_id: new.default_entity_id,
            config_schema: new.config_schema,
            defaults,
            connection: new.connection,
            updated_at: Timestamp::now(),
            revision: old.revision + 1,
            ..old.clone()
        })
    }

    /// What an edit that puts this schema in force would let go of, if it were forced.
    pub async fn stranded(&self, name: &Name, schema: &ConfigSchema) -> Result<Stranded, Problem> {
        let integration = self.integration(name).await?;
        let of_organization = |mapping: Mapping| (mapping.organization_id, schema.stranded(&mapping.config));
        let mappings = self.store.all_mappings(integration.id).await?.into_iter().map(of_organization);
        let mappings = mappings.filter(|(_, keys)| !keys.is_empty()).collect();
        Ok(Stranded { defaults: schema.stranded(&integration.defaults), mappings })
    }

    /// Finds what organizations have stored that the new schema has no place for.
    async fn settle_stranded(&self, integration: &Integration, force: bool) -> Result<(), Problem> {
        let mut errors = Vec::new();
        for mapping in self.store.all_mappings(integration.id).await? {
            let stranded = integration.config_schema.stranded(&mapping.config);
            if force && !stranded.is_empty() {
                self.drop_values(integration, mapping).await?;
                continue;
            }
            let message = format!("the organization {} has stored it", mapping.organization_id);
            let named = |key: &String| FieldError::new(&format!("config.{key}"), message.clone());
            errors.extend(stranded.iter().map(named));
        }
        if errors.is_empty() {
            return Ok(());
        }
        let detail = format!("The new config_schema has no place for {} stored values.", errors.len());
        Err(Problem::new(Code::ValuesStranded, detail).about(errors))
    }

    /// The schema is in force already: whatever else is written to the mapping meanwhile fits it, and a later edit of
    /// the integration looks after its own.
    async fn drop_values(&self, integration: &Integration, seen: Mapping) -> Result<(), Problem> {
        let mut seen = Some(seen);
        while let Some(mapping) = seen {
            let stranded = integration.config_schema.stranded(&mapping.config);
            let config = mapping.config.clone().without(&stranded);
            let (updated_at, revision) = (Timestamp::now(), mapping.revision + 1);
            let new = Mapping { config, updated_at, revision, ..mapping.clone() };
            match self.store.put_mapping(integration, &new, Some(&mapping)).await {
                Err(problem) if problem.code == Code::Conflict => {}
                written => return written,
            }
            let current = self.store.integration(&integration.name.folded()).await?;
            if current.is_none_or(|current| current.revision != integration.revision) {
                return Ok(());
            }
            let mapping = self.store.mapping(integration, mapping.organization_id).await?;
            seen = mapping.filter(|mapping| !integration.config_schema.stranded(&mapping.config).is_empty());
        }
        Ok(())
    }

    /// Gone at once, its name free; then its mappings go, and the grants that nothing needs any more.
    pub async fn delete_integration(
        &self,
        name: &Name,
        if_match: Option<u64>,
        deadline: Deadline,
    ) -> Result<(), Problem> {
        let integration = self.integration_at(name, if_match).await?;
        let after = Deleted::Integration(Box::new(integration.clone()));
        let cleanup = Cleanup { after, deleted_at: Timestamp::now() };
        if !self.store.delete_integration(&integration, &cleanup).await? {
            let stale = if if_match.is_some() { Code::StaleRevision } else { Code::Conflict };
            return Err(Problem::new(stale, format!("The integration {name} was changed meanwhile.")));
        }
        self.begin_clean_up(&cleanup, deadline).await;
        Ok(())
    }

    async fn integration_at(&self, name: &Name, if_match: Option<u64>) -> Result<Integration, Problem> {
        let integration = self.integration(name).await?;
        if if_match.is_some_and(|revision| revision != integration.revision) {
            return Err(Problem::new(
                Code::StaleRevision,
                format!("The integration {name} has changed since."),
            ));
        }
        Ok(integration)
    }
}
