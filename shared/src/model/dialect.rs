//! How a provider's token endpoint differs from RFC 6749, and what becomes of its refresh tokens.
//!
//! All of it is data on the connection, filled in from a preset or written by hand; nothing asks which provider it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

#[cfg(feature = "openapi")]
use super::connection::PROVIDER_URL;
use super::{
    connection::RESERVED_PARAMS,
    input::{Field, MAX_TEXT},
    url_template::{UrlTemplate, host_value_allowed},
};

/// Where a provider leaves the standard. What is left out is as the standard has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
    /// What stands between scopes in a request: a space (RFC 6749 section 3.3), or a comma as at Slack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_separator: Option<ScopeSeparator>,
    /// How the body of a token request is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_body: Option<TokenBody>,
    /// What client_credentials is called there: Zoom says `account_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// Sent with a refresh, beside `token_params`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refresh_params: BTreeMap<String, String>,
    /// The connection's scopes are sent with a refresh too. Some providers refuse that (Salesforce), so it is rare.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub send_scopes_on_refresh: bool,
    /// The object in the token answer that holds `access_token` and its like, members parted by dots. An answer without
    /// it is read at the top all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_unit: Option<ExpiresInUnit>,
    /// Seconds that an access token lives when the answer does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_lifetime: Option<u64>,
    /// Parameters of the redirect back that are kept as the grant's `facts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callback_facts: Vec<String>,
    /// Members of the token answer that are kept as the grant's `facts`, parted by dots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_facts: Vec<String>,
    /// One sign-in serves all organizations: each gets its own tokens for the connection's refresh token, at its own
    /// token URL. Microsoft's partners reach their customers' tenants so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub redeem_per_organization: bool,
    /// Where a grant is kept, for a provider that keeps its people in several places and says so in the redirect back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_origin: Option<TokenOrigin>,
    /// By placeholder, the only values that may fill it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub url_values: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "RefreshTokenRules::is_standard")]
    pub refresh_token: RefreshTokenRules,
    /// A request that shows whose a token is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScopeSeparator {
    #[serde(rename = " ")]
    Space,
    #[serde(rename = ",")]
    Comma,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenBody {
    /// `application/x-www-form-urlencoded`, as RFC 6749 has it.
    Form,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiresInUnit {
    Seconds,
    Milliseconds,
}

/// What becomes of refresh tokens. Times are seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshTokenRules {
    /// Each refresh brings a new one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rotates: bool,
    /// One that was used stops working.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub single_use: bool,
    /// For this long a used one works all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_grace: Option<u64>,
    /// Who presents a used one loses the whole grant, its access token included (RFC 9700 section 4.14.2).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reuse_revokes: bool,
    /// It dies when it is not used for this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_lifetime: Option<u64>,
    /// It dies after this long, however often it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u64>,
}

/// How the redirect back tells where a grant is kept: its code is exchanged there, refreshed and revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenOrigin {
    /// Which of the `callback_facts` it is, such as `accounts-server`.
    pub fact: String,
    /// The only origins that are believed, the URLs' own among them: whoever holds a browser can change what it brings.
    pub allowed: Vec<String>,
}

/// Under what, beside the values of placeholders, a grant keeps its origin. No placeholder has such a name.
const ORIGIN: &str = "@origin";

/// A GET with the access token, and where its JSON answer says whose it is; members parted by dots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// May hold placeholders.
    pub url: UrlTemplate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// The longest fact that is kept, in characters. They are ids and addresses, and stand in the grant's item.
pub const LONGEST_FACT: usize = 512;
/// Ten years, in seconds: nothing lasts longer.
const LONGEST: u64 = 10 * 365 * 24 * 3600;
const MAX_FACTS: usize = 20;
pub(super) const MAX_PATH: usize = 128;
const MAX_VALUES: usize = 64;
const MAX_NAMES: usize = 20;
const MAX_ORIGINS: usize = 32;

/// What must never be kept as a fact, for facts are shown.
const SECRET_MEMBERS: [&str; 6] =
    ["access_token", "refresh_token", "id_token", "client_secret", "code", "state"];

impl Dialect {
    /// `scopes` as one text, as this provider wants them.
    pub fn joined(&self, scopes: &[String]) -> String {
        scopes.join(match self.scope_separator {
            Some(ScopeSeparator::Comma) => ",",
            Some(ScopeSeparator::Space) | None => " ",
        })
    }

