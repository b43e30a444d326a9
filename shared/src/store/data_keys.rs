//! Wrapped data keys, in a table of their own whose backups are short: a wrapped key in a backup undoes its deletion.

use serde::{Deserialize, Serialize};

use super::{
    ItemKey, Store,
    error::problem,
    item::{attribute, from_item, text, to_item},
    keys::partition,
    transaction::{Condition, Transaction},
};
use crate::model::{DataKeyVersion, Problem, Scope, Sealed, Timestamp};

/// A data key of a scope, wrapped by KMS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrappedKey {
    pub version: DataKeyVersion,
    pub wrapped: Sealed,
    /// The ARN or id of the KMS key that wraps it.
    pub kms_key: String,
}

/// What is known of a data key beside its text.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredKey {
    pub version: DataKeyVersion,
    /// When another one became current; none for the current one.
    pub superseded_at: Option<Timestamp>,
    /// It is not deleted before that.
    pub kept_until: Option<Timestamp>,
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

    /// Puts this in the place of the scope's current data key; false if another one is current meanwhile, or if the
    /// organization does not stand.
    pub async fn supersede_data_key(
        &self,
        scope: Scope,
        old: DataKeyVersion,
        new: &WrappedKey,
    ) -> Result<bool, Problem> {
        let current = to_item(&ItemKey::current_data_key(scope), new)?;
        let version = to_item(&ItemKey::data_key(scope, new.version), new)?;
        let is_old = Condition::new("version = :old", [(":old", text(old.to_string()))]);
        let now = [(":now", attribute(Timestamp::now())?)];
        let superseded = Transaction::new(self)
            .in_scope(scope)?
            .put_data_key(current, is_old)?
            .put_data_key(version, Condition::absent())?
            .update_data_key(
                &ItemKey::data_key(scope, old),
                "SET superseded_at = :now",
                Condition::new("attribute_exists(pk)", now),
            )?
            .commit()
            .await?;
        Ok(superseded.is_ok())
    }

    /// All data keys of a scope, the current one among them.
    pub async fn data_keys(&self, scope: Scope) -> Result<Vec<StoredKey>, Problem> {
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.data_keys)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(partition(scope)))
                .set_exclusive_start_key(after)
                .consistent_read(true);
            let answer = request.send().await.map_err(problem)?;
            let current = ItemKey::current_data_key(scope).attributes();
            for item in answer.items.unwrap_or_default() {
                // The same key as the one under its version.
                if item.get("sk") != current.get("sk") {
                    keys.push(from_item(item)?);
                }
            }
            after = answer.last_evaluated_key;
            if after.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Another one is current, since nobody knows when.
    pub async fn note_superseded(
        &self,
        scope: Scope,
        version: DataKeyVersion,
        at: Timestamp,
    ) -> Result<(), Problem> {
        self.note_on_data_key(scope, version, "SET superseded_at = if_not_exists(superseded_at, :time)", at)
            .await
    }

    /// It stays at least until then.
    pub async fn keep_data_key(
        &self,
        scope: Scope,
        version: DataKeyVersion,
        until: Timestamp,
    ) -> Result<(), Problem> {
        self.note_on_data_key(scope, version, "SET kept_until = :time", until).await
    }

    /// Writes a time beside a data key that is there.
    async fn note_on_data_key(
        &self,
        scope: Scope,
        version: DataKeyVersion,
        update: &str,
        time: Timestamp,
    ) -> Result<(), Problem> {
        let request = self
            .client
            .update_item()
            .table_name(&self.data_keys)
            .set_key(Some(ItemKey::data_key(scope, version).attributes()))
            .update_expression(update)
            // Else it would come back, half of it, when it was deleted meanwhile.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":time", attribute(time)?);
        request.send().await.map(|_| ()).map_err(problem)
    }

    /// Deletes one that nothing needs.
    pub async fn delete_data_key(&self, scope: Scope, version: DataKeyVersion) -> Result<(), Problem> {
        let key = ItemKey::data_key(scope, version);
        let request = self.client.delete_item().table_name(&self.data_keys).set_key(Some(key.attributes()));
        request.send().await.map(|_| ()).map_err(problem)
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
