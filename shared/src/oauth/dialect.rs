//! Between RFC 6749 as `oauth2` writes and reads it, and how a provider has it ([`Dialect`]).

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderValue, header};
use oauth2::HttpRequest;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::token_answer::number;
use crate::model::dialect::{Dialect, ExpiresInUnit, TokenBody, fact_text, member};

/// A token request as the provider wants it.
pub(super) fn spoken(mut request: HttpRequest, dialect: &Dialect) -> HttpRequest {
    let json = dialect.token_body == Some(TokenBody::Json);
    let renamed = dialect.grant_type.as_deref();
    if !json && renamed.is_none() {
        return request;
    }
    let pairs = form_urlencoded::parse(request.body()).map(|(name, value)| match (&*name, renamed) {
        ("grant_type", Some(renamed)) if value == "client_credentials" => (name, Cow::Borrowed(renamed)),
        _ => (name, value),
    });
    let body = if json {
        let members = pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
        Value::Object(members.collect()).to_string()
    } else {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    *request.body_mut() = body.into_bytes();
    if json {
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request
}

/// The part of an answer that has the tokens.
pub(super) fn token_object<'a>(answer: &'a Map<String, Value>, dialect: &Dialect) -> &'a Map<String, Value> {
    let there = dialect.token_path.as_ref().and_then(|path| member(answer, path)?.as_object());
    there.filter(|object| object.contains_key("access_token")).unwrap_or(answer)
}

/// That part as RFC 6749 5.1 has it.
pub(super) fn understood(answer: &Map<String, Value>, dialect: &Dialect) -> Map<String, Value> {
    let mut tokens = token_object(answer, dialect).clone();
    if dialect.expires_in_unit == Some(ExpiresInUnit::Milliseconds)
        && let Some(milliseconds) = tokens.get("expires_in").and_then(number)
    {
        tokens.insert("expires_in".to_owned(), (milliseconds / 1000.0).into());
    }
    tokens
}

/// What the connection wants to know besides, under the paths that name it.
pub(super) fn facts(answer: &Map<String, Value>, dialect: &Dialect) -> BTreeMap<String, String> {
    let fact = |path: &String| Some((path.clone(), fact_text(member(answer, path)?)?));
    dialect.token_facts.iter().filter_map(fact).collect()
}

/// Of what the redirect back brought, what the connection wants to know.
pub fn callback_facts<'a>(
    dialect: &Dialect,
    parameter: impl Fn(&str) -> Option<&'a str>,
) -> BTreeMap<String, String> {
    let fact = |name: &String| Some((name.clone(), fact_text(&parameter(name)?.into())?));
    dialect.callback_facts.iter().filter_map(fact).collect()
}
