//! A list of mappings: first what it would change, then, if that is meant, the changes.
//!
//! What a list has no column for stays. An empty cell means that there is no value here, so that the default applies; but
//! secrets, which no export has, stay unless there is a new one. Between the preview and the import others may change a
//! mapping: such a row is not written, and says so.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bifrost::{
    app::{
        integrations::IntegrationView,
        mapping_table::{Compared, MappingChange},
        mappings::Put,
    },
    model::{
        Code, FieldError, OrganizationId, Problem,
        access::Operation,
        config::{ConfigField, ConfigSchema, ConfigType, shown_secret},
        organization::Organization,
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{
    address,
    csv::{self, Record},
    entity_label, page_below, table_address,
};
use crate::{
    config_fields::ConfigFields,
    form::Form,
    reply::Reply,
    ui,
    visit::Visit,
    words::{badge, counted},
};

/// What the columns of a list are called.
pub(super) mod columns {
    pub(in super::super) const ORGANIZATION_ID: &str = "organization_id";
    pub(in super::super) const ORGANIZATION: &str = "organization";
    pub(in super::super) const ENTITY_ID: &str = "entity_id";
    pub(in super::super) const ENTITY_NAME: &str = "entity_name";
    /// And the key.
    pub(in super::super) const CONFIG: &str = "config.";
}

/// What a form may have, in bytes as it is sent.
const MAX_FORM: usize = 256 * 1024;
/// What is left of it for the form's own fields, beside what the preview adds for each line.
const OVERHEAD: usize = 1024;
/// Of the 30 seconds that the gateway gives a page.
const WRITING_TIME: Duration = Duration::from_secs(20);

pub(super) async fn page(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    visit.permitted(Operation::MappingsImport, visit.caller().home)?;
    if !visit.is_post() {
        return Ok(asking(integration, &Form::empty(visit)));
    }
    if visit.field("step") != Some("import") {
        visit.acts.only_prepare();
    }
    let text = visit.field("csv").unwrap_or_default();
    let table = match Table::read(text, &integration.config_schema) {
        Ok(table) => table,
        Err(problem) => return Ok(asking(integration, &Form::typed(visit, Some(problem)))),
    };
    if visit.field("step") == Some("correct") {
        return Ok(asking(integration, &Form::new(visit, [("csv", table.without_secrets(|_| true))])));
    }
    let plan = Plan::make(visit, integration, &table).await?;
    if visit.field("step") == Some("import") {
        let seen = visit.field("seen").unwrap_or_default();
        let written = plan.write(visit, integration, seen).await;
        return Ok(result(visit, integration, &table, &plan, &written));
    }
    if encoded_len(text) + encoded_len(&plan.seen()) + OVERHEAD > MAX_FORM {
        return Ok(asking(integration, &Form::typed(visit, Some(too_much()))));
    }
    Ok(preview(visit, integration, text, &plan))
}

fn too_much() -> Problem {
    Problem::invalid("csv", "is too long for one import: send it in parts, each with the header line")
}

/// As browsers encode the fields of a form.
fn encoded_len(text: &str) -> usize {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" *-._".contains(&byte);
    // A line's end is sent as two characters.
    let line_ends = text.matches('\n').count() - text.matches("\r\n").count();
    text.bytes().map(|byte| if plain(byte) { 1 } else { 3 }).sum::<usize>() + 3 * line_ends
}

/// A list as it was sent.
struct Table<'a> {
    schema: &'a ConfigSchema,
    columns: Vec<Column<'a>>,
    head: Record,
    records: Vec<Record>,
}

#[derive(Clone, Copy, PartialEq)]
enum Column<'a> {
    OrganizationId,
    Organization,
    EntityId,
    EntityName,
    Config(&'a ConfigField),
    /// An empty one, as spreadsheets leave behind.
    None,
}

