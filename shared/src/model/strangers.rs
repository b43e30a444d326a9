//! What callers send, as properties: whatever it is, each reader takes it or names what is wrong, field by field, and
//! repeats no secret.

use std::{collections::HashMap, net::IpAddr};

use aws_sdk_dynamodb::types::AttributeValue;
use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    Code, FoldedName, Name, OrganizationId, Problem, Scope, Secret, Timestamp,
    access::{Caller, Operation, Role, SecretReach},
    api_key::{self, NewApiKey, PresentedKey},
    client_key::tests::{P256, P256_CERTIFICATE},
    config::{ConfigSchema, StoredConfig},
    connection::{Connection, NewConnection, SecretChange},
    input::Field,
    integration::{Integration, NewIntegration},
    mapping::NewMapping,
    organization::Organization,
    url_template::Rules,
};
use crate::arbitrary::{SECRET, damaged, json, text};

const RULES: Rules = Rules { allow_http_loopback: false };

fn object(value: Value) -> Map<String, Value> {
    Map::from_json(value).unwrap()
}

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn organization() -> Value {
    json!({"id": "018f3a5e-0000-7000-8000-000000000000", "name": "Acme", "is_provider": false})
}

fn key() -> Value {
    json!({
        "name": "n", "role": "workflow", "organization_id": "018f3a5e-0000-7000-8000-000000000000", "platform": false,
        "read_secrets": false, "expires_at": "2030-01-01T00:00:00Z", "allowed_cidrs": ["203.0.113.0/24", "::1"],
    })
}

fn integration() -> Value {
    json!({
        "name": "Halo", "description": "d", "entity_id_name": "Tenant", "default_entity_id": "1",
        "config_schema": [
            {"key": "url", "type": "string", "required": true, "options": ["a", "b"]}, {"key": "n", "type": "int"},
            {"key": "on", "type": "bool"}, {"key": "any", "type": "json"}, {"key": "key", "type": "secret"},
        ],
        "defaults": {"url": "a", "n": 1, "on": true, "any": {"a": [1.0]}, "key": SECRET}, "connection": "Halo",
    })
}

fn mapping() -> Value {
    json!({"entity_id": "7", "entity_name": "e", "config": {"url": "b", "n": 2, "on": false, "any": null, "key": SECRET}})
}

fn connection() -> Value {
    json!({
        "name": "Halo", "description": "d", "flow": "authorization_code", "client_id": "c", "client_secret": SECRET,
        "authorization_url": "https://{t}.halo.example/authorize", "token_url": "https://halo.example/{t}/token",
        "revocation_url": "https://halo.example/revoke", "scopes": ["a", "b"], "audience": "x", "authorize_params": {"p": "1"},
        "token_params": {"q": "2"}, "client_auth": "post", "pkce": true, "token_url_defaults": {"t": "main"},
        "callback": "named", "available_to": "all", "client_secret_expires_at": "2030-01-01T00:00:00Z",
        "client_secret_next": SECRET, "client_private_key": P256, "client_assertion_alg": "ES256", "client_key_id": "k",
        "client_certificate": P256_CERTIFICATE, "client_assertion_audience": "https://halo.example/{t}",
    })
}

fn root() -> Caller {
    api_key::root_caller()
}

fn new_integration(body: Map<String, Value>) -> Result<NewIntegration, Problem> {
    NewIntegration::from_input(body)
}

/// As it would be stored, with its secrets sealed under no key.
fn stored_integration(new: NewIntegration) -> Integration {
    let sealed = |key: String| (key, super::Sealed::from_bytes(vec![1]));
    let secrets = new.defaults.new_secrets.into_keys().map(sealed).collect();
    Integration {
        id: Default::default(),
        name: new.name,
        description: new.description,
        entity_id_name: new.entity_id_name,
        default_entity_id: new.default_entity_id,
        config_schema: new.config_schema,
        defaults: StoredConfig { plain: new.defaults.plain, secrets },
        connection: new.connection,
        created_at: now(),
        updated_at: now(),
        revision: 1,
    }
}

fn stored_connection(new: NewConnection) -> Connection {
    Connection {
        id: Default::default(),
        name: new.name,
        scope: Scope::Global,
        settings: new.settings,
        client_secret: new.client_secret.map(|_| super::Sealed::from_bytes(vec![1])),
        client_secret_next: new.client_secret_next.map(|_| super::Sealed::from_bytes(vec![2])),
        client_public_key: new.client_private_key.as_ref().map(|key| key.public.clone()),
        client_private_key: new.client_private_key.map(|_| super::Sealed::from_bytes(vec![3])),
        pending_until: None,
        connect_error: None,
        created_at: now(),
        updated_at: now(),
        revision: 1,
    }
}

