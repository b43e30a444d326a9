//! Who signed in, and what happens when it is someone else than before.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bifrost::model::secret::sha256_hex;
use bifrost_local::Fault;
use bifrost_tests::{
    Browser, Connection, Form, Page, RETURN_TO_ORIGIN, TestApp, TestProvider, allow_as, confirm, pause,
    sign_in_as,
};
use serde_json::{Value, json};
use url::Url;

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const CAROL: &str = "carol@example.com";

/// A connection whose provider gives ID tokens.
async fn with_id_tokens(app: &TestApp, provider: &TestProvider) -> Connection {
    let scopes = json!({"scopes": ["openid", "offline_access"]});
    app.connection(&app.unique("Halo"), "global", provider, scopes).await
}

/// One whose provider has to be asked at this address.
async fn asked_at(app: &TestApp, provider: &TestProvider, path: &str) -> Connection {
    let verify = json!({"url": provider.url(path), "subject": "user", "email": "user", "tenant": "tenant"});
    let changes = json!({"dialect": {"verify": verify}});
    app.connection(&app.unique("Halo"), "global", provider, changes).await
}

async fn sign_in(app: &TestApp, connection: &Connection, user: &str) -> (Browser, Page) {
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &app.connect_url(connection).await, user).await;
    (browser, page)
}

/// Signs in as someone else than is connected, up to the question.
async fn asked(app: &TestApp, connection: &Connection, user: &str) -> (Browser, Page) {
    let (browser, page) = sign_in(app, connection, user).await;
    assert!(page.status == 200 && page.has_form(), "{} {}", page.status, page.text);
    (browser, page)
}

fn decided(page: &Page, decision: &str) -> Form {
    page.form().set("decision", decision)
}

/// Whom the connection's token belongs to, in the provider's own words.
async fn user(app: &TestApp, provider: &TestProvider, connection: &Connection) -> Value {
    let token = app.token(connection).await.expect(200);
    provider.me(&token["access_token"]).await["user"].clone()
}

async fn identity(app: &TestApp, connection: &Connection) -> Value {
    app.show(connection).await["identity"].clone()
}

async fn refresh(app: &TestApp, connection: &Connection) -> Value {
    app.root().post(&connection.path("/refresh"), json!({})).await.expect(200)
}

/// The last refresh token that was handed out.
fn last_refresh_token(provider: &TestProvider) -> String {
    let handed_out = provider.control().secrets_handed_out();
    handed_out.into_iter().rfind(|secret| secret.starts_with("bfp_rt_")).unwrap()
}

fn is_revoked(provider: &TestProvider, token: &str) -> bool {
    provider.control().family_revoked(token).unwrap()
}

#[tokio::test]
async fn a_connection_shows_who_signed_in_as_the_id_token_says_and_refreshes_keep_it() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    assert!(identity(&app, &connection).await.is_null());
    let (_, page) = sign_in(&app, &connection, ADA).await;
    assert!(page.text.contains("Signed in as ada@example.com"), "{}", page.text);
    let shown = json!({
        "subject": "user-ada@example.com", "name": "ada", "email": ADA, "tenant": null, "issuer": provider.url(""),
    });
    assert_eq!(identity(&app, &connection).await, shown);
    refresh(&app, &connection).await;
    assert_eq!(identity(&app, &connection).await, shown);
    assert_eq!(provider.control().me_request_count(), 0, "nobody has to be asked");
    app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    assert!(identity(&app, &connection).await.is_null());
}

#[tokio::test]
async fn without_an_id_token_the_provider_is_asked_once_as_the_dialect_says() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = asked_at(&app, &provider, "/me").await;
    sign_in(&app, &connection, ADA).await;
    let shown = json!({"subject": ADA, "name": null, "email": ADA, "tenant": null, "issuer": null});
    assert_eq!(identity(&app, &connection).await, shown);
    refresh(&app, &connection).await;
    assert_eq!(identity(&app, &connection).await, shown);
    assert_eq!(provider.control().me_request_count(), 1);
}

