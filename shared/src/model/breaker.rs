//! The breaker of a connection: while a provider refuses the client itself, one grant at a time asks whether it still
//! does, and all others wait for the answer.
//!
//! A dead client secret fails every grant of its connection alike, so it is noted once, beside the connection. What is
//! noted holds for the connection as it was then: an edit makes a new revision, and a breaker of an old one says
//! nothing. A secret that changes elsewhere (`client_secret_ref`) is found by the next probe.
//!
//! These are the rules; every change is written only over exactly what was read (see [`Breaker::stamp`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ConnectionId, Timestamp,
    connection::{Connection, LastError},
    secret::sha256_hex,
};

/// The pause before the first probe; it doubles with each one that is refused.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause: a secret that is put right elsewhere is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How soon to ask again while a probe is under way; most take less than a second.
const SOON: Duration = Duration::from_secs(5);
/// How long a probe may take: the 45 s of an exchange, and the writes around it. One whose maker crashed is in nobody's
/// way for longer.
const PROBE: Duration = Duration::from_secs(60);
/// Where a token URL differs by tenant, a refusal may be that tenant's own: it has removed the app. Only when so many
/// tenants in a row have refused it is taken for the client's fault.
const TENANTS: usize = 3;

/// What is known of a provider's refusals of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    pub connection_id: ConnectionId,
    /// Of the connection. An edit leaves this behind.
    pub revision: u64,
    pub last_error: LastError,
    /// The tenants whose token URLs refused, as [`tenant`] tells them apart. Empty once the client was accepted again.
    pub tenants: BTreeSet<String>,
    /// Refusals in a row, not counting those that were under way together.
    pub refusals: u32,
    /// No probe before this time.
    pub probe_at: Timestamp,
    /// The probe under way.
    pub probe: Option<Probe>,
    /// New with every write: a write is refused when another came between it and its reading.
    pub stamp: Uuid,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub owner: Uuid,
    pub until: Timestamp,
}

/// Whether a grant may be exchanged now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// By whoever claims the probe.
    Probe,
    /// Not for so long.
    Closed(Duration),
}

/// What an exchange says about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The provider gave tokens, or refused the grant alone.
    Accepted,
    Refused(&'a LastError),
    /// There was no answer, or one that says nothing about the client.
    Unknown,
}

/// An exchange that has come to its end.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    pub connection: &'a Connection,
    /// As [`tenant`] has it.
    pub tenant: &'a str,
    /// Set if the probe was claimed for it.
    pub prober: Option<Uuid>,
}

impl Breaker {
    /// Whether this is about the connection as it is now, and holds its grants back.
    pub fn holds(&self, connection: &Connection) -> bool {
        let differ = connection.settings.token_placeholders().next().is_some();
        self.holds_one(about(connection), differ)
    }

    /// The same of a connection of which no more is known than its id and revision, and whether its token URL differs by
    /// tenant.
    pub fn holds_one(&self, connection: (ConnectionId, u64), differ: bool) -> bool {
        self.about() == connection && self.tenants.len() >= if differ { TENANTS } else { 1 }
    }

    /// What `seen`, the breaker as it was read, lets a grant of the connection do.
    pub fn gate(seen: Option<&Self>, connection: &Connection, now: Timestamp) -> Gate {
        let Some(breaker) = seen.filter(|breaker| breaker.holds(connection)) else {
            return Gate::Open;
        };
        match &breaker.probe {
            Some(probe) if probe.until > now => Gate::Closed(probe.until.since(now).min(SOON)),
            _ if breaker.probe_at > now => Gate::Closed(breaker.probe_at.since(now)),
            _ => Gate::Probe,
        }
    }

    /// The same with the probe claimed, after [`Gate::Probe`].
    pub fn claimed(&self, owner: Uuid, now: Timestamp) -> Self {
        let probe = Some(Probe { owner, until: now + PROBE });
        Self { probe, stamp: Uuid::new_v4(), ..self.clone() }
    }

    /// What `seen` becomes by an exchange; None: it stays as it is.
    ///
    /// `jitter`, from 0 to 1, spreads the probes of connections that failed together.
    pub fn after(
        seen: Option<&Self>,
        exchange: Exchange<'_>,
        verdict: Verdict<'_>,
        now: Timestamp,
        jitter: f64,
    ) -> Option<Self> {
        let Exchange { connection, tenant, prober } = exchange;
        // Whoever still works with an old revision has no say about the new one.
        if seen.is_some_and(|seen| seen.about() > about(connection)) {
            return None;
        }
        let seen = seen.filter(|seen| seen.about() == about(connection));
        let (seen, error) = match (seen, verdict) {
            (None, Verdict::Refused(error)) => return Some(Self::first(exchange, error, now, jitter)),
            (None, _) => return None,
            (Some(seen), Verdict::Refused(error)) => (seen, error),
            (Some(seen), Verdict::Accepted) => return (!seen.tenants.is_empty()).then(|| seen.reset()),
            (Some(seen), Verdict::Unknown) => {
                let probe_at = now + pause(seen.refusals, jitter);
                let released = || Self { probe: None, probe_at, stamp: Uuid::new_v4(), ..seen.clone() };
                return seen.is_probed_by(prober).then(released);
            }
        };
        let probed = seen.is_probed_by(prober);
        let due = seen.probe_at <= now;
        let another = seen.tenants.len() < TENANTS && !seen.tenants.contains(tenant);
        // Those that were under way when the first was refused say nothing new.
        if !(probed || due || another) {
            return None;
        }
        let mut next = Self { last_error: error.clone(), stamp: Uuid::new_v4(), ..seen.clone() };
        if another {
            next.tenants.insert(tenant.to_owned());
        }
        if probed || due {
            next.refusals += 1;
            next.probe_at = now + pause(next.refusals, jitter);
        }
        if probed {
            next.probe = None;
        }
        Some(next)
    }

    fn first(exchange: Exchange<'_>, error: &LastError, now: Timestamp, jitter: f64) -> Self {
        let (connection_id, revision) = about(exchange.connection);
        Self {
            connection_id,
            revision,
            last_error: error.clone(),
            tenants: BTreeSet::from([exchange.tenant.to_owned()]),
            refusals: 1,
            probe_at: now + pause(1, jitter),
            probe: None,
            stamp: Uuid::new_v4(),
        }
    }

    fn reset(&self) -> Self {
        Self { tenants: BTreeSet::new(), refusals: 0, probe: None, stamp: Uuid::new_v4(), ..self.clone() }
    }

    fn is_probed_by(&self, prober: Option<Uuid>) -> bool {
        prober.is_some() && self.probe.as_ref().map(|probe| probe.owner) == prober
    }

    fn about(&self) -> (ConnectionId, u64) {
        (self.connection_id, self.revision)
    }
}

/// Grows with every edit, and from a connection to a later one of the same name: ids of version 7 begin with the time.
fn about(connection: &Connection) -> (ConnectionId, u64) {
    (connection.id, connection.revision)
}

/// What tells the tenants of a connection apart.
pub fn tenant(url_values: &BTreeMap<String, String>) -> String {
    let parts: Vec<&str> = url_values.iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
    sha256_hex(&parts)[..16].to_owned()
}

fn pause(refusals: u32, jitter: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(refusals.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE).mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests;
