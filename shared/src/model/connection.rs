//! Connections: an OAuth client registration plus how to talk to that provider.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Code, ConnectionId, Name, Problem, Scope, Sealed, Secret, Timestamp,
    failure::Failure,
    grant::{Grant, GrantStatus},
    input::{Field, Input},
    integration::text,
    merge_patch::merge,
    url_template::{Rules, UrlTemplate},
};

/// The name prefix of Secrets Manager secrets that `client_secret_ref` may name: all that the functions' policy lets
/// them read. The root key lies outside it.
pub const SECRET_REF_PREFIX: &str = "bifrost/connections/";

/// Parameters that the flow itself sets; extra parameters must not replace them (RFC 6749, RFC 7636).
const RESERVED_PARAMS: &[&str] = &[
    "audience",
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

/// How tokens are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// A person signs in (RFC 6749 section 4.1).
    AuthorizationCode,
    /// The client speaks for itself (RFC 6749 section 4.4).
    ClientCredentials,
}

/// How the client proves itself at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// The Authorization header (RFC 6749 section 2.3.1).
    Basic,
    /// In the body of the request.
    Post,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

/// Which redirect URI the provider is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(rename_all = "snake_case")]
pub enum AvailableTo {
    #[default]
    All,
    /// Organizations with a mapping on an integration that uses it.
    Mapped,
}

/// What people set on a connection, apart from its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionSettings {
    pub description: Option<String>,
    pub provider: Option<String>,
    pub flow: Flow,
    pub client_id: String,
    pub client_secret_ref: Option<String>,
    pub client_secret_expires_at: Option<Timestamp>,
    pub authorization_url: Option<UrlTemplate>,
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
}

/// A connection as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub id: ConnectionId,
    pub name: Name,
    pub scope: Scope,
    #[serde(flatten)]
    pub settings: ConnectionSettings,
    /// Sealed in the connection's scope.
    pub client_secret: Option<Sealed>,
    /// Until then a sign-in is under way: the last link given out is still good.
    pub pending_until: Option<Timestamp>,
    /// What went wrong when someone last tried to connect it.
    pub connect_error: Option<LastError>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: u64,
}

/// A connection that passed the rules, its secret not sealed yet.
#[derive(Debug)]
pub struct NewConnection {
    pub name: Name,
    pub settings: ConnectionSettings,
    pub client_secret: Option<Secret>,
}

/// The last thing that went wrong, in words for whoever must mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    pub code: String,
    pub title: String,
    pub detail: String,
    pub fix: String,
    pub at: Timestamp,
}

impl Connection {
    /// How it is doing, judged by the grant that serves: `not_connected`, `pending`, `active`, `failing` or
    /// `reauthorize`.
    pub fn status(&self, grant: Option<&Grant>, now: Timestamp) -> &'static str {
        match grant.map(|grant| grant.status) {
            None | Some(GrantStatus::New | GrantStatus::Disconnected) => match self.pending_until {
                Some(until) if until > now => "pending",
                _ => "not_connected",
            },
            Some(GrantStatus::Active) => "active",
            Some(GrantStatus::Failing) => "failing",
            Some(GrantStatus::Reauthorize) => "reauthorize",
        }
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
        let mut input = Input::new(body);
        let name: Option<Name> = input.required("name");
        let client_secret: Option<Secret> = input.optional("client_secret");
        let settings = ConnectionSettings::from_input(&mut input, rules);
        if client_secret.is_some() && settings.as_ref().is_some_and(|s| s.client_secret_ref.is_some()) {
            input.wrong("client_secret_ref", "can't be given together with client_secret");
        }
        input.finish()?;
        let (Some(name), Some(settings)) = (name, settings) else {
            return Err(Problem::invalid("name", "is required"));
        };
        if settings.flow == Flow::ClientCredentials
            && client_secret.is_none()
            && settings.client_secret_ref.is_none()
        {
            return Err(Problem::invalid("client_secret", "is required for the flow client_credentials"));
        }
        settings.check_rights(admin, None)?;
        Ok(Self { name, settings, client_secret })
    }
}

/// A connection as a merge patch (RFC 7396) leaves it.
#[derive(Debug)]
pub struct PatchedConnection {
    pub settings: ConnectionSettings,
    pub client_secret: SecretChange,
}

/// What a patch says about a secret that it can't show.
#[derive(Debug)]
pub enum SecretChange {
    /// Left out.
    Keep,
    /// `null`.
    Remove,
    Replace(Secret),
}