impl<'a> Table<'a> {
    fn read(text: &str, schema: &'a ConfigSchema) -> Result<Self, Problem> {
        let wrong = |message: String| Problem::invalid("csv", message);
        if text.contains('\u{fffd}') {
            let message = "holds characters that could not be read: save the file as CSV in UTF-8";
            return Err(wrong(message.to_owned()));
        }
        let mut records = csv::parse(text).map_err(wrong)?.into_iter();
        let head = records.next().ok_or_else(|| {
            wrong("is empty: it needs a header line and a line for each mapping".to_owned())
        })?;
        let records: Vec<_> = records.collect();
        let mut columns = Vec::with_capacity(head.cells.len());
        for (index, title) in head.cells.iter().enumerate() {
            let column = column(title.trim(), schema).map_err(wrong)?;
            if column != Column::None && columns.contains(&column) {
                return Err(wrong(format!("has two columns {}", title.trim())));
            }
            let filled =
                |record: &&Record| record.cells.get(index).is_some_and(|cell| !cell.trim().is_empty());
            if column == Column::None
                && let Some(record) = records.iter().find(filled)
            {
                return Err(wrong(format!(
                    "has no name in the header line for column {}, which line {} uses",
                    index + 1,
                    record.line
                )));
            }
            columns.push(column);
        }
        if !columns.iter().any(|column| matches!(column, Column::OrganizationId | Column::Organization)) {
            return Err(wrong(format!(
                "needs a column {} or {} in its header line",
                columns::ORGANIZATION_ID,
                columns::ORGANIZATION
            )));
        }
        if records.is_empty() {
            return Err(wrong("has a header line and nothing below it".to_owned()));
        }
        Ok(Self { schema, columns, head, records })
    }

    /// None: there is no such column.
    fn cell<'r>(&self, record: &'r Record, column: Column<'_>) -> Option<&'r str> {
        let index = self.columns.iter().position(|one| *one == column)?;
        Some(csv::meant(record.cells.get(index)?.trim()))
    }

    /// Some of the lines once more, for people to correct. A secret is not shown, not even to who brought it.
    fn without_secrets(&self, wanted: impl Fn(usize) -> bool) -> String {
        let is_secret = |column: &Column<'_>| matches!(column, Column::Config(field) if field.r#type == ConfigType::Secret);
        let shown = |record: &Record| {
            csv::write(record.cells.iter().enumerate().map(|(index, cell)| {
                if self.columns.get(index).is_some_and(is_secret) { "" } else { cell.as_str() }
            }))
        };
        let lines = self.records.iter().enumerate().filter(|(index, _)| wanted(*index));
        let head = csv::write(&self.head.cells);
        std::iter::once(head).chain(lines.map(|(_, record)| shown(record))).collect()
    }

    fn has_secrets(&self) -> bool {
        let secrets = self.schema.fields().iter().filter(|field| field.r#type == ConfigType::Secret);
        secrets.into_iter().any(|field| {
            let column = Column::Config(field);
            self.records.iter().any(|record| self.cell(record, column).is_some_and(|cell| !cell.is_empty()))
        })
    }
}

fn column<'a>(title: &str, schema: &'a ConfigSchema) -> Result<Column<'a>, String> {
    if let Some(key) = title.strip_prefix(columns::CONFIG) {
        let unknown = || format!("has a column {title}, but the integration's configuration has no {key}");
        return schema.field(key).map(Column::Config).ok_or_else(unknown);
    }
    Ok(match title.to_lowercase().as_str() {
        columns::ORGANIZATION_ID => Column::OrganizationId,
        columns::ORGANIZATION => Column::Organization,
        columns::ENTITY_ID => Column::EntityId,
        columns::ENTITY_NAME => Column::EntityName,
        "" => Column::None,
        _ => {
            return Err(format!(
                "has a column {title}, which is none of {}, {}, {}, {} and {}<key>",
                columns::ORGANIZATION_ID,
                columns::ORGANIZATION,
                columns::ENTITY_ID,
                columns::ENTITY_NAME,
                columns::CONFIG
            ));
        }
    })
}

/// What an import would do, line by line.
struct Plan {
    rows: Vec<Row>,
}

struct Row {
    line: usize,
    organization: String,
    outcome: Outcome,
}

enum Outcome {
    /// Why it can't be.
    Wrong(String),
    Unchanged {
        revision: Option<u64>,
    },
    /// New if there is no revision yet.
    Write {
        organization: OrganizationId,
        revision: Option<u64>,
        frees: bool,
        body: Map<String, Value>,
        changes: Vec<Change>,
    },
}

/// What is to be different.
struct Change {
    field: String,
    old: Option<String>,
    new: Option<String>,
}

