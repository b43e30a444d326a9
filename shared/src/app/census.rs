//! The census: how many organizations, connections and grants there are, and how those are doing, in all scopes.
//!
//! It takes one query a scope, so it is a schedule's work; whoever only wants to know reads what was last counted. A
//! census is whole or there is none: one that leaves scopes out would look like an outage, or hide one.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};

use super::{Bifrost, Deadline};
pub use crate::store::census::{Census, Counts};
use crate::{
    model::{
        ConnectionId, Problem, Scope, Timestamp, breaker::Breaker, connection::ConnectionStatus,
        grant::GrantStatus,
    },
    store::{ItemKey, Store, census::Countable},
};

const SCOPES_AT_ONCE: usize = 16;
/// What must be left for writing the census down.
const RESERVE: Duration = Duration::from_secs(20);
/// A census older than that tells nothing of now. They are taken every hour, and one may fail.
const TELLS_FOR: Duration = Duration::from_secs(3 * 3600);

impl Bifrost {
    /// Counts everything, and keeps the result. An error means that nothing was kept, and that the last census stays.
    pub async fn take_census(&self, deadline: Deadline) -> Result<Census, Problem> {
        let as_of = Timestamp::now();
        let organizations = self.store.all_organizations().await?;
        let mut run = Run {
            store: self.store.clone(),
            deadline,
            tally: Tally::new(as_of),
            scopes: organizations.len() + 1,
            counted: 0,
        };
        // Organizations' grants are on the platform's connections, so those must be known first.
        let mut unread = run.count(vec![Scope::Global]).await?;
        if unread.is_empty() {
            let scopes = organizations.iter().map(|organization| Scope::Organization(organization.id));
            unread = run.count(scopes.collect()).await?;
            // What throttled one of thousands of reads has most likely passed by now.
            unread = run.count(unread.into_iter().map(|(scope, _)| scope).collect()).await?;
        }
        if let Some((scope, problem)) = unread.first() {
            let cause = problem.cause_chain().unwrap_or_default();
            let cause = format!("{} could not be read, the first of them {scope}: {cause}", unread.len());
            return Err(run.unfinished(&cause));
        }
        let mut counts = run.tally.counts;
        counts.organizations = organizations.len() as u64;
        let census = Census { as_of, counts };
        if !self.store.put_census(&census).await? {
            tracing::info!(%as_of, "a later census is there already");
        }
        Ok(census)
    }

    /// The last census, while it tells something of now.
    pub async fn recent_census(&self, now: Timestamp) -> Result<Option<Census>, Problem> {
        Ok(self.store.census().await?.filter(|census| now.since(census.as_of) < TELLS_FOR))
    }
}

/// A census being taken.
struct Run {
    store: Store,
    deadline: Deadline,
    tally: Tally,
    /// How many there are to count, and how many were.
    scopes: usize,
    counted: usize,
}

impl Run {
    /// Counts these scopes; those that could not be read come back, with what was in the way.
    async fn count(&mut self, scopes: Vec<Scope>) -> Result<Vec<(Scope, Problem)>, Problem> {
        let (mut scopes, mut asked, mut unread) = (scopes.into_iter(), JoinSet::new(), Vec::new());
        loop {
            while asked.len() < SCOPES_AT_ONCE
                && let Some(scope) = scopes.next()
            {
                let store = self.store.clone();
                asked.spawn(async move { (scope, store.countable(scope).await) });
            }
            if asked.is_empty() {
                return Ok(unread);
            }
            let time = self.deadline.remaining().saturating_sub(RESERVE);
            let answer = match time.is_zero() {
                true => None,
                false => timeout(time, asked.join_next()).await.ok().flatten(),
            };
            match answer
                .ok_or_else(|| self.unfinished("there was no more time"))?
                .map_err(Problem::internal)?
            {
                (scope, Ok(items)) => {
                    self.tally.add(scope, items);
                    self.counted += 1;
                }
                (scope, Err(problem)) => unread.push((scope, problem)),
            }
        }
    }

    fn unfinished(&self, cause: &str) -> Problem {
        let Self { scopes, counted, .. } = self;
        Problem::internal(format!(
            "{counted} of {scopes} scopes were counted, so nothing is published and the last census stays: {cause}"
        ))
    }
}

/// What has been counted so far.
struct Tally {
    now: Timestamp,
    /// The platform's connections.
    shared: HashMap<ItemKey, ConnectionId>,
    counts: Counts,
}

/// A connection of the scope that is being counted.
struct Owned {
    id: ConnectionId,
    revision: u64,
    differs_by_tenant: bool,
    pending: bool,
    /// Of the grant that it has for its own scope.
    status: Option<GrantStatus>,
    breaker: Option<Breaker>,
}

impl Tally {
    fn new(now: Timestamp) -> Self {
        Self { now, shared: HashMap::new(), counts: none() }
    }

    /// Counts a scope; the platform must be the first.
    fn add(&mut self, scope: Scope, items: Vec<Countable>) {
        let mut owned: HashMap<ItemKey, Owned> =
            items.iter().filter_map(|item| Some((item.key.clone(), self.owned(item)?))).collect();
        if scope == Scope::Global {
            self.shared = owned.iter().map(|(key, connection)| (key.clone(), connection.id)).collect();
        }
        for item in items {
            if let Some(breaker) = item.breaker {
                let connection = item.key.connection_of_breaker().and_then(|key| owned.get_mut(&key));
                if let Some(connection) = connection {
                    connection.breaker = Some(breaker);
                }
                continue;
            }
            let (Some(status), Some((_, key))) = (item.status, item.key.grant_parts()) else { continue };
            let own = owned.get_mut(&key);
            let on = own.as_ref().map(|connection| connection.id).or_else(|| self.shared.get(&key).copied());
            // Else it is what the cleaner has not come to yet: its connection is gone, and perhaps another has the name.
            if on.is_none() || on != item.connection_id {
                continue;
            }
            *self.counts.grants.entry(status).or_default() += 1;
            if let Some(connection) = own {
                connection.status = Some(status);
            }
        }
        for connection in owned.values() {
            *self.counts.connections.entry(connection.status()).or_default() += 1;
        }
    }

    fn owned(&self, item: &Countable) -> Option<Owned> {
        let id = item.id.filter(|_| item.key.is_connection())?;
        Some(Owned {
            id: ConnectionId::from(id),
            revision: item.revision.unwrap_or_default(),
            differs_by_tenant: item.token_url.as_ref().is_some_and(|url| url.placeholders().next().is_some()),
            pending: item.pending_until.is_some_and(|until| until > self.now),
            status: None,
            breaker: None,
        })
    }
}

impl Owned {
    /// As [`crate::model::connection::Connection::status`] has it.
    fn status(&self) -> ConnectionStatus {
        let about = (self.id, self.revision);
        let held_back =
            self.breaker.as_ref().is_some_and(|breaker| breaker.holds_one(about, self.differs_by_tenant));
        ConnectionStatus::of(self.status, self.pending, held_back)
    }
}

/// Where nothing is. A status that nobody has is told as well: else a graph would go on with what was before.
fn none() -> Counts {
    Counts {
        organizations: 0,
        connections: BTreeMap::from(ConnectionStatus::ALL.map(|status| (status, 0))),
        grants: BTreeMap::from(GrantStatus::ALL.map(|status| (status, 0))),
    }
}
