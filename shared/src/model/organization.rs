//! Organizations: the tenants whose data is kept apart.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{OrganizationId, Problem, Timestamp, input::Input};

/// A tenant. One, or a few, are providers (the managed-service provider itself); the others are managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let name: Option<String> = input.required("name");
        let is_provider = input.optional("is_provider").unwrap_or(false);
        if name.as_ref().is_some_and(|name| !(1..=200).contains(&name.trim().chars().count())) {
            input.wrong("name", "must be 1 to 200 characters long");
        }
        input.finish()?;
        Ok(Self {
            id,
            name: name.unwrap_or_default().trim().to_owned(),
            is_provider,
            created_at: now,
            deleting_at: None,
        })
    }
}
