//! Provider URLs with `{placeholders}`, filled in per organization.
//!
//! Someone trusted writes the template; the values come from mappings, so from further away. A value must not be able
//! to change where the URL leads: it stays inside its host label, path segment or query value.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};

/// A provider's URL that may hold placeholders, such as `https://login.example.com/{tenant}/oauth2/token`.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    text: String,
    placeholders: Vec<Placeholder>,
}

#[derive(Clone, PartialEq, Eq)]
struct Placeholder {
    /// Where it stands in the text, braces included.
    span: Range<usize>,
    place: Place,
}

/// The part of a URL that a placeholder stands in; each has its own way to be left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    Path,
    Query,
}

/// What a template may be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// `http://` on localhost, 127.0.0.1 or `[::1]`: the local stack's demo provider.
    pub allow_http_loopback: bool,
}

/// Stands for a value while none is known: fits in every place, and is no number, so that it fits in no port.
const SAMPLE_VALUE: &str = "x";

/// Why a template can't be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    #[error("there is no value for the placeholder {{{placeholder}}}")]
    Unfilled { placeholder: String },
    #[error("the value for the placeholder {{{placeholder}}} {reason}")]
    Invalid { placeholder: String, reason: &'static str },
}

impl UrlTemplate {
    /// The error is a message for the field that held the text, and says what to do.
    pub fn parse(text: &str, rules: Rules) -> Result<Self, String> {
        // `Url` would repair what follows silently: strip white space, read `\` as `/`, add what is missing. A
        // template says what it means, so that the places found below are those that `Url` finds.
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || "\\\"<>^`|".contains(*c)) {
            return Err(format!(
                "holds the character {c:?}; write it percent-encoded, and a host name in ASCII"
            ));
        }
        if text.contains('#') {
            return Err("holds a fragment; leave out the # and what follows it".to_owned());
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(rest) = rest else {
            return Err("must begin with https://".to_owned());
        };
        let host_start = text.len() - rest.len();
        let host_end = rest.find(['/', '?']).map_or(text.len(), |end| host_start + end);
        if host_start == host_end {
            return Err("has no host; write it as https://host/path".to_owned());
        }
        if text[host_start..host_end].contains('@') {
            return Err("holds a user name or password before the host; leave them out".to_owned());
        }
        let path_end = text.find('?').unwrap_or(text.len());
        let place_of = |position: usize| {
            if position < host_end {
                Place::Host
            } else if position < path_end {
                Place::Path
            } else {
                Place::Query
            }
        };
        let placeholders: Vec<Placeholder> =
            spans(text)?.into_iter().map(|span| Placeholder { place: place_of(span.start), span }).collect();
        if let Some(last) = placeholders.iter().rfind(|placeholder| placeholder.place == Place::Host) {
            check_host_after(&text[last.span.end..host_end])?;
        }

        let template = Self { text: text.to_owned(), placeholders };
        let sample = Url::parse(&template.with_values(|_| SAMPLE_VALUE.to_owned()))
            .map_err(|error| format!("is not a URL ({error}); write it as https://host/path"))?;
        if shape(&sample).is_none() {
            return Err(
                "has a host that can't exist; each part between dots may have 63 characters".to_owned()
            );
        }
        let local = match sample.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
            Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
            None => false,
        };
        if sample.scheme() == "http" && !(local && rules.allow_http_loopback) {
            return Err("must begin with https://".to_owned());
        }
        Ok(template)
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names to be filled, each once, in the order of their first appearance.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        let mut seen = BTreeSet::new();
        let names = self.placeholders.iter().map(|placeholder| self.name(placeholder));
        names.filter(move |name| seen.insert(*name))
    }

    /// The URL with every placeholder replaced. Values that are not asked for are ignored.
    pub fn fill(&self, values: &BTreeMap<String, String>) -> Result<Url, FillError> {
        for placeholder in &self.placeholders {
            let name = self.name(placeholder);
            let value =
                values.get(name).ok_or_else(|| FillError::Unfilled { placeholder: name.to_owned() })?;
            check_value(value, placeholder.place)
                .map_err(|reason| FillError::Invalid { placeholder: name.to_owned(), reason })?;
        }
        let url = Url::parse(&self.with_values(|name| percent_encoded(&values[name])));
        // What each value may hold is checked above. This is about what it makes together with the template, such as
        // `.` in the path segment `.{x}`, or a host label that has grown too long.
        match url {
            Ok(url) if shape(&url).is_some() && shape(&url) == shape(&self.sample()) => Ok(url),
            _ => Err(FillError::Invalid {
                placeholder: self.placeholders().collect::<Vec<_>>().join(", "),
                reason: "does not fit its place in the URL",
            }),
        }
    }

    /// The URL with a harmless value everywhere.
    fn sample(&self) -> Url {
        let url = Url::parse(&self.with_values(|_| SAMPLE_VALUE.to_owned()));
        url.expect("a template is only made of text for which this worked")
    }

    fn with_values(&self, value: impl Fn(&str) -> String) -> String {
        let mut filled = String::with_capacity(self.text.len());
        let mut done = 0;
        for placeholder in &self.placeholders {
            filled.push_str(&self.text[done..placeholder.span.start]);
            filled.push_str(&value(self.name(placeholder)));
            done = placeholder.span.end;
        }
        filled + &self.text[done..]
    }

    fn name(&self, placeholder: &Placeholder) -> &str {
        &self.text[placeholder.span.start + 1..placeholder.span.end - 1]
    }
}

