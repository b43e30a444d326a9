//! Connections: an OAuth client registration plus how to talk to that provider.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[cfg(feature = "openapi")]
use super::input::NO_CONTROL_CHARACTERS;
use super::{
    Code, ConnectionId, Name, Problem, Scope, Sealed, Secret, Timestamp,
    client_key::{Certificate, KeyArn, KeyId, KeyKind, NewPrivateKey, PublicKey, SigningAlgorithm},
    dialect::Dialect,
    failure::Failure,
    grant::{Grant, GrantStatus},
    input::{Field, Input, MAX_TEXT, Text, text},
    merge_patch::merge,
    preset::{self, Preset},
    url_template::{Rules, UrlTemplate},
};

/// The name prefix of Secrets Manager secrets that `client_secret_ref` may name: all that the functions' policy lets
/// them read. The root key lies outside it.
pub const SECRET_REF_PREFIX: &str = "bifrost/connections/";

/// Parameters that the flow itself sets; extra parameters must not replace them (RFC 6749, RFC 7521, RFC 7636).
pub(super) const RESERVED_PARAMS: &[&str] = &[
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "response_type",
    "scope",
    "state",
];

/// How many days ahead it is said that what a client proves itself with expires; the soonest first.
pub const EXPIRY_WARNINGS: [u64; 3] = [1, 7, 30];

pub fn days_long(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// How tokens are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// A person signs in (RFC 6749 section 4.1).
    AuthorizationCode,
    /// The client speaks for itself (RFC 6749 section 4.4).
    ClientCredentials,
}

/// How the client proves itself at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// The Authorization header (RFC 6749 section 2.3.1).
    Basic,
    /// In the body of the request.
    Post,
    /// An assertion in the body, signed with the client's private key (RFC 7523).
    PrivateKeyJwt,
}

/// Which redirect URI the provider is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum Callback {
    /// One of the connection's own, so that no provider can pass its codes off as another's.
    #[default]
    Named,
    /// The one that all such connections share, for registrations that can't be changed.
    Shared,
}

/// Which organizations a global connection serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum AvailableTo {
    #[default]
    All,
    /// Organizations with a mapping on an integration that uses it.
    Mapped,
}

/// What people set on a connection, apart from its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionSettings {
    pub description: Option<String>,
    pub provider: Option<String>,
    pub flow: Flow,
    pub client_id: String,
    pub client_secret_ref: Option<String>,
    pub client_secret_expires_at: Option<Timestamp>,
    pub authorization_url: Option<UrlTemplate>,
    /// Where a code is asked for that a person types in elsewhere (RFC 8628): for a provider without a way back, or
    /// people without a browser that we could send there.
    #[serde(default)]
    pub device_authorization_url: Option<UrlTemplate>,
    /// Where an administrator lets the client into a tenant, for the flow client_credentials.
    #[serde(default)]
    pub admin_consent_url: Option<UrlTemplate>,
    pub token_url: UrlTemplate,
    pub revocation_url: Option<UrlTemplate>,
    pub scopes: Vec<String>,
    pub audience: Option<String>,
    pub authorize_params: BTreeMap<String, String>,
    pub token_params: BTreeMap<String, String>,
    pub client_auth: ClientAuth,
    pub pkce: bool,
    pub token_url_defaults: BTreeMap<String, String>,
    pub callback: Callback,
    pub available_to: AvailableTo,
    #[serde(default)]
    pub dialect: Dialect,
    #[serde(default)]
    pub client_key_arn: Option<String>,
    /// None: the one that goes without saying for the kind of key.
    #[serde(default)]
    pub client_assertion_alg: Option<SigningAlgorithm>,
    #[serde(default)]
    pub client_key_id: Option<String>,
    #[serde(default)]
    pub client_certificate: Option<Certificate>,
    /// May hold the placeholders of the token URL. None: the token URL.
    #[serde(default)]
    pub client_assertion_audience: Option<String>,
}

/// A connection as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub id: ConnectionId,
    pub name: Name,
    pub scope: Scope,
    #[serde(flatten)]
    pub settings: ConnectionSettings,
    /// Sealed in the connection's scope, as those below.
    pub client_secret: Option<Sealed>,
    /// Tried when the provider refuses the other, so that it may be replaced without a break.
    #[serde(default)]
    pub client_secret_next: Option<Sealed>,
    #[serde(default)]
    pub client_private_key: Option<Sealed>,
    /// Of the private key above, or of the one in KMS.
    #[serde(default)]
    pub client_public_key: Option<PublicKey>,
    /// Until then a sign-in is under way: the last link given out is still good.
    pub pending_until: Option<Timestamp>,
    /// What went wrong when someone last tried to connect it.
    pub connect_error: Option<LastError>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: u64,
}

/// A connection that passed the rules, its secrets not sealed yet.
#[derive(Debug)]
pub struct NewConnection {
    pub name: Name,
    pub settings: ConnectionSettings,
    pub client_secret: Option<Secret>,
    pub client_secret_next: Option<Secret>,
    pub client_private_key: Option<NewPrivateKey>,
}

/// How a connection is doing, judged by the grant that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    NotConnected,
    /// A link was given out and is still good.
    Pending,
    Active,
    /// Refreshing fails; retries go on.
    Failing,
    /// A person must sign in again.
    Reauthorize,
}

/// The last thing that went wrong, in words for whoever must mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LastError {
    pub code: String,
    pub title: String,
    pub detail: String,
    pub fix: String,
    pub at: Timestamp,
}

