//! Fields for configuration values, as an integration's schema declares them: its defaults, and what an organization's
//! mapping overrides.
//!
//! A field that is left empty has no value on its level. Secrets are written and never shown; a value that the form could
//! not show as it is, or that nobody touched, is sent back as it is stored.

use bifrost::model::{
    FieldError,
    config::{ConfigField, ConfigSchema, ConfigType, shown_secret},
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::{form::Form, visit::Visit};

/// The values of one level, in a form.
#[derive(Clone, Copy)]
pub(crate) struct ConfigFields<'a> {
    /// The member of the body that they are sent as, which the fields' names begin with: `config`, `defaults`.
    pub(crate) at: &'a str,
    pub(crate) schema: &'a ConfigSchema,
    /// As answers show them.
    pub(crate) stored: &'a Map<String, Value>,
    /// What applies where there is no value here, if anything lies below this level.
    pub(crate) inherited: Option<&'a Map<String, Value>>,
}

impl ConfigFields<'_> {
    /// What the fields hold at first, for [`Form::new`].
    pub(crate) fn values(&self) -> Vec<(String, String)> {
        let shown = |field: &ConfigField| Some((self.name(field), self.shown(field)?));
        self.schema.fields().iter().filter_map(shown).collect()
    }

    /// The fields, in the order of the schema.
    pub(crate) fn render(&self, form: &Form) -> Markup {
        html! {
            @for (index, field) in self.schema.fields().iter().enumerate() { (self.field(form, index, field)) }
            @let strays = self.strays();
            @if !strays.is_empty() {
                p.notice.warn { "The schema no longer has " (strays.join(", ")) ". Saving removes the values stored for it." }
            }
        }
    }

    /// The values as they are now, for people who may not change them.
    pub(crate) fn read_only(&self) -> Markup {
        html! {
            dl {
                @for field in self.schema.fields() {
                    dt { (field.key) }
                    dd {
                        @match self.stored.get(&field.key) {
                            Some(value) if *value == shown_secret() => "A secret is set",
                            Some(value) => code { (text(field, value)) },
                            None => (self.inherited_hint(field).unwrap_or_else(|| "Not set".to_owned())),
                        }
                    }
                }
            }
        }
    }

    /// The values that were typed, for a body: null where there is to be none, and secrets that stay left out.
    pub(crate) fn read(&self, visit: &Visit<'_>) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut values = Map::new();
        let mut errors = Vec::new();
        for field in self.schema.fields() {
            let typed = visit.field(&self.name(field)).unwrap_or_default();
            match self.read_one(field, typed, visit.ticked(&self.unset_name(field))) {
                Ok(Some(value)) => drop(values.insert(field.key.clone(), value)),
                Ok(None) => {}
                Err(message) => errors.push(FieldError::new(&self.name(field), message)),
            }
        }
        if errors.is_empty() { Ok(values) } else { Err(errors) }
    }

    /// The value that a text stands for in a field. None: as it is.
    pub(crate) fn read_one(
        &self,
        field: &ConfigField,
        typed: &str,
        unset: bool,
    ) -> Result<Option<Value>, String> {
        // What browsers send of several lines ends them in both characters.
        let typed = typed.replace("\r\n", "\n");
        let stored = self.stored.get(&field.key);
        if field.r#type == ConfigType::Secret {
            return Ok(match typed.trim() {
                "" if unset => Some(Value::Null),
                "" => None,
                secret => Some(Value::from(secret)),
            });
        }
        if let Some(stored) = stored
            && !unset
            && self.shown(field).is_some_and(|shown| shown.replace("\r\n", "\n").trim() == typed.trim())
        {
            return Ok(Some(stored.clone()));
        }
        match typed.trim() {
            "" => Ok(Some(Value::Null)),
            text => parse(field, text).map(Some),
        }
    }

    /// What the cells of a list hold for the stored values, by key. Without the secrets.
    pub(crate) fn texts(&self) -> Vec<(&str, String)> {
        let text = |field: &ConfigField| match self.stored.get(&field.key) {
            // Of a list of options, too.
            Some(Value::String(text)) if field.r#type == ConfigType::String => Some(text.clone()),
            _ => self.shown(field),
        };
        let fields = self.schema.fields().iter();
        fields.filter_map(|field| Some((field.key.as_str(), text(field)?))).collect()
    }

    fn name(&self, field: &ConfigField) -> String {
        format!("{}.{}", self.at, field.key)
    }

    fn unset_name(&self, field: &ConfigField) -> String {
        format!("{}~unset.{}", self.at, field.key)
    }

    /// The text that stands for the stored value; none for a secret.
    fn shown(&self, field: &ConfigField) -> Option<String> {
        let value = self.stored.get(&field.key).filter(|value| **value != shown_secret())?;
        (field.r#type != ConfigType::Secret).then(|| text(field, value))
    }

    /// What is stored and has no place in the schema.
    fn strays(&self) -> Vec<&str> {
        let strays = self.stored.keys().filter(|key| self.schema.field(key).is_none());
        strays.map(String::as_str).collect()
    }

    fn field(&self, form: &Form, index: usize, field: &ConfigField) -> Markup {
        let (name, unset) = (self.name(field), self.unset_name(field));
        let (id, unset_id) = (format!("{}-{index}", self.at), format!("{}-{index}-unset", self.at));
        let stored = self.stored.get(&field.key);
        let secret_is_set = field.r#type == ConfigType::Secret && stored == Some(&shown_secret());
        // An empty text is a value, which a field that is left empty can't take away.
        let stored_empty = self.shown(field).is_some_and(|shown| shown.trim().is_empty());
        let mut hints: Vec<String> = Vec::new();
        hints.extend(field.description.as_deref().map(sentence));
        hints.extend(kind_hint(field).map(str::to_owned));
        if secret_is_set {
            hints.push("Is set. Leave empty to keep it.".to_owned());
        }
        if stored_empty {
            hints.push("Is set to an empty text.".to_owned());
        }
        if field.required && self.inherited_value(field).is_none() && stored.is_none() {
            hints.push(match self.inherited {
                Some(_) => {
                    "Required: workflows get it from here or from the integration's defaults.".to_owned()
                }
                None => "Required: set it here, or in each mapping.".to_owned(),
            });
        }
        hints.extend(self.inherited_hint(field));
        let hint = hints.join(" ");
        let shown = form.value(&name);
        let widget = match (field.r#type, &field.options) {
            (ConfigType::Secret, _) => form.secret_area(&name, &field.key, 1),
            (_, Some(options)) => form.select(&name, &field.key, self.choices(field, options, shown)),
            (ConfigType::Bool, None) => {
                let options = [Value::Bool(true), Value::Bool(false)];
                form.select(&name, &field.key, self.choices(field, &options, shown))
            }
            (ConfigType::Json, None) => {
                form.area(&name, &field.key, shown.lines().count().clamp(3, 12) as u32)
            }
            (ConfigType::String, None) if shown.contains('\n') => {
                form.area(&name, &field.key, shown.lines().count().clamp(2, 12) as u32)
            }
            (ConfigType::String | ConfigType::Int, None) => form.text(&name, &field.key),
        };
        let widget = widget.id(&id).bare();
        let widget = if hint.is_empty() { widget } else { widget.hint(&hint) };
        let instead = match (self.inherited, self.inherited_value(field)) {
            (Some(_), Some(_)) => "Use the default instead",
            _ => "Remove the value",
        };
        html! {
            (widget)
            @if secret_is_set || stored_empty { (form.check(&unset, instead).id(&unset_id)) }
        }
    }

    /// What to choose from: nothing first, and what is stored even if it is allowed no more.
    fn choices(&self, field: &ConfigField, options: &[Value], shown: &str) -> Vec<(String, String)> {
        let none = match (self.inherited, self.inherited_value(field)) {
            (Some(_), Some(value)) => format!("Use the default ({})", label(value)),
            (Some(_), None) => "Not set here".to_owned(),
            (None, _) => "Not set".to_owned(),
        };
        let mut choices = vec![(String::new(), none)];
        choices.extend(options.iter().map(|option| (text(field, option), label(option))));
        if !choices.iter().any(|(value, _)| value == shown) {
            choices.push((shown.to_owned(), format!("{shown} (no longer allowed)")));
        }
        choices
    }

    fn inherited_value(&self, field: &ConfigField) -> Option<&Value> {
        self.inherited?.get(&field.key)
    }

    /// "Default: …", of a secret only that there is one.
    fn inherited_hint(&self, field: &ConfigField) -> Option<String> {
        let value = self.inherited_value(field)?;
        if field.r#type == ConfigType::Secret || *value == shown_secret() {
            return Some("A default is set.".to_owned());
        }
        Some(format!("Default: {}", shortened(&label(value))))
    }
}

