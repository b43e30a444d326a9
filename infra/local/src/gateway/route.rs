//! Which route a request takes: the most specific one that fits its path and method.

use std::collections::BTreeMap;

use axum::http::Method as HttpMethod;
use percent_encoding::percent_decode_str;

use crate::template::{Method, Route};

pub(crate) struct Routes(Vec<Pattern>);

struct Pattern {
    route: Route,
    segments: Vec<Segment>,
}

/// In the order in which they are preferred.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    /// `{name}`: one segment.
    Parameter(String),
    /// `{name+}`: all that is left.
    Rest(String),
}

/// A route, and what its parameters stand for in this request.
pub(crate) struct Match<'a> {
    pub(crate) route: &'a Route,
    /// Percent-decoded, as AWS has them.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Match<'_> {
    /// `GET /integrations/{name}`.
    pub(crate) fn key(&self) -> String {
        match &self.route.method {
            Method::Any => format!("ANY {}", self.route.path),
            Method::Only(method) => format!("{method} {}", self.route.path),
        }
    }
}

impl Routes {
    pub(crate) fn of(routes: &[Route]) -> Self {
        let patterns =
            routes.iter().map(|route| Pattern { segments: segments(&route.path), route: route.clone() });
        let mut patterns: Vec<_> = patterns.collect();
        // Literal before parameter, segment by segment, and a named method before ANY.
        patterns.sort_by_key(|pattern| {
            let preference: Vec<u8> = pattern.segments.iter().map(Segment::preference).collect();
            (preference, pattern.route.method == Method::Any)
        });
        Self(patterns)
    }

    pub(crate) fn find(&self, method: &HttpMethod, path: &str) -> Option<Match<'_>> {
        let path: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        self.0.iter().find_map(|pattern| {
            let fits = match &pattern.route.method {
                Method::Any => true,
                Method::Only(wanted) => wanted == method.as_str(),
            };
            let parameters = fits.then(|| parameters(&pattern.segments, &path)).flatten()?;
            Some(Match { route: &pattern.route, parameters })
        })
    }
}

impl Segment {
    fn preference(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Rest(_) => 2,
        }
    }
}

fn segments(path: &str) -> Vec<Segment> {
    let parse = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        None => Segment::Literal(segment.to_owned()),
        Some(name) => match name.strip_suffix('+') {
            None => Segment::Parameter(name.to_owned()),
            Some(name) => Segment::Rest(name.to_owned()),
        },
    };
    path.trim_start_matches('/').split('/').map(parse).collect()
}

fn parameters(pattern: &[Segment], path: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for (index, segment) in pattern.iter().enumerate() {
        let given = path.get(index).copied();
        match segment {
            Segment::Literal(literal) if given.is_some_and(|given| decoded(given) == *literal) => {}
            Segment::Parameter(name) => {
                parameters.insert(name.clone(), decoded(given.filter(|given| !given.is_empty())?));
            }
            Segment::Rest(name) => {
                let rest = path.get(index..).filter(|rest| rest.iter().any(|segment| !segment.is_empty()))?;
                parameters.insert(name.clone(), decoded(&rest.join("/")));
                return Some(parameters);
            }
            Segment::Literal(_) => return None,
        }
    }
    (pattern.len() == path.len()).then_some(parameters)
}

pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn routes(routes: &[&str]) -> Routes {
        let route = |text: &&str| {
            let (method, path) = text.split_once(' ').unwrap();
            Route {
                method: if method == "ANY" { Method::Any } else { Method::Only(method.to_owned()) },
                path: path.to_owned(),
                function: String::new(),
                authorizer: None,
                patience: Duration::ZERO,
            }
        };
        Routes::of(&routes.iter().map(route).collect::<Vec<_>>())
    }

    fn found(given: &Routes, request: &str) -> Option<(String, BTreeMap<String, String>)> {
        let (method, path) = request.split_once(' ').unwrap();
        let found = given.find(&method.parse().unwrap(), path)?;
        Some((found.key(), found.parameters))
    }

    fn key(given: &Routes, request: &str) -> Option<String> {
        found(given, request).map(|(key, _)| key)
    }

    #[test]
    fn a_literal_segment_beats_a_parameter_and_a_parameter_beats_the_rest() {
        let given =
            routes(&["GET /{rest+}", "GET /oauth/{name}", "GET /oauth/callback", "GET /{kind}/callback"]);
        assert_eq!(key(&given, "GET /oauth/callback").as_deref(), Some("GET /oauth/callback"));
        assert_eq!(key(&given, "GET /oauth/else").as_deref(), Some("GET /oauth/{name}"));
        assert_eq!(key(&given, "GET /saml/callback").as_deref(), Some("GET /{kind}/callback"));
        assert_eq!(key(&given, "GET /a/b/c").as_deref(), Some("GET /{rest+}"));
    }

    #[test]
    fn a_named_method_beats_any() {
        let given = routes(&["ANY /a", "POST /a"]);
        assert_eq!(key(&given, "POST /a").as_deref(), Some("POST /a"));
        assert_eq!(key(&given, "PUT /a").as_deref(), Some("ANY /a"));
    }

    #[test]
    fn parameters_are_decoded_and_a_slash_in_one_is_no_separator() {
        let given = routes(&["GET /integrations/{name}/resolve"]);
        let (_, parameters) = found(&given, "GET /integrations/Microsoft%20Graph%2Fbeta/resolve").unwrap();
        assert_eq!(parameters["name"], "Microsoft Graph/beta");
    }

    #[test]
    fn head_and_options_have_no_route_of_their_own() {
        let given = routes(&["GET /a"]);
        assert_eq!(key(&given, "HEAD /a"), None);
        assert_eq!(key(&given, "OPTIONS /a"), None);
    }

    #[test]
    fn nothing_is_not_a_parameter() {
        let given = routes(&["GET /a/{name}", "GET /b/{rest+}"]);
        assert_eq!(key(&given, "GET /a/"), None);
        assert_eq!(key(&given, "GET /a"), None);
        assert_eq!(key(&given, "GET /a/x/"), None);
        assert_eq!(key(&given, "GET /b/"), None);
    }
}
