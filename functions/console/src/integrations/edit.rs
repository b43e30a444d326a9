//! Creating, editing and deleting an integration.

use std::collections::BTreeMap;

use bifrost::{
    app::{edit_integration::Stranded, integrations::IntegrationView},
    model::{
        Code, FieldError, Name, Problem, Scope, access::Operation, config::ConfigSchema,
        integration::NewIntegration, organization::Organization,
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::{
    LIST, SECTION, address, for_people, form, oauth, page_below,
    schema::{Change, Rows},
    shown_revision, unix_lines,
};
use crate::{
    form::Form,
    reply::{Page, Reply},
    ui,
    visit::Visit,
    words,
};

/// How many organizations are named where all of them may be meant.
const NAMED: usize = 20;

pub(super) async fn create(visit: &Visit<'_>) -> Result<Reply, Problem> {
    visit.permitted(Operation::IntegrationsCreate, visit.caller().home)?;
    let mut rows = Rows::typed(visit);
    let mut problem = None;
    let change = Change::asked(visit);
    if let Some(change) = change {
        visit.acts.only_prepare();
        rows.change(change);
    } else if visit.is_post() {
        rows = rows.filled();
        match make(visit, &rows).await {
            Ok(address) => return Ok(Reply::see_other(address)),
            Err(refused) => problem = Some(refused),
        }
    }
    let choices = oauth::choices(visit, None).await?;
    let fields = Form::new(visit, typed_beside(visit, &rows)).refused(problem);
    let body = form(
        visit,
        &fields,
        label,
        &html! {
            (fields.text("name", "Name").required().hint("A unique identifier, such as Microsoft_Graph or HaloPSA"))
            (basics(&fields))
            (rows.editor(&fields, change))
            (oauth::choice(visit, &fields, choices))
            button type="submit" { "Save" }
            a.button.quiet href=(LIST) { "Cancel" }
        },
    );
    let page = Page::new("Create Integration", SECTION, body).under("Integrations", LIST);
    Ok(page.refused(fields.problem()).into())
}

/// What is typed beside the schema stays as it is, except secrets.
fn typed_beside(visit: &Visit<'_>, rows: &Rows) -> Vec<(String, String)> {
    let beside = |(name, _): &&(String, String)| !name.starts_with("config_schema[");
    let typed = visit.form().iter().filter(beside).cloned();
    typed.chain(rows.values()).collect()
}

fn basics(fields: &Form) -> Markup {
    html! {
        (fields.area("description", "Description", 2).hint("What this integration connects to"))
        (fields.text("entity_id_name", "Entity ID Name")
            .hint("What the provider calls what an organization is mapped to, such as Tenant ID"))
        (fields.text("default_entity_id", "Default Entity ID").hint("For organizations without a mapping"))
    }
}

/// What people call the fields.
fn label(error: &FieldError) -> String {
    if let Some((row, part)) =
        error.field.strip_prefix("config_schema[").and_then(|rest| rest.split_once("]."))
        && let Ok(row) = row.parse::<usize>()
    {
        return format!("Field {}, {part}", row + 1);
    }
    let label = match error.field.as_str() {
        "name" => "Name",
        "description" => "Description",
        "entity_id_name" => "Entity ID Name",
        "default_entity_id" => "Default Entity ID",
        "config_schema" => "Config Schema",
        other => return oauth::label(other),
    };
    label.to_owned()
}

/// Where to go on. All that was typed is judged before anything is made.
async fn make(visit: &Visit<'_>, rows: &Rows) -> Result<String, Problem> {
    let mut body = visit.body(&["name", "entity_id_name", "default_entity_id"]);
    if let Some(description) = visit.text("description") {
        body.insert("description".to_owned(), unix_lines(description).into());
    }
    let provider = visit.text("oauth_provider");
    let custom = provider == Some(oauth::CUSTOM);
    let connection = if custom { visit.text("name") } else { provider };
    body.extend(connection.map(|connection| ("connection".to_owned(), connection.into())));
    let mut errors =
        NewIntegration::from_input(body.clone()).err().map(|problem| problem.errors).unwrap_or_default();
    errors.retain(|error| error.field != "connection");
    match rows.body(None) {
        Ok(schema) => drop(body.insert("config_schema".to_owned(), schema)),
        Err(wrong) => errors.extend(wrong),
    }
    if custom {
        visit.permitted(Operation::ConnectionsCreate, Scope::Global)?;
        errors.extend(oauth::wrong_inline(visit, visit.text("name")).await?);
    }
    if !errors.is_empty() {
        return Err(Problem::invalid_fields(errors));
    }
    let made = visit.bifrost.create_integration(body).await.map_err(|problem| match problem.code {
        Code::NameTaken => beside("name", problem),
        _ => problem,
    })?;
    let address = address(&made);
    if !custom {
        return Ok(format!("{address}?done=created"));
    }
    let done = match oauth::create_inline(visit, &made.name).await {
        Ok(()) => "created",
        // Judged before, so that somebody was faster; the page that this leads to asks for it again.
        Err(problem) => {
            visit.acts.ended(Operation::ConnectionsCreate, Err(&problem));
            "unconnected"
        }
    };
    Ok(format!("{address}/oauth?done={done}"))
}

fn beside(field: &str, problem: Problem) -> Problem {
    let errors = vec![FieldError::new(field, format!("is taken: {}", problem.detail))];
    problem.about(errors)
}

pub(super) async fn edit(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    let mut rows = if visit.is_post() { Rows::typed(visit) } else { Rows::of(&integration.config_schema) };
    let change = Change::asked(visit);
    let mut stranded = None;
    let mut problem = None;
    let mut revision = visit.text("revision").map_or_else(|| integration.revision.to_string(), str::to_owned);
    if let Some(change) = change {
        visit.acts.only_prepare();
        rows.change(change);
    } else if visit.is_post() {
        rows = rows.filled();
        match save(visit, integration, &rows).await? {
            Saved::Done => return Ok(Reply::see_other(format!("{}?done=saved", address(integration)))),
            Saved::Stranding(values) => stranded = Some(values),
            Saved::Refused(refused) => {
                // The next try is made on what is in force now.
                revision = visit.bifrost.show_integration(&integration.name).await?.revision.to_string();
                problem = Some(for_people(refused));
            }
        }
    }
    let values = if visit.is_post() { typed_beside(visit, &rows) } else { stored(integration, &rows) };
    let fields = Form::new(visit, values).refused(problem);
    let organizations = if stranded.is_some() { visit.organizations().await? } else { None };
    let body = form(
        visit,
        &fields,
        label,
        &html! {
            input type="hidden" name="revision" value=(revision);
            @if let Some(stranded) = &stranded { (stranding(stranded, organizations.as_deref())) }
            dl { dt { "Name" } dd { (integration.name) span.small { "A name can't be changed." } } }
            (basics(&fields))
            (rows.editor(&fields, change))
            button type="submit" { "Save" }
            a.button.quiet href=(address(integration)) { "Cancel" }
        },
    );
    let page = page_below(integration, "Edit integration".to_owned(), body);
    let conflict = stranded.map(|_| Problem::new(Code::ValuesStranded, ""));
    Ok(page.refused(fields.problem().or(conflict.as_ref())).into())
}

fn stored(integration: &IntegrationView, rows: &Rows) -> Vec<(String, String)> {
    let texts =
        texts_of(integration).map(|(name, text)| (name.to_owned(), text.unwrap_or_default().to_owned()));
    texts.into_iter().chain(rows.values()).collect()
}

fn texts_of(integration: &IntegrationView) -> [(&'static str, Option<&str>); 3] {
    [
        ("description", integration.description.as_deref()),
        ("entity_id_name", integration.entity_id_name.as_deref()),
        ("default_entity_id", integration.default_entity_id.as_deref()),
    ]
}

enum Saved {
    Done,
    /// The new schema has no place for these.
    Stranding(Stranded),
    Refused(Problem),
}

async fn save(visit: &Visit<'_>, integration: &IntegrationView, rows: &Rows) -> Result<Saved, Problem> {
    let mut patch = Map::new();
    for (name, stored) in texts_of(integration) {
        let typed = unix_lines(visit.field(name).unwrap_or_default());
        if typed != unix_lines(stored.unwrap_or_default()) {
            let typed = Some(typed.trim()).filter(|typed| !typed.is_empty());
            patch.insert(name.to_owned(), typed.map_or(Value::Null, Value::from));
        }
    }
    let schema = match rows.body(Some(&integration.config_schema)) {
        Ok(schema) => schema,
        Err(errors) => return Ok(Saved::Refused(Problem::invalid_fields(errors))),
    };
    if schema != json!(integration.config_schema) {
        patch.insert("config_schema".to_owned(), schema.clone());
    }
    let (revision, force) = (shown_revision(visit)?, visit.ticked("force"));
    let saved = visit.bifrost.update_integration(&integration.name, &patch, Some(revision), force).await;
    let Err(problem) = saved else { return Ok(Saved::Done) };
    let strands = |error: &FieldError| error.field.starts_with("defaults.");
    if problem.code == Code::ValuesStranded || problem.errors.iter().any(strands) {
        let schema: ConfigSchema = serde_json::from_value(schema).map_err(Problem::internal)?;
        return visit.bifrost.stranded(&integration.name, &schema).await.map(Saved::Stranding);
    }
    Ok(Saved::Refused(problem))
}

/// What would be deleted, and the button that does it.
fn stranding(stranded: &Stranded, organizations: Option<&[Organization]>) -> Markup {
    let mut by_key: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for key in &stranded.defaults {
        by_key.entry(key).or_default().push("the default".to_owned());
    }
    for (organization, keys) in &stranded.mappings {
        let name = ui::scope_name(Scope::Organization(*organization), organizations);
        for key in keys {
            by_key.entry(key).or_default().push(format!("the value of {name}"));
        }
    }
    html! {
        div.notice.warn role="alert" {
            p { strong { (Code::ValuesStranded.title()) } }
            p { "Nothing was saved. The schema below has no place for these values, which would be deleted for good:" }
            ul { @for (key, values) in &by_key {
                li { strong { (key) } ": " (some_of(values)) }
            } }
            p { "Give their keys back the place and type that they had, or save and let go of the values." }
            button.danger type="submit" name="force" value="true" { "Save and delete these values" }
        }
    }
}

fn some_of(values: &[String]) -> String {
    let mut named = values.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if values.len() > NAMED {
        named.push_str(&format!(" and {} more", values.len() - NAMED));
    }
    named
}

pub(super) async fn delete(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    let mut problem = None;
    if visit.is_post() {
        let (revision, deadline) = (shown_revision(visit)?, visit.request.deadline());
        match visit.bifrost.delete_integration(&integration.name, Some(revision), deadline).await {
            Ok(()) => return Ok(Reply::see_other(format!("{LIST}?done=deleted"))),
            Err(refused) => problem = Some(for_people(refused)),
        }
    }
    let revision = visit.bifrost.show_integration(&integration.name).await?.revision;
    let deletion = visit.bifrost.deletion(integration).await?;
    let organizations = if deletion.signed_in.is_empty() { None } else { visit.organizations().await? };
    let names: Vec<_> = deletion
        .signed_in
        .iter()
        .map(|id| ui::scope_name(Scope::Organization(*id), organizations.as_deref()))
        .collect();
    let others: Vec<_> = deletion.shared_with.iter().map(Name::to_string).collect();
    let connection = integration.connection.as_ref().unwrap_or(&integration.name);
    let mappings = words::counted(deletion.mappings, "mapping goes", "mappings go");
    let fields = Form::empty(visit).refused(problem);
    let body = form(
        visit,
        &fields,
        label,
        &html! {
            input type="hidden" name="revision" value=(revision);
            p { "Workflows that ask for " strong { (integration.name) } " find nothing from then on. This can't be undone." }
            ul {
                @if deletion.mappings == 0 {
                    li { "No organization is mapped to it." }
                } @else {
                    li { @if deletion.more { "More than " } (mappings) ", with the values that they override." }
                }
                li { "The schema and the defaults go, secrets included." }
                @if !names.is_empty() {
                    li {
                        (words::counted(names.len(), "organization has", "organizations have"))
                        " signed in to the connection " (connection) ": " (some_of(&names)) ". "
                        @if others.is_empty() {
                            "Their grants are revoked, for no other integration uses the connection."
                        } @else {
                            "Their grants are revoked, except of those that are also mapped to " (others.join(", "))
                            ", which uses the same connection."
                        }
                    }
                }
                li { "Connections stay." }
            }
            button.danger type="submit" { "Delete integration" }
            a.button.quiet href=(address(integration)) { "Cancel" }
        },
    );
    let page = page_below(integration, format!("Delete {}?", integration.name), body);
    Ok(page.refused(fields.problem()).into())
}
