//! Configuration: the schema that an integration declares, values checked against it, and how an organization's
//! overrides lie over the defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    FieldError, Sealed, Secret,
    input::{Field, MAX_TEXT},
};

/// The most keys that a schema may declare.
pub const MAX_KEYS: usize = 100;
/// The most bytes that one set of values may take: as JSON, with the sealed secrets that stay. They share an item of
/// DynamoDB (400 KB) with the schema.
pub const MAX_CONFIG_BYTES: usize = 64 * 1024;
const MAX_KEY_LENGTH: usize = 128;
/// Together with the defaults it must fit an item of DynamoDB (400 KB).
const MAX_SCHEMA_BYTES: usize = 128 * 1024;
/// The most values that a field may list to choose from.
const MAX_OPTIONS: usize = 1000;

/// The type of a config value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigType {
    String,
    Int,
    Bool,
    Json,
    Secret,
}

/// One key that an integration's configuration has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigField {
    pub key: String,
    pub r#type: ConfigType,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub description: Option<String>,
    /// The only values allowed, where there are any.
    #[serde(default)]
    pub options: Option<Vec<Value>>,
}

described!(ConfigField: {
    "type": "object",
    "required": ["key", "type"],
    "additionalProperties": false,
    "properties": {
        "key": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
        "type": {"enum": ["string", "int", "bool", "json", "secret"]},
        "required": {"type": "boolean", "default": false},
        "description": {"type": ["string", "null"], "maxLength": MAX_TEXT},
        "options": {
            "description": "The only values allowed, each of the field's type; a secret has none.",
            "type": ["array", "null"], "minItems": 1, "maxItems": MAX_OPTIONS,
        },
    },
    "allOf": [
        {"if": {"properties": {"type": {"const": "string"}}},
            "then": {"properties": {"options": {"items": {"type": "string"}}}}},
        {"if": {"properties": {"type": {"const": "int"}}},
            "then": {"properties": {"options": {"items": {
                "type": "integer", "minimum": i64::MIN, "maximum": u64::MAX,
            }}}}},
        {"if": {"properties": {"type": {"const": "bool"}}},
            "then": {"properties": {"options": {"items": {"type": "boolean"}}}}},
        {"if": {"properties": {"type": {"const": "secret"}}},
            "then": {"properties": {"options": {"type": "null"}}}},
    ],
});

/// The keys of an integration's configuration, in the order in which people see them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(transparent)]
pub struct ConfigSchema(#[cfg_attr(feature = "openapi", schemars(length(max = MAX_KEYS)))] Vec<ConfigField>);

/// Values as they are stored: secret ones sealed, each under an attribute of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredConfig {
    #[serde(with = "json_text", default)]
    pub plain: BTreeMap<String, Value>,
    #[serde(default)]
    pub secrets: BTreeMap<String, Sealed>,
}

/// Values that passed the schema and wait for their secrets to be sealed.
#[derive(Debug, Default)]
pub struct CheckedConfig {
    pub plain: BTreeMap<String, Value>,
    pub new_secrets: BTreeMap<String, Secret>,
    /// Secrets already stored that stay as they are.
    pub kept_secrets: BTreeSet<String>,
}

impl ConfigSchema {
    /// From the `config_schema` of a request.
    pub fn parse(fields: Vec<Map<String, Value>>) -> Result<Self, Vec<FieldError>> {
        let mut schema = Vec::with_capacity(fields.len());
        let mut errors = Vec::new();
        let mut seen = BTreeSet::new();
        if fields.len() > MAX_KEYS {
            errors.push(FieldError::new("config_schema", format!("may declare {MAX_KEYS} keys at most")));
        }
        for (index, field) in fields.into_iter().enumerate() {
            let at = format!("config_schema[{index}]");
            match serde_json::from_value::<ConfigField>(Value::Object(field)) {
                Err(error) => errors.push(FieldError::new(&at, format!("is not a config field: {error}"))),
                Ok(field) => {
                    errors.extend(field.problem().map(|message| FieldError::new(&at, message)));
                    if !seen.insert(field.key.clone()) {
                        errors.push(FieldError::new(&at, format!("declares {} a second time", field.key)));
                    }
                    schema.push(field);
                }
            }
        }
        if serde_json::to_string(&schema).map_or(0, |text| text.len()) > MAX_SCHEMA_BYTES {
            errors.push(FieldError::new("config_schema", "may take 128 KiB at most"));
        }
        if errors.is_empty() { Ok(Self(schema)) } else { Err(errors) }
    }

