//! Mappings: which entity over there an organization is, and what it overrides.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    FieldError, IntegrationId, MappingId, OrganizationId, Problem, Timestamp,
    config::{CheckedConfig, ConfigSchema, StoredConfig},
    input::{EntityId, Input, text},
};

/// What links an integration and an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    pub id: MappingId,
    pub integration_id: IntegrationId,
    pub organization_id: OrganizationId,
    pub entity_id: Option<String>,
    pub entity_name: Option<String>,
    pub config: StoredConfig,
    /// The keys of `config` whose values a provider caller wrote: they may fill a global connection's URLs.
    #[serde(default)]
    pub provider_keys: BTreeSet<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: u64,
}

/// What a PUT asks for, its secrets not sealed yet.
#[derive(Debug)]
pub struct NewMapping {
    pub entity_id: Option<String>,
    pub entity_name: Option<String>,
    pub config: CheckedConfig,
}

impl NewMapping {
    /// `stored` is the config that is replaced, for its secrets.
    pub fn from_input(
        body: Map<String, Value>,
        schema: &ConfigSchema,
        stored: &StoredConfig,
    ) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let entity_id = EntityId::read(&mut input, "entity_id");
        let entity_name = text(&mut input, "entity_name");
        let values = input.optional("config").unwrap_or_default();
        let config = schema.check("config", values, stored).unwrap_or_else(|errors: Vec<FieldError>| {
            input.wrong_fields(errors);
            CheckedConfig::default()
        });
        input.finish()?;
        Ok(Self { entity_id, entity_name, config })
    }
}
