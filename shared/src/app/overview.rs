//! What is going on, for whoever looks after it: what the sweeps did, what they will have to do, and how connections are
//! doing in many scopes at once.
//!
//! Everything here is bounded, whatever there is, and says where it was cut.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{Bifrost, connections::ConnectionView, page::PageRequest};
use crate::{
    model::{Name, OrganizationId, Problem, Scope, Timestamp, grant::GrantStatus},
    store::{keys::SHARDS, page::Listing},
};

/// How many hours are told, back and ahead.
pub const HOURS: usize = 24;
const HOUR: Duration = Duration::from_secs(3600);

/// How many shards are asked at once, and how many answers of each are read: some 8,000 grants.
const SHARDS_AT_ONCE: usize = 32;
const ANSWERS: usize = 2;
/// All shards cost 256 queries; so for this long the answer is the same.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many scopes are looked through, how many at once, and how much of each.
pub const MOST_SCOPES: usize = 200;
const SCOPES_AT_ONCE: usize = 16;
const MOST_CONNECTIONS: usize = 200;
const MOST_GRANTS: usize = 1000;

/// What the scheduled sweeps of an hour did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When the hour began.
    pub hour: Timestamp,
    pub refreshed: u64,
    pub failed: u64,
}

/// What is due to be refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// When it was like that.
    pub as_of: Timestamp,
    /// When the first hour began, which is not over.
    pub first: Timestamp,
    /// What is overdue is in the first.
    pub hours: [u64; HOURS],
    pub overdue: u64,
    /// False: there is more than this.
    pub complete: bool,
}

/// What is due, as it was a moment ago.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Option<(Instant, Arc<Upcoming>)>>);

/// Connections of many scopes.
#[derive(Debug, Default)]
pub struct Survey {
    pub connections: Vec<ConnectionView>,
    /// What organizations have on the platform's connections and does not work.
    pub grants: Vec<GrantInTrouble>,
    /// False: there is more than this.
    pub complete: bool,
}

/// An organization's own grant on a global connection.
#[derive(Debug)]
pub struct GrantInTrouble {
    pub organization: OrganizationId,
    pub connection: Name,
    pub status: GrantStatus,
}

/// The beginning of the hour that a time is in.
pub fn hour_of(time: Timestamp) -> Timestamp {
    let hour = HOUR.as_secs() as i64;
    Timestamp::from_unix_seconds(time.unix_seconds() / hour * hour)
}

/// That many hours later.
fn later(time: Timestamp, hours: usize) -> Timestamp {
    time + HOUR * u32::try_from(hours).unwrap_or(u32::MAX)
}

impl Upcoming {
    fn none(now: Timestamp) -> Self {
        Self { as_of: now, first: hour_of(now), hours: [0; HOURS], overdue: 0, complete: true }
    }

    /// Counts what is due then; what is later than all of the hours is not told.
    fn count(&mut self, due: Timestamp) {
        let overdue = due <= self.as_of;
        self.overdue += u64::from(overdue);
        let ahead = if overdue { 0 } else { due.since(self.first).as_secs() / HOUR.as_secs() };
        if let Some(hour) = usize::try_from(ahead).ok().and_then(|ahead| self.hours.get_mut(ahead)) {
            *hour += 1;
        }
    }

    pub fn hours(&self) -> impl Iterator<Item = (Timestamp, u64)> {
        self.hours.iter().enumerate().map(|(ahead, count)| (later(self.first, ahead), *count))
    }

    pub fn total(&self) -> u64 {
        self.hours.iter().sum()
    }
}

impl Bifrost {
    /// What the sweeps did in each of the last hours, the present one included. Refreshes that requests asked for are
    /// not counted by anyone.
    pub async fn outcomes(&self, now: Timestamp) -> Result<Vec<Outcome>, Problem> {
        let last = hour_of(now);
        let first = last - HOUR * (HOURS as u32 - 1);
        let found = self.store.swept_hours(first, last).await?;
        let outcome = |ago: usize| {
            let hour = later(first, ago);
            let swept = found.iter().find(|swept| swept.hour == hour.unix_seconds());
            let (refreshed, failed) = swept.map_or((0, 0), |swept| (swept.refreshed, swept.failed));
            Outcome { hour, refreshed, failed }
        };
        Ok((0..HOURS).map(outcome).collect())
    }

