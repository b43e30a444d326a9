//! Organizations, all in one partition.

use super::{
    ItemKey, Store,
    cleanups::Cleanup,
    item::{text, to_item},
    page::Listing,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{Code, OrganizationId, Problem, organization::Organization};

/// How many items of a deleted organization are listed at once.
const REMOVED_AT_ONCE: usize = 100;

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

    /// All that stand. There may be thousands.
    pub async fn all_organizations(&self) -> Result<Vec<Organization>, Problem> {
        self.standing(&Listing::organizations()).await
    }

    /// Those with an id from `first` to `last`.
    pub async fn organizations_within(
        &self,
        first: OrganizationId,
        last: OrganizationId,
    ) -> Result<Vec<Organization>, Problem> {
        self.standing(&Listing::organizations_within(first, last)).await
    }

    async fn standing(&self, listing: &Listing) -> Result<Vec<Organization>, Problem> {
        let mut organizations: Vec<Organization> = self.all(listing).await?;
        organizations.retain(|organization| organization.deleting_at.is_none());
        Ok(organizations)
    }

    /// From now on the organization stands no more, and nothing can be created in it. False if there is none; true
    /// again while what is left of it is being removed.
    pub async fn begin_deleting_organization(
        &self,
        id: OrganizationId,
        cleanup: &Cleanup,
    ) -> Result<bool, Problem> {
        let mut exists = Condition::exists();
        exists.values.insert(":now".to_owned(), text(cleanup.deleted_at.to_string()));
        let mark = "SET deleting_at = if_not_exists(deleting_at, :now)";
        let begun = Transaction::new(self)
            .update(&ItemKey::organization(id), mark, exists, Refused::Changed)?
            .and_clean_up(cleanup)?
            .commit()
            .await?;
        Ok(begun.is_ok())
    }

    pub async fn is_organization_being_deleted(&self, id: OrganizationId) -> Result<bool, Problem> {
        let found: Option<Organization> = self.get(&ItemKey::organization(id)).await?;
        Ok(found.is_some_and(|organization| organization.deleting_at.is_some()))
    }

    /// The keys of its grants and of the connections that they are on.
    pub async fn grants_of_organization(
        &self,
        id: OrganizationId,
    ) -> Result<Vec<(ItemKey, ItemKey)>, Problem> {
        let keys: Vec<ItemKey> = self.all(&Listing::grants_of(id)).await?;
        Ok(keys.into_iter().filter_map(|key| key.grant_parts().map(|(_, on)| (key, on))).collect())
    }

    /// The last step: its id is free again.
    pub async fn finish_deleting_organization(&self, id: OrganizationId) -> Result<(), Problem> {
        let marked = Condition::new("attribute_exists(deleting_at)", []);
        self.delete_if(&ItemKey::organization(id), marked).await.map(drop)
    }

    /// Some of the items that an organization still has; none when all are gone.
    pub async fn items_of_organization(&self, id: OrganizationId) -> Result<Vec<ItemKey>, Problem> {
        let page = self.page(Listing::items_of(id), REMOVED_AT_ONCE, None).await?;
        Ok(page.rows.into_iter().map(|row| row.item).collect())
    }

    /// Deletes items of the data table, whatever they are.
    pub async fn remove(&self, keys: &[ItemKey]) -> Result<(), Problem> {
        for key in keys {
            self.delete_if(key, Condition::always()).await?;
        }
        Ok(())
    }
}
