//! `/console/connections/{name}`: how a connection is doing, and what can be done about it.

use bifrost::{
    app::connections::ConnectionView,
    model::{
        Problem, Scope,
        access::Operation,
        connection::{AvailableTo, ClientAuth, ConnectionStatus, Flow, LastError},
    },
};
use maud::{Markup, html};

use super::{
    SECTION, actions, address, connection, flow_name, is_connected, is_signed_in_to, list_address,
    provider_title, signed_in,
};
use crate::{
    reply::{Page, Reply},
    ui,
    visit::Visit,
    words,
};

pub(super) async fn page(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let connection = connection(visit, Operation::ConnectionsGet, name).await?;
    let scope = connection.scope;
    // Whose it is, for those who see others' too.
    let whose = match scope {
        Scope::Organization(_) => visit.organizations().await?.map(|all| ui::scope_name(scope, Some(&all))),
        Scope::Global => None,
    };
    let back = format!("connections/{}?scope={scope}", connection.name);
    let body = html! {
        @if let Some(description) = &connection.description { p { (description) } }
        div.bar.doing {
            (words::status(connection.status))
            (actions(visit, &connection, &back))
            (further(visit, &connection))
        }
        (trouble(visit, &connection))
        @if !is_connected(&connection) && visit.may(Operation::ConnectionsAuthorize, scope) { (next_steps(&connection)) }
        (grant(visit, &connection))
        (registration(visit, &connection))
        (counts(&connection))
        p.id { "Connection " (connection.id) ", changed " (words::time(connection.updated_at, visit.now)) "." }
    };
    let page = Page::new(connection.name.as_str(), SECTION, body)
        .under("OAuth Connections", list_address(scope, &[]))
        .notice(notice(visit, &connection));
    Ok(match whose {
        Some(name) => page.under(name, list_address(scope, &[])),
        None => page,
    }
    .into())
}

fn notice(visit: &Visit<'_>, connection: &ConnectionView) -> Option<String> {
    let name = &connection.name;
    Some(match visit.done()? {
        "created" => format!("{name} was saved."),
        "saved" => "Saved.".to_owned(),
        "unchanged" => "Nothing was changed.".to_owned(),
        "refreshed" => "Refreshed: the connection has a new token.".to_owned(),
        // An address that was kept says so, too, when it is long past.
        "signed-in" if connection.status == ConnectionStatus::Active && connection.last_error.is_none() => {
            let who = signed_in(connection);
            let who =
                if who.is_empty() { String::new() } else { format!(", signed in as {}", who.join(", ")) };
            format!("{name} is connected{who}.")
        }
        "disconnected" => format!(
            "{name} was disconnected. The provider has no revocation endpoint: there its tokens live until they expire."
        ),
        "disconnected-revoked" => {
            format!("{name} was disconnected, and its tokens were revoked at the provider.")
        }
        "disconnected-refused" => {
            format!(
                "{name} was disconnected. The provider did not revoke its tokens: take the access away there, too."
            )
        }
        _ => return None,
    })
}

/// What one does more rarely.
fn further(visit: &Visit<'_>, connection: &ConnectionView) -> Markup {
    let scope = connection.scope;
    let to = |rest: &str| address(scope, &connection.name, rest, &[]);
    html! {
        @if visit.may(Operation::ConnectionsUpdate, scope) { a.button.quiet href=(to("/edit")) { "Edit" } }
        @if is_signed_in_to(connection) && visit.may(Operation::ConnectionsAuthorize, scope) {
            a.button.quiet href=(to("/link")) { "Copy a link to send" }
        }
        @if is_connected(connection) && visit.may(Operation::ConnectionsDisconnect, scope) {
            a.button.quiet href=(to("/disconnect")) { "Disconnect" }
        }
        @if visit.may(Operation::ConnectionsDelete, scope) {
            a.button.quiet.danger href=(to("/delete")) { "Delete" }
        }
    }
}

/// What is wrong, or soon will be.
fn trouble(visit: &Visit<'_>, connection: &ConnectionView) -> Markup {
    let failing = matches!(connection.status, ConnectionStatus::Failing | ConnectionStatus::Reauthorize);
    let error = connection.last_error.as_ref();
    // Of a grant that serves, the message is about something else than the error of a later attempt.
    let message = connection
        .status_message
        .as_deref()
        .filter(|message| !error.is_some_and(|error| message.starts_with(&error.title)));
    html! {
        @if let Some(error) = error { (error_box(visit, error, if failing { "bad" } else { "warn" })) }
        @if let Some(message) = message { div.notice.warn { p { (message) } } }
    }
}

/// An error with its fix.
fn error_box(visit: &Visit<'_>, error: &LastError, class: &str) -> Markup {
    html! {
        section class={ "notice " (class) } aria-label="Last error" {
            p { strong { (error.title) } " " span.aside { (words::time(error.at, visit.now)) ", " code { (error.code) } } }
            p { (error.detail) }
            p { strong { "What to do: " } (error.fix) }
        }
    }
}

