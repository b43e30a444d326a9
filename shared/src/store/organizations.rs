//! Organizations, all in one partition.

use super::{ItemKey, Page, Store, item::to_item, keys::organizations_partition, page::Listing};
use crate::model::{Code, OrganizationId, Problem, organization::Organization};

impl Store {
    pub async fn create_organization(&self, organization: &Organization) -> Result<(), Problem> {
        let taken = || Problem::new(Code::NameTaken, format!("The id {} is taken.", organization.id));
        let key = ItemKey::organization(organization.id);
        self.put_new(to_item(&key, organization)?)
            .await?
            .then_some(())
            .ok_or_else(taken)
    }

    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Problem> {
        self.get(&ItemKey::organization(id)).await
    }

    /// In the order of their ids, which for new ones is that of their making.
    pub async fn organizations(
        &self,
        limit: i32,
        cursor: Option<&str>,
    ) -> Result<Page<Organization>, Problem> {
        let listing = Listing {
            index: None,
            partition: ("pk", organizations_partition()),
            sort: ("sk", ""),
        };
        self.list(listing, limit, cursor).await?.read()
    }
}