impl Plan {
    async fn make(
        visit: &Visit<'_>,
        integration: &IntegrationView,
        table: &Table<'_>,
    ) -> Result<Self, Problem> {
        let by_name = table.columns.contains(&Column::Organization);
        let known = if by_name { visit.bifrost.organizations_by_name().await? } else { Vec::new() };
        let named = Named::new(&known);
        let mut first = Firsts::default();
        let mut changes = Vec::new();
        let mut records = Vec::new();
        let mut rows: Vec<Option<Row>> = Vec::with_capacity(table.records.len());
        for record in &table.records {
            match first.change_of(table, record, &named) {
                Ok(change) => {
                    changes.push(change);
                    records.push(record);
                    rows.push(None);
                }
                Err(reason) => {
                    let organization =
                        table.cell(record, Column::Organization).filter(|name| !name.is_empty());
                    let id = table.cell(record, Column::OrganizationId);
                    let organization = organization.or(id).unwrap_or_default().to_owned();
                    rows.push(Some(Row { line: record.line, organization, outcome: Outcome::Wrong(reason) }));
                }
            }
        }
        let config = |index: usize, stored: &Map<String, Value>| config_of(table, records[index], stored);
        let compared = visit.bifrost.compare_mappings(&integration.name, &changes, config).await?;
        let compared = records.iter().zip(changes).zip(compared);
        let mut compared =
            compared.map(|((record, change), compared)| row(integration, record, &change, compared));
        let rows = rows.into_iter().filter_map(|row| row.or_else(|| compared.next())).collect();
        Ok(Self { rows })
    }

    fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        self.rows.iter().filter(|row| wanted(&row.outcome)).count()
    }

    fn added(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Write { revision: None, .. }))
    }

    fn changed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Write { revision: Some(_), .. }))
    }

    fn unchanged(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Unchanged { .. }))
    }

    fn wrong(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Wrong(_)))
    }

    /// Each line's revision as the preview shows it: what the import must find again.
    fn seen(&self) -> String {
        let seen: Vec<_> = self.rows.iter().map(|row| row.outcome.seen()).collect();
        seen.join(".")
    }

    /// Writes what is to be written; what became of it, line by line.
    async fn write(&self, visit: &Visit<'_>, integration: &IntegrationView, seen: &str) -> Vec<Written> {
        let seen: Vec<&str> = seen.split('.').collect();
        let as_seen =
            |index: usize, row: &Row| seen.get(index).is_some_and(|seen| *seen == row.outcome.seen());
        let mut written: Vec<Written> = Vec::with_capacity(self.rows.len());
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for (index, row) in self.rows.iter().enumerate() {
            written.push(match &row.outcome {
                Outcome::Wrong(reason) => Written::Failed(reason.clone()),
                Outcome::Unchanged { .. } => Written::Unchanged,
                Outcome::Write { .. } if !as_seen(index, row) => Written::Failed(
                    "Not written: somebody has changed this mapping since the preview. Preview it again."
                        .to_owned(),
                ),
                // Who gives up an entity id comes before who may take it.
                Outcome::Write { frees, .. } => {
                    if *frees {
                        first.push(index)
                    } else {
                        then.push(index)
                    }
                    Written::Failed("There was no time left. Import it again.".to_owned())
                }
            });
        }
        let deadline = visit.request.deadline().at_most(WRITING_TIME);
        for wave in [first, then] {
            let next = AtomicUsize::new(0);
            let done = Mutex::new(Vec::with_capacity(wave.len()));
            let lane = async || {
                while let Some(index) = wave.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if deadline.remaining() < Duration::from_secs(2) {
                        return;
                    }
                    let became = self.write_one(visit, integration, *index).await;
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((*index, became));
                }
            };
            // Each waits for the tables most of the time.
            tokio::join!(lane(), lane(), lane(), lane(), lane(), lane(), lane(), lane());
            for (index, became) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
                written[index] = became;
            }
        }
        written
    }

    async fn write_one(&self, visit: &Visit<'_>, integration: &IntegrationView, index: usize) -> Written {
        let Outcome::Write { organization, revision, body, .. } = &self.rows[index].outcome else {
            return Written::Unchanged;
        };
        let (caller, name) = (visit.caller(), &integration.name);
        let written = visit
            .bifrost
            .put_mapping_in_place_of(caller, name, *organization, body.clone(), Some(*revision))
            .await;
        match written {
            Ok(Put::Created(_)) => Written::Created,
            Ok(Put::Replaced(_)) => Written::Updated,
            Err(problem) => Written::Failed(reason(&problem)),
        }
    }
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    Created,
    Updated,
    Unchanged,
    Failed(String),
}

