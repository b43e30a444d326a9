//! Removing what hung on something that was deleted.
//!
//! The deletion itself is one write, and with it comes a note of what is to follow. Whoever deletes begins with that at
//! once; what is cut off, by a crash or for want of time, the scheduled `cleaner` takes up. Until then nobody is served
//! what is left: it names a parent that is no more. And nothing can be added, because whatever hangs on something is
//! written together with a check that this stands.
//!
//! The cleaner also ends the sign-ins that hold tokens back for a person who never came back (see `connect`).

use std::time::Duration;

use super::{Bifrost, Deadline, about::About, connect::SignIn, disconnect::Ending};
use crate::{
    model::{Code, Problem, Timestamp, connection::Connection, grant::Grant, integration::Integration},
    store::{
        ItemKey,
        cleanups::{Cleanup, Deleted},
    },
};

/// By then an index has everything that was written before the deletion.
const INDEX_LAG: Duration = Duration::from_secs(60);
/// Nothing is begun with less time left than this: a provider may take 10 s to revoke a token.
const RESERVE: Duration = Duration::from_secs(12);
/// The gateway gives up on a caller after 30 s.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a run of the cleaner did.
#[derive(Debug, Default, serde::Serialize)]
pub struct CleanupReport {
    /// Deletions of which nothing is left.
    pub finished: usize,
    /// Deletions that the next run looks at again.
    pub remaining: usize,
}

impl Bifrost {
    /// Goes on with everything that is not finished. One that fails doesn't keep the others waiting.
    pub async fn clean_up_all(&self, deadline: Deadline) -> Result<CleanupReport, Problem> {
        let mut report = CleanupReport::default();
        for cleanup in self.store.cleanups().await? {
            // A sign-in is found without an index.
            let old_enough = matches!(cleanup.after, Deleted::SignIn(_))
                || Timestamp::now().since(cleanup.deleted_at) >= INDEX_LAG;
            if self.try_clean_up(&cleanup, deadline).await && old_enough {
                self.store.finish_cleanup(&cleanup).await?;
                report.finished += 1;
            } else {
                report.remaining += 1;
            }
        }
        Ok(report)
    }

    /// Begins at once, for as long as the caller of a deletion waits. Whether nothing is left, as far as can be seen.
    pub(super) async fn begin_clean_up(&self, cleanup: &Cleanup, deadline: Deadline) -> bool {
        self.try_clean_up(cleanup, deadline.at_most(PATIENCE)).await
    }

    /// What goes wrong is for the log: the cleaner will be back.
    async fn try_clean_up(&self, cleanup: &Cleanup, deadline: Deadline) -> bool {
        let done = match &cleanup.after {
            Deleted::Connection(connection) => self.remove_grants(connection, deadline).await,
            Deleted::Integration(integration) => self.remove_mappings(integration, deadline).await,
            Deleted::Organization(id) => self.remove_organization(*id, deadline).await,
            Deleted::SignIn(state) => self.end_unanswered(state, deadline).await,
        };
        done.unwrap_or_else(|problem| {
            let cause = problem.cause_chain();
            tracing::warn!(code = %problem.code, cause, "something of a deletion is left for later");
            false
        })
    }

    /// Who was asked whether they meant to sign in as someone else, and has not answered in time, has said no.
    async fn end_unanswered(&self, state_hash: &str, deadline: Deadline) -> Result<bool, Problem> {
        let Some(state) = self.store.callback_state(state_hash).await? else { return Ok(true) };
        let Some(held) = &state.held else { return Ok(true) };
        if state.expires_at > Timestamp::now() || deadline.remaining() < RESERVE {
            return Ok(false);
        }
        match self.ticket_and_connection(&state.ticket, &About::default()).await {
            Ok((ticket, connection)) => {
                let sign_in = SignIn::new(state_hash, &state, &ticket, &connection);
                let outcome = format!("{} was left as it was.", connection.name);
                self.let_go(&sign_in, held, &outcome).await?;
            }
            // Without the connection nobody can be asked to revoke anything; the item goes by itself.
            Err(problem) if problem.code == Code::LinkInvalid => {}
            Err(problem) => return Err(problem),
        }
        Ok(true)
    }

    async fn remove_grants(&self, connection: &Connection, deadline: Deadline) -> Result<bool, Problem> {
        let grants = self.store.grants_on(connection).await?;
        for grant in &grants {
            if deadline.remaining() < RESERVE {
                return Ok(false);
            }
            self.remove_grant(connection, &grant.key).await?;
        }
        Ok(grants.is_empty())
    }

    async fn remove_grant(&self, connection: &Connection, key: &ItemKey) -> Result<(), Problem> {
        let Some((scope, _)) = key.grant_parts() else {
            return Ok(());
        };
        let ending = |grant: &Grant| (grant.connection_id == connection.id).then_some(Ending::Deleted);
        if let Some(grant) = self.end_grant(key, ending).await? {
            self.revoke_grant(connection, scope, key, &grant).await;
        }
        Ok(())
    }

    /// The mappings of an integration go, and with the last one that needs it an organization's grant.
    async fn remove_mappings(&self, integration: &Integration, deadline: Deadline) -> Result<bool, Problem> {
        let mappings = self.store.all_mappings(integration.id).await?;
        for mapping in &mappings {
            if deadline.remaining() < RESERVE {
                return Ok(false);
            }
            // First the grant: a mapping of an integration that is gone needs none, and finds it again after a crash.
            self.release_grant(mapping.organization_id, integration.connection_name()).await;
            self.store.delete_mapping(&integration.name.folded(), mapping).await?;
        }
        Ok(mappings.is_empty())
    }
}