    /// Adds where a grant is kept to what fills its URLs, if these facts tell. The error is a sentence.
    pub fn note_origin(
        &self,
        facts: &BTreeMap<String, String>,
        url_values: &mut BTreeMap<String, String>,
    ) -> Result<(), String> {
        let Some(TokenOrigin { fact, allowed }) = &self.token_origin else { return Ok(()) };
        let Some(origin) = facts.get(fact).map(|origin| origin.trim_end_matches('/')) else { return Ok(()) };
        if !allowed.iter().any(|known| known == origin) {
            return Err(format!(
                "The provider keeps this at {origin}, which dialect.token_origin does not allow."
            ));
        }
        url_values.insert(ORIGIN.to_owned(), origin.to_owned());
        Ok(())
    }

    /// A URL of the provider's, at the place where the grant is kept: those elsewhere than any such place stay.
    pub fn at_origin(&self, url: Url, url_values: &BTreeMap<String, String>) -> Url {
        let allowed = self.token_origin.iter().flat_map(|origin| &origin.allowed);
        let allowed: Vec<&String> = allowed.collect();
        let Some(origin) = url_values.get(ORIGIN).filter(|origin| allowed.contains(origin)) else {
            return url;
        };
        let own = url.origin().ascii_serialization();
        if !allowed.contains(&&own) {
            return url;
        }
        Url::parse(&url.as_str().replacen(&own, origin, 1)).unwrap_or(url)
    }

    fn check(&self) -> Result<(), String> {
        let path = |name: &str, path: &Option<String>| match path {
            Some(path) if !is_path(path) => Err(format!("{name} must be names of members, parted by dots")),
            _ => Ok(()),
        };
        let seconds = |name: &str, seconds: Option<u64>| match seconds {
            Some(seconds) if !(1..=LONGEST).contains(&seconds) => {
                Err(format!("{name} must be 1 to {LONGEST} seconds"))
            }
            _ => Ok(()),
        };
        path("token_path", &self.token_path)?;
        seconds("default_lifetime", self.default_lifetime)?;
        seconds("refresh_token.reuse_grace", self.refresh_token.reuse_grace)?;
        seconds("refresh_token.idle_lifetime", self.refresh_token.idle_lifetime)?;
        seconds("refresh_token.lifetime", self.refresh_token.lifetime)?;
        if self.refresh_params.len() > MAX_NAMES
            || self
                .refresh_params
                .iter()
                .any(|(name, value)| !is_parameter(name) || value.chars().count() > MAX_TEXT)
        {
            return Err(format!(
                "refresh_params may hold {MAX_NAMES} short texts, none that the flow itself sets"
            ));
        }
        if let Some(grant_type) = &self.grant_type
            && (grant_type.is_empty()
                || grant_type.len() > MAX_PATH
                || !grant_type.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err("grant_type must be 1 to 128 printable characters without spaces".to_owned());
        }
        for (name, facts) in [("callback_facts", &self.callback_facts), ("token_facts", &self.token_facts)] {
            if facts.len() > MAX_FACTS || !facts.iter().all(|fact| is_path(fact)) {
                return Err(format!("{name} may hold {MAX_FACTS} names of members, parted by dots"));
            }
            if let Some(fact) = facts.iter().find(|fact| names_secret(fact)) {
                return Err(format!("{name} can't hold {fact}: facts are shown"));
            }
        }
        if let Some(TokenOrigin { fact, allowed }) = &self.token_origin {
            if !self.callback_facts.contains(fact) {
                return Err("token_origin.fact must be one of callback_facts".to_owned());
            }
            if !(1..=MAX_ORIGINS).contains(&allowed.len()) || !allowed.iter().all(|text| is_origin(text)) {
                return Err(format!(
                    "token_origin.allowed must list 1 to {MAX_ORIGINS} origins such as https://accounts.example.com"
                ));
            }
        }
        // Each redemption would end the refresh token for all others.
        if self.redeem_per_organization && self.refresh_token.single_use {
            return Err("redeem_per_organization needs a refresh token that is not single_use".to_owned());
        }
        if self.url_values.len() > MAX_NAMES {
            return Err(format!("url_values may hold {MAX_NAMES} placeholders at most"));
        }
        for (name, values) in &self.url_values {
            let allowed = |value: &String| host_value_allowed(value);
            if !is_placeholder(name) || values.len() > MAX_VALUES || !values.iter().all(allowed) {
                return Err(format!(
                    "url_values must list, by placeholder, {MAX_VALUES} values at most, of letters, digits and inner hyphens"
                ));
            }
        }
        if let Some(verify) = &self.verify {
            path("verify.subject", &verify.subject)?;
            path("verify.name", &verify.name)?;
            path("verify.email", &verify.email)?;
            path("verify.tenant", &verify.tenant)?;
        }
        Ok(())
    }
}