/// Whether a value may stand in a host: (part of) one DNS label, so that it can't name another host.
pub fn host_value_allowed(value: &str) -> bool {
    (1..=63).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-')
}

/// A reason reads on from "the value for the placeholder {name}".
fn check_value(value: &str, place: Place) -> Result<(), &'static str> {
    if value.is_empty() {
        return Err("is empty");
    }
    if value.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    match place {
        Place::Host if !host_value_allowed(value) => {
            Err("stands in the host, where only letters, digits and inner hyphens are allowed, 63 at most")
        }
        // Encoding these would do, if there were no servers that decode a path before they walk it.
        Place::Path if value.contains(['/', '\\', '%']) => {
            Err("stands in the path, where / \\ and % are not allowed")
        }
        Place::Path if value == "." || value == ".." => {
            Err("stands in the path, where . and .. lead elsewhere")
        }
        Place::Host | Place::Path | Place::Query => Ok(()),
    }
}

/// Everything but the unreserved characters of RFC 3986 2.3 is encoded, so nothing left in a value has a meaning.
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Where the placeholders stand, braces included.
fn spans(text: &str) -> Result<Vec<Range<usize>>, String> {
    let mut spans = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find(['{', '}']) {
        let start = from + found;
        let length = text[start..].find('}').filter(|_| text[start..].starts_with('{'));
        let Some(length) = length else {
            return Err("holds a brace without its partner; write a placeholder as {name}".to_owned());
        };
        let name = &text[start + 1..start + length];
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(valid) {
            return Err(format!("holds the placeholder {{{name}}}; use only a-z, 0-9 and _ in its name"));
        }
        from = start + length + 1;
        spans.push(start..from);
    }
    Ok(spans)
}

/// Refuses placeholders that would decide whose host it is: after the last one, a domain must follow.
///
/// Two labels are taken for a domain. That a registry hands out names one level deeper (`co.uk`) is for the template's
/// author to know.
fn check_host_after(last_placeholder: &str) -> Result<(), String> {
    let host = last_placeholder.split(':').next().unwrap_or_default();
    let labels = host.split('.').skip(1).filter(|label| !label.is_empty()).count();
    if labels < 2 {
        return Err("has a placeholder where the host's own domain should be; \
                    write the domain out, as in https://{tenant}.example.com"
            .to_owned());
    }
    Ok(())
}

