//! JSON Schemas (draft 2020-12, the dialect of OpenAPI 3.1) of answers, and of the fields that requests are read for.

use bifrost::model::description::{Described, ReadField};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

pub(crate) struct Schemas {
    generator: SchemaGenerator,
    /// The bodies of requests, by name.
    bodies: Map<String, Value>,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let mut settings = SchemaSettings::draft2020_12().for_serialize();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        Self { generator: settings.into_generator(), bodies: Map::new() }
    }

    pub(crate) fn of<T: Described>(&mut self) -> Value {
        self.generator.subschema_for::<T>().to_value()
    }

    /// A JSON object with these fields and no others.
    pub(crate) fn body(&mut self, name: &str, fields: &[ReadField]) -> Value {
        let mut properties = Map::new();
        for field in fields {
            properties.insert(field.name.clone(), (field.schema)(&mut self.generator).to_value());
        }
        let required: Vec<_> =
            fields.iter().filter(|field| field.required).map(|field| &field.name).collect();
        let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        self.add(name, schema)
    }

    /// A merge patch (RFC 7396) of an object with these fields: each may be left out, and null takes it away, with the
    /// members of a map as well. What is required can't be taken away, and the name can't be changed.
    pub(crate) fn patch(&mut self, name: &str, fields: &[ReadField]) -> Value {
        let mut properties = Map::new();
        for field in fields.iter().filter(|field| field.name != "name") {
            let mut schema = (field.schema)(&mut self.generator).to_value();
            if let Some(member) = schema.get_mut("additionalProperties").filter(|member| member.is_object()) {
                member["type"] = json!([member["type"].take(), "null"]);
            }
            properties.insert(field.name.clone(), schema);
        }
        let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
        self.add(name, schema)
    }

    fn add(&mut self, name: &str, schema: Value) -> Value {
        self.bodies.insert(name.to_owned(), schema);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    pub(crate) fn into_components(mut self) -> Value {
        let mut components = self.generator.take_definitions(true);
        components.append(&mut self.bodies);
        components.insert(
            "GatewayMessage".to_owned(),
            json!({
                "description": "What the gateway says by itself.",
                "type": "object", "required": ["message"], "properties": {"message": {"type": "string"}},
            }),
        );
        let mut components = Value::Object(components);
        plain(&mut components);
        components
    }
}

/// JSON Schema's own vocabulary in place of formats that only Rust knows.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(members) => {
            let largest = match members.get("format").and_then(Value::as_str) {
                Some("uint") | Some("uint64") => Some(u64::MAX),
                Some("uint32") => Some(u64::from(u32::MAX)),
                Some("uint16") => Some(u64::from(u16::MAX)),
                _ => None,
            };
            if let Some(largest) = largest {
                members.remove("format");
                members.entry("maximum").or_insert(largest.into());
            }
            members.values_mut().for_each(plain);
        }
        _ => {}
    }
}