impl Connection {
    /// `held_back`: the provider does not accept the client, so that nothing can be refreshed.
    pub fn status(&self, grant: Option<&Grant>, held_back: bool, now: Timestamp) -> ConnectionStatus {
        match grant.map(|grant| grant.status) {
            None | Some(GrantStatus::New | GrantStatus::Disconnected) => match self.pending_until {
                Some(until) if until > now => ConnectionStatus::Pending,
                _ => ConnectionStatus::NotConnected,
            },
            Some(GrantStatus::Active) if !held_back => ConnectionStatus::Active,
            Some(GrantStatus::Active | GrantStatus::Failing) => ConnectionStatus::Failing,
            Some(GrantStatus::Reauthorize) => ConnectionStatus::Reauthorize,
        }
    }

    /// What to do about what the client proves itself with, when that expires soon or has expired.
    pub fn expiry_warning(&self, now: Timestamp) -> Option<String> {
        let settings = &self.settings;
        let expires_at = settings.credentials_expire_at()?;
        let (what, mend) = if settings.client_auth == ClientAuth::PrivateKeyJwt {
            let mend = "Register a new key or certificate at the provider, and set client_private_key or client_key_arn, and \
                        client_certificate or client_secret_expires_at, anew.";
            ("key", mend)
        } else if settings.client_secret_ref.is_some() {
            let mend = "Make a new one at the provider, put it into the referred secret (as JSON beside the old one: \
                        client_secret_next), and set client_secret_expires_at anew.";
            ("secret", mend)
        } else {
            let mend = "Make a new one at the provider, set it as client_secret_next while both are good, and later as \
                        client_secret with its own client_secret_expires_at.";
            ("secret", mend)
        };
        let when = expires_at.to_the_minute();
        if expires_at <= now {
            return Some(format!("The client {what} expired on {when}. {mend}"));
        }
        let days = EXPIRY_WARNINGS.into_iter().find(|days| expires_at <= now + days_long(*days))?;
        let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        Some(format!("The client {what} expires within {days}, on {when}. {mend}"))
    }

    /// The last part of the redirect URI, decoded: the name of a global connection; an organization's also has its id,
    /// because another organization may have the same name. None if it shares the common one.
    pub fn callback_segment(&self) -> Option<String> {
        match (self.settings.callback, self.scope) {
            (Callback::Shared, _) => None,
            (Callback::Named, Scope::Global) => Some(self.name.to_string()),
            (Callback::Named, Scope::Organization(_)) => Some(format!("{}~{}", self.name, self.id)),
        }
    }

    /// The exact text to paste at the provider. Names hold nothing that needs escaping in a path but the space.
    pub fn redirect_uri(&self, public_url: &str) -> String {
        match self.callback_segment() {
            None => format!("{public_url}/api/oauth/callback"),
            Some(segment) => format!("{public_url}/oauth/callback/{}", segment.replace(' ', "%20")),
        }
    }
}

impl LastError {
    pub fn of(failure: &Failure, at: Timestamp) -> Self {
        let Failure { code, title, detail, fix, .. } = failure;
        let (code, detail) = (code.clone(), detail.clone());
        Self { code, title: title.clone(), detail, fix: fix.clone(), at }
    }

    /// The same as the answer to someone who asked for a token.
    pub fn problem(&self, code: Code) -> Problem {
        Problem::new(code, format!("{}: {}", self.title, self.detail)).fix(self.fix.clone())
    }
}

impl NewConnection {
    /// From the body of a request. `admin` may use what only admins may.
    pub fn from_input(body: Map<String, Value>, rules: Rules, admin: bool) -> Result<Self, Problem> {
        let mut input = Input::new(filled_in(body));
        let name: Option<Name> = input.required("name");
        let client_secret: Option<Secret> = input.optional("client_secret");
        let client_secret_next: Option<Secret> = input.optional("client_secret_next");
        let client_private_key: Option<NewPrivateKey> = input.optional("client_private_key");
        let settings = ConnectionSettings::from_input(&mut input, rules);
        input.finish()?;
        let (Some(name), Some(settings)) = (name, settings) else {
            return Err(Problem::invalid("name", "is required"));
        };
        let held = Held {
            secret: client_secret.is_some(),
            next: client_secret_next.is_some(),
            private_key: client_private_key.is_some(),
        };
        settings.check_credentials(held)?;
        settings.check_rights(admin, None)?;
        Ok(Self { name, settings, client_secret, client_secret_next, client_private_key })
    }
}

/// A connection as a merge patch (RFC 7396) leaves it.
#[derive(Debug)]
pub struct PatchedConnection {
    pub settings: ConnectionSettings,
    pub client_secret: SecretChange,
    pub client_secret_next: SecretChange,
    pub client_private_key: SecretChange<NewPrivateKey>,
}

/// What a patch says about a secret that it can't show.
#[derive(Debug)]
pub enum SecretChange<T = Secret> {
    /// Left out.
    Keep,
    /// `null`.
    Remove,
    Replace(T),
}

impl<T: Field> SecretChange<T> {
    fn taken_from(patch: &mut Map<String, Value>, field: &str) -> Result<Self, Problem> {
        Ok(match patch.remove(field) {
            None => Self::Keep,
            Some(Value::Null) => Self::Remove,
            Some(value) => {
                Self::Replace(T::from_json(value).map_err(|message| Problem::invalid(field, message))?)
            }
        })
    }

    /// Whether there is one after it.
    fn leaves(&self, before: bool) -> bool {
        match self {
            Self::Keep => before,
            Self::Remove => false,
            Self::Replace(_) => true,
        }
    }
}

/// Which secrets a connection has of its own.
#[derive(Clone, Copy, Debug)]
struct Held {
    secret: bool,
    next: bool,
    private_key: bool,
}

