//! A client that speaks for itself is let into a tenant by an administrator there: the way back brings `tenant`, no code.

use bifrost_tests::{Browser, Connection, Organization, TestApp, TestProvider, confirm, deny, sign_in, with};
use serde_json::{Value, json};

const ACME: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
const OTHER: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

struct Consent {
    app: TestApp,
    provider: TestProvider,
    connection: Connection,
    acme: Organization,
}

impl Consent {
    /// A connection that nobody has been let in with yet, and an organization that is mapped to this tenant.
    async fn wanted_by(entity_id: &str) -> Self {
        let provider = TestProvider::with(|options| options.admin_consent_required = true).await;
        let app = TestApp::shared().await;
        let name = app.integration("Graph", json!({"entity_id_name": "Tenant ID"})).await;
        let body = json!({"name": name, "admin_consent_url": provider.url("/{entity_id}/adminconsent")});
        let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
        let redirect_uri = connection.created["redirect_uri"].as_str().unwrap();
        provider.control().register_redirect_uri(&provider.client_id, redirect_uri);
        let acme = app.organization("Acme").await;
        app.map(&name, &acme, json!({"entity_id": entity_id})).await;
        Self { app, provider, connection, acme }
    }

    async fn link(&self) -> String {
        self.app.connect_url_with(&self.connection, json!({"organization_id": self.acme.id})).await
    }

    async fn resolved(&self) -> Value {
        self.app.resolve(&self.app.root(), &self.connection.name, &self.acme.id).await["oauth"].clone()
    }
}

#[tokio::test]
async fn an_administrator_lets_the_client_in_and_the_first_token_is_there() {
    let consent = Consent::wanted_by(ACME).await;
    assert!(consent.resolved().await["access_token"].is_null());
    let mut browser = Browser::new();
    let link = consent.link().await;
    let page = sign_in(&mut browser, &link).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let oauth = consent.resolved().await;
    assert_eq!(oauth["status"], "active");
    assert_eq!(consent.provider.me(&oauth["access_token"]).await["tenant"], ACME);
    assert_eq!(browser.open(&link).await.status, 410, "a link is good for one consent");
}

#[tokio::test]
async fn consent_in_another_tenant_is_told_and_changes_nothing() {
    let consent = Consent::wanted_by(ACME).await;
    consent.provider.control().consent_as_administrator_of(OTHER);
    let page = sign_in(&mut Browser::new(), &consent.link().await).await;
    assert_eq!(page.status, 409);
    assert!(page.text.contains(OTHER) && page.text.contains(ACME), "{}", page.text);
    assert!(consent.resolved().await["access_token"].is_null());
}

#[tokio::test]
async fn where_the_tenant_is_known_by_its_domain_the_first_token_decides() {
    let consent = Consent::wanted_by("acme.example.com").await;
    consent.provider.control().consent_as_administrator_of(OTHER);
    let page = sign_in(&mut Browser::new(), &consent.link().await).await;
    assert_eq!(page.status, 409, "{}", page.text);
    let consent = Consent::wanted_by("acme.example.com").await;
    let page = sign_in(&mut Browser::new(), &consent.link().await).await;
    assert_eq!(page.status, 200, "{}", page.text);
}

#[tokio::test]
async fn an_administrator_who_says_no_is_understood() {
    let consent = Consent::wanted_by(ACME).await;
    let mut browser = Browser::new();
    let at_provider = confirm(&mut browser, &consent.link().await).await;
    let denied = deny(&mut browser, &at_provider).await;
    let page = browser.open(denied.as_str()).await;
    assert_eq!(page.status, 409, "{}", page.text);
    assert!(page.text.contains("access_denied"), "{}", page.text);
}

#[tokio::test]
async fn who_was_disconnected_is_connected_again_by_a_consent() {
    let consent = Consent::wanted_by(ACME).await;
    sign_in(&mut Browser::new(), &consent.link().await).await;
    let path = format!("{}&organization_id={}", consent.connection.path("/disconnect"), consent.acme.id);
    consent.app.root().post(&path, json!({})).await.expect(200);
    assert_eq!(consent.resolved().await["problem"]["code"], "not-connected");
    let page = sign_in(&mut Browser::new(), &consent.link().await).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let oauth = consent.resolved().await;
    assert_eq!((&oauth["status"], &oauth["generation"]), (&json!("active"), &json!(2)));
}

#[tokio::test]
async fn a_callback_without_a_tenant_is_no_consent() {
    let consent = Consent::wanted_by(ACME).await;
    let mut browser = Browser::new();
    let at_provider = confirm(&mut browser, &consent.link().await).await;
    let state = at_provider.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let callback =
        format!("{}?state={state}&code=abc", consent.connection.created["redirect_uri"].as_str().unwrap());
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 409, "{}", page.text);
    assert_eq!(consent.provider.control().token_request_count("client_credentials"), 0);
}

#[tokio::test]
async fn without_a_place_to_consent_nobody_can_be_asked() {
    let (app, provider) = (TestApp::shared().await, TestProvider::start().await);
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    assert!(connection.created["redirect_uri"].is_null());
    app.root().post(&connection.path("/authorize"), json!({})).await.problem(422, "wrong-flow");
    let both = with(
        provider.authorization_code(),
        json!({"name": app.unique("Graph"), "admin_consent_url": provider.url("/x/adminconsent")}),
    );
    let refused = app.root().post("/connections", both).await;
    assert_eq!(refused.problem(422, "invalid-input")["errors"][0]["field"], "admin_consent_url");
}
