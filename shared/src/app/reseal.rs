//! Replacing data keys: a new one becomes current, what the old ones sealed is sealed anew, and then they are deleted.
//!
//! Every step leaves everything readable, wherever it is cut off. A new data key is current from one transaction on, and
//! the old one opens what it sealed until nothing needs it any more. Values are replaced one by one, each on the condition
//! that it is still what was read. An old data key is deleted only by a later run that has looked through the whole scope
//! and found nothing to do, and not before
//!
//! - [`KEPT`] after it ceased to be current: the data table as it was before that may be restored, and is worth nothing
//!   without it. What is not in the tables needs it for less long, such as the sessions of people;
//! - [`SETTLED`] after anything was last sealed anew: whoever had read an item before that may still write it back as it
//!   was, within the 15 minutes that an invocation lasts at most.
//!
//! So it takes at least two runs, and nothing has to be remembered between them but what stands beside the keys.
//!
//! A check opens every value and changes nothing: it is for whoever has restored a table, or is about to delete a KMS key.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Bifrost, Deadline};
use crate::{
    model::{Code, Problem, Scope, Secret, Timestamp, organization::Organization},
    store::{Page, data_keys::StoredKey, page::Listing, sealed::SealedValue},
    vault::{DataKey, Vault},
};

/// How long an old data key is kept in any case: as far as the data table can be restored to a point in time.
const KEPT: Duration = Duration::from_secs(35 * 24 * 3600);
/// Twice the longest invocation: for the run itself, and for whoever read an item just before it was sealed anew.
const SETTLED: Duration = Duration::from_secs(30 * 60);
/// Nothing is begun with less time left than this.
const RESERVE: Duration = Duration::from_secs(20);
/// How many organizations are read at once.
const AT_ONCE: usize = 200;

/// What a run is to do.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResealOrder {
    /// Data keys that are older get a successor; left out, only those that another KMS key than the present one wraps.
    pub older_than_days: Option<u32>,
    /// One scope alone; left out, all of them.
    pub scope: Option<Scope>,
    /// To open every value, and change nothing.
    #[serde(default)]
    pub check: bool,
}

/// What a run did.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResealReport {
    /// Data keys that got a successor.
    pub rotated: usize,
    /// Values that were sealed anew.
    pub resealed: usize,
    /// Old data keys that were deleted.
    pub deleted: usize,
    /// Old data keys that are still kept.
    pub kept: usize,
    /// Values that a check opened.
    pub readable: usize,
    /// Values that no data key opens. The old data keys of their scopes are kept.
    pub unreadable: usize,
    /// Scopes that this run did not come to the end of.
    pub remaining: usize,
}

impl Bifrost {
    /// Goes through the scopes. One that fails doesn't keep the others waiting.
    pub async fn reseal(&self, order: ResealOrder, deadline: Deadline) -> Result<ResealReport, Problem> {
        if order.check && order.older_than_days.is_some() {
            return Err(Problem::invalid(
                "older_than_days",
                "does not go with check, which replaces nothing",
            ));
        }
        // What is in memory would still open what nobody can once this process has ended.
        let checking = order.check.then(|| self.vault.forgetful());
        let scopes = match order.scope {
            Some(scope) => vec![scope],
            None => self.all_scopes().await?,
        };
        let mut report = ResealReport::default();
        for scope in scopes {
            let done = match &checking {
                _ if deadline.remaining() <= RESERVE => Ok(false),
                Some(vault) => self.check_scope(vault, scope, deadline, &mut report).await,
                None => self.reseal_scope(scope, order.older_than_days, deadline, &mut report).await,
            };
            let done = done.unwrap_or_else(|problem| {
                let cause = problem.cause_chain();
                tracing::warn!(%scope, code = %problem.code, cause, "a scope was not finished");
                false
            });
            report.remaining += usize::from(!done);
        }
        Ok(report)
    }

    async fn all_scopes(&self) -> Result<Vec<Scope>, Problem> {
        let mut scopes = vec![Scope::Global];
        let mut after = None;
        loop {
            let page: Page<Organization> = self.store.page(Listing::organizations(), AT_ONCE, after).await?;
            // What is being deleted loses its data keys anyway.
            let standing = page.items().filter(|organization| organization.deleting_at.is_none());
            scopes.extend(standing.map(|organization| Scope::Organization(organization.id)));
            after = page.next;
            if after.is_none() {
                return Ok(scopes);
            }
        }
    }

