//! From the template's `Resources` to the model: what each resource is called, what its attributes are, and what it
//! comes to on one machine.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Map, Value};

use super::events::{self, Api};
use super::intrinsics::Values;
use super::model::{Authorizer, Function, Index, Key, Logging, Secret, Table, Template};
use super::properties::{self, typed};
use super::{Place, TemplateError, ignored, names};

type Result<T> = std::result::Result<T, TemplateError>;

const FUNCTION: &str = "AWS::Serverless::Function";
const HTTP_API: &str = "AWS::Serverless::HttpApi";
const TABLE: &str = "AWS::DynamoDB::Table";
const KEY: &str = "AWS::KMS::Key";
const ALIAS: &str = "AWS::KMS::Alias";
const SECRET: &str = "AWS::SecretsManager::Secret";

pub(super) fn collect(document: &Value, values: &Values<'_>) -> Result<Template> {
    ignored::check_sections(document)?;
    check_transform(document)?;
    let globals = Globals::of(document)?;
    let resources = present(document, values)?;

    let api = api(&resources, values)?;
    let mut template = Template {
        api_id: api.id.clone(),
        functions: Vec::new(),
        routes: Vec::new(),
        schedules: Vec::new(),
        tables: Vec::new(),
        keys: Vec::new(),
        aliases: BTreeMap::new(),
        secrets: Vec::new(),
    };
    for resource in &resources {
        let place = resource.place.key("Properties");
        match resource.kind {
            FUNCTION => function(resource, &globals, values, &api, &mut template)?,
            HTTP_API => {}
            TABLE => template.tables.push(table(resource, resource.typed(values)?)),
            KEY => {
                resource.typed::<properties::Key>(values)?;
                let id = names::key_id(resource.id);
                template.keys.push(Key {
                    arn: names::arn("kms", &format!("key/{id}")),
                    id,
                });
            }
            ALIAS => {
                let alias: properties::Alias = resource.typed(values)?;
                template.aliases.insert(alias.alias_name, alias.target_key_id);
            }
            SECRET => template.secrets.push(secret(resource, resource.typed(values)?)),
            kind if ignored::is_type_without_effect(kind) => {
                super::intrinsics::check(resource.properties, &place)?
            }
            kind => {
                let problem = format!("the local stack doesn't know the resource type {kind}");
                return Err(TemplateError::at(&resource.place.key("Type"), problem));
            }
        }
    }
    Ok(template)
}

/// What `Ref` gives for a resource.
pub(super) fn reference(values: &Values<'_>, resource: &Value, id: &str, place: &Place) -> Result<String> {
    match kind_of(resource) {
        HTTP_API => Ok(names::opaque(id, 10)),
        KEY => Ok(names::key_id(id)),
        SECRET => Ok(names::secret_arn(id, &name(values, resource, id, "Name", place)?)),
        FUNCTION => name(values, resource, id, "FunctionName", place),
        TABLE => name(values, resource, id, "TableName", place),
        ALIAS => name(values, resource, id, "AliasName", place),
        "AWS::Logs::LogGroup" => name(values, resource, id, "LogGroupName", place),
        _ => Ok(names::physical(id)),
    }
}

/// What `GetAtt` gives for a resource.
pub(super) fn attribute(
    values: &Values<'_>,
    resource: &Value,
    id: &str,
    attribute: &str,
    place: &Place,
) -> Result<String> {
    let kind = kind_of(resource);
    match (kind, attribute) {
        (FUNCTION, "Arn") => Ok(names::arn(
            "lambda",
            &format!("function:{}", reference(values, resource, id, place)?),
        )),
        (TABLE, "Arn") => Ok(names::arn(
            "dynamodb",
            &format!("table/{}", reference(values, resource, id, place)?),
        )),
        (KEY, "Arn") => Ok(names::arn("kms", &format!("key/{}", names::key_id(id)))),
        (KEY, "KeyId") => Ok(names::key_id(id)),
        (SECRET, "Id") => reference(values, resource, id, place),
        // Nobody can call what has no local counterpart, so any ARN that is plainly made up will do.
        _ if ignored::is_type_without_effect(kind) => Ok(names::arn("local", &format!("{id}/{attribute}"))),
        _ => Err(TemplateError::at(
            place,
            format!("the local stack doesn't know the attribute {attribute} of {kind}"),
        )),
    }
}

fn name(values: &Values<'_>, resource: &Value, id: &str, property: &str, place: &Place) -> Result<String> {
    match resource
        .get("Properties")
        .and_then(|properties| properties.get(property))
    {
        Some(given) => values.text(given, place),
        None => Ok(names::physical(id)),
    }
}

