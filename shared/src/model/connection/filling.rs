//! What a preset fills in on a connection, and what of that people have made their own.

use serde_json::{Map, Value, json};

use super::Flow;
use crate::model::{input::Field, merge_patch::merge, preset};

/// `body` over what the preset that it names fills in, as a merge patch (RFC 7396) goes over an object: every field can be
/// overridden, and `null` takes one away. A preset or flow that does not exist is for the reader of the body to name.
pub(super) fn filled_in(body: Map<String, Value>) -> Map<String, Value> {
    let mut filled = filling(&body);
    merge(&mut filled, body);
    filled
}

/// What a connection had before its people set anything, and so what it goes back to.
fn filling(body: &Map<String, Value>) -> Map<String, Value> {
    let named = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(preset) = named("provider").and_then(preset::find) else {
        return Map::new();
    };
    let flow = body.get("flow").filter(|flow| !flow.is_null());
    let flow = match flow {
        Some(flow) => Flow::from_json(flow.clone()).ok(),
        None => preset.default_flow(),
    };
    let Some((flow, mut filled)) = flow.and_then(|flow| Some((flow, preset.fill(flow)?))) else {
        return Map::new();
    };
    filled.insert("flow".to_owned(), json!(flow));
    filled
}

/// `stored` with `patch` merged into it. `null` brings a preset's value back; and with another preset or flow, what the
/// one before filled in makes place for what this one does.
pub(super) fn refilled(stored: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
    let before = filling(&stored);
    let mut choice = stored.clone();
    for name in ["provider", "flow"] {
        choice.extend(patch.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let after = filling(&choice);
    let mut merged = after.clone();
    for (name, value) in stored {
        let set_by_people = match before.get(&name) {
            Some(filled) => *filled != value,
            None => !is_left_out(&name, &value),
        };
        if set_by_people || !after.contains_key(&name) {
            merged.insert(name, value);
        }
    }
    let (back, patch): (Map<_, _>, Map<_, _>) =
        patch.into_iter().partition(|(name, value)| value.is_null() && after.contains_key(name));
    merge(&mut merged, patch);
    merged.extend(
        back.into_iter().filter_map(|(name, _)| after.get(&name).cloned().map(|value| (name, value))),
    );
    merged
}

/// Whether a stored value says no more than that nobody gave one.
fn is_left_out(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(pkce) => name == "pkce" && *pkce,
        Value::String(client_auth) => name == "client_auth" && client_auth == "basic",
        Value::Number(_) => false,
    }
}
