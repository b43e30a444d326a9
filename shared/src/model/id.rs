//! Identifiers with types: an organization's id cannot be passed where an integration's is meant.
//!
//! All are UUIDs, version 7 for new ones, so that they sort by the time of their making.

use std::{fmt, marker::PhantomData, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Timestamp;

/// A UUID that says what it identifies.
pub struct Id<Kind> {
    uuid: Uuid,
    kind: PhantomData<fn() -> Kind>,
}

macro_rules! kinds {
    ($($kind:ident => $alias:ident: $doc:literal;)*) => {
        /// What an [`Id`] can identify.
        pub mod kind {
            $(#[doc = $doc] #[derive(Debug)] pub enum $kind {})*
        }
        $(#[doc = $doc] pub type $alias = Id<kind::$kind>;)*
    };
}

kinds! {
    Organization => OrganizationId: "A tenant.";
    Integration => IntegrationId: "An external API.";
    Mapping => MappingId: "What links an integration and an organization.";
    Connection => ConnectionId: "An OAuth client registration.";
    Grant => GrantId: "What a provider gave a connection for one scope.";
    Incarnation => Incarnation: "One connecting of a grant; the next connecting is another.";
    ApiKey => ApiKeyId: "An API key's public half.";
    DataKey => DataKeyVersion: "One data key of a scope.";
}

impl<Kind> Id<Kind> {
    /// A new, time-ordered id.
    pub fn new() -> Self {
        Self::from(Uuid::now_v7())
    }

    /// When it was made, to the millisecond, if it is one of ours: version 7. Another one counts as old.
    pub fn made_at(self) -> Timestamp {
        let made = self.uuid.get_timestamp().map(|made| made.to_unix());
        made.map_or(Timestamp::from_unix_seconds(0), |(seconds, nanos)| {
            Timestamp::from_unix_seconds(seconds as i64) + Duration::from_nanos(u64::from(nanos))
        })
    }

    pub fn uuid(self) -> Uuid {
        self.uuid
    }
}

described!(impl<Kind> Id<Kind>: {"type": "string", "format": "uuid"});

impl<Kind> Default for Id<Kind> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Kind> From<Uuid> for Id<Kind> {
    fn from(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }
}

impl<Kind> FromStr for Id<Kind> {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self::from)
    }
}

impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

// Derived implementations would ask `Kind` for the same traits, which an empty enum need not have.
impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Kind> Copy for Id<Kind> {}

impl<Kind> PartialEq for Id<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<Kind> Eq for Id<Kind> {}

impl<Kind> PartialOrd for Id<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Kind> Ord for Id<Kind> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<Kind> std::hash::Hash for Id<Kind> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

// Always the hyphenated text, so that an id reads the same in an answer, in a table and in a log.
impl<Kind> Serialize for Id<Kind> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.uuid)
    }
}

impl<'de, Kind> Deserialize<'de> for Id<Kind> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("not a UUID"))
    }
}
