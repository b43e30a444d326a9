//! The few pages that people see: before they sign in at a provider, and when they come back.
//!
//! Their one style sheet is in the page, allowed by its hash: nothing else is loaded for them.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, StatusCode};
use maud::{Markup, PreEscaped, html};
use ring::digest;

use super::{
    Request,
    answer::{self, Response},
    audit::AfterAllAnAct,
    cookies::{cookie, set_cookie},
    html::{self, redirect},
    log,
};
use crate::{
    app::connect::{
        Connected, Decision, Departure, Finished, NotConnected, Offer, Question, SIGN_IN_TIME, Waiting,
        state_cookie,
    },
    model::{Code, Name, Problem, Secret, Timestamp, oidc::CALLER_PREFIX, secret::sha256_hex},
};

/// With what a page of the console ends the address at which it wants to be told that somebody signed in.
pub const SIGNED_IN: (&str, &str) = ("done", "signed-in");

/// The page that a connect link opens: what is about to be connected, and a button.
pub fn offer(request: &Request, ticket: &Secret, offer: &Offer, cookie: &Secret) -> Response {
    let organization = offer.organization.as_deref().unwrap_or("the platform, for all organizations");
    let scopes = offer.scopes.join(", ");
    let asked_by = match offer.asked_by.strip_prefix(CALLER_PREFIX) {
        Some(person) => person.to_owned(),
        None => format!("key {}", offer.asked_by),
    };
    let body = html! {
        h1 { "Connect " (offer.connection) }
        @if let Some(description) = &offer.description { p { (description) } }
        dl {
            dt { "For" } dd { (organization) }
            dt { "Sign in at" } dd { (offer.provider_host) }
            @if !scopes.is_empty() { dt { "Permissions" } dd { (scopes) } }
            dt { "Asked for by" } dd { (asked_by) }
            dt { "Link good until" } dd { (offer.expires_at.to_the_minute()) }
        }
        p { "Continue only if you expected this. You will be sent to " strong { (offer.provider_host) } " to sign in." }
        form method="post" {
            input type="hidden" name="form_token" value=(form_token(ticket, cookie));
            button type="submit" { "Continue" }
        }
    };
    let mut response = page(StatusCode::OK, &format!("Connect {}", offer.connection), &body);
    let lifetime = offer.expires_at.since(Timestamp::now());
    set_cookie(request, &mut response, &offer_cookie(ticket), cookie, lifetime);
    response
}

/// The cookie that ties a confirm page to the browser that was shown it, named after its link.
pub fn offer_cookie(ticket: &Secret) -> String {
    format!("bifrost-connect-{}", &sha256_hex(&[ticket.expose()])[..16])
}

/// Whether a posted form is the one that this very browser was shown, on the page of this link.
pub fn form_is_ours(request: &Request, ticket: &Secret) -> bool {
    is_form_of(request, ticket, &offer_cookie(ticket))
}

/// What a person said who was asked whether they meant to sign in as someone else; `None` if the form is not the one that
/// this very browser was shown.
pub fn decision(request: &Request) -> Option<Decision> {
    let state = Secret::from(request.form("state")?);
    let switches = match request.form("decision")?.as_str() {
        "switch" => true,
        "keep" => false,
        _ => return None,
    };
    let instead_of = request.form("instead_of").and_then(|incarnation| incarnation.parse().ok());
    is_form_of(request, &state, &state_cookie(&state)).then_some(Decision { state, switches, instead_of })
}

/// `about` is what the page was shown for, and `cookie_name` that of the cookie that came with it.
fn is_form_of(request: &Request, about: &Secret, cookie_name: &str) -> bool {
    let expected = cookie(request, cookie_name).map(|cookie| form_token(about, &cookie));
    request.is_from_our_page() && expected.is_some() && request.form("form_token") == expected
}

/// On to the provider (RFC 9110 section 15.4.4), with the cookie that the callback asks for.
pub fn departure(request: &Request, departure: &Departure) -> Response {
    let mut response = page(StatusCode::SEE_OTHER, "Signing in", &html! { p { "On to the provider." } });
    redirect(&mut response, departure.location.expose());
    for (name, cookie) in &departure.cookies {
        set_cookie(request, &mut response, name, cookie, departure.lifetime);
    }
    response
}

