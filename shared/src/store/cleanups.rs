//! What is still to be done for things that were deleted, or that nobody came back for: one item each, written together
//! with the deletion, or with what waits.

use serde::{Deserialize, Serialize};

use super::{
    ItemKey, Store,
    item::to_item,
    keys::CLEANUPS,
    page::Listing,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{OrganizationId, Problem, Timestamp, connection::Connection, integration::Integration};

/// How many are taken up at once.
const AT_ONCE: usize = 100;

/// Something that is gone, while others that hung on it may still be there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cleanup {
    pub after: Deleted,
    /// Or when it will be, for what waits.
    pub deleted_at: Timestamp,
}

/// As it was when it was deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    Connection(Box<Connection>),
    Integration(Box<Integration>),
    Organization(OrganizationId),
    /// A sign-in that holds tokens back until someone says whether they mean it: the hash of its state.
    SignIn(String),
}

impl Cleanup {
    fn key(&self) -> ItemKey {
        let id = match &self.after {
            Deleted::Connection(connection) => connection.id.to_string(),
            Deleted::Integration(integration) => integration.id.to_string(),
            Deleted::Organization(id) => id.to_string(),
            Deleted::SignIn(state) => state.clone(),
        };
        ItemKey::new(CLEANUPS, id)
    }
}

impl Transaction<'_> {
    /// Whatever happens after this deletion, what hangs on it will be removed.
    pub(super) fn and_clean_up(self, cleanup: &Cleanup) -> Result<Self, Problem> {
        self.put(to_item(&cleanup.key(), cleanup)?, Condition::always(), Refused::Changed)
    }
}

impl Store {
    /// Some of those that are not finished.
    pub async fn cleanups(&self) -> Result<Vec<Cleanup>, Problem> {
        let page = self.page(Listing::cleanups(), AT_ONCE, None).await?;
        Ok(page.rows.into_iter().map(|row| row.item).collect())
    }

    /// Nothing is left of it.
    pub async fn finish_cleanup(&self, cleanup: &Cleanup) -> Result<(), Problem> {
        self.delete_if(&cleanup.key(), Condition::always()).await.map(drop)
    }
}