/// A refusal is the caller's to mend: it says where, and it doesn't repeat what may be secret.
fn check_refusal(problem: &Problem, sent: &Map<String, Value>) -> Result<(), TestCaseError> {
    let said = format!("{problem} {:?} {}", problem.errors, problem.fix);
    // The names of fields are repeated, for they must be named; nobody's secret is one.
    let is_a_name = |object: &Map<String, Value>| object.keys().any(|key| key.contains(SECRET));
    prop_assert!(is_a_name(sent) || names_inside(sent) || !said.contains(SECRET), "{said}");
    prop_assert!(problem.cause_chain().is_none(), "{said}");
    match problem.code {
        Code::Forbidden => {}
        code => {
            prop_assert_eq!(code, Code::InvalidInput);
            prop_assert!(!problem.errors.is_empty());
        }
    }
    for error in &problem.errors {
        prop_assert!(!error.message.is_empty());
        // A field of the request, or one that is missing; `config_schema[3]` and `defaults.url` are parts of one.
        let whole = error.field.split(['.', '[']).next().unwrap_or_default();
        let known = sent.contains_key(&error.field)
            || sent.contains_key(whole)
            || whole.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        prop_assert!(known, "{} is no field", error.field);
    }
    Ok(())
}

/// Whether the secret stands where a name belongs, deeper in.
fn names_inside(object: &Map<String, Value>) -> bool {
    fn within(value: &Value) -> bool {
        match value {
            Value::Object(members) => {
                members.iter().any(|(key, value)| key.contains(SECRET) || within(value))
            }
            Value::Array(items) => items.iter().any(within),
            _ => false,
        }
    }
    object.values().any(within)
}

