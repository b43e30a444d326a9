//! What differs from run to run, replaced by something of the same form that does not.

use std::collections::HashMap;

use bifrost_openapi::Example;
use serde_json::Value;
use uuid::Uuid;

/// Values by the name of the field that they stand in.
const BY_FIELD: [(&str, &str); 7] = [
    ("access_token", "an-access-token"),
    ("authorization", "Bearer an-access-token"),
    ("connect_url", "https://bifrost.example/connect/k3yD0s2YpV8bWq7dJm1nX5tRz9aHfUe4LgC6oQiTvEs"),
    ("key", "bfk_019b1c0e5a007000800000000000c0de_mB7tY2wK9pXqV4nZ1rJc8dLhF6sGa0uEiO3yTxWkQeU"),
    ("refresh_token", "a-refresh-token"),
    ("request_id", "JdYpUhL3oAMEVaQ="),
    ("next_cursor", "W1sicGsiLCJHTE9CQUwiXV0"),
];

pub(super) struct Placeholders<'a> {
    /// Origins of this run, and of examples.
    places: &'a [(&'a str, &'a str)],
    ids: HashMap<Uuid, Uuid>,
}

impl<'a> Placeholders<'a> {
    pub(super) fn new(places: &'a [(&'a str, &'a str)]) -> Self {
        Self { places, ids: HashMap::new() }
    }

    pub(super) fn in_place_of_what_varies(&mut self, mut example: Example) -> Example {
        for (name, value) in &mut example.parameters {
            self.replace(name, value);
        }
        for value in example.body.iter_mut().chain(&mut example.answer) {
            self.replace("", value);
        }
        example
    }

    fn replace(&mut self, field: &str, value: &mut Value) {
        match value {
            Value::Object(members) => members.iter_mut().for_each(|(name, value)| self.replace(name, value)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(field, item)),
            Value::String(text) => *text = self.stable(field, text),
            // The seconds that are left depend on how fast this was.
            Value::Number(_) if field == "expires_in" => *value = 3600.into(),
            _ => {}
        }
    }

    fn stable(&mut self, field: &str, text: &str) -> String {
        // A schema's `key` is a word.
        let secret =
            BY_FIELD.iter().find(|(name, _)| *name == field && (field != "key" || text.starts_with("bfk_")));
        if let Some((_, stable)) = secret {
            return (*stable).to_owned();
        }
        if is_time(text) {
            return "2026-01-31T12:00:00.000Z".to_owned();
        }
        if let Some(id) = Uuid::try_parse(text).ok().filter(|id| id.get_version_num() == 7) {
            return self.stable_id(id).to_string();
        }
        self.places.iter().fold(text.to_owned(), |text, (here, example)| text.replace(here, example))
    }

    /// In the order in which they are first seen. Version 7, as all new ids are; ids that were chosen are not.
    fn stable_id(&mut self, id: Uuid) -> Uuid {
        let next = u128::try_from(self.ids.len() + 1).unwrap();
        let first = 0x019b_1c0e_5a00_7000_8000_0000_0000_0000;
        *self.ids.entry(id).or_insert_with(|| Uuid::from_u128(first + next))
    }
}

fn is_time(text: &str) -> bool {
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
}
