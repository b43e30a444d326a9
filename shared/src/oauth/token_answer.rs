//! A provider's token answer (RFC 6749 5.1), read as leniently as providers write it.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse, basic::BasicTokenType};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value};

use crate::model::{Secret, Timestamp, identity::Identity};

/// What is assumed when nobody says when a token expires. Most live an hour; a token renewed too early costs a
/// request, one renewed too late a failed workflow.
pub const ASSUMED_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Ten years, the longest lifetime that is believed. Larger ones mean "for ever", and nothing lasts for ever.
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What providers call the lifetime of the refresh token, for which there is no standard: GitHub, Google, Shopify and
/// Zendesk the first, Keycloak the second, Intuit the third. Keycloak's 0, for an offline token, means that it does not
/// say: its server may well have an idle limit (keycloak/keycloak#48063).
const REFRESH_TOKEN_EXPIRES_IN: [&str; 3] =
    ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"];

/// What a provider gave us.
#[derive(Clone, Debug)]
pub struct TokenSet {
    pub access_token: Secret,
    /// As it belongs into an `Authorization` header.
    pub token_type: String,
    /// None: the provider sent none, and the one before stays in force (RFC 6749 6).
    pub refresh_token: Option<Secret>,
    /// How long the refresh token lives if it is not used, or at all. None: the provider did not say.
    pub refresh_token_lifetime: Option<Duration>,
    /// None: the provider did not say, so they are those that were asked for (RFC 6749 5.1).
    pub scopes: Option<Vec<String>>,
    pub expires_at: Timestamp,
    pub lifetime: Duration,
    pub expiry_source: ExpirySource,
    /// What the provider said besides, as the connection's dialect has it kept.
    pub facts: BTreeMap<String, String>,
    /// Who signed in, if an ID token says it.
    pub identity: Option<Identity>,
}

/// How a token's expiry is known, from the most to the least certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpirySource {
    /// `expires_in`.
    ExpiresIn,
    /// `expires_at`, or `expires_on` as Microsoft's first version has it.
    ExpiresAt,
    /// The access token's own `exp` claim.
    Jwt,
    /// The provider's preset.
    Default,
    /// Nothing: a cautious hour.
    Assumed,
}

/// The answer as it was read. What `oauth2` asks of it, it answers; the expiry is worked out in
/// [`TokenAnswer::into_token_set`].
#[derive(Debug)]
pub(super) struct TokenAnswer {
    access_token: AccessToken,
    token_type: BasicTokenType,
    refresh_token: Option<RefreshToken>,
    /// Seconds, positive.
    refresh_token_expires_in: Option<f64>,
    scopes: Option<Vec<Scope>>,
    /// Seconds, positive.
    expires_in: Option<f64>,
    expires_at: Option<Timestamp>,
}

