//! The fields of a connection as requests bring them: how each is read, and how the API's description says so.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{AvailableTo, Callback, ClientAuth, Flow, RESERVED_PARAMS, check_secret_ref};
#[cfg(feature = "openapi")]
use crate::model::input::NO_CONTROL_CHARACTERS;
use crate::model::{
    client_key::SigningAlgorithm,
    input::{Field, Input, MAX_TEXT, Text},
    preset::{self, Preset},
    url_template::{Rules, UrlTemplate},
};

/// Whom assertions are for; an empty one counts as none.
pub(super) struct Audience(pub(super) Option<String>);

described!(Audience: {
    "description": "Whom assertions are for, where that is not the token URL: often the provider's issuer. May hold the \
        placeholders of token_url.",
    "type": "string", "maxLength": MAX_TEXT,
});

impl Field for Audience {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: Value) -> Result<Self, String> {
        let Text(text) = Text::from_json(value)?;
        Ok(Self((!text.is_empty()).then_some(text)))
    }
}

/// The preset that a connection was made from.
pub(super) struct Provider(pub(super) Preset);

described!(Provider: {
    "description": "A preset's name, as GET /providers lists them: fills in whatever is not given.",
    "type": "string", "enum": preset::names().collect::<Vec<_>>(),
});

impl Field for Provider {
    const EXPECTED: &'static str = "the name of a preset, as GET /providers lists them";

    fn from_json(value: Value) -> Result<Self, String> {
        let name = String::from_json(value)?;
        let unknown = "names no preset: GET /providers lists them; for any other provider leave it out and give its URLs";
        preset::find(&name).map(Self).ok_or_else(|| unknown.to_owned())
    }
}

/// A provider's URL that may be left out.
pub(super) fn url(input: &mut Input, field: &str, rules: Rules) -> Option<UrlTemplate> {
    let url: ProviderUrl = input.optional(field)?;
    url.parse(input, field, rules)
}

/// The text of a [`UrlTemplate`], not parsed yet: that takes the stack's rules.
pub(super) struct ProviderUrl(pub(super) String);

described!(ProviderUrl: {
    "description": "An https URL. `{name}` stands for a value of the integration's config, `{entity_id}` for the mapped \
        entity; after the last placeholder in a host a domain must follow. The local stack takes http on loopback too.",
    "type": "string", "maxLength": MAX_TEXT,
    "pattern": PROVIDER_URL,
    "examples": ["https://provider.example/{entity_id}/token"],
});

#[cfg(feature = "openapi")]
pub(in crate::model) const PROVIDER_URL: &str = "^https?://[A-Za-z0-9.{}_\\[\\]:-]+([/?][^\\s\\\\#]*)?$";

impl ProviderUrl {
    /// One that is wrong is noted, and `None`.
    pub(super) fn parse(&self, input: &mut Input, field: &str, rules: Rules) -> Option<UrlTemplate> {
        UrlTemplate::parse(self.0.trim(), rules).map_err(|message| input.wrong(field, message)).ok()
    }
}

impl Field for ProviderUrl {
    const EXPECTED: &'static str = "an https URL";

    fn from_json(value: Value) -> Result<Self, String> {
        let Text(text) = Text::from_json(value)?;
        Ok(Self(text))
    }
}

pub(super) struct ClientId(pub(super) String);