#[tokio::test]
async fn what_a_refreshs_id_token_says_is_newer() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let claims =
        json!({"iss": "https://login.example", "sub": "user-ada@example.com", "email": "ada@new.example"});
    let id_token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    provider.control().edit_answers(move |answer| {
        answer.insert("id_token".to_owned(), json!(id_token));
    });
    refresh(&app, &connection).await;
    let shown = identity(&app, &connection).await;
    assert_eq!((&shown["email"], &shown["name"]), (&json!("ada@new.example"), &json!("ada")), "{shown}");
}

#[tokio::test]
async fn who_signed_in_is_learnt_after_the_grant_is_written_and_never_in_its_way() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = asked_at(&app, &provider, "/me").await;
    provider.control().hold_me(Duration::from_secs(6));
    let signing_in = {
        let (app, connection) = (app.clone(), connection.clone());
        tokio::spawn(async move { sign_in(&app, &connection, ADA).await.1 })
    };
    while app.show(&connection).await["status"] != "active" {
        pause(50).await;
    }
    assert!(!signing_in.is_finished(), "the grant serves while the provider thinks about whose it is");
    app.token(&connection).await.expect(200);
    assert_eq!(signing_in.await.unwrap().status, 200);
    assert_eq!(identity(&app, &connection).await["subject"], ADA);
}

#[tokio::test]
async fn a_provider_that_does_not_say_who_it_was_fails_nothing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = asked_at(&app, &provider, "/nowhere").await;
    let (_, page) = sign_in(&app, &connection, ADA).await;
    assert!(page.status == 200 && !page.text.contains("Signed in as"), "{}", page.text);
    let shown = app.show(&connection).await;
    assert_eq!((&shown["status"], &shown["identity"]), (&json!("active"), &Value::Null));
    // Nor can anyone be asked about somebody who is not known.
    let (_, page) = sign_in(&app, &connection, BOB).await;
    assert!(page.status == 200 && !page.has_form(), "{}", page.text);
    assert_eq!(user(&app, &provider, &connection).await, BOB);
}

#[tokio::test]
async fn signing_in_again_as_the_same_person_asks_nothing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    for connection in [with_id_tokens(&app, &provider).await, asked_at(&app, &provider, "/me").await] {
        for generation in 1..=2 {
            let (_, page) = sign_in(&app, &connection, ADA).await;
            assert!(page.status == 200 && !page.has_form(), "{}", page.text);
            assert_eq!(app.token(&connection).await.expect(200)["generation"], generation);
        }
        assert_eq!(identity(&app, &connection).await["email"], ADA);
    }
}

#[tokio::test]
async fn a_reconnect_as_someone_else_is_asked_about_while_the_old_grant_serves() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    for connection in [with_id_tokens(&app, &provider).await, asked_at(&app, &provider, "/me").await] {
        sign_in(&app, &connection, ADA).await;
        let old = app.token(&connection).await.expect(200);
        let (mut browser, page) = asked(&app, &connection, BOB).await;
        for part in [ADA, BOB, &connection.name, "Keep", "Switch"] {
            assert!(page.text.contains(part), "{part} is not on {}", page.text);
        }
        assert!(provider.control().secrets_handed_out().iter().all(|secret| !page.text.contains(secret)));
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(
            (page.header("cache-control"), page.header("referrer-policy")),
            ("no-store", "no-referrer")
        );

        assert_eq!(app.token(&connection).await.expect(200)["access_token"], old["access_token"]);
        assert_eq!(refresh(&app, &connection).await["generation"], 2, "it is refreshed as ever");
        assert_eq!(user(&app, &provider, &connection).await, ADA);

        let page = browser.submit(&page, &decided(&page, "switch")).await;
        assert!(page.status == 200 && page.text.contains("Signed in as bob@example.com"), "{}", page.text);
        let new = app.token(&connection).await.expect(200);
        assert_eq!((&new["generation"], &new["grant_id"]), (&json!(3), &old["grant_id"]));
        assert_eq!(user(&app, &provider, &connection).await, BOB);
        assert_eq!(identity(&app, &connection).await["email"], BOB);
        refresh(&app, &connection).await;
        assert_eq!(user(&app, &provider, &connection).await, BOB);
    }
}

