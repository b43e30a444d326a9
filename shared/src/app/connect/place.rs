//! The write that puts a new grant in its place, whether someone signed in for it or it was brought along.

use std::time::Duration;

use crate::{
    app::{Bifrost, Deadline},
    model::{Problem, Scope, connection::Connection, grant::Grant},
    store::{ItemKey, grants::Origin},
};

/// Where a new grant goes, and what it came of.
#[derive(Debug)]
pub(in crate::app) struct Place<'a> {
    pub key: &'a ItemKey,
    pub scope: Scope,
    pub connection: &'a Connection,
    pub origin: Origin<'a>,
}

impl Bifrost {
    /// Writes the grant in place of `old`, which has just been read, and whose count it continues. False if that has
    /// moved meanwhile.
    pub(in crate::app) async fn place_grant(
        &self,
        place: &Place<'_>,
        grant: &mut Grant,
        old: Option<&Grant>,
    ) -> Result<bool, Problem> {
        // The answer to an earlier try was lost, but the try was not.
        if old.is_some_and(|old| old.incarnation == grant.incarnation) {
            return Ok(true);
        }
        let continued = old.filter(|old| old.connection_id == place.connection.id);
        grant.generation = old.map_or(0, |old| old.generation) + 1;
        if let Some(old) = continued {
            (grant.id, grant.created_at) = (old.id, old.created_at);
        }
        let Place { key, scope, connection, origin } = place;
        let written = self.store.connect_grant(key, *scope, connection, grant, old, origin).await?;
        Ok(written.is_ok())
    }
}

/// The pauses between the tries of a write that must come through: longer and longer, until the invocation ends.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    deadline: Deadline,
}

/// What the last try needs: the SDK's three attempts, the pauses between them, and the answer to the browser. Whoever is
/// cut off in it tells nobody what is in the way.
const LAST_TRY: Duration = Duration::from_secs(5);

impl Pauses {
    pub(super) fn until(deadline: Deadline) -> Self {
        Self { next: Duration::from_millis(50), deadline }
    }

    /// False if there is no time for another try.
    pub(super) async fn pause(&mut self) -> bool {
        if self.deadline.remaining() <= self.next + LAST_TRY {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(Duration::from_secs(2));
        true
    }
}
