//! Deleting an organization: first nothing can be added, then nothing can be read, then nothing is left.

use super::{Bifrost, Deadline};
use crate::{
    model::{Code, OrganizationId, Problem, Scope, Timestamp},
    store::ItemKey,
};

impl Bifrost {
    /// In steps that can be resumed: until the last one the organization is marked, every write that would create
    /// something in it is refused by its own condition, and the same request goes on where it was cut off.
    pub async fn delete_organization(&self, id: OrganizationId, deadline: Deadline) -> Result<(), Problem> {
        if !self.store.begin_deleting_organization(id, Timestamp::now()).await? {
            return Err(Problem::not_found("organization", id));
        }
        let scope = Scope::Organization(id);
        // With its data keys go all its secrets; what is in some function's memory of them, within five minutes.
        self.store.delete_data_keys(scope).await?;
        self.store.remove(&self.store.api_key_items(scope).await?).await?;
        loop {
            let items = self.store.items_of_organization(id).await?;
            if items.is_empty() {
                break;
            }
            if deadline.remaining().as_secs() < 3 {
                let problem = Problem::new(
                    Code::Unavailable,
                    "The organization is gone, but not all that was its own.",
                );
                return Err(problem.fix("Repeat the request: it goes on where it stopped."));
            }
            self.free_entities(id, &items).await?;
            self.store.remove(&items).await?;
        }
        self.store.finish_deleting_organization(id).await
    }

    /// Entity ids that the organization was mapped to may be given to others.
    async fn free_entities(&self, id: OrganizationId, items: &[ItemKey]) -> Result<(), Problem> {
        for key in items.iter().filter(|key| key.mapped_integration().is_some()) {
            self.store.free_entity_of(id, key).await?;
        }
        Ok(())
    }
}
