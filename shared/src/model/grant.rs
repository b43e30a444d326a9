//! Grants: what a provider gave a connection, and when its token is good, due, or past saving.
//!
//! The rules here are the pure half of refreshing; `app::refresh` is the half that talks to the store and the provider.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    ConnectionId, GrantId, Incarnation, Sealed, Timestamp,
    connection::{Flow, LastError},
    dialect::Dialect,
    identity::{Identity, Owner},
};

/// A request refreshes when less than this is left: enough for the workflow's next call to arrive in time.
const REQUEST_MARGIN: Duration = Duration::from_secs(60);
/// The sweep refreshes this long before expiry, or earlier for long-lived tokens, so that requests rarely have to wait.
const SWEEP_MARGIN: Duration = Duration::from_secs(10 * 60);
/// How long a refresh token is taken to live unused when its provider does not say. Of the providers that we know none
/// has a shorter limit without saying so: Okta's is 7 days unless an administrator sets another, Auth0's 15, DocuSign's
/// and Zendesk's 30. It matters only to access tokens that live still longer.
const ASSUMED_IDLE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// A refresh token whose end is near however often it is used (Keycloak's sessions have such an end) is not used up in
/// ever smaller steps.
const SOONEST: Duration = Duration::from_secs(60);
/// A caller without `edit` forces at most one exchange per grant in this time.
const FORCED_PAUSE: Duration = Duration::from_secs(30);
/// The first pause after a failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(15);
/// The longest pause between attempts; a provider that comes back is noticed within this time.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30 * 60);

/// How a grant is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantStatus {
    /// A client_credentials grant whose first token is being minted.
    New,
    Active,
    /// The last refresh failed; retries go on.
    Failing,
    /// A person must reconnect.
    Reauthorize,
    /// A tombstone: keeps the generation, holds no token.
    Disconnected,
}

/// What a provider gave a connection, for its own scope or for one organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    /// The connection it belongs to; a grant of another connection of the same name is ignored.
    pub connection_id: ConnectionId,
    /// New with each connecting.
    pub incarnation: Incarnation,
    /// Counts the token sets, never goes back.
    pub generation: u64,
    pub status: GrantStatus,
    pub access_token: Option<Sealed>,
    pub refresh_token: Option<Sealed>,
    #[serde(default)]
    pub token_type: String,
    /// What the provider granted, or what was asked for if it did not say.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What was asked for: when the connection's scopes have changed since, a reconnect is needed.
    #[serde(default)]
    pub asked_scopes: Vec<String>,
    pub issued_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// What filled the placeholders of the token URL; a grant is refreshed where it was given.
    #[serde(default)]
    pub url_values: BTreeMap<String, String>,
    /// What the provider said about it beside the tokens, as the connection's dialect has it kept.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// The sign-in whose refresh token was redeemed for it, which is not the organization's own.
    #[serde(default)]
    pub redeemed_from: Option<Incarnation>,
    /// Who signed in, as far as the provider told. `identity` alone is a word of DynamoDB's expressions.
    #[serde(default, rename = "signed_in_as")]
    pub identity: Option<Identity>,
    #[serde(flatten)]
    pub lease: Option<Lease>,
    /// A refresh token may have been spent by a request whose answer was lost.
    #[serde(default)]
    pub maybe_spent: bool,
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// No attempt before this time.
    pub retry_at: Option<Timestamp>,
    pub last_error: Option<LastError>,
    pub last_refresh_at: Option<Timestamp>,
    /// When the sweep looks at it next, to the second; a grant without one is not swept.
    #[serde(with = "unix_seconds", default)]
    pub refresh_at: Option<Timestamp>,
    /// When the last refresh that someone without `edit` forced took place.
    pub forced_at: Option<Timestamp>,
    /// The connection's revision when the grant was disconnected: a client that speaks for itself may begin anew when
    /// the connection has been edited since.
    pub disconnected_at_revision: Option<u64>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The right to spend a grant's refresh token, and the journal of it: a lease found expired and unreleased means that
/// the token may have been spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    #[serde(rename = "lease_owner")]
    pub owner: String,
    #[serde(rename = "lease_until")]
    pub until: Timestamp,
}

