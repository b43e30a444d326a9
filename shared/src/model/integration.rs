//! Integrations: the external APIs that workflows call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    IntegrationId, Name, Problem, Timestamp,
    config::{CheckedConfig, ConfigSchema, StoredConfig},
    input::Input,
};

const MAX_TEXT: usize = 2000;

/// An external API: how its configuration looks, what applies to every organization, and which connection it uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    pub id: IntegrationId,
    pub name: Name,
    pub description: Option<String>,
    /// What the provider calls the thing that an organization is mapped to, such as "Tenant ID".
    pub entity_id_name: Option<String>,
    /// The entity of organizations without a mapping.
    pub default_entity_id: Option<String>,
    pub config_schema: ConfigSchema,
    pub defaults: StoredConfig,
    /// The connection it uses; the one of its own name if it names none.
    pub connection: Option<Name>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Moved by people's edits only; the ETag.
    pub revision: u64,
}

/// An integration that passed the rules, its secrets not sealed yet.
#[derive(Debug)]
pub struct NewIntegration {
    pub name: Name,
    pub description: Option<String>,
    pub entity_id_name: Option<String>,
    pub default_entity_id: Option<String>,
    pub config_schema: ConfigSchema,
    pub defaults: CheckedConfig,
    pub connection: Option<Name>,
}

impl NewIntegration {
    pub fn from_input(body: Map<String, Value>) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let name: Option<Name> = input.required("name");
        let description = text(&mut input, "description");
        let entity_id_name = text(&mut input, "entity_id_name");
        let default_entity_id = text(&mut input, "default_entity_id");
        let config_schema: ConfigSchema = input.optional("config_schema").unwrap_or_default();
        let defaults = input.optional("defaults").unwrap_or_default();
        let defaults = match config_schema.check("defaults", defaults, &StoredConfig::default()) {
            Ok(defaults) => defaults,
            Err(errors) => {
                input.wrong_fields(errors);
                CheckedConfig::default()
            }
        };
        let connection = input.optional("connection");
        input.finish()?;
        let Some(name) = name else {
            return Err(Problem::invalid("name", "is required"));
        };
        Ok(Self {
            name,
            description,
            entity_id_name,
            default_entity_id,
            config_schema,
            defaults,
            connection,
        })
    }
}

impl Integration {
    /// The name of the connection that workflows get tokens from.
    pub fn connection_name(&self) -> &Name {
        self.connection.as_ref().unwrap_or(&self.name)
    }
}

/// An optional text of at most [`MAX_TEXT`] characters; an empty one counts as none.
pub(super) fn text(input: &mut Input, field: &str) -> Option<String> {
    let text: String = input.optional(field)?;
    if text.chars().count() > MAX_TEXT {
        input.wrong(field, format!("may be {MAX_TEXT} characters long at most"));
    }
    (!text.is_empty()).then_some(text)
}
