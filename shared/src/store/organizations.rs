//! Organizations, all in one partition.

use super::{
    ItemKey, Page, Store,
    error::found_instead,
    item::{text, to_item},
    keys::{organizations_partition, partition},
    page::Listing,
    transaction::Condition,
};
use crate::model::{Code, OrganizationId, Problem, Scope, Timestamp, organization::Organization};

/// How many items of a deleted organization are listed at once.
const REMOVED_AT_ONCE: i32 = 100;

impl Store {
    pub async fn create_organization(&self, organization: &Organization) -> Result<(), Problem> {
        let taken = || Problem::new(Code::NameTaken, format!("The id {} is taken.", organization.id));
        let key = ItemKey::organization(organization.id);
        self.put_new(to_item(&key, organization)?).await?.then_some(()).ok_or_else(taken)
    }

    /// An organization that stands.
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Problem> {
        let found: Option<Organization> = self.get(&ItemKey::organization(id)).await?;
        Ok(found.filter(|organization| organization.deleting_at.is_none()))
    }

    /// From now on the organization stands no more, and nothing can be created in it. False if there is none; true
    /// again while what is left of it is being removed.
    pub async fn begin_deleting_organization(
        &self,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<bool, Problem> {
        let update = self.client.update_item().table_name(&self.data);
        let sent = update
            .set_key(Some(ItemKey::organization(id).attributes()))
            .update_expression("SET deleting_at = if_not_exists(deleting_at, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", text(now.to_string()))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => found_instead(error).map(|_| false),
        }
    }

    /// The last step: its id is free again.
    pub async fn finish_deleting_organization(&self, id: OrganizationId) -> Result<(), Problem> {
        self.delete_if(&ItemKey::organization(id), Condition::exists()).await.map(drop)
    }

    /// Some of the items that an organization still has; none when all are gone.
    pub async fn items_of_organization(&self, id: OrganizationId) -> Result<Vec<ItemKey>, Problem> {
        let partition = partition(Scope::Organization(id));
        let listing = Listing { index: None, partition: ("pk", &partition), sort: ("sk", "") };
        Ok(self.list(listing, REMOVED_AT_ONCE, None).await?.read()?.items)
    }

    /// Deletes items of the data table, whatever they are.
    pub async fn remove(&self, keys: &[ItemKey]) -> Result<(), Problem> {
        for key in keys {
            self.delete_if(key, Condition::always()).await?;
        }
        Ok(())
    }

    /// In the order of their ids, which for new ones is that of their making.
    pub async fn organizations(
        &self,
        limit: i32,
        cursor: Option<&str>,
    ) -> Result<Page<Organization>, Problem> {
        let listing = Listing { index: None, partition: ("pk", organizations_partition()), sort: ("sk", "") };
        let page: Page<Organization> = self.list(listing, limit, cursor).await?.read()?;
        let items =
            page.items.into_iter().filter(|organization| organization.deleting_at.is_none()).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }
}
