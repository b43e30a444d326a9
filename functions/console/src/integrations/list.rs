//! The list of integrations: how each is doing, at a glance.

use bifrost::{
    app::{health::Health, integrations::IntegrationView, page::PageRequest},
    model::{Problem, access::Operation},
};
use maud::{Markup, html};

use super::{LIST, SECTION, address, health};
use crate::{
    reply::{Page, Reply},
    ui,
    visit::Visit,
    words,
};

/// Each row takes a few requests of the tables.
const ROWS: usize = 25;

pub(super) async fn show(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let home = visit.caller().home;
    visit.permitted(Operation::IntegrationsList, home)?;
    let request = PageRequest { limit: ROWS, cursor: visit.request.query("cursor") };
    let page = visit.bifrost.integrations(request).await?;
    let next = match &page.next {
        Some(position) => {
            let cursor = visit.bifrost.cursor(&page.listing, position).await?;
            Some(ui::address(LIST, &[("cursor", &cursor)]))
        }
        None => None,
    };
    let integrations: Vec<_> = page.rows.into_iter().map(|row| row.item).collect();
    let healths = visit.bifrost.health(visit.caller(), &integrations).await?;
    let creates = visit.may(Operation::IntegrationsCreate, home);
    let body = html! {
        div.bar {
            @if creates { a.button href={ (LIST) "/~new" } { "Create Integration" } }
            @if visit.may(Operation::ConnectionsList, home) {
                a.button.quiet href="/console/connections" { "OAuth Connections" }
            }
        }
        @if integrations.is_empty() && visit.request.query("cursor").is_none() {
            (ui::empty_state("No integrations yet", &html! {
                p { "An integration describes an external API once: what has to be configured for it, and the OAuth "
                    "connection that its tokens come from. Organizations are then mapped to it." }
                @if creates { p { a.button href={ (LIST) "/~new" } { "Create Integration" } } }
                @else { p { "An administrator creates integrations." } }
            }))
        } @else {
            (table(visit, &integrations, &healths))
            (ui::next_page(next))
        }
    };
    let done = visit.done().and_then(|done| (done == "deleted").then_some("The integration was deleted."));
    Ok(Page::new("Integrations", SECTION, body).notice(done).into())
}

fn table(visit: &Visit<'_>, integrations: &[IntegrationView], healths: &[Health]) -> Markup {
    let all = visit.caller().lists_all_mappings();
    let rows = html! {
        @for (integration, health) in integrations.iter().zip(healths) {
            tr {
                th scope="row" {
                    a href=(address(integration)) { (integration.name) }
                    @if let Some(description) = &integration.description { span.small.clipped { (description) } }
                }
                td {
                    @if all { (health::of_all(health, integration.connection.is_some())) }
                    @else { (health::of_own(health)) }
                }
                @if all { td { (organizations(integration, health)) } }
                td { (connection(integration, health)) }
            }
        }
    };
    let head: &[&str] = match all {
        true => &["Integration", "Health", "Organizations", "OAuth connection"],
        false => &["Integration", "Your organization", "OAuth connection"],
    };
    ui::table("Integrations", head, &rows)
}

fn organizations(integration: &IntegrationView, health: &Health) -> Markup {
    let mapped = health::mapped(health);
    html! {
        a.unbroken href={ (address(integration)) "/mappings" } aria-label={ (mapped) " mapped to " (integration.name) } {
            (mapped) " mapped"
        }
        @if health.connection.is_some() && health.mapped > 0 { span.small { (health.active) " connected" } }
    }
}

fn connection(integration: &IntegrationView, health: &Health) -> Markup {
    html! {
        @match (&health.connection, &integration.connection) {
            (Some((name, status)), _) => {
                a href={ (address(integration)) "/oauth" } aria-label={ (name) ", OAuth of " (integration.name) } { (name) }
                span.small { (words::status(*status)) }
            }
            (None, Some(name)) => {
                a href={ (address(integration)) "/oauth" } aria-label={ (name) ", OAuth of " (integration.name) } { (name) }
                span.small { "does not exist" }
            }
            (None, None) => (words::nothing()),
        }
    }
}