/// For a connection that nobody has connected yet.
fn next_steps(connection: &ConnectionView) -> Markup {
    html! {
        section.card aria-labelledby="next" {
            h2 id="next" { "To connect" }
            @match (&connection.redirect_uri, connection.flow) {
                (Some(uri), Flow::AuthorizationCode) => ol {
                    li { "Register this redirect URI at the provider, exactly as it is here: " (ui::copyable("redirect-to-register", uri)) }
                    li { "Click Connect, sign in at the provider, and consent. You come back here." }
                },
                (Some(uri), Flow::ClientCredentials) => ol {
                    li { "Register this redirect URI at the provider: " (ui::copyable("redirect-to-register", uri)) }
                    li { "Send a link to an administrator of the tenant, who lets the client in." }
                },
                (None, Flow::AuthorizationCode) => p { "Click Connect: you are shown a code to enter at the provider, on this device or another." },
                (None, Flow::ClientCredentials) => p { "Nobody signs in. The first token comes when a workflow asks for one; click Connect to see at once whether the provider gives it." },
            }
        }
    }
}

/// What the provider has given.
fn grant(visit: &Visit<'_>, connection: &ConnectionView) -> Markup {
    if !is_connected(connection) {
        return html! {};
    }
    let who = signed_in(connection);
    let refresh_token = match (connection.has_refresh_token, connection.flow) {
        (true, _) => "Kept encrypted",
        (false, Flow::AuthorizationCode) => "None: reconnect before the token expires",
        (false, Flow::ClientCredentials) => "Not needed",
    };
    html! {
        section.card aria-labelledby="grant" {
            h2 id="grant" { "Sign-in" }
            dl {
                @if !who.is_empty() { dt { "Signed in as" } dd { (who.join(", ")) } }
                dt { "Token expires" } dd { (words::time_if_any(connection.expires_at, visit.now)) }
                dt { "Last refresh" } dd { (words::time_if_any(connection.last_refresh_at, visit.now)) }
                dt { "Next refresh" } dd { (words::time_if_any(connection.next_refresh_at, visit.now)) }
                dt { "Refresh token" } dd { (refresh_token) }
                dt { "Scopes granted" } dd { (scopes(&connection.granted_scopes)) }
            }
        }
    }
}

/// What is registered at the provider, and how it is talked to.
fn registration(visit: &Visit<'_>, connection: &ConnectionView) -> Markup {
    let client = match connection.client_auth {
        ClientAuth::Basic => "With its secret, in the Authorization header",
        ClientAuth::Post => "With its secret, in the body",
        ClientAuth::PrivateKeyJwt => "With an assertion signed by its key",
    };
    let defaults = connection.token_url_defaults.iter().map(|(name, value)| format!("{name}={value}"));
    let defaults = defaults.collect::<Vec<_>>().join(", ");
    html! {
        section.card aria-labelledby="client" {
            h2 id="client" { "Registration at the provider" }
            dl {
                dt { "Provider" }
                dd {
                    @match &connection.provider {
                        Some(preset) => a href={ "/console/providers/" (ui::encoded(preset)) } { (provider_title(connection)) },
                        None => (provider_title(connection)),
                    }
                }
                @if let Some(uri) = connection.redirect_uri.as_ref().filter(|_| is_connected(connection)) { dt { "Redirect URI" } dd { (ui::copyable("redirect-uri", uri)) } }
                dt { "OAuth Flow Type" } dd { (flow_name(connection.flow)) }
                dt { "Client ID" } dd { code { (connection.client_id) } }
                dt { "Client proves itself" } dd { (client) }
                @if let Some(name) = &connection.client_secret_ref { dt { "Client Secret" } dd { "Secrets Manager: " code { (name) } } }
                @if let Some(at) = connection.client_secret_expires_at { dt { "Client Secret expires" } dd { (words::time(at, visit.now)) } }
                dt { "Scopes" } dd { (scopes(&connection.scopes)) }
                @for (label, url) in [
                    ("Authorization URL", connection.authorization_url.as_ref()),
                    ("Device Authorization URL", connection.device_authorization_url.as_ref()),
                    ("Admin Consent URL", connection.admin_consent_url.as_ref()),
                    ("Token URL", Some(&connection.token_url)),
                    ("Revocation URL", connection.revocation_url.as_ref()),
                ] {
                    @if let Some(url) = url { dt { (label) } dd { code { (url) } } }
                }
                @if !defaults.is_empty() { dt { "Values in URLs" } dd { code { (defaults) } } }
                @if connection.scope == Scope::Global {
                    dt { "Available to" }
                    dd { @match connection.available_to {
                        AvailableTo::All => "All organizations",
                        AvailableTo::Mapped => "Organizations with a mapping on an integration that uses it",
                    } }
                }
            }
        }
    }
}

fn scopes(scopes: &[String]) -> Markup {
    html! {
        @if scopes.is_empty() { (words::nothing()) }
        @for scope in scopes { code { (scope) } " " }
    }
}

/// Of a global connection, whose organizations may have grants of their own.
fn counts(connection: &ConnectionView) -> Markup {
    let Some(counts) = connection.grants.as_ref().filter(|_| connection.scope == Scope::Global) else {
        return html! {};
    };
    html! {
        section.card aria-labelledby="grants" {
            h2 id="grants" { "All its sign-ins" }
            p { "Its own, and those of organizations. A moment behind." }
            dl {
                dt { "Active" } dd { (counts.active) }
                dt { "Failing, retrying" } dd { (counts.failing) }
                dt { "Reconnect needed" } dd { (counts.reauthorize) }
            }
        }
    }
}
