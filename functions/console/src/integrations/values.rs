//! Fields for the values of a config schema: which control a value of a type gets, and what stands in it.

use bifrost::model::{
    FieldError, Problem,
    config::{ConfigField, ConfigSchema, ConfigType},
    secret::sha256_hex,
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::unix_lines;
use crate::{form::Form, visit::Visit};

/// The name of a value's field. Keys may hold anything, and names are also ids.
fn name(key: &str) -> String {
    format!("value-{}", &sha256_hex(&[key])[..16])
}

/// The name of the box that removes a secret.
fn removal(key: &str) -> String {
    format!("remove-{}", &sha256_hex(&[key])[..16])
}

/// What stands in the fields before anything is typed.
pub(super) fn shown(schema: &ConfigSchema, stored: &Map<String, Value>) -> Vec<(String, String)> {
    let field = |field: &ConfigField| Some((name(&field.key), control_text(field, stored.get(&field.key)?)));
    schema.fields().iter().filter_map(field).collect()
}

/// What was typed, as a merge patch (RFC 7396) of what is stored: an empty field removes its value, and a value that
/// stands there as it was shown is left alone.
pub(super) fn patch(
    visit: &Visit<'_>,
    schema: &ConfigSchema,
    stored: &Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let mut patch = Map::new();
    let mut errors = Vec::new();
    for field in schema.fields() {
        let Some(typed) = visit.field(&name(&field.key)) else { continue };
        match change(field, &unix_lines(typed), visit.ticked(&removal(&field.key)), stored.get(&field.key)) {
            Ok(Some(value)) => {
                patch.insert(field.key.clone(), value);
            }
            Ok(None) => {}
            Err(message) => errors.push(FieldError { field: name(&field.key), message }),
        }
    }
    if errors.is_empty() { Ok(patch) } else { Err(Problem::invalid_fields(errors)) }
}

/// The API's errors, beside the fields here.
pub(super) fn placed(mut problem: Problem, at: &str) -> Problem {
    for error in &mut problem.errors {
        if let Some(key) = error.field.strip_prefix(at).and_then(|rest| rest.strip_prefix('.')) {
            error.field = name(key);
        }
    }
    problem
}

/// The key whose field an error is beside, for a summary.
pub(super) fn key_of<'a>(schema: &'a ConfigSchema, error: &FieldError) -> Option<&'a str> {
    schema.fields().iter().map(|field| field.key.as_str()).find(|key| name(key) == error.field)
}

fn control_text(field: &ConfigField, value: &Value) -> String {
    match (field.r#type, value) {
        (ConfigType::Secret, _) => String::new(),
        _ if field.options.is_some() => value.to_string(),
        (ConfigType::String, Value::String(text)) => unix_lines(text),
        (ConfigType::Json, _) => serde_json::to_string_pretty(value).unwrap_or_default(),
        _ => value.to_string(),
    }
}

/// The member of a patch that a field asks for: null removes.
fn change(
    field: &ConfigField,
    typed: &str,
    remove: bool,
    stored: Option<&Value>,
) -> Result<Option<Value>, String> {
    let is_secret = field.r#type == ConfigType::Secret;
    if is_secret && remove {
        let both = "is to be removed, and has a new value: choose one".to_owned();
        return if typed.is_empty() { Ok(Some(Value::Null)) } else { Err(both) };
    }
    if is_secret {
        return Ok((!typed.is_empty()).then(|| typed.into()));
    }
    let before = stored.map(|stored| control_text(field, stored));
    if before.as_deref().unwrap_or_default() == typed {
        return Ok(None);
    }
    let text = typed.trim();
    if text.is_empty() {
        return Ok(stored.map(|_| Value::Null));
    }
    let json =
        |expected: &str| serde_json::from_str::<Value>(text).map_err(|_| format!("must be {expected}"));
    let value = match field.r#type {
        _ if field.options.is_some() => json("one of the options")?,
        ConfigType::String => text.into(),
        ConfigType::Int => json("a whole number, such as 30")?,
        ConfigType::Bool => json("true or false")?,
        ConfigType::Json | ConfigType::Secret => {
            serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?
        }
    };
    match difference(stored, &value) {
        Some(patch) => Ok(Some(patch)),
        None => {
            Err("holds null as a member of an object, which can't be saved: leave the member out".to_owned())
        }
    }
}

