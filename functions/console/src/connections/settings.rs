//! The fields of a connection as a form has them, and the JSON that the API takes.
//!
//! A field has the name that it has in the API, so that what is wrong with it is said beside it. Lists of parameters are
//! lines of `name=value`, scopes are parted by spaces, a day stands for its first second, and an empty field for none.

use bifrost::{
    app::connections::ConnectionView,
    model::{
        FieldError, Problem, Scope,
        connection::{Callback, ClientAuth, Flow},
        preset::{FlowPreset, Preset},
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::flow_name;
use crate::{form::Form, visit::Visit};

/// What is shown again.
const FIELDS: [&str; 27] = [
    "description",
    "flow",
    "client_id",
    "client_secret_ref",
    "client_secret_expires_at",
    "authorization_url",
    "token_url",
    "scopes",
    "client_auth",
    "pkce",
    "available_to",
    "callback",
    "authorize_params",
    "token_params",
    "token_url_defaults",
    "dialect",
    "revocation_url",
    "device_authorization_url",
    "admin_consent_url",
    "audience",
    "client_key_arn",
    "client_assertion_alg",
    "client_key_id",
    "client_certificate",
    "client_assertion_audience",
    "name",
    "provider",
];
/// What is only ever written.
const SECRETS: [&str; 3] = ["client_secret", "client_secret_next", "client_private_key"];
/// Before the name of a placeholder that has a field of its own.
const PLACEHOLDER: &str = "token_url_defaults.";
/// Before the name of a secret, for a box that takes it away.
const REMOVE: &str = "remove.";

/// The fields that stand under "More settings", whose errors must not stay hidden there.
const MORE: [&str; 19] = [
    "client_secret_next",
    "client_secret_ref",
    "client_private_key",
    "client_key_arn",
    "client_assertion_alg",
    "client_key_id",
    "client_certificate",
    "client_assertion_audience",
    "client_auth",
    "pkce",
    "callback",
    "authorize_params",
    "token_params",
    "dialect",
    "revocation_url",
    "device_authorization_url",
    "admin_consent_url",
    "audience",
    "token_url_defaults",
];

/// The body for making a connection: what was filled in.
pub(super) fn body(visit: &Visit<'_>) -> Result<Map<String, Value>, Problem> {
    let given = FIELDS.iter().chain(&SECRETS).filter_map(|name| Some((*name, visit.text(name)?)));
    let mut body = values(given)?;
    let placeholders = visit.form().iter().filter_map(|(name, value)| {
        let value = value.trim();
        let name = name.strip_prefix(PLACEHOLDER)?;
        (!value.is_empty()).then(|| (name.to_owned(), Value::from(value)))
    });
    let placeholders: Map<_, _> = placeholders.collect();
    if !placeholders.is_empty() {
        let defaults = body.entry("token_url_defaults").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(defaults) = defaults {
            defaults.extend(placeholders);
        }
    }
    Ok(body)
}

/// The merge patch (RFC 7396) for changing a connection: what is another than it was shown, and no more.
pub(super) fn patch(visit: &Visit<'_>, connection: &ConnectionView) -> Result<Map<String, Value>, Problem> {
    let shown = shown(connection);
    let mut patch = Map::new();
    let mut errors = Vec::new();
    for (name, before) in &shown {
        let Some(typed) = visit.field(name).map(normal) else { continue };
        if typed == *before {
            continue;
        }
        match (value(name, &typed), value(name, before)) {
            (Err(message), _) => errors.push(FieldError::new(name, message)),
            (Ok(after), Ok(before)) => {
                patch.extend(change(&before, &after).map(|change| ((*name).to_owned(), change)));
            }
            (Ok(after), Err(_)) => {
                patch.insert((*name).to_owned(), after);
            }
        }
    }
    for name in SECRETS {
        let secret = visit.text(name).map(Value::from);
        let removed = visit.ticked(&format!("{REMOVE}{name}")).then_some(Value::Null);
        patch.extend(secret.or(removed).map(|value| (name.to_owned(), value)));
    }
    if errors.is_empty() { Ok(patch) } else { Err(Problem::invalid_fields(errors)) }
}

/// What is stored, as its fields show it.
pub(super) fn shown(connection: &ConnectionView) -> Vec<(&'static str, String)> {
    let stored = serde_json::to_value(connection).unwrap_or_default();
    FIELDS.iter().map(|name| (*name, text(name, &stored[*name]))).collect()
}

fn values<'a>(given: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Map<String, Value>, Problem> {
    let mut values = Map::new();
    let mut errors = Vec::new();
    for (name, text) in given {
        match value(name, &normal(text)) {
            Ok(value) => {
                values.insert(name.to_owned(), value);
            }
            Err(message) => errors.push(FieldError::new(name, message)),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(Problem::invalid_fields(errors)) }
}

/// A text as a field of the API takes it. What is wrong with it otherwise is the API's to say.
fn value(name: &str, text: &str) -> Result<Value, String> {
    match name {
        "authorize_params" | "token_params" | "token_url_defaults" => lines(text).map(Value::Object),
        "dialect" if text.is_empty() => Ok(Value::Object(Map::new())),
        "dialect" => match serde_json::from_str(text) {
            Ok(Value::Object(dialect)) => Ok(Value::Object(dialect)),
            Ok(_) => Err("must be a JSON object, in braces".to_owned()),
            Err(error) => {
                Err(format!("is not JSON from line {}, column {} on", error.line(), error.column()))
            }
        },
        _ if text.is_empty() => Ok(Value::Null),
        "pkce" => Ok(Value::Bool(text == "true")),
        "client_secret_expires_at" if text.len() == "2026-01-31".len() => {
            Ok(format!("{text}T00:00:00Z").into())
        }
        _ => Ok(text.into()),
    }
}

/// The reverse of [`value`].
fn text(name: &str, value: &Value) -> String {
    match (name, value) {
        ("scopes", Value::Array(scopes)) => {
            scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        ("client_secret_expires_at", Value::String(at)) => at.get(..10).unwrap_or(at).to_owned(),
        (_, Value::Object(members)) if members.is_empty() => String::new(),
        ("dialect", dialect) => format!("{dialect:#}"),
        (_, Value::Object(members)) => {
            let line =
                |(name, value): (&String, &Value)| value.as_str().map(|value| format!("{name}={value}"));
            members.iter().filter_map(line).collect::<Vec<_>>().join("\n")
        }
        (_, Value::Null) => String::new(),
        (_, Value::String(text)) => normal(text),
        (_, other) => other.to_string(),
    }
}

/// Without the space around it, and with the line ends of the house: browsers send others (HTML, "form submission").
fn normal(text: &str) -> String {
    text.trim().replace("\r\n", "\n")
}

/// `name=value`, one a line.
fn lines(text: &str) -> Result<Map<String, Value>, String> {
    let filled = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    filled
        .map(|(number, line)| {
            let (name, value) =
                line.split_once('=').ok_or_else(|| format!("has no = in line {}", number + 1))?;
            Ok((name.trim().to_owned(), Value::from(value.trim())))
        })
        .collect()
}

/// The merge patch that makes the one of the other; `None` if they are the same.
fn change(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let changed = new.iter().filter_map(|(name, value)| {
        let change = change(old.get(name).unwrap_or(&Value::Null), value)?;
        Some((name.clone(), change))
    });
    let patch: Map<_, _> = gone.chain(changed).collect();
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// What a form for a connection is about.
pub(super) enum Subject<'a> {
    Custom,
    Preset(&'a Preset),
    Stored(&'a ConnectionView),
}

impl Subject<'_> {
    /// What stands for an empty field.
    fn preset(&self) -> Option<&Preset> {
        match self {
            Self::Preset(preset) => Some(preset),
            Self::Custom | Self::Stored(_) => None,
        }
    }

    /// Whether people sign in to it, as far as that is settled.
    fn signs_in(&self) -> bool {
        match self {
            Self::Custom => true,
            Self::Preset(preset) => preset.authorization_code.is_some(),
            Self::Stored(connection) => connection.flow == Flow::AuthorizationCode,
        }
    }

    /// Whether it may be used without anybody signing in.
    fn speaks_for_itself(&self) -> bool {
        match self {
            Self::Custom => true,
            Self::Preset(preset) => preset.client_credentials.is_some(),
            Self::Stored(connection) => connection.flow == Flow::ClientCredentials,
        }
    }

    /// Whether a field has a value already, which one would only rarely replace.
    fn fills(&self, has: impl Fn(&FlowPreset) -> bool) -> bool {
        let flows = self.preset().map(|preset| [&preset.authorization_code, &preset.client_credentials]);
        flows.is_some_and(|flows| flows.into_iter().flatten().all(has))
    }
}

/// All fields of a connection, but for its name and description: those that are left to fill in, and the rest.
pub(super) fn fields(visit: &Visit<'_>, form: &Form, subject: &Subject<'_>, scope: Scope) -> Markup {
    let stored = matches!(subject, Subject::Stored(_));
    let preset = subject.preset();
    let by_key = preset.is_some_and(|preset| {
        let flows = [&preset.authorization_code, &preset.client_credentials];
        flows.into_iter().flatten().all(|flow| flow.client_auth == Some(ClientAuth::PrivateKeyJwt))
    });
    let urls_filled = subject.fills(|_| true);
    let own_urls = urls(form, subject);
    let expires = form.date("client_secret_expires_at", "Client Secret expires on");
    let expires = expires.hint("You are told 30, 7 and 1 days before.");
    let open = MORE.iter().any(|name| form.error(name).is_some()) || by_key;
    let open = open
        || (urls_filled && ["authorization_url", "token_url"].iter().any(|name| form.error(name).is_some()));
    html! {
        @if !stored && subject.signs_in() && subject.speaks_for_itself() {
            (form.select("flow", "OAuth Flow Type", flows()).required()
                .hint("Interactive: a person signs in once. Client Credentials: the client speaks for itself, and nobody signs in."))
        }
        (form.text("client_id", "Client ID").required())
        @if stored {
            (form.secret("client_secret", "New Client Secret").hint("Leave it empty to keep the one there is, which is never shown."))
            (form.secret("client_secret_next", "Next Client Secret")
                .hint("Tried when the provider refuses the other, so that a secret can be replaced without a break."))
            @if matches!(subject, Subject::Stored(connection) if connection.has_client_secret_next) {
                (form.check("remove.client_secret_next", "Remove the next client secret that is kept"))
            }
        } @else if !by_key {
            (form.secret("client_secret", "Client Secret").bare().hint("Kept encrypted, and never shown again."))
        }
        @if stored { (expires) }
        @if let Some(preset) = preset { (placeholders(form, preset)) }
        @if !urls_filled { (own_urls) }
        (scopes_field(form, subject))
        @if !stored { (expires) }
        @if scope == Scope::Global {
            (form.select("available_to", "Available to", vec![
                ("all".to_owned(), "All organizations".to_owned()),
                ("mapped".to_owned(), "Organizations with a mapping on an integration that uses it".to_owned()),
            ]).required())
        }
        details.more open[open] {
            summary { "More settings" }
            @if preset.is_some() { p.hint { "What is left empty here is as the preset has it." } }
            @if urls_filled { (own_urls) }
            (more(visit, form, subject))
        }
    }
}

fn flows() -> Vec<(String, String)> {
    let option = |flow: Flow, value: &str| (value.to_owned(), flow_name(flow).to_owned());
    vec![
        option(Flow::AuthorizationCode, "authorization_code"),
        option(Flow::ClientCredentials, "client_credentials"),
    ]
}

fn urls(form: &Form, subject: &Subject<'_>) -> Markup {
    let filled = subject.preset().is_some();
    let token_url = form.text("token_url", "Token URL");
    let for_people = match subject.speaks_for_itself() {
        true => "Where people sign in. Not needed for Client Credentials.",
        false => "Where people sign in.",
    };
    html! {
        @if subject.signs_in() {
            (form.text("authorization_url", "Authorization URL").bare().hint(for_people))
        }
        @if filled { (token_url) } @else { (token_url.required().hint("Where tokens come from. {name} in a URL stands for a value of the mapping's config, {entity_id} for its Entity ID.")) }
    }
}

fn scopes_field(form: &Form, subject: &Subject<'_>) -> Markup {
    let asks = |flow: &Option<FlowPreset>| {
        flow.as_ref().map(|flow| flow.scopes.join(" ")).filter(|scopes| !scopes.is_empty())
    };
    let usual = subject.preset().and_then(|preset| {
        match (asks(&preset.authorization_code), asks(&preset.client_credentials)) {
            (Some(one), Some(other)) if one != other => {
                Some(format!("Left empty: {one} (Interactive), or {other} (Client Credentials)."))
            }
            (Some(one), _) | (None, Some(one)) => Some(format!("Left empty: {one}")),
            (None, None) => None,
        }
    });
    let hint =
        usual.as_deref().unwrap_or("With spaces between them, exactly as the provider documents them.");
    html! { (form.text("scopes", "Scope").hint(hint)) }
}

/// What fills the placeholders of a preset's URLs, but for what each mapping has.
fn placeholders(form: &Form, preset: &Preset) -> Markup {
    let names: Vec<_> = preset.placeholders.iter().filter(|(name, _)| *name != "entity_id").collect();
    let texts: Vec<_> = names
        .iter()
        .map(|(name, placeholder)| {
            let example = placeholder.example.as_ref().map(|example| format!("For example {example}."));
            let elsewhere = format!("Left empty, each mapping's config has it as {name}.");
            let parts = [placeholder.description.clone(), example, Some(elsewhere)];
            (format!("{PLACEHOLDER}{name}"), parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        })
        .collect();
    html! {
        @for ((_, placeholder), (name, hint)) in names.iter().zip(&texts) {
            @if placeholder.values.is_empty() {
                (form.text(name, &placeholder.title).hint(hint))
            } @else {
                @let options = placeholder.values.iter().map(|value| (value.clone(), value.clone()));
                (form.select(name, &placeholder.title, [(String::new(), "Not set".to_owned())].into_iter().chain(options).collect()).hint(hint))
            }
        }
    }
}

fn more(visit: &Visit<'_>, form: &Form, subject: &Subject<'_>) -> Markup {
    let admin = visit.caller().sets_platform_fields();
    let as_preset = |options: &[(&str, &str)]| {
        let as_it_is = subject.preset().map(|_| (String::new(), "As the preset has it".to_owned()));
        let options = options.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned()));
        as_it_is.into_iter().chain(options).collect::<Vec<_>>()
    };
    let auth = as_preset(&[
        ("basic", "In the Authorization header (client_secret_basic)"),
        ("post", "In the body (client_secret_post)"),
        ("private_key_jwt", "With an assertion, signed with a key (private_key_jwt)"),
    ]);
    let pkce = as_preset(&[("true", "Used (S256)"), ("false", "Not used: the provider can't")]);
    let algorithms = [
        ("", "The usual one for the key"),
        ("RS256", "RS256"),
        ("PS256", "PS256 (Microsoft Entra)"),
        ("ES256", "ES256"),
    ];
    let algorithms = algorithms.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec();
    html! {
        (form.select("client_auth", "How the client proves itself", auth).required_if(subject.preset().is_none()))
        (form.select("pkce", "PKCE", pkce).required_if(subject.preset().is_none()))
        @if admin && subject_redirects(subject) {
            (form.select("callback", "Redirect URI", vec![
                ("named".to_owned(), "One of its own".to_owned()),
                ("shared".to_owned(), "The shared one, /api/oauth/callback".to_owned()),
            ]).required().hint("The shared one is for a registration that can't be changed."))
        }
        (form.area("authorize_params", "Parameters of the sign-in", 3).hint("name=value, one a line"))
        (form.area("token_params", "Parameters of token requests", 3).hint("name=value, one a line"))
        (form.area("token_url_defaults", "Values of placeholders in URLs", 3)
            .hint("name=value, one a line: for {name} in a URL, where neither mapping nor integration has a value"))
        (form.text("revocation_url", "Revocation URL").hint("Where tokens are revoked when somebody disconnects."))
        @if subject.signs_in() {
            (form.text("device_authorization_url", "Device Authorization URL").hint("For signing in on another device."))
        }
        @if subject.speaks_for_itself() {
            (form.text("admin_consent_url", "Admin Consent URL").hint("Client Credentials only: where an administrator lets the client into a tenant."))
        }
        (form.text("audience", "Audience"))
        (form.area("dialect", "Dialect", 5).hint("How the provider leaves the standard, as a JSON object"))
        fieldset {
            legend { "Instead of a client secret" }
            @if admin {
                (form.text("client_secret_ref", "Name of a Secrets Manager secret").hint("Begins with bifrost/connections/"))
                (form.text("client_key_arn", "ARN of a KMS key that signs"))
            }
            (form.secret_area("client_private_key", "Private key (PKCS#8, PEM)", 3).hint("Kept encrypted, and never shown again."))
            (form.select("client_assertion_alg", "Signature", algorithms))
            (form.text("client_key_id", "Key ID"))
            (form.area("client_certificate", "Certificate (PEM)", 3).hint("Public: Microsoft Entra knows the key by it."))
            (form.text("client_assertion_audience", "Audience of assertions").hint("Left empty: the token URL."))
            @if let Subject::Stored(connection) = subject {
                (form.check("remove.client_secret", "Remove the client secret that is kept"))
                @if connection.has_client_private_key {
                    (form.check("remove.client_private_key", "Remove the private key that is kept"))
                }
            }
        }
    }
}

fn subject_redirects(subject: &Subject<'_>) -> bool {
    match subject {
        Subject::Stored(connection) => {
            connection.redirect_uri.is_some() || connection.callback == Callback::Shared
        }
        Subject::Custom | Subject::Preset(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_says_what_the_api_would_take() {
        let cases = [
            ("scopes", "a  b", json!("a  b")),
            ("pkce", "true", json!(true)),
            ("pkce", "false", json!(false)),
            ("audience", "", Value::Null),
            ("client_secret_expires_at", "2026-01-31", json!("2026-01-31T00:00:00Z")),
            ("client_secret_expires_at", "tomorrow", json!("tomorrow")),
            ("authorize_params", "prompt=consent\n\n a = b=c ", json!({"prompt": "consent", "a": "b=c"})),
            ("token_params", "", json!({})),
            ("dialect", r#"{"token_body": "json"}"#, json!({"token_body": "json"})),
            ("dialect", "", json!({})),
        ];
        for (name, text, expected) in cases {
            assert_eq!(value(name, text), Ok(expected), "{name} {text:?}");
        }
    }

    #[test]
    fn what_is_no_line_and_no_json_is_named_by_its_place() {
        assert_eq!(value("token_params", "a=b\nc").unwrap_err(), "has no = in line 2");
        assert_eq!(value("dialect", "[]").unwrap_err(), "must be a JSON object, in braces");
        assert_eq!(value("dialect", "{\n\"a\" 1}").unwrap_err(), "is not JSON from line 2, column 5 on");
    }

    #[test]
    fn what_is_stored_is_shown_as_it_would_be_typed() {
        let stored = [
            ("scopes", json!(["a", "b"]), "a b"),
            ("pkce", json!(true), "true"),
            ("audience", Value::Null, ""),
            ("client_secret_expires_at", json!("2026-01-31T00:00:00.000Z"), "2026-01-31"),
            ("authorize_params", json!({"a": "b=c", "prompt": "consent"}), "a=b=c\nprompt=consent"),
            ("dialect", json!({}), ""),
            ("client_certificate", json!("-----BEGIN\r\nX\r\n"), "-----BEGIN\nX"),
        ];
        for (name, stored, shown) in stored {
            assert_eq!(text(name, &stored), shown, "{name}");
        }
    }

    #[test]
    fn a_change_takes_away_what_is_gone_and_leaves_the_rest() {
        let cases = [
            (json!({"a": "1", "b": "2"}), json!({"b": "2"}), Some(json!({"a": null}))),
            (json!({}), json!({"a": "1"}), Some(json!({"a": "1"}))),
            (json!({"x": {"a": 1, "b": 2}}), json!({"x": {"a": 1}}), Some(json!({"x": {"b": null}}))),
            (json!({"x": {"a": 1}}), json!({"x": {"a": 1}}), None),
            (json!("one"), json!("other"), Some(json!("other"))),
            (json!("one"), Value::Null, Some(Value::Null)),
        ];
        for (before, after, expected) in cases {
            assert_eq!(change(&before, &after), expected, "{before} to {after}");
        }
    }
}
