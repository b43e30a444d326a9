//! Integrations, all in the global partition under their folded names.

use super::{
    ItemKey, Store,
    cleanups::Cleanup,
    item::to_item,
    page::Listing,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{Code, FoldedName, Problem, integration::Integration};

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
    pub async fn delete_integration(
        &self,
        integration: &Integration,
        cleanup: &Cleanup,
    ) -> Result<bool, Problem> {
        let key = ItemKey::integration(&integration.name.folded());
        let unchanged = Condition::revision(integration.id, integration.revision);
        let transaction = Transaction::new(self).delete(&key, unchanged, Refused::Changed)?;
        Ok(transaction.and_clean_up(cleanup)?.commit().await?.is_ok())
    }

    /// Every integration; there are as many as people have described APIs.
    pub async fn all_integrations(&self) -> Result<Vec<Integration>, Problem> {
        self.all(&Listing::integrations()).await
    }
}
