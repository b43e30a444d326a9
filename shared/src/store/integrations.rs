//! Integrations, all in the global partition under their folded names.

use super::{ItemKey, Store, item::to_item};
use crate::model::{Code, FoldedName, Problem, integration::Integration};

impl Store {
    pub async fn create_integration(&self, integration: &Integration) -> Result<(), Problem> {
        let taken = || {
            Problem::new(
                Code::NameTaken,
                format!("There is an integration {} already.", integration.name),
            )
        };
        let key = ItemKey::integration(&integration.name.folded());
        self.put_new(to_item(&key, integration)?)
            .await?
            .then_some(())
            .ok_or_else(taken)
    }

    pub async fn integration(&self, name: &FoldedName) -> Result<Option<Integration>, Problem> {
        self.get(&ItemKey::integration(name)).await
    }
}
