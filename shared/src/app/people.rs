//! People who sign in elsewhere: their token turned into a caller, and the issuer's keys remembered for it.
//!
//! The keys are fetched when they are needed, never when the process starts. How often that may be is not for strangers to
//! decide: a token that names a key that is not known makes us ask the issuer once in a while, and no more.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{error::Elapsed, timeout},
};

use super::{Bifrost, authenticate::Stranger};
use crate::{
    model::{
        Problem, Timestamp,
        access::Caller,
        failure::Failure,
        oidc::{KeySet, Policy, Refusal, UnverifiedToken},
    },
    oauth,
};

/// How long the keys are used without asking whether they still are the issuer's. A key that the issuer withdraws is
/// accepted for no longer than this, while the issuer can be asked.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long they are used while the issuer can't be asked.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest time between two questions, so that tokens that are made up do not become requests to the issuer.
const PAUSE: Duration = Duration::from_secs(30);
/// The same while there are no keys at all and nobody can sign in.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// How long the issuer has for its configuration and its keys together. API Gateway waits 10 s for an authorizer, and the
/// organization has still to be looked up.
const PATIENCE: Duration = Duration::from_secs(6);

/// The issuer, if people can sign in.
#[derive(Debug)]
pub(super) struct Issuer {
    policy: Result<Option<Policy>, String>,
    /// Locked while they are fetched: whoever needs them waits for the one answer.
    keys: Mutex<Remembered>,
}

/// What is known of the issuer's keys.
#[derive(Clone, Debug, Default)]
struct Remembered {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    asked_at: Option<Timestamp>,
}

/// Why a token shows nobody, or why that can't be said.
enum NotSignedIn {
    /// With the person's id, if it is theirs for certain.
    Refused(Refusal, Option<String>),
    Failed(Problem),
}

impl From<Refusal> for NotSignedIn {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, None)
    }
}

impl From<Problem> for NotSignedIn {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// Why there are no keys to verify anything with.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("the issuer's keys can't be fetched")]
    Failed(#[source] Failure),
    #[error("the issuer took longer than 6 s")]
    Slow(#[source] Elapsed),
    #[error("the issuer's keys could not be fetched a moment ago")]
    AskedAlready,
}

impl Issuer {
    pub(super) fn new(policy: Result<Option<Policy>, String>) -> Self {
        Self { policy, keys: Mutex::default() }
    }
}

impl Bifrost {
    /// Who signed in; a stranger, if the token shows nobody, and wherever nobody can sign in.
    pub(super) async fn authenticate_token(
        &self,
        presented: &str,
    ) -> Result<Result<Caller, Stranger>, Problem> {
        let policy = match &self.issuer.policy {
            Ok(Some(policy)) => policy,
            Ok(None) => {
                return Ok(Err(Stranger::with_token("it is no key, and there is no OidcIssuer", None)));
            }
            // Told again with each token: whoever set the parameter looks here when nobody can sign in.
            Err(wrong) => return Err(Problem::internal(wrong.as_str())),
        };
        match self.signed_in(policy, presented).await {
            Ok(caller) => Ok(Ok(caller)),
            Err(NotSignedIn::Refused(refusal, person)) => Ok(Err(Stranger::with_token(refusal, person))),
            Err(NotSignedIn::Failed(problem)) => Err(problem),
        }
    }

    async fn signed_in(&self, policy: &Policy, presented: &str) -> Result<Caller, NotSignedIn> {
        let token = UnverifiedToken::parse(presented)?;
        policy.takes(&token)?;
        let keys = self.keys_for(policy, &token).await?;
        let person = policy.verify(&token, &keys, Timestamp::now()).map_err(|refusal| {
            let theirs = refusal.is_of_claims().then(|| policy.caller_id(&token, &keys)).flatten();
            NotSignedIn::Refused(refusal, theirs)
        })?;
        let refused = |refusal| NotSignedIn::Refused(refusal, Some(person.caller_id()));
        let is_provider = self.standing(person.home, person.made_before()).await?;
        person.caller(is_provider.ok_or(Refusal::NoOrganization).map_err(refused)?).map_err(refused)
    }

    /// The issuer's keys, fetched anew if they are old, or if the token's is not among them.
    async fn keys_for(&self, policy: &Policy, token: &UnverifiedToken<'_>) -> Result<Arc<KeySet>, Problem> {
        let mut remembered = self.issuer.keys.lock().await;
        let now = Timestamp::now();
        let mut trouble = None;
        if remembered.should_ask(|keys| token.has_key_in(keys), now) {
            remembered.asked_at = Some(now);
            let fetched = match timeout(PATIENCE, oauth::issuer_keys(&self.outbound, policy)).await {
                Ok(answered) => answered.map_err(NoKeys::Failed),
                Err(elapsed) => Err(NoKeys::Slow(elapsed)),
            };
            match fetched {
                Ok(keys) => remembered.keys = Some((Arc::new(keys), now)),
                Err(error) => trouble = Some(error),
            }
        }
        let Some(keys) = remembered.usable(now) else {
            return Err(Problem::unavailable(trouble.unwrap_or(NoKeys::AskedAlready)));
        };
        if let Some(trouble) = trouble {
            let cause = Problem::unavailable(trouble).cause_chain();
            tracing::warn!(cause, "the issuer's keys could not be fetched anew");
        }
        Ok(keys)
    }
}

impl Remembered {
    /// Whether it is time to ask the issuer, for a token whose key `knows` says is there.
    fn should_ask(&self, knows: impl Fn(&KeySet) -> bool, now: Timestamp) -> bool {
        let pause = if self.keys.is_some() { PAUSE } else { PAUSE_WITHOUT_KEYS };
        if self.asked_at.is_some_and(|at| is_within(pause, at, now)) {
            return false;
        }
        !self.keys.as_ref().is_some_and(|(keys, since)| is_within(FRESH, *since, now) && knows(keys))
    }

    fn usable(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let (keys, since) = self.keys.as_ref()?;
        is_within(STALE, *since, now).then(|| Arc::clone(keys))
    }
}

/// Whether no more than `time` has passed. Of a time that lies ahead, because the clock was set back, nothing is known.
fn is_within(time: Duration, since: Timestamp, now: Timestamp) -> bool {
    since <= now && now.since(since) < time
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000) + Duration::from_secs(second)
    }