/// All that a value must not change: scheme, port, and the number of host labels, path segments and query pairs.
/// Nothing has the shape of a URL whose host no resolver would take (RFC 1035 2.3.4).
fn shape(url: &Url) -> Option<(String, Option<u16>, usize, usize, usize)> {
    let labels: Vec<&str> = url.host_str()?.split('.').collect();
    if labels.iter().any(|label| label.len() > 63) {
        return None;
    }
    let segments = url.path_segments()?.count();
    Some((url.scheme().to_owned(), url.port(), labels.len(), segments, url.query_pairs().count()))
}

// An answer's: what requests may bring is `connection::fields::ProviderUrl`.
described!(UrlTemplate: {"type": "string"});

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Serialize for UrlTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// For what was stored: which URLs are welcome was decided when it was written, and is decided again when it is
/// called. What people send in goes through [`UrlTemplate::parse`], whose message names the field.
impl<'de> Deserialize<'de> for UrlTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text, Rules { allow_http_loopback: true }).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRICT: Rules = Rules { allow_http_loopback: false };
    const LOCAL: Rules = Rules { allow_http_loopback: true };

    fn template(text: &str) -> UrlTemplate {
        UrlTemplate::parse(text, STRICT).unwrap()
    }

    fn filled(text: &str, value: &str) -> Result<String, FillError> {
        let values = BTreeMap::from([("x".to_owned(), value.to_owned())]);
        template(text).fill(&values).map(String::from)
    }

    #[test]
    fn a_template_without_placeholders_is_its_url() {
        let url = template("https://example.com:8443/token?a=b").fill(&BTreeMap::new()).unwrap();
        assert_eq!(url.as_str(), "https://example.com:8443/token?a=b");
    }

    #[test]
    fn placeholders_are_named_once_in_order() {
        let template = template("https://{b}.example.com/{a}/{b}?t={c_1}");
        assert_eq!(template.placeholders().collect::<Vec<_>>(), ["b", "a", "c_1"]);
    }

    #[test]
    fn each_place_is_filled_in_its_own_way() {
        assert_eq!(filled("https://{x}.example.com/t", "Acme-7").unwrap(), "https://acme-7.example.com/t");
        assert_eq!(filled("https://eu-{x}.example.com:8443", "1").unwrap(), "https://eu-1.example.com:8443/");
        assert_eq!(
            filled("https://example.com/{x}/t", "a b?c#dü").unwrap(),
            "https://example.com/a%20b%3Fc%23d%C3%BC/t"
        );
        assert_eq!(
            filled("https://example.com/t?a={x}&b=1", "1&b=/%").unwrap(),
            "https://example.com/t?a=1%26b%3D%2F%25&b=1"
        );
    }

    #[test]
    fn values_that_could_leave_their_place_are_refused() {
        for (text, value) in [
            ("https://{x}.example.com", "evil.com/"),
            ("https://{x}.example.com", "evil.com"),
            ("https://{x}.example.com", "user@evil"),
            ("https://{x}.example.com", "-a"),
            ("https://{x}.example.com", ""),
            ("https://{x}.example.com", "xn--a"),
            ("https://{x}.example.com", &"a".repeat(64)),
            ("https://{x}{x}.example.com", &"a".repeat(40)),
            ("https://example.com/{x}/t", ".."),
            ("https://example.com/{x}", "."),
            ("https://example.com/a/.{x}", "."),
            ("https://example.com/a/%2e{x}", "."),
            ("https://example.com/a/{x}{x}", "."),
            ("https://example.com/{x}/t", "a/b"),
            ("https://example.com/{x}/t", "a\\b"),
            ("https://example.com/{x}/t", "%2e%2e"),
            ("https://example.com/{x}/t", ""),
            ("https://example.com/{x}/t", "a\nb"),
        ] {
            assert!(filled(text, value).is_err(), "{text} with {value:?}: {:?}", filled(text, value));
        }
    }

    #[test]
    fn an_error_names_the_placeholder() {
        let missing = template("https://example.com/{tenant}").fill(&BTreeMap::new()).unwrap_err();
        assert_eq!(missing.to_string(), "there is no value for the placeholder {tenant}");
        let invalid = filled("https://example.com/{x}", "").unwrap_err();
        assert_eq!(invalid.to_string(), "the value for the placeholder {x} is empty");
    }

    #[test]
    fn texts_that_are_no_provider_url_are_refused() {
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "https:example.com",
            "https://",
            "https:///path",
            "http://example.com",
            "http://localhost",
            "https://user@example.com",
            "https://user:pass@example.com",
            "https://{x}@example.com",
            "https://example.com/#top",
            " https://example.com",
            "https://example.com/a b",
            "https://example.com\\evil.com",
            "https://exämple.com",
            "https://example.com/{X}",
            "https://example.com/{}",
            "https://example.com/{a",
            "https://example.com/a}",
            "https://example.com/{a{b}}",
            "{scheme}://example.com",
            "https://{x}",
            "https://{x}.com",
            "https://{x}com.example",
            "https://example.{x}",
            "https://example.com{x}/path",
            "https://example.com:{x}",
            "https://[{x}]/",
            "https://{x}.0.1",
        ] {
            assert!(UrlTemplate::parse(text, STRICT).is_err(), "{text}");
        }
    }

    #[test]
    fn http_is_allowed_on_loopback_alone_and_only_by_rule() {
        for text in ["http://localhost:7072/token", "http://127.0.0.1/{x}", "http://[::1]:1/"] {
            assert!(UrlTemplate::parse(text, LOCAL).is_ok(), "{text}");
            assert!(UrlTemplate::parse(text, STRICT).is_err(), "{text}");
        }
        for text in
            ["http://example.com", "http://127.0.0.2", "http://localhost.example.com", "http://10.0.0.1"]
        {
            assert!(UrlTemplate::parse(text, LOCAL).is_err(), "{text}");
        }
    }

    #[test]
    fn is_stored_as_its_text() {
        let text = "\"https://example.com/{tenant}/token\"";
        let template: UrlTemplate = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&template).unwrap(), text);
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_host_label(value in hostile()) {
            if let Ok(url) = filled("https://{x}.example.com:8443/t?q=1", &value) {
                let rest = url.strip_prefix("https://").and_then(|url| url.strip_suffix(".example.com:8443/t?q=1"));
                prop_assert!(rest.is_some_and(host_value_allowed), "{url}");
            }
        }

        #[test]
        fn no_value_leaves_its_path_segment(value in hostile()) {
            if let Ok(url) = filled("https://example.com/a/{x}/t?q=1", &value) {
                let url = Url::parse(&url).unwrap();
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert!(matches!(segments[..], ["a", _, "t"]), "{url}");
                prop_assert_eq!(url.host_str(), Some("example.com"));
                prop_assert_eq!((url.query(), url.fragment()), (Some("q=1"), None));
            }
        }

        #[test]
        fn no_value_leaves_its_query_value(value in hostile()) {
            if let Ok(url) = filled("https://example.com/t?a={x}&b=1", &value) {
                let url = Url::parse(&url).unwrap();
                let pairs: Vec<_> = url.query_pairs().into_owned().collect();
                prop_assert_eq!(pairs, [("a".to_owned(), value), ("b".to_owned(), "1".to_owned())]);
                prop_assert_eq!((url.path(), url.fragment()), ("/t", None));
            }
        }

        #[test]
        fn no_text_makes_parse_or_fill_panic(text in "https?://[a-z{}./?#:@%\\\\\\[\\]0-9]{0,40}", value in hostile()) {
            if let Ok(template) = UrlTemplate::parse(&text, LOCAL) {
                let values = template.placeholders().map(|name| (name.to_owned(), value.clone())).collect();
                let _ = template.fill(&values);
            }
        }
    }

    /// Any text, and texts of the characters that mean something in a URL.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-z0-9./?#@:%&=+\\\\ -]{0,12}",
            "[a-zA-Z0-9-]{1,70}",
            "(%2[ef]|[./]){1,4}"
        ]
    }
}
