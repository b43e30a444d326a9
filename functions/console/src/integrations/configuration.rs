//! The tab Configuration: the defaults that apply to every organization.

use bifrost::{
    app::integrations::IntegrationView,
    model::{FieldError, Problem, access::Operation},
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{Tab, address, for_people, form, page, shown_revision, values};
use crate::{form::Form, reply::Reply, ui, visit::Visit, words};

pub(super) async fn tab(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    if !visit.is_post() {
        return Ok(shown(visit, integration, None));
    }
    visit.permitted(Operation::IntegrationsUpdate, visit.caller().home)?;
    match save(visit, integration).await {
        Ok(done) => Ok(Reply::see_other(format!("{}?done={done}", address(integration)))),
        Err(problem) => {
            // The next try is made on what is in force now.
            let integration = visit.bifrost.show_integration(&integration.name).await?;
            let problem = values::placed(for_people(problem), "defaults");
            Ok(shown(visit, &integration, Some(problem)))
        }
    }
}

async fn save(visit: &Visit<'_>, integration: &IntegrationView) -> Result<&'static str, Problem> {
    let revision = shown_revision(visit)?;
    let defaults = values::patch(visit, &integration.config_schema, &integration.defaults)?;
    if defaults.is_empty() && revision == integration.revision {
        return Ok("unchanged");
    }
    let patch = Map::from_iter([("defaults".to_owned(), Value::Object(defaults))]);
    visit.bifrost.update_integration(&integration.name, &patch, Some(revision), false).await?;
    Ok("saved")
}

fn shown(visit: &Visit<'_>, integration: &IntegrationView, problem: Option<Problem>) -> Reply {
    let home = visit.caller().home;
    let edits = visit.may(Operation::IntegrationsUpdate, home);
    let base = address(integration);
    let fields = match problem {
        None => Form::new(visit, values::shown(&integration.config_schema, &integration.defaults)),
        refused => Form::typed(visit, refused),
    };
    let body = html! {
        @if edits || visit.may(Operation::IntegrationsDelete, home) {
            div.bar {
                @if edits { a.button.quiet href={ (base) "/edit" } { "Edit integration" } }
                @if visit.may(Operation::IntegrationsDelete, home) {
                    a.button.quiet.danger href={ (base) "/delete" } { "Delete integration" }
                }
            }
        }
        h2.first { "Defaults" }
        @if integration.config_schema.fields().is_empty() {
            (ui::empty_state("Nothing to configure", &html! {
                p { "The config schema of this integration has no fields." }
                @if edits { p { a.button href={ (base) "/edit" } { "Edit the config schema" } } }
            }))
        } @else if edits {
            (editor(visit, integration, &fields))
        } @else {
            (readable(integration))
        }
        h2 { "About" }
        (facts(visit, integration))
    };
    let done = match visit.done() {
        Some("created") => Some("The integration was created."),
        Some("saved") => Some("Saved."),
        Some("unchanged") => Some("Nothing was changed."),
        _ => None,
    };
    page(integration, Tab::Configuration, &body).notice(done).refused(fields.problem()).into()
}

fn facts(visit: &Visit<'_>, integration: &IntegrationView) -> Markup {
    let or_none = |text: &Option<String>| text.as_ref().map_or_else(words::nothing, |text| html! { (text) });
    html! {
        dl {
            dt { "Entity ID Name" } dd { (or_none(&integration.entity_id_name)) }
            dt { "Default Entity ID" } dd { (or_none(&integration.default_entity_id)) }
            dt { "Created" } dd { (words::time(integration.created_at, visit.now)) }
            dt { "Changed" } dd { (words::time(integration.updated_at, visit.now)) }
        }
    }
}

fn editor(visit: &Visit<'_>, integration: &IntegrationView, fields: &Form) -> Markup {
    let (schema, stored) = (&integration.config_schema, &integration.defaults);
    let label =
        |error: &FieldError| values::key_of(schema, error).map_or_else(|| error.field.clone(), str::to_owned);
    form(
        visit,
        fields,
        label,
        &html! {
            p { "They apply to every organization. A mapping can override each of them." }
            input type="hidden" name="revision" value=(integration.revision);
            @for field in schema.fields() { (values::field(fields, field, stored.get(&field.key))) }
            button type="submit" { "Save" }
        },
    )
}

fn readable(integration: &IntegrationView) -> Markup {
    html! {
        p { "They apply to every organization, unless its mapping overrides them." }
        dl {
            @for field in integration.config_schema.fields() {
                dt { (field.key) }
                dd {
                    (values::readable(field, integration.defaults.get(&field.key)))
                    @if let Some(description) = &field.description { span.small { (description) } }
                }
            }
        }
    }
}
