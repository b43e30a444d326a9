//! The checks as rules: what the facts of providers that no test can be lead to, and what holds whatever the facts are.

use proptest::{option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    arbitrary::{SECRET, text},
    model::{Code, ConnectionId, GrantId, Scope, connection::NewConnection, preset, url_template::Rules},
};

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn connection(changes: Value) -> Connection {
    let mut body = json!({
        "name": "Graph", "client_id": "c", "client_secret": "s", "scopes": ["read"],
        "authorization_url": "https://login.microsoftonline.com/common/authorize",
        "token_url": "https://login.microsoftonline.com/common/token",
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let Value::Object(body) = body else { panic!("an object stays one") };
    let new = NewConnection::from_input(body, Rules::default(), true).unwrap();
    Connection {
        id: ConnectionId::new(),
        name: new.name,
        scope: Scope::Global,
        settings: new.settings,
        client_secret: None,
        client_secret_next: None,
        client_private_key: None,
        client_public_key: None,
        pending_until: None,
        connect_error: None,
        created_at: now(),
        updated_at: now(),
        revision: 1,
    }
}

fn grant(connection: &Connection, changes: Value) -> Grant {
    let mut grant = json!({
        "id": GrantId::new(), "connection_id": connection.id, "incarnation": uuid::Uuid::new_v4(), "generation": 1,
        "status": "active", "scopes": ["read"], "asked_scopes": ["read"], "created_at": now(), "updated_at": now(),
    });
    grant.as_object_mut().unwrap().extend(changes.as_object().unwrap_or(&Map::new()).clone());
    serde_json::from_value(grant).unwrap()
}

fn error(code: &str, detail: &str) -> LastError {
    LastError {
        code: code.to_owned(),
        title: "The provider said no".to_owned(),
        detail: detail.to_owned(),
        fix: "Ask it.".to_owned(),
        at: now(),
    }
}

fn facts<'a>(connection: &'a Connection, preset: Option<&'a Preset>, grant: Option<&'a Grant>) -> Facts<'a> {
    Facts {
        connection,
        preset,
        redirect_uri: Some("https://bifrost.example/oauth/callback/Graph"),
        client_secret: Ok(None),
        urls: &[],
        grant,
        held_back: None,
        organizations: Organizations::default(),
        authorization: Probe::Unsent("not in this test"),
        token: Probe::Unsent("not in this test"),
        proof: Proof::Unasked,
        now: now(),
    }
}

fn check(facts: &Facts<'_>, id: &str) -> Check {
    Diagnosis::of(facts).checks.into_iter().find(|check| check.id == id).unwrap()
}

#[test]
fn an_error_that_was_noted_before_the_table_knew_it_is_translated_all_the_same() {
    let text =
        "The provider answered invalid_client: AADSTS7000222: The provided client secret keys are expired.";
    let mut connection = connection(json!({}));
    connection.connect_error = Some(error("invalid_client", text));
    let facts = facts(&connection, None, None);
    let last = check(&facts, "last_error");
    assert!(last.detail.contains("AADSTS7000222: The client secret has expired"), "{}", last.detail);
    assert!(last.fix.unwrap().contains("Create a new secret"));
    assert_eq!(check(&facts, "client").status, CheckStatus::Fail);
}

#[test]
fn a_secret_of_another_length_than_the_presets_is_cut_off_or_too_much() {
    let preset = preset::find("crowdstrike").unwrap();
    let connection = connection(json!({}));
    for (length, status) in [(39, CheckStatus::Fail), (40, CheckStatus::Pass), (41, CheckStatus::Warn)] {
        let secret = Secret::from("x".repeat(length));
        let facts = Facts { client_secret: Ok(Some(&secret)), ..facts(&connection, Some(&preset), None) };
        assert_eq!(check(&facts, "client_secret").status, status, "{length}");
    }
}