impl Connection {
    /// This connection with `patch` merged into what people set, and all of it checked anew. The name can't change.
    pub fn patched(
        &self,
        mut patch: Map<String, Value>,
        rules: Rules,
        admin: bool,
    ) -> Result<PatchedConnection, Problem> {
        let client_secret = SecretChange::taken_from(&mut patch, "client_secret")?;
        let client_secret_next = SecretChange::taken_from(&mut patch, "client_secret_next")?;
        let client_private_key = SecretChange::<NewPrivateKey>::taken_from(&mut patch, "client_private_key")?;
        if let Some(name) = patch.remove("name")
            && name.as_str() != Some(self.name.as_str())
        {
            return Err(Problem::invalid("name", "can't be changed"));
        }
        let Value::Object(stored) = serde_json::to_value(&self.settings).map_err(Problem::internal)? else {
            return Err(Problem::internal("settings are not an object"));
        };
        let mut input = Input::new(refilled(stored, patch));
        let settings = ConnectionSettings::from_input(&mut input, rules);
        input.finish()?;
        let settings =
            settings.ok_or_else(|| Problem::internal("nothing is wrong, yet something is missing"))?;
        let held = Held {
            secret: client_secret.leaves(self.client_secret.is_some()),
            next: client_secret_next.leaves(self.client_secret_next.is_some()),
            private_key: client_private_key.leaves(self.client_private_key.is_some()),
        };
        settings.check_credentials(held)?;
        settings.check_rights(admin, Some(&self.settings))?;
        Ok(PatchedConnection { settings, client_secret, client_secret_next, client_private_key })
    }
}

/// `body` over what the preset that it names fills in, as a merge patch (RFC 7396) goes over an object: every field can be
/// overridden, and `null` takes one away. A preset or flow that does not exist is for the reader of the body to name.
fn filled_in(body: Map<String, Value>) -> Map<String, Value> {
    let mut filled = filling(&body);
    merge(&mut filled, body);
    filled
}

/// What a connection had before its people set anything, and so what it goes back to.
fn filling(body: &Map<String, Value>) -> Map<String, Value> {
    let named = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(preset) = named("provider").and_then(preset::find) else {
        return Map::new();
    };
    let flow = body.get("flow").filter(|flow| !flow.is_null());
    let flow = match flow {
        Some(flow) => Flow::from_json(flow.clone()).ok(),
        None => preset.default_flow(),
    };
    let Some((flow, mut filled)) = flow.and_then(|flow| Some((flow, preset.fill(flow)?))) else {
        return Map::new();
    };
    filled.insert("flow".to_owned(), json!(flow));
    filled
}

