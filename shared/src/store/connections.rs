//! Connections, in the partition of the scope that owns them.

use super::{
    ItemKey, Store,
    cleanups::Cleanup,
    error::found_instead,
    item::{attribute, text, to_item},
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{
    Code, FoldedName, Problem, Scope, Timestamp,
    connection::{Connection, LastError},
};

impl Store {
    pub async fn create_connection(&self, connection: &Connection) -> Result<(), Problem> {
        let (scope, name) = (connection.scope, &connection.name);
        let taken = || {
            Problem::new(
                Code::NameTaken,
                format!("There is a connection {name} in the scope {scope} already."),
            )
        };
        let item = to_item(&ItemKey::connection(scope, &name.folded()), connection)?;
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
        let item = to_item(&ItemKey::connection(connection.scope, &connection.name.folded()), connection)?;
        self.put_if(item, Condition::revision(connection.id, old_revision)).await
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
