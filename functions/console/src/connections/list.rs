//! The connections of one scope, those first that need somebody.

use bifrost::{
    app::{connections::ConnectionView, page::PageRequest},
    edge::MAX_LIMIT,
    model::{Problem, Scope, access::Operation, connection::ConnectionStatus, organization::Organization},
};
use maud::{Markup, html};

use super::{LIST, SECTION, actions, address, list_address, needs_somebody, provider_title, signed_in};
use crate::{
    form::Form,
    reply::{Page, Reply},
    ui,
    visit::Visit,
    words,
};

/// What the list can be narrowed down to: value and label.
const FILTERS: [(&str, &str); 7] = [
    ("all", "All"),
    ("attention", "Needs attention"),
    ("reauthorize", "Reconnect needed"),
    ("failing", "Failing, retrying"),
    ("not_connected", "Not connected"),
    ("pending", "Waiting for sign-in"),
    ("active", "Active"),
];

pub(super) async fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let scope = visit.scope()?;
    visit.permitted(Operation::ConnectionsList, scope)?;
    let organizations = visit.organizations().await?;
    let cursor = visit.request.query("cursor").filter(|cursor| !cursor.is_empty());
    let request = PageRequest { limit: MAX_LIMIT, cursor };
    let page = visit.bifrost.connections(scope, request, visit.request.public_url()).await?;
    let next = match &page.next {
        Some(position) => Some(visit.bifrost.cursor(&page.listing, position).await?),
        None => None,
    };
    let filter =
        visit.request.query("status").filter(|status| FILTERS.iter().any(|(known, _)| known == status));
    let filter = filter.unwrap_or("all");
    let mut connections: Vec<_> = page.rows.into_iter().map(|row| row.item).collect();
    let none = connections.is_empty();
    connections.retain(|connection| shown(connection, filter));
    connections.sort_by_key(|connection| (urgency(connection), connection.name.folded()));

    let may_create = visit.may(Operation::ConnectionsCreate, scope);
    let add = html! {
        @if may_create { a.button href=(super::create::address(scope, &[])) { "+ Add Connection" } }
    };
    let next = next.map(|cursor| list_address(scope, &[("status", filter), ("cursor", &cursor)]));
    let body = html! {
        div.bar {
            (narrowing(visit, scope, filter, organizations.as_deref()))
            @if !none { div.end { (add) } }
        }
        @if none {
            (ui::empty_state("There is no OAuth connection here yet", &html! {
                p { "A connection is how Bifrost signs in to an API. Add one, sign in once, and workflows get fresh tokens from then on." }
                (add)
            }))
        } @else if connections.is_empty() {
            (ui::empty_state("No connection has this status", &html! {
                p { a href=(list_address(scope, &[])) { "Show all" } }
            }))
        } @else {
            (items(visit, scope, filter, &connections))
        }
        (ui::next_page(next))
    };
    let notice = match visit.done() {
        Some("deleted") => Some("The connection was deleted. Its tokens are being revoked at the provider."),
        Some("refreshed") => Some("Refreshed: the connection has a new token."),
        _ => None,
    };
    Ok(Page::new("OAuth Connections", SECTION, body).notice(notice).into())
}

fn narrowing(
    visit: &Visit<'_>,
    scope: Scope,
    filter: &str,
    organizations: Option<&[Organization]>,
) -> Markup {
    let form = Form::new(visit, [("scope", scope.to_string()), ("status", filter.to_owned())]);
    let filters = FILTERS.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec();
    html! {
        form.bar method="get" action=(LIST) role="search" aria-label="Which connections" {
            (scope_field(visit, &form, "Scope", Operation::ConnectionsList, organizations))
            (form.select("status", "Status", filters).required())
            button.quiet type="submit" { "Show" }
        }
    }
}

/// Whose connections: for those who may ask for others' than their own.
pub(super) fn scope_field(
    visit: &Visit<'_>,
    form: &Form,
    label: &str,
    operation: Operation,
    organizations: Option<&[Organization]>,
) -> Markup {
    let global = visit.may(operation, Scope::Global);
    let Some(organizations) = organizations else {
        return html! {
            @if global { (form.text("scope", label).hint("\"global\", or an organization's id").required()) }
        };
    };
    let mut options: Vec<_> = organizations
        .iter()
        .filter(|organization| visit.may(operation, Scope::Organization(organization.id)))
        .map(|organization| (organization.id.to_string(), organization.name.clone()))
        .collect();
    options.sort_by_key(|(_, name)| name.to_lowercase());
    if global {
        options.insert(0, ("global".to_owned(), "Global".to_owned()));
    }
    html! { @if options.len() > 1 { (form.select("scope", label, options).required()) } }
}

fn items(visit: &Visit<'_>, scope: Scope, filter: &str, connections: &[ConnectionView]) -> Markup {
    let back = format!("connections?scope={scope}&status={filter}");
    html! {
        ul.connections aria-label="OAuth connections" {
            @for connection in connections {
                li {
                    div {
                        h2 { a href=(address(scope, &connection.name, "", &[])) { (connection.name) } " " (words::status(connection.status)) }
                        (facts(visit, connection))
                        (trouble(connection))
                    }
                    div.actions { (actions(visit, connection, &back)) }
                }
            }
        }
    }
}

fn facts(visit: &Visit<'_>, connection: &ConnectionView) -> Markup {
    let who = signed_in(connection);
    html! {
        ul.facts {
            li { (provider_title(connection)) }
            @if !who.is_empty() { li { "Signed in as " (who.join(", ")) } }
            @if let Some(at) = connection.expires_at {
                li { @if at > visit.now { "Token expires " } @else { "Token expired " } (words::time(at, visit.now)) }
            }
            @if let Some(at) = connection.next_refresh_at { li { "Next refresh " (words::time(at, visit.now)) } }
        }
    }
}

/// Where something is wrong, what and what to do.
fn trouble(connection: &ConnectionView) -> Markup {
    html! {
        @match &connection.last_error {
            Some(error) => p { strong { (error.title) "." } " " (error.fix) },
            None => @if let Some(message) = &connection.status_message { p { (message) } }
        }
    }
}

fn shown(connection: &ConnectionView, filter: &str) -> bool {
    match filter {
        "attention" => needs_somebody(connection),
        "reauthorize" => connection.status == ConnectionStatus::Reauthorize,
        "failing" => connection.status == ConnectionStatus::Failing,
        "not_connected" => connection.status == ConnectionStatus::NotConnected,
        "pending" => connection.status == ConnectionStatus::Pending,
        "active" => connection.status == ConnectionStatus::Active,
        _ => true,
    }
}

/// The smaller, the sooner somebody should look.
fn urgency(connection: &ConnectionView) -> u8 {
    match connection.status {
        ConnectionStatus::Reauthorize => 0,
        ConnectionStatus::Failing => 1,
        ConnectionStatus::NotConnected if connection.last_error.is_some() => 2,
        ConnectionStatus::Active if connection.status_message.is_some() => 3,
        ConnectionStatus::NotConnected => 4,
        ConnectionStatus::Pending => 5,
        ConnectionStatus::Active => 6,
    }
}