/// `stored` with `patch` merged into it. `null` brings a preset's value back; and with another preset or flow, what the
/// one before filled in makes place for what this one does.
fn refilled(stored: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
    let before = filling(&stored);
    let mut choice = stored.clone();
    for name in ["provider", "flow"] {
        choice.extend(patch.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let after = filling(&choice);
    let mut merged = after.clone();
    for (name, value) in stored {
        let set_by_people = match before.get(&name) {
            Some(filled) => *filled != value,
            None => !is_left_out(&name, &value),
        };
        if set_by_people || !after.contains_key(&name) {
            merged.insert(name, value);
        }
    }
    let (back, patch): (Map<_, _>, Map<_, _>) =
        patch.into_iter().partition(|(name, value)| value.is_null() && after.contains_key(name));
    merge(&mut merged, patch);
    merged.extend(
        back.into_iter().filter_map(|(name, _)| after.get(&name).cloned().map(|value| (name, value))),
    );
    merged
}

/// Whether a stored value says no more than that nobody gave one.
fn is_left_out(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(pkce) => name == "pkce" && *pkce,
        Value::String(client_auth) => name == "client_auth" && client_auth == "basic",
        Value::Number(_) => false,
    }
}

impl ConnectionSettings {
    /// `None` means that something required is missing, which is noted in `input`.
    fn from_input(input: &mut Input, rules: Rules) -> Option<Self> {
        let description = text(input, "description");
        let provider = input.optional::<Provider>("provider").map(|provider| provider.0);
        let flow = input.optional("flow").unwrap_or(Flow::AuthorizationCode);
        if let Some(preset) = &provider
            && preset.flow(flow).is_none()
        {
            let offered = preset.default_flow();
            input.wrong(
                "flow",
                match offered {
                    Some(_) => format!("is not one that {} offers: leave it out", preset.title),
                    None => format!(
                        "is for OAuth, and {} has API keys instead: keep them in an integration's config",
                        preset.title
                    ),
                },
            );
        }
        let client_id: Option<ClientId> = input.required("client_id");
        let client_secret_ref = input.optional::<SecretRef>("client_secret_ref").and_then(|name| name.0);
        let client_secret_expires_at = input.optional("client_secret_expires_at");
        let authorization_url = url(input, "authorization_url", rules);
        let device_authorization_url = url(input, "device_authorization_url", rules);
        if flow == Flow::AuthorizationCode
            && authorization_url.is_none()
            && device_authorization_url.is_none()
        {
            let message =
                "is required for the flow authorization_code, unless there is a device_authorization_url";
            input.wrong("authorization_url", message);
        }
        if flow == Flow::ClientCredentials && device_authorization_url.is_some() {
            input.wrong(
                "device_authorization_url",
                "is for the flow authorization_code, in which people sign in",
            );
        }
        let admin_consent_url = url(input, "admin_consent_url", rules);
        if flow == Flow::AuthorizationCode && admin_consent_url.is_some() {
            input.wrong(
                "admin_consent_url",
                "is for the flow client_credentials; people who sign in consent there",
            );
        }
        let token_url = input.required::<ProviderUrl>("token_url");
        let token_url = token_url.and_then(|url| url.parse(input, "token_url", rules));
        let revocation_url = url(input, "revocation_url", rules);
        let scopes = input.optional::<Scopes>("scopes").unwrap_or_default().0;
        let audience = text(input, "audience");
        let authorize_params = input.optional::<Params>("authorize_params").unwrap_or_default().0;
        let token_params = input.optional::<Params>("token_params").unwrap_or_default().0;
        let client_auth = input.optional("client_auth").unwrap_or(ClientAuth::Basic);
        let pkce = input.optional("pkce").unwrap_or(true);
        let token_url_defaults = input.optional::<UrlValues>("token_url_defaults").unwrap_or_default().0;
        let callback = input.optional("callback").unwrap_or_default();
        let available_to = input.optional("available_to").unwrap_or_default();
        let dialect = input.optional("dialect").unwrap_or_default();
        let client_key_arn = input.optional::<KeyArn>("client_key_arn").and_then(|arn| arn.0);
        let client_assertion_alg = input.optional("client_assertion_alg");
        let client_key_id = input.optional::<KeyId>("client_key_id").and_then(|id| id.0);
        let client_certificate = input.optional("client_certificate");
        let client_assertion_audience = input.optional::<Audience>("client_assertion_audience");
        let client_assertion_audience = client_assertion_audience.and_then(|audience| audience.0);
        if let (Some(audience), Some(token_url)) = (&client_assertion_audience, &token_url)
            && !fills_as(audience, token_url)
        {
            input.wrong("client_assertion_audience", "has a placeholder that token_url does not have");
        }
        Some(Self {
            description,
            provider: provider.map(|preset| preset.name.to_owned()),
            flow,
            client_id: client_id?.0,
            client_secret_ref,
            client_secret_expires_at,
            authorization_url,
            device_authorization_url,
            admin_consent_url,
            token_url: token_url?,
            revocation_url,
            scopes,
            audience,
            authorize_params,
            token_params,
            client_auth,
            pkce,
            token_url_defaults,
            callback,
            available_to,
            dialect,
            client_key_arn,
            client_assertion_alg,
            client_key_id,
            client_certificate,
            client_assertion_audience,
        })
    }

    /// Whether the client has one way of proving itself, and not two that contradict each other.
    fn check_credentials(&self, held: Held) -> Result<(), Problem> {
        let by_ref = self.client_secret_ref.is_some();
        let has_key = held.private_key || self.client_key_arn.is_some();
        if held.secret && by_ref {
            let message = "can't be given together with client_secret; set one of them to null";
            return Err(Problem::invalid("client_secret_ref", message));
        }
        if held.next && by_ref {
            let message = "can't be given together with client_secret_ref; put it into the referred secret, as JSON: \
                           {\"client_secret\": \"...\", \"client_secret_next\": \"...\"}";
            return Err(Problem::invalid("client_secret_next", message));
        }
        if held.next && !held.secret {
            let message = "is the second of two: give client_secret too, or set client_secret_next to null";
            return Err(Problem::invalid("client_secret_next", message));
        }
        if held.private_key && self.client_key_arn.is_some() {
            let message = "can't be given together with client_private_key; set one of them to null";
            return Err(Problem::invalid("client_key_arn", message));
        }
        if self.client_auth == ClientAuth::PrivateKeyJwt {
            return if has_key {
                Ok(())
            } else {
                let message =
                    "is required for client_auth private_key_jwt, unless client_key_arn names a key in KMS";
                Err(Problem::invalid("client_private_key", message))
            };
        }
        if self.flow == Flow::ClientCredentials && !held.secret && !by_ref {
            return Err(Problem::invalid("client_secret", "is required for the flow client_credentials"));
        }
        Ok(())
    }

    /// Whether the algorithm and the certificate are for this key, which is the one that signs.
    pub fn check_key(&self, key: &PublicKey) -> Result<(), Problem> {
        if let Some(algorithm) = self.client_assertion_alg
            && algorithm.kind() != key.kind
        {
            let (algorithm, wanted, found) =
                (algorithm.as_str(), algorithm.kind().as_str(), key.kind.as_str());
            let fitting = if key.kind == KeyKind::Rsa { "RS256 or PS256" } else { "ES256" };
            let message = format!(
                "{algorithm} takes a key of the kind {wanted}, and this is one of {found}: use {fitting}"
            );
            return Err(Problem::invalid("client_assertion_alg", message));
        }
        let certified = self.client_certificate.as_ref().map(Certificate::public_key);
        if certified.is_some_and(|certified| certified.as_ref() != Some(key)) {
            let message =
                "is of another key than the one that signs: give the certificate that was made with this key";
            return Err(Problem::invalid("client_certificate", message));
        }
        Ok(())
    }

    /// When the provider will stop accepting what the client proves itself with, as far as is known.
    pub fn credentials_expire_at(&self) -> Option<Timestamp> {
        let certified =
            self.client_certificate.as_ref().filter(|_| self.client_auth == ClientAuth::PrivateKeyJwt);
        self.client_secret_expires_at.or_else(|| certified?.not_after())
    }

    /// What only admins may set; others may leave it as it is.
    fn check_rights(&self, admin: bool, before: Option<&Self>) -> Result<(), Problem> {
        let same_ref = before.is_some_and(|before| before.client_secret_ref == self.client_secret_ref);
        if !admin && self.client_secret_ref.is_some() && !same_ref {
            return Err(Problem::forbidden("Only an admin may set client_secret_ref."));
        }
        // With a reference goes the place that its secret is sent to.
        let same_place = before.is_some_and(|before| {
            before.token_url == self.token_url
                && before.revocation_url == self.revocation_url
                && before.token_url_defaults == self.token_url_defaults
        });
        if !admin && self.client_secret_ref.is_some() && !same_place {
            return Err(Problem::forbidden(
                "Only an admin may change where a referred client secret is sent: token_url, revocation_url, token_url_defaults.",
            ));
        }
        let same_arn = before.is_some_and(|before| before.client_key_arn == self.client_key_arn);
        if !admin && self.client_key_arn.is_some() && !same_arn {
            return Err(Problem::forbidden("Only an admin may set client_key_arn."));
        }
        // With a key goes where what it signs is sent, and what that says: a provider may know the key under several
        // client ids.
        let same_words = before.is_some_and(|before| {
            before.client_id == self.client_id
                && before.client_assertion_audience == self.client_assertion_audience
        });
        if !admin && self.client_key_arn.is_some() && !(same_place && same_words) {
            return Err(Problem::forbidden(
                "Only an admin may change what a KMS key signs and where it is sent: client_id, client_assertion_audience, \
                 token_url, revocation_url, token_url_defaults.",
            ));
        }
        let same_callback = before.is_some_and(|before| before.callback == self.callback);
        if !admin && self.callback == Callback::Shared && !same_callback {
            return Err(Problem::forbidden("Only an admin may set callback to shared."));
        }
        Ok(())
    }

    /// All URLs of the provider that a grant of the connection is got or kept with.
    pub fn urls(&self) -> impl Iterator<Item = &UrlTemplate> {
        let device = self.device_authorization_url.as_ref();
        [Some(&self.token_url), self.redirecting_url(), device, self.revocation_url.as_ref()]
            .into_iter()
            .flatten()
    }

    /// Where a browser is sent to connect, to come back with what it got there: to sign in, or to let the client in.
    pub fn redirecting_url(&self) -> Option<&UrlTemplate> {
        match self.flow {
            Flow::AuthorizationCode => self.authorization_url.as_ref(),
            Flow::ClientCredentials => self.admin_consent_url.as_ref(),
        }
    }

    /// The names of the placeholders in the URLs that tokens come from.
    pub fn token_placeholders(&self) -> impl Iterator<Item = &str> {
        self.token_url.placeholders()
    }
}

/// Checked when it is set and again when it is used.
pub fn check_secret_ref(name: &str) -> Result<(), String> {
    let rest = name.strip_prefix(SECRET_REF_PREFIX);
    // The characters that Secrets Manager allows in names.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    match rest {
        Some(rest) if !rest.is_empty() && rest.len() <= 400 && rest.chars().all(allowed) => Ok(()),
        _ => {
            Err(format!("must be the name of a Secrets Manager secret that begins with {SECRET_REF_PREFIX}"))
        }
    }
}

