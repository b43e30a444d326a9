//! The tab Mappings: which organization is which entity over there, what it overrides, and where its tokens come from.
//!
//! [`list`] is the table, [`edit`] adds a mapping and changes one, [`unlink`] takes it away; [`import`] and [`export`] are for
//! lists from and for a spreadsheet, which [`csv`] reads and writes.

mod csv;
mod edit;
mod export;
mod import;
mod list;
mod tokens;
mod unlink;

use bifrost::{
    app::integrations::IntegrationView,
    model::{OrganizationId, Problem},
};
use maud::Markup;

use super::{Tab, page};
use crate::{
    no_page,
    reply::{Page, Reply},
    ui,
    visit::Visit,
};

/// `~` stands in no id.
pub(super) async fn route(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    path: &[&str],
) -> Result<Reply, Problem> {
    match path {
        [] => list::page(visit, integration).await,
        ["~new"] => Box::pin(edit::add(visit, integration)).await,
        ["~import"] => Box::pin(import::page(visit, integration)).await,
        ["~export"] => export::file(visit, integration).await,
        [organization] => Box::pin(edit::change(visit, integration, organization_of(organization)?)).await,
        [organization, "delete"] => unlink::page(visit, integration, organization_of(organization)?).await,
        _ => Err(no_page()),
    }
}

fn organization_of(text: &str) -> Result<OrganizationId, Problem> {
    text.parse().map_err(|_| no_page())
}

/// The address of the table.
fn table_address(integration: &IntegrationView) -> String {
    format!("{}/mappings", super::address(integration))
}

/// The address of a mapping, or of what one can do with it.
fn address(integration: &IntegrationView, rest: &str) -> String {
    format!("{}/{rest}", table_address(integration))
}

/// A page within the tab, below the table.
fn page_below(integration: &IntegrationView, title: &str, body: &Markup) -> Page {
    let below = page(integration, Tab::Mappings, body)
        .under(integration.name.as_str(), super::address(integration))
        .under("Mappings", table_address(integration));
    Page { title: title.to_owned(), ..below }
}

/// What the entity's id is called there, and here.
fn entity_label(integration: &IntegrationView) -> String {
    match integration.entity_id_name.as_deref().map(str::trim) {
        None | Some("" | "Entity ID") => "Entity ID".to_owned(),
        Some(name) => format!("{name} (Entity ID)"),
    }
}

/// An organization by its name, where that is known.
fn organization_label(name: Option<&str>, id: OrganizationId) -> String {
    name.map_or_else(|| id.to_string(), str::to_owned)
}

/// Where one comes back to, as pages of other sections take it: below `/console/`, and not encoded yet.
fn place(integration: &IntegrationView, rest: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?))).collect();
    let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
    format!("integrations/{}/mappings{rest}{query}", integration.name)
}

/// A part of the query of a page's address, if it is not empty.
fn asked<'a>(visit: &'a Visit<'_>, name: &str) -> Option<&'a str> {
    visit.request.query(name).map(str::trim).filter(|text| !text.is_empty())
}

/// An address of the table with what it was filtered by.
fn filtered(integration: &IntegrationView, pairs: &[(&str, Option<&str>)]) -> String {
    let given: Vec<_> = pairs.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
    ui::address(&table_address(integration), &given)
}
