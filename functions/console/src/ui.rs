//! Parts that several pages have in common.

use bifrost::model::{Scope, organization::Organization};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What may stand in a part of a path or query as it is (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// As one part of a path, or a value in a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// As a path of several parts, that leads to no other host and nowhere up.
pub(crate) fn encoded_path(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    parts.map(encoded).collect::<Vec<_>>().join("/")
}

/// An address with a query. `path` is ours; the values are anyone's.
pub(crate) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The address of a page of the console, from what somebody else says it is below `/console/`: a path, and perhaps a query.
/// Whatever it was, it leads nowhere else.
pub(crate) fn console_address(below: &str) -> String {
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    address(&format!("/console/{}", encoded_path(path)), &pairs)
}

/// `address` with more behind it.
pub(crate) fn and_query(address: &str, more: &[(&str, &str)]) -> String {
    let separator = if address.contains('?') { "&" } else { "?" };
    let pairs: Vec<_> = more.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { address.to_owned() } else { format!("{address}{separator}{}", pairs.join("&")) }
}

/// The reverse of [`encoded`].
pub(crate) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A text to be pasted elsewhere, with a button that copies it.
pub(crate) fn copyable(id: &str, text: &str) -> Markup {
    html! {
        span.copyable {
            code id=(id) { (text) }
            button.quiet type="button" data-copy=(id) data-needs-script hidden { "Copy" }
        }
    }
}

/// What a list says that has nothing in it: what to do next.
pub(crate) fn empty_state(title: &str, advice: &Markup) -> Markup {
    html! { div.empty { p { strong { (title) } } (advice) } }
}

/// A table that can be scrolled sideways where it is too wide, by the keyboard too.
pub(crate) fn table(label: &str, head: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table {
                thead { tr { @for title in head { th scope="col" { (title) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// The tabs of a thing that has several pages: label, address, and whether one is there.
pub(crate) fn tabs(label: &str, tabs: &[(&str, String, bool)]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            ul { @for (label, address, here) in tabs {
                li { a href=(address) aria-current=[here.then_some("page")] { (label) } }
            } }
        }
    }
}

/// A link to the next page of a list, if there is one.
pub(crate) fn next_page(address: Option<String>) -> Markup {
    html! { @if let Some(address) = address { p.next { a.button.quiet href=(address) { "Next page" } } } }
}

/// Whose something is, by name where that is known.
pub(crate) fn scope_name(scope: Scope, organizations: Option<&[Organization]>) -> String {
    match scope {
        Scope::Global => "Global".to_owned(),
        Scope::Organization(id) => {
            let found = organizations.into_iter().flatten().find(|organization| organization.id == id);
            found.map_or_else(|| id.to_string(), |organization| organization.name.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_goes_after_signing_in_is_always_a_page_of_the_console() {
        let cases = [
            ("integrations/Halo PSA", "integrations/Halo%20PSA"),
            ("//evil.example/x", "evil.example/x"),
            ("../../connect/x", "connect/x"),
            ("\\\\evil.example", "%5C%5Cevil.example"),
            ("a?b#c", "a%3Fb%23c"),
            ("a\r\nb", "a%0D%0Ab"),
        ];
        for (next, path) in cases {
            assert_eq!(encoded_path(next), path);
        }
    }

    #[test]
    fn where_one_comes_back_to_is_a_page_of_the_console_with_its_query() {
        let cases = [
            ("integrations/Halo PSA/oauth", "/console/integrations/Halo%20PSA/oauth"),
            ("connections?scope=global&status=all", "/console/connections?scope=global&status=all"),
            ("//evil.example?x=//y", "/console/evil.example?x=%2F%2Fy"),
            ("../connect/x?a", "/console/connect/x"),
            ("a?b=c#d&e=\r\n", "/console/a?b=c%23d&e=%0D%0A"),
        ];
        for (below, address) in cases {
            assert_eq!(console_address(below), address);
        }
        assert_eq!(and_query("/console/a", &[("done", "x")]), "/console/a?done=x");
        assert_eq!(and_query("/console/a?b=c", &[("done", "x")]), "/console/a?b=c&done=x");
    }
}
