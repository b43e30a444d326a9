//! Asking a provider's endpoints for what can't be given, to see whether they are there and what they say.
//!
//! Nothing that a probe sends is a secret, and nothing that it asks for can be had: the sign-in request comes from no
//! browser, and the token request brings no grant.

use http::{Method, StatusCode, header};
use oauth2::{HttpRequest, HttpResponse};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::Url;

use super::{
    answer::{is_page, named_error, object},
    authorize::{AuthorizeRequest, authorize_url},
    dialect::spoken,
    outbound::{Outbound, Purpose},
};
use crate::model::{
    Timestamp,
    diagnose::{Answered, Says},
    dialect::Dialect,
    failure::Failure,
    provider_errors::{NamedError, told_on_page},
};

/// The sign-in request that a browser would bring, complete but for the person.
pub async fn authorization_endpoint(
    outbound: &Outbound,
    request: &AuthorizeRequest<'_>,
) -> Result<Answered, Failure> {
    let url = authorize_url(request)?;
    let probe = http::Request::builder().uri(url.as_str()).header(header::ACCEPT, "text/html");
    let answer = outbound.send(built(probe, Vec::new())?, Purpose::Other).await?;
    let host = url.host_str().unwrap_or_default();
    let says = match answer.status() {
        status if status.is_redirection() => sent_on(&answer, &url, request.redirect_uri),
        status if status.is_client_error() => refusal(&answer, host),
        // Some say no with a page that says 200.
        _ => told(&answer, host).map_or(Says::Nothing, Says::Error),
    };
    Ok(answered(&answer, says))
}

/// A token request without a grant, from nobody.
pub async fn token_endpoint(
    outbound: &Outbound,
    token_url: &Url,
    dialect: &Dialect,
) -> Result<Answered, Failure> {
    let probe = http::Request::builder()
        .method(Method::POST)
        .uri(token_url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let probe = spoken(built(probe, b"grant_type=refresh_token".to_vec())?, dialect);
    let answer = outbound.send(probe, Purpose::Other).await?;
    let says = match answer.status() {
        status if status.is_redirection() => Says::GoElsewhere { host: location(&answer, token_url) },
        _ => refusal(&answer, token_url.host_str().unwrap_or_default()),
    };
    Ok(answered(&answer, says))
}

fn built(request: http::request::Builder, body: Vec<u8>) -> Result<HttpRequest, Failure> {
    request.body(body).map_err(|_| Failure::new("url-not-allowed", "The URL can't be used in a request."))
}

fn answered(answer: &HttpResponse, says: Says) -> Answered {
    Answered { status: answer.status().as_u16(), clock_ahead: clock_ahead(answer), says }
}

/// By how many seconds the provider's clock is ahead. What a cache has kept for a while tells no time.
fn clock_ahead(answer: &HttpResponse) -> Option<i64> {
    if answer.headers().contains_key(header::AGE) {
        return None;
    }
    let date = answer.headers().get(header::DATE)?.to_str().ok()?;
    let date = OffsetDateTime::parse(date.trim(), &Rfc2822).ok()?;
    Some(date.unix_timestamp() - Timestamp::now().unix_seconds())
}

/// Where a sign-in request is sent on to: back to us with an error, to a page that tells one, or to the sign-in.
fn sent_on(answer: &HttpResponse, asked: &Url, redirect_uri: &str) -> Says {
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let Some(to) = location.and_then(|location| asked.join(location).ok()) else {
        return Says::Nothing;
    };
    let parameter = |name: &str| to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    let Some(code) = parameter("error") else {
        return Says::Nothing;
    };
    let (description, subcode) = (parameter("error_description"), parameter("error_subcode"));
    let named = NamedError {
        host: asked.host_str().unwrap_or_default(),
        code: &code,
        description: description.as_deref(),
        subcode: subcode.as_deref(),
    };
    let failure = Failure::named_by_provider(&named, &[]);
    // On the provider's own pages the word may mean something else.
    let for_us =
        Url::parse(redirect_uri).is_ok_and(|ours| ours.origin() == to.origin() && ours.path() == to.path());
    if for_us || failure.is_known() { Says::Error(failure) } else { Says::Nothing }
}

fn location(answer: &HttpResponse, asked: &Url) -> String {
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let to = location.and_then(|location| asked.join(location).ok());
    to.and_then(|to| to.host_str().map(str::to_owned)).unwrap_or_default()
}

/// What a refusal says, as far as that can be told.
fn refusal(answer: &HttpResponse, host: &str) -> Says {
    let body = object(answer);
    if let Some(named) = body.as_ref().and_then(|body| named_error(body, host)) {
        return Says::Error(Failure::named_by_provider(&named, &[]));
    }
    if body.is_some() {
        return Says::Json;
    }
    if let Some(failure) = told(answer, host) {
        return Says::Error(failure);
    }
    let text = String::from_utf8_lossy(answer.body());
    let about_redirect_uri = answer.status() == StatusCode::BAD_REQUEST && speaks_of_a_redirect_uri(&text);
    match about_redirect_uri || is_page(answer.headers()) {
        true => Says::Page { about_redirect_uri },
        false => Says::Nothing,
    }
}

/// An error whose code stands on a page for people.
fn told(answer: &HttpResponse, host: &str) -> Option<Failure> {
    let page = String::from_utf8_lossy(answer.body());
    let (code, sentence) = told_on_page(host, &page)?;
    let named = NamedError { host, code, description: Some(sentence), subcode: None };
    Some(Failure::named_by_provider(&named, &[]))
}

/// Whether a page for people speaks of a redirect URI, and does not only repeat a URL that has one in its query.
fn speaks_of_a_redirect_uri(page: &str) -> bool {
    const WORDS: [&str; 6] =
        ["redirect uri", "redirect url", "redirection uri", "callback url", "reply url", "redirect_uri"];
    const REPEATED: [&str; 3] = ["=", "%3d", "\":"];
    let page = page.to_lowercase();
    WORDS.iter().any(|word| {
        page.match_indices(word).any(|(at, _)| {
            let after = &page[at + word.len()..];
            !REPEATED.iter().any(|sign| after.starts_with(sign))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: u16, text: &str) -> HttpResponse {
        let page = http::Response::builder().status(status).header(header::CONTENT_TYPE, "text/html");
        page.body(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_page_that_says_no_with_a_code_is_read() {
        let text =
            r#"<script>{"strMessage":"AADSTS50011: The redirect URI 'https:\u002fx' does not match."}"#;
        let failure = told(&page(200, text), "login.microsoftonline.com").unwrap();
        assert_eq!(
            (failure.code.as_str(), failure.title.as_str()),
            ("AADSTS50011", "The redirect URI is not registered")
        );
        assert!(
            failure.detail.starts_with("The provider answered AADSTS50011: The redirect URI"),
            "{}",
            failure.detail
        );
        assert!(told(&page(200, text), "idp.example").is_none());
        assert!(matches!(refusal(&page(400, text), "login.microsoftonline.com"), Says::Error(_)));
    }

    #[test]
    fn a_page_that_only_repeats_the_request_does_not_speak_of_its_redirect_uri() {
        assert!(speaks_of_a_redirect_uri("<p>https://x is not a redirect URI of client 7</p>"));
        assert!(speaks_of_a_redirect_uri("Error 400: redirect_uri_mismatch"));
        assert!(!speaks_of_a_redirect_uri(r#"<a href="/login?redirect_uri=https%3A%2F%2Fx">Sign in</a>"#));
        assert!(!speaks_of_a_redirect_uri(r#"{"redirect_uri":"https://x"} Unknown client"#));
    }
}
