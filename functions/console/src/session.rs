//! Signing in with a key, and out.

use bifrost::{
    app::{
        Bifrost,
        session::{NotAdmitted, SESSION_TIME, Session},
    },
    edge::{Request, Response, answer, cookies, pages},
    model::{FieldError, Problem, Secret, secret::sha256_hex},
    oauth,
};
use http::StatusCode;
use maud::html;

use crate::{
    layout,
    reply::see_other,
    ui::{encoded, encoded_path},
};

/// The cookie that a session is.
const SESSION: &str = "bifrost-session";
/// The cookie that ties the page that asks for a key to the browser that was shown it: nobody can be signed in with
/// somebody else's key by another site's form.
const SIGN_IN: &str = "bifrost-sign-in";

/// The session that a request brings along, if it is good and its key may be used from there.
pub(crate) async fn resume(bifrost: &Bifrost, request: &Request) -> Result<Option<Session>, Problem> {
    let Some(cookie) = cookies::cookie(request, SESSION) else { return Ok(None) };
    let session = bifrost.session(&cookie).await?;
    if let Some(Session { caller, .. }) = &session {
        request.check_session(caller).inspect_err(|problem| request.record_turned_away(caller, problem))?;
    }
    Ok(session)
}

/// To the page that asks for a key, and from there back to where one wanted to go. A form that was sent is lost: it
/// carried the token of a session that is over.
pub(crate) fn ask_to_sign_in(request: &Request) -> Response {
    let path = request.path("path").unwrap_or_default();
    let next = if request.is_post() { String::new() } else { encoded(path) };
    see_other(&format!("/console/sign-in?next={next}"))
}

/// The key of the session may not be used now, or from there.
pub(crate) fn not_admitted(request: &Request, problem: &Problem) -> Response {
    pages::log_problem(request, problem);
    asking(request, Some(problem))
}

pub(crate) async fn sign_in(bifrost: &Bifrost, request: &Request) -> Response {
    if !request.is_post() {
        return asking(request, None);
    }
    let admitted = admit(bifrost, request).await;
    request.record_sign_in(admitted.as_ref().map(|(session, _)| &session.caller));
    match admitted {
        Ok((session, cookie)) => {
            let next = request.query("next").unwrap_or_default();
            // Encoded again, so that it stays a path below ours, whatever it was.
            let next = Some(encoded_path(next)).filter(|path| !path.is_empty());
            let mut response = see_other(&format!("/console/{}", next.as_deref().unwrap_or("overview")));
            let lifetime = session.expires_at.since(bifrost::model::Timestamp::now()).min(SESSION_TIME);
            cookies::set_cookie(request, &mut response, SESSION, &cookie, lifetime);
            cookies::end_cookie(request, &mut response, SIGN_IN);
            response
        }
        Err(NotAdmitted { problem, .. }) => {
            pages::log_problem(request, &problem);
            asking(request, Some(&problem))
        }
    }
}

async fn admit(bifrost: &Bifrost, request: &Request) -> Result<(Session, Secret), NotAdmitted> {
    let expected = cookies::cookie(request, SIGN_IN).map(|cookie| form_token(&cookie));
    if !request.is_from_our_page() || expected.is_none() || request.form("form_token") != expected {
        let detail = "The form was not sent from this page, or the browser keeps no cookies.";
        return Err(Problem::forbidden(detail).fix("Allow cookies, and try again.").into());
    }
    let key = request.form("key").map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Problem::invalid("key", "is required"))?;
    let (session, cookie) = bifrost.sign_in(&key.into()).await?;
    if let Err(problem) = request.check_session(&session.caller) {
        return Err(NotAdmitted { problem, who: Some(Ok(session.caller)) });
    }
    Ok((session, cookie))
}

fn asking(request: &Request, problem: Option<&Problem>) -> Response {
    let cookie = cookies::cookie(request, SIGN_IN).unwrap_or_else(oauth::random_secret);
    let wrong: Option<&FieldError> = problem.and_then(|problem| problem.errors.first());
    let body = html! {
        main {
            h1 { "Sign in" }
            @if let Some(problem) = problem.filter(|_| wrong.is_none()) {
                div.notice.bad role="alert" { p { strong { (problem.code.title()) } } p { (problem.detail) " " (problem.fix) } }
            }
            form method="post" {
                input type="hidden" name="form_token" value=(form_token(&cookie));
                div.field {
                    label for="key" { "API key" }
                    @if let Some(wrong) = wrong { p.error id="key-error" { "The key " (wrong.message) "." } }
                    input type="password" id="key" name="key" required autofocus autocomplete="current-password"
                        spellcheck="false" aria-invalid=[wrong.map(|_| "true")]
                        aria-describedby=(if wrong.is_some() { "key-error key-hint" } else { "key-hint" });
                    p.hint id="key-hint" {
                        "A key of the role admin or user. The key that came with the stack is named in its outputs."
                    }
                }
                button type="submit" { "Sign in" }
            }
        }
    };
    let status = problem.map_or(StatusCode::OK, |problem| answer::status(problem.code));
    let mut response = layout::bare("Sign in", status, &body);
    cookies::set_cookie(request, &mut response, SIGN_IN, &cookie, SESSION_TIME);
    response
}

/// Back to the beginning, without the session.
pub(crate) fn signed_out(request: &Request) -> Response {
    let mut response = see_other("/console/sign-in");
    cookies::end_cookie(request, &mut response, SESSION);
    response
}

fn form_token(cookie: &Secret) -> String {
    sha256_hex(&["sign-in", cookie.expose()])
}
