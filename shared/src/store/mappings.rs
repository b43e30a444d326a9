//! Mappings, in their organization's partition, and the items that make an entity id belong to one organization.

use serde::Deserialize;

use super::{
    Batch, Found, ItemKey, Store,
    item::{number, text, to_item},
    page::Listing,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{
    Code, FoldedName, IntegrationId, OrganizationId, Problem, config::StoredConfig, integration::Integration,
    mapping::Mapping,
};

/// As much of a mapping as tells whether it is whole.
#[derive(Debug, Deserialize)]
pub struct Mapped {
    pub organization_id: OrganizationId,
    #[serde(default)]
    pub config: StoredConfig,
}

/// Who an entity id belongs to.
#[derive(serde::Serialize, serde::Deserialize)]
struct Entity {
    organization_id: OrganizationId,
}

impl Store {
    pub async fn mapping(
        &self,
        integration: &Integration,
        organization: OrganizationId,
    ) -> Result<Option<Mapping>, Problem> {
        let found: Option<Mapping> =
            self.get(&ItemKey::mapping(organization, &integration.name.folded())).await?;
        Ok(found.filter(|mapping| mapping.integration_id == integration.id))
    }

    /// Writes a mapping in place of `old`, which it must still be; its entity id must not be another organization's, and
    /// the integration must be as it was when the values were checked against it.
    pub async fn put_mapping(
        &self,
        integration: &Integration,
        mapping: &Mapping,
        old: Option<&Mapping>,
    ) -> Result<(), Problem> {
        let organization = mapping.organization_id;
        let name = integration.name.folded();
        let item = to_item(&ItemKey::mapping(organization, &name), mapping)?;
        let unchanged = match old {
            // A mapping of a deleted integration of the same name is in nobody's way.
            None => Condition::new(
                "attribute_not_exists(pk) OR integration_id <> :integration",
                [(":integration", text(mapping.integration_id.to_string()))],
            ),
            Some(old) => Condition::new(
                "id = :id AND revision = :revision",
                [(":id", text(old.id.to_string())), (":revision", number(old.revision))],
            ),
        };
        let parent = Condition::revision(integration.id, integration.revision);
        let mine = || Condition::new("organization_id = :mine", [(":mine", text(organization.to_string()))]);
        let mut transaction = Transaction::new(self)
            .in_organization(organization)?
            .check(&ItemKey::integration(&name), parent, Refused::ParentGone)?
            .put(item, unchanged, Refused::Changed)?;
        let old_entity = old.and_then(|old| old.entity_id.as_deref());
        if let Some(entity_id) = &mapping.entity_id {
            let free = Condition::new(
                "attribute_not_exists(pk) OR organization_id = :mine",
                [(":mine", text(organization.to_string()))],
            );
            let entity = ItemKey::entity(mapping.integration_id, entity_id);
            let item = to_item(&entity, &Entity { organization_id: organization })?;
            transaction = transaction.put(item, free, Refused::EntityTaken)?;
        }
        if let Some(gone) = old_entity.filter(|gone| mapping.entity_id.as_deref() != Some(gone)) {
            let key = ItemKey::entity(mapping.integration_id, gone);
            transaction = transaction.delete(&key, mine(), Refused::Changed)?;
        }
        let changed =
            || Problem::new(Code::Conflict, "The mapping was changed by someone else at the same time.");
        transaction.commit().await?.map_err(|refused| refused.into_problem(changed()))
    }

    /// Removes a mapping as it was seen, and sets its entity id free. False if it changed meanwhile.
    pub async fn delete_mapping(&self, integration: &FoldedName, mapping: &Mapping) -> Result<bool, Problem> {
        let organization = mapping.organization_id;
        let key = ItemKey::mapping(organization, integration);
        let unchanged = Condition::revision(mapping.id, mapping.revision);
        let mut transaction = Transaction::new(self).delete(&key, unchanged, Refused::Changed)?;
        if let Some(entity_id) = &mapping.entity_id {
            let entity = ItemKey::entity(mapping.integration_id, entity_id);
            let mine = Condition::new("organization_id = :mine", [(":mine", text(organization.to_string()))]);
            transaction = transaction.delete(&entity, mine, Refused::Changed)?;
        }
        Ok(transaction.commit().await?.is_ok())
    }

    /// Sets free the entity id of a mapping that is about to be removed, if it still is this organization's.
    pub async fn free_entity_of(
        &self,
        organization: OrganizationId,
        mapping: &ItemKey,
    ) -> Result<(), Problem> {
        let Some(Mapping { integration_id, entity_id: Some(entity_id), .. }) = self.get(mapping).await?
        else {
            return Ok(());
        };
        let mine = Condition::new("organization_id = :mine", [(":mine", text(organization.to_string()))]);
        self.delete_if(&ItemKey::entity(integration_id, &entity_id), mine).await.map(drop)
    }

    /// The integrations that an organization has mappings of.
    pub async fn integrations_mapped_to(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<Integration>, Problem> {
        #[derive(Deserialize)]
        struct Mapped {
            #[serde(flatten)]
            key: ItemKey,
            integration_id: IntegrationId,
        }
        let mapped: Vec<Mapped> = self.all(&Listing::mappings_to(organization)).await?;
        let mut batch = Batch::default();
        for key in mapped.iter().filter_map(|mapped| mapped.key.mapped_integration()) {
            batch.data(key);
        }
        let mut found = self.read(batch).await?;
        let mut integrations = Vec::new();
        for Mapped { key, integration_id } in mapped {
            let Some(key) = key.mapped_integration() else { continue };
            let integration: Option<Integration> = found.take(&key)?;
            integrations.extend(integration.filter(|integration| integration.id == integration_id));
        }
        Ok(integrations)
    }

    /// All organizations' mappings of an integration, as an index has them: a moment behind.
    pub async fn all_mappings(&self, integration: IntegrationId) -> Result<Vec<Mapping>, Problem> {
        self.all(&Listing::mappings(integration)).await
    }

    /// The same of what was read before.
    pub fn holder(
        &self,
        found: &Found,
        integration: IntegrationId,
        entity_id: &str,
    ) -> Result<Option<OrganizationId>, Problem> {
        let entity: Option<Entity> = found.see(&ItemKey::entity(integration, entity_id))?;
        Ok(entity.map(|entity| entity.organization_id))
    }

    /// The organizations that an integration is mapped for, as far as a glance goes, and whether there are more. From an
    /// index: a moment behind.
    pub async fn mapped(
        &self,
        integration: IntegrationId,
        with_config: bool,
    ) -> Result<(Vec<Mapped>, bool), Problem> {
        let attributes = if with_config { "organization_id, config" } else { "organization_id" };
        self.beginning(&Listing::mappings(integration), Some(attributes)).await
    }

    /// The organization that an entity id belongs to.
    pub async fn organization_of_entity(
        &self,
        integration: IntegrationId,
        entity_id: &str,
    ) -> Result<Option<OrganizationId>, Problem> {
        let entity: Option<Entity> = self.get(&ItemKey::entity(integration, entity_id)).await?;
        Ok(entity.map(|entity| entity.organization_id))
    }
}