/// What someone wants of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A token that is good for this long, or, without a number, for the usual margin.
    Fresh { min_ttl: Option<Duration> },
    /// A token other than that of this generation, which the provider's API refused. `limited` callers are those
    /// without `edit`.
    Newer { than: u64, limited: bool },
    /// Whatever the sweep found due.
    Due,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The token will do.
    Serve,
    /// The token is still good, but not all is well.
    ServeWith(Warning),
    /// It must be exchanged for a new one.
    Refresh,
    Refuse(Refusal),
}

/// Why a token comes with a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Refreshing fails; the token is good until it expires.
    Failing,
    /// There is no refresh token: someone must reconnect before it expires.
    NoRefreshToken,
    /// It was refreshed a moment ago.
    ForcedRecently,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotConnected,
    /// `last_error` says why; without one the token expired and there is nothing to renew it with.
    Reauthorize,
    /// The last attempt failed and the next is not due yet.
    Failing {
        retry_after: Duration,
    },
}

impl GrantStatus {
    pub const ALL: [Self; 5] =
        [Self::New, Self::Active, Self::Failing, Self::Reauthorize, Self::Disconnected];

    /// As it is stored, and as metrics call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Reauthorize => "reauthorize",
            Self::Disconnected => "disconnected",
        }
    }

    /// Whether there is a grant at all, be it a broken one.
    pub fn is_connected(self) -> bool {
        self != Self::Disconnected
    }
}

impl Grant {
    pub fn lifetime(&self) -> Duration {
        match (self.issued_at, self.expires_at) {
            (Some(issued), Some(expires)) => expires.since(issued),
            _ => Duration::ZERO,
        }
    }

    /// How long the access token is still good; nothing if there is none.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        match (&self.access_token, self.expires_at) {
            (Some(_), Some(expires)) => expires.since(now),
            _ => Duration::ZERO,
        }
    }

    pub fn owner(&self) -> Owner<'_> {
        Owner { identity: self.identity.as_ref(), facts: &self.facts }
    }

    /// Whether it is certainly someone else's than `before`, which then is not to be replaced unasked. Who disconnected
    /// has been asked.
    pub fn needs_confirmation(&self, before: Option<&Self>, dialect: &Dialect) -> bool {
        let before = before.filter(|before| self.could_replace(before));
        before.is_some_and(|before| self.owner().differs_from(&before.owner(), dialect))
    }

    /// Whether there is someone to be compared with who is not known yet for this one.
    pub fn lacks_identity(&self, before: Option<&Self>) -> bool {
        let before = before.filter(|before| self.could_replace(before));
        self.identity.is_none() && before.is_some_and(|before| before.identity.is_some())
    }

    /// Whether both serve, and are known to be of the same person.
    pub fn is_of_the_same(&self, other: &Self, dialect: &Dialect) -> bool {
        let known = self.identity.is_some() && other.identity.is_some();
        known && self.could_replace(other) && !self.owner().differs_from(&other.owner(), dialect)
    }

    fn could_replace(&self, before: &Self) -> bool {
        before.connection_id == self.connection_id && before.status.is_connected()
    }

    /// Whether someone is exchanging the token now.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.until > now)
    }

    /// Whether a holder went away without releasing its lease: it may have spent the token.
    pub fn has_lapsed_lease(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.until <= now)
    }

    pub fn is_held_by(&self, owner: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.owner == owner)
    }

    pub fn decide(&self, flow: Flow, want: Want, now: Timestamp) -> Decision {
        let remaining = self.remaining(now);
        let usable = !remaining.is_zero();
        match self.status {
            GrantStatus::Disconnected => return Decision::Refuse(Refusal::NotConnected),
            GrantStatus::Reauthorize if usable => return Decision::ServeWith(Warning::Failing),
            GrantStatus::Reauthorize => return Decision::Refuse(Refusal::Reauthorize),
            GrantStatus::New | GrantStatus::Active | GrantStatus::Failing => {}
        }
        match want {
            Want::Fresh { min_ttl } if remaining >= self.needed(min_ttl) && usable => return Decision::Serve,
            Want::Newer { than, .. } if usable && than != self.generation => return Decision::Serve,
            // The index that the sweep reads is a moment behind.
            Want::Due if self.refresh_at.is_none_or(|at| at > now) => return Decision::Serve,
            Want::Newer { limited: true, .. } if usable && self.was_forced_recently(now) => {
                return Decision::ServeWith(Warning::ForcedRecently);
            }
            _ => {}
        }
        if flow == Flow::AuthorizationCode && self.refresh_token.is_none() {
            return match usable {
                true => Decision::ServeWith(Warning::NoRefreshToken),
                false => Decision::Refuse(Refusal::Reauthorize),
            };
        }
        match self.retry_at {
            Some(at) if at > now && usable => Decision::ServeWith(Warning::Failing),
            Some(at) if at > now => Decision::Refuse(Refusal::Failing { retry_after: at.since(now) }),
            _ => Decision::Refresh,
        }
    }

    /// `min_ttl` counts up to half the lifetime, so that nobody can ask for a refresh at every call.
    fn needed(&self, min_ttl: Option<Duration>) -> Duration {
        min_ttl.unwrap_or(REQUEST_MARGIN).min(self.lifetime() / 2)
    }

    fn was_forced_recently(&self, now: Timestamp) -> bool {
        self.forced_at.is_some_and(|at| now.since(at) < FORCED_PAUSE)
    }
}

