//! The editor of a config schema: a group of fields for each key, and buttons that add and remove groups. They send the
//! form, which comes back with what was typed; nothing is saved by them.

use bifrost::model::{
    FieldError,
    config::{ConfigField, ConfigSchema, ConfigType, MAX_KEYS},
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::unix_lines;
use crate::{form::Form, visit::Visit};

/// The name that the API has for all of it.
const SCHEMA: &str = "config_schema";
/// The types as the documentation has them, and what they hold.
const TYPES: [(&str, &str); 5] = [
    ("string", "string: text"),
    ("int", "int: integer"),
    ("bool", "bool: true or false"),
    ("json", "json: complex object"),
    ("secret", "secret: encrypted"),
];

/// One key as it stands in the form.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    key: String,
    r#type: String,
    required: bool,
    description: String,
    /// One a line.
    options: String,
}

/// A schema as it stands in the form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows(Vec<Row>);

/// What a button of the editor asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Add,
    Remove(usize),
    MoveUp(usize),
}

impl Change {
    pub(super) fn asked(visit: &Visit<'_>) -> Option<Self> {
        Self::parse(visit.field("change")?)
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once('-') {
            None => (text == "add").then_some(Self::Add),
            Some(("remove", row)) => row.parse().ok().map(Self::Remove),
            Some(("up", row)) => row.parse().ok().map(Self::MoveUp),
            Some(_) => None,
        }
    }
}

