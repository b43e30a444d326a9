//! The table of data keys lost, put back, or put back as it was too long ago.

use bifrost_tests::{Connection, DATA, DATA_KEYS, Folder, TestApp};
use serde_json::{Value, json};

use super::house::{House, LONG_AGO};

/// The part of a grant that refreshing spends and replaces.
fn tokens(grants: &[Value]) -> Vec<[Value; 4]> {
    let attributes = ["pk", "sk", "access_token", "refresh_token"];
    grants.iter().map(|grant| attributes.map(|attribute| grant[attribute].clone())).collect()
}

#[tokio::test]
async fn without_data_keys_secrets_are_said_to_be_unavailable_and_putting_them_back_heals() {
    let folder = Folder::new();
    let house = House::in_stack(TestApp::with_data(folder.path()).await).await;
    house.app.integration("Another", json!({})).await;
    let cursor = house.app.root().get("/integrations?limit=1").await.expect(200)["next_cursor"].clone();
    let (copy, before) = (house.items(DATA_KEYS).await, house.grants().await);
    house.app.stack().restore(DATA_KEYS, &[]).await;
    let house = house.redeployed(&folder, &[]).await;
    let (app, root, acme) = (&house.app, house.app.root(), &house.acme);

    // What needs a secret says that it can't be read; what needs none works.
    let resolve = format!("/integrations/{}/resolve", house.integration);
    for scope in ["global", &acme.id] {
        root.get(&format!("{resolve}?scope={scope}")).await.problem(409, "secret-unavailable");
    }
    for connection in [house.connection.path(""), format!("/connections/own?scope={}", acme.id)] {
        let at = |step: &str| connection.replacen('?', &format!("{step}?"), 1);
        root.get(&at("/token")).await.problem(409, "secret-unavailable");
        root.post(&at("/refresh"), json!({})).await.problem(409, "secret-unavailable");
        root.get(&connection).await.expect(200);
        root.patch(&connection, json!({"description": "of a lost key"})).await.expect(200);
        let diagnosis = root.post(&at("/diagnose"), json!({})).await.expect(200);
        assert!(diagnosis.to_string().contains("secret-unavailable"), "{diagnosis}");
        root.post(&at("/authorize"), json!({})).await.expect(201);
    }
    root.get(&acme.mapping(&house.integration)).await.expect(200);
    // Whoever was in the midst of a list begins anew.
    let page = format!("/integrations?limit=1&cursor={}", cursor.as_str().unwrap());
    root.get(&page).await.problem(422, "invalid-input");

    // The sweep finds nothing that it could do, and gives nothing up.
    house.end_pauses().await;
    app.stack().change_items(DATA, "refresh_at", json!({"N": "1"})).await;
    let exchanged = house.provider.control().token_requests().len();
    let report = app.sweep().await;
    assert_eq!(
        (&report["due"], &report["refreshed"], &report["failed"]),
        (&json!(3), &json!(0), &json!(3)),
        "{report}"
    );
    assert_eq!(
        house.provider.control().token_requests().len(),
        exchanged,
        "nothing is sent without a secret"
    );
    assert_eq!(tokens(&house.grants().await), tokens(&before));
    let shown = app.show(&house.connection).await;
    assert_eq!(
        (&shown["status"], &shown["last_error"]["code"]),
        (&json!("failing"), &json!("secret-unavailable"))
    );

    // New secrets are sealed and opened all the while, in scopes old and new.
    let late = app.organization("Late").await;
    let schema = json!([{"key": "own", "type": "secret"}]);
    let fresh =
        app.integration("Fresh", json!({"config_schema": schema, "defaults": {"own": "platform's"}})).await;
    app.map(&fresh, &late, json!({"config": {"own": "late-value"}})).await;
    for (scope, value) in [("global", "platform's"), (&late.id, "late-value")] {
        assert_eq!(app.resolve(&root, &fresh, scope).await["config"]["own"], value);
    }
    let report = house.reseal(json!({"check": true})).await;
    assert_eq!((&report["readable"], &report["remaining"]), (&json!(2), &json!(0)), "{report}");
    let lost = report["unreadable"].as_u64().unwrap();
    assert!(lost >= 10, "{report}");
    let told = house.app.stack().metrics("Unreadable", 1).await;
    assert_eq!(told.last().unwrap()["Unreadable"], lost, "the alarm hears of it");

    // Those that are there by now stay; those from the backup join them.
    house.app.stack().put_missing_items(DATA_KEYS, &copy).await;
    house.end_pauses().await;
    let report = house.reseal(json!({"check": true})).await;
    assert_eq!((&report["readable"], &report["unreadable"]), (&json!(lost + 2), &json!(0)), "{report}");
    house.assert_readable().await;

    // In the end there is one data key for each scope again.
    house.reseal(json!({})).await;
    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    house.reseal(json!({})).await;
    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    let report = house.reseal(json!({})).await;
    assert_eq!((&report["kept"], &report["unreadable"]), (&json!(0), &json!(0)), "{report}");
    assert_eq!(house.data_keys().await.len(), 3);
    house.assert_readable().await;
    assert_eq!(app.resolve(&root, &fresh, &late.id).await["config"]["own"], "late-value");
}