described!(ClientId: {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": NO_CONTROL_CHARACTERS});

impl Field for ClientId {
    const EXPECTED: &'static str = "the client id that the provider gave";

    fn from_json(value: Value) -> Result<Self, String> {
        let Text(text) = Text::from_json(value)?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err("must not be empty or hold control characters".to_owned());
        }
        Ok(Self(text))
    }
}

/// The name of a Secrets Manager secret; an empty one counts as none.
pub(super) struct SecretRef(pub(super) Option<String>);

described!(SecretRef: {
    "description": "The name of a Secrets Manager secret: the client secret, or JSON with client_secret and \
        client_secret_next. Admins only; not together with client_secret.",
    "type": "string", "pattern": "^(bifrost/connections/[A-Za-z0-9/_+=.@-]{1,400})?$",
});

impl Field for SecretRef {
    const EXPECTED: &'static str = "the name of a Secrets Manager secret";

    fn from_json(value: Value) -> Result<Self, String> {
        let name = String::from_json(value)?;
        if name.is_empty() {
            return Ok(Self(None));
        }
        check_secret_ref(&name)?;
        Ok(Self(Some(name)))
    }
}

/// More parameters for the provider.
#[derive(Default)]
pub(super) struct Params(pub(super) BTreeMap<String, String>);

const MAX_PARAMS: usize = 50;
const MAX_PARAM_NAME: usize = 128;
/// Together with all else that a connection has, it must fit an item of DynamoDB (400 KB).
const MAX_PARAMS_BYTES: usize = 32 * 1024;

described!(Params: {
    "description": "32 KiB at most.",
    "type": "object", "maxProperties": MAX_PARAMS,
    "propertyNames": {"minLength": 1, "maxLength": MAX_PARAM_NAME, "not": {"enum": RESERVED_PARAMS}},
    "additionalProperties": {"type": "string", "maxLength": MAX_TEXT},
});

impl Field for Params {
    const EXPECTED: &'static str = "an object whose values are strings";

    fn from_json(value: Value) -> Result<Self, String> {
        let params = texts(value, |name| (1..=MAX_PARAM_NAME).contains(&name.chars().count()))?;
        match RESERVED_PARAMS.iter().find(|name| params.contains_key(**name)) {
            Some(name) => Err(format!("can't set {name}: the flow does, or a field of its own")),
            None => Ok(Self(params)),
        }
    }
}

/// Values for placeholders.
#[derive(Default)]
pub(super) struct UrlValues(pub(super) BTreeMap<String, String>);

described!(UrlValues: {
    "description": "32 KiB at most.",
    "type": "object", "maxProperties": MAX_PARAMS,
    "propertyNames": {"maxLength": MAX_PARAM_NAME, "pattern": "^[a-z0-9_]+$"},
    "additionalProperties": {"type": "string", "maxLength": MAX_TEXT},
});

impl Field for UrlValues {
    const EXPECTED: &'static str = "an object whose values are strings";

    fn from_json(value: Value) -> Result<Self, String> {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        texts(value, |name| (1..=MAX_PARAM_NAME).contains(&name.len()) && name.bytes().all(valid)).map(Self)
    }
}

/// A few short texts by name.
fn texts(value: Value, valid_name: impl Fn(&str) -> bool) -> Result<BTreeMap<String, String>, String> {
    let texts = BTreeMap::<String, String>::from_json(value)?;
    if texts.len() > MAX_PARAMS {
        return Err(format!("may hold {MAX_PARAMS} values at most"));
    }
    if texts.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>() > MAX_PARAMS_BYTES {
        return Err("may take 32 KiB at most".to_owned());
    }
    if texts.values().any(|text| text.chars().count() > MAX_TEXT) {
        return Err(format!("holds a value of more than {MAX_TEXT} characters"));
    }
    match texts
        .into_iter()
        .map(|(name, text)| if valid_name(&name) { Ok((name, text)) } else { Err(name) })
        .collect()
    {
        Ok(texts) => Ok(texts),
        Err(name) => Err(format!("has no use for the name \"{name}\"")),
    }
}

/// OAuth scopes: a list, or a string that is split at white space.
#[derive(Default)]
pub(in crate::model) struct Scopes(pub(in crate::model) Vec<String>);

/// All scopes with spaces between them must fit a URL.
const MAX_SCOPES: usize = 8000;

described!(Scopes: {
    "description": "Together at most 8000 bytes, without control characters.",
    "anyOf": [
        {"type": "array", "items": {"type": "string", "pattern": SCOPE_CHARACTERS}},
        {"type": "string", "maxLength": MAX_SCOPES, "pattern": SCOPE_CHARACTERS},
    ],
});

/// White space parts scopes, and is no part of them.
#[cfg(feature = "openapi")]
const SCOPE_CHARACTERS: &str = "^[^\\u0000-\\u0008\\u000e-\\u001f\\u007f-\\u009f]*$";

impl Field for Scopes {
    const EXPECTED: &'static str = "a list of OAuth scopes, or one string with spaces between them";

    fn from_json(value: Value) -> Result<Self, String> {
        let texts = match value {
            Value::String(text) => vec![text],
            list => Vec::<String>::from_json(list).map_err(|_| format!("must be {}", Self::EXPECTED))?,
        };
        let mut scopes: Vec<String> = Vec::new();
        for scope in texts.iter().flat_map(|text| text.split_whitespace()) {
            if scope.chars().any(char::is_control) {
                return Err("must not hold control characters".to_owned());
            }
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        if scopes.iter().map(|scope| scope.len() + 1).sum::<usize>() > MAX_SCOPES {
            return Err(format!("may take {MAX_SCOPES} bytes together"));
        }
        Ok(Self(scopes))
    }
}

macro_rules! field_from_serde {
    ($($type:ty: $expected:literal;)*) => {$(
        impl Field for $type {
            const EXPECTED: &'static str = $expected;

            fn from_json(value: Value) -> Result<Self, String> {
                serde_json::from_value(value).map_err(|_| format!("must be {}", Self::EXPECTED))
            }
        }
    )*};
}

field_from_serde! {
    Flow: "\"authorization_code\" or \"client_credentials\"";
    ClientAuth: "\"basic\", \"post\" or \"private_key_jwt\"";
    SigningAlgorithm: "\"RS256\", \"PS256\" or \"ES256\"";
    Callback: "\"named\" or \"shared\"";
    AvailableTo: "\"all\" or \"mapped\"";
}
