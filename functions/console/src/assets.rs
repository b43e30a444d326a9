//! The style sheet, the script and the icon, under names that change with them, so that a browser may keep them for ever.

use std::sync::OnceLock;

use bifrost::{
    edge::{Response, html},
    model::{Problem, secret::sha256_hex},
};
use http::{HeaderValue, header};

use crate::no_page;

/// Behind the style of all pages.
const STYLE: &str = include_str!("console.css");
const SCRIPT: &str = include_str!("console.js");
const ICON: &str = include_str!("icon.svg");

/// The address of the style sheet.
pub(crate) fn style_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| format!("/console/assets/{}.css", fingerprint(&[html::STYLE, STYLE])))
}

/// The address of the script.
pub(crate) fn script_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| format!("/console/assets/{}.js", fingerprint(&[SCRIPT])))
}

/// The address of the icon.
pub(crate) fn icon_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| format!("/console/assets/{}.svg", fingerprint(&[ICON])))
}

pub(crate) fn serve(file: &str) -> Result<Response, Problem> {
    let is = |url: &str| url.rsplit('/').next() == Some(file);
    let (kind, text) = if is(style_url()) {
        ("text/css; charset=utf-8", [html::STYLE, STYLE].concat())
    } else if is(script_url()) {
        ("text/javascript; charset=utf-8", SCRIPT.to_owned())
    } else if is(icon_url()) {
        ("image/svg+xml", ICON.to_owned())
    } else {
        return Err(no_page());
    };
    let mut response = Response::new(text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

fn fingerprint(texts: &[&str]) -> String {
    sha256_hex(texts)[..16].to_owned()
}
