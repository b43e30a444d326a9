//! Connections: an OAuth client registration plus how to talk to that provider.

mod fields;
mod filling;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[cfg(feature = "openapi")]
pub(super) use fields::PROVIDER_URL;
pub(super) use fields::Scopes;
use fields::{Audience, ClientId, Params, Provider, ProviderUrl, SecretRef, UrlValues, url};
use filling::{filled_in, refilled};

use super::{
    Code, ConnectionId, Name, Problem, Scope, Sealed, Secret, Timestamp,
    client_key::{Certificate, KeyArn, KeyId, KeyKind, NewPrivateKey, PublicKey, SigningAlgorithm},
    dialect::Dialect,
    failure::Failure,
    grant::{Grant, GrantStatus},
    input::{Field, Input, text},
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

impl ConnectionStatus {
    /// The worst first.
    pub const ALL: [Self; 5] =
        [Self::Reauthorize, Self::Failing, Self::Active, Self::Pending, Self::NotConnected];

    /// `pending`: the last link given out is still good. `held_back`: as in [`Connection::status`].
    pub fn of(grant: Option<GrantStatus>, pending: bool, held_back: bool) -> Self {
        match grant {
            None | Some(GrantStatus::New | GrantStatus::Disconnected) if pending => Self::Pending,
            None | Some(GrantStatus::New | GrantStatus::Disconnected) => Self::NotConnected,
            Some(GrantStatus::Active) if !held_back => Self::Active,
            Some(GrantStatus::Active | GrantStatus::Failing) => Self::Failing,
            Some(GrantStatus::Reauthorize) => Self::Reauthorize,
        }
    }
}

impl Connection {
    /// `held_back`: the provider does not accept the client, so that nothing can be refreshed.
    pub fn status(&self, grant: Option<&Grant>, held_back: bool, now: Timestamp) -> ConnectionStatus {
        let pending = self.pending_until.is_some_and(|until| until > now);
        ConnectionStatus::of(grant.map(|grant| grant.status), pending, held_back)
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

    /// The exact text to paste at the provider.
    pub fn redirect_uri(&self, public_url: &str) -> String {
        redirect_uri(self.callback_segment().as_deref(), public_url)
    }
}

/// The redirect URI with that [`Connection::callback_segment`]. Names hold nothing that needs escaping in a path but the
/// space.
pub fn redirect_uri(segment: Option<&str>, public_url: &str) -> String {
    match segment {
        None => format!("{public_url}/api/oauth/callback"),
        Some(segment) => format!("{public_url}/oauth/callback/{}", segment.replace(' ', "%20")),
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
                && before.device_authorization_url == self.device_authorization_url
                && before.dialect.token_origin == self.dialect.token_origin
                && before.dialect.url_values == self.dialect.url_values
        });
        if !admin && self.client_secret_ref.is_some() && !same_place {
            return Err(Problem::forbidden(
                "Only an admin may change where a referred client secret is sent: token_url, revocation_url, \
                 token_url_defaults, device_authorization_url, and token_origin and url_values of the dialect.",
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
                 token_url, revocation_url, token_url_defaults, device_authorization_url, and token_origin and url_values of \
                 the dialect.",
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

/// Whether what fills the token URL fills the audience too.
fn fills_as(audience: &str, token_url: &UrlTemplate) -> bool {
    let filled = |text: String, name: &str| text.replace(&format!("{{{name}}}"), "");
    !token_url.placeholders().fold(audience.to_owned(), filled).contains(['{', '}'])
}