impl RefreshTokenRules {
    fn is_standard(&self) -> bool {
        *self == Self::default()
    }
}

/// `team.id`
fn is_path(path: &str) -> bool {
    let name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    path.len() <= MAX_PATH && path.split('.').all(name)
}

/// `https://accounts.example.com`; the local stack's providers are on loopback, and what else is plain, nobody calls.
fn is_origin(text: &str) -> bool {
    let url = Url::parse(text).ok().filter(|url| url.origin().ascii_serialization() == text);
    url.is_some_and(|url| {
        url.scheme() == "https" || (url.scheme() == "http" && url.host_str() == Some("127.0.0.1"))
    })
}

fn is_placeholder(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_PATH).contains(&name.len()) && name.bytes().all(valid)
}

/// A parameter that a connection may add to a request (see `connection::RESERVED_PARAMS`).
fn is_parameter(name: &str) -> bool {
    (1..=MAX_PATH).contains(&name.len()) && !RESERVED_PARAMS.contains(&name)
}

/// What a member must be, to follow its name.
fn expected(member: &str) -> &'static str {
    match member {
        "scope_separator" => "must be \" \" or \",\"",
        "token_body" => "must be \"form\" or \"json\"",
        "expires_in_unit" => "must be \"seconds\" or \"milliseconds\"",
        "grant_type" | "token_path" => "must be a string",
        "refresh_params" => "must be an object whose values are strings",
        "send_scopes_on_refresh" | "redeem_per_organization" => "must be true or false",
        "default_lifetime" => "must be a whole number of seconds",
        "callback_facts" | "token_facts" => "must be a list of strings",
        "token_origin" => "must be an object of fact (a string) and allowed (a list of origins)",
        "url_values" => "must be an object whose values are lists of strings",
        "refresh_token" => {
            "must be an object of rotates, single_use and reuse_revokes (true or false), reuse_grace, idle_lifetime \
             and lifetime (seconds)"
        }
        "verify" => "must be an object of url (an https URL), subject, name, email and tenant",
        _ => "must be an object of what the API's description lists under dialect",
    }
}

/// `null` says the same as leaving a member out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}

impl Field for Dialect {
    const EXPECTED: &'static str = "an object";

    fn from_json(value: Value) -> Result<Self, String> {
        // Not serde's own message: it quotes values.
        let dialect: Self = serde_path_to_error::deserialize(without_nulls(value)).map_err(|error| {
            let path = error.path().to_string();
            let member = path.split(['.', '[']).next().unwrap_or_default();
            let known = expected(member);
            if known == expected("") { known.to_owned() } else { format!("has a {member} that {known}") }
        })?;
        dialect.check()?;
        Ok(dialect)
    }
}

