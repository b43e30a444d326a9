//! What all pages have in common, those of a sign-in and the console's: their look, and what a browser may do with them.
//!
//! No framing, no referrer, no store, a strict content security policy, and everything escaped: `maud` escapes whatever
//! it is given.

use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::Response;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("pages.css");

/// A whole page. `head` is what belongs there beside the title, `body` the element of that name.
pub fn response(
    status: StatusCode,
    title: &str,
    head: &Markup,
    body: &Markup,
    content_security_policy: &HeaderValue,
) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Within our own pages the referrer stays, for without it browsers send our own forms with
                // `Origin: null` (Fetch, "append a request Origin header"). Nothing leaves for another origin.
                meta name="referrer" content="same-origin";
                title { (title) " · Bifrost Integrations" }
                (head)
            }
            (body)
        }
    };
    let mut response = Response::new(document.into_string());
    *response.status_mut() = status;
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy.clone());
    response
}

/// To where a response with a status of redirection leads.
pub fn redirect(response: &mut Response, location: &str) {
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
}