    /// With keys since then, and asked no later.
    fn since(second: u64) -> Remembered {
        Remembered { keys: Some((Arc::default(), at(second))), asked_at: Some(at(second)) }
    }

    #[test]
    fn the_first_token_makes_us_ask_and_without_an_answer_the_next_after_5_seconds() {
        let mut remembered = Remembered::default();
        assert!(remembered.should_ask(|_| false, at(0)));
        remembered.asked_at = Some(at(0));
        assert!(!remembered.should_ask(|_| false, at(4)));
        assert!(remembered.should_ask(|_| false, at(5)));
        assert!(remembered.usable(at(5)).is_none());
    }

    #[test]
    fn keys_are_used_for_ten_minutes_without_asking() {
        assert!(!since(0).should_ask(|_| true, at(599)));
        assert!(since(0).should_ask(|_| true, at(600)));
    }

    #[test]
    fn a_key_that_is_not_known_makes_us_ask_but_not_twice_in_30_seconds() {
        assert!(!since(0).should_ask(|_| false, at(29)));
        assert!(since(0).should_ask(|_| false, at(30)));
    }

    #[test]
    fn old_keys_serve_for_a_day_while_the_issuer_is_down() {
        let day = 24 * 60 * 60;
        assert!(since(0).usable(at(day - 1)).is_some());
        assert!(since(0).usable(at(day)).is_none());
    }

    #[test]
    fn keys_from_a_time_that_lies_ahead_are_not_used() {
        assert!(since(60).should_ask(|_| true, at(0)));
        assert!(since(60).usable(at(0)).is_none());
    }

    proptest! {
        /// Whatever strangers present, and however fast.
        #[test]
        fn nobody_can_make_us_ask_more_often_than_twice_a_minute(tokens in vec((0..20_u64, any::<bool>()), 1..200)) {
            let (mut remembered, mut asked, mut now) = (since(0), 0, 0);
            for (pause, known) in tokens {
                now += pause;
                if remembered.should_ask(|_| known, at(now)) {
                    asked += 1;
                    remembered = since(now);
                }
            }
            prop_assert!(asked <= now / 30, "{asked} times in {now} s");
        }
    }
}