impl TokenAnswer {
    /// Everything but the access token may be missing or odd. The error is a sentence without any of the answer.
    pub(super) fn read(body: &Map<String, Value>) -> Result<Self, &'static str> {
        let access_token = match body.get("access_token") {
            Some(Value::String(token)) => token,
            Some(_) => return Err("The access_token in the provider's answer is no text."),
            None => return Err("The provider's answer has no access_token."),
        };
        if access_token.trim().is_empty() {
            return Err("The access_token in the provider's answer is empty.");
        }
        // RFC 6749 A.12. Anything else could not be put into a header, or would end it early.
        if !access_token.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(
                "The access_token in the provider's answer holds characters that no header can carry.",
            );
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let point = |name: &str| body.get(name).and_then(point_in_time);
        let seconds = |name: &str| body.get(name).and_then(number).filter(|seconds| *seconds >= 1.0);
        Ok(Self {
            access_token: AccessToken::new(access_token.clone()),
            token_type: token_type(text("token_type")),
            refresh_token: text("refresh_token").map(|token| RefreshToken::new(token.to_owned())),
            refresh_token_expires_in: REFRESH_TOKEN_EXPIRES_IN.iter().find_map(|name| seconds(name)),
            scopes: body.get("scope").and_then(scopes),
            expires_in: seconds("expires_in"),
            expires_at: point("expires_at").or_else(|| point("expires_on")),
        })
    }

    /// `now` is when the request was sent: the provider counts from later, so we are on the safe side.
    pub(super) fn into_token_set(self, now: Timestamp, default_lifetime: Option<Duration>) -> TokenSet {
        let (lifetime, expiry_source) = self.lifetime(now, default_lifetime);
        TokenSet {
            access_token: Secret::from(self.access_token.into_secret()),
            token_type: match self.token_type {
                BasicTokenType::Bearer => "Bearer".to_owned(),
                BasicTokenType::Mac => "MAC".to_owned(),
                BasicTokenType::Extension(other) => other,
            },
            refresh_token: self.refresh_token.map(|token| Secret::from(token.into_secret())),
            refresh_token_lifetime: self
                .refresh_token_expires_in
                .map(|seconds| lifetime_from(seconds, now).min(LONGEST_LIFETIME)),
            scopes: self.scopes.map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
            expires_at: now + lifetime,
            lifetime,
            expiry_source,
            facts: BTreeMap::new(),
            identity: None,
        }
    }

    /// The first source that says something believable. Nought, negative and past expiries are not: a provider that
    /// sends a token with them means "it does not expire", or has a wrong clock.
    fn lifetime(&self, now: Timestamp, default: Option<Duration>) -> (Duration, ExpirySource) {
        let until = |time: Timestamp| Some(time.since(now)).filter(|left| !left.is_zero());
        let sources = [
            (self.expires_in.map(|seconds| lifetime_from(seconds, now)), ExpirySource::ExpiresIn),
            (self.expires_at.and_then(until), ExpirySource::ExpiresAt),
            (unverified_jwt_expiry(self.access_token.secret()).and_then(until), ExpirySource::Jwt),
            (default, ExpirySource::Default),
        ];
        let known = sources.into_iter().find_map(|(lifetime, source)| Some((lifetime?, source)));
        let (lifetime, source) = known.unwrap_or((ASSUMED_LIFETIME, ExpirySource::Assumed));
        (lifetime.min(LONGEST_LIFETIME), source)
    }
}

/// Some providers put a point in time where the number of seconds belongs.
fn lifetime_from(expires_in: f64, now: Timestamp) -> Duration {
    let lifetime = Duration::try_from_secs_f64(expires_in).unwrap_or(Duration::MAX);
    let left = from_unix(expires_in).since(now);
    let is_point_in_time = lifetime > LONGEST_LIFETIME && !left.is_zero() && left <= LONGEST_LIFETIME;
    if is_point_in_time { left } else { lifetime }
}

fn token_type(text: Option<&str>) -> BasicTokenType {
    match text {
        Some(text) if text.eq_ignore_ascii_case("mac") => BasicTokenType::Mac,
        // The word goes into a header, so it must be one (RFC 9110 5.6.2).
        Some(text)
            if !text.eq_ignore_ascii_case("bearer")
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)) =>
        {
            BasicTokenType::Extension(text.to_owned())
        }
        _ => BasicTokenType::Bearer,
    }
}

/// RFC 6749 3.3 has spaces; GitHub and Slack send commas, some send a list.
fn scopes(value: &Value) -> Option<Vec<Scope>> {
    let words: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let scopes: Vec<Scope> = words
        .iter()
        .flat_map(|text| text.split(|c: char| c.is_whitespace() || c == ','))
        .filter(|scope| !scope.is_empty())
        .map(|scope| Scope::new(scope.to_owned()))
        .collect();
    (!scopes.is_empty()).then_some(scopes)
}

/// A number, or a text that is one.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// Unix seconds, Unix milliseconds, or RFC 3339.
fn point_in_time(value: &Value) -> Option<Timestamp> {
    number(value).map(from_unix).or_else(|| value.as_str()?.trim().parse().ok())
}

/// As seconds, 10^11 lies in the year 5138; as milliseconds in 1973. Neither is a token's expiry by accident.
fn from_unix(number: f64) -> Timestamp {
    // A cast from float saturates, and a timestamp clamps.
    if number < 1e11 {
        Timestamp::from_unix_millis((number * 1000.0) as i64)
    } else {
        Timestamp::from_unix_millis(number as i64)
    }
}