impl Outcome {
    fn seen(&self) -> String {
        match self {
            Self::Wrong(_) => "x".to_owned(),
            Self::Unchanged { revision } | Self::Write { revision, .. } => {
                revision.map_or_else(|| "n".to_owned(), |revision| revision.to_string())
            }
        }
    }
}

/// Organizations by name, in lower case; None for a name that several have.
struct Named(HashMap<String, Option<OrganizationId>>);

impl Named {
    fn new(organizations: &[Organization]) -> Self {
        let mut named = HashMap::with_capacity(organizations.len());
        for organization in organizations {
            named
                .entry(organization.name.trim().to_lowercase())
                .and_modify(|id| *id = None)
                .or_insert(Some(organization.id));
        }
        Self(named)
    }

    fn find(&self, name: &str) -> Result<OrganizationId, String> {
        match self.0.get(&name.to_lowercase()) {
            Some(Some(id)) => Ok(*id),
            Some(None) => Err(format!(
                "Several organizations are called {name}: give the {}.",
                columns::ORGANIZATION_ID
            )),
            None => Err(format!("There is no organization called {name}.")),
        }
    }
}

/// The lines in which organizations and entities came first.
#[derive(Default)]
struct Firsts {
    organizations: HashMap<OrganizationId, usize>,
    entities: HashMap<String, usize>,
}

impl Firsts {
    /// What a line asks for, as far as the line alone tells.
    fn change_of(
        &mut self,
        table: &Table<'_>,
        record: &Record,
        named: &Named,
    ) -> Result<MappingChange, String> {
        let (given, wanted) = (record.cells.len(), table.columns.len());
        let rest = record.cells.iter().skip(wanted);
        if given < wanted || rest.into_iter().any(|cell| !cell.trim().is_empty()) {
            return Err(format!("It has {}, the header line {wanted}.", counted(given, "cell", "cells")));
        }
        let filled = |column| table.cell(record, column).filter(|cell| !cell.is_empty());
        let organization = match (filled(Column::OrganizationId), filled(Column::Organization)) {
            (Some(id), _) => {
                id.parse().map_err(|_| format!("{} must be a UUID.", columns::ORGANIZATION_ID))?
            }
            (None, Some(name)) => named.find(name)?,
            (None, None) => return Err("It names no organization.".to_owned()),
        };
        let text = |column| {
            table.cell(record, column).map(|cell| Some(cell.to_owned()).filter(|cell| !cell.is_empty()))
        };
        let change = MappingChange {
            organization,
            entity_id: text(Column::EntityId),
            entity_name: text(Column::EntityName),
        };
        if let Some(line) = self.organizations.get(&organization) {
            return Err(format!("The organization is in line {line} already."));
        }
        if let Some(Some(entity_id)) = &change.entity_id
            && let Some(line) = self.entities.get(entity_id)
        {
            return Err(format!(
                "The entity id is in line {line} already: it can belong to one organization only."
            ));
        }
        self.organizations.insert(organization, record.line);
        if let Some(Some(entity_id)) = &change.entity_id {
            self.entities.insert(entity_id.clone(), record.line);
        }
        Ok(change)
    }
}

