//! Cookies, of which ours can be read by no script, and set by no sibling domain.

use std::time::Duration;

use http::{HeaderValue, header};

use super::{Request, Response};
use crate::model::Secret;

/// A cookie of ours.
pub fn cookie(request: &Request, name: &str) -> Option<Secret> {
    request.cookie(&full_name(request, name)).map(|value| Secret::from(value.to_owned()))
}

/// `SameSite=Lax`, for a provider's redirect must bring it; for as long as what it is for.
pub fn set_cookie(
    request: &Request,
    response: &mut Response,
    name: &str,
    value: &Secret,
    lifetime: Duration,
) {
    let name = full_name(request, name);
    let secure = if is_https(request) { "; Secure" } else { "" };
    let (value, seconds) = (value.expose(), lifetime.as_secs());
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Makes the browser forget it.
pub fn end_cookie(request: &Request, response: &mut Response, name: &str) {
    set_cookie(request, response, name, &String::new().into(), Duration::ZERO);
}

/// `__Host-` cookies can't be set by a sibling domain (RFC 6265bis), but need https, which http://localhost has not.
fn full_name(request: &Request, name: &str) -> String {
    if is_https(request) { format!("__Host-{name}") } else { name.to_owned() }
}

fn is_https(request: &Request) -> bool {
    request.public_url().starts_with("https://")
}
