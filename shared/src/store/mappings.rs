//! Mappings, in their organization's partition, and the items that make an entity id belong to one organization.

use super::{
    Batch, ItemKey, Page, Store,
    item::{from_item, number, text, to_item},
    keys::{MAPPING_PREFIX, mappings_of, partition},
    page::Listing,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{
    Code, FoldedName, IntegrationId, OrganizationId, Problem, Scope, integration::Integration,
    mapping::Mapping,
};

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
        let mut item = to_item(&ItemKey::mapping(organization, &name), mapping)?;
        item.insert("parent".to_owned(), text(mappings_of(mapping.integration_id)));
        item.insert("child".to_owned(), text(organization.to_string()));
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
        let partition = partition(Scope::Organization(organization));
        let mut mapped: Vec<(ItemKey, IntegrationId)> = Vec::new();
        let mut cursor = None;
        loop {
            let listing =
                Listing { index: None, partition: ("pk", &partition), sort: ("sk", MAPPING_PREFIX) };
            let page = self.list(listing, 1000, cursor.as_deref()).await?;
            cursor = page.next_cursor.clone();
            for item in page.items {
                let key: ItemKey = from_item(item.clone())?;
                let mapping: Mapping = from_item(item)?;
                mapped.extend(key.mapped_integration().map(|key| (key, mapping.integration_id)));
            }
            if cursor.is_none() {
                break;
            }
        }
        let mut batch = Batch::default();
        for (key, _) in &mapped {
            batch.data(key.clone());
        }
        let mut found = self.read(batch).await?;
        let mut integrations = Vec::new();
        for (key, id) in mapped {
            let integration: Option<Integration> = found.take(&key)?;
            integrations.extend(integration.filter(|integration| integration.id == id));
        }
        Ok(integrations)
    }

    /// All organizations' mappings of an integration, in the order of the organizations' ids. Which there are comes
    /// from an index, so that one just made can be missing for a moment; their content is read consistently.
    pub async fn mappings(
        &self,
        integration: IntegrationId,
        limit: i32,
        cursor: Option<&str>,
    ) -> Result<Page<Mapping>, Problem> {
        let parent = mappings_of(integration);
        let listing =
            Listing { index: Some("children"), partition: ("parent", &parent), sort: ("child", "") };
        let page: Page<ItemKey> = self.list(listing, limit, cursor).await?.read()?;
        let keys = page.items;
        let mut batch = Batch::default();
        for key in &keys {
            batch.data(key.clone());
        }
        let mut found = self.read(batch).await?;
        let mut items = Vec::with_capacity(keys.len());
        for key in &keys {
            let mapping: Option<Mapping> = found.take(key)?;
            items.extend(mapping.filter(|mapping| mapping.integration_id == integration));
        }
        Ok(Page { items, next_cursor: page.next_cursor })
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
