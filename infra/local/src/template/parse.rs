//! YAML text into a JSON document, with CloudFormation's short tags (`!Ref x`) written out (`{"Ref": "x"}`).
//!
//! Whether an intrinsic exists and what it means is left to [`super::intrinsics`].

use serde_json::{Map, Value};
use serde_yaml_ng::Value as Yaml;

use super::{Place, TemplateError};

pub(super) fn parse(text: &str) -> Result<Value, TemplateError> {
    let root = Place::default();
    let yaml: Yaml =
        serde_yaml_ng::from_str(text).map_err(|error| TemplateError::at(&root, error.to_string()))?;
    let document = plain(yaml, &root)?;
    if document.is_object() { Ok(document) } else { Err(TemplateError::at(&root, "is not a mapping")) }
}

fn plain(yaml: Yaml, place: &Place) -> Result<Value, TemplateError> {
    match yaml {
        Yaml::Null => Ok(Value::Null),
        Yaml::Bool(value) => Ok(Value::Bool(value)),
        Yaml::String(value) => Ok(Value::String(value)),
        Yaml::Number(value) => {
            number(&value).ok_or_else(|| TemplateError::at(place, format!("{value} is no number")))
        }
        Yaml::Sequence(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| plain(item, &place.index(index)))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let key =
                    key_text(&key).ok_or_else(|| TemplateError::at(place, "has a key that is not text"))?;
                let value = plain(value, &place.key(&key))?;
                object.insert(key, value);
            }
            Ok(Value::Object(object))
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let short = tag.trim_start_matches('!');
            let argument = plain(tagged.value, place)?;
            Ok(written_out(short, argument))
        }
    }
}

fn written_out(tag: &str, argument: Value) -> Value {
    let (name, argument) = match (tag, argument) {
        ("Ref" | "Condition", argument) => (tag.to_owned(), argument),
        // Only the short form may say resource and attribute in one text.
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').unwrap_or((&path, ""));
            ("Fn::GetAtt".to_owned(), Value::from(vec![resource, attribute]))
        }
        (_, argument) => (format!("Fn::{tag}"), argument),
    };
    Value::Object(Map::from_iter([(name, argument)]))
}

fn number(value: &serde_yaml_ng::Number) -> Option<Value> {
    value
        .as_i64()
        .map(Value::from)
        .or_else(|| value.as_u64().map(Value::from))
        .or_else(|| value.as_f64().and_then(serde_json::Number::from_f64).map(Value::Number))
}

fn key_text(key: &Yaml) -> Option<String> {
    match key {
        Yaml::String(key) => Some(key.clone()),
        Yaml::Number(key) => Some(key.to_string()),
        Yaml::Bool(key) => Some(key.to_string()),
        _ => None,
    }
}
