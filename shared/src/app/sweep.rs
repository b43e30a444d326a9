//! The scheduled sweep: refreshes grants before requests have to wait for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{Bifrost, Deadline, lookup::Reached};
use crate::{
    model::{
        Problem, Scope, Timestamp,
        connection::Connection,
        grant::{Grant, GrantStatus, Want},
    },
    store::{Batch, ItemKey, keys::SHARDS},
};

/// How many exchanges are in flight at once; each waits for its provider most of the time.
const CONCURRENCY: usize = 64;
/// How many of them at one provider's host. A place at the host comes before a place among all, so that those who wait
/// for a slow host hold nobody else up.
const PER_HOST: usize = 24;
/// How many grants are under way at once, those that wait for their place included: a bound for memory.
const QUEUE: usize = 1024;
/// A refresh may not begin with less than 55 s left; so the sweep stops looking for work a little before.
const STOP_BEFORE: Duration = Duration::from_secs(56);
/// How many grants of a shard are taken at a time.
const SHARD_BATCH: i32 = 100;

/// What EventBridge sends: which shards to sweep, first and last included.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepOrder {
    pub shards: Shards,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shards {
    pub first: u16,
    pub last: u16,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Found due.
    pub due: u64,
    pub refreshed: u64,
    pub failed: u64,
    /// Refreshed by someone else meanwhile, or of a connection that is gone.
    pub skipped: u64,
    /// Left for the next sweep, for want of time.
    pub remaining: u64,
}

/// What came of one grant.
#[derive(Clone, Copy, Debug)]
enum Swept {
    Refreshed,
    Failed,
    Skipped,
    OutOfTime,
}

/// Places for exchanges: at each host, and among all.
#[derive(Debug)]
struct Places {
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    all: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self { hosts: Mutex::default(), all: Semaphore::new(CONCURRENCY) }
    }
}

impl Bifrost {
    pub async fn sweep(
        self: Arc<Self>,
        order: SweepOrder,
        deadline: Deadline,
    ) -> Result<SweepReport, Problem> {
        let Shards { first, last } = order.shards;
        if first > last || last >= SHARDS {
            return Err(Problem::invalid("shards", format!("must lie between 0 and {}", SHARDS - 1)));
        }
        let mut report = SweepReport::default();
        let mut tasks = JoinSet::new();
        let mut trouble = None;
        let (queue, places) = (Arc::new(Semaphore::new(QUEUE)), Arc::new(Places::default()));
        for shard in first..=last {
            let due = match self.store.due_grants(shard, Timestamp::now(), SHARD_BATCH).await {
                Ok(due) => due,
                // Exchanges are in flight: they must reach their end before anything else.
                Err(problem) => {
                    trouble = Some(problem);
                    break;
                }
            };
            for key in due {
                report.due += 1;
                if deadline.remaining() < STOP_BEFORE {
                    report.remaining += 1;
                    continue;
                }
                let turn = Arc::clone(&queue).acquire_owned().await.map_err(Problem::internal)?;
                let (bifrost, places) = (Arc::clone(&self), Arc::clone(&places));
                tasks.spawn(async move {
                    let _turn = turn;
                    bifrost.sweep_one(&key, &places, deadline).await
                });
                while let Some(done) = tasks.try_join_next() {
                    report.count(done);
                }
            }
        }
        while let Some(done) = tasks.join_next().await {
            report.count(done);
        }
        if let Some(problem) = trouble {
            tracing::error!(?report, "a sweep could not read all shards");
            return Err(problem);
        }
        Ok(report)
    }

    /// One grant; whatever is wrong with it is nobody else's trouble.
    async fn sweep_one(&self, key: &ItemKey, places: &Places, deadline: Deadline) -> Swept {
        match self.try_sweep_one(key, places, deadline).await {
            Ok(swept) => swept,
            Err(problem) => {
                let cause = problem.cause_chain();
                tracing::warn!(grant = %key, code = %problem.code, detail = problem.detail, cause, "not refreshed");
                Swept::Failed
            }
        }
    }

    async fn try_sweep_one(
        &self,
        key: &ItemKey,
        places: &Places,
        deadline: Deadline,
    ) -> Result<Swept, Problem> {
        let (scope, connection_key) =
            key.grant_parts().ok_or_else(|| Problem::internal("no key of a grant"))?;
        let mut batch = Batch::default();
        batch.data(key.clone()).data(connection_key.clone());
        let scopes = [scope, Scope::Global];
        let scopes = if scope == Scope::Global { &scopes[..1] } else { &scopes[..] };
        self.vault.want(scopes, &mut batch);
        let mut found = self.store.read(batch).await?;
        self.vault.learn(scopes, &mut found).await?;
        let Some(grant) = found.take::<Grant>(key)? else {
            return Ok(Swept::Skipped);
        };
        let connection = found.take::<Connection>(&connection_key)?;
        let Some(connection) = connection.filter(|connection| connection.id == grant.connection_id) else {
            self.store.forget_due_grant(key, &grant).await?;
            return Ok(Swept::Skipped);
        };
        // Whoever is at it is as good as we are.
        if grant.is_leased(Timestamp::now()) {
            return Ok(Swept::Skipped);
        }
        let host = places.at_host(&connection);
        let _at_host = host.acquire().await.map_err(Problem::internal)?;
        let _among_all = places.all.acquire().await.map_err(Problem::internal)?;
        if deadline.remaining() < STOP_BEFORE {
            return Ok(Swept::OutOfTime);
        }
        let reached = Reached {
            connection,
            grant_scope: scope,
            grant_key: key.clone(),
            grant: Some(grant),
            mint_at: None,
        };
        let usable = self.usable_token(&reached, Want::Due, deadline).await?;
        Ok(match usable.grant {
            _ if usable.exchanged => Swept::Refreshed,
            Grant { status: GrantStatus::Failing | GrantStatus::Reauthorize, .. } => Swept::Failed,
            _ => Swept::Skipped,
        })
    }
}

impl Places {
    fn at_host(&self, connection: &Connection) -> Arc<Semaphore> {
        // Placeholders in a host tell tenants apart, not providers; so the template's text does.
        let url = connection.settings.token_url.as_str();
        let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(url);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST))))
    }
}

impl SweepReport {
    fn count(&mut self, done: Result<Swept, tokio::task::JoinError>) {
        match done {
            Ok(Swept::Refreshed) => self.refreshed += 1,
            Ok(Swept::Skipped) => self.skipped += 1,
            Ok(Swept::OutOfTime) => self.remaining += 1,
            // Where panics unwind, one concerns its grant alone. What is deployed aborts, and Lambda starts anew: the leases
            // that lapse then say that their tokens may have been spent.
            Ok(Swept::Failed) | Err(_) => self.failed += 1,
        }
    }
}