#[tokio::test]
async fn what_is_lost_for_good_is_entered_anew_and_people_connect_again() {
    let folder = Folder::new();
    let house = House::in_stack(TestApp::with_data(folder.path()).await).await;
    house.app.stack().restore(DATA_KEYS, &[]).await;
    let house = house.redeployed(&folder, &[]).await;
    let (app, root, acme) = (&house.app, house.app.root(), &house.acme);
    app.sweep().await;
    app.token(&house.connection).await.problem(409, "secret-unavailable");

    let defaults = json!({"defaults": {"shared": "shared-value"}});
    root.patch(&format!("/integrations/{}", house.integration), defaults).await.expect(200);
    app.map(&house.integration, acme, json!({"config": {"own": "own-value"}})).await;
    let own = Connection { name: "own".to_owned(), scope: acme.id.clone(), created: Value::Null };
    let secret = json!({"client_secret": house.provider.client_secret, "client_secret_next": null});
    for connection in [&house.connection, &own] {
        let shown = root.patch(&connection.path(""), secret.clone()).await.expect(200);
        // The stack has another port than before.
        let (client, uri) = (&house.provider.client_id, shown["redirect_uri"].as_str().unwrap());
        house.provider.control().register_redirect_uri(client, uri);
        app.connect_in_browser(connection).await;
        assert_eq!(app.show(connection).await["status"], "active");
    }
    app.connect_for(&house.connection, acme).await;
    house.assert_readable().await;
    let report = house.reseal(json!({"check": true})).await;
    assert_eq!(report["unreadable"], json!(0), "{report}");
}

#[tokio::test]
async fn data_keys_of_long_ago_open_what_is_that_old_and_the_rest_is_counted_and_kept() {
    let folder = Folder::new();
    let house = House::in_stack(TestApp::with_data(folder.path()).await).await;
    let old = house.items(DATA_KEYS).await;
    house.reseal(json!({"older_than_days": 0, "scope": house.acme.id})).await;
    let new = house.items(DATA_KEYS).await;
    house.app.stack().restore(DATA_KEYS, &old).await;
    let house = house.redeployed(&folder, &[]).await;
    let root = house.app.root();

    let resolved = house.app.resolve(&root, &house.integration, "global").await;
    assert_eq!(resolved["config"]["shared"], "shared-value");
    house.app.token(&house.connection).await.expect(200);
    let resolve = format!("/integrations/{}/resolve?scope={}", house.integration, house.acme.id);
    root.get(&resolve).await.problem(409, "secret-unavailable");
    let token = format!("/connections/own/token?scope={}", house.acme.id);
    root.get(&token).await.problem(409, "secret-unavailable");

    let check = house.reseal(json!({"check": true})).await;
    let unreadable = &check["unreadable"];
    assert!(unreadable.as_u64().unwrap() >= 5 && check["readable"].as_u64().unwrap() >= 5, "{check}");
    let order = json!({"older_than_days": 0, "scope": house.acme.id});
    for _ in 0..3 {
        house.reseal(order.clone()).await;
        house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    }
    let report = house.reseal(json!({"scope": house.acme.id})).await;
    assert_eq!((&report["unreadable"], &report["deleted"]), (unreadable, &json!(0)), "{report}");

    house.app.stack().put_missing_items(DATA_KEYS, &new).await;
    house.end_pauses().await;
    house.assert_readable().await;
    let report = house.reseal(json!({"check": true})).await;
    assert_eq!(report["unreadable"], json!(0), "{report}");
}

#[tokio::test]
async fn a_check_opens_everything_and_changes_nothing() {
    let house = House::in_stack(TestApp::alone().await).await;
    house.reseal(json!({"older_than_days": 0})).await;
    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    let before = (house.items(DATA).await, house.items(DATA_KEYS).await);
    let report = house.reseal(json!({"check": true})).await;
    let nothing =
        json!({"rotated": 0, "resealed": 0, "deleted": 0, "kept": 0, "unreadable": 0, "remaining": 0});
    assert!(report["readable"].as_u64().unwrap() >= 10, "{report}");
    assert_eq!(bifrost_tests::with(report, json!({"readable": null})), nothing);
    assert_eq!((house.items(DATA).await, house.items(DATA_KEYS).await), before);

    // What this process still has in its memory counts for nothing.
    house.app.stack().restore(DATA_KEYS, &[]).await;
    let report = house.reseal(json!({"check": true, "scope": house.acme.id})).await;
    assert_eq!(report["readable"], json!(0), "{report}");
    let both = json!({"check": true, "older_than_days": 0});
    house.app.stack().try_reseal(both).await.unwrap_err();
}
