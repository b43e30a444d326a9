//! The catalogue of provider presets: facts about one OAuth provider that fill in a connection.
//!
//! Each is a file in `shared/presets`, with the source of every fact beside it. A connection keeps what its preset filled
//! in, so that it behaves the same until someone edits it, whatever a later release of the catalogue says; and functions
//! that only use connections have no catalogue in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Problem,
    connection::{ClientAuth, Flow},
    dialect::{Dialect, Verify},
    url_template::UrlTemplate,
};

/// What is known about a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What a connection's `provider` names: the name of the file.
    #[serde(skip_deserializing)]
    pub name: &'static str,
    /// The name that people know.
    pub title: String,
    pub category: String,
    /// The provider's own page about connecting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// What a connection of the flow gets, if the provider offers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_code: Option<FlowPreset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_credentials: Option<FlowPreset>,
    /// For a provider without OAuth: what to keep in an integration's config instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyPreset>,
    /// What the placeholders in the URLs stand for. `{entity_id}` is a mapping's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placeholders: BTreeMap<String, Placeholder>,
    #[serde(default)]
    pub client: ClientShape,
    #[serde(default)]
    pub refresh: RefreshNeeds,
    /// The common ones, among which a misspelt scope is looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// What goes wrong there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke_access: Option<RevokeAccess>,
    /// Where each fact comes from, by its place in the preset or that of what it is part of.
    pub sources: BTreeMap<String, String>,
}

/// What a connection of one flow is filled in with, under the names that its fields have.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FlowPreset {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<UrlTemplate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_consent_url: Option<UrlTemplate>,
    pub token_url: UrlTemplate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_url: Option<UrlTemplate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authorization_url: Option<UrlTemplate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkce: Option<bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorize_params: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_params: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_url_defaults: BTreeMap<String, String>,
    #[serde(default)]
    pub dialect: Dialect,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiKeyPreset {
    /// How the key is sent, with the config's keys in braces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// For an integration's `config_schema`.
    pub keys: Vec<ConfigKey>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfigKey {
    pub key: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The only values that there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// What client ids and secrets look like there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id_format: Option<ClientIdFormat>,
    /// In characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_length: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientIdFormat {
    Guid,
}

/// Without what no refresh token comes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RefreshNeeds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_scope: Option<String>,
    /// `name=value`, among `authorize_params`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_param: Option<String>,
}

/// For the person who registers the app at the provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Registration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default)]
    pub steps: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// An error code, or what one sees.
    pub symptom: String,
    pub meaning: String,
    pub fix: String,
}

/// Where a user takes the access away again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RevokeAccess {
    pub text: String,
}

/// By name, each as JSON; made from `shared/presets` when the crate is built.
const PRESETS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// Their names, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

pub fn all() -> Vec<Preset> {
    PRESETS.iter().map(|(name, text)| parsed(name, text)).collect()
}

/// Some of them, by name, and the cursor to those that follow. A cursor is the name of the last one before.
pub fn page(cursor: Option<&str>, limit: usize) -> Result<(Vec<Preset>, Option<String>), Problem> {
    let invalid =
        || Problem::invalid("cursor", "is not a next_cursor of this list; leave it out to begin anew");
    let start = match cursor {
        Some(cursor) => PRESETS.binary_search_by_key(&cursor, |(name, _)| name).map_err(|_| invalid())? + 1,
        None => 0,
    };
    let (page, rest) = PRESETS[start..].split_at(limit.min(PRESETS.len() - start));
    let next = page.last().filter(|_| !rest.is_empty()).map(|(name, _)| (*name).to_owned());
    Ok((page.iter().map(|(name, text)| parsed(name, text)).collect(), next))
}

/// The preset of that name. Capitals count as small letters, and `-`, `.` and spaces as `_`.
pub fn find(name: &str) -> Option<Preset> {
    let fold = |c: char| match c {
        '-' | '.' | ' ' => '_',
        other => other.to_ascii_lowercase(),
    };
    let name: String = name.trim().chars().map(fold).collect();
    let at = PRESETS.binary_search_by_key(&name.as_str(), |(name, _)| name).ok()?;
    let (name, text) = PRESETS[at];
    Some(parsed(name, text))
}

fn parsed(name: &'static str, text: &str) -> Preset {
    let preset: Preset = serde_json::from_str(text).expect("a test reads every preset");
    Preset { name, ..preset }
}

impl Preset {
    /// The flow of a connection that does not say which.
    pub fn default_flow(&self) -> Option<Flow> {
        match (&self.authorization_code, &self.client_credentials) {
            (Some(_), _) => Some(Flow::AuthorizationCode),
            (None, Some(_)) => Some(Flow::ClientCredentials),
            (None, None) => None,
        }
    }

    pub fn flow(&self, flow: Flow) -> Option<&FlowPreset> {
        match flow {
            Flow::AuthorizationCode => self.authorization_code.as_ref(),
            Flow::ClientCredentials => self.client_credentials.as_ref(),
        }
    }