#[tokio::test]
async fn who_did_not_mean_it_keeps_the_old_grant_and_what_was_received_is_revoked() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &link, BOB).await;
    let bobs = last_refresh_token(&provider);
    assert!(!is_revoked(&provider, &bobs));
    let kept = browser.submit(&page, &decided(&page, "keep")).await;
    assert!(kept.status == 200 && kept.text.contains(ADA) && !kept.has_form(), "{}", kept.text);
    assert!(is_revoked(&provider, &bobs));
    assert_eq!(user(&app, &provider, &connection).await, ADA);
    assert_eq!(identity(&app, &connection).await["email"], ADA);
    // The link is as good as before, for whoever was meant.
    let again = sign_in_as(&mut Browser::new(), &link, ADA).await;
    assert!(again.status == 200 && !again.has_form(), "{}", again.text);
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_was_asked_and_from_its_very_page() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let (mut browser, page) = asked(&app, &connection, BOB).await;
    let switch = decided(&page, "switch");
    let action = page.url.join(&switch.action).unwrap();
    assert_eq!((action.path(), action.query()), ("/oauth/confirm", None), "no secret in an address");

    Browser::new().submit(&page, &switch).await.refuses();
    for field in ["state", "form_token", "decision"] {
        browser.submit(&page, &switch.clone().set(field, "wrong")).await.refuses();
    }
    let (mut other, others) = asked(&app, &connection, CAROL).await;
    other.submit(&page, &switch).await.refuses();
    let token = others.form().field("form_token").unwrap().to_owned();
    browser.submit(&page, &switch.clone().set("form_token", &token)).await.refuses();
    for foreign in ["https://evil.example", "null"] {
        let mut crossed = browser.clone();
        crossed.origin = Some(foreign.to_owned());
        assert_eq!(crossed.submit(&page, &switch).await.status, 403);
    }
    assert_eq!(user(&app, &provider, &connection).await, ADA, "none of that changed anything");

    let mut copy = browser.clone();
    assert_eq!(browser.submit(&page, &switch).await.status, 200);
    for decision in ["switch", "keep"] {
        let again = copy.submit(&page, &decided(&page, decision)).await;
        assert_eq!(again.status, 410, "{}", again.text);
        assert!(again.text.contains("connected"), "it says how it ended: {}", again.text);
    }
    assert_eq!(user(&app, &provider, &connection).await, BOB);
    let token = app.token(&connection).await.expect(200);
    assert!(!is_revoked(&provider, token["access_token"].as_str().unwrap()));
}

#[tokio::test]
async fn the_same_browser_finds_the_question_again_at_the_callback() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let (mut browser, page) = asked(&app, &connection, BOB).await;
    Browser::new().open(page.url.as_str()).await.refuses();
    let again = browser.open(page.url.as_str()).await;
    assert_eq!(again.form().fields, page.form().fields);
    browser.submit(&again, &decided(&again, "switch")).await;
    assert_eq!(browser.open(page.url.as_str()).await.status, 410);
    assert_eq!(provider.control().token_request_count("authorization_code"), 2);
}

/// Signs in while the provider takes its time to say who that was, and kills the function that waits for it.
async fn crash_while_asking(app: &TestApp, provider: &TestProvider, callback: &Url, browser: &mut Browser) {
    let doomed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&doomed);
    app.stack().set_fault_hook(move |call| {
        if call.function == "oauth-callback" {
            *seen.lock().unwrap() = Some(call.instance);
        }
        None
    });
    let asked_before = provider.control().me_request_count();
    provider.control().hold_me(Duration::from_secs(8));
    let exchanged = provider.control().token_request_count("authorization_code");
    let kill = async {
        while provider.control().token_request_count("authorization_code") == exchanged {
            pause(20).await;
        }
        // The tokens are written, and the provider is being asked.
        pause(1_500).await;
        let instance = doomed.lock().unwrap().take().unwrap();
        assert!(app.stack().kill_instance(instance).await);
    };
    let (page, ()) = tokio::join!(browser.open(callback.as_str()), kill);
    app.stack().end_faults();
    provider.control().hold_me(Duration::ZERO);
    assert_eq!((page.status, provider.control().me_request_count()), (500, asked_before), "{}", page.text);
}

