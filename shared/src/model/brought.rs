//! A grant that is brought along from another system.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use super::{
    Problem, Secret, Timestamp,
    connection::Scopes,
    dialect::{LONGEST_FACT, fact_text, is_fact_name},
    input::{Field, Input},
};
#[cfg(feature = "openapi")]
use super::{dialect::FACT, dialect::MAX_PATH, input::NO_CONTROL_CHARACTERS};

/// The longest lifetime that is believed, as with a provider's own answer: ten years.
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// As many as a dialect can name of both kinds.
const MAX_FACTS: usize = 40;

/// What is known of it. One of the tokens is there.
#[derive(Debug)]
pub struct BroughtGrant {
    pub refresh_token: Option<Secret>,
    pub access_token: Option<Secret>,
    /// The access token's, if it was told.
    pub expires_at: Option<Timestamp>,
    /// What the provider granted, if it was told.
    pub scopes: Option<Vec<String>>,
    pub facts: BTreeMap<String, String>,
    /// It may take the place of a grant that there is.
    pub replace: bool,
}

impl BroughtGrant {
    pub fn from_input(body: Map<String, Value>, now: Timestamp) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let refresh_token = input.optional::<Token>("refresh_token").map(|token| token.0);
        let access_token = input.optional::<Token>("access_token").map(|token| token.0);
        let expires_at: Option<Timestamp> = input.optional("expires_at");
        let expires_in: Option<u64> = input.optional("expires_in");
        let scopes = input.optional::<Scopes>("scopes").map(|scopes| scopes.0);
        let facts = input.optional::<Facts>("facts").unwrap_or_default().0;
        let replace = input.optional("replace").unwrap_or(false);
        if refresh_token.is_none() && access_token.is_none() {
            input.wrong("refresh_token", "is required where there is no access_token");
        }
        let (field, told) = match (expires_at, expires_in) {
            (Some(_), Some(_)) => {
                input.wrong("expires_in", "says the same as expires_at: send one of them");
                ("expires_in", None)
            }
            (Some(at), None) => ("expires_at", Some(at)),
            (None, Some(seconds)) => {
                ("expires_in", Some(now + Duration::from_secs(seconds).min(LONGEST_LIFETIME)))
            }
            (None, None) => ("expires_at", None),
        };
        if told.is_some() && access_token.is_none() {
            input.wrong(field, "is the access token's, and there is no access_token");
        }
        if refresh_token.is_none() && told.is_some_and(|at| at <= now) {
            input.wrong(field, "has come, and there is no refresh_token to get another access token with");
        }
        input.finish()?;
        let expires_at = told.map(|at| at.min(now + LONGEST_LIFETIME));
        Ok(Self { refresh_token, access_token, expires_at, scopes, facts, replace })
    }
}

/// A token as it was handed out, for a header can carry it (RFC 6749 appendices A.12 and A.17). Spaces at its ends are
/// those of whoever copied it.
struct Token(Secret);

described!(Token: {
    "type": "string", "minLength": 1, "maxLength": super::secret::MAX_SECRET, "writeOnly": true,
    "pattern": "^[!-~]([ -~]*[!-~])?$",
});

impl Field for Token {
    const EXPECTED: &'static str =
        "a token as the provider gave it: printable ASCII without spaces around it";

    fn from_json(value: Value) -> Result<Self, String> {
        let token = Secret::from_json(value)?;
        let text = token.expose();
        let carried = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let plain = carried && !text.starts_with(' ') && !text.ends_with(' ');
        plain.then_some(Self(token)).ok_or_else(|| format!("must be {}", Self::EXPECTED))
    }
}

/// What the provider said beside the tokens, by the names that the connection's dialect has for it.
#[derive(Default)]
struct Facts(BTreeMap<String, String>);

described!(Facts: {
    "description": "What the provider said beside the tokens, by the names in the dialect's callback_facts and token_facts.",
    "type": "object", "maxProperties": MAX_FACTS,
    "propertyNames": {"minLength": 1, "maxLength": MAX_PATH, "pattern": FACT},
    "additionalProperties": {
        "type": "string", "minLength": 1, "maxLength": LONGEST_FACT, "pattern": NO_CONTROL_CHARACTERS,
    },
});

