//! The breaker on the way to an exchange: whether it may begin, and what it says about the client when it is over.

use std::time::Duration;

use uuid::Uuid;

use super::tokens::jitter;
use crate::{
    app::{Bifrost, lookup::Reached},
    model::{
        Code, Problem, Timestamp,
        breaker::{self, Breaker, Exchange, Gate, Verdict},
        connection::{Connection, LastError},
    },
    store::ItemKey,
};

/// How often a verdict is worked out anew on what another has just written. Losing one costs a probe.
const ATTEMPTS: usize = 4;

/// Leave to exchange.
pub(super) struct Pass {
    seen: Option<Breaker>,
    tenant: String,
    prober: Option<Uuid>,
}

/// The provider does not accept the connection's client, and it is not time to ask again.
#[derive(Clone, Debug)]
pub(in crate::app) struct Paused {
    pub error: LastError,
    retry_after: Duration,
}

impl Paused {
    pub(super) fn problem(&self) -> Problem {
        self.error.problem(Code::ClientRejected).retry_after(self.retry_after)
    }
}

impl Bifrost {
    /// What the breaker says, before anything is prepared.
    pub(super) async fn look_at_breaker(
        &self,
        reached: &Reached,
    ) -> Result<Result<Option<Breaker>, Paused>, Problem> {
        let connection = &reached.connection;
        let seen = match &reached.breaker {
            Some(seen) => seen.clone(),
            None => self.store.breaker(&breaker_key(connection)).await?,
        };
        Ok(match (Breaker::gate(seen.as_ref(), connection, Timestamp::now()), seen) {
            (Gate::Closed(retry_after), Some(breaker)) => {
                Err(Paused { error: breaker.last_error, retry_after })
            }
            (_, seen) => Ok(seen),
        })
    }

    /// Leave to exchange, now that everything else is in hand. A probe is claimed by one write, so that it is one.
    pub(super) async fn pass_breaker(
        &self,
        reached: &Reached,
        seen: Option<Breaker>,
        tenant: String,
    ) -> Result<Result<Pass, Paused>, Problem> {
        let (connection, now) = (&reached.connection, Timestamp::now());
        let probe = Breaker::gate(seen.as_ref(), connection, now) == Gate::Probe;
        let Some(breaker) = seen.as_ref().filter(|_| probe) else {
            return Ok(Ok(Pass { seen, tenant, prober: None }));
        };
        let prober = Uuid::new_v4();
        let claimed = breaker.claimed(prober, now);
        if self.store.write_breaker(&breaker_key(connection), Some(breaker), &claimed, now).await? {
            return Ok(Ok(Pass { seen: Some(claimed), tenant, prober: Some(prober) }));
        }
        let error = breaker.last_error.clone();
        Ok(Err(Paused { error, retry_after: Duration::from_secs(2) }))
    }

    /// Notes what an exchange said about the client, and whether the connection's grants are held back by now. What
    /// can't be noted is no reason to fail: the next exchange will say the same.
    pub(super) async fn note_verdict(
        &self,
        connection: &Connection,
        pass: Pass,
        verdict: Verdict<'_>,
    ) -> Option<Paused> {
        let key = breaker_key(connection);
        let Pass { mut seen, tenant, prober } = pass;
        let exchange = Exchange { connection, tenant: &tenant, prober };
        for _ in 0..ATTEMPTS {
            let now = Timestamp::now();
            let next = Breaker::after(seen.as_ref(), exchange, verdict, now, jitter());
            if let Some(next) = &next {
                match self.store.write_breaker(&key, seen.as_ref(), next, now).await {
                    Ok(true) => {}
                    Ok(false) => {
                        seen = self.store.breaker(&key).await.ok()?;
                        continue;
                    }
                    Err(problem) => {
                        let cause = problem.cause_chain();
                        tracing::warn!(connection = %connection.id, cause, "a breaker was not written");
                    }
                }
                if next.holds(connection) != seen.as_ref().is_some_and(|seen| seen.holds(connection)) {
                    let held_back = next.holds(connection);
                    tracing::warn!(connection = %connection.id, held_back, "the client's standing changed");
                }
            }
            return paused(next.or(seen).as_ref(), connection, now);
        }
        None
    }
}

fn paused(breaker: Option<&Breaker>, connection: &Connection, now: Timestamp) -> Option<Paused> {
    let breaker = breaker?;
    let retry_after = match Breaker::gate(Some(breaker), connection, now) {
        Gate::Open => return None,
        Gate::Probe => Duration::ZERO,
        Gate::Closed(pause) => pause,
    };
    Some(Paused { error: breaker.last_error.clone(), retry_after })
}

pub(in crate::app) fn breaker_key(connection: &Connection) -> ItemKey {
    ItemKey::breaker(connection.scope, &connection.name.folded())
}

/// As [`breaker::tenant`], of what fills a token URL.
pub(super) use breaker::tenant;
