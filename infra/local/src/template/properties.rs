//! The properties that take effect, one struct for each resource and event type.
//!
//! Field by field these are the lists of what the local stack understands: an unknown field is refused, with the
//! path at which it stands.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Place, TemplateError};

/// Reads resolved properties. Errors name the place of the offending value.
pub(super) fn typed<T: DeserializeOwned>(properties: Value, place: &Place) -> Result<T, TemplateError> {
    serde_path_to_error::deserialize(properties).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { place.clone() } else { place.key(&path) };
        TemplateError::at(&place, error.into_inner().to_string())
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Function {
    pub(super) code_uri: String,
    pub(super) events: Option<BTreeMap<String, Event>>,
    #[serde(default)]
    pub(super) environment: Environment,
    pub(super) function_name: Option<String>,
    pub(super) handler: String,
    #[serde(default)]
    pub(super) logging_config: LoggingConfig,
    /// Megabytes; SAM's own default.
    #[serde(default = "smallest_memory")]
    pub(super) memory_size: u32,
    #[serde(rename = "PackageType")]
    _package_type: Option<Zip>,
    pub(super) policies: Option<Vec<Value>>,
    pub(super) reserved_concurrent_executions: Option<usize>,
    #[serde(rename = "Runtime")]
    _runtime: Runtime,
    /// Seconds; Lambda's own default.
    #[serde(default = "shortest_timeout")]
    pub(super) timeout: u64,
}

#[derive(Deserialize)]
enum Zip {
    Zip,
}

/// The only runtimes in which a program of ours is started as it is.
#[derive(Deserialize)]
enum Runtime {
    #[serde(rename = "provided.al2023", alias = "provided.al2")]
    Provided,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Environment {
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Text>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct LoggingConfig {
    pub(super) log_format: Option<String>,
    pub(super) application_log_level: Option<String>,
    pub(super) log_group: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Event {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) properties: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct HttpApiEvent {
    pub(super) api_id: String,
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) auth: RouteAuth,
    pub(super) timeout_in_millis: Option<u64>,
    #[serde(rename = "PayloadFormatVersion")]
    _payload_format_version: Option<Version2>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct RouteAuth {
    pub(super) authorizer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ScheduleEvent {
    pub(super) schedule_expression: String,
    pub(super) input: Option<String>,
    pub(super) state: Option<ScheduleState>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ScheduleState {
    Enabled,
    Disabled,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct HttpApi {
    #[serde(default)]
    pub(super) auth: ApiAuth,
    #[serde(rename = "StageName")]
    _stage_name: Option<DefaultStage>,
}

#[derive(Deserialize)]
enum DefaultStage {
    #[serde(rename = "$default")]
    Default,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ApiAuth {
    #[serde(default)]
    pub(super) authorizers: BTreeMap<String, LambdaAuthorizer>,
    pub(super) default_authorizer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct LambdaAuthorizer {
    pub(super) function_arn: String,
    #[serde(rename = "AuthorizerPayloadFormatVersion")]
    _payload_format_version: Version2,
    #[serde(rename = "EnableSimpleResponses")]
    _simple_responses: Yes,
    /// A permission, and nothing checks those on one machine.
    #[serde(rename = "EnableFunctionDefaultPermissions")]
    _function_default_permissions: Option<bool>,
    pub(super) identity: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) headers: Vec<String>,
    /// Seconds; API Gateway's own default.
    #[serde(default = "five_minutes")]
    pub(super) reauthorize_every: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Table {
    pub(super) table_name: Option<String>,
    pub(super) attribute_definitions: Vec<AttributeDefinition>,
    pub(super) key_schema: Vec<KeyElement>,
    #[serde(default)]
    pub(super) global_secondary_indexes: Vec<Index>,
    pub(super) time_to_live_specification: Option<TimeToLive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct AttributeDefinition {
    pub(super) attribute_name: String,
    pub(super) attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct KeyElement {
    pub(super) attribute_name: String,
    pub(super) key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Index {
    pub(super) index_name: String,
    pub(super) key_schema: Vec<KeyElement>,
    pub(super) projection: Projection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Projection {
    pub(super) projection_type: String,
    #[serde(default)]
    pub(super) non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct TimeToLive {
    pub(super) attribute_name: String,
    pub(super) enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Key {
    #[serde(rename = "KeySpec")]
    _spec: Option<SymmetricDefault>,
    #[serde(rename = "KeyUsage")]
    _usage: Option<EncryptDecrypt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SymmetricDefault {
    SymmetricDefault,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum EncryptDecrypt {
    EncryptDecrypt,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Alias {
    pub(super) alias_name: String,
    pub(super) target_key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Secret {
    pub(super) name: Option<String>,
    pub(super) generate_secret_string: GenerateSecretString,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GenerateSecretString {
    #[serde(default = "usual_password_length")]
    pub(super) password_length: usize,
    #[serde(default)]
    pub(super) exclude_characters: String,
    #[serde(default)]
    pub(super) exclude_lowercase: bool,
    #[serde(default)]
    pub(super) exclude_uppercase: bool,
    #[serde(default)]
    pub(super) exclude_numbers: bool,
    #[serde(default)]
    pub(super) exclude_punctuation: bool,
    #[serde(default)]
    pub(super) include_space: bool,
}

/// Nobody looks it up here: it gives other resources its value.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Parameter {
    #[serde(rename = "Type")]
    _type: PlainText,
    #[serde(rename = "Value")]
    _value: String,
}

#[derive(Deserialize)]
enum PlainText {
    String,
}

/// Text, or a number or boolean that becomes text.
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(Self(value.to_string())),
            _ => Err(D::Error::custom("expected text")),
        }
    }
}

/// Version 2.0, which YAML reads as text or as a number.
struct Version2;

impl<'de> Deserialize<'de> for Version2 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(version) = Text::deserialize(deserializer)?;
        if version == "2.0" {
            Ok(Self)
        } else {
            Err(D::Error::custom("the local stack knows version 2.0 only"))
        }
    }
}

struct Yes;

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(Self)
        } else {
            Err(D::Error::custom("the local stack needs true"))
        }
    }
}

fn smallest_memory() -> u32 {
    128
}

fn shortest_timeout() -> u64 {
    3
}

fn five_minutes() -> u64 {
    300
}

fn usual_password_length() -> usize {
    32
}
