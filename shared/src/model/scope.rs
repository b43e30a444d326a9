//! Whose data a request is about.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::OrganizationId;

/// An organization, or the platform itself. Not to be confused with OAuth scopes, which are called `scopes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Global,
    Organization(OrganizationId),
}

impl Scope {
    pub fn organization(self) -> Option<OrganizationId> {
        match self {
            Self::Global => None,
            Self::Organization(id) => Some(id),
        }
    }
}

described!(Scope: {
    "description": "`global` (the platform) or an organization's id",
    "anyOf": [{"const": "global"}, {"type": "string", "format": "uuid"}],
});

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Organization(id) => id.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        match text {
            "global" => Ok(Self::Global),
            id => id.parse().map(Self::Organization),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("neither \"global\" nor a UUID"))
    }
}