/// The values that a line brings, given what is stored.
fn config_of(
    table: &Table<'_>,
    record: &Record,
    stored: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<FieldError>> {
    let fields = ConfigFields { at: "config", schema: table.schema, stored, inherited: None };
    let mut values = Map::new();
    let mut errors = Vec::new();
    for column in &table.columns {
        let (Column::Config(field), Some(cell)) = (column, table.cell(record, *column)) else { continue };
        match fields.read_one(field, cell, false) {
            Ok(Some(value)) => drop(values.insert(field.key.clone(), value)),
            Ok(None) => {}
            Err(message) => errors.push(FieldError::new(&format!("config.{}", field.key), message)),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

fn row(integration: &IntegrationView, record: &Record, change: &MappingChange, compared: Compared) -> Row {
    let Compared { organization, old, body, problem } = compared;
    let label = organization.map_or_else(|| change.organization.to_string(), |found| found.name);
    let outcome = match problem {
        Some(problem) => Outcome::Wrong(reason(&problem)),
        None => {
            let revision = old.as_ref().map(|old| old.revision);
            let mut before = Map::new();
            if let Some(old) = &old {
                before.insert("entity_id".to_owned(), Value::from(old.entity_id.clone()));
                before.insert("entity_name".to_owned(), Value::from(old.entity_name.clone()));
                before.insert("config".to_owned(), Value::Object(old.config.clone()));
            }
            let changes = changes(integration, &before, &body);
            match (revision, changes.is_empty()) {
                (Some(_), true) => Outcome::Unchanged { revision },
                _ => {
                    let frees = old.is_some_and(|old| {
                        old.entity_id.is_some() && body["entity_id"].as_str() != old.entity_id.as_deref()
                    });
                    Outcome::Write { organization: change.organization, revision, frees, body, changes }
                }
            }
        }
    };
    Row { line: record.line, organization: label, outcome }
}

/// A problem in one sentence.
fn reason(problem: &Problem) -> String {
    let fields: Vec<_> =
        problem.errors.iter().map(|error| format!("{} {}.", error.field, error.message)).collect();
    match (fields.is_empty(), problem.code) {
        (false, _) => fields.join(" "),
        (true, Code::StaleRevision) => format!("{} Preview it again.", problem.detail),
        (true, _) => problem.detail.clone(),
    }
}

/// What is different, field by field, with secrets as the word that they are set.
fn changes(integration: &IntegrationView, old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |field: String, secret: bool, old: Option<&Value>, new: Option<&Value>| {
        let (old, new) = (old.filter(|value| !value.is_null()), new.filter(|value| !value.is_null()));
        if old != new {
            let shown = |value: &Value| match value {
                _ if secret => "set".to_owned(),
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            changes.push(Change { field, old: old.map(shown), new: new.map(shown) });
        }
    };
    compare(entity_label(integration), false, old.get("entity_id"), new.get("entity_id"));
    compare("Entity name".to_owned(), false, old.get("entity_name"), new.get("entity_name"));
    let value =
        |of: &Map<String, Value>, key: &str| of.get("config").and_then(|config| config.get(key)).cloned();
    for field in integration.config_schema.fields() {
        let secret = field.r#type == ConfigType::Secret;
        compare(field.key.clone(), secret, value(old, &field.key).as_ref(), value(new, &field.key).as_ref());
    }
    let stray = |key: &&String| integration.config_schema.field(key).is_none();
    if let Some(Value::Object(config)) = old.get("config") {
        for (key, value) in config.iter().filter(|(key, _)| stray(key)) {
            compare(key.clone(), *value == shown_secret(), Some(value), None);
        }
    }
    changes
}

/// The page that asks for a list.
fn asking(integration: &IntegrationView, form: &Form) -> Reply {
    let keys: Vec<_> = integration.config_schema.fields().iter().map(|field| field.key.as_str()).collect();
    let fields = html! {
        div.field data-needs-script hidden {
            label for="file" { "CSV file" span.optional { " (optional)" } }
            input type="file" id="file" accept=".csv,.tsv,.txt,text/csv" data-into="csv" aria-describedby="file-hint";
            p.hint id="file-hint" { "It is read into the field below; nothing is sent yet." }
        }
        (form.area("csv", "CSV", 12).required().hint("The header line and a line for each mapping, at most 256 KiB at once: \
            about 1,500 mappings. A longer list can be imported in parts, each with the header line."))
        button type="submit" { "Preview" }
        a.button.quiet href=(table_address(integration)) { "Cancel" }
    };
    let body = html! {
        div.card {
            p {
                "A header line says what the columns are: "
                code { (columns::ORGANIZATION_ID) } " or " code { (columns::ORGANIZATION) } " (its name), "
                code { (columns::ENTITY_ID) } ", " code { (columns::ENTITY_NAME) }
                @if !keys.is_empty() {
                    ", and for overrides " @for (index, key) in keys.iter().enumerate() { @if index > 0 { ", " } code { (columns::CONFIG) (key) } }
                }
                ". Commas, semicolons or tabs separate."
            }
            p { "What has no column stays as it is. An empty cell removes a value, so that the default applies; an empty secret stays." }
            p { "You see what will change before anything does. " a href=(address(integration, "~export")) { "Export CSV" } " gives a list to begin with." }
        }
        (form.around(&address(integration, "~import"), &fields))
    };
    page_below(integration, "Import CSV", &body).refused(form.problem()).into()
}

/// Counts by word and colour, without those of nothing.
fn counts(all: &[(usize, &str, &str)]) -> Markup {
    html! {
        p.counts role="status" {
            @for (count, class, word) in all { @if *count > 0 { (badge(class, &format!("{count} {word}"))) " " } }
        }
    }
}

fn preview(visit: &Visit<'_>, integration: &IntegrationView, text: &str, plan: &Plan) -> Reply {
    let writes = plan.added() + plan.changed();
    let form = Form::empty(visit);
    let hidden = |step: &str| {
        html! {
            input type="hidden" name="csv" value=(text);
            input type="hidden" name="step" value=(step);
        }
    };
    let import = html! {
        (hidden("import"))
        input type="hidden" name="seen" value=(plan.seen());
        button type="submit" { "Import " (counted(writes, "mapping", "mappings")) }
    };
    let correct = html! { (hidden("correct")) button.quiet type="submit" { "Change the list" } };
    let action = address(integration, "~import");
    let rows = html! { @for row in &plan.rows { (preview_row(row)) } };
    let body = html! {
        (counts(&[
            (plan.added(), "good", "new"),
            (plan.changed(), "warn", "to change"),
            (plan.unchanged(), "idle", "unchanged"),
            (plan.wrong(), "bad", "wrong"),
        ]))
        @if writes == 0 {
            p { "There is nothing to import: no line would change anything." }
        } @else {
            p { "Nothing is written yet." @if plan.wrong() > 0 { " Lines that are wrong are left out." } }
        }
        div.side-by-side {
            @if writes > 0 { (form.around(&action, &import)) }
            (form.around(&action, &correct))
            a.button.quiet href=(table_address(integration)) { "Cancel" }
        }
        (ui::table("What the import will do", &["Line", "Organization", "Result", "What changes"], &rows))
    };
    page_below(integration, "Import CSV: preview", &body).into()
}

fn preview_row(row: &Row) -> Markup {
    html! {
        tr {
            td { (row.line) }
            th scope="row" { (row.organization) }
            @match &row.outcome {
                Outcome::Wrong(reason) => { td { (badge("bad", "Wrong")) } td { (reason) } }
                Outcome::Unchanged { .. } => { td { (badge("idle", "Unchanged")) } td {} }
                Outcome::Write { revision, changes, .. } => {
                    td { @if revision.is_some() { (badge("warn", "Changes")) } @else { (badge("good", "New")) } }
                    td { ul.changes { @for change in changes { li { (change_in_words(change, revision.is_none())) } } } }
                }
            }
        }
    }
}

fn change_in_words(change: &Change, is_new: bool) -> Markup {
    let value = |value: &Option<String>| match value {
        Some(value) => html! { code { (value) } },
        None => html! { span.none { "none" } },
    };
    html! {
        (change.field) ": "
        @if !is_new { (value(&change.old)) " → " }
        (value(&change.new))
    }
}

fn result(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    table: &Table<'_>,
    plan: &Plan,
    written: &[Written],
) -> Reply {
    let count = |wanted: &Written| written.iter().filter(|one| *one == wanted).count();
    let failed = |index: usize| matches!(written.get(index), Some(Written::Failed(_)));
    let failures = written.iter().filter(|one| matches!(one, Written::Failed(_))).count();
    let form = Form::new(visit, [("csv", table.without_secrets(failed))]);
    let again = html! {
        (form.area("csv", "The lines that failed", 8).bare().hint(if table.has_secrets() {
            "Correct them here, or copy them. Secrets are not shown: fill them in again where they are to be set."
        } else {
            "Correct them here, or copy them."
        }))
        button type="submit" { "Preview" }
    };
    let rows = html! {
        @for (row, one) in plan.rows.iter().zip(written) {
            @if let Written::Failed(reason) = one {
                tr { td { (row.line) } th scope="row" { (row.organization) } td { (reason) } }
            }
        }
    };
    let body = html! {
        (counts(&[
            (count(&Written::Created), "good", "created"),
            (count(&Written::Updated), "good", "updated"),
            (count(&Written::Unchanged), "idle", "unchanged"),
            (failures, "bad", "failed"),
        ]))
        @if failures > 0 {
            (ui::table("What failed", &["Line", "Organization", "Why"], &rows))
            (form.around(&address(integration, "~import"), &again))
        } @else {
            p { "Everything in the list is in place." }
        }
        p { a href=(table_address(integration)) { "Show the mappings" } }
    };
    page_below(integration, "Import CSV: result", &body).into()
}

#[cfg(test)]
mod tests {
    use bifrost::model::input::Field;
    use serde_json::json;

    use super::*;

    fn schema() -> ConfigSchema {
        ConfigSchema::from_json(json!([
            {"key": "timeout", "type": "int"},
            {"key": "api_key", "type": "secret"},
        ]))
        .unwrap()
    }

    fn refused(text: &str) -> String {
        Table::read(text, &schema()).err().unwrap().errors.remove(0).message
    }

    #[test]
    fn a_header_line_that_says_too_little_or_too_much_is_refused() {
        for (text, words) in [
            ("", "is empty"),
            ("organization,entity_id", "nothing below it"),
            ("entity_id\n1", "needs a column organization_id or organization"),
            ("organization,colour\na,b", "has a column colour"),
            ("organization,config.colour\na,b", "configuration has no colour"),
            ("organization,Organization\na,b", "has two columns"),
            ("organization,\na,b", "no name in the header line for column 2, which line 2 uses"),
            ("organization\n\u{fffd}", "UTF-8"),
        ] {
            assert!(refused(text).contains(words), "{text:?}: {}", refused(text));
        }
        let schema = schema();
        let spare = Table::read("Organization; ENTITY_ID ;;\nAcme;1;;", &schema).ok().unwrap();
        assert_eq!(spare.cell(&spare.records[0], Column::EntityId), Some("1"));
    }

    #[test]
    fn a_line_that_names_what_another_has_named_is_wrong() {
        let schema = schema();
        let ids = [OrganizationId::new(), OrganizationId::new()];
        let text = format!("organization_id,entity_id\n{0},1\n{0},2\n{1},1\n{1}\nAcme,3\n,4", ids[0], ids[1]);
        let table = Table::read(&text, &schema).ok().unwrap();
        let (mut firsts, named) = (Firsts::default(), Named::new(&[]));
        let reasons: Vec<_> = table
            .records
            .iter()
            .map(|record| firsts.change_of(&table, record, &named).err().unwrap_or_default())
            .collect();
        assert_eq!(reasons[0], "");
        for (reason, words) in reasons[1..].iter().zip([
            "in line 2 already",
            "entity id is in line 2 already",
            "It has 1 cell, the header line 2",
            "must be a UUID",
            "names no organization",
        ]) {
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn an_empty_cell_removes_a_value_and_leaves_a_secret() {
        let schema = schema();
        let table = Table::read("organization,config.timeout,config.api_key\nAcme,,", &schema).ok().unwrap();
        let stored = json!({"timeout": 5, "api_key": shown_secret()});
        let values = config_of(&table, &table.records[0], stored.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(values), json!({"timeout": null}));
    }

    #[test]
    fn secrets_do_not_come_back_with_the_lines_to_correct() {
        let schema = schema();
        let text = "organization,config.api_key\nAcme,s3cr3t\nGlobex,t0ps3cr3t";
        let table = Table::read(text, &schema).ok().unwrap();
        assert!(table.has_secrets());
        assert_eq!(table.without_secrets(|index| index == 1), "organization,config.api_key\r\nGlobex,\r\n");
    }

    #[test]
    fn the_length_of_a_form_is_known_before_it_is_sent() {
        assert_eq!(encoded_len("a b,ü\n"), "a+b%2C%C3%BC%0D%0A".len());
        assert_eq!(encoded_len("a\r\n"), "a%0D%0A".len());
    }
}