/// A resource whose condition holds.
struct Resource<'a> {
    id: &'a str,
    kind: &'a str,
    properties: &'a Value,
    metadata: &'a Value,
    place: Place,
}

impl Resource<'_> {
    fn typed<T: serde::de::DeserializeOwned>(&self, values: &Values<'_>) -> Result<T> {
        self.typed_with(self.properties, values)
    }

    fn typed_with<T: serde::de::DeserializeOwned>(
        &self,
        properties: &Value,
        values: &Values<'_>,
    ) -> Result<T> {
        let place = self.place.key("Properties");
        let effective = ignored::without_ignored(self.kind, properties, &place)?;
        let resolved = values.resolve(&effective, &place)?.unwrap_or_default();
        typed(resolved, &place)
    }
}

fn present<'a>(document: &'a Value, values: &Values<'_>) -> Result<Vec<Resource<'a>>> {
    let section = Place::default().key("Resources");
    let Some(resources) = document.get("Resources").and_then(Value::as_object) else {
        return Err(TemplateError::at(&section, "is missing"));
    };
    let mut present = Vec::new();
    for (id, resource) in resources {
        let place = section.key(id);
        ignored::check_beside_properties(resource, &place)?;
        let wanted = match resource.get("Condition").and_then(Value::as_str) {
            Some(condition) => values.condition(condition, &place.key("Condition"))?,
            None => true,
        };
        if wanted {
            present.push(Resource {
                id,
                kind: kind_of(resource),
                properties: resource.get("Properties").unwrap_or(&EMPTY),
                metadata: resource.get("Metadata").unwrap_or(&EMPTY),
                place,
            });
        }
    }
    Ok(present)
}

static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

fn kind_of(resource: &Value) -> &str {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default()
}

fn check_transform(document: &Value) -> Result<()> {
    match document.get("Transform").and_then(Value::as_str) {
        Some("AWS::Serverless-2016-10-31") => Ok(()),
        _ => Err(TemplateError::at(
            &Place::default().key("Transform"),
            "must be AWS::Serverless-2016-10-31",
        )),
    }
}

/// What all functions have in common, before their own properties are laid over it.
struct Globals(Value);

impl Globals {
    fn of(document: &Value) -> Result<Self> {
        let globals = document.get("Globals").unwrap_or(&EMPTY);
        if let Some(section) = globals
            .as_object()
            .and_then(|globals| globals.keys().find(|key| *key != "Function"))
        {
            let place = Place::default().key("Globals").key(section);
            return Err(TemplateError::at(
                &place,
                "the local stack knows Globals.Function only",
            ));
        }
        Ok(Self(globals.get("Function").unwrap_or(&EMPTY).clone()))
    }

    /// As SAM does it: mappings are merged, lists are joined, and of plain values the function's own wins.
    fn under(&self, own: &Value) -> Value {
        merged(&self.0, own)
    }
}

fn merged(global: &Value, own: &Value) -> Value {
    match (global, own) {
        (Value::Object(global), Value::Object(own)) => {
            let mut all = global.clone();
            for (key, value) in own {
                let value = match all.get(key) {
                    Some(below) => merged(below, value),
                    None => value.clone(),
                };
                all.insert(key.clone(), value);
            }
            Value::Object(all)
        }
        (Value::Array(global), Value::Array(own)) => global.iter().chain(own).cloned().collect(),
        _ => own.clone(),
    }
}

