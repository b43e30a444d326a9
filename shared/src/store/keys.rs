//! The keys of every item, in one place.

use std::{collections::HashMap, fmt};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;

use crate::model::{ApiKeyId, DataKeyVersion, FoldedName, IntegrationId, OrganizationId, Scope, Timestamp};

/// The partition and sort key of an item. They are part of what a sealed value is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub struct ItemKey {
    pub pk: String,
    pub sk: String,
}

/// The number of shards of the `due` index, for ever: a grant's shard follows from its id.
pub const SHARDS: u16 = 256;

/// The partition of the `due` index that has connections in it instead of grants, by when what their clients prove
/// themselves with expires.
pub(super) const EXPIRIES: &str = "EXPIRIES";

/// The one row of items that have a partition of their own.
const META: &str = "META";
const ORGANIZATIONS: &str = "ORGANIZATIONS";
/// The partition of what is still to be removed.
pub(super) const CLEANUPS: &str = "CLEANUPS";

pub const INTEGRATION_PREFIX: &str = "INTEGRATION#";
pub const CONNECTION_PREFIX: &str = "CONNECTION#";
pub const MAPPING_PREFIX: &str = "MAPPING#";
pub const GRANT_PREFIX: &str = "GRANT#";
pub(super) const BREAKER_PREFIX: &str = "BREAKER#";

impl ItemKey {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub fn organization(id: OrganizationId) -> Self {
        Self::new(ORGANIZATIONS, id.to_string())
    }

    pub fn api_key(id: ApiKeyId) -> Self {
        Self::new(format!("KEY#{id}"), META)
    }

    /// Where a session of the console would be, if it were stored: what it is sealed for.
    pub fn session() -> Self {
        Self::new("SESSION", META)
    }

    /// The mark of something that may happen once.
    pub(super) fn once(hash: &str) -> Self {
        Self::new(format!("ONCE#{hash}"), META)
    }

    /// What the sweeps did within the hour that began then.
    pub(super) fn swept_hour(hour: Timestamp) -> Self {
        // The texts of times sort as they do; to the hour they are 13 characters long.
        Self::new(partition(Scope::Global), format!("SWEPT#{}", &hour.to_string()[..13]))
    }

    /// What was last counted in all scopes.
    pub(super) fn census() -> Self {
        Self::new(partition(Scope::Global), "CENSUS")
    }

    pub fn integration(name: &FoldedName) -> Self {
        Self::new(partition(Scope::Global), format!("{INTEGRATION_PREFIX}{name}"))
    }

    pub fn mapping(organization: OrganizationId, integration: &FoldedName) -> Self {
        Self::new(partition(Scope::Organization(organization)), format!("{MAPPING_PREFIX}{integration}"))
    }

    /// The item that makes an entity id belong to one organization within an integration.
    pub fn entity(integration: IntegrationId, entity_id: &str) -> Self {
        Self::new(format!("ENTITY#{integration}"), entity_id)
    }

    pub fn connection(scope: Scope, name: &FoldedName) -> Self {
        Self::new(partition(scope), format!("{CONNECTION_PREFIX}{name}"))
    }

    /// The breaker of the connection that `scope` has under this name.
    pub fn breaker(scope: Scope, name: &FoldedName) -> Self {
        Self::new(partition(scope), format!("{BREAKER_PREFIX}{name}"))
    }

    /// The grant of `scope` on the connection that `owner` has under this name.
    pub fn grant(scope: Scope, owner: Scope, connection: &FoldedName) -> Self {
        let owner = if owner == Scope::Global { "GLOBAL" } else { "ORG" };
        Self::new(partition(scope), format!("{GRANT_PREFIX}{owner}#{connection}"))
    }

    /// Whose item this is the key of, if it is in the partition of a scope.
    pub fn scope(&self) -> Option<Scope> {
        match self.pk.as_str() {
            "GLOBAL" => Some(Scope::Global),
            pk => Some(Scope::Organization(pk.strip_prefix("ORG#")?.parse().ok()?)),
        }
    }