/// Whom assertions are for; an empty one counts as none.
struct Audience(Option<String>);

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

/// Whether what fills the token URL fills the audience too.
fn fills_as(audience: &str, token_url: &UrlTemplate) -> bool {
    let filled = |text: String, name: &str| text.replace(&format!("{{{name}}}"), "");
    !token_url.placeholders().fold(audience.to_owned(), filled).contains(['{', '}'])
}

/// The preset that a connection was made from.
struct Provider(Preset);

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
fn url(input: &mut Input, field: &str, rules: Rules) -> Option<UrlTemplate> {
    let url: ProviderUrl = input.optional(field)?;
    url.parse(input, field, rules)
}

/// The text of a [`UrlTemplate`], not parsed yet: that takes the stack's rules.
struct ProviderUrl(String);

described!(ProviderUrl: {
    "description": "An https URL. `{name}` stands for a value of the integration's config, `{entity_id}` for the mapped \
        entity; after the last placeholder in a host a domain must follow. The local stack takes http on loopback too.",
    "type": "string", "maxLength": MAX_TEXT,
    "pattern": PROVIDER_URL,
    "examples": ["https://provider.example/{entity_id}/token"],
});

#[cfg(feature = "openapi")]
pub(super) const PROVIDER_URL: &str = "^https?://[A-Za-z0-9.{}_\\[\\]:-]+([/?][^\\s\\\\#]*)?$";

