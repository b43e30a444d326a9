//! Integrations: the external APIs that workflows call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    IntegrationId, Name, Problem, Timestamp,
    config::{CheckedConfig, ConfigSchema, StoredConfig, json_text},
    input::{EntityId, Field, Input, text},
    merge_patch::merge,
};

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
    #[serde(with = "json_text")]
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
        Self::from_input_over(body, &StoredConfig::default())
    }

    /// `stored` are the defaults that are replaced, for their secrets.
    fn from_input_over(body: Map<String, Value>, stored: &StoredConfig) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let name: Option<Name> = input.required("name");
        let description = text(&mut input, "description");
        let entity_id_name = text(&mut input, "entity_id_name");
        let default_entity_id = EntityId::read(&mut input, "default_entity_id");
        let config_schema: ConfigSchema = input.optional("config_schema").unwrap_or_default();
        let defaults = input.optional("defaults").unwrap_or_default();
        let defaults = match config_schema.check("defaults", defaults, stored) {
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
        Ok(Self { name, description, entity_id_name, default_entity_id, config_schema, defaults, connection })
    }
}

impl Integration {
    /// This integration with `patch` merged into what people set (RFC 7396), and all of it checked anew. The name can't
    /// change. `force` lets go of defaults that the patched schema has no place for.
    pub fn patched(&self, patch: Map<String, Value>, force: bool) -> Result<NewIntegration, Problem> {
        if patch.get("name").is_some_and(|name| name.as_str() != Some(self.name.as_str())) {
            return Err(Problem::invalid("name", "can't be changed"));
        }
        let current = json!({
            "name": self.name, "description": self.description, "entity_id_name": self.entity_id_name,
            "default_entity_id": self.default_entity_id, "config_schema": self.config_schema,
            "defaults": self.defaults.shown(), "connection": self.connection,
        });
        let mut merged = Map::from_json(current).map_err(Problem::internal)?;
        merge(&mut merged, patch);
        let schema = merged.get("config_schema").cloned().unwrap_or_else(|| json!([]));
        let schema =
            ConfigSchema::from_json(schema).map_err(|message| Problem::invalid("config_schema", message))?;
        let stranded = schema.stranded(&self.defaults);
        // A patch that takes all defaults away means the secret ones too.
        let defaults = merged.entry("defaults").or_insert_with(|| json!({}));
        if let Value::Object(defaults) = defaults {
            if force {
                defaults.retain(|key, value| !stranded.contains(key) || !self.still_holds(key, value));
            }
            // The merge took out what the patch removes; a secret that is merely left out would stay.
            for key in self.defaults.secrets.keys() {
                defaults.entry(key.clone()).or_insert(Value::Null);
            }
            defaults.retain(|key, value| !value.is_null() || schema.field(key).is_some());
        }
        NewIntegration::from_input_over(merged, &self.defaults)
    }

    /// Whether a merged default is the stored one, and not one that the patch brings.
    fn still_holds(&self, key: &str, value: &Value) -> bool {
        self.defaults.shown().get(key) == Some(value)
    }

    /// The name of the connection that workflows get tokens from.
    pub fn connection_name(&self) -> &Name {
        self.connection.as_ref().unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sealed;

    fn integration() -> Integration {
        let body = json!({
            "name": "HaloPSA", "description": "PSA", "config_schema": [
                {"key": "base_url", "type": "string"}, {"key": "api_key", "type": "secret"}],
            "defaults": {"base_url": "https://x"},
        });
        let new = NewIntegration::from_input(Map::from_json(body).unwrap()).unwrap();
        let now = Timestamp::now();
        let mut defaults = StoredConfig { plain: new.defaults.plain, ..StoredConfig::default() };
        defaults.secrets.insert("api_key".into(), Sealed::from_bytes(vec![1]));
        Integration {
            id: IntegrationId::new(),
            name: new.name,
            description: new.description,
            entity_id_name: None,
            default_entity_id: None,
            config_schema: new.config_schema,
            defaults,
            connection: None,
            created_at: now,
            updated_at: now,
            revision: 1,
        }
    }

    fn patch(patch: Value, force: bool) -> Result<NewIntegration, Problem> {
        integration().patched(Map::from_json(patch).unwrap(), force)
    }

    #[test]
    fn a_patch_keeps_secrets_that_it_leaves_out_and_null_removes_them() {
        let kept = patch(json!({"description": null}), false).unwrap();
        assert_eq!(kept.description, None);
        assert!(kept.defaults.kept_secrets.contains("api_key"));
        assert_eq!(kept.defaults.plain["base_url"], "https://x");
        let removed = patch(json!({"defaults": {"api_key": null}}), false).unwrap();
        assert!(removed.defaults.kept_secrets.is_empty());
    }

    #[test]
    fn a_schema_that_strands_defaults_is_refused_unless_forced() {
        let smaller = json!({"config_schema": [{"key": "base_url", "type": "string"}]});
        assert_eq!(patch(smaller.clone(), false).unwrap_err().errors[0].field, "defaults.api_key");
        let forced = patch(smaller, true).unwrap();
        assert!(forced.defaults.kept_secrets.is_empty());
        assert_eq!(forced.defaults.plain["base_url"], "https://x");
    }
}