/// How a sign-in with this state went on: to its end, or to a question.
pub fn finished(request: &Request, state: &Secret, finished: &Finished) -> Response {
    match finished {
        Finished::Connected(outcome) => connected(outcome),
        Finished::Asked(asked) => question(request, state, asked),
        Finished::Kept { connection, before, return_to } => {
            kept(request, connection, before, return_to.as_deref())
        }
    }
}

/// What to do on another device. The page loads itself again until that is done.
pub fn waiting(waiting: &Waiting) -> Response {
    let Waiting { connection, user_code, verification_uri, verification_uri_complete, .. } = waiting;
    let address = verification_uri_complete.as_ref().unwrap_or(verification_uri);
    let body = html! {
        h1 { "Connect " (connection) }
        p { "Open this address, here or on another device, and sign in:" }
        p { a href=(address) target="_blank" rel="noopener noreferrer" { (verification_uri) } }
        p { "Enter this code there, or compare it:" }
        p.code { (user_code) }
        p.status { "Waiting for you to sign in. Leave this page open: it looks again by itself." }
        p { "The code is good until " (waiting.expires_at.to_the_minute()) "." }
    };
    let title = format!("Connect {connection}");
    let mut response = page(StatusCode::OK, &title, &body);
    // Beyond the provider's interval, so that each look is a question.
    let seconds = (waiting.ask_again.as_secs() + 1).to_string();
    if let Ok(seconds) = HeaderValue::from_str(&seconds) {
        response.headers_mut().insert(HeaderName::from_static("refresh"), seconds);
    }
    response
}

/// The end of a sign-in that succeeded: back to where the person came from, or a page that says so.
fn connected(connected: &Connected) -> Response {
    let name = &connected.connection;
    let body = html! {
        h1 { (name) " is connected" }
        p.status { "Status: active" }
        @if !connected.signed_in.is_empty() { p { "Signed in as " (who(&connected.signed_in)) "." } }
        @if !connected.has_refresh_token {
            p.warning {
                "The provider gave no refresh token. The connection works until its token expires; then someone must "
                "connect again. Many providers give one only when a scope such as offline_access is asked for."
            }
        }
        p { "You can close this page." }
    };
    let title = format!("{name} is connected");
    let Some(return_to) = &connected.return_to else {
        return page(StatusCode::OK, &title, &body);
    };
    let mut response = page(StatusCode::SEE_OTHER, &title, &body);
    redirect(&mut response, return_to);
    response
}

/// Someone else signed in than before. The cookie of the sign-in is given for as long as the answer is waited for.
fn question(request: &Request, state: &Secret, question: &Question) -> Response {
    let name = &question.connection;
    let cookie_name = state_cookie(state);
    let Some(cookie) = cookie(request, &cookie_name) else {
        // Whoever is asked has just brought it.
        return problem_page(request, &Problem::internal("a question for a browser without its cookie"));
    };
    let title = format!("Connect {name} as someone else?");
    let body = html! {
        h1 { (title) }
        dl {
            dt { "Connected now" } dd { (who(&question.before)) }
            dt { "You signed in as" } dd { (who(&question.now)) }
        }
        p.warning {
            "Workflows that use " (name) " would act as the other from then on. Until you decide, it goes on as "
            strong { (who(&question.before)) } "; if you decide nothing for ten minutes, it stays so."
        }
        form method="post" action="/oauth/confirm" {
            input type="hidden" name="state" value=(state.expose());
            input type="hidden" name="instead_of" value=(question.instead_of);
            input type="hidden" name="form_token" value=(form_token(state, &cookie));
            button type="submit" name="decision" value="keep" { "Keep " (first(&question.before)) }
            " "
            button.secondary type="submit" name="decision" value="switch" { "Switch to " (first(&question.now)) }
        }
    };
    let mut response = page(StatusCode::OK, &title, &body);
    set_cookie(request, &mut response, &cookie_name, &cookie, SIGN_IN_TIME);
    response
}

/// The person had not meant it.
fn kept(request: &Request, name: &Name, before: &[String], return_to: Option<&str>) -> Response {
    let body = html! {
        h1 { (name) " was left as it was" }
        @if !before.is_empty() { p { "It goes on as " strong { (who(before)) } "." } }
        p { "What you signed in with has been let go of. To sign in as another user, open the link again." }
        (back(request, return_to))
    };
    page(StatusCode::OK, &format!("{name} was left as it was"), &body)
}

