//! Connections, in the partition of the scope that owns them.

use serde::Deserialize;

use super::{
    ItemKey, Store,
    cleanups::Cleanup,
    error::{found_instead, problem},
    item::{Item, attribute, from_item, number, text, to_item},
    keys::EXPIRIES,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{
    Code, FoldedName, Problem, Scope, Timestamp,
    connection::{Connection, LastError},
};

/// When what a connection's client proves itself with expires.
#[derive(Debug, Deserialize)]
pub struct Expiry {
    #[serde(flatten)]
    pub key: ItemKey,
    /// As the index has it.
    refresh_at: i64,
}

impl Expiry {
    pub fn at(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.refresh_at)
    }
}

/// A connection under its key. One that expires is also in the `due` index, in a partition of its own.
fn connection_item(connection: &Connection) -> Result<Item, Problem> {
    let mut item = to_item(&ItemKey::connection(connection.scope, &connection.name.folded()), connection)?;
    if let Some(at) = connection.settings.credentials_expire_at() {
        item.insert("due_shard".to_owned(), text(EXPIRIES));
        item.insert("refresh_at".to_owned(), number(at.unix_seconds()));
    }
    Ok(item)
}

impl Store {
    pub async fn create_connection(&self, connection: &Connection) -> Result<(), Problem> {
        let (scope, name) = (connection.scope, &connection.name);
        let taken = || {
            Problem::new(
                Code::NameTaken,
                format!("There is a connection {name} in the scope {scope} already."),
            )
        };
        let item = connection_item(connection)?;
        let transaction = Transaction::new(self).in_scope(scope)?;
        let created = transaction.put(item, Condition::absent(), Refused::Changed)?.commit().await?;
        created.map_err(|refused| refused.into_problem(taken()))
    }

    pub async fn connection(&self, scope: Scope, name: &FoldedName) -> Result<Option<Connection>, Problem> {
        self.get(&ItemKey::connection(scope, name)).await
    }

    /// Writes people's edits in place of the revision they were made on; false if that is no longer the one that stands.
    /// What machines note meanwhile (a pending sign-in, its failure) goes with an edit: it concerned what was before.
    pub async fn update_connection(
        &self,
        connection: &Connection,
        old_revision: u64,
    ) -> Result<bool, Problem> {
        let item = connection_item(connection)?;
        self.put_if(item, Condition::revision(connection.id, old_revision)).await
    }

    /// Which connections' clients can't prove themselves any more from some time in between, the soonest first. A moment
    /// behind, and read from the index alone.
    pub async fn expiries(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Expiry>, Problem> {
        let mut expiries = Vec::new();
        let mut after = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.data)
                .index_name("due")
                .key_condition_expression("due_shard = :expiries AND refresh_at BETWEEN :from AND :until")
                .expression_attribute_values(":expiries", text(EXPIRIES))
                .expression_attribute_values(":from", number(from.unix_seconds()))
                .expression_attribute_values(":until", number(until.unix_seconds()))
                .set_exclusive_start_key(after);
            let answer = query.send().await.map_err(problem)?;
            for item in answer.items.unwrap_or_default() {
                expiries.push(from_item(item)?);
            }
            after = answer.last_evaluated_key;
            if after.is_none() {
                return Ok(expiries);
            }
        }
    }

    /// False if the connection is not, or no longer, the one that was seen.
    pub async fn delete_connection(
        &self,
        connection: &Connection,
        cleanup: &Cleanup,
    ) -> Result<bool, Problem> {
        let key = ItemKey::connection(connection.scope, &connection.name.folded());
        let unchanged = Condition::revision(connection.id, connection.revision);
        let transaction = Transaction::new(self).delete(&key, unchanged, Refused::Changed)?;
        Ok(transaction.and_clean_up(cleanup)?.commit().await?.is_ok())
    }

    /// Notes that a link to sign in has been given out.
    pub async fn connection_pending(&self, connection: &Connection, until: Timestamp) -> Result<(), Problem> {
        self.note(connection, "SET pending_until = :value", attribute(until)?).await
    }

    /// Notes why someone's sign-in failed.
    pub async fn connection_failed(&self, connection: &Connection, error: &LastError) -> Result<(), Problem> {
        self.note(connection, "SET connect_error = :value REMOVE pending_until", attribute(error)?).await
    }

    /// Not an edit: the revision stays. A connection that is gone or replaced meanwhile needs no note.
    async fn note(
        &self,
        connection: &Connection,
        update: &str,
        value: super::item::Value,
    ) -> Result<(), Problem> {
        let key = ItemKey::connection(connection.scope, &connection.name.folded());
        let sent = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key.attributes()))
            .update_expression(update)
            .condition_expression("id = :id")
            .expression_attribute_values(":id", text(connection.id.to_string()))
            .expression_attribute_values(":value", value)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => found_instead(error).map(drop),
        }
    }
}