/// The `exp` of a JWT (RFC 7519 4.1.4). Unverified: the token is not ours to judge, and whoever could forge this could
/// as well have sent `expires_in`.
pub fn unverified_jwt_expiry(token: &str) -> Option<Timestamp> {
    unverified_claims(token)?.get("exp").and_then(number).map(from_unix)
}

/// The claims of a JWT (RFC 7519 section 3), whoever signed it.
pub(super) fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (Some(_header), Some(claims), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok()
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.scopes.as_ref()
    }
}

impl<'de> Deserialize<'de> for TokenAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&Map::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// `oauth2` requires it of every answer and never uses it. Nor should anyone: it would write tokens readably.
impl Serialize for TokenAnswer {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("a token answer is never written out"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    fn read(body: Value) -> TokenSet {
        let body = body.as_object().unwrap();
        TokenAnswer::read(body).unwrap().into_token_set(now(), None)
    }

    /// The lifetime in seconds, and where it comes from.
    fn expiry(extra: Value) -> (u64, ExpirySource) {
        let mut body = json!({"access_token": "t"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let set = read(body);
        assert_eq!(set.expires_at, now() + set.lifetime);
        (set.lifetime.as_secs(), set.expiry_source)
    }

    fn jwt(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
    }

    #[test]
    fn an_answer_by_the_book_is_read_whole() {
        let set = read(json!({
            "access_token": "a", "token_type": "bearer", "refresh_token": "r", "scope": "x y", "expires_in": 3600,
            "id_token": "ignored", "something": {"else": []},
        }));
        assert_eq!(set.access_token.expose(), "a");
        assert_eq!(set.refresh_token.unwrap().expose(), "r");
        assert_eq!(set.token_type, "Bearer");
        assert_eq!(set.scopes.unwrap(), ["x", "y"]);
        assert_eq!(set.expires_at.to_string(), "2026-01-31T13:00:00.000Z");
    }

    #[test]
    fn all_but_the_access_token_may_be_missing() {
        let set = read(json!({"access_token": "a"}));
        assert_eq!((set.token_type.as_str(), set.refresh_token, set.scopes), ("Bearer", None, None));
        let set = read(json!({"access_token": "a", "refresh_token": "", "scope": null, "token_type": 7}));
        assert_eq!((set.token_type.as_str(), set.refresh_token, set.scopes), ("Bearer", None, None));
    }

    #[test]
    fn token_types_are_compared_without_case_and_must_be_words() {
        let type_of =
            |token_type: &str| read(json!({"access_token": "a", "token_type": token_type})).token_type;
        assert_eq!(type_of("BEARER"), "Bearer");
        assert_eq!(type_of("DPoP"), "DPoP");
        assert_eq!(type_of("x\r\ny"), "Bearer");
    }

    #[test]
    fn scopes_come_with_spaces_commas_or_as_a_list() {
        for scope in [json!("a b"), json!("a,b"), json!(" a,  b\t"), json!(["a", "b"]), json!(["a b"])] {
            assert_eq!(read(json!({"access_token": "t", "scope": scope})).scopes.unwrap(), ["a", "b"]);
        }
    }

    #[test]
    fn expires_in_may_be_a_number_a_float_or_a_text() {
        for value in [json!(3599), json!(3599.0), json!("3599"), json!(" 3599.4 ")] {
            assert_eq!(
                expiry(json!({"expires_in": value, "expires_at": 1})),
                (3599, ExpirySource::ExpiresIn)
            );
        }
    }

    #[test]
    fn expires_at_may_be_seconds_milliseconds_or_a_date() {
        let at = now() + Duration::from_secs(60);
        for value in [
            json!(at.unix_seconds()),
            json!(at.unix_seconds().to_string()),
            json!(at.unix_millis()),
            json!("2026-01-31T13:01:00+01:00"),
        ] {
            assert_eq!(expiry(json!({"expires_at": value})), (60, ExpirySource::ExpiresAt));
            assert_eq!(expiry(json!({"expires_on": value})), (60, ExpirySource::ExpiresAt));
        }
    }

    #[test]
    fn a_refresh_token_s_lifetime_has_three_names_and_nought_means_that_nothing_was_said() {
        let lifetime = |extra: Value| {
            let mut body = json!({"access_token": "t", "refresh_token": "r"});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            read(body).refresh_token_lifetime.map(|lifetime| lifetime.as_secs())
        };
        for name in REFRESH_TOKEN_EXPIRES_IN {
            assert_eq!(lifetime(json!({name: 1800})), Some(1800), "{name}");
            assert_eq!(lifetime(json!({name: "8726400"})), Some(8_726_400), "{name}");
            assert_eq!(lifetime(json!({name: 0})), None, "{name}");
            assert_eq!(lifetime(json!({name: -1})), None, "{name}");
        }
        assert_eq!(lifetime(json!({"refresh_expires_in": 0, "refresh_token_expires_in": 60})), Some(60));
        assert_eq!(lifetime(json!({})), None);
    }

    #[test]
    fn without_either_a_jwt_says_it_itself() {
        let token = jwt(&json!({"exp": now().unix_seconds() + 60}));
        assert_eq!(expiry(json!({"access_token": token})), (60, ExpirySource::Jwt));
        for opaque in ["a.b.c", "a.b", &jwt(&json!({"exp": "soon"})), &jwt(&json!([])), "....", "a.!.c"] {
            assert_eq!(expiry(json!({"access_token": opaque})).1, ExpirySource::Assumed);
        }
    }

    #[test]
    fn then_the_preset_counts_and_at_last_a_cautious_hour() {
        let answer = || TokenAnswer::read(json!({"access_token": "t"}).as_object().unwrap()).unwrap();
        let preset = answer().into_token_set(now(), Some(Duration::from_secs(7200)));
        assert_eq!((preset.lifetime.as_secs(), preset.expiry_source), (7200, ExpirySource::Default));
        let assumed = answer().into_token_set(now(), None);
        assert_eq!((assumed.lifetime.as_secs(), assumed.expiry_source), (3600, ExpirySource::Assumed));
    }

    #[test]
    fn an_unbelievable_expiry_counts_as_none() {
        for value in
            [json!(0), json!(-1), json!("0"), json!(""), json!("NaN"), json!("inf"), json!(true), json!(null)]
        {
            assert_eq!(expiry(json!({"expires_in": value})), (3600, ExpirySource::Assumed), "{value}");
        }
        for value in [json!(1), json!("2020-01-01T00:00:00Z"), json!("tomorrow"), json!(-5)] {
            assert_eq!(expiry(json!({"expires_at": value})), (3600, ExpirySource::Assumed), "{value}");
        }
    }

    #[test]
    fn for_ever_means_ten_years_and_a_date_is_not_a_lifetime() {
        let ten_years = LONGEST_LIFETIME.as_secs();
        for value in [json!(3_000_000_000_u64), json!(1e300), json!(u64::MAX)] {
            assert_eq!(expiry(json!({"expires_in": value})), (ten_years, ExpirySource::ExpiresIn), "{value}");
        }
        assert_eq!(
            expiry(json!({"expires_at": "9999-12-31T23:59:59Z"})),
            (ten_years, ExpirySource::ExpiresAt)
        );
        let date = now().unix_seconds() + 60;
        assert_eq!(expiry(json!({"expires_in": date})), (60, ExpirySource::ExpiresIn));
    }

    #[test]
    fn an_access_token_that_no_header_can_carry_is_no_token() {
        for token in
            [json!(""), json!("  "), json!("a\nb"), json!("a\u{7f}"), json!("tökén"), json!(7), json!(null)]
        {
            let body = json!({"access_token": token});
            let reason = TokenAnswer::read(body.as_object().unwrap()).unwrap_err();
            assert!(!reason.contains("tökén"));
        }
        assert!(TokenAnswer::read(&Map::new()).is_err());
    }

    #[test]
    fn neither_debug_nor_serde_write_a_token() {
        let body = json!({"access_token": "s3cr3t-a", "refresh_token": "s3cr3t-r"});
        let answer = TokenAnswer::read(body.as_object().unwrap()).unwrap();
        assert!(serde_json::to_string(&answer).is_err());
        assert!(!format!("{answer:?}").contains("s3cr3t"));
        assert!(!format!("{:?}", answer.into_token_set(now(), None)).contains("s3cr3t"));
    }
}
