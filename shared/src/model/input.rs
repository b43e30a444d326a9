//! Reading a caller's JSON object field by field, so that one answer names everything that is wrong with it.
//!
//! serde alone stops at the first error and quotes the offending value, which may be a secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{FieldError, Id, Name, Problem, Scope, Secret, Timestamp};

/// A JSON object being read. Fields that nobody asked for are errors in [`Input::finish`].
pub struct Input {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

/// A type that a field of the input can have.
pub trait Field: Sized {
    /// What the field must be, to follow "must be".
    const EXPECTED: &'static str;

    fn from_json(value: Value) -> Result<Self, String>;
}

impl Input {
    pub fn new(fields: Map<String, Value>) -> Self {
        Self { fields, errors: Vec::new() }
    }

    /// The field's value; `None` if it is absent, null, or wrong (which is noted).
    pub fn optional<T: Field>(&mut self, field: &str) -> Option<T> {
        match self.fields.remove(field)? {
            Value::Null => None,
            value => match T::from_json(value) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.wrong(field, message);
                    None
                }
            },
        }
    }

    /// The field's value, which decides whether the rest is judged at all: refused alone if it is wrong.
    pub fn decisive<T: Field>(&mut self, field: &str) -> Result<Option<T>, Problem> {
        match self.fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::from_json(value).map(Some).map_err(|message| Problem::invalid(field, message)),
        }
    }

    /// The field's value; `None` means that it is missing or wrong (which is noted).
    pub fn required<T: Field>(&mut self, field: &str) -> Option<T> {
        if matches!(self.fields.get(field), None | Some(Value::Null)) {
            self.fields.remove(field);
            self.wrong(field, format!("is required: {}", T::EXPECTED));
            return None;
        }
        self.optional(field)
    }

    pub fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, message));
    }

    pub fn wrong_fields(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        self.errors.extend(errors);
    }

    /// Everything that was found wrong, the fields that no one asked for included.
    pub fn finish(mut self) -> Result<(), Problem> {
        let unknown =
            self.fields.keys().map(|field| FieldError::new(field, "is not a field of this request"));
        self.errors.extend(unknown);
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_fields(self.errors)) }
    }
}

// Not derived: the values may be secrets.
impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("errors", &self.errors).finish_non_exhaustive()
    }
}

fn must_be<T: Field>() -> String {
    format!("must be {}", T::EXPECTED)
}

impl Field for String {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(must_be::<Self>()),
        }
    }
}

impl Field for Secret {
    const EXPECTED: &'static str = "a string that is not empty";

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(must_be::<Self>()),
        }
    }
}

impl Field for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_json(value: Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(must_be::<Self>)
    }
}

impl Field for u64 {
    const EXPECTED: &'static str = "a whole number, 0 or greater";

    fn from_json(value: Value) -> Result<Self, String> {
        value.as_u64().ok_or_else(must_be::<Self>)
    }
}

impl Field for Vec<String> {
    const EXPECTED: &'static str = "a list of strings";

    fn from_json(value: Value) -> Result<Self, String> {
        let Value::Array(items) = value else {
            return Err(must_be::<Self>());
        };
        items.into_iter().map(String::from_json).collect::<Result<_, _>>().map_err(|_| must_be::<Self>())
    }
}

impl Field for BTreeMap<String, String> {
    const EXPECTED: &'static str = "an object whose values are strings";

    fn from_json(value: Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(must_be::<Self>());
        };
        let entry = |(key, value)| Some((key, String::from_json(value).ok()?));
        fields.into_iter().map(entry).collect::<Option<_>>().ok_or_else(must_be::<Self>)
    }
}

impl Field for Map<String, Value> {
    const EXPECTED: &'static str = "an object";

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::Object(fields) => Ok(fields),
            _ => Err(must_be::<Self>()),
        }
    }
}

impl Field for Vec<Map<String, Value>> {
    const EXPECTED: &'static str = "a list of objects";

    fn from_json(value: Value) -> Result<Self, String> {
        let Value::Array(items) = value else {
            return Err(must_be::<Self>());
        };
        items.into_iter().map(Map::from_json).collect::<Result<_, _>>().map_err(|_| must_be::<Self>())
    }
}

impl Field for Name {
    const EXPECTED: &'static str = "a name";

    fn from_json(value: Value) -> Result<Self, String> {
        Ok(Self::parse(&String::from_json(value)?)?)
    }
}

impl Field for Scope {
    const EXPECTED: &'static str = "\"global\" or an organization's UUID";

    fn from_json(value: Value) -> Result<Self, String> {
        String::from_json(value)?.parse().map_err(|_| must_be::<Self>())
    }
}

impl Field for Timestamp {
    const EXPECTED: &'static str = "a time such as 2026-01-31T12:00:00Z (RFC 3339)";

    fn from_json(value: Value) -> Result<Self, String> {
        String::from_json(value)?.parse().map_err(|_| must_be::<Self>())
    }
}

impl<Kind> Field for Id<Kind> {
    const EXPECTED: &'static str = "a UUID";

    fn from_json(value: Value) -> Result<Self, String> {
        String::from_json(value)?.parse().map_err(|_| must_be::<Self>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(value: Value) -> Input {
        Input::new(Map::from_json(value).unwrap())
    }

    #[test]
    fn every_wrong_missing_and_unknown_field_is_named_at_once() {
        let mut input = input(json!({"name": 7, "colour": "red"}));
        input.required::<Name>("name");
        input.required::<String>("client_id");
        let problem = input.finish().unwrap_err();
        let fields: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["name", "client_id", "colour"]);
    }

    #[test]
    fn an_error_never_quotes_the_value() {
        let mut input = input(json!({"client_secret": 8675309}));
        input.required::<Secret>("client_secret");
        let problem = input.finish().unwrap_err();
        assert!(!format!("{problem:?}").contains("8675309"));
    }
}
