//! Examples: requests that were made, and what came back.

use bifrost::model::access::Operation;
use serde_json::{Map, Value, json};

/// One request and its answer, both without anything that changes from run to run.
#[derive(Clone, Debug)]
pub struct Example {
    pub operation: Operation,
    /// Parameters of path and query.
    pub parameters: Map<String, Value>,
    pub body: Option<Value>,
    pub status: u16,
    pub answer: Option<Value>,
}

impl Example {
    /// Takes its place in the description of its operation. The first one shows the parameters and the request; each
    /// shows its answer.
    pub(crate) fn add_to(&self, description: &mut Value) {
        let parameters = description.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let value = parameter["name"].as_str().and_then(|name| self.parameters.get(name)).cloned();
            if let Some(value) = value
                && parameter.get("example").is_none()
            {
                parameter["example"] = value;
            }
        }
        let success = (200..400).contains(&self.status);
        if let (Some(body), true) = (&self.body, success) {
            add(&mut description["requestBody"]["content"], body);
        }
        if let Some(answer) = &self.answer {
            add(&mut description["responses"][self.status.to_string()]["content"], answer);
        }
    }
}

fn add(content: &mut Value, value: &Value) {
    let preferred = ["application/problem+json", "application/json"];
    let kind = preferred.into_iter().find(|kind| content.get(kind).is_some());
    if let Some(kind) = kind
        && content[kind].get("example").is_none()
    {
        content[kind]["example"] = json!(value);
    }
}
