//! Marks of what may happen once.

use std::time::Duration;

use super::{
    ItemKey, Store,
    item::{Item, number, text},
    transaction::Condition,
};
use crate::model::{Problem, Timestamp};

impl Store {
    /// False if it is marked already. The mark goes by itself after a while.
    pub async fn mark_once(&self, hash: &str, kept: Duration) -> Result<bool, Problem> {
        let mut item: Item = ItemKey::once(hash).attributes();
        // Tells this mark from another's, which would otherwise look like our own after a lost answer.
        item.insert("by".to_owned(), text(uuid::Uuid::new_v4().to_string()));
        item.insert("expires_on".to_owned(), number((Timestamp::now() + kept).unix_seconds()));
        self.put_new(item).await
    }

    pub async fn unmark(&self, hash: &str) -> Result<(), Problem> {
        self.delete_if(&ItemKey::once(hash), Condition::always()).await.map(drop)
    }
}