    /// What a connection of this flow is filled in with, as its fields are written in requests; nothing if the provider
    /// does not offer the flow.
    pub fn fill(&self, flow: Flow) -> Option<Map<String, Value>> {
        let mut preset = self.flow(flow)?.clone();
        let closed = self.placeholders.iter().filter(|(_, placeholder)| !placeholder.values.is_empty());
        for (name, placeholder) in closed {
            preset.dialect.url_values.insert(name.clone(), placeholder.values.clone());
        }
        preset.dialect.verify = preset.dialect.verify.or_else(|| self.verify.clone());
        match serde_json::to_value(&preset) {
            Ok(Value::Object(fields)) => Some(fields),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::model::{client_key::tests::P256, connection::NewConnection, url_template::Rules};

    #[test]
    fn every_file_is_a_preset() {
        for (name, text) in PRESETS {
            let read: Result<Preset, _> = serde_json::from_str(text);
            assert!(read.is_ok(), "{name}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn a_preset_is_found_however_its_name_is_spelt() {
        for spelling in ["microsoft_graph", "Microsoft-Graph", " microsoft graph "] {
            assert_eq!(find(spelling).unwrap().name, "microsoft_graph");
        }
        assert!(find("microsoft").is_none() && find("").is_none());
    }

    #[test]
    fn forty_providers_and_more_can_be_connected_to_by_name() {
        let connectable = all().iter().filter(|preset| preset.default_flow().is_some()).count();
        assert!(connectable >= 40, "{connectable}");
    }

    /// The places of everything that a preset says, but for its sources and what needs none.
    fn facts(place: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                    facts(&place, value, found);
                }
            }
            _ if ["name", "title", "category", "docs"].contains(&place) || place.starts_with("sources") => {}
            _ => found.push(place.to_owned()),
        }
    }

    #[test]
    fn each_fact_has_its_source_beside_it() {
        for (name, text) in PRESETS {
            let (preset, raw) = (find(name).unwrap(), serde_json::from_str(text).unwrap());
            let mut found = Vec::new();
            facts("", &raw, &mut found);
            for fact in found {
                let covers = |place: &String| fact == *place || fact.starts_with(&format!("{place}."));
                assert!(preset.sources.keys().any(covers), "{name}: {fact} has no source");
            }
        }
    }

    #[test]
    fn a_client_id_and_a_secret_or_a_key_are_all_that_a_connection_needs_beside_its_preset() {
        for preset in all() {
            for flow in [Flow::AuthorizationCode, Flow::ClientCredentials] {
                let mut body = json!({
                    "name": "x", "provider": preset.name, "flow": flow, "client_id": "id", "client_secret": "s",
                });
                if preset.flow(flow).is_some_and(|flow| flow.client_auth == Some(ClientAuth::PrivateKeyJwt)) {
                    body["client_secret"] = Value::Null;
                    body["client_private_key"] = json!(P256);
                }
                let made =
                    NewConnection::from_input(body.as_object().unwrap().clone(), Rules::default(), true);
                match preset.flow(flow) {
                    None => assert_eq!(made.unwrap_err().errors[0].field, "flow", "{}", preset.name),
                    Some(filled) => {
                        let problem = made.as_ref().err();
                        assert!(made.is_ok(), "{} {flow:?}: {problem:?}", preset.name);
                        let settings = made.unwrap().settings;
                        assert_eq!(settings.token_url, filled.token_url);
                        assert_eq!(settings.provider.as_deref(), Some(preset.name));
                    }
                }
            }
        }
    }

    #[test]
    fn every_placeholder_is_explained_and_its_example_fits() {
        for preset in all() {
            let mut used = BTreeSet::new();
            for flow in [&preset.authorization_code, &preset.client_credentials].into_iter().flatten() {
                let urls = [
                    &flow.authorization_url,
                    &flow.admin_consent_url,
                    &flow.revocation_url,
                    &flow.device_authorization_url,
                ];
                let verify = preset.verify.as_ref().map(|verify| &verify.url);
                for url in urls.into_iter().flatten().chain([&flow.token_url]).chain(verify) {
                    let mut values = flow.token_url_defaults.clone();
                    for name in url.placeholders().filter(|name| *name != "entity_id") {
                        let placeholder = preset.placeholders.get(name);
                        let placeholder = placeholder.unwrap_or_else(|| panic!("{}: {name}", preset.name));
                        let sample = placeholder.example.as_ref().or(placeholder.values.first());
                        values.entry(name.to_owned()).or_insert_with(|| sample.unwrap().clone());
                        used.insert(name.to_owned());
                    }
                    values.insert("entity_id".to_owned(), "3f2504e0-4f89-11d3-9a0c-0305e82c3301".to_owned());
                    assert!(url.fill(&values).is_ok(), "{}: {url}", preset.name);
                }
            }
            let explained: BTreeSet<_> = preset.placeholders.keys().cloned().collect();
            assert_eq!(explained, used, "{}", preset.name);
        }
    }

    #[test]
    fn what_a_refresh_token_needs_is_what_the_preset_asks_for() {
        for preset in all() {
            let Some(flow) = &preset.authorization_code else { continue };
            if let Some(scope) = &preset.refresh.needs_scope {
                assert!(flow.scopes.contains(scope), "{}: {scope}", preset.name);
            }
            if let Some(param) = &preset.refresh.needs_param {
                let (name, value) = param.split_once('=').unwrap();
                assert_eq!(
                    flow.authorize_params.get(name).map(String::as_str),
                    Some(value),
                    "{}",
                    preset.name
                );
            }
        }
    }
}