    /// What the sweeps will have to refresh in the next hours, the rest of the present one included.
    pub async fn upcoming(&self) -> Result<Arc<Upcoming>, Problem> {
        let remembered = || self.upcoming.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |(at, upcoming): &(Instant, Arc<Upcoming>)| {
            (at.elapsed() < REMEMBERED).then(|| Arc::clone(upcoming))
        };
        if let Some(upcoming) = remembered().as_ref().and_then(recent) {
            return Ok(upcoming);
        }
        let mut upcoming = Upcoming::none(Timestamp::now());
        // What is due at the full hour is the next hour's.
        let until = later(upcoming.first, HOURS) - Duration::from_secs(1);
        let (mut shards, mut asked) = (0..SHARDS, JoinSet::new());
        loop {
            while asked.len() < SHARDS_AT_ONCE
                && let Some(shard) = shards.next()
            {
                let store = self.store.clone();
                asked.spawn(async move { store.due_times(shard, until, ANSWERS).await });
            }
            let Some(answer) = asked.join_next().await else { break };
            let (times, complete) = answer.map_err(Problem::internal)??;
            times.into_iter().for_each(|due| upcoming.count(due));
            upcoming.complete &= complete;
        }
        let upcoming = Arc::new(upcoming);
        *remembered() = Some((Instant::now(), Arc::clone(&upcoming)));
        Ok(upcoming)
    }

    /// The connections of scopes, with what organizations have on global ones and does not work.
    pub async fn survey(self: &Arc<Self>, scopes: &[Scope], public_url: &str) -> Result<Survey, Problem> {
        let complete = scopes.len() <= MOST_SCOPES;
        let mut survey = Survey { complete, ..Survey::default() };
        let (mut scopes, mut asked) = (scopes.iter().take(MOST_SCOPES).copied(), JoinSet::new());
        loop {
            while asked.len() < SCOPES_AT_ONCE
                && let Some(scope) = scopes.next()
            {
                let (this, public_url) = (Arc::clone(self), public_url.to_owned());
                asked.spawn(async move { this.survey_one(scope, &public_url).await });
            }
            let Some(answer) = asked.join_next().await else { break };
            let one = answer.map_err(Problem::internal)??;
            survey.connections.extend(one.connections);
            survey.grants.extend(one.grants);
            survey.complete &= one.complete;
        }
        Ok(survey)
    }

    async fn survey_one(&self, scope: Scope, public_url: &str) -> Result<Survey, Problem> {
        let request = PageRequest { limit: MOST_CONNECTIONS, cursor: None };
        let page = self.connections(scope, request, public_url).await?;
        let mut survey = Survey { complete: page.next.is_none(), ..Survey::default() };
        for row in page.rows {
            let connection = row.item;
            if scope == Scope::Global {
                let name = connection.name.folded();
                let (grants, all) = self.store.some_grants_on((connection.id, &name), MOST_GRANTS).await?;
                survey.complete &= all;
                survey.grants.extend(grants.into_iter().filter_map(|grant| {
                    let organization = grant.key.scope()?.organization()?;
                    let status = grant.status?;
                    let troubled = matches!(status, GrantStatus::Failing | GrantStatus::Reauthorize);
                    let connection = connection.name.clone();
                    troubled.then_some(GrantInTrouble { organization, connection, status })
                }));
            }
            survey.connections.push(connection);
        }
        Ok(survey)
    }

    /// How many integrations there are, and whether that is all.
    pub async fn count_integrations(&self) -> Result<(u64, bool), Problem> {
        self.store.count(&Listing::integrations()).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_hour_has_what_is_due_in_it_and_the_first_what_is_overdue() {
        let mut upcoming = Upcoming::none(at("2026-01-31T12:34:56Z"));
        let due = [
            "2026-01-01T00:00:00Z",
            "2026-01-31T12:34:56Z",
            "2026-01-31T12:34:57Z",
            "2026-01-31T12:59:59Z",
            "2026-01-31T13:00:00Z",
            "2026-02-01T11:59:59Z",
            "2026-02-01T12:00:00Z",
        ];
        due.into_iter().for_each(|due| upcoming.count(at(due)));
        assert_eq!((upcoming.hours[0], upcoming.hours[1], upcoming.hours[23]), (4, 1, 1));
        assert_eq!((upcoming.overdue, upcoming.total()), (2, 6));
        let hours: Vec<_> = upcoming.hours().map(|(hour, _)| hour).collect();
        assert_eq!((hours[0], hours[23]), (at("2026-01-31T12:00:00Z"), at("2026-02-01T11:00:00Z")));
    }

    proptest! {
        #[test]
        fn a_time_is_within_its_hour(seconds in 0..253_402_300_800_i64, due in 0..253_402_300_800_i64) {
            let time = Timestamp::from_unix_seconds(seconds);
            let hour = hour_of(time);
            prop_assert!(hour <= time && time.since(hour) < HOUR);
            prop_assert!(hour.to_string().ends_with(":00:00.000Z"));
            let mut upcoming = Upcoming::none(time);
            upcoming.count(Timestamp::from_unix_seconds(due));
            prop_assert!(upcoming.total() <= 1);
        }
    }
}