/// To where the person came from, if the link said so. A page of the console is not told that somebody signed in.
fn back(request: &Request, return_to: Option<&str>) -> Markup {
    let (name, value) = SIGNED_IN;
    let told = format!("{name}={value}");
    let address = return_to.map(|address| match address.strip_suffix(&told) {
        Some(untold) if address.starts_with(request.public_url()) => untold.trim_end_matches(['?', '&']),
        _ => address,
    });
    html! { @if let Some(address) = address { p { a.button href=(address) { "Back" } } } }
}

fn who(words: &[String]) -> String {
    words.join(", ")
}

fn first(words: &[String]) -> &str {
    words.first().map(String::as_str).unwrap_or_default()
}

/// The end of any other sign-in.
pub fn not_connected(request: &Request, outcome: &NotConnected) -> Response {
    match outcome {
        NotConnected::Rejected(problem) => problem_page(request, problem),
        NotConnected::Repeated { outcome, return_to } => {
            let body = html! {
                h1 { "This sign-in is over" }
                p { (outcome.as_deref().unwrap_or("It has been used already, and nothing was done a second time.")) }
                @if return_to.is_none() { p { "To connect again, ask for a new link." } }
                (back(request, return_to.as_deref()))
            };
            page(StatusCode::GONE, "This sign-in is over", &body)
        }
        NotConnected::Failed { connection, problem, return_to } => {
            log::problem(problem, request.route(), request.request_id());
            let body = html! {
                h1 { (connection) " is not connected" }
                p { (problem.detail) }
                h2 { "What to do" }
                p { (problem.fix) }
                (back(request, return_to.as_deref()))
                p.id { "Request " (request.request_id()) }
            };
            of_problem(problem, page(page_status(problem.code), "Not connected", &body))
        }
    }
}

/// What is our fault, into the log, under the id that a page shows.
pub fn log_problem(request: &Request, problem: &Problem) {
    log::problem(problem, request.route(), request.request_id());
}

/// What is wrong, and what to do. What is our fault is also logged, under the id that the page shows.
pub fn problem_page(request: &Request, problem: &Problem) -> Response {
    log_problem(request, problem);
    let body = html! {
        h1 { (problem.code.title()) }
        p { (problem.detail) }
        h2 { "What to do" }
        p { (problem.fix) }
        p.id { "Request " (request.request_id()) }
    };
    of_problem(problem, page(page_status(problem.code), problem.code.title(), &body))
}

/// With what the audit trail calls the problem.
fn of_problem(problem: &Problem, mut response: Response) -> Response {
    response.extensions_mut().insert(problem.code);
    response
}

/// For a page that was loaded to look how a sign-in goes, and finds that it is over.
pub fn after_all_an_act(mut response: Response) -> Response {
    response.extensions_mut().insert(AfterAllAnAct);
    response
}

fn page_status(code: Code) -> StatusCode {
    // Whoever looks at a page gave no input that could be wrong: what is in the way is how things stand.
    match answer::status(code) {
        status @ (StatusCode::GONE
        | StatusCode::FORBIDDEN
        | StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::SERVICE_UNAVAILABLE) => status,
        _ => StatusCode::CONFLICT,
    }
}

fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    static POLICY: OnceLock<HeaderValue> = OnceLock::new();
    let head = html! { style { (PreEscaped(html::STYLE)) } };
    let body = html! { body.single { main { (body) } } };
    html::response(status, title, &head, &body, POLICY.get_or_init(content_security_policy))
}

/// Nothing but our style sheet. `form-action` is left open on purpose: browsers apply it to every redirect that follows
/// a form, and the providers' own redirects lead to hosts that nobody can list.
fn content_security_policy() -> HeaderValue {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, html::STYLE.as_bytes()));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'");
    // Base64 holds nothing that a header may not.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// What only someone who can read both the page and the cookie can send.
fn form_token(ticket: &Secret, cookie: &Secret) -> String {
    sha256_hex(&["form", ticket.expose(), cookie.expose()])
}