    /// Whether it came to the end of the scope.
    async fn reseal_scope(
        &self,
        scope: Scope,
        older_than_days: Option<u32>,
        deadline: Deadline,
        report: &mut ResealReport,
    ) -> Result<bool, Problem> {
        let began = Timestamp::now();
        let limit = older_than_days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
        if self.vault.rotate_if_due(scope, limit).await? {
            report.rotated += 1;
        }
        let Some(current) = self.vault.current_if_any(scope).await? else { return Ok(true) };
        let keys = self.store.data_keys(scope).await?;
        let old: Vec<_> = keys.into_iter().filter(|key| key.version != current.version()).collect();
        if old.is_empty() {
            return Ok(true);
        }
        let Some(seen) = self.reseal_values(scope, &current, &old, deadline, report).await? else {
            report.kept += old.len();
            return Ok(false);
        };
        for key in old {
            // One that was put back from a backup doesn't know that it is no longer current.
            let Some(superseded) = key.superseded_at else {
                self.store.note_superseded(scope, key.version, began).await?;
                report.kept += 1;
                continue;
            };
            let due = superseded + KEPT <= began && key.kept_until.is_none_or(|until| until <= began);
            if seen.nothing_to_do() && due {
                self.store.delete_data_key(scope, key.version).await?;
                report.deleted += 1;
            } else {
                report.kept += 1;
            }
        }
        report.unreadable += seen.unreadable;
        Ok(true)
    }

    /// Whether it came to the end of the scope.
    async fn check_scope(
        &self,
        vault: &Vault,
        scope: Scope,
        deadline: Deadline,
        report: &mut ResealReport,
    ) -> Result<bool, Problem> {
        let mut after = None;
        loop {
            let page = self.store.sealed_values(scope, after.as_ref()).await?;
            for value in &page.values {
                if deadline.remaining() < RESERVE {
                    return Ok(false);
                }
                match opened(vault, scope, value).await? {
                    Some(_) => report.readable += 1,
                    None => report.unreadable += 1,
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(true);
            }
        }
    }

    /// Seals anew whatever is not under the current data key. `None` if time ran out before the end.
    async fn reseal_values(
        &self,
        scope: Scope,
        current: &DataKey,
        old: &[StoredKey],
        deadline: Deadline,
        report: &mut ResealReport,
    ) -> Result<Option<Seen>, Problem> {
        let mut seen = Seen::default();
        let mut after = None;
        loop {
            let page = self.store.sealed_values(scope, after.as_ref()).await?;
            for value in page.values.iter().filter(|value| !current.sealed(&value.sealed)) {
                if deadline.remaining() < RESERVE {
                    return Ok(None);
                }
                let Some(secret) = opened(&self.vault, scope, value).await? else {
                    seen.unreadable += 1;
                    continue;
                };
                if !seen.old {
                    // Before anything is replaced: a run that dies on the way must count as well.
                    let until = Timestamp::now() + SETTLED;
                    for key in old {
                        self.store.keep_data_key(scope, key.version, until).await?;
                    }
                    seen.old = true;
                }
                let sealed = current.seal(&value.item, &value.attribute(), &secret)?;
                // Someone else may have written meanwhile; the next run will see what.
                report.resealed += usize::from(self.store.replace_sealed(value, &sealed).await?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(Some(seen));
            }
        }
    }
}

/// `None`, and a line in the log, if no data key opens it.
async fn opened(vault: &Vault, scope: Scope, value: &SealedValue) -> Result<Option<Secret>, Problem> {
    let attribute = value.attribute();
    match vault.open(scope, &value.item, &attribute, &value.sealed).await {
        Err(problem) if problem.code == Code::SecretUnavailable => {
            tracing::warn!(item = %value.item, attribute, "a sealed value does not open");
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

/// What a look through a scope found.
#[derive(Debug, Default)]
struct Seen {
    /// Something under an old data key.
    old: bool,
    unreadable: usize,
}

impl Seen {
    fn nothing_to_do(&self) -> bool {
        !self.old && self.unreadable == 0
    }
}