impl Row {
    fn of(field: &ConfigField) -> Self {
        let options = field.options.as_ref().into_iter().flatten().map(|option| line(field.r#type, option));
        Self {
            key: field.key.clone(),
            r#type: json!(field.r#type).as_str().unwrap_or_default().to_owned(),
            required: field.required,
            description: unix_lines(field.description.as_deref().unwrap_or_default()),
            options: options.collect::<Vec<_>>().join("\n"),
        }
    }

    /// Added, and then not used.
    fn is_blank(&self) -> bool {
        [&self.key, &self.description, &self.options].iter().all(|text| text.trim().is_empty())
    }

    fn field(&self) -> Map<String, Value> {
        let lines = self.options.lines().map(str::trim).filter(|line| !line.is_empty());
        let options: Vec<_> = lines.map(|line| option(&self.r#type, line)).collect();
        let mut field = Map::new();
        field.insert("key".to_owned(), self.key.trim().into());
        field.insert("type".to_owned(), self.r#type.as_str().into());
        field.insert("required".to_owned(), self.required.into());
        if !self.description.trim().is_empty() {
            field.insert("description".to_owned(), self.description.trim().into());
        }
        if !options.is_empty() {
            field.insert("options".to_owned(), options.into());
        }
        field
    }
}

/// An option as a line of text. A text that would not come back as it is stands in quotes.
fn line(r#type: ConfigType, option: &Value) -> String {
    match option.as_str().filter(|_| r#type == ConfigType::String) {
        Some(text) if is_plain(text) => text.to_owned(),
        _ => option.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.starts_with('"') && text.lines().count() == 1
}

/// What a line of text stands for. What is no value of its type stays a text, for the schema's rules to refuse.
fn option(r#type: &str, line: &str) -> Value {
    let text = || Value::from(line);
    if r#type == "string" && !line.starts_with('"') {
        return text();
    }
    serde_json::from_str(line).unwrap_or_else(|_| text())
}

impl Rows {
    pub(super) fn of(schema: &ConfigSchema) -> Self {
        Self(schema.fields().iter().map(Row::of).collect())
    }

    pub(super) fn typed(visit: &Visit<'_>) -> Self {
        let row = |index: usize| {
            let name = |part: &str| format!("{SCHEMA}[{index}].{part}");
            let text = |part: &str| visit.field(&name(part)).map(unix_lines);
            Some(Row {
                key: text("key")?,
                r#type: text("type").unwrap_or_default(),
                required: visit.ticked(&name("required")),
                description: text("description").unwrap_or_default(),
                options: text("options").unwrap_or_default(),
            })
        };
        Self((0..).map_while(row).collect())
    }

    /// Without the groups that were left empty, so that their places are those that errors name.
    pub(super) fn filled(mut self) -> Self {
        self.0.retain(|row| !row.is_blank());
        self
    }

    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Add => self.0.push(Row { r#type: "string".to_owned(), ..Row::default() }),
            Change::Remove(row) if row < self.0.len() => {
                self.0.remove(row);
            }
            Change::MoveUp(row) if (1..self.0.len()).contains(&row) => self.0.swap(row - 1, row),
            Change::Remove(_) | Change::MoveUp(_) => {}
        }
    }

    /// What stands in the form's fields.
    pub(super) fn values(&self) -> Vec<(String, String)> {
        let mut values = Vec::new();
        for (index, row) in self.0.iter().enumerate() {
            let mut put = |part: &str, value: &str| {
                values.push((format!("{SCHEMA}[{index}].{part}"), value.to_owned()))
            };
            put("key", &row.key);
            put("type", &row.r#type);
            put("description", &row.description);
            put("options", &row.options);
            if row.required {
                put("required", "true");
            }
        }
        values
    }

    /// As the API takes it. A group that still says what is stored is what is stored, to the letter.
    pub(super) fn body(&self, stored: Option<&ConfigSchema>) -> Result<Value, Vec<FieldError>> {
        let as_stored = |row: &Row| {
            let field = stored?.field(&row.key).filter(|field| Row::of(field) == *row)?;
            json!(field).as_object().cloned()
        };
        let fields: Vec<_> = self.0.iter().map(|row| as_stored(row).unwrap_or_else(|| row.field())).collect();
        let body = json!(fields);
        match ConfigSchema::parse(fields) {
            Ok(_) => Ok(body),
            Err(errors) => Err(errors.into_iter().map(|error| self.placed(error)).collect()),
        }
    }

    /// Beside the field of a group that it is about.
    fn placed(&self, error: FieldError) -> FieldError {
        if error.field == SCHEMA {
            return error;
        }
        let message = error.message;
        let part = if message.starts_with("needs a key") || message.ends_with("a second time") {
            "key"
        } else if message.contains("option") {
            "options"
        } else if message.contains("description") {
            "description"
        } else {
            "type"
        };
        FieldError { field: format!("{}.{part}", error.field), message }
    }

    /// `now`: the button that brought the form here, so that the keyboard goes on where it was.
    pub(super) fn editor(&self, form: &Form, now: Option<Change>) -> Markup {
        let last = self.0.len().saturating_sub(1);
        let focus_adds = matches!(now, Some(Change::Remove(_)));
        html! {
            fieldset {
                legend { "Config Schema" span.optional { " (optional)" } }
                p.hint {
                    "What has to be configured to call the API, such as base_url, api_key or tenant_id. Defaults for all \
                     organizations are filled in afterwards; each mapping can override them."
                }
                @if let Some(error) = form.error(SCHEMA).filter(|_| self.0.len() > MAX_KEYS) { p.error { (error) } }
                @for (index, row) in self.0.iter().enumerate() {
                    (row.editor(form, index, now == Some(Change::Add) && index == last))
                }
                button.quiet type="submit" name="change" value="add" formnovalidate autofocus[focus_adds] { "Add field" }
            }
        }
    }
}

impl Row {
    fn editor(&self, form: &Form, index: usize, focus: bool) -> Markup {
        let name = |part: &str| format!("{SCHEMA}[{index}].{part}");
        let (key, r#type, required) = (name("key"), name("type"), name("required"));
        let (description, options) = (name("description"), name("options"));
        let types = TYPES.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect();
        let what = match self.key.trim() {
            "" => format!("field {}", index + 1),
            key => format!("field {} ({key})", index + 1),
        };
        html! {
            fieldset.entry {
                legend { "Field " (index + 1) }
                div.row {
                    @if focus { (form.text(&key, "Key").required().focused()) } @else { (form.text(&key, "Key").required()) }
                    (form.select(&r#type, "Type", types).required())
                    (form.check(&required, "Required"))
                }
                div.row {
                    (form.area(&description, "Description", 2).hint("Shown beside the value"))
                    (form.area(&options, "Options", 2).hint("The only values allowed, one a line"))
                }
                div.actions {
                    @if index > 0 {
                        button.quiet type="submit" name="change" value={ "up-" (index) } formnovalidate
                            aria-label={ "Move up " (what) } { "Move up" }
                    }
                    button.quiet.danger type="submit" name="change" value={ "remove-" (index) } formnovalidate
                        aria-label={ "Remove " (what) } { "Remove" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: Value) -> ConfigSchema {
        serde_json::from_value(fields).unwrap()
    }

    fn row(key: &str, r#type: &str, options: &str) -> Row {
        Row { key: key.to_owned(), r#type: r#type.to_owned(), options: options.to_owned(), ..Row::default() }
    }

    #[test]
    fn a_schema_that_is_shown_and_sent_back_is_the_same_to_the_letter() {
        let stored = json!([
            {"key": "base_url", "type": "string", "required": true, "description": " two\r\nlines ", "options": null},
            {"key": "region", "type": "string", "required": false, "description": null,
                "options": ["eu", "", " us", "\"quoted\"", "two\nlines"]},
            {"key": "ratio", "type": "json", "required": false, "description": "", "options": [1.0, {"a": null}, "x"]},
        ]);
        let schema = schema(stored.clone());
        assert_eq!(Rows::of(&schema).body(Some(&schema)).unwrap(), stored);
    }

    #[test]
    fn options_are_read_as_values_of_their_type() {
        let options = |r#type: &str, text: &str| {
            Rows(vec![row("a", r#type, text)]).body(None).unwrap()[0]["options"].clone()
        };
        assert_eq!(options("string", "eu\n\n 5 \n\" us\""), json!(["eu", "5", " us"]));
        assert_eq!(options("int", "30\n60"), json!([30, 60]));
        assert_eq!(options("bool", "true"), json!([true]));
        assert_eq!(options("json", "{\"a\": [1]}\n\"x\""), json!([{"a": [1]}, "x"]));
        assert_eq!(options("string", " \n"), Value::Null);
    }

    #[test]
    fn what_is_wrong_is_said_beside_the_field_of_the_group_that_it_is_about() {
        let rows = Rows(vec![
            row("a", "string", ""),
            row("a", "string", ""),
            row("", "int", ""),
            row("b", "int", "many"),
            row("c", "secret", "x"),
            row("d", "float", ""),
            Row { description: "x".repeat(2001), ..row("e", "string", "") },
        ]);
        let errors = rows.body(None).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        let expected = ["[1].key", "[2].key", "[3].options", "[4].options", "[5].type", "[6].description"];
        assert_eq!(fields, expected.map(|place| format!("config_schema{place}")));
    }

    #[test]
    fn buttons_add_remove_and_move_groups_and_no_others() {
        let mut rows = Rows(["a", "b", "c"].map(|key| row(key, "int", "")).to_vec());
        let keys = |rows: &Rows| rows.0.iter().map(|row| row.key.clone()).collect::<Vec<_>>().join("");
        for (text, expected) in
            [("remove-0", "bc"), ("up-1", "cb"), ("add", "cb"), ("up-0", "cb"), ("remove-9", "cb")]
        {
            rows.change(Change::parse(text).unwrap());
            assert_eq!(keys(&rows), expected, "{text}");
        }
        assert_eq!(rows.filled().0.len(), 2);
        assert!(["", "remove", "remove-x", "save"].iter().all(|text| Change::parse(text).is_none()));
    }
}
