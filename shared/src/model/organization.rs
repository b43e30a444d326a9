//! Organizations: the tenants whose data is kept apart.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    OrganizationId, Problem, Timestamp,
    input::{Field, Input},
};

/// A tenant. One, or a few, are providers (the managed-service provider itself); the others are managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    pub is_provider: bool,
    pub created_at: Timestamp,
    /// Its deletion has begun: it stands no more, and what is left of it is being removed.
    #[serde(default, skip_serializing)]
    pub deleting_at: Option<Timestamp>,
}

impl Organization {
    /// From the body of a request. `id` may be given, so that ids of the platform carry over.
    pub fn from_input(body: Map<String, Value>, now: Timestamp) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let id = input.optional("id").unwrap_or_default();
        let name: Option<Title> = input.required("name");
        let is_provider = input.optional("is_provider").unwrap_or(false);
        input.finish()?;
        let Some(Title(name)) = name else {
            return Err(Problem::invalid("name", "is required"));
        };
        Ok(Self { id, name, is_provider, created_at: now, deleting_at: None })
    }
}

/// An organization's name: for people, and not unique.
#[derive(Debug)]
struct Title(String);

const MAX_TITLE: usize = 200;

described!(Title: {"type": "string", "maxLength": MAX_TITLE, "pattern": "\\S"});

impl Field for Title {
    const EXPECTED: &'static str = "1 to 200 characters long";

    fn from_json(value: Value) -> Result<Self, String> {
        let text = String::from_json(value)?.trim().to_owned();
        if !(1..=MAX_TITLE).contains(&text.chars().count()) {
            return Err(format!("must be {}", Self::EXPECTED));
        }
        Ok(Self(text))
    }
}