/// The merge patch that makes `to` of what is stored; none if there is no such patch, for null removes.
fn difference(from: Option<&Value>, to: &Value) -> Option<Value> {
    let Value::Object(to) = to else { return Some(to.clone()) };
    let empty = Map::new();
    let from = from.and_then(Value::as_object).unwrap_or(&empty);
    let mut patch = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in to.iter().filter(|(key, value)| from.get(*key) != Some(value)) {
        if value.is_null() {
            return None;
        }
        patch.insert(key.clone(), difference(from.get(key), value)?);
    }
    Some(Value::Object(patch))
}

/// A value's field, with what its description says beside it.
pub(super) fn field(form: &Form, field: &ConfigField, stored: Option<&Value>) -> Markup {
    let name = name(&field.key);
    let (value, error) = (form.value(&name), form.error(&name));
    let (hint_id, error_id) = (format!("{name}-hint"), format!("{name}-error"));
    let hint = hint(field, stored.is_some());
    let described = match (&error, hint.is_empty()) {
        (Some(_), true) => Some(error_id.clone()),
        (Some(_), false) => Some(format!("{error_id} {hint_id}")),
        (None, false) => Some(hint_id.clone()),
        (None, true) => None,
    };
    let invalid = error.as_ref().map(|_| "true");
    let removal = removal(&field.key);
    html! {
        div.field {
            label for=(name) {
                (field.key)
                span.optional { @if field.required { " (required, here or in each mapping)" } @else { " (optional)" } }
            }
            @if let Some(error) = &error { p.error id=(error_id) { (error) } }
            @match (field.r#type, choices(field)) {
                (ConfigType::Secret, _) => input type="password" id=(name) name=(name) autocomplete="new-password"
                    spellcheck="false" aria-invalid=[invalid] aria-describedby=[described];,
                (_, Some(choices)) => select id=(name) name=(name) aria-invalid=[invalid] aria-describedby=[described] {
                    option value="" { "No default" }
                    @for (choice, label) in &choices { option value=(choice) selected[choice == value] { (label) } }
                },
                (ConfigType::Json, None) => textarea.code-field id=(name) name=(name) rows="6" spellcheck="false"
                    aria-invalid=[invalid] aria-describedby=[described] { "\n" (value) },
                (ConfigType::String, None) if value.contains('\n') => textarea id=(name) name=(name) rows="4"
                    spellcheck="false" aria-invalid=[invalid] aria-describedby=[described] { "\n" (value) },
                (r#type, None) => input type="text" id=(name) name=(name) value=(value) autocomplete="off" spellcheck="false"
                    inputmode=[(r#type == ConfigType::Int).then_some("numeric")]
                    aria-invalid=[invalid] aria-describedby=[described];,
            }
            @if !hint.is_empty() { p.hint id=(hint_id) { (hint) } }
            @if field.r#type == ConfigType::Secret && stored.is_some() {
                div.check {
                    input type="checkbox" id=(removal) name=(removal) value="true" checked[form.ticked(&removal)];
                    label for=(removal) { "Remove the stored value of " (field.key) }
                }
            }
        }
    }
}

/// What can be chosen, as JSON, and how it reads.
fn choices(field: &ConfigField) -> Option<Vec<(String, String)>> {
    let read = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    };
    let both = [Value::from(true), Value::from(false)];
    let values = match (&field.options, field.r#type) {
        (Some(options), _) => options.as_slice(),
        (None, ConfigType::Bool) => &both,
        (None, _) => return None,
    };
    Some(values.iter().map(|value| (value.to_string(), read(value))).collect())
}

fn hint(field: &ConfigField, is_set: bool) -> String {
    let of_type = match (field.r#type, is_set) {
        (ConfigType::Secret, true) => "A value is set. It is never shown; what you type here replaces it.",
        (ConfigType::Secret, false) => "Not set. Once saved it is never shown again.",
        (ConfigType::Json, _) => "JSON",
        (ConfigType::Int, _) if field.options.is_none() => "A whole number",
        _ => "",
    };
    let parts = [field.description.as_deref().unwrap_or_default(), of_type];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" – ")
}

