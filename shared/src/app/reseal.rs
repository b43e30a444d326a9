//! Replacing data keys: a new one becomes current, what the old ones sealed is sealed anew, and then they are deleted.
//!
//! Every step leaves everything readable, wherever it is cut off. A new data key is current from one transaction on, and
//! the old one opens what it sealed until nothing needs it any more. Values are replaced one by one, each on the condition
//! that it is still what was read. An old data key is deleted only by a later run that has looked through the whole scope
//! and found nothing to do, and not before
//!
//! - [`KEPT`] after it ceased to be current: what is not in the tables may need it, the sessions of people for 8 hours,
//!   and the sign-ins that wait for an answer;
//! - [`SETTLED`] after anything was last sealed anew: whoever had read an item before that may still write it back as it
//!   was, within the 15 minutes that an invocation lasts at most.
//!
//! So it takes at least two runs, and nothing has to be remembered between them but what stands beside the keys.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Bifrost, Deadline};
use crate::{
    model::{Code, Problem, Scope, Timestamp, organization::Organization},
    store::{Page, data_keys::StoredKey, page::Listing},
    vault::DataKey,
};

/// How long an old data key is kept in any case.
const KEPT: Duration = Duration::from_secs(24 * 3600);
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
    /// Values that no data key opens. The old data keys of their scopes are kept.
    pub unreadable: usize,
    /// Scopes that this run did not come to the end of.
    pub remaining: usize,
}

impl Bifrost {
    /// Goes through the scopes. One that fails doesn't keep the others waiting.
    pub async fn reseal(&self, order: ResealOrder, deadline: Deadline) -> Result<ResealReport, Problem> {
        let scopes = match order.scope {
            Some(scope) => vec![scope],
            None => self.all_scopes().await?,
        };
        let mut report = ResealReport::default();
        for scope in scopes {
            let done = match deadline.remaining() > RESERVE {
                true => self.reseal_scope(scope, order.older_than_days, deadline, &mut report).await,
                false => Ok(false),
            };
            let done = done.unwrap_or_else(|problem| {
                let cause = problem.cause_chain();
                tracing::warn!(%scope, code = %problem.code, cause, "a scope was not sealed anew");
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
            let superseded = key.superseded_at.unwrap_or(began);
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
                let attribute = value.attribute();
                let opened = self.vault.open(scope, &value.item, &attribute, &value.sealed).await;
                let secret = match opened {
                    Err(problem) if problem.code == Code::SecretUnavailable => {
                        tracing::warn!(item = %value.item, attribute, "a sealed value does not open");
                        seen.unreadable += 1;
                        continue;
                    }
                    opened => opened?,
                };
                if !seen.old {
                    // Before anything is replaced: a run that dies on the way must count as well.
                    let until = Timestamp::now() + SETTLED;
                    for key in old {
                        self.store.keep_data_key(scope, key.version, until).await?;
                    }
                    seen.old = true;
                }
                let sealed = current.seal(&value.item, &attribute, &secret)?;
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
