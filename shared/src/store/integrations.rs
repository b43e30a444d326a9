//! Integrations, all in the global partition under their folded names.

use super::{
    ItemKey, Page, Store,
    item::to_item,
    keys::{INTEGRATION_PREFIX, partition},
    page::Listing,
    transaction::Condition,
};
use crate::model::{Code, FoldedName, Problem, Scope, integration::Integration};

impl Store {
    pub async fn create_integration(&self, integration: &Integration) -> Result<(), Problem> {
        let taken = || {
            Problem::new(Code::NameTaken, format!("There is an integration {} already.", integration.name))
        };
        let key = ItemKey::integration(&integration.name.folded());
        self.put_new(to_item(&key, integration)?).await?.then_some(()).ok_or_else(taken)
    }

    pub async fn integration(&self, name: &FoldedName) -> Result<Option<Integration>, Problem> {
        self.get(&ItemKey::integration(name)).await
    }

    /// Writes people's edits in place of the revision they were made on; false if that is no longer the one that stands.
    pub async fn update_integration(
        &self,
        integration: &Integration,
        old_revision: u64,
    ) -> Result<bool, Problem> {
        let item = to_item(&ItemKey::integration(&integration.name.folded()), integration)?;
        self.put_if(item, Condition::revision(integration.id, old_revision)).await
    }

    /// False if the integration is not, or no longer, the one that was seen.
    pub async fn delete_integration(&self, integration: &Integration) -> Result<bool, Problem> {
        let key = ItemKey::integration(&integration.name.folded());
        self.delete_if(&key, Condition::revision(integration.id, integration.revision)).await
    }

    /// In the order of their folded names.
    pub async fn integrations(&self, limit: i32, cursor: Option<&str>) -> Result<Page<Integration>, Problem> {
        let partition = partition(Scope::Global);
        let listing =
            Listing { index: None, partition: ("pk", &partition), sort: ("sk", INTEGRATION_PREFIX) };
        self.list(listing, limit, cursor).await?.read()
    }

    /// Every integration; there are as many as people have described APIs.
    pub async fn all_integrations(&self) -> Result<Vec<Integration>, Problem> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.integrations(1000, cursor.as_deref()).await?;
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}