#[tokio::test]
async fn a_crash_while_the_provider_is_asked_loses_nothing() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = asked_at(&app, &provider, "/me").await;
    sign_in(&app, &connection, ADA).await;
    for (user_name, is_asked) in [(BOB, true), (ADA, false)] {
        let mut browser = Browser::new();
        let address = confirm(&mut browser, &app.connect_url(&connection).await).await;
        let callback = allow_as(&mut browser, &address, user_name).await;
        crash_while_asking(&app, &provider, &callback, &mut browser).await;
        assert_eq!(user(&app, &provider, &connection).await, ADA);
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, page.has_form()), (200, is_asked), "{}", page.text);
        if is_asked {
            assert_eq!(browser.submit(&page, &decided(&page, "switch")).await.status, 200);
            assert_eq!(user(&app, &provider, &connection).await, BOB);
            // Back to how it was.
            let (mut browser, page) = asked(&app, &connection, ADA).await;
            assert_eq!(browser.submit(&page, &decided(&page, "switch")).await.status, 200);
        }
    }
    let exchanges = provider.control().token_request_count("authorization_code");
    assert_eq!((exchanges, app.token(&connection).await.expect(200)["generation"].clone()), (4, json!(4)));
}

#[tokio::test]
async fn of_two_tabs_with_one_link_one_connects_and_the_other_is_let_go() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let first = sign_in_as(&mut browser, &link, BOB).await;
    let second = sign_in_as(&mut browser, &link, CAROL).await;
    let carols = last_refresh_token(&provider);
    assert_eq!(browser.submit(&first, &decided(&first, "switch")).await.status, 200);
    let late = browser.submit(&second, &decided(&second, "switch")).await;
    assert_eq!(late.status, 410, "{}", late.text);
    assert!(is_revoked(&provider, &carols));
    assert_eq!(user(&app, &provider, &connection).await, BOB);
}

#[tokio::test]
async fn whoever_is_there_by_then_is_asked_about_anew() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let (mut bobs, of_bob) = asked(&app, &connection, BOB).await;
    let (mut carols, of_carol) = asked(&app, &connection, CAROL).await;
    assert_eq!(bobs.submit(&of_bob, &decided(&of_bob, "switch")).await.status, 200);
    // Carol was asked about Ada, not about Bob.
    let again = carols.submit(&of_carol, &decided(&of_carol, "switch")).await;
    assert!(again.has_form() && again.text.contains(BOB) && !again.text.contains(ADA), "{}", again.text);
    assert_eq!(user(&app, &provider, &connection).await, BOB);
    assert_eq!(carols.submit(&again, &decided(&again, "switch")).await.status, 200);
    assert_eq!(user(&app, &provider, &connection).await, CAROL);
}

#[tokio::test]
async fn another_company_is_someone_else_though_nobody_says_who_signed_in() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let facts = json!({"dialect": {"callback_facts": ["realmId"]}});
    let connection = app.connection(&app.unique("QuickBooks"), "global", &provider, facts).await;
    for (realm, is_asked) in [("9341", false), ("9341", false), ("7777", true)] {
        let mut browser = Browser::new();
        let address = confirm(&mut browser, &app.connect_url(&connection).await).await;
        let callback = allow_as(&mut browser, &address, ADA).await;
        let page = browser.open(&format!("{callback}&realmId={realm}")).await;
        assert_eq!((page.status, page.has_form()), (200, is_asked), "{}", page.text);
        assert_eq!(app.show(&connection).await["facts"]["realmId"], "9341");
        if is_asked {
            assert!(page.text.contains("9341") && page.text.contains("7777"), "{}", page.text);
            browser.submit(&page, &decided(&page, "switch")).await;
        }
    }
    assert_eq!(app.show(&connection).await["facts"]["realmId"], "7777");
}

#[tokio::test]
async fn after_a_disconnect_nobody_is_asked() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    let (_, page) = sign_in(&app, &connection, BOB).await;
    assert!(page.status == 200 && !page.has_form(), "{}", page.text);
    assert_eq!(identity(&app, &connection).await["email"], BOB);
}