#[test]
fn what_the_preset_knows_of_an_error_is_added() {
    let preset = preset::find("microsoft_graph").unwrap();
    let mut connection = connection(json!({}));
    connection.connect_error = Some(error("AADSTS700016", "AADSTS700016: Application not found."));
    let last = check(&facts(&connection, Some(&preset), None), "last_error");
    let trouble = preset.troubles.iter().find(|trouble| trouble.symptom == "AADSTS700016").unwrap();
    assert!(
        last.detail.contains(&trouble.meaning) && last.fix.unwrap().contains(&trouble.fix),
        "{}",
        last.detail
    );
}

#[test]
fn where_connecting_again_is_the_fix_it_says_how_to_begin_from_nothing() {
    let preset = preset::find("google").unwrap();
    let connection = connection(json!({}));
    let dead = grant(
        &connection,
        json!({"status": "reauthorize", "last_error": error("invalid_grant", "Expired.")}),
    );
    let facts = facts(&connection, Some(&preset), Some(&dead));
    let text = &preset.revoke_access.as_ref().unwrap().text;
    for id in ["grant", "refresh_token"] {
        let fix = check(&facts, id).fix.unwrap();
        assert!(fix.contains(text.as_str()), "{id}: {fix}");
    }
}

#[test]
fn an_error_about_the_redirect_uri_or_a_scope_shows_where_that_is_checked() {
    for (code, text, id) in [
        ("AADSTS50011", "AADSTS50011: The redirect URI does not match.", "redirect_uri"),
        ("AADSTS70011", "AADSTS70011: The scope is not valid.", "scopes"),
    ] {
        let mut connection = connection(json!({}));
        connection.connect_error = Some(error(code, text));
        let found = check(&facts(&connection, None, None), id);
        assert_eq!(found.status, CheckStatus::Fail, "{id}: {}", found.detail);
    }
}

#[test]
fn a_tenant_that_there_is_not_is_the_token_urls_fault_and_a_missing_parameter_is_not() {
    let connection = connection(json!({}));
    for (text, status) in [
        ("AADSTS90002: Tenant 'acme' not found.", CheckStatus::Fail),
        ("AADSTS900144: The request body must contain the parameter 'client_id'.", CheckStatus::Pass),
    ] {
        let host = "login.microsoftonline.com";
        let named = NamedError { host, code: "invalid_request", description: Some(text), subcode: None };
        let says = Says::Error(Failure::named_by_provider(&named, &[]));
        let token = Probe::Answered(Answered { status: 400, clock_ahead: None, says });
        let found = check(&Facts { token, ..facts(&connection, None, None) }, "token_url");
        assert_eq!(found.status, status, "{}", found.detail);
    }
}

#[test]
fn the_newest_error_counts() {
    let mut connection = connection(json!({}));
    let newer =
        LastError { at: now() + std::time::Duration::from_secs(60), ..error("server_error", "Newer.") };
    connection.connect_error = Some(error("access_denied", "Older."));
    let grant = grant(&connection, json!({"last_error": newer}));
    let last = check(&facts(&connection, None, Some(&grant)), "last_error");
    assert!(last.detail.contains("Newer.") && last.status == CheckStatus::Warn, "{}", last.detail);
}

#[test]
fn a_scope_of_the_provider_counts_as_granted_in_either_spelling() {
    let connection = connection(json!({"scopes": ["User.Read", "offline_access", "openid"]}));
    let spelt = json!({
        "asked_scopes": ["User.Read", "offline_access", "openid"], "scopes": ["https://graph.microsoft.com/user.read"],
    });
    let grant = grant(&connection, spelt);
    assert_eq!(check(&facts(&connection, None, Some(&grant)), "granted_scopes").status, CheckStatus::Pass);
}