    /// Whether this is the key of a connection.
    pub fn is_connection(&self) -> bool {
        self.sk.starts_with(CONNECTION_PREFIX)
    }

    /// Where the `children` index has the connection or grant of this key: `parent` and `child`.
    pub(super) fn among_named(&self) -> Option<(String, String)> {
        let name = match self.sk.strip_prefix(GRANT_PREFIX) {
            Some(rest) => rest.split_once('#')?.1,
            None => self.sk.strip_prefix(CONNECTION_PREFIX)?,
        };
        Some((format!("{CONNECTION_PREFIX}{name}"), format!("{}#{}", self.scope()?, self.sk)))
    }

    /// Whose grant this is the key of, and the key of the connection it belongs to.
    pub fn grant_parts(&self) -> Option<(Scope, Self)> {
        let scope = self.scope()?;
        let (owner, name) = self.sk.strip_prefix(GRANT_PREFIX)?.split_once('#')?;
        let owner = if owner == "GLOBAL" { Scope::Global } else { scope };
        Some((scope, Self::new(partition(owner), format!("{CONNECTION_PREFIX}{name}"))))
    }

    /// The key of the breaker of the connection that this is the key of.
    pub fn breaker_of_connection(&self) -> Option<Self> {
        let name = self.sk.strip_prefix(CONNECTION_PREFIX)?;
        Some(Self::new(self.pk.clone(), format!("{BREAKER_PREFIX}{name}")))
    }

    /// The key of the connection that this is the key of the breaker of.
    pub fn connection_of_breaker(&self) -> Option<Self> {
        let name = self.sk.strip_prefix(BREAKER_PREFIX)?;
        Some(Self::new(self.pk.clone(), format!("{CONNECTION_PREFIX}{name}")))
    }

    /// The key of the integration that this is the key of a mapping of.
    pub fn mapped_integration(&self) -> Option<Self> {
        let name = self.sk.strip_prefix(MAPPING_PREFIX)?;
        Some(Self::new(partition(Scope::Global), format!("{INTEGRATION_PREFIX}{name}")))
    }

    pub fn ticket(hash: &str) -> Self {
        Self::new(format!("TICKET#{hash}"), META)
    }

    pub fn callback_state(hash: &str) -> Self {
        Self::new(format!("STATE#{hash}"), META)
    }

    /// In the `data-keys` table.
    pub fn current_data_key(scope: Scope) -> Self {
        Self::new(partition(scope), "CURRENT")
    }

    /// In the `data-keys` table.
    pub fn data_key(scope: Scope, version: DataKeyVersion) -> Self {
        Self::new(partition(scope), version.to_string())
    }

    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        let text = |text: &String| AttributeValue::S(text.clone());
        HashMap::from([("pk".to_owned(), text(&self.pk)), ("sk".to_owned(), text(&self.sk))])
    }
}

/// Where an organization's, or the platform's, items live.
pub fn partition(scope: Scope) -> String {
    match scope {
        Scope::Global => "GLOBAL".to_owned(),
        Scope::Organization(id) => format!("ORG#{id}"),
    }
}

/// The partition of all organizations.
pub(super) fn organizations_partition() -> &'static str {
    ORGANIZATIONS
}

/// The `parent` under which the `children` index lists the connections of a name, whoever owns them, and their grants:
/// each `child` begins with the scope it belongs to and `#`.
pub fn named(connection: &FoldedName) -> String {
    format!("{CONNECTION_PREFIX}{connection}")
}

/// The `parent` under which the `children` index lists the keys of an organization or the platform.
pub fn keys_of(scope: Scope) -> String {
    format!("KEYS#{scope}")
}

/// The partition of one shard in the `due` index.
pub fn due_shard(shard: u16) -> String {
    format!("DUE#{shard}")
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pk, self.sk)
    }
}