/// When the sweep should refresh a grant: before requests have to wait for an access token, and before its refresh token
/// dies of not being used, whichever is earlier. Never before half of the lifetime in question, nor within a minute.
///
/// `refresh_lifetime` is the refresh token's, if the provider said it. `jitter`, from 0 to 1, spreads grants that were
/// made at the same moment over the last tenth of the lifetime before that.
pub fn sweep_at(
    issued: Timestamp,
    expires: Timestamp,
    refresh_lifetime: Option<Duration>,
    jitter: f64,
) -> Timestamp {
    let for_access = in_time(expires.since(issued), jitter);
    let for_refresh = in_time(refresh_lifetime.unwrap_or(ASSUMED_IDLE_LIFETIME), jitter).max(SOONEST);
    issued + for_access.min(for_refresh)
}

/// How long after its issue something of this lifetime is renewed.
fn in_time(lifetime: Duration, jitter: f64) -> Duration {
    let margin = SWEEP_MARGIN.max(lifetime / 5);
    let earliest = lifetime / 2;
    let latest = lifetime.saturating_sub(margin).max(earliest);
    let spread = (latest - earliest).min(lifetime / 10).mul_f64(jitter.clamp(0.0, 1.0));
    latest - spread
}

/// The pause after the `failures`-th failure in a row: exponential, the upper half of it at random.
pub fn backoff(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let pause = doubled.min(LONGEST_BACKOFF);
    pause / 2 + (pause / 2).mul_f64(jitter.clamp(0.0, 1.0))
}

