//! Keys and tokens that get their bearers nowhere.

use bifrost_tests::{Api, Role, TestApp, pause};
use serde_json::{Value, json};
use uuid::Uuid;

use super::lines;
use crate::people::issuer::{By, Issuer};

fn id_of(key: &str) -> String {
    key.split('_').nth(1).unwrap().parse::<Uuid>().unwrap().to_string()
}

/// All lines of that act so far.
fn told(app: &TestApp) -> Vec<Value> {
    let logs = app.stack().logs();
    let audit = logs.lines().filter(|line| line.contains("bifrost::audit"));
    let lines = audit.map(|line| serde_json::from_str::<Value>(&line[line.find('{').unwrap()..]).unwrap());
    lines.filter(|line| line["act"] == "authenticate").collect()
}

/// The one line that a request of this caller adds, which the gateway refuses.
async fn turned_away(app: &TestApp, caller: &Api) -> Value {
    let before = told(app).len();
    caller.get("/integrations/Nothing").await.gateway(403, "Forbidden");
    for _ in 0..200 {
        let mut lines = told(app);
        if lines.len() > before {
            assert_eq!(lines.len(), before + 1, "{lines:?}");
            return lines.remove(before);
        }
        pause(20).await;
    }
    panic!("no line for {}", caller.key());
}

#[tokio::test]
async fn a_key_that_is_not_known_leaves_one_line_that_says_why_and_never_the_key() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    let [user, parent, revoked] = [(); 3].map(|()| app.key(Role::User, &acme));
    let (user, parent, revoked) = (user.await, parent.await, revoked.await);
    let made = parent.post("/keys", json!({"name": "Child", "role": "workflow"})).await.expect(201);
    let child = app.with_key(made["key"].as_str().unwrap());
    for key in [&parent, &revoked] {
        app.root().delete(&format!("/keys/{}", id_of(key.key()))).await.expect(204);
    }
    let wrong = app.with_key(&format!("{}0", user.key()));
    let root = app.with_key("bfk_root_guessed");
    let (none, id) = (Value::Null, |caller: &Api| json!(id_of(caller.key())));
    for (caller, code, key_id, subject) in [
        (&app.with_key("rubbish"), "token-refused", none.clone(), none.clone()),
        (&app.with_key("bfk_x_y"), "unknown-key", none.clone(), none.clone()),
        (&root, "unknown-key", none.clone(), json!("root")),
        (&wrong, "unknown-key", none.clone(), id(&wrong)),
        (&revoked, "unknown-key", none.clone(), id(&revoked)),
        // Its secret was right.
        (&child, "unknown-key", id(&child), id(&child)),
    ] {
        let line = turned_away(&app, caller).await;
        assert_eq!((&line["outcome"], &line["code"]), (&json!("refused"), &json!(code)), "{line}");
        assert_eq!((&line["key_id"], &line["subject"]), (&key_id, &subject), "{line}");
        assert_eq!((&line["source"], &line["via"]), (&json!("127.0.0.1"), &none), "{line}");
        assert!(line["reason"].is_string() && line["request_id"].is_string(), "{line}");
        assert!(!line.to_string().contains(caller.key()), "{line}");
    }
    // The gateway remembers a refusal, so that the same key over and over is one line a minute.
    let before = told(&app).len();
    for _ in 0..5 {
        root.get("/integrations/Nothing").await.gateway(403, "Forbidden");
    }
    assert_eq!(told(&app).len(), before);
    // Whom the authorizer lets through, it says nothing about.
    user.get("/integrations/Nothing").await.problem(404, "not-found");
    assert_eq!(told(&app).len(), before);
}

#[tokio::test]
async fn a_key_from_elsewhere_or_after_its_time_leaves_one_line_whatever_it_asked_for() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    let elsewhere = app.key_with(Role::User, &acme, json!({"allowed_cidrs": ["203.0.113.0/24"]})).await;
    let over = app.key_with(Role::User, &acme, json!({"expires_in": 1})).await;
    pause(1_100).await;
    for (caller, code) in [(&elsewhere, "network-forbidden"), (&over, "key-expired")] {
        for (path, act) in [("/connections", "authenticate"), ("/connections/x/token", "connections-token")] {
            let answer = caller.get(path).await;
            assert!(matches!(answer.status, 401 | 403), "{}", answer.text);
            let trail = lines(&app, answer.headers["apigw-requestid"].to_str().unwrap()).await;
            let [line] = trail.as_slice() else { panic!("{trail:?}") };
            assert_eq!((&line["act"], &line["outcome"]), (&json!(act), &json!("refused")), "{line}");
            assert_eq!(
                (&line["code"], &line["key_id"]),
                (&json!(code), &json!(id_of(caller.key()))),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_is_refused_names_its_person_only_if_the_issuer_signed_it() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let over = issuer.person(&app, "user", "platform", json!({"exp": 1_700_000_000, "iat": 1_699_999_000}));
    let nowhere = issuer.person(&app, "user", &Uuid::new_v4().to_string(), json!({}));
    let claims = issuer.claims("admin", "platform");
    let forged = app.with_key(&By::P256.sign(&By::P256.header(), &claims));
    let person = json!(format!("oidc:{}", claims["sub"].as_str().unwrap()));
    for (caller, key_id) in [(&over, &person), (&nowhere, &person), (&forged, &Value::Null)] {
        let line = turned_away(&app, caller).await;
        assert_eq!((&line["code"], &line["key_id"]), (&json!("token-refused"), key_id), "{line}");
    }
}