described!(Dialect: {
    "description": "Where the provider leaves RFC 6749; a preset fills it in. Times are seconds.",
    "type": "object", "additionalProperties": false,
    "properties": {
        "scope_separator": {"enum": [" ", ",", null], "description": "What stands between scopes in a request."},
        "token_body": {"enum": ["form", "json", null], "description": "How a token request's body is written."},
        "grant_type": {
            "type": ["string", "null"], "minLength": 1, "maxLength": MAX_PATH, "pattern": "^[!-~]+$",
            "description": "What client_credentials is called there.",
        },
        "refresh_params": {
            "type": ["object", "null"], "maxProperties": MAX_NAMES,
            "description": "Sent with a refresh, beside token_params.",
            "propertyNames": {"minLength": 1, "maxLength": MAX_PATH, "not": {"enum": RESERVED_PARAMS}},
            "additionalProperties": {"type": ["string", "null"], "maxLength": MAX_TEXT},
        },
        "send_scopes_on_refresh": {"type": ["boolean", "null"]},
        "redeem_per_organization": {
            "type": ["boolean", "null"],
            "description": "Each organization gets its own tokens for the connection's refresh token, at its own token URL. \
                Not with a refresh token that is single_use.",
        },
        "token_path": {
            "type": ["string", "null"], "maxLength": MAX_PATH, "pattern": PATH,
            "description": "The object in the token answer that holds access_token, as in `authed_user`.",
        },
        "expires_in_unit": {"enum": ["seconds", "milliseconds", null]},
        "default_lifetime": {
            "type": ["integer", "null"], "minimum": 1, "maximum": LONGEST,
            "description": "How long an access token lives when the answer does not tell.",
        },
        "callback_facts": {
            "type": ["array", "null"], "maxItems": MAX_FACTS, "items": {"type": "string", "maxLength": MAX_PATH, "pattern": FACT},
            "description": "Parameters of the redirect back that are kept as `facts`.",
        },
        "token_facts": {
            "type": ["array", "null"], "maxItems": MAX_FACTS, "items": {"type": "string", "maxLength": MAX_PATH, "pattern": FACT},
            "description": "Members of the token answer that are kept as `facts`, as in `team.id`.",
        },
        "token_origin": {
            "type": ["object", "null"], "additionalProperties": false, "required": ["fact", "allowed"],
            "description": "The one of callback_facts that tells at which origin the grant is kept, and the only origins that \
                are believed.",
            "properties": {
                "fact": {"type": "string", "maxLength": MAX_PATH, "pattern": FACT},
                "allowed": {
                    "type": "array", "minItems": 1, "maxItems": MAX_ORIGINS,
                    "items": {"type": "string", "pattern": "^https://[a-z0-9-]{1,63}(\\.[a-z0-9-]{1,63}){1,3}$"},
                },
            },
        },
        "url_values": {
            "type": ["object", "null"], "maxProperties": MAX_NAMES,
            "description": "By placeholder, the only values that may fill it.",
            "propertyNames": {"minLength": 1, "maxLength": MAX_PATH, "pattern": "^[a-z0-9_]+$"},
            "additionalProperties": {
                "type": ["array", "null"], "maxItems": MAX_VALUES,
                "items": {"type": "string", "maxLength": 63, "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"},
            },
        },
        "refresh_token": {
            "type": ["object", "null"], "additionalProperties": false,
            "description": "What becomes of refresh tokens.",
            "properties": {
                "rotates": {"type": ["boolean", "null"]},
                "single_use": {"type": ["boolean", "null"]},
                "reuse_grace": {"type": ["integer", "null"], "minimum": 1, "maximum": LONGEST},
                "reuse_revokes": {"type": ["boolean", "null"]},
                "idle_lifetime": {"type": ["integer", "null"], "minimum": 1, "maximum": LONGEST},
                "lifetime": {"type": ["integer", "null"], "minimum": 1, "maximum": LONGEST},
            },
        },
        "verify": {
            "type": ["object", "null"], "additionalProperties": false, "required": ["url"],
            "description": "A GET with the access token, and where its JSON answer says whose it is.",
            "properties": {
                "url": {"type": "string", "maxLength": MAX_TEXT, "pattern": PROVIDER_URL},
                "subject": {"type": ["string", "null"], "maxLength": MAX_PATH, "pattern": PATH},
                "name": {"type": ["string", "null"], "maxLength": MAX_PATH, "pattern": PATH},
                "email": {"type": ["string", "null"], "maxLength": MAX_PATH, "pattern": PATH},
                "tenant": {"type": ["string", "null"], "maxLength": MAX_PATH, "pattern": PATH},
            },
        },
    },
});

#[cfg(feature = "openapi")]
const PATH: &str = "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$";
/// A path whose last member is no secret.
#[cfg(feature = "openapi")]
pub(super) const FACT: &str = "^(?!(.*\\.)?(access_token|refresh_token|id_token|client_secret|code|state)$)[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$";

/// A fact as it is kept: a short plain text, whatever JSON has it in.
pub fn fact_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let plain = !text.is_empty() && !text.chars().any(char::is_control);
    (plain && text.chars().count() <= LONGEST_FACT).then_some(text)
}

/// Whether something may be called so: names of members, parted by dots, the last of them no secret's.
pub fn is_fact_name(name: &str) -> bool {
    is_path(name) && !names_secret(name)
}

fn names_secret(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    SECRET_MEMBERS.contains(&last)
}

/// The member that a path such as `team.id` leads to.
pub fn member<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (parents, last) = path.rsplit_once('.').map_or((None, path), |(parents, last)| (Some(parents), last));
    let object = match parents {
        Some(parents) => parents.split('.').try_fold(object, |object, name| object.get(name)?.as_object())?,
        None => object,
    };
    object.get(last)
}