/// The sweep's index sorts by number.
mod unix_seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Timestamp;

    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::unix_seconds).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_unix_seconds))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000 + seconds)
    }

    fn grant(lifetime: i64) -> Grant {
        Grant {
            id: GrantId::new(),
            connection_id: ConnectionId::new(),
            incarnation: Incarnation::new(),
            generation: 7,
            status: GrantStatus::Active,
            access_token: Some(Sealed::from_bytes(vec![1])),
            refresh_token: Some(Sealed::from_bytes(vec![2])),
            token_type: "Bearer".into(),
            scopes: vec![],
            asked_scopes: vec![],
            issued_at: Some(at(0)),
            expires_at: Some(at(lifetime)),
            url_values: BTreeMap::new(),
            facts: BTreeMap::new(),
            redeemed_from: None,
            identity: None,
            lease: None,
            maybe_spent: false,
            failures: 0,
            retry_at: None,
            last_error: None,
            last_refresh_at: None,
            refresh_at: None,
            forced_at: None,
            disconnected_at_revision: None,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    const FRESH: Want = Want::Fresh { min_ttl: None };
    const CODE: Flow = Flow::AuthorizationCode;

    #[test]
    fn a_request_refreshes_in_the_last_minute() {
        assert_eq!(grant(3600).decide(CODE, FRESH, at(3539)), Decision::Serve);
        assert_eq!(grant(3600).decide(CODE, FRESH, at(3541)), Decision::Refresh);
    }

    #[test]
    fn a_token_shorter_than_two_minutes_is_used_for_half_its_life() {
        assert_eq!(grant(30).decide(CODE, FRESH, at(15)), Decision::Serve);
        assert_eq!(grant(30).decide(CODE, FRESH, at(16)), Decision::Refresh);
    }

    #[test]
    fn min_ttl_counts_up_to_half_the_lifetime() {
        let greedy = Want::Fresh { min_ttl: Some(Duration::from_secs(999_999)) };
        assert_eq!(grant(3600).decide(CODE, greedy, at(1800)), Decision::Serve);
        assert_eq!(grant(3600).decide(CODE, greedy, at(1801)), Decision::Refresh);
    }

    #[test]
    fn an_expired_token_is_never_served() {
        let mut grant = grant(3600);
        grant.retry_at = Some(at(4000));
        let refused = Decision::Refuse(Refusal::Failing { retry_after: Duration::from_secs(400) });
        assert_eq!(grant.decide(CODE, FRESH, at(3600)), refused);
        grant.refresh_token = None;
        assert_eq!(grant.decide(CODE, FRESH, at(3600)), Decision::Refuse(Refusal::Reauthorize));
    }

    #[test]
    fn a_refused_generation_is_refreshed_only_while_it_is_current() {
        let newer = |than| Want::Newer { than, limited: true };
        assert_eq!(grant(3600).decide(CODE, newer(6), at(1)), Decision::Serve);
        assert_eq!(grant(3600).decide(CODE, newer(7), at(1)), Decision::Refresh);
    }

    #[test]
    fn forcing_twice_within_thirty_seconds_gives_the_current_token_with_a_warning() {
        let mut grant = grant(3600);
        grant.forced_at = Some(at(0));
        let force = |limited| Want::Newer { than: 7, limited };
        assert_eq!(grant.decide(CODE, force(true), at(29)), Decision::ServeWith(Warning::ForcedRecently));
        assert_eq!(grant.decide(CODE, force(true), at(30)), Decision::Refresh);
        assert_eq!(grant.decide(CODE, force(false), at(1)), Decision::Refresh);
    }

    #[test]
    fn a_dead_grant_is_not_tried_again_but_its_token_serves_to_the_end() {
        let mut grant = grant(3600);
        grant.status = GrantStatus::Reauthorize;
        assert_eq!(grant.decide(CODE, FRESH, at(3590)), Decision::ServeWith(Warning::Failing));
        assert_eq!(grant.decide(CODE, FRESH, at(3600)), Decision::Refuse(Refusal::Reauthorize));
    }

    #[test]
    fn a_refresh_token_that_dies_of_idleness_is_used_although_the_access_token_lasts() {
        let day = 24 * 3600;
        let year = |refresh: Option<u64>| {
            let idle = refresh.map(|days| Duration::from_secs(days * day));
            sweep_at(at(0), at(365 * day as i64), idle, 0.0).since(at(0)).as_secs()
        };
        assert_eq!(year(Some(100)), 80 * day);
        assert_eq!(year(None), 7 * day * 4 / 5);
        assert_eq!(sweep_at(at(0), at(3600), None, 0.0), at(3600 - 720));
    }

    proptest! {
        #[test]
        fn the_sweep_comes_between_half_the_lifetime_and_expiry(lifetime in 1_i64..10_000_000, jitter in 0.0..1.0_f64) {
            let lasting = Some(Duration::from_secs(1_000_000_000));
            let due = sweep_at(at(0), at(lifetime), lasting, jitter);
            prop_assert!(due >= at(0) + Duration::from_secs(lifetime as u64) / 2 - Duration::from_millis(1));
            prop_assert!(due <= at(lifetime));
        }

        #[test]
        fn the_sweep_comes_before_either_token_dies(
            access in 1_i64..100_000_000,
            refresh in proptest::option::of(1_u64..100_000_000),
            jitter in 0.0..1.0_f64,
        ) {
            let idle = refresh.map(Duration::from_secs);
            let due = sweep_at(at(0), at(access), idle, jitter).since(at(0));
            let refresh = idle.unwrap_or(ASSUMED_IDLE_LIFETIME);
            prop_assert!(due <= Duration::from_secs(access as u64));
            prop_assert!(due <= refresh.max(SOONEST));
            let halves = (Duration::from_secs(access as u64) / 2).min(refresh / 2);
            prop_assert!(due + Duration::from_millis(1) >= halves);
            // A shorter life of the refresh token never makes the sweep later.
            let sooner = sweep_at(at(0), at(access), Some(refresh / 2), jitter).since(at(0));
            prop_assert!(sooner <= due.max(SOONEST));
        }

        #[test]
        fn backoff_grows_to_half_an_hour_and_no_further(failures in 1_u32..1000, jitter in 0.0..1.0_f64) {
            let pause = backoff(failures, jitter);
            prop_assert!(pause >= FIRST_BACKOFF / 2 && pause <= LONGEST_BACKOFF);
        }
    }
}
