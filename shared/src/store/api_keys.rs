//! API keys: found by id, listed by the scope they belong to.

use super::{
    Batch, ItemKey, Page, Store,
    item::{text, to_item},
    keys::keys_of,
    page::Listing,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{ApiKeyId, Code, Problem, Scope, api_key::ApiKey};

impl Store {
    /// Refused if the organization, or the key that makes it, is gone meanwhile.
    pub async fn create_api_key(&self, key: &ApiKey) -> Result<(), Problem> {
        let mut item = to_item(&ItemKey::api_key(key.id), key)?;
        item.insert("parent".to_owned(), text(keys_of(key.home)));
        item.insert("child".to_owned(), text(key.id.to_string()));
        let mut transaction = Transaction::new(self).in_scope(key.home)?;
        if let Some(parent) = key.ancestors.first() {
            transaction =
                transaction.check(&ItemKey::api_key(*parent), Condition::exists(), Refused::ParentGone)?;
        }
        let created = transaction.put(item, Condition::absent(), Refused::Changed)?.commit().await?;
        created.map_err(|refused| {
            refused.into_problem(Problem::new(Code::Conflict, "The key could not be made."))
        })
    }

    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, Problem> {
        self.get(&ItemKey::api_key(id)).await
    }

    /// Whether all of these keys stand.
    pub async fn api_keys_stand(&self, ids: &[ApiKeyId]) -> Result<bool, Problem> {
        let mut batch = Batch::default();
        for id in ids {
            batch.data(ItemKey::api_key(*id));
        }
        let mut found = self.read(batch).await?;
        for id in ids {
            if found.take::<ApiKey>(&ItemKey::api_key(*id))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The keys of a page of an index, as they are now; those that are gone are left out.
    pub async fn read_api_keys(&self, page: Page<ItemKey>) -> Result<Page<ApiKey>, Problem> {
        let mut batch = Batch::default();
        for key in page.items() {
            batch.data(key.clone());
        }
        let mut found = self.read(batch).await?;
        let read = page.try_map(|key| found.take::<ApiKey>(&key))?;
        Ok(read.filter_map(|key| key))
    }

    /// The keys of a scope, for removing them.
    pub async fn api_key_items(&self, home: Scope) -> Result<Vec<ItemKey>, Problem> {
        self.all(&Listing::api_keys(home)).await
    }

    /// False if it is gone already.
    pub async fn delete_api_key(&self, id: ApiKeyId) -> Result<bool, Problem> {
        self.delete_if(&ItemKey::api_key(id), Condition::exists()).await
    }
}
