//! What all functions have in common, and how a function's own properties lie over it.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Place, TemplateError};

/// Stands for a section that a template leaves out.
pub(super) static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

/// What all functions have in common, before their own properties are laid over it.
pub(super) struct Globals(Value);

impl Globals {
    pub(super) fn of(document: &Value) -> Result<Self, TemplateError> {
        let globals = document.get("Globals").unwrap_or(&EMPTY);
        if let Some(section) =
            globals.as_object().and_then(|globals| globals.keys().find(|key| *key != "Function"))
        {
            let place = Place::default().key("Globals").key(section);
            return Err(TemplateError::at(&place, "the local stack knows Globals.Function only"));
        }
        Ok(Self(globals.get("Function").unwrap_or(&EMPTY).clone()))
    }

    /// As SAM does it: mappings are merged, lists are joined, and of plain values the function's own wins.
    pub(super) fn under(&self, own: &Value) -> Value {
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