    pub fn fields(&self) -> &[ConfigField] {
        &self.0
    }

    pub fn field(&self, key: &str) -> Option<&ConfigField> {
        self.0.iter().find(|field| field.key == key)
    }

    /// Checks the values that a request brings; `at` names the field they came in. `stored` is what they replace:
    /// secrets left out, or sent as they were shown, stay; `null` removes a value.
    pub fn check(
        &self,
        at: &str,
        values: Map<String, Value>,
        stored: &StoredConfig,
    ) -> Result<CheckedConfig, Vec<FieldError>> {
        let mut checked = CheckedConfig::default();
        let mut errors = Vec::new();
        let sent = serde_json::to_string(&values).map_or(0, |text| text.len());
        let left_out = |key: &String| !values.contains_key(key) && self.field(key).is_some();
        checked.kept_secrets = stored.secrets.keys().filter(|key| left_out(key)).cloned().collect();
        for (key, value) in values {
            let field_at = format!("{at}.{key}");
            let Some(field) = self.field(&key) else {
                errors.push(FieldError::new(&field_at, "is not in the integration's config_schema"));
                continue;
            };
            if value.is_null() {
                continue;
            }
            if field.r#type == ConfigType::Secret && is_shown_secret(&value) {
                if stored.secrets.contains_key(&key) {
                    checked.kept_secrets.insert(key);
                } else {
                    errors.push(FieldError::new(
                        &field_at,
                        "has no stored value to keep; send the secret itself",
                    ));
                }
                continue;
            }
            if let Err(message) = field.check(&value) {
                errors.push(FieldError::new(&field_at, message));
                continue;
            }
            match (field.r#type, value) {
                (ConfigType::Secret, Value::String(text)) => {
                    checked.new_secrets.insert(key, text.into());
                }
                (_, value) => {
                    checked.plain.insert(key, value);
                }
            }
        }
        let kept = stored.secrets.iter().filter(|(key, _)| checked.kept_secrets.contains(*key));
        let kept: usize = kept.map(|(_, sealed)| sealed.as_bytes().len()).sum();
        if sent + kept > MAX_CONFIG_BYTES {
            let message = "may take 64 KiB at most, the secrets that stay included";
            errors.push(FieldError::new(at, message));
        }
        if errors.is_empty() { Ok(checked) } else { Err(errors) }
    }

    /// The keys of stored values that this schema has no place for: undeclared, or of another type.
    pub fn stranded(&self, stored: &StoredConfig) -> Vec<String> {
        let fits = |key: &str, secret: bool, value: Option<&Value>| {
            let Some(field) = self.field(key) else {
                return false;
            };
            (field.r#type == ConfigType::Secret) == secret
                && value.is_none_or(|value| field.check(value).is_ok())
        };
        let plain =
            stored.plain.iter().filter(|(key, value)| !fits(key, false, Some(value))).map(|(key, _)| key);
        let secrets = stored.secrets.keys().filter(|key| !fits(key, true, None));
        plain.chain(secrets).cloned().collect()
    }

    /// The keys that must have a value and have none in either set.
    pub fn missing(&self, defaults: &StoredConfig, overrides: Option<&StoredConfig>) -> Vec<String> {
        let has = |config: &StoredConfig, key: &str| {
            config.plain.contains_key(key) || config.secrets.contains_key(key)
        };
        let set = |key: &str| has(defaults, key) || overrides.is_some_and(|config| has(config, key));
        self.0
            .iter()
            .filter(|field| field.required && !set(&field.key))
            .map(|field| field.key.clone())
            .collect()
    }
}