impl ProviderUrl {
    /// One that is wrong is noted, and `None`.
    fn parse(&self, input: &mut Input, field: &str, rules: Rules) -> Option<UrlTemplate> {
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

struct ClientId(String);

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
struct SecretRef(Option<String>);

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
struct Params(BTreeMap<String, String>);

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
struct UrlValues(BTreeMap<String, String>);

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
pub(super) struct Scopes(pub(super) Vec<String>);

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::client_key::tests::{P256, P256_CERTIFICATE, RSA, RSA_CERTIFICATE};

    fn body(changes: Value) -> Map<String, Value> {
        let mut body = json!({
            "name": "HaloPSA", "client_id": "abc", "client_secret": "s",
            "authorization_url": "https://halo.example/authorize", "token_url": "https://halo.example/token",
        });
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        Map::from_json(body).unwrap()
    }

    fn parse(changes: Value, admin: bool) -> Result<NewConnection, Problem> {
        NewConnection::from_input(body(changes), Rules { allow_http_loopback: false }, admin)
    }

    #[test]
    fn a_string_of_scopes_is_split_at_white_space() {
        let connection = parse(json!({"scopes": "offline_access  all\nall"}), true).unwrap();
        assert_eq!(connection.settings.scopes, ["offline_access", "all"]);
    }

    #[test]
    fn a_secret_reference_outside_the_prefix_is_refused() {
        for bad in
            ["bifrost/root-key", "bifrost/connections/", "arn:aws:secretsmanager:x", "bifrost/connections/a*"]
        {
            let problem = parse(json!({"client_secret": null, "client_secret_ref": bad}), true).unwrap_err();
            assert_eq!(problem.errors[0].field, "client_secret_ref", "{bad}");
        }
    }

    fn stored(changes: Value) -> Connection {
        let new = parse(changes, true).unwrap();
        let now = Timestamp::now();
        Connection {
            id: ConnectionId::new(),
            name: new.name,
            scope: Scope::Global,
            settings: new.settings,
            client_secret: Some(Sealed::from_bytes(vec![1])),
            client_secret_next: None,
            client_private_key: None,
            client_public_key: None,
            pending_until: None,
            connect_error: None,
            created_at: now,
            updated_at: now,
            revision: 1,
        }
    }

    fn patch(connection: &Connection, patch: Value, admin: bool) -> Result<PatchedConnection, Problem> {
        connection.patched(Map::from_json(patch).unwrap(), Rules { allow_http_loopback: false }, admin)
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_brings_the_default_back() {
        let connection =
            stored(json!({"pkce": false, "scopes": ["a"], "token_params": {"x": "1", "y": "2"}}));
        let patched = patch(&connection, json!({"pkce": null, "token_params": {"x": null}}), true).unwrap();
        assert!(patched.settings.pkce);
        assert_eq!(patched.settings.scopes, ["a"]);
        assert_eq!(patched.settings.token_params, BTreeMap::from([("y".to_owned(), "2".to_owned())]));
        assert!(matches!(patched.client_secret, SecretChange::Keep));
    }

    fn from_preset(changes: Value) -> Result<NewConnection, Problem> {
        let mut body = json!({
            "name": "Graph", "provider": "Microsoft-Graph", "client_id": "abc", "client_secret": "s",
        });
        body.as_object_mut().unwrap().extend(Map::from_json(changes).unwrap());
        NewConnection::from_input(Map::from_json(body).unwrap(), Rules::default(), true)
    }

    #[test]
    fn a_preset_fills_in_what_is_not_given() {
        let settings = from_preset(json!({})).unwrap().settings;
        let preset = preset::find("microsoft_graph").unwrap().authorization_code.unwrap();
        assert_eq!(settings.provider.as_deref(), Some("microsoft_graph"));
        assert_eq!(settings.flow, Flow::AuthorizationCode);
        assert_eq!(settings.authorization_url, preset.authorization_url);
        assert_eq!(settings.scopes, preset.scopes);
        assert_eq!(settings.client_auth, ClientAuth::Post);
        assert_eq!(settings.dialect.refresh_token, preset.dialect.refresh_token);
    }

    #[test]
    fn every_field_that_a_preset_fills_in_can_be_given_or_taken_away() {
        let given = json!({
            "token_url": "https://login.example/token", "scopes": "mine", "client_auth": "basic",
            "authorize_params": {"response_mode": null, "prompt": "none"},
            "dialect": {"refresh_token": null, "token_body": "json"},
        });
        let settings = from_preset(given).unwrap().settings;
        assert_eq!(settings.token_url.as_str(), "https://login.example/token");
        assert_eq!((settings.scopes, settings.client_auth), (vec!["mine".to_owned()], ClientAuth::Basic));
        assert_eq!(settings.authorize_params, BTreeMap::from([("prompt".to_owned(), "none".to_owned())]));
        assert_eq!(settings.dialect.refresh_token, crate::model::dialect::RefreshTokenRules::default());
        assert!(settings.dialect.verify.is_some(), "what was not mentioned stays");
    }

    #[test]
    fn a_provider_that_is_no_preset_or_has_no_such_flow_is_named() {
        let field = |changes| from_preset(changes).unwrap_err().errors[0].field.clone();
        assert_eq!(field(json!({"provider": "nobody"})), "provider");
        assert_eq!(field(json!({"provider": 7})), "provider");
        assert_eq!(field(json!({"provider": "google", "flow": "client_credentials"})), "flow");
    }

    #[test]
    fn null_in_a_patch_brings_the_presets_value_back() {
        let new = from_preset(json!({"scopes": "mine", "client_auth": "basic"})).unwrap();
        let connection = Connection { settings: new.settings, ..stored(json!({})) };
        let patched =
            patch(&connection, json!({"scopes": null, "client_auth": null}), true).unwrap().settings;
        assert_eq!(
            patched.scopes,
            preset::find("microsoft_graph").unwrap().authorization_code.unwrap().scopes
        );
        assert_eq!(patched.client_auth, ClientAuth::Post);
    }

    #[test]
    fn another_preset_replaces_what_the_one_before_filled_in_and_nothing_else() {
        let new = from_preset(json!({"scopes": "mine"})).unwrap();
        let connection = Connection { settings: new.settings, ..stored(json!({})) };
        let google = preset::find("google").unwrap().authorization_code.unwrap();
        let patched = patch(&connection, json!({"provider": "google"}), true).unwrap().settings;
        assert_eq!(patched.token_url, google.token_url);
        assert_eq!(patched.authorize_params, google.authorize_params);
        assert_eq!(patched.dialect.refresh_token, google.dialect.refresh_token);
        assert_eq!(patched.scopes, ["mine"]);
        let alone = patch(&connection, json!({"provider": null}), true).unwrap().settings;
        assert_eq!(alone.provider, None);
        assert_eq!(alone.token_url, connection.settings.token_url, "what it was filled in with stays");
    }

    #[test]
    fn an_empty_patch_changes_nothing_whatever_the_preset() {
        for preset in preset::all() {
            for flow in [Flow::AuthorizationCode, Flow::ClientCredentials] {
                let made = from_preset(json!({"provider": preset.name, "flow": flow}));
                let Ok(made) = made else { continue };
                let connection = Connection { settings: made.settings, ..stored(json!({})) };
                let patched = patch(&connection, json!({}), true).unwrap();
                assert_eq!(patched.settings, connection.settings, "{}", preset.name);
            }
        }
    }

    #[test]
    fn a_wrong_member_of_the_dialect_is_named_and_its_value_is_not() {
        for (dialect, member) in [
            (json!({"token_body": "xml"}), "token_body"),
            (json!({"default_lifetime": "s3cret"}), "default_lifetime"),
            (json!({"default_lifetime": 0}), "default_lifetime"),
            (json!({"token_facts": ["a.refresh_token"]}), "token_facts"),
            (json!({"token_path": "a..b"}), "token_path"),
            (json!({"refresh_params": {"grant_type": "x"}}), "refresh_params"),
            (json!({"refresh_token": {"reuse_grace": -1}}), "refresh_token"),
            (json!({"url_values": {"x": ["a.b"]}}), "url_values"),
            (json!({"verify": {"url": "ftp://x"}}), "verify"),
            (json!({"colour": "s3cret"}), "dialect"),
        ] {
            let problem = parse(json!({"dialect": dialect}), true).unwrap_err();
            let error = &problem.errors[0];
            assert_eq!(error.field, "dialect", "{dialect}");
            assert!(error.message.contains(member) && !error.message.contains("s3cret"), "{}", error.message);
        }
    }

    #[test]
    fn a_patch_is_checked_as_a_whole_connection_is() {
        let connection = stored(json!({}));
        let field = |change| patch(&connection, change, true).unwrap_err().errors[0].field.clone();
        assert_eq!(field(json!({"token_url": "http://halo.example/token"})), "token_url");
        assert_eq!(field(json!({"name": "Other"})), "name");
        assert_eq!(field(json!({"colour": "red"})), "colour");
        assert_eq!(field(json!({"client_secret_ref": "bifrost/connections/halo"})), "client_secret_ref");
    }

    #[test]
    fn a_user_can_not_send_a_referred_secret_elsewhere() {
        let mut connection =
            stored(json!({"client_secret": null, "client_secret_ref": "bifrost/connections/halo"}));
        connection.client_secret = None;
        assert!(patch(&connection, json!({"description": "ours"}), false).is_ok());
        let elsewhere = patch(&connection, json!({"token_url": "https://evil.example/token"}), false);
        assert_eq!(elsewhere.unwrap_err().code, Code::Forbidden);
    }

    #[test]
    fn only_admins_share_the_callback_or_refer_to_secrets() {
        let shared = json!({"callback": "shared"});
        let by_ref = json!({"client_secret": null, "client_secret_ref": "bifrost/connections/halo"});
        for changes in [shared, by_ref] {
            assert_eq!(parse(changes.clone(), false).unwrap_err().code, Code::Forbidden);
            assert!(parse(changes, true).is_ok());
        }
    }

    /// A connection by key: RSA, as PEM.
    fn by_key(changes: Value) -> Value {
        let mut body =
            json!({"client_secret": null, "client_auth": "private_key_jwt", "client_private_key": RSA});
        body.as_object_mut().unwrap().extend(Map::from_json(changes).unwrap());
        body
    }

    const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn a_client_with_a_key_needs_no_secret_and_one_without_a_key_needs_one() {
        for flow in ["authorization_code", "client_credentials"] {
            assert!(parse(by_key(json!({"flow": flow})), true).is_ok());
            assert!(
                parse(by_key(json!({"flow": flow, "client_private_key": null, "client_key_arn": ARN})), true)
                    .is_ok()
            );
            let none = parse(by_key(json!({"flow": flow, "client_private_key": null})), true).unwrap_err();
            assert_eq!(none.errors[0].field, "client_private_key");
        }
        let unused = by_key(json!({"flow": "client_credentials", "client_auth": "basic"}));
        assert_eq!(parse(unused, true).unwrap_err().errors[0].field, "client_secret");
    }

    #[test]
    fn of_two_ways_that_exclude_each_other_one_is_named_with_what_to_do() {
        let secret_ref = json!({"client_secret_ref": "bifrost/connections/halo"});
        for (changes, field) in [
            (secret_ref.clone(), "client_secret_ref"),
            (json!({"client_secret": null, "client_secret_next": "n"}), "client_secret_next"),
            (by_key(json!({"client_key_arn": ARN})), "client_key_arn"),
        ] {
            let problem = parse(changes, true).unwrap_err();
            assert_eq!(problem.errors[0].field, field);
            assert!(problem.errors[0].message.contains("null"), "{}", problem.detail);
        }
        let beside = json!({"client_secret": null, "client_secret_next": "n", "client_secret_ref": "bifrost/connections/h"});
        let problem = parse(beside, true).unwrap_err();
        assert_eq!(problem.errors[0].field, "client_secret_next");
        assert!(problem.errors[0].message.contains("as JSON"), "{}", problem.detail);
    }

    #[test]
    fn two_secrets_at_once_are_promoted_by_one_patch() {
        let mut connection = stored(json!({"client_secret_next": "n"}));
        connection.client_secret_next = Some(Sealed::from_bytes(vec![2]));
        let promoted =
            patch(&connection, json!({"client_secret": "n", "client_secret_next": null}), false).unwrap();
        assert!(matches!(promoted.client_secret, SecretChange::Replace(_)));
        assert!(matches!(promoted.client_secret_next, SecretChange::Remove));
        let alone = patch(&connection, json!({"client_secret": null}), false).unwrap_err();
        assert_eq!(alone.errors[0].field, "client_secret_next");
    }

    #[test]
    fn an_algorithm_and_a_certificate_must_be_for_the_key() {
        let key = |pem: &str| NewPrivateKey::from_json(json!(pem)).unwrap().public;
        let settings = |changes| parse(by_key(changes), true).unwrap().settings;
        let field = |settings: &ConnectionSettings, pem| match settings.check_key(&key(pem)) {
            Ok(()) => None,
            Err(problem) => Some(problem.errors[0].field.clone()),
        };
        let es256 = settings(json!({"client_assertion_alg": "ES256"}));
        assert_eq!(field(&es256, RSA).as_deref(), Some("client_assertion_alg"));
        assert_eq!(field(&es256, P256), None);
        let certified =
            settings(json!({"client_assertion_alg": "PS256", "client_certificate": RSA_CERTIFICATE}));
        assert_eq!(field(&certified, RSA), None);
        assert_eq!(field(&certified, P256).as_deref(), Some("client_assertion_alg"));
        let other = settings(json!({"client_certificate": P256_CERTIFICATE}));
        assert_eq!(field(&other, RSA).as_deref(), Some("client_certificate"));
    }

    #[test]
    fn an_audience_has_no_placeholder_that_nothing_fills() {
        let parsed = |token_url: &str, audience: &str| {
            parse(by_key(json!({"token_url": token_url, "client_assertion_audience": audience})), true)
        };
        let (plain, tenant) = ("https://halo.example/token", "https://halo.example/{tenant}/token");
        assert!(parsed(plain, "urn:halo").is_ok());
        assert!(parsed(tenant, "https://halo.example/{tenant}").is_ok());
        for (token_url, audience) in
            [(plain, "https://halo.example/{tenant}"), (tenant, "{entity_id}"), (plain, "}")]
        {
            let problem = parsed(token_url, audience).unwrap_err();
            assert_eq!(problem.errors[0].field, "client_assertion_audience");
        }
    }

    #[test]
    fn what_proves_the_client_expires_when_someone_says_so_or_with_its_certificate() {
        let at =
            |changes| parse(changes, true).unwrap().settings.credentials_expire_at().map(|at| at.to_string());
        let given = json!({"client_secret_expires_at": "2030-01-01T00:00:00Z"});
        assert_eq!(at(given.clone()).as_deref(), Some("2030-01-01T00:00:00.000Z"));
        assert_eq!(at(json!({"client_certificate": RSA_CERTIFICATE})), None, "it proves nothing there");
        let certified = by_key(json!({"client_certificate": RSA_CERTIFICATE}));
        assert_eq!(at(certified.clone()).as_deref(), Some("2076-11-25T06:12:30.000Z"));
        assert_eq!(at(by_key(given)).as_deref(), Some("2030-01-01T00:00:00.000Z"));
    }

    #[test]
    fn an_expiry_is_said_thirty_seven_and_one_days_ahead_and_once_it_is_over() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let warning = |at: Timestamp, changes: Value| {
            let mut body = json!({"client_secret_expires_at": at});
            body.as_object_mut().unwrap().extend(Map::from_json(changes).unwrap());
            stored(body).expiry_warning(now)
        };
        let ahead = |days, more| warning(now + days_long(days) + Duration::from_secs(more), json!({}));
        assert_eq!(ahead(30, 1), None);
        for (days, more, said) in [
            (30, 0, "expires within 30 days, on 2026-03-02 12:00 UTC."),
            (7, 1, "expires within 30 days"),
            (7, 0, "expires within 7 days"),
            (1, 1, "expires within 7 days"),
            (1, 0, "expires within 1 day, on 2026-02-01 12:00 UTC."),
            (0, 0, "expired on 2026-01-31 12:00 UTC."),
        ] {
            let message = ahead(days, more).unwrap();
            assert!(message.starts_with("The client secret ") && message.contains(said), "{message}");
            assert!(message.contains("client_secret_next"), "{message}");
        }
        let by_key = warning(now, by_key(json!({}))).unwrap();
        assert!(
            by_key.starts_with("The client key expired") && by_key.contains("client_private_key"),
            "{by_key}"
        );
        let referred = json!({"client_secret": null, "client_secret_ref": "bifrost/connections/halo"});
        assert!(warning(now, referred).unwrap().contains("referred secret"));
    }

    #[test]
    fn a_user_can_not_have_a_kms_key_sign_for_others_or_send_that_elsewhere() {
        let in_kms = by_key(json!({"client_private_key": null, "client_key_arn": ARN}));
        assert_eq!(parse(in_kms.clone(), false).unwrap_err().code, Code::Forbidden);
        let mut connection = stored(in_kms);
        connection.client_secret = None;
        assert!(patch(&connection, json!({"description": "ours", "client_key_id": "1"}), false).is_ok());
        for change in [
            json!({"client_key_arn": ARN.replace("1234abcd", "5678abcd")}),
            json!({"token_url": "https://evil.example/token"}),
            json!({"revocation_url": "https://evil.example/revoke"}),
            json!({"token_url_defaults": {"x": "evil"}}),
            json!({"client_id": "another"}),
            json!({"client_assertion_audience": "https://other.example"}),
        ] {
            assert_eq!(
                patch(&connection, change.clone(), false).unwrap_err().code,
                Code::Forbidden,
                "{change}"
            );
            assert!(patch(&connection, change, true).is_ok());
        }
    }

    #[test]
    fn what_could_outgrow_its_item_edit_by_edit_is_limited_field_by_field() {
        let many: BTreeMap<_, _> = (0..51).map(|number| (format!("p{number}"), "x")).collect();
        let long: BTreeMap<_, _> = (0..40).map(|number| (format!("p{number}"), "x".repeat(1000))).collect();
        for (field, value) in [
            ("token_params", json!(many)),
            ("authorize_params", json!(long)),
            ("token_url_defaults", json!(long)),
            ("client_secret", json!("x".repeat(65 * 1024))),
            ("client_id", json!("x".repeat(2001))),
            ("scopes", json!("x".repeat(8001))),
            ("authorize_params", json!({"": "nameless"})),
        ] {
            let problem = parse(json!({field: value}), true).unwrap_err();
            assert_eq!(problem.errors[0].field, field);
        }
    }

    #[test]
    fn extra_parameters_can_not_replace_what_the_flow_sets() {
        let problem =
            parse(json!({"authorize_params": {"redirect_uri": "https://evil.example"}}), true).unwrap_err();
        assert_eq!(problem.errors[0].field, "authorize_params");
    }
}