#[test]
fn a_placeholder_without_a_value_is_explained_by_the_preset() {
    let preset = preset::find("halopsa").unwrap();
    let connection = connection(json!({"token_url": "https://{subdomain}.halopsa.com/auth/token"}));
    let urls = [FilledUrl {
        field: "token_url",
        placeholders: vec![Filling { name: "subdomain".to_owned(), by: None }],
        problem: Some(Problem::new(Code::PlaceholderUnresolved, "There is no value for {subdomain}.")),
    }];
    let urls = Facts { urls: &urls, ..facts(&connection, Some(&preset), None) };
    let found = check(&urls, "urls");
    assert_eq!(found.status, CheckStatus::Fail);
    assert!(found.detail.contains("Halo address") && found.detail.contains("acme"), "{}", found.detail);
}

fn probe() -> impl Strategy<Value = Probe> {
    let failure = || (select(vec!["invalid_scope", "invalid_client", "slow_down", "x_y"]), text());
    let says = prop_oneof![
        failure().prop_map(|(code, text)| {
            let named = NamedError { host: "idp.example", code, description: Some(&text), subcode: None };
            Says::Error(Failure::named_by_provider(&named, &[SECRET]))
        }),
        Just(Says::Json),
        any::<bool>().prop_map(|about_redirect_uri| Says::Page { about_redirect_uri }),
        Just(Says::GoElsewhere { host: "elsewhere.example".to_owned() }),
        Just(Says::Nothing),
    ];
    let answered = (200..600_u16, option::of(-10_000_i64..10_000), says)
        .prop_map(|(status, clock_ahead, says)| Probe::Answered(Answered { status, clock_ahead, says }));
    let codes = vec!["tls-failed", "provider-unreachable", "provider-timeout", "address-not-allowed"];
    prop_oneof![
        1 => Just(Probe::Unsent("It was not asked.")),
        1 => select(codes).prop_map(|code| Probe::Unanswered(Failure::new(code, "It happened."))),
        4 => answered,
    ]
}

proptest! {
    #[test]
    fn whatever_the_facts_each_check_has_a_fix_exactly_where_one_is_needed_and_no_secret(
        authorization in probe(), token in probe(), refused: bool, secret in text(),
        client_id in "[ -~]{1,30}", scopes in proptest::collection::vec("[a-zA-Z._]{1,20}", 0..4),
        status in select(vec!["new", "active", "failing", "reauthorize", "disconnected"]),
        provider in option::of(select(preset::names().collect::<Vec<_>>())),
        connected: bool, failed in option::of(select(vec!["invalid_grant", "AADSTS50011", "server_error", "secret-unavailable"])),
        counts in (0..3_u32, 0..3_u32, 0..3_u32),
    ) {
        prop_assume!(!client_id.trim().is_empty());
        let mut connection = connection(json!({"client_id": client_id, "scopes": scopes}));
        connection.connect_error = failed.map(|code| error(code, "Something."));
        let grant = grant(&connection, json!({"status": status, "expires_at": now()}));
        let preset = provider.and_then(preset::find);
        let secret = Secret::from(format!("{secret}{SECRET}"));
        let (active, failing, reauthorize) = counts;
        let proof = match refused {
            true => Proof::Refused(Failure::new("provider-timeout", "It took long.")),
            false => Proof::Unasked,
        };
        let facts = Facts {
            client_secret: Ok(Some(&secret)),
            organizations: Organizations { active, failing, reauthorize },
            authorization,
            token,
            proof,
            ..facts(&connection, preset.as_ref(), connected.then_some(&grant))
        };
        let diagnosis = Diagnosis::of(&facts);
        let mut ids = std::collections::BTreeSet::new();
        for check in &diagnosis.checks {
            prop_assert!(ids.insert(check.id), "{} twice", check.id);
            prop_assert!(check.status <= diagnosis.status);
            prop_assert_eq!(check.fix.is_some(), check.status >= CheckStatus::Warn, "{:?}", check);
            prop_assert!(!check.detail.is_empty() && check.fix.as_ref().is_none_or(|fix| !fix.is_empty()));
        }
        let said = serde_json::to_string(&diagnosis).unwrap();
        prop_assert!(!said.contains(SECRET), "{said}");
    }
}