#[tokio::test]
async fn an_organizations_own_grant_is_compared_with_itself_and_shown_to_nobody_else() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, connection) = (app.organization("Acme").await, with_id_tokens(&app, &provider).await);
    sign_in(&app, &connection, ADA).await;
    let for_acme = json!({"organization_id": acme.id});
    let link = async || app.connect_url_with(&connection, for_acme.clone()).await;
    let first = sign_in_as(&mut Browser::new(), &link().await, BOB).await;
    assert!(first.status == 200 && !first.has_form(), "{}", first.text);
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &link().await, CAROL).await;
    assert!(page.has_form() && page.text.contains(BOB) && !page.text.contains(ADA), "{}", page.text);
    browser.submit(&page, &decided(&page, "switch")).await;
    let of_acme = format!("/connections/{}/token?scope={}", connection.name, acme.id);
    let token = app.root().get(&of_acme).await.expect(200);
    assert_eq!(provider.me(&token["access_token"]).await["user"], CAROL);
    assert_eq!(user(&app, &provider, &connection).await, ADA);
    assert_eq!(identity(&app, &connection).await["email"], ADA);
}

#[tokio::test]
async fn a_person_who_switches_is_sent_back_to_where_the_link_said() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let return_to = json!({"return_to": format!("{RETURN_TO_ORIGIN}/done")});
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &app.connect_url_with(&connection, return_to).await, BOB).await;
    let page = browser.submit(&page, &decided(&page, "switch")).await;
    assert_eq!(page.location().origin().ascii_serialization(), RETURN_TO_ORIGIN);
}

#[tokio::test]
async fn a_person_who_keeps_what_there_was_finds_the_way_back_that_the_link_said() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let return_to = json!({"return_to": format!("{RETURN_TO_ORIGIN}/done")});
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &app.connect_url_with(&connection, return_to).await, BOB).await;
    let kept = browser.submit(&page, &decided(&page, "keep")).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    assert!(kept.text.contains(&format!("href=\"{RETURN_TO_ORIGIN}/done\"")), "{}", kept.text);
    let again = browser.submit(&page, &decided(&page, "keep")).await;
    assert!(again.status == 410 && again.text.contains("Back</a>"), "{} {}", again.status, again.text);
}

/// Lets the question of this page have been asked long ago.
async fn let_lapse(app: &TestApp, page: &Page) {
    let stack = app.stack();
    let tables = stack.aws("DynamoDB_20120810.ListTables", json!({})).await.unwrap();
    let tables = tables["TableNames"].as_array().unwrap();
    let table = tables.iter().find(|name| name.as_str().unwrap().contains("DataTable")).unwrap();
    let state = sha256_hex(&[page.form().field("state").unwrap()]);
    let update = json!({
        "TableName": table, "Key": {"pk": {"S": format!("STATE#{state}")}, "sk": {"S": "META"}},
        "UpdateExpression": "SET expires_at = :then", "ConditionExpression": "attribute_exists(held)",
        "ExpressionAttributeValues": {":then": {"S": "2026-01-31T12:00:00.000Z"}},
    });
    stack.aws("DynamoDB_20120810.UpdateItem", update).await.unwrap();
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_a_no() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let (mut browser, page) = asked(&app, &connection, BOB).await;
    let bobs = last_refresh_token(&provider);
    assert_eq!(app.clean().await, json!({"finished": 0, "remaining": 1}));
    assert!(!is_revoked(&provider, &bobs), "there is time yet");
    let_lapse(&app, &page).await;
    for late in
        [browser.submit(&page, &decided(&page, "switch")).await, browser.open(page.url.as_str()).await]
    {
        assert_eq!(late.status, 410, "{}", late.text);
    }
    assert_eq!(app.clean().await, json!({"finished": 1, "remaining": 0}));
    assert!(is_revoked(&provider, &bobs));
    assert_eq!(user(&app, &provider, &connection).await, ADA);

    // What was answered leaves nothing to do.
    let (mut browser, page) = asked(&app, &connection, BOB).await;
    assert_eq!(browser.submit(&page, &decided(&page, "switch")).await.status, 200);
    assert_eq!(app.clean().await, json!({"finished": 1, "remaining": 0}));
    assert_eq!(user(&app, &provider, &connection).await, BOB);
}

