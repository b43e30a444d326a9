//! Reading a caller's JSON object field by field, so that one answer names everything that is wrong with it.
//!
//! serde alone stops at the first error and quotes the offending value, which may be a secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    FieldError, Id, Name, Problem, Scope, Secret, Timestamp,
    description::{self, Described},
    secret::MAX_SECRET,
};

/// A JSON object being read. Fields that nobody asked for are errors in [`Input::finish`].
pub struct Input {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

/// A type that a field of the input can have.
pub trait Field: Sized + Described {
    /// What the field must be, to follow "must be".
    const EXPECTED: &'static str;

    fn from_json(value: Value) -> Result<Self, String>;
}

/// The longest text, in characters.
pub const MAX_TEXT: usize = 2000;
/// An entity id stands in URLs and in the key of its uniqueness item.
pub const MAX_ENTITY_ID: usize = 512;

/// A text for people.
#[derive(Debug, Default)]
pub struct Text(pub String);

/// What the provider calls an organization's tenant.
#[derive(Debug)]
pub struct EntityId(String);

described!(Text: {"type": "string", "maxLength": MAX_TEXT});
described!(EntityId: {
    "description": "At most 512 bytes.",
    "type": "string", "maxLength": MAX_ENTITY_ID, "pattern": NO_CONTROL_CHARACTERS,
});

/// As Rust's `char::is_control` has it.
#[cfg(feature = "openapi")]
pub(super) const NO_CONTROL_CHARACTERS: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// An optional text of at most [`MAX_TEXT`] characters; an empty one counts as none.
pub(super) fn text(input: &mut Input, field: &str) -> Option<String> {
    let Text(text) = input.optional(field)?;
    (!text.is_empty()).then_some(text)
}

impl EntityId {
    /// From a query, where an empty one is none that anything could be mapped to.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |message| Problem::invalid("entity_id", message);
        if text.is_empty() {
            return Err(wrong("must not be empty".to_owned()));
        }
        Self::from_json(Value::from(text)).map_err(wrong)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An empty one counts as none.
    pub(super) fn read(input: &mut Input, field: &str) -> Option<String> {
        let Self(text) = input.optional(field)?;
        (!text.is_empty()).then_some(text)
    }
}

impl Input {
    pub fn new(fields: Map<String, Value>) -> Self {
        Self { fields, errors: Vec::new() }
    }

    /// The field's value; `None` if it is absent, null, or wrong (which is noted).
    pub fn optional<T: Field>(&mut self, field: &str) -> Option<T> {
        description::note::<T>(field, false);
        self.take(field)
    }

    fn take<T: Field>(&mut self, field: &str) -> Option<T> {
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
        description::note::<T>(field, false);
        match self.fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::from_json(value).map(Some).map_err(|message| Problem::invalid(field, message)),
        }
    }

    /// The field's value; `None` means that it is missing or wrong (which is noted).
    pub fn required<T: Field>(&mut self, field: &str) -> Option<T> {
        description::note::<T>(field, true);
        if matches!(self.fields.get(field), None | Some(Value::Null)) {
            self.fields.remove(field);
            self.wrong(field, format!("is required: {}", T::EXPECTED));
            return None;
        }
        self.take(field)
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
            Value::String(text) if text.len() > MAX_SECRET => Err("may take 64 KiB at most".to_owned()),
            Value::String(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(must_be::<Self>()),
        }
    }
}

impl Field for Text {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: Value) -> Result<Self, String> {
        let text = String::from_json(value)?;
        if text.chars().count() > MAX_TEXT {
            return Err(format!("may be {MAX_TEXT} characters long at most"));
        }
        Ok(Self(text))
    }
}

impl Field for EntityId {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: Value) -> Result<Self, String> {
        let text = String::from_json(value)?;
        if text.len() > MAX_ENTITY_ID || text.chars().any(char::is_control) {
            return Err(format!("may be {MAX_ENTITY_ID} bytes long at most, without control characters"));
        }
        Ok(Self(text))
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