proptest! {
    #[test]
    fn an_organization_is_read_or_refused_field_by_field(body in damaged(organization())) {
        match Organization::from_input(body.clone(), now()) {
            Ok(organization) => prop_assert_eq!(organization.name.trim(), &organization.name),
            Err(problem) => check_refusal(&problem, &body)?,
        }
    }

    #[test]
    fn a_key_is_read_or_refused_field_by_field(body in damaged(key())) {
        match NewApiKey::from_input(body.clone(), &root(), now()) {
            Ok(key) => prop_assert!(key.expires_at.is_none_or(|at| at > now())),
            Err(problem) => check_refusal(&problem, &body)?,
        }
    }

    #[test]
    fn an_integration_is_read_or_refused_field_by_field(body in damaged(integration())) {
        match new_integration(body.clone()) {
            Ok(new) => {
                let plain = serde_json::to_string(&new.defaults.plain).unwrap();
                let schema = new.config_schema.clone();
                prop_assert!(new.defaults.plain.keys().all(|key| schema.field(key).is_some()), "{plain}");
                // What was checked on the way in is not stranded where it lies.
                prop_assert!(schema.stranded(&stored_integration(new).defaults).is_empty());
            }
            Err(problem) => check_refusal(&problem, &body)?,
        }
    }

    #[test]
    fn a_patch_of_an_integration_is_taken_or_refused_field_by_field(patch in damaged(integration()), force: bool) {
        let stored = stored_integration(new_integration(object(integration())).unwrap());
        match stored.patched(patch.clone(), force) {
            Ok(patched) => prop_assert_eq!(patched.name, stored.name),
            Err(problem) => check_refusal(&problem, &patch)?,
        }
    }

    #[test]
    fn a_patch_that_says_nothing_changes_nothing_of_an_integration(body in damaged(integration())) {
        if let Ok(new) = new_integration(body) {
            let stored = stored_integration(new);
            let same = stored.patched(Map::new(), false).unwrap();
            let kept: Vec<_> = same.defaults.kept_secrets.iter().collect();
            prop_assert_eq!(kept, stored.defaults.secrets.keys().collect::<Vec<_>>());
            prop_assert!(same.defaults.new_secrets.is_empty());
            prop_assert_eq!(same.defaults.plain, stored.defaults.plain);
            prop_assert_eq!(same.config_schema, stored.config_schema);
            prop_assert_eq!((same.description, same.connection), (stored.description, stored.connection));
        }
    }

    #[test]
    fn a_mapping_is_read_or_refused_field_by_field(body in damaged(mapping())) {
        let schema = ConfigSchema::from_json(integration()["config_schema"].clone()).unwrap();
        match NewMapping::from_input(body.clone(), &schema, &StoredConfig::default()) {
            Ok(mapping) => prop_assert!(mapping.entity_id.is_none_or(|id| !id.chars().any(char::is_control))),
            Err(problem) => check_refusal(&problem, &body)?,
        }
    }

    #[test]
    fn a_connection_is_read_or_refused_field_by_field(body in damaged(connection()), admin: bool) {
        match NewConnection::from_input(body.clone(), RULES, admin) {
            Ok(new) => prop_assert!(new.settings.urls().all(|url| url.as_str().starts_with("https://"))),
            Err(problem) => check_refusal(&problem, &body)?,
        }
    }

    #[test]
    fn a_patch_of_a_connection_is_taken_or_refused_field_by_field(patch in damaged(connection()), admin: bool) {
        let stored = stored_connection(NewConnection::from_input(object(connection()), RULES, true).unwrap());
        match stored.patched(patch.clone(), RULES, admin) {
            Ok(patched) => prop_assert!(patched.settings.urls().all(|url| url.as_str().starts_with("https://"))),
            Err(problem) => check_refusal(&problem, &patch)?,
        }
    }

    #[test]
    fn a_connection_survives_its_storage_and_a_patch_that_says_nothing(body in damaged(connection())) {
        if let Ok(new) = NewConnection::from_input(body, RULES, true) {
            let stored = stored_connection(new);
            let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(&stored).unwrap();
            prop_assert_eq!(&serde_dynamo::from_item::<_, Connection>(item).unwrap(), &stored);
            let same = stored.patched(Map::new(), RULES, false).unwrap();
            prop_assert_eq!(same.settings, stored.settings);
            prop_assert!(matches!(same.client_secret, SecretChange::Keep));
            prop_assert!(matches!(same.client_private_key, SecretChange::Keep));
        }
    }

    #[test]
    fn a_name_is_taken_as_it_is_or_not_at_all(text in text()) {
        let rule = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
        let edges = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        let name = Name::parse(&text);
        prop_assert_eq!(name.is_ok(), edges && text.len() <= 128 && text.chars().all(rule));
        if let Ok(name) = name {
            prop_assert_eq!(name.as_str(), &text);
            // Item keys are joined with #, redirect URIs with ~.
            prop_assert!(!name.folded().as_str().contains(['#', '~']));
        }
    }

    #[test]
    fn names_are_one_exactly_when_they_differ_in_case_and_separators_alone(
        one in "[A-Za-z0-9]([A-Za-z0-9_. -]{0,4}[A-Za-z0-9])?", other in "[A-Ca-c1]([A-Ca-c1_. -]{0,4}[A-Ca-c1])?",
        cases in proptest::collection::vec(0..5_usize, 8),
    ) {
        let folded = |text: &str| Name::parse(text).unwrap().folded();
        // The same name in other clothes.
        let disguise = |(c, case): (char, &usize)| match c {
            '_' | '-' | '.' | ' ' => ['_', '-', '.', ' '][case % 4],
            c if case % 2 == 0 => c.to_ascii_uppercase(),
            c => c.to_ascii_lowercase(),
        };
        let disguised: String = one.chars().zip(cases.iter().cycle()).map(disguise).collect();
        prop_assert_eq!(folded(&one), folded(&disguised));
        let letters = |text: &str| text.to_lowercase().replace(['_', '.', ' '], "-");
        prop_assert_eq!(folded(&one) == folded(&other), letters(&one) == letters(&other));
        let stored = serde_json::to_string(&folded(&one)).unwrap();
        prop_assert_eq!(serde_json::from_str::<FoldedName>(&stored).unwrap(), folded(&one));
    }

    #[test]
    fn a_scope_is_the_callers_own_unless_a_provider_asks(asked in proptest::option::of(scope_text()), home in any::<bool>(), is_provider: bool) {
        let home = if home { Scope::Organization(OrganizationId::new()) } else { Scope::Global };
        // The platform is nobody's customer.
        let is_provider = is_provider || home == Scope::Global;
        let caller = Caller { home, is_provider, role: Role::Workflow, ..root() };
        let asked = asked.map(|text| text.replace("own", &home.to_string()));
        let named = match asked.as_deref() {
            None => Ok(home),
            Some("global") => Ok(Scope::Global),
            Some(text) => uuid::Uuid::try_parse(text).map(|id| Scope::Organization(id.to_string().parse().unwrap())),
        };
        let permitted = |scope| caller.permitted(Operation::IntegrationsResolve, scope).map(|()| scope);
        match (caller.scope(asked.as_deref()).and_then(permitted), named) {
            (Ok(scope), Ok(named)) => {
                prop_assert_eq!(scope, named);
                prop_assert!(is_provider || scope == home);
            }
            (Err(problem), Ok(named)) => {
                prop_assert_eq!(problem.code, Code::ScopeForbidden);
                prop_assert!(!is_provider && named != home);
            }
            (Err(problem), Err(_)) => prop_assert_eq!(&problem.errors[0].field, "scope"),
            (Ok(scope), Err(_)) => prop_assert!(false, "{scope} was made of {asked:?}"),
        }
    }

    #[test]
    fn what_is_presented_as_a_key_is_one_of_ours_or_nothing(text in text(), id in proptest::option::of("[0-9a-fA-F-]{0,40}")) {
        let text = id.map_or(text.clone(), |id| format!("bfk_{id}_{text}"));
        match PresentedKey::parse(&text) {
            Some(PresentedKey::Root(secret)) => prop_assert_eq!(format!("bfk_root_{}", secret.expose()), text),
            Some(PresentedKey::Issued { secret, .. }) => {
                let end = format!("_{}", secret.expose());
                prop_assert!(text.starts_with("bfk_") && text.ends_with(&end));
            }
            None => {}
        }
    }

    #[test]
    fn a_key_that_we_made_is_read_back(id: u128, secret in "[A-Za-z0-9_-]{1,50}") {
        let id = uuid::Uuid::from_u128(id).to_string().parse().unwrap();
        let secret = Secret::from(secret);
        let shown = api_key::key_text(id, &secret);
let debugged = format!("{:?}", PresentedKey::parse(shown.expose()));
        prop_assert!(debugged.contains("[redacted]"), "{debugged}");
        prop_assert_eq!(PresentedKey::parse(shown.expose()), Some(PresentedKey::Issued { id, secret }));
    }

    #[test]
    fn a_time_is_written_so_that_it_is_read_back_and_sorts(one in 0..253_402_300_799_999_i64, other in 0..253_402_300_799_999_i64) {
        let (one, other) = (Timestamp::from_unix_millis(one), Timestamp::from_unix_millis(other));
        prop_assert_eq!(one.to_string().parse::<Timestamp>().unwrap(), one);
        prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        prop_assert_eq!(one.to_the_minute().len(), 20);
    }

    #[test]
    fn a_text_that_is_taken_for_a_time_is_one_that_can_be_written(
        text in prop_oneof![text(), "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,12})?(Z|z|[+-][0-9]{2}:[0-9]{2})"],
    ) {
        if let Ok(time) = text.parse::<Timestamp>() {
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
    }

    #[test]
    fn networks_are_those_that_were_written(texts in proptest::collection::vec(cidr(), 0..4)) {
        let body = json!({"role": "workflow", "platform": true, "allowed_cidrs": texts});
        if let Ok(key) = NewApiKey::from_input(object(body), &root(), now()) {
            let networks: Vec<IpNet> = key.allowed_cidrs;
            prop_assert_eq!(networks.len(), texts.len());
            for (network, text) in networks.iter().zip(&texts) {
                let address: IpAddr = text.split('/').next().unwrap().parse().unwrap();
                prop_assert!(network.contains(&address), "{text} is not in {network}");
                prop_assert!(text.contains('/') || network.hosts().count() == 1, "{text} became {network}");
            }
        }
    }

    #[test]
    fn a_schema_is_read_or_refused_in_words(value in json()) {
        let _ = ConfigSchema::from_json(json!([value.clone()])).map_err(|message| assert!(message.contains("config_schema[0]") || message.starts_with("must be"), "{message}"));
        prop_assert!(ConfigSchema::from_json(value.clone()).is_err() || value.is_array());
    }
}

fn scope_text() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        Just("own".to_owned()),
        Just("global".to_owned()),
        any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string()),
    ]
}

fn cidr() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (any::<IpAddr>(), 0..130_u8).prop_map(|(address, prefix)| format!("{address}/{prefix}")),
        4 => any::<IpAddr>().prop_map(|address| address.to_string()),
        1 => text(),
    ]
}

#[test]
fn the_undamaged_are_taken() {
    assert!(Organization::from_input(object(organization()), now()).is_ok());
    assert!(NewApiKey::from_input(object(key()), &root(), now()).is_ok());
    let schema = new_integration(object(integration())).unwrap().config_schema;
    assert!(NewMapping::from_input(object(mapping()), &schema, &StoredConfig::default()).is_ok());
    assert!(NewConnection::from_input(object(connection()), RULES, false).is_ok());
    assert_eq!((root().role, root().secret_reach), (Role::Admin, SecretReach::Reached));
}
