//! The frame around every page: the menu, where one is, and what has just been done.

use bifrost::{
    edge::{Response, html as edge_html},
    model::{Scope, access::Operation},
};
use http::{HeaderValue, StatusCode};
use maud::{Markup, html};

use crate::{assets, reply::Page, visit::Visit};

/// Our own style sheet and script, and nothing else. `form-action` is left open, as on the pages of a sign-in: a form's
/// redirects lead on to providers.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The menu: address, label, and what one must be allowed to do. Indented under it, what belongs to it.
const MENU: [(&str, &str, bool, Operation); 6] = [
    ("overview", "Overview", false, Operation::IntegrationsList),
    ("integrations", "Integrations", false, Operation::IntegrationsList),
    ("connections", "OAuth Connections", true, Operation::ConnectionsList),
    ("providers", "OAuth Providers", true, Operation::ProvidersList),
    ("organizations", "Organizations", false, Operation::OrganizationsList),
    ("keys", "API Keys", false, Operation::KeysList),
];

/// A page within the frame.
pub(crate) fn page(visit: &Visit<'_>, page: Page) -> Response {
    let caller = visit.caller();
    let home = match caller.home {
        Scope::Global => "the platform".to_owned(),
        Scope::Organization(id) => id.to_string(),
    };
    let body = html! {
        body.console {
            a.skip href="#content" { "Skip to content" }
            header {
                a.brand href="/console/overview" { "Bifrost Integrations" }
                form.account method="post" action="/console/sign-out" {
                    input type="hidden" name="form_token" value=(visit.form_token());
                    span { "Key " code { (short(&caller.key_id)) } ", " (caller.role.as_str()) " of " (home) }
                    button.quiet type="submit" { "Sign out" }
                }
            }
            nav aria-label="Settings" {
                p.heading { "Settings" }
                ul {
                    @for (address, label, below, operation) in MENU {
                        @if visit.may_at_home(operation) {
                            li.below[below] {
                                a href={ "/console/" (address) } aria-current=[(page.section == address).then_some("page")] { (label) }
                            }
                        }
                    }
                }
            }
            main id="content" {
                @if !page.trail.is_empty() {
                    p.trail { @for (label, address) in &page.trail { a href=(address) { (label) } " › " } }
                }
                h1 { (page.title) }
                @if let Some(notice) = &page.notice { p.notice.good role="status" { (notice) } }
                (page.body)
            }
        }
    };
    edge_html::response(page.status, &page.title, &head(), &body, &POLICY)
}

/// A page for somebody who is not signed in.
pub(crate) fn bare(title: &str, status: StatusCode, main: &Markup) -> Response {
    edge_html::response(status, title, &head(), &html! { body.single { (main) } }, &POLICY)
}

fn head() -> Markup {
    html! {
        link rel="stylesheet" href=(assets::style_url());
        link rel="icon" type="image/svg+xml" href=(assets::icon_url());
        script src=(assets::script_url()) defer {}
    }
}

/// Enough of an id to tell it from others.
fn short(id: &str) -> &str {
    id.get(..13).unwrap_or(id)
}
