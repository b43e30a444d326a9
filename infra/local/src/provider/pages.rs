//! The pages that people see: what this provider is, its sign-in form, and its error page.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::options::RedirectUris;
use super::server::Shared;

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; }
main { width: min(30rem, calc(100vw - 3rem)); padding: 2rem; margin: 1.5rem 0; border-radius: 12px;
       border: 1px solid color-mix(in srgb, CanvasText 18%, Canvas); }
h1 { font-size: 1.3rem; margin: 0 0 .75rem; }
.badge { display: inline-block; font-size: .75rem; padding: .1rem .6rem; margin-bottom: 1rem; border-radius: 1rem;
         background: #7c3aed; color: white; }
label { display: block; font-weight: 600; margin-top: 1.25rem; }
input[type=text] { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem .6rem; margin: .3rem 0 1.25rem; }
button { font: inherit; padding: .55rem 1rem; border-radius: 8px; border: 1px solid #7c3aed; cursor: pointer;
         background: transparent; color: inherit; }
button.primary { background: #7c3aed; color: white; }
code { overflow-wrap: anywhere; }
dt { font-weight: 600; margin-top: .6rem; }
dd { margin: 0; }
";

type Page = ([(HeaderName, &'static str); 3], Html<String>);

/// `GET /`: everything that is needed to register this provider somewhere.
pub(super) async fn home(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let issuer = &shared.issuer;
    let inner = shared.lock();
    // Only a demo's client may be printed: one that anybody on this machine may be.
    let demo =
        inner.options.clients.iter().find(|c| matches!(c.redirect_uris, RedirectUris::AnyOnThisMachine));
    let lifetime = inner.options.access_token_lifetime.as_secs();
    page(
        "Demo provider",
        &html! {
            p { "A pretend SaaS with OAuth 2.0, for trying out a connection. Sign in as whoever you like." }
            dl {
                @if let Some(client) = demo {
                    dt { "Client id" } dd { code { (client.id) } }
                    dt { "Client secret" } dd { code { (client.secret) } }
                }
                dt { "Authorization URL" } dd { code { (issuer) "/authorize" } }
                dt { "Token URL" } dd { code { (issuer) "/token" } }
                dt { "Token URL of one tenant" } dd { code { (issuer) "/{entity_id}/token" } }
                dt { "Revocation URL" } dd { code { (issuer) "/revoke" } }
                dt { "An API to call with the token" } dd { code { (issuer) "/me" } }
            }
            p {
                "Access tokens live " (lifetime) " seconds. Refresh tokens work once: using one again ends the grant. "
                "PKCE with S256 is required."
            }
        },
    )
}

pub(super) fn sign_in(client_id: &str, scopes: &[String], request: &[(String, String)]) -> impl IntoResponse {
    page(
        "Sign in",
        &html! {
            p { strong { (client_id) } " asks for access to your account" @if scopes.is_empty() { "." } @else { ":" } }
            @if !scopes.is_empty() {
                ul { @for scope in scopes { li { code { (scope) } } } }
            }
            form method="post" {
                @for (name, value) in request {
                    @if name != "user" && name != "decision" { input type="hidden" name=(name) value=(value); }
                }
                label for="user" { "User name" }
                input #user type="text" name="user" value="ada@example.com" autocomplete="off" autofocus;
                button.primary type="submit" name="decision" value="allow" { "Sign in and allow" }
                " "
                button type="submit" name="decision" value="deny" { "Deny" }
            }
        },
    )
}

pub(super) fn done() -> impl IntoResponse {
    page("Done", &html! { p { "Go back to the other device." } })
}

pub(super) fn error(description: &str) -> impl IntoResponse {
    page(
        "This request can't be answered",
        &html! {
            p { (description) }
            p { "You were not sent back, because it is not certain where to." }
        },
    )
}

fn page(title: &str, content: &Markup) -> Page {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · demo provider" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                span.badge { "demo provider" }
                h1 { (title) }
                (content)
            } }
        }
    };
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(document.into_string()))
}