#[tokio::test]
async fn what_is_in_the_way_of_an_answer_is_said_and_the_answer_can_be_given_again() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = with_id_tokens(&app, &provider).await;
    sign_in(&app, &connection, ADA).await;
    let (mut browser, page) = asked(&app, &connection, BOB).await;
    let switch = decided(&page, "switch");
    let faults = [
        ("GetItem", Fault::throttled(), 503),
        ("GetItem", Fault::invalid(), 500),
        ("TransactWriteItems", Fault::throttled(), 503),
        ("TransactWriteItems", Fault::invalid(), 500),
    ];
    for (operation, fault, status) in faults {
        app.stack().set_fault_hook(move |call| {
            let meant = call.function == "oauth-confirm" && call.operation == operation;
            meant.then(|| fault.clone())
        });
        let refused = browser.submit(&page, &switch).await;
        assert_eq!(refused.status, status, "{}", refused.text);
    }
    let doomed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&doomed);
    app.stack().set_fault_hook(move |call| {
        let confirms = call.function == "oauth-confirm";
        confirms.then(|| {
            *seen.lock().unwrap() = Some(call.instance);
            Fault::Delay(Duration::from_secs(5))
        })
    });
    let kill = async {
        loop {
            let instance = doomed.lock().unwrap().take();
            if let Some(instance) = instance {
                break assert!(app.stack().kill_instance(instance).await);
            }
            pause(20).await;
        }
    };
    assert_eq!(tokio::join!(browser.submit(&page, &switch), kill).0.status, 500);
    // The write is made, and its answer lost each time.
    let lost = Arc::new(Mutex::new(0));
    app.stack().set_fault_hook(move |call| {
        let writes = call.function == "oauth-confirm" && call.operation == "TransactWriteItems";
        let mut lost = lost.lock().unwrap();
        (writes && *lost < 2).then(|| {
            *lost += 1;
            Fault::LoseAnswer
        })
    });
    let done = browser.submit(&page, &switch).await;
    assert_eq!(done.status, 200, "{}", done.text);
    app.stack().end_faults();
    assert_eq!(user(&app, &provider, &connection).await, BOB);
    assert!(!is_revoked(&provider, &last_refresh_token(&provider)));
}

#[tokio::test]
async fn an_answer_for_what_is_gone_meanwhile_connects_nothing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = with_id_tokens(&app, &provider).await;
    let for_acme = json!({"organization_id": acme.id});
    sign_in_as(&mut Browser::new(), &app.connect_url_with(&connection, for_acme.clone()).await, ADA).await;
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &app.connect_url_with(&connection, for_acme).await, BOB).await;
    app.root().delete(&format!("/organizations/{}", acme.id)).await.expect(204);
    let refused = browser.submit(&page, &decided(&page, "switch")).await;
    assert_eq!(refused.status, 409, "{}", refused.text);

    sign_in(&app, &connection, ADA).await;
    let (mut browser, page) = asked(&app, &connection, BOB).await;
    let bobs = last_refresh_token(&provider);
    app.root().patch(&connection.path(""), json!({"token_params": {"a": "b"}})).await.expect(200);
    let refused = browser.submit(&page, &decided(&page, "switch")).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(is_revoked(&provider, &bobs));
    assert_eq!(user(&app, &provider, &connection).await, ADA);

    let (mut browser, page) = asked(&app, &connection, BOB).await;
    app.root().delete(&format!("{}&force=true", connection.path(""))).await.expect(204);
    assert_eq!(browser.submit(&page, &decided(&page, "switch")).await.status, 410);
}

#[tokio::test]
async fn neither_tokens_nor_people_are_in_the_logs() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let nowhere = asked_at(&app, &provider, "/nowhere").await;
    sign_in(&app, &nowhere, ADA).await;
    for connection in [with_id_tokens(&app, &provider).await, asked_at(&app, &provider, "/me").await] {
        sign_in(&app, &connection, ADA).await;
        for decision in ["keep", "switch"] {
            let (mut browser, page) = asked(&app, &connection, BOB).await;
            assert_eq!(browser.submit(&page, &decided(&page, decision)).await.status, 200);
        }
        refresh(&app, &connection).await;
    }
    let logs = app.stack().logs();
    assert!(logs.contains("who signed in could not be learnt"), "the logs were captured");
    let secrets = provider.control().secrets_handed_out();
    assert!(secrets.iter().any(|secret| secret.starts_with("ey")), "ID tokens are among them");
    for secret in secrets.iter().map(String::as_str).chain([ADA, BOB]) {
        assert!(!logs.contains(secret), "{secret} is in the logs");
    }
}
