//! From the template's `Resources` to the model: what each of them comes to on one machine.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::events::{self, Api};
use super::globals::{EMPTY, Globals};
use super::intrinsics::Values;
use super::model::{Authorizer, Function, Logging, Template};
use super::names::{ALIAS, FUNCTION, HTTP_API, KEY, MANAGED_POLICY, PARAMETER, SECRET, TABLE, kind_of};
use super::policies::{self, Managed};
use super::properties::{self, typed};
use super::{Place, TemplateError, ignored, names, storage};

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn collect(document: &Value, values: &Values<'_>) -> Result<Template> {
    ignored::check_sections(document)?;
    check_transform(document)?;
    let globals = Globals::of(document)?;
    let resources = present(document, values)?;

    let api = api(&resources, values)?;
    let managed = managed(&resources, values)?;
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
            FUNCTION => function(resource, &globals, values, &api, &managed, &mut template)?,
            HTTP_API | MANAGED_POLICY => {}
            PARAMETER => drop(resource.typed::<properties::Parameter>(values)?),
            TABLE => template.tables.push(storage::table(resource.id, resource.typed(values)?)),
            KEY => {
                resource.typed::<properties::Key>(values)?;
                template.keys.push(storage::key(resource.id));
            }
            ALIAS => {
                let alias: properties::Alias = resource.typed(values)?;
                template.aliases.insert(alias.alias_name, alias.target_key_id);
            }
            SECRET => template.secrets.push(storage::secret(resource.id, resource.typed(values)?)),
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

fn check_transform(document: &Value) -> Result<()> {
    match document.get("Transform").and_then(Value::as_str) {
        Some("AWS::Serverless-2016-10-31") => Ok(()),
        _ => Err(TemplateError::at(&Place::default().key("Transform"), "must be AWS::Serverless-2016-10-31")),
    }
}

fn api(resources: &[Resource<'_>], values: &Values<'_>) -> Result<Api> {
    let apis: Vec<_> = resources.iter().filter(|resource| resource.kind == HTTP_API).collect();
    let [resource] = apis.as_slice() else {
        let problem = format!("the local stack serves one {HTTP_API}, and here are {}", apis.len());
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
                names::attribute(values, &own, function.id, "Arn", &place)
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
    Ok(Api { id: names::opaque(resource.id, 10), authorizers, default_authorizer: auth.default_authorizer })
}

fn managed(resources: &[Resource<'_>], values: &Values<'_>) -> Result<Managed> {
    let policies = resources.iter().filter(|resource| resource.kind == MANAGED_POLICY);
    let read = |policy: &Resource<'_>| {
        let place = policy.place.key("Properties");
        let name = values.text(&serde_json::json!({ "Ref": policy.id }), &place)?;
        Ok((name, policies::managed(policy.typed(values)?, &place)?))
    };
    policies.map(read).collect()
}

fn function(
    resource: &Resource<'_>,
    globals: &Globals,
    values: &Values<'_>,
    api: &Api,
    managed: &Managed,
    template: &mut Template,
) -> Result<()> {
    let function: properties::Function = resource.typed_with(&globals.under(resource.properties), values)?;
    for (name, event) in function.events.unwrap_or_default() {
        let place = resource.place.key("Properties").key("Events").key(&name).key("Properties");
        match event.kind.as_str() {
            "HttpApi" => template.routes.push(events::route(api, resource.id, event, &place)?),
            "ScheduleV2" => template.schedules.push(events::schedule(&name, resource.id, event, &place)?),
            kind => {
                let place = resource.place.key("Properties").key("Events").key(&name).key("Type");
                let problem = format!("the local stack doesn't know the event type {kind}");
                return Err(TemplateError::at(&place, problem));
            }
        }
    }
    let name = function.function_name.unwrap_or_else(|| names::physical(resource.id));
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
        policy: policies::of_function(
            function.policies.unwrap_or_default(),
            managed,
            &resource.place.key("Properties").key("Policies"),
        )?,
    });
    Ok(())
}

fn package(resource: &Resource<'_>) -> Result<String> {
    let place = resource.place.key("Metadata");
    if resource.metadata.get("BuildMethod").and_then(Value::as_str) != Some("rust-cargolambda") {
        return Err(TemplateError::at(&place.key("BuildMethod"), "must be rust-cargolambda"));
    }
    match resource.metadata.pointer("/BuildProperties/Binary").and_then(Value::as_str) {
        Some(binary) => Ok(binary.to_owned()),
        None => Err(TemplateError::at(&place.key("BuildProperties").key("Binary"), "is missing")),
    }
}
