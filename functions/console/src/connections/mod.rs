//! `/console/connections`: OAuth connections, from the first field that is typed in to the last token that is revoked.
//!
//! [`settings`] is the form that all of a connection's fields have in common; each other module is what one can do with a
//! connection, under the address of the same name.

mod act;
mod create;
mod diagnose;
mod edit;
mod end;
mod link;
mod list;
mod settings;
mod show;

use bifrost::{
    app::connections::ConnectionView,
    model::{
        Code, Name, Problem, Scope,
        access::Operation,
        connection::{ConnectionStatus, Flow},
        identity::Owner,
        preset,
    },
};
use maud::{Markup, html};

use crate::{
    form::Form,
    no_page,
    reply::{Page, Reply},
    ui,
    visit::Visit,
};

const SECTION: &str = "connections";
const LIST: &str = "/console/connections";

pub(crate) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => list::page(visit).await,
        ["~new", rest @ ..] => create::route(visit, rest).await,
        [name] => show::page(visit, name).await,
        [name, "edit"] => edit::page(visit, name).await,
        [name, "connect"] if visit.is_post() => Box::pin(act::connect(visit, name)).await,
        [name, "refresh"] if visit.is_post() => Box::pin(act::refresh(visit, name)).await,
        [name, "link"] => link::page(visit, name).await,
        [name, "diagnose"] => Box::pin(diagnose::page(visit, name)).await,
        [name, "disconnect"] => end::disconnect(visit, name).await,
        [name, "delete"] => Box::pin(end::delete(visit, name)).await,
        _ => Err(no_page()),
    }
}

/// The address of a connection, or of what one can do with it (`/edit`).
fn address(scope: Scope, name: &Name, rest: &str, more: &[(&str, &str)]) -> String {
    let path = format!("{LIST}/{}{rest}", ui::encoded(name.as_str()));
    let scope = scope.to_string();
    let query: Vec<_> = [("scope", scope.as_str())].into_iter().chain(more.iter().copied()).collect();
    ui::address(&path, &query)
}

/// The list that a connection is in.
fn list_address(scope: Scope, more: &[(&str, &str)]) -> String {
    let scope = scope.to_string();
    let query: Vec<_> = [("scope", scope.as_str())].into_iter().chain(more.iter().copied()).collect();
    ui::address(LIST, &query)
}

/// A page about a connection, below its own.
fn page_below(connection: &ConnectionView, title: String, body: Markup) -> Page {
    Page::new(title, SECTION, body)
        .under("OAuth Connections", list_address(connection.scope, &[]))
        .under(connection.name.as_str(), address(connection.scope, &connection.name, "", &[]))
}

/// The connection that a path and `?scope=` name, if the caller may do that with it.
async fn connection(visit: &Visit<'_>, operation: Operation, name: &str) -> Result<ConnectionView, Problem> {
    let scope = visit.scope()?;
    visit.permitted(operation, scope)?;
    let name = visit.name("connection", name)?;
    visit.bifrost.show_connection(scope, &name, visit.request.public_url()).await
}

/// The provider by the name that people know.
fn provider_title(connection: &ConnectionView) -> String {
    let preset = connection.provider.as_deref().and_then(preset::find);
    preset.map_or_else(|| "Custom Provider".to_owned(), |preset| preset.title)
}

/// Who signed in, in words.
fn signed_in(connection: &ConnectionView) -> Vec<String> {
    let owner = Owner { identity: connection.identity.as_ref(), facts: &connection.facts };
    owner.words(&connection.dialect)
}

/// A flow as the documentation calls it.
fn flow_name(flow: Flow) -> &'static str {
    match flow {
        Flow::AuthorizationCode => "Authorization Code (Interactive)",
        Flow::ClientCredentials => "Client Credentials",
    }
}

fn is_connected(connection: &ConnectionView) -> bool {
    !matches!(connection.status, ConnectionStatus::NotConnected | ConnectionStatus::Pending)
}

/// What helps, for somebody who has buttons where the API's callers have requests.
fn for_people(problem: Problem) -> Problem {
    match click_instead(&problem.fix) {
        Some(click) => problem.fix(click),
        None => problem,
    }
}

/// The same for a fix alone, where it is one of the API's own.
fn click_instead(fix: &str) -> Option<&'static str> {
    let clicks = [
        (Code::NotConnected, "Click Connect."),
        (Code::Reauthorize, "Click Reconnect."),
        (Code::StaleRevision, "Open this page again, and repeat what you want to change."),
        (Code::NameTaken, "Choose another name: begin again with Add Connection."),
    ];
    clicks.into_iter().find(|(code, _)| code.fix() == fix).map(|(_, click)| click)
}

/// Whether somebody goes to the provider for it: to sign in, or to let the client into a tenant.
fn is_signed_in_to(connection: &ConnectionView) -> bool {
    connection.flow == Flow::AuthorizationCode || connection.admin_consent_url.is_some()
}

/// Whether somebody has to do something before it works, or goes on to.
fn needs_somebody(connection: &ConnectionView) -> bool {
    connection.status != ConnectionStatus::Active || connection.status_message.is_some()
}

/// The buttons for what is done most. `back` is the page that they stand on.
fn actions(visit: &Visit<'_>, connection: &ConnectionView, back: &str) -> Markup {
    let (form, scope, name) = (Form::empty(visit), connection.scope, &connection.name);
    html! {
        (connect_button(visit, connection, back))
        @if is_connected(connection) && visit.may(Operation::ConnectionsRefresh, scope) {
            (form.icon_button(&address(scope, name, "/refresh", &[("back", back)]), "Refresh", "↻"))
        }
        @if visit.may(Operation::ConnectionsDiagnose, scope) {
            (form.button(&address(scope, name, "/diagnose", &[]), "Diagnose", "quiet"))
        }
    }
}

/// To the provider's sign-in; more noticeable where that is what is missing.
fn connect_button(visit: &Visit<'_>, connection: &ConnectionView, back: &str) -> Markup {
    let (scope, connected) = (connection.scope, is_connected(connection));
    let missing = !connected || connection.status == ConnectionStatus::Reauthorize;
    let label = if connected { "Reconnect" } else { "Connect" };
    html! {
        @if visit.may(Operation::ConnectionsAuthorize, scope) && (!connected || is_signed_in_to(connection)) {
            (Form::empty(visit).button(
                &address(scope, &connection.name, "/connect", &[("back", back)]),
                label,
                if missing { "" } else { "quiet" },
            ))
        }
    }
}
