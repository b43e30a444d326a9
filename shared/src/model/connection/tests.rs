use serde_json::json;

use super::*;
use crate::model::client_key::tests::{P256, P256_CERTIFICATE, RSA, RSA_CERTIFICATE};
use crate::model::preset;

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
    let connection = stored(json!({"pkce": false, "scopes": ["a"], "token_params": {"x": "1", "y": "2"}}));
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
    let patched = patch(&connection, json!({"scopes": null, "client_auth": null}), true).unwrap().settings;
    assert_eq!(patched.scopes, preset::find("microsoft_graph").unwrap().authorization_code.unwrap().scopes);
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
        (json!({"token_origin": {"fact": "server", "allowed": ["https://a.example"]}}), "token_origin"),
        (
            json!({"callback_facts": ["s"], "token_origin": {"fact": "s", "allowed": ["https://a.example/"]}}),
            "token_origin",
        ),
        (
            json!({"callback_facts": ["s"], "token_origin": {"fact": "s", "allowed": ["http://a.example"]}}),
            "token_origin",
        ),
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
    for elsewhere in [
        json!({"token_url": "https://evil.example/token"}),
        json!({"revocation_url": "https://evil.example/revoke"}),
        json!({"device_authorization_url": "https://evil.example/device"}),
        json!({"dialect": {"callback_facts": ["s"], "token_origin": {"fact": "s", "allowed": ["https://evil.example"]}}}),
        json!({"dialect": {"url_values": {"tenant": ["evil"]}}}),
    ] {
        assert!(patch(&connection, elsewhere.clone(), true).is_ok(), "{elsewhere}");
        assert_eq!(patch(&connection, elsewhere, false).unwrap_err().code, Code::Forbidden);
    }
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
    let certified = settings(json!({"client_assertion_alg": "PS256", "client_certificate": RSA_CERTIFICATE}));
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
        assert_eq!(patch(&connection, change.clone(), false).unwrap_err().code, Code::Forbidden, "{change}");
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