impl ConfigField {
    /// What is wrong with the declaration itself.
    fn problem(&self) -> Option<String> {
        if self.key.is_empty() || self.key.chars().count() > MAX_KEY_LENGTH {
            return Some(format!("needs a key of 1 to {MAX_KEY_LENGTH} characters"));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
            return Some(format!("has a description of more than {MAX_TEXT} characters"));
        }
        let options = self.options.as_ref()?;
        if self.r#type == ConfigType::Secret {
            return Some("is a secret and can't list options: they would show it".to_owned());
        }
        if options.len() > MAX_OPTIONS {
            return Some(format!("lists more than {MAX_OPTIONS} options"));
        }
        if options.is_empty() {
            return Some("has an empty list of options; leave options out to allow any value".to_owned());
        }
        let unlisted = Self { options: None, ..self.clone() };
        let message = options.iter().find_map(|option| unlisted.check(option).err())?;
        Some(format!("has an option that {message}"))
    }

    /// What is wrong with a value, to follow the key. Never quotes the value: it may be a secret.
    fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match self.r#type {
            ConfigType::String => value.is_string(),
            ConfigType::Int => value.is_i64() || value.is_u64(),
            ConfigType::Bool => value.is_boolean(),
            ConfigType::Json => true,
            ConfigType::Secret => value.as_str().is_some_and(|text| !text.is_empty()),
        };
        if !fits {
            return Err(format!("must be {}", self.r#type.expected()));
        }
        match &self.options {
            Some(options) if !options.contains(value) => {
                let options: Vec<_> = options.iter().map(Value::to_string).collect();
                Err(format!("must be one of {}", options.join(", ")))
            }
            _ => Ok(()),
        }
    }
}

impl ConfigType {
    fn expected(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Int => "a whole number, without quotes",
            Self::Bool => "true or false, without quotes",
            Self::Json => "any JSON value",
            Self::Secret => "a string that is not empty",
        }
    }
}

impl StoredConfig {
    /// The values as people may see them: secrets as the mark that they are set.
    pub fn shown(&self) -> Map<String, Value> {
        let plain = self.plain.iter().map(|(key, value)| (key.clone(), value.clone()));
        let secrets = self.secrets.keys().map(|key| (key.clone(), shown_secret()));
        plain.chain(secrets).collect()
    }

    /// The same values but for these keys.
    #[must_use]
    pub fn without(mut self, keys: &[String]) -> Self {
        self.plain.retain(|key, _| !keys.contains(key));
        self.secrets.retain(|key, _| !keys.contains(key));
        self
    }

    /// The name of the attribute under which a secret value is sealed.
    pub fn secret_attribute(key: &str) -> String {
        format!("secrets.{key}")
    }
}

/// How a secret that has a value is shown: never its value.
pub fn shown_secret() -> Value {
    json!({"secret": true, "set": true})
}

fn is_shown_secret(value: &Value) -> bool {
    *value == shown_secret()
}

impl Field for ConfigSchema {
    const EXPECTED: &'static str = "a list of config fields {key, type, required, description, options}";

    fn from_json(value: Value) -> Result<Self, String> {
        let fields =
            Vec::<Map<String, Value>>::from_json(value).map_err(|_| format!("must be {}", Self::EXPECTED))?;
        Self::parse(fields).map_err(|errors| {
            let messages: Vec<_> =
                errors.into_iter().map(|error| format!("{} {}", error.field, error.message)).collect();
            messages.join("; ")
        })
    }
}

