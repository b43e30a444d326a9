//! `/console/integrations`: integrations, and in the tabs of each one its configuration, its mappings and its OAuth.

mod configuration;
mod edit;
mod health;
mod list;
mod mappings;
mod oauth;
mod schema;
mod values;

use bifrost::{
    app::integrations::IntegrationView,
    model::{Code, FieldError, Problem, access::Operation},
};
use maud::{Markup, html};

use crate::{
    form::Form,
    no_page,
    reply::{Page, Reply},
    ui,
    visit::Visit,
};

const SECTION: &str = "integrations";
const LIST: &str = "/console/integrations";

/// `~` stands in no name, so that no integration is in the way of what is not one.
pub(crate) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => list::show(visit).await,
        ["~new"] => Box::pin(edit::create(visit)).await,
        [name] => Box::pin(configuration::tab(visit, &found(visit, name).await?)).await,
        [name, "edit"] => {
            visit.permitted(Operation::IntegrationsUpdate, visit.caller().home)?;
            Box::pin(edit::edit(visit, &found(visit, name).await?)).await
        }
        [name, "delete"] => {
            visit.permitted(Operation::IntegrationsDelete, visit.caller().home)?;
            Box::pin(edit::delete(visit, &found(visit, name).await?)).await
        }
        [name, "oauth"] => Box::pin(oauth::tab(visit, &found(visit, name).await?)).await,
        [name, "mappings", rest @ ..] => {
            let integration = found(visit, name).await?;
            Box::pin(mappings::route(visit, &integration, rest)).await
        }
        _ => Err(no_page()),
    }
}

async fn found(visit: &Visit<'_>, name: &str) -> Result<IntegrationView, Problem> {
    visit.permitted(Operation::IntegrationsGet, visit.caller().home)?;
    visit.bifrost.show_integration(&visit.name("integration", name)?).await
}

/// The tabs of an integration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Configuration,
    Mappings,
    OAuth,
}

/// The address of an integration, which is that of its first tab.
fn address(integration: &IntegrationView) -> String {
    format!("{LIST}/{}", ui::encoded(integration.name.as_str()))
}

/// A page in one of an integration's tabs.
fn page(integration: &IntegrationView, tab: Tab, body: &Markup) -> Page {
    let base = address(integration);
    let tabs = [
        ("Configuration", base.clone(), tab == Tab::Configuration),
        ("Mappings", format!("{base}/mappings"), tab == Tab::Mappings),
        ("OAuth", format!("{base}/oauth"), tab == Tab::OAuth),
    ];
    let body = html! {
        @if let Some(description) = &integration.description { p.lead { (description) } }
        (ui::tabs("Parts of the integration", &tabs))
        (body)
    };
    Page::new(integration.name.as_str(), SECTION, body).under("Integrations", LIST)
}

/// A page under an integration that is in none of its tabs.
fn page_below(integration: &IntegrationView, title: String, body: Markup) -> Page {
    let page = Page::new(title, SECTION, body).under("Integrations", LIST);
    page.under(integration.name.as_str(), address(integration))
}

/// A form, with what is wrong above it. `label`: what people call a field.
fn form(visit: &Visit<'_>, form: &Form, label: impl Fn(&FieldError) -> String, fields: &Markup) -> Markup {
    html! {
        @if let Some(problem) = form.problem() {
            div.notice.bad role="alert" {
                p { strong { (problem.code.title()) } }
                @if problem.errors.is_empty() {
                    p { (problem.detail) " " (problem.fix) }
                } @else {
                    ul { @for error in &problem.errors {
                        li { a href={ "#" (id_of(&error.field)) } { (label(error)) } " " (error.message) }
                    } }
                }
            }
        }
        form method="post" {
            input type="hidden" name="form_token" value=(visit.form_token());
            // The first button is the one that Enter presses.
            button.default type="submit" tabindex="-1" aria-hidden="true" { "Save" }
            (fields)
        }
    }
}

/// The id that a field of this name has.
fn id_of(name: &str) -> String {
    name.replace(['.', '[', ']', ' '], "-")
}

/// The revision that a form was shown with.
fn shown_revision(visit: &Visit<'_>) -> Result<u64, Problem> {
    let revision = visit.text("revision").and_then(|revision| revision.parse().ok());
    revision.ok_or_else(|| Problem::invalid("revision", "is missing: open the page again"))
}

/// The same problem with advice for somebody before a form that comes back with the revision that is in force now.
fn for_people(problem: Problem) -> Problem {
    match problem.code {
        Code::StaleRevision | Code::Conflict => problem.fix(
            "Nothing was saved, and what you typed stands below. See in another tab what has been changed; to put \
             yours in its place, save again.",
        ),
        _ => problem,
    }
}

/// Texts of several lines come from browsers with the line ends of RFC 9112, whatever they were before.
fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}