impl Field for Facts {
    const EXPECTED: &'static str = "an object whose values are strings";

    fn from_json(value: Value) -> Result<Self, String> {
        let facts = BTreeMap::<String, String>::from_json(value)?;
        if facts.len() > MAX_FACTS {
            return Err(format!("may hold {MAX_FACTS} facts at most"));
        }
        if !facts.keys().all(|name| is_fact_name(name)) {
            return Err(
                "must be named as in callback_facts and token_facts, and hold no secrets: facts are shown"
                    .to_owned(),
            );
        }
        if !facts.values().all(|fact| fact_text(&fact.as_str().into()).is_some()) {
            return Err(format!(
                "may hold texts of 1 to {LONGEST_FACT} characters each, without control characters"
            ));
        }
        Ok(Self(facts))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        arbitrary::{SECRET, damaged},
        model::Code,
    };

    fn now() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    fn read(body: Value) -> Result<BroughtGrant, Vec<String>> {
        let refused = |problem: Problem| problem.errors.into_iter().map(|error| error.field).collect();
        BroughtGrant::from_input(Map::from_json(body).unwrap(), now()).map_err(refused)
    }

    #[test]
    fn one_of_the_tokens_is_needed_and_an_expiry_is_the_access_tokens() {
        assert_eq!(read(json!({})).unwrap_err(), ["refresh_token"]);
        assert_eq!(read(json!({"refresh_token": "rt", "expires_in": 60})).unwrap_err(), ["expires_in"]);
        assert!(read(json!({"refresh_token": "rt"})).unwrap().expires_at.is_none());
        let both = json!({"access_token": "at", "expires_in": 60, "expires_at": "2026-01-31T13:00:00Z"});
        assert_eq!(read(both).unwrap_err(), ["expires_in"]);
        let brought = read(json!({"access_token": "at", "expires_in": 60})).unwrap();
        assert_eq!(brought.expires_at, Some(now() + Duration::from_secs(60)));
    }

    #[test]
    fn an_access_token_that_has_expired_is_taken_with_a_refresh_token_only() {
        let expired = json!({"access_token": "at", "expires_at": "2026-01-31T11:00:00Z"});
        assert_eq!(read(expired).unwrap_err(), ["expires_at"]);
        let renewable = json!({"access_token": "at", "refresh_token": "rt", "expires_in": 0});
        assert_eq!(read(renewable).unwrap().expires_at, Some(now()));
    }

    #[test]
    fn a_token_is_what_a_header_can_carry_and_a_fact_is_no_secret() {
        for token in ["", " at", "at\n", "tökén"] {
            assert_eq!(
                read(json!({"access_token": token})).unwrap_err(),
                ["access_token", "refresh_token"],
                "{token:?}"
            );
        }
        for facts in
            [json!({"id_token": "x"}), json!({"a b": "x"}), json!({"realmId": ""}), json!({"a": "\n"})]
        {
            assert_eq!(read(json!({"refresh_token": "rt", "facts": facts})).unwrap_err(), ["facts"]);
        }
        assert!(read(json!({"refresh_token": "rt", "facts": {"realmId": "1", "team.id": "T"}})).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_brought_is_taken_or_named_and_never_repeated(body in damaged(json!({
            "refresh_token": SECRET, "access_token": SECRET, "expires_in": 60, "scopes": ["a"], "facts": {"a": "b"},
            "replace": true,
        }))) {
            match BroughtGrant::from_input(body, now()) {
                Ok(brought) => {
                    prop_assert!(brought.refresh_token.is_some() || brought.access_token.is_some());
                    let debugged = format!("{:?} {:?}", brought.refresh_token, brought.access_token);
                    prop_assert!(!debugged.contains(SECRET));
                }
                Err(problem) => {
                    prop_assert_eq!(problem.code, Code::InvalidInput);
                    let fields = problem.errors.iter().map(|error| error.message.as_str()).collect::<String>();
                    prop_assert!(!fields.contains(SECRET), "{}", fields);
                }
            }
        }
    }
}