/// What the value of such a field looks like in the form. Of a list of options, JSON tells them apart.
fn text(field: &ConfigField, value: &Value) -> String {
    match (value, &field.options) {
        (Value::String(text), None) if field.r#type == ConfigType::String => text.clone(),
        (_, None) if field.r#type == ConfigType::Json => {
            serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
        }
        _ => value.to_string(),
    }
}

/// For people to read.
fn label(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// With a full stop, for more to follow.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let ends = text.is_empty() || text.ends_with(['.', '!', '?', ':', '…']);
    if ends { text.to_owned() } else { format!("{text}.") }
}

fn kind_hint(field: &ConfigField) -> Option<&'static str> {
    match (field.r#type, &field.options) {
        (ConfigType::Int, None) => Some("A whole number."),
        (ConfigType::Json, None) => Some("JSON."),
        _ => None,
    }
}

/// The value that a text stands for. Whether it is among the options is for the use case to say.
fn parse(field: &ConfigField, text: &str) -> Result<Value, String> {
    let json = || serde_json::from_str::<Value>(text).ok();
    match (field.r#type, &field.options) {
        (ConfigType::Secret, _) => Ok(Value::from(text)),
        // An option as the form sends it, or as people write it.
        (ConfigType::String, Some(options)) => {
            Ok(json().filter(|value| options.contains(value)).unwrap_or_else(|| Value::from(text)))
        }
        (ConfigType::String, None) => Ok(Value::from(text)),
        (ConfigType::Int, _) => json()
            .filter(|value| value.is_i64() || value.is_u64())
            .ok_or_else(|| "must be a whole number".to_owned()),
        (ConfigType::Bool, _) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "0" => Ok(Value::Bool(false)),
            _ => Err("must be true or false".to_owned()),
        },
        (ConfigType::Json, _) => match serde_json::from_str(text) {
            Ok(Value::Null) => Err("can't be null: leave it empty to have no value".to_owned()),
            Ok(value) => Ok(value),
            // The message tells line and column, and no more of the text than one character.
            Err(error) => Err(format!("is no JSON from line {}, column {} on", error.line(), error.column())),
        },
    }
}

