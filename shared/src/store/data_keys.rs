//! Wrapped data keys, in a table of their own whose backups are short: a wrapped key in a backup undoes its deletion.

use serde::{Deserialize, Serialize};

use super::{
    ItemKey, Store,
    error::problem,
    item::{from_item, text, to_item},
    keys::partition,
    transaction::{Condition, Transaction},
};
use crate::model::{DataKeyVersion, Problem, Scope, Sealed};

/// A data key of a scope, wrapped by KMS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrappedKey {
    pub version: DataKeyVersion,
    pub wrapped: Sealed,
}

impl Store {
    /// Makes this the scope's first data key; false if there is one already, or if the organization does not stand.
    pub async fn create_data_key(&self, scope: Scope, key: &WrappedKey) -> Result<bool, Problem> {
        let current = to_item(&ItemKey::current_data_key(scope), key)?;
        let version = to_item(&ItemKey::data_key(scope, key.version), key)?;
        let created = Transaction::new(self)
            .in_scope(scope)?
            .put_data_key(current, Condition::absent())?
            .put_data_key(version, Condition::absent())?
            .commit()
            .await?;
        Ok(created.is_ok())
    }

    pub async fn current_data_key(&self, scope: Scope) -> Result<Option<WrappedKey>, Problem> {
        self.wrapped_key(&ItemKey::current_data_key(scope)).await
    }

    pub async fn data_key(
        &self,
        scope: Scope,
        version: DataKeyVersion,
    ) -> Result<Option<WrappedKey>, Problem> {
        self.wrapped_key(&ItemKey::data_key(scope, version)).await
    }

    async fn wrapped_key(&self, key: &ItemKey) -> Result<Option<WrappedKey>, Problem> {
        let request = self.client.get_item().table_name(&self.data_keys).set_key(Some(key.attributes()));
        let answer = request.consistent_read(true).send().await.map_err(problem)?;
        answer.item.map(from_item).transpose()
    }

    /// Deletes all data keys of a scope: what they sealed can be read no more.
    pub async fn delete_data_keys(&self, scope: Scope) -> Result<(), Problem> {
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.data_keys)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(partition(scope)))
                .consistent_read(true)
                .limit(100)
                .send()
                .await
                .map_err(problem)?;
            let items = answer.items.unwrap_or_default();
            if items.is_empty() {
                return Ok(());
            }
            for item in items {
                let key: ItemKey = from_item(item)?;
                let delete = self.client.delete_item().table_name(&self.data_keys);
                delete.set_key(Some(key.attributes())).send().await.map_err(problem)?;
            }
        }
    }
}