/// A value for those who may not change it.
pub(super) fn readable(field: &ConfigField, stored: Option<&Value>) -> Markup {
    html! {
        @match (field.r#type, stored) {
            (_, None) => "No default",
            (ConfigType::Secret, Some(_)) => "Set, never shown",
            (ConfigType::Json, Some(value)) => pre { (serde_json::to_string_pretty(value).unwrap_or_default()) },
            (_, Some(Value::String(text))) => (text),
            (_, Some(value)) => (value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(r#type: &str, options: Value) -> ConfigField {
        serde_json::from_value(json!({"key": "k", "type": r#type, "options": options})).unwrap()
    }

    fn changed(r#type: &str, typed: &str, stored: Value) -> Result<Option<Value>, String> {
        change(&declared(r#type, Value::Null), typed, false, Some(&stored).filter(|stored| !stored.is_null()))
    }

    #[test]
    fn what_stands_as_it_was_shown_is_left_alone_whatever_it_is() {
        let cases = [
            ("string", json!(" two\r\nlines ")),
            ("string", json!("")),
            ("int", json!(18_446_744_073_709_551_615_u64)),
            ("bool", json!(false)),
            ("json", json!({"ratio": 1.0, "nothing": null, "list": [null]})),
        ];
        for (r#type, value) in cases {
            let field = declared(r#type, Value::Null);
            let shown = control_text(&field, &value);
            assert_eq!(change(&field, &shown, false, Some(&value)), Ok(None), "{value}");
        }
        let chosen = declared("json", json!([1.0, "x"]));
        assert_eq!(change(&chosen, "1.0", false, Some(&json!(1.0))), Ok(None));
    }

    #[test]
    fn an_empty_field_is_no_default_and_what_is_typed_has_the_declared_type() {
        assert_eq!(changed("string", "  ", json!("x")), Ok(Some(Value::Null)));
        assert_eq!(changed("string", "", Value::Null), Ok(None));
        assert_eq!(changed("string", " https://x ", Value::Null), Ok(Some(json!("https://x"))));
        assert_eq!(changed("int", " 30 ", json!(60)), Ok(Some(json!(30))));
        assert_eq!(changed("bool", "true", json!(false)), Ok(Some(json!(true))));
        assert_eq!(changed("json", "[1]", json!({"a": 1})), Ok(Some(json!([1]))));
        assert!(changed("int", "thirty", Value::Null).unwrap_err().contains("whole number"));
        let wrong = changed("json", "{\n  \"a\": 1\n  \"b\": 2\n}", Value::Null).unwrap_err();
        assert!(wrong.contains("line 3"), "{wrong}");
    }

    #[test]
    fn an_object_is_replaced_member_by_member_and_never_merged_with_what_it_replaces() {
        let patch = changed("json", r#"{"a": {"c": 2}, "e": 5}"#, json!({"a": {"b": 1}, "d": 4})).unwrap();
        assert_eq!(patch, Some(json!({"a": {"b": null, "c": 2}, "d": null, "e": 5})));
        assert!(changed("json", r#"{"a": {"b": null}}"#, Value::Null).unwrap_err().contains("null"));
        assert_eq!(changed("json", r#"[{"b": null}]"#, Value::Null), Ok(Some(json!([{"b": null}]))));
    }

    #[test]
    fn a_secret_stays_unless_it_is_typed_or_removed() {
        let secret = declared("secret", Value::Null);
        let shown = json!({"secret": true, "set": true});
        assert_eq!(control_text(&secret, &shown), "");
        assert_eq!(change(&secret, "", false, Some(&shown)), Ok(None));
        assert_eq!(change(&secret, " new ", false, Some(&shown)), Ok(Some(json!(" new "))));
        assert_eq!(change(&secret, "", true, Some(&shown)), Ok(Some(Value::Null)));
        assert!(change(&secret, "new", true, Some(&shown)).is_err());
    }
}