#[cfg(test)]
mod tests {
    use bifrost::model::input::Field;
    use serde_json::json;

    use super::*;

    fn schema() -> ConfigSchema {
        ConfigSchema::from_json(json!([
            {"key": "base_url", "type": "string"},
            {"key": "timeout", "type": "int"},
            {"key": "beta", "type": "bool"},
            {"key": "settings", "type": "json"},
            {"key": "api_key", "type": "secret"},
            {"key": "region", "type": "string", "options": ["eu", "us"]},
        ]))
        .unwrap()
    }

    /// What a field that was sent with this text comes to.
    fn read(stored: Value, key: &str, typed: &str, unset: bool) -> Result<Option<Value>, String> {
        let (schema, stored) = (schema(), stored.as_object().unwrap().clone());
        let fields = ConfigFields { at: "config", schema: &schema, stored: &stored, inherited: None };
        fields.read_one(schema.field(key).unwrap(), typed, unset)
    }

    #[test]
    fn a_text_becomes_a_value_of_the_declared_type_or_an_error() {
        let typed = |key, text| read(json!({}), key, text, false);
        assert_eq!(typed("base_url", " https://x "), Ok(Some(json!("https://x"))));
        assert_eq!(typed("base_url", "5"), Ok(Some(json!("5"))));
        assert_eq!(typed("timeout", "60"), Ok(Some(json!(60))));
        for wrong in ["1.5", "1.0", "60s", "\"60\"", "true"] {
            assert_eq!(typed("timeout", wrong), Err("must be a whole number".to_owned()), "{wrong}");
        }
        assert_eq!(typed("beta", "false"), Ok(Some(json!(false))));
        assert_eq!(typed("settings", "{\"a\":\r\n1}"), Ok(Some(json!({"a": 1}))));
        assert_eq!(typed("settings", "{\"a\": s3cr3t}").unwrap_err(), "is no JSON from line 1, column 7 on");
        assert!(typed("settings", "null").is_err());
        assert_eq!(typed("region", "\"eu\""), Ok(Some(json!("eu"))));
    }

    #[test]
    fn a_field_left_empty_has_no_value_and_a_secret_left_empty_stays() {
        let stored = json!({"base_url": "https://x", "api_key": shown_secret()});
        assert_eq!(read(stored.clone(), "base_url", "", false), Ok(Some(Value::Null)));
        assert_eq!(read(stored.clone(), "api_key", "", false), Ok(None));
        assert_eq!(read(stored.clone(), "api_key", "", true), Ok(Some(Value::Null)));
        assert_eq!(read(stored, "api_key", "new", false), Ok(Some(json!("new"))));
    }

    #[test]
    fn what_nobody_touched_stays_as_it_is_stored() {
        for (key, value) in [
            ("settings", json!({"ratio": 1.0, "b": [1, 2]})),
            ("base_url", json!("two\r\nlines")),
            ("base_url", json!(" ")),
            ("base_url", json!("")),
            ("region", json!("gone")),
        ] {
            let (schema, stored) = (schema(), Map::from_iter([(key.to_owned(), value.clone())]));
            let fields = ConfigFields { at: "config", schema: &schema, stored: &stored, inherited: None };
            // As browsers send it.
            let shown = fields.values()[0].1.replace("\r\n", "\n").replace('\n', "\r\n");
            let read = fields.read_one(schema.field(key).unwrap(), &shown, false);
            assert_eq!(read, Ok(Some(value)), "{key}");
        }
    }
}
