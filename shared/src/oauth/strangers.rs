//! What providers answer, as properties: whatever it is, it becomes tokens that a header can carry, or a failure that
//! people can read and that repeats no secret.

use std::{net::IpAddr, time::Duration};

use http::{HeaderValue, Response, header};
use ipnet::IpNet;
use oauth2::HttpResponse;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{address::is_public, answer::accepted, answer::unreadable, token_answer::TokenAnswer};
use crate::{
    arbitrary::{SECRET, damaged, json, mutated, text},
    model::{
        Timestamp,
        dialect::Dialect,
        failure::{Failure, FailureClass},
        provider_errors::NamedError,
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn tokens() -> Value {
    json!({
        "access_token": "at", "token_type": "bearer", "refresh_token": "rt", "scope": "a b", "expires_in": 3600,
        "expires_at": 1_900_000_000, "expires_on": "1900000000", "id_token": "x.eyJleHAiOjF9.y",
    })
}

fn refusal() -> Value {
    json!({"error": "invalid_grant", "error_description": format!("token {SECRET} expired"), "error_uri": "u", "message": "m"})
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let form = |object: &Map<String, Value>| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pairs = object.iter().map(|(name, value)| (name.clone(), text(value)));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let object = prop_oneof![damaged(tokens()), damaged(refusal())];
    let nested = json().prop_map(|error| json!({"error": error}).to_string());
    mutated(prop_oneof![
        4 => object.clone().prop_map(|object| Value::Object(object).to_string().into_bytes()),
        2 => object.prop_map(move |object| form(&object).into_bytes()),
        1 => nested.prop_map(String::into_bytes),
        1 => Just(format!("<html>{SECRET}</html>").into_bytes()),
        1 => vec(any::<u8>(), 0..60),
    ])
}

fn header_text() -> impl Strategy<Value = HeaderValue> {
    let known = select(vec![
        "application/json",
        "application/x-www-form-urlencoded; charset=x",
        "text/html",
        "120",
        "0",
        "-1",
        "99999999999999999999",
        "Sun, 06 Nov 2033 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "https://example.com/a",
        "//b",
        ":",
    ]);
    let any_bytes = mutated(known.clone().prop_map(|text| text.as_bytes().to_vec()));
    prop_oneof![
        known.prop_map(HeaderValue::from_static),
        any_bytes.prop_filter_map("no header", |bytes| HeaderValue::from_bytes(&bytes).ok()),
    ]
}

/// Any provider's, and some whose errors are known.
fn host() -> impl Strategy<Value = &'static str> {
    select(vec![
        "idp.example",
        "login.microsoftonline.com",
        "oauth2.googleapis.com",
        "api.hubapi.com",
        "zoom.us",
        "",
    ])
}

fn answer() -> impl Strategy<Value = HttpResponse> {
    let status = prop_oneof![
        4 => select(vec![200_u16, 201, 204, 301, 302, 400, 401, 403, 404, 408, 425, 429, 500, 502, 503]),
        1 => 200..600_u16,
    ];
    let names = [header::CONTENT_TYPE, header::RETRY_AFTER, header::LOCATION];
    let headers = vec(option::of(header_text()), names.len());
    (status, headers, body()).prop_map(move |(status, headers, body)| {
        let mut answer = Response::builder().status(status).body(body).unwrap();
        for (name, value) in names.iter().zip(headers) {
            value.map(|value| answer.headers_mut().insert(name, value));
        }
        answer
    })
}

/// Fit for a log line, a status field and a page.
fn check_failure(failure: &Failure) -> Result<(), TestCaseError> {
    let said = format!("{failure} {failure:?} {}", failure.fix);
    prop_assert!(!said.contains(SECRET), "{said}");
    prop_assert!(
        failure.detail.chars().count() < 450 && !failure.detail.contains(['\n', '\r', '\0']),
        "{said}"
    );
    prop_assert!(
        (1..=64).contains(&failure.code.len()) && failure.code.chars().all(|c| c.is_ascii_graphic()),
        "{said}"
    );
    prop_assert!(!failure.title.is_empty() && !failure.fix.is_empty(), "{said}");
    if let FailureClass::Throttled { retry_after: Some(pause) } = failure.class {
        prop_assert!(pause <= DAY, "{pause:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_answer_is_tokens_or_a_failure_without_the_secrets_that_were_sent(answer in answer(), host in host()) {
        let status = answer.status();
        match accepted(&answer, host, &[SECRET], now(), &Dialect::default()) {
            Err(failure) => check_failure(&failure)?,
            Ok(body) => {
                prop_assert!(status.is_success());
                match body {
                    None => check_failure(&unreadable(&answer))?,
                    Some(body) => check_tokens(&body)?,
                }
            }
        }
    }

    #[test]
    fn tokens_fit_in_a_header_and_expire_within_ten_years(body in damaged(tokens())) {
        check_tokens(&body)?;
    }

    #[test]
    fn what_a_provider_calls_its_error_is_a_word_or_ours(
        host in host(), code in text(), description in option::of(text()), subcode in option::of(text()),
    ) {
        let (description, subcode) = (description.as_deref(), subcode.as_deref());
        let failure = Failure::named_by_provider(&NamedError { host, code: &code, description, subcode }, &[SECRET]);
        check_failure(&failure)?;
        prop_assert!(failure.code == code || failure.code == "provider-error");
    }

    #[test]
    fn an_address_is_public_exactly_outside_the_special_ranges(address in address()) {
        let within = |range: &&'static str| range.parse::<IpNet>().unwrap().contains(&address);
        let special = SPECIAL.iter().any(within);
        let global = address.is_ipv4() || within(&"2000::/3");
        prop_assert_eq!(is_public(address), global && !special);
    }
}

fn check_tokens(body: &Map<String, Value>) -> Result<(), TestCaseError> {
    let answer = match TokenAnswer::read(body) {
        Ok(answer) => answer,
        Err(reason) => {
            // Fixed sentences: nothing of the answer is in them.
            prop_assert!(reason.starts_with("The ") && reason.ends_with('.'));
            return Ok(());
        }
    };
    let set = answer.into_token_set(now(), None);
    let access = set.access_token.expose();
    let authorization = HeaderValue::from_str(&format!("{} {access}", set.token_type));
    prop_assert!(authorization.is_ok(), "{}", set.token_type);
    prop_assert!(!set.token_type.is_empty() && !set.token_type.contains(' '));
    prop_assert!(set.lifetime > Duration::ZERO && set.lifetime <= TEN_YEARS, "{:?}", set.lifetime);
    prop_assert!(set.expires_at > now(), "{:?}", set.expires_at);
    prop_assert!(set.refresh_token.as_ref().is_none_or(|token| !token.expose().is_empty()));
    let scopes = set.scopes.clone().unwrap_or_default();
    prop_assert!(scopes.iter().all(|scope| !scope.is_empty() && !scope.contains(char::is_whitespace)));
    let debugged = format!("{set:?}");
    prop_assert!(access.len() < 8 || !debugged.contains(access), "{debugged}");
    Ok(())
}

/// The special-purpose ranges as the registries write them, the outermost ones, and one that is in neither.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
];

/// Near the edges of the ranges as often as anywhere.
fn address() -> impl Strategy<Value = IpAddr> {
    let edge = (select(SPECIAL), any::<bool>(), -1..=1_i8).prop_map(|(range, last, step)| {
        let range: IpNet = range.parse().unwrap();
        let address = if last { range.broadcast() } else { range.network() };
        match address {
            IpAddr::V4(address) => {
                IpAddr::from(address.to_bits().wrapping_add_signed(step.into()).to_be_bytes())
            }
            IpAddr::V6(address) => {
                IpAddr::from(address.to_bits().wrapping_add_signed(step.into()).to_be_bytes())
            }
        }
    });
    prop_oneof![edge, any::<IpAddr>()]
}
