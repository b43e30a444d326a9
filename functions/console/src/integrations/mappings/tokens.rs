//! Where an organization's tokens come from and how that is doing, in words; and what one can do about it.

use bifrost::{
    app::{
        integrations::IntegrationView,
        mapping_table::{MappingRow, TokenOrigin, TokenSource},
    },
    model::{OrganizationId, Scope, access::Operation, connection::ConnectionStatus},
};
use maud::{Markup, html};

use super::{organization_label, place};
use crate::{ui, visit::Visit, words};

/// The badge, and what belongs to it in small. `open`: with what to do about what is wrong.
pub(super) fn status(visit: &Visit<'_>, row: &MappingRow, open: bool) -> Markup {
    let Some(source) = &row.tokens else { return html! { span.none { "No OAuth connection" } } };
    let origin = match (source.origin, source.needs_sign_in()) {
        (TokenOrigin::OwnConnection, _) => "A connection of its own",
        (TokenOrigin::OwnGrant, _) => "An OAuth token of its own",
        (TokenOrigin::OwnTenant, _) => "Got at its own tenant",
        (TokenOrigin::Connection, true) => "Through the connection's own sign-in",
        (TokenOrigin::Connection, false) => "Through the connection",
    };
    html! {
        (badge(source))
        span.small { (origin) }
        (expiry(visit, source))
        @if let Some(error) = &source.last_error {
            details.small.trouble open[open] {
                summary { (error.title) }
                (error.fix) " (" (words::time(error.at, visit.now)) ")"
            }
        }
    }
}

fn badge(source: &TokenSource) -> Markup {
    match source.status {
        // The client gets a token by itself.
        ConnectionStatus::NotConnected | ConnectionStatus::Pending if !source.needs_sign_in() => {
            words::badge("idle", "Not needed yet")
        }
        status => words::status(status),
    }
}

/// What is renewed by itself need not worry anybody.
fn expiry(visit: &Visit<'_>, source: &TokenSource) -> Markup {
    let Some(at) = source.expires_at else { return html! {} };
    let renewed = source.has_refresh_token || !source.needs_sign_in();
    let over = at <= visit.now;
    html! {
        span.small {
            @match (over, renewed) {
                (true, _) => { "Expired " (words::time(at, visit.now)) }
                (false, true) => { "Renewed before it expires " (words::time(at, visit.now)) }
                (false, false) => { "Expires " (words::time(at, visit.now)) ": no refresh token" }
            }
        }
    }
}

/// An action on an organization's tokens: its address, and whether it matters most.
pub(super) struct Actions {
    connect: Option<(&'static str, String, bool)>,
    refresh: Option<String>,
    disconnect: Option<String>,
}

impl Actions {
    /// What the caller may do, and comes back to `back` from.
    pub(super) fn of(
        visit: &Visit<'_>,
        integration: &IntegrationView,
        organization: OrganizationId,
        source: Option<&TokenSource>,
        back: &str,
    ) -> Self {
        let none = Self { connect: None, refresh: None, disconnect: None };
        let Some(source) = source else { return none };
        let scope = Scope::Organization(organization);
        let own = matches!(source.origin, TokenOrigin::OwnConnection | TokenOrigin::OwnGrant);
        let connected = !matches!(source.status, ConnectionStatus::NotConnected | ConnectionStatus::Pending);
        let to = |what: &str| action(integration, organization, source, what, back);
        let may_connect = source.needs_sign_in() && visit.may(Operation::ConnectionsAuthorize, scope);
        let may_disconnect = own && connected && visit.may(Operation::ConnectionsDisconnect, scope);
        let may_refresh = own && connected && visit.may(Operation::ConnectionsRefresh, scope);
        let reconnect = own && connected;
        Self {
            connect: may_connect.then(|| {
                let urgent = own && source.is_broken();
                (if reconnect { "Reconnect" } else { "Connect" }, to("connect"), urgent)
            }),
            refresh: may_refresh.then(|| to("refresh")),
            disconnect: may_disconnect.then(|| to("disconnect")),
        }
    }

    /// The same, to come back to the page of the mapping.
    pub(super) fn on_its_page(visit: &Visit<'_>, integration: &IntegrationView, row: &MappingRow) -> Self {
        let organization = row.mapping.organization_id;
        let back = place(integration, &format!("/{organization}"), &[]);
        Self::of(visit, integration, organization, row.tokens.as_ref(), &back)
    }

    pub(super) fn connect_address(&self) -> Option<&str> {
        self.connect.as_ref().map(|(_, address, _)| address.as_str())
    }

    /// `about`: whose, for those who hear a button without the row that it is in.
    pub(super) fn connect(&self, visit: &Visit<'_>, about: &str) -> Markup {
        let Some((label, address, urgent)) = &self.connect else { return html! {} };
        button(visit, address, label, about, if *urgent { "" } else { "quiet" })
    }

    /// The others.
    pub(super) fn rest(&self, visit: &Visit<'_>, about: &str) -> Markup {
        html! {
            @if let Some(address) = &self.refresh { (button(visit, address, "Refresh", about, "quiet")) }
            @if let Some(address) = &self.disconnect {
                a.button.quiet href=(address) aria-label={ "Disconnect " (about) } { "Disconnect" }
            }
        }
    }
}

fn button(visit: &Visit<'_>, address: &str, label: &str, about: &str, class: &str) -> Markup {
    html! {
        form.inline method="post" action=(address) {
            input type="hidden" name="form_token" value=(visit.form_token());
            button class=(class) type="submit" aria-label={ (label) " " (about) } { (label) }
        }
    }
}

/// In the section of connections: the organization's connection, or its own grant on the global one.
fn action(
    integration: &IntegrationView,
    organization: OrganizationId,
    source: &TokenSource,
    what: &str,
    back: &str,
) -> String {
    let path = format!("/console/connections/{}/{what}", ui::encoded(source.connection.as_str()));
    let id = organization.to_string();
    let whose: &[(&str, &str)] = match source.origin {
        TokenOrigin::OwnConnection => &[("scope", &id)],
        // Of the global connection: who names an organization names no other scope.
        _ => &[("organization_id", &id)],
    };
    let rest = [("integration", integration.name.as_str()), ("back", back)];
    ui::address(&path, &[whose, &rest].concat())
}

/// What the page of one mapping says of its tokens.
pub(super) fn card(visit: &Visit<'_>, integration: &IntegrationView, row: &MappingRow) -> Markup {
    let organization = row.mapping.organization_id;
    let about = organization_label(row.organization.as_deref(), organization);
    let actions = Actions::on_its_page(visit, integration, row);
    let shared = row.tokens.as_ref().is_some_and(|source| source.origin == TokenOrigin::Connection);
    html! {
        section.card aria-labelledby="oauth-token" {
            h2 id="oauth-token" { "OAuth token" }
            @if row.tokens.is_none() {
                p {
                    "The integration has no OAuth connection, and needs none if its API takes a key from the configuration. "
                    @if visit.may_at_home(Operation::IntegrationsUpdate) {
                        a href={ (super::super::address(integration)) "/oauth" } { "Set up OAuth" }
                    }
                }
            } @else {
                div { (status(visit, row, true)) }
            }
            @if shared && actions.connect.is_some() {
                p.hint {
                    "Connect links an OAuth token of this organization's own: you sign in at the provider as "
                    "somebody of this organization, and its workflows then get that token."
                }
            }
            (actions.connect(visit, &about)) (actions.rest(visit, &about))
        }
    }
}