/// What people's JSON values are stored as: DynamoDB's own numbers would turn `1.0` into `1`, and end at 10^125.
pub(super) mod json_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    pub(in crate::model) fn serialize<T: Serialize, S: Serializer>(
        values: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(values).map_err(ser::Error::custom)?)
    }

    pub(in crate::model) fn deserialize<'de, T: de::DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: Value) -> ConfigSchema {
        ConfigSchema::from_json(fields).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        Map::from_json(value).unwrap()
    }

    fn five_types() -> ConfigSchema {
        schema(json!([
            {"key": "base_url", "type": "string", "required": true},
            {"key": "timeout", "type": "int"},
            {"key": "beta", "type": "bool"},
            {"key": "settings", "type": "json"},
            {"key": "api_key", "type": "secret", "required": true},
        ]))
    }

    #[test]
    fn a_value_of_another_type_is_refused_by_name_and_never_converted() {
        let wrong = object(json!({"base_url": 1, "timeout": "60", "beta": "true", "api_key": 7}));
        let errors = five_types().check("config", wrong, &StoredConfig::default()).unwrap_err();
        let mut fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["config.api_key", "config.base_url", "config.beta", "config.timeout"]);
        for fraction in [json!(1.5), json!(1.0), json!(1e3)] {
            let values = object(json!({"timeout": fraction}));
            assert!(five_types().check("config", values, &StoredConfig::default()).is_err());
        }
    }

    #[test]
    fn a_secret_sent_as_it_was_shown_stays_and_null_removes_it() {
        let mut stored = StoredConfig::default();
        stored.secrets.insert("api_key".into(), Sealed::from_bytes(vec![1]));
        let check = |values| five_types().check("config", object(values), &stored).unwrap();
        assert!(check(json!({"api_key": {"secret": true, "set": true}})).kept_secrets.contains("api_key"));
        assert!(check(json!({})).kept_secrets.contains("api_key"));
        let removed = check(json!({"api_key": null}));
        assert!(removed.kept_secrets.is_empty() && removed.new_secrets.is_empty());
    }

    #[test]
    fn what_is_shown_never_holds_a_secret() {
        let mut stored = StoredConfig::default();
        stored.secrets.insert("api_key".into(), Sealed::from_bytes(vec![1]));
        assert_eq!(Value::Object(stored.shown()), json!({"api_key": {"secret": true, "set": true}}));
    }

    #[test]
    fn a_schema_strands_what_it_no_longer_declares_or_declares_otherwise() {
        let mut stored = StoredConfig::default();
        stored.plain.insert("base_url".into(), json!("https://x"));
        stored.plain.insert("timeout".into(), json!(60));
        stored.secrets.insert("api_key".into(), Sealed::from_bytes(vec![1]));
        assert!(five_types().stranded(&stored).is_empty());
        let other = schema(json!([
            {"key": "base_url", "type": "secret"}, {"key": "timeout", "type": "int", "options": [30]},
            {"key": "api_key", "type": "string"},
        ]));
        assert_eq!(other.stranded(&stored), ["base_url", "timeout", "api_key"]);
        assert_eq!(other.stranded(&stored.without(&["base_url".into()])), ["timeout", "api_key"]);
    }

    #[test]
    fn required_keys_without_a_value_on_either_level_are_missing() {
        let mut defaults = StoredConfig::default();
        let mut overrides = StoredConfig::default();
        assert_eq!(five_types().missing(&defaults, Some(&overrides)), ["base_url", "api_key"]);
        defaults.plain.insert("base_url".into(), json!("https://x"));
        overrides.secrets.insert("api_key".into(), Sealed::from_bytes(vec![1]));
        assert!(five_types().missing(&defaults, Some(&overrides)).is_empty());
    }

    #[test]
    fn a_schema_that_would_outgrow_its_item_is_refused() {
        let options: Vec<_> = (0..900).map(|number| format!("{number:0100}")).collect();
        let field = |key: &str| json!({"key": key, "type": "string", "options": options});
        assert!(ConfigSchema::from_json(json!([field("a")])).is_ok());
        assert!(ConfigSchema::from_json(json!([field("a"), field("b")])).is_err());
    }

    #[test]
    fn numbers_keep_their_spelling_in_storage() {
        let mut config = StoredConfig::default();
        config.plain.insert("settings".into(), json!({"ratio": 1.0, "big": 12345678901234567890_u64}));
        let item: std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> =
            serde_dynamo::to_item(&config).unwrap();
        let back: StoredConfig = serde_dynamo::from_item(item).unwrap();
        assert_eq!(back, config);
    }
}
