//! The keys that people make who signed in.

use bifrost_tests::{pause, seconds_until};
use serde_json::json;

use super::{
    issuer::{Issuer, now},
    let_in,
};

const YEAR: i64 = 365 * 24 * 60 * 60;

#[tokio::test]
async fn a_key_for_automations_outlasts_the_sign_in_and_ends_within_a_year() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let acme = app.organization("Acme").await;
    let user = issuer.person(&app, "user", &acme.id, json!({"exp": now() + 12}));
    let made = user.post("/keys", json!({"role": "workflow"})).await.expect(201);
    assert!((YEAR - 60..=YEAR).contains(&seconds_until(&made["expires_at"])), "{made}");
    assert_eq!(made["created_by"], "oidc:auth0|ada");
    let month = user.post("/keys", json!({"role": "workflow", "expires_in": 2_592_000})).await.expect(201);
    assert!(seconds_until(&month["expires_at"]) <= 2_592_000);
    user.post("/keys", json!({"role": "workflow", "expires_in": YEAR + 60})).await.invalid(&["expires_at"]);
    pause(12_100).await;
    user.get("/keys").await.problem(403, "key-expired");
    let_in(&app.with_key(made["key"].as_str().unwrap())).await;
}

#[tokio::test]
async fn a_key_for_people_ends_with_the_sign_in() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let acme = app.organization("Acme").await;
    let admin = issuer.person(&app, "admin", "platform", json!({}));
    for (role, home) in [("user", acme.id.as_str()), ("admin", "global")] {
        let made = admin.post("/keys", json!({"role": role, "organization_id": home})).await.expect(201);
        assert!(seconds_until(&made["expires_at"]) <= 600, "{made}");
        let longer = json!({"role": role, "organization_id": home, "expires_in": 700});
        admin.post("/keys", longer).await.invalid(&["expires_at"]);
    }
}

#[tokio::test]
async fn a_key_that_a_person_makes_has_no_more_rights_than_the_person() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let user = issuer.person(&app, "user", &acme.id, json!({}));
    user.post("/keys", json!({"role": "user"})).await.problem(403, "forbidden");
    let foreign = json!({"role": "workflow", "organization_id": globex.id});
    user.post("/keys", foreign).await.problem(403, "scope-forbidden");
    user.post("/keys", json!({"role": "workflow", "platform": true})).await.problem(403, "scope-forbidden");
    let workflow = issuer.person(&app, "workflow", &acme.id, json!({}));
    workflow.post("/keys", json!({"role": "workflow"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn who_made_a_key_can_be_read_where_it_is_listed() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let acme = app.organization("Acme").await;
    let user = issuer.person(&app, "user", &acme.id, json!({"sub": "grace"}));
    let by_grace = user.post("/keys", json!({"role": "workflow"})).await.expect(201);
    let by_root = json!({"role": "user", "organization_id": acme.id});
    let by_root = app.root().post("/keys", by_root).await.expect(201);
    let users_key = app.with_key(by_root["key"].as_str().unwrap());
    let by_key = users_key.post("/keys", json!({"role": "workflow"})).await.expect(201);
    let listed = app.root().get(&format!("/keys?scope={}", acme.id)).await.expect(200);
    let maker = |made: &serde_json::Value| {
        let keys = listed["items"].as_array().unwrap();
        keys.iter().find(|key| key["id"] == made["id"]).unwrap()["created_by"].clone()
    };
    assert_eq!(maker(&by_grace), "oidc:grace");
    assert_eq!(maker(&by_root), "root");
    assert_eq!(maker(&by_key), by_root["id"]);
}