impl Connection {
    /// This connection with `patch` merged into what people set, and all of it checked anew. The name can't change.
    pub fn patched(
        &self,
        mut patch: Map<String, Value>,
        rules: Rules,
        admin: bool,
    ) -> Result<PatchedConnection, Problem> {
        let client_secret = match patch.remove("client_secret") {
            None => SecretChange::Keep,
            Some(Value::Null) => SecretChange::Remove,
            Some(value) => {
                let secret =
                    Secret::from_json(value).map_err(|message| Problem::invalid("client_secret", message))?;
                SecretChange::Replace(secret)
            }
        };
        if let Some(name) = patch.remove("name")
            && name.as_str() != Some(self.name.as_str())
        {
            return Err(Problem::invalid("name", "can't be changed"));
        }
        let Value::Object(mut merged) = serde_json::to_value(&self.settings).map_err(Problem::internal)?
        else {
            return Err(Problem::internal("settings are not an object"));
        };
        merge(&mut merged, patch);
        let mut input = Input::new(merged);
        let settings = ConnectionSettings::from_input(&mut input, rules);
        input.finish()?;
        let settings =
            settings.ok_or_else(|| Problem::internal("nothing is wrong, yet something is missing"))?;
        let keeps_secret = match &client_secret {
            SecretChange::Keep => self.client_secret.is_some(),
            SecretChange::Remove => false,
            SecretChange::Replace(_) => true,
        };
        if keeps_secret && settings.client_secret_ref.is_some() {
            let message = "can't be given together with client_secret; set client_secret to null";
            return Err(Problem::invalid("client_secret_ref", message));
        }
        if settings.flow == Flow::ClientCredentials && !keeps_secret && settings.client_secret_ref.is_none() {
            return Err(Problem::invalid("client_secret", "is required for the flow client_credentials"));
        }
        settings.check_rights(admin, Some(&self.settings))?;
        Ok(PatchedConnection { settings, client_secret })
    }
}

impl ConnectionSettings {
    /// `None` means that something required is missing, which is noted in `input`.
    fn from_input(input: &mut Input, rules: Rules) -> Option<Self> {
        let description = text(input, "description");
        let provider = text(input, "provider");
        if provider.is_some() {
            input
                .wrong("provider", "names no preset: none are shipped yet; give the provider's URLs instead");
        }
        let flow = input.optional("flow").unwrap_or(Flow::AuthorizationCode);
        let client_id: Option<String> = input.required("client_id");
        if client_id.as_ref().is_some_and(|id| id.trim().is_empty() || id.chars().any(char::is_control)) {
            input.wrong("client_id", "must not be empty or hold control characters");
        }
        let client_secret_ref = text(input, "client_secret_ref");
        if let Some(name) = &client_secret_ref
            && let Err(message) = check_secret_ref(name)
        {
            input.wrong("client_secret_ref", message);
        }
        let client_secret_expires_at = input.optional("client_secret_expires_at");
        let authorization_url = url(input, "authorization_url", rules);
        if flow == Flow::AuthorizationCode && authorization_url.is_none() {
            input.wrong("authorization_url", "is required for the flow authorization_code");
        }
        let token_url = url(input, "token_url", rules);
        if token_url.is_none() {
            input.wrong("token_url", "is required: an https URL");
        }
        let revocation_url = url(input, "revocation_url", rules);
        let scopes = input.optional::<Scopes>("scopes").unwrap_or_default().0;
        let audience = text(input, "audience");
        let authorize_params = params(input, "authorize_params");
        let token_params = params(input, "token_params");
        let client_auth = input.optional("client_auth").unwrap_or(ClientAuth::Basic);
        if client_auth == ClientAuth::PrivateKeyJwt {
            input.wrong("client_auth", "private_key_jwt is not supported yet; use basic or post");
        }
        let pkce = input.optional("pkce").unwrap_or(true);
        let token_url_defaults = input.optional("token_url_defaults").unwrap_or_default();
        let callback = input.optional("callback").unwrap_or_default();
        let available_to = input.optional("available_to").unwrap_or_default();
        Some(Self {
            description,
            provider,
            flow,
            client_id: client_id?,
            client_secret_ref,
            client_secret_expires_at,
            authorization_url,
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
        })
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
        let same_callback = before.is_some_and(|before| before.callback == self.callback);
        if !admin && self.callback == Callback::Shared && !same_callback {
            return Err(Problem::forbidden("Only an admin may set callback to shared."));
        }
        Ok(())
    }

    /// All URLs of the provider.
    pub fn urls(&self) -> impl Iterator<Item = &UrlTemplate> {
        let urls = [Some(&self.token_url), self.authorization_url.as_ref(), self.revocation_url.as_ref()];
        urls.into_iter().flatten()
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

/// A provider's URL; one that is wrong is noted, and `None`.
fn url(input: &mut Input, field: &str, rules: Rules) -> Option<UrlTemplate> {
    let text: String = input.optional(field)?;
    UrlTemplate::parse(text.trim(), rules).map_err(|message| input.wrong(field, message)).ok()
}

fn params(input: &mut Input, field: &str) -> BTreeMap<String, String> {
    let params: BTreeMap<String, String> = input.optional(field).unwrap_or_default();
    for name in RESERVED_PARAMS {
        if params.contains_key(*name) {
            input.wrong(field, format!("can't set {name}: the flow does, or a field of its own"));
        }
    }
    params
}

/// OAuth scopes: a list, or a string that is split at white space.
#[derive(Default)]
struct Scopes(Vec<String>);

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
    Callback: "\"named\" or \"shared\"";
    AvailableTo: "\"all\" or \"mapped\"";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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

    #[test]
    fn extra_parameters_can_not_replace_what_the_flow_sets() {
        let problem =
            parse(json!({"authorize_params": {"redirect_uri": "https://evil.example"}}), true).unwrap_err();
        assert_eq!(problem.errors[0].field, "authorize_params");
    }
}
