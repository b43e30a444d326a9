//! Signing in on another device (RFC 8628): a code to type in elsewhere, and a page that waits for it.

use bifrost_local::provider::Fault;
use bifrost_tests::{Browser, Connection, Page, TestApp, TestProvider, pause, with};
use serde_json::{Value, json};

use crate::audit::lines;

struct Scene {
    app: TestApp,
    provider: TestProvider,
    connection: Connection,
    /// In front of which the page with the code stands.
    browser: Browser,
    waiting: Page,
    link: String,
}

impl Scene {
    /// A person has pressed Continue and sees the code.
    async fn waiting() -> Self {
        Self::with(json!({"authorization_url": null}), json!({})).await
    }

    async fn with(changes: Value, asked: Value) -> Self {
        let (app, provider) = (TestApp::shared().await, TestProvider::start().await);
        let device = json!({
            "name": app.unique("Telly"), "device_authorization_url": provider.url("/device_authorization"),
        });
        let body = with(with(provider.authorization_code(), device), changes);
        let connection = app.create_connection("global", body).await;
        let link = app.connect_url_with(&connection, asked).await;
        let mut browser = Browser::new();
        let offer = browser.open(&link).await;
        let departed = browser.submit(&offer, &offer.form()).await;
        let waiting = browser.open(departed.location().as_str()).await;
        assert_eq!(waiting.status, 200, "{}", waiting.text);
        Self { app, provider, connection, browser, waiting, link }
    }

    /// At the provider's page, in the browser of a telephone.
    async fn decide(&self, decision: &str) {
        let address = self.waiting.text.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut telephone = Browser::new();
        let page = telephone.open(&address.replace("&amp;", "&")).await;
        let form = page.form().set("user", "ada@example.com").set("decision", decision);
        assert_eq!(telephone.submit(&page, &form).await.status, 200);
    }

    /// The page loads itself once more.
    async fn look_again(&mut self) -> Page {
        pause(1_200).await;
        self.browser.open(&self.link).await
    }

    fn questions(&self) -> usize {
        self.provider.control().token_request_count("urn:ietf:params:oauth:grant-type:device_code")
    }
}

#[tokio::test]
async fn who_types_the_code_in_elsewhere_connects_the_connection() {
    let mut scene = Scene::waiting().await;
    assert!(scene.connection.created["redirect_uri"].is_null());
    assert_eq!(scene.waiting.header("refresh"), "2");
    let page = scene.look_again().await;
    assert!(page.text.contains("Waiting for you"), "{}", page.text);
    assert!(lines(&scene.app, page.header("apigw-requestid")).await.is_empty());
    scene.decide("allow").await;
    let page = scene.look_again().await;
    // To look is no act until it finds that the sign-in is over.
    let trail = lines(&scene.app, page.header("apigw-requestid")).await;
    let [line] = trail.as_slice() else { panic!("{trail:?}") };
    assert_eq!((&line["act"], &line["outcome"]), (&json!("oauth-connect"), &json!("done")), "{line}");
    assert_eq!((&line["asked_by"], &line["subject"]), (&json!("root"), &json!(scene.connection.name)));
    assert!(page.text.contains("is connected") && !page.headers.contains_key("refresh"), "{}", page.text);
    let token = scene.app.token(&scene.connection).await.expect(200);
    assert_eq!(scene.provider.me(&token["access_token"]).await["user"], "ada@example.com");
    let shown = scene.app.show(&scene.connection).await;
    assert_eq!((&shown["status"], &shown["has_refresh_token"]), (&json!("active"), &json!(true)));
    // The grant is like any other from here on.
    scene.app.root().post(&scene.connection.path("/refresh"), json!({})).await.expect(200);
    assert_eq!(scene.look_again().await.status, 410);
}

#[tokio::test]
async fn the_provider_is_not_asked_more_often_than_it_wants() {
    let mut scene = Scene::waiting().await;
    pause(1_200).await;
    let looks = (0..5).map(|_| {
        let (mut browser, link) = (scene.browser.clone(), scene.link.clone());
        async move { browser.open(&link).await.status }
    });
    assert_eq!(bifrost_tests::all_at_once(looks).await, [200; 5]);
    assert_eq!(scene.questions(), 1);
    scene.look_again().await;
    assert_eq!(scene.questions(), 2);
    let slow_down = json!({"error": "slow_down"}).to_string();
    scene.provider.control().fail_next_token(Fault::answer(400, slow_down));
    let page = scene.look_again().await;
    assert_eq!(page.header("refresh"), "7", "five seconds more (RFC 8628 section 3.5)");
    scene.look_again().await;
    assert_eq!(scene.questions(), 3);
}

#[tokio::test]
async fn another_browser_with_the_same_link_learns_and_asks_nothing() {
    let mut scene = Scene::waiting().await;
    pause(1_200).await;
    let page = Browser::new().open(&scene.link).await;
    assert!(page.has_form() && !page.text.contains("Enter this code"), "{}", page.text);
    assert_eq!(scene.questions(), 0);
    scene.decide("allow").await;
    assert!(scene.look_again().await.text.contains("is connected"));
}

#[tokio::test]
async fn who_says_no_elsewhere_is_understood_and_the_reason_kept() {
    let mut scene = Scene::waiting().await;
    scene.decide("deny").await;
    let page = scene.look_again().await;
    assert_eq!(page.status, 409, "{}", page.text);
    assert!(page.text.contains("access_denied"), "{}", page.text);
    assert_eq!(scene.app.show(&scene.connection).await["last_error"]["code"], "access_denied");
}

#[tokio::test]
async fn a_provider_in_trouble_is_asked_again_and_the_code_is_not_lost() {
    let mut scene = Scene::waiting().await;
    scene.provider.control().fail_next_token(Fault::answer(503, "{}"));
    assert!(scene.look_again().await.text.contains("Waiting for you"));
    scene.decide("allow").await;
    assert!(scene.look_again().await.text.contains("is connected"));
}

#[tokio::test]
async fn a_connection_with_both_ways_takes_the_redirect_unless_asked_otherwise() {
    let scene = Scene::with(json!({}), json!({"device": true})).await;
    assert!(scene.waiting.text.contains("Enter this code"));
    let link = scene.app.connect_url(&scene.connection).await;
    let mut browser = Browser::new();
    let offer = browser.open(&link).await;
    assert!(browser.submit(&offer, &offer.form()).await.location().path().ends_with("/authorize"));
}

#[tokio::test]
async fn a_way_that_a_connection_does_not_have_is_named() {
    let (app, provider) = (TestApp::shared().await, TestProvider::start().await);
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let refused = app.root().post(&connection.path("/authorize"), json!({"device": true})).await;
    assert_eq!(refused.problem(422, "invalid-input")["errors"][0]["field"], "device");
    let scene = Scene::waiting().await;
    let refused = app.root().post(&scene.connection.path("/authorize"), json!({"device": false})).await;
    assert_eq!(refused.problem(422, "invalid-input")["errors"][0]["field"], "device");
    let device = json!({"name": app.unique("Graph"), "device_authorization_url": provider.url("/device_authorization")});
    let refused = app.root().post("/connections", with(provider.client_credentials(), device)).await;
    assert_eq!(refused.problem(422, "invalid-input")["errors"][0]["field"], "device_authorization_url");
}
