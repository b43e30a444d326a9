//! The Lambda authorizer: who decides, and for how long a decision is remembered.
//!
//! A decision is remembered by the identity alone, denials included, and not by route; that is what API Gateway does
//! unless an authorizer asks for more.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use serde_json::{Map, Value};

use crate::runtime::Outcome;
use crate::template::Authorizer;

/// API Gateway waits no longer for an authorizer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// With the context that the function will find in its event.
    Allowed(Value),
    Denied,
}

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Undecided {
    /// The function failed, which has been reported where it happened.
    Failed,
    /// What came, or did not come, is no decision.
    Unusable(String),
}

#[derive(Default)]
pub(crate) struct Authorizers {
    remembered: Mutex<HashMap<Key, (Decision, Instant)>>,
}

/// Authorizer function and identity.
type Key = (String, Vec<String>);

/// The values that say who calls. `None` when one is missing.
pub(crate) fn identity(authorizer: &Authorizer, headers: &HeaderMap) -> Option<Vec<String>> {
    let value = |name: &String| {
        let value =
            headers.get(name.as_str()).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        value.filter(|value| !value.is_empty())
    };
    authorizer.identity_headers.iter().map(value).collect()
}

impl Authorizers {
    /// What was decided for this identity, or what `ask` answers now.
    pub(crate) async fn decide(
        &self,
        authorizer: &Authorizer,
        identity: Vec<String>,
        ask: impl Future<Output = Outcome>,
    ) -> Result<Decision, Undecided> {
        let key = (authorizer.function.clone(), identity);
        if let Some(decision) = self.recall(&key) {
            return Ok(decision);
        }
        let decision = match tokio::time::timeout(PATIENCE, ask).await {
            Ok(Outcome::Answer(answer)) => read(&answer).map_err(Undecided::Unusable)?,
            Ok(Outcome::Failed(_)) => return Err(Undecided::Failed),
            Err(_) => {
                let problem = format!("no answer within {} s", PATIENCE.as_secs());
                return Err(Undecided::Unusable(problem));
            }
        };
        if !authorizer.remembered.is_zero() {
            self.remember(key, decision.clone(), authorizer.remembered);
        }
        Ok(decision)
    }

    fn recall(&self, key: &Key) -> Option<Decision> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(key).filter(|(_, until)| Instant::now() < *until).map(|(decision, _)| decision.clone())
    }

    fn remember(&self, key: Key, decision: Decision, time: Duration) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        remembered.retain(|_, (_, until)| now < *until);
        remembered.insert(key, (decision, now + time));
    }
}

/// A simple response: `{"isAuthorized": true, "context": {...}}`.
fn read(answer: &[u8]) -> Result<Decision, String> {
    let mut answer: Map<String, Value> =
        serde_json::from_slice(answer).map_err(|_| "its answer is not a JSON object".to_owned())?;
    match answer.get("isAuthorized") {
        Some(Value::Bool(true)) => {
            let context = answer.remove("context").filter(|context| !context.is_null());
            Ok(Decision::Allowed(context.unwrap_or_else(|| Value::Object(Map::new()))))
        }
        Some(Value::Bool(false)) => Ok(Decision::Denied),
        _ => Err("its answer has no isAuthorized".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn authorizer(remembered: Duration) -> Authorizer {
        Authorizer {
            function: "Authorizer".into(),
            identity_headers: vec!["authorization".into()],
            remembered,
        }
    }

    async fn answer(text: &'static str) -> Outcome {
        Outcome::Answer(Bytes::from_static(text.as_bytes()))
    }

    async fn nobody_is_asked() -> Outcome {
        panic!("the authorizer was asked again")
    }

    #[tokio::test]
    async fn a_decision_is_remembered_for_the_identity_that_it_was_made_for() {
        let (authorizers, authorizer) = (Authorizers::default(), authorizer(Duration::from_secs(60)));
        for (key, text) in
            [("a", r#"{"isAuthorized":true,"context":{"role":"user"}}"#), ("b", r#"{"isAuthorized":false}"#)]
        {
            let first = authorizers.decide(&authorizer, vec![key.into()], answer(text)).await.unwrap();
            let second = authorizers.decide(&authorizer, vec![key.into()], nobody_is_asked()).await.unwrap();
            assert_eq!(first, second);
        }
    }

    #[tokio::test]
    async fn nothing_is_remembered_without_a_time_to_live() {
        let (authorizers, authorizer) = (Authorizers::default(), authorizer(Duration::ZERO));
        let identity = || vec!["a".to_owned()];
        authorizers.decide(&authorizer, identity(), answer(r#"{"isAuthorized":true}"#)).await.unwrap();
        let second = authorizers.decide(&authorizer, identity(), answer(r#"{"isAuthorized":false}"#)).await;
        assert_eq!(second, Ok(Decision::Denied));
    }

    #[tokio::test]
    async fn a_failure_is_no_decision_and_is_not_remembered() {
        let (authorizers, authorizer) = (Authorizers::default(), authorizer(Duration::from_secs(60)));
        let identity = || vec!["a".to_owned()];
        assert!(authorizers.decide(&authorizer, identity(), answer("{}")).await.is_err());
        let second = authorizers.decide(&authorizer, identity(), answer(r#"{"isAuthorized":true}"#)).await;
        assert_eq!(second, Ok(Decision::Allowed(json!({}))));
    }

    #[test]
    fn a_caller_without_the_header_has_no_identity() {
        assert_eq!(identity(&authorizer(Duration::ZERO), &HeaderMap::new()), None);
    }
}