fn api(resources: &[Resource<'_>], values: &Values<'_>) -> Result<Api> {
    let apis: Vec<_> = resources
        .iter()
        .filter(|resource| resource.kind == HTTP_API)
        .collect();
    let [resource] = apis.as_slice() else {
        let problem = format!(
            "the local stack serves one {HTTP_API}, and here are {}",
            apis.len()
        );
        return Err(TemplateError::at(&Place::default().key("Resources"), problem));
    };
    let properties::HttpApi { auth, .. } = resource.typed(values)?;
    let place = resource.place.key("Properties").key("Auth");
    let mut authorizers = BTreeMap::new();
    for (name, authorizer) in auth.authorizers {
        let function = resources
            .iter()
            .filter(|resource| resource.kind == FUNCTION)
            .find(|function| {
                let own = Value::Object(Map::from_iter([
                    ("Type".to_owned(), Value::from(FUNCTION)),
                    ("Properties".to_owned(), function.properties.clone()),
                ]));
                attribute(values, &own, function.id, "Arn", &place)
                    .is_ok_and(|arn| arn == authorizer.function_arn)
            })
            .ok_or_else(|| {
                TemplateError::at(&place.key("Authorizers").key(&name), "names no function here")
            })?;
        let authorizer = Authorizer {
            function: function.id.to_owned(),
            identity_headers: authorizer
                .identity
                .headers
                .iter()
                .map(|header| header.to_lowercase())
                .collect(),
            remembered: Duration::from_secs(authorizer.identity.reauthorize_every),
        };
        authorizers.insert(name, authorizer);
    }
    Ok(Api {
        id: names::opaque(resource.id, 10),
        authorizers,
        default_authorizer: auth.default_authorizer,
    })
}

fn function(
    resource: &Resource<'_>,
    globals: &Globals,
    values: &Values<'_>,
    api: &Api,
    template: &mut Template,
) -> Result<()> {
    let function: properties::Function = resource.typed_with(&globals.under(resource.properties), values)?;
    for (name, event) in function.events.unwrap_or_default() {
        let place = resource
            .place
            .key("Properties")
            .key("Events")
            .key(&name)
            .key("Properties");
        match event.kind.as_str() {
            "HttpApi" => template
                .routes
                .push(events::route(api, resource.id, event, &place)?),
            "ScheduleV2" => template
                .schedules
                .push(events::schedule(&name, resource.id, event, &place)?),
            kind => {
                let place = resource
                    .place
                    .key("Properties")
                    .key("Events")
                    .key(&name)
                    .key("Type");
                let problem = format!("the local stack doesn't know the event type {kind}");
                return Err(TemplateError::at(&place, problem));
            }
        }
    }
    let name = function
        .function_name
        .unwrap_or_else(|| names::physical(resource.id));
    template.functions.push(Function {
        logical_id: resource.id.to_owned(),
        arn: names::arn("lambda", &format!("function:{name}")),
        name,
        package: package(resource)?,
        code: function.code_uri,
        handler: function.handler,
        memory_mb: function.memory_size,
        timeout: Duration::from_secs(function.timeout),
        environment: function
            .environment
            .variables
            .into_iter()
            .map(|(name, value)| (name, value.0))
            .collect(),
        logging: Logging {
            format: function.logging_config.log_format,
            level: function.logging_config.application_log_level,
            group: function.logging_config.log_group,
        },
        reserved_concurrency: function.reserved_concurrent_executions,
    });
    Ok(())
}

fn package(resource: &Resource<'_>) -> Result<String> {
    let place = resource.place.key("Metadata");
    if resource.metadata.get("BuildMethod").and_then(Value::as_str) != Some("rust-cargolambda") {
        return Err(TemplateError::at(
            &place.key("BuildMethod"),
            "must be rust-cargolambda",
        ));
    }
    match resource
        .metadata
        .pointer("/BuildProperties/Binary")
        .and_then(Value::as_str)
    {
        Some(binary) => Ok(binary.to_owned()),
        None => Err(TemplateError::at(
            &place.key("BuildProperties").key("Binary"),
            "is missing",
        )),
    }
}

fn table(resource: &Resource<'_>, table: properties::Table) -> Table {
    Table {
        logical_id: resource.id.to_owned(),
        name: table.table_name.unwrap_or_else(|| names::physical(resource.id)),
        attributes: table
            .attribute_definitions
            .into_iter()
            .map(|attribute| (attribute.attribute_name, attribute.attribute_type))
            .collect(),
        key: key_schema(table.key_schema),
        indexes: table
            .global_secondary_indexes
            .into_iter()
            .map(|index| Index {
                name: index.index_name,
                key: key_schema(index.key_schema),
                projection: index.projection.projection_type,
                projected: index.projection.non_key_attributes,
            })
            .collect(),
        time_to_live: table
            .time_to_live_specification
            .filter(|specification| specification.enabled)
            .map(|specification| specification.attribute_name),
    }
}

fn key_schema(elements: Vec<properties::KeyElement>) -> Vec<(String, String)> {
    elements
        .into_iter()
        .map(|element| (element.attribute_name, element.key_type))
        .collect()
}

fn secret(resource: &Resource<'_>, secret: properties::Secret) -> Secret {
    let generate = secret.generate_secret_string;
    let classes = [
        (!generate.exclude_lowercase, ('a'..='z').collect::<String>()),
        (!generate.exclude_uppercase, ('A'..='Z').collect()),
        (!generate.exclude_numbers, ('0'..='9').collect()),
        (
            !generate.exclude_punctuation,
            "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_owned(),
        ),
        (generate.include_space, " ".to_owned()),
    ];
    let wanted = classes
        .iter()
        .filter(|(wanted, _)| *wanted)
        .flat_map(|(_, characters)| characters.chars());
    let name = secret.name.unwrap_or_else(|| names::physical(resource.id));
    Secret {
        logical_id: resource.id.to_owned(),
        arn: names::secret_arn(resource.id, &name),
        name,
        length: generate.password_length,
        alphabet: wanted
            .filter(|character| !generate.exclude_characters.contains(*character))
            .collect(),
    }
}
