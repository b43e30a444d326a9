//! One sign-in of a partner, redeemed at the tenant of each customer: `redeem_per_organization`, as Microsoft's GDAP has
//! it.

use std::time::Duration;

use bifrost_local::provider::{Options, RefreshTokens};
use bifrost_tests::{
    Answer, Connection, Organization, Role, TestApp, TestProvider, all_at_once, pause, with,
};
use serde_json::{Value, json};

/// A refresh token is good at every tenant, and replaced but not ended by its use.
fn as_microsoft_has_it(options: &mut Options) {
    options.redeems_at_any_tenant = true;
    options.refresh_tokens = RefreshTokens::RotatedWithGrace(Duration::from_secs(3600));
}

struct Partner {
    app: TestApp,
    provider: TestProvider,
    connection: Connection,
}

impl Partner {
    async fn signed_in() -> Self {
        let partner = Self::with(|_| {}).await;
        partner.app.connect_in_browser(&partner.connection).await;
        partner
    }

    async fn with(adjust: impl FnOnce(&mut Options)) -> Self {
        let provider = TestProvider::with(|options| {
            as_microsoft_has_it(options);
            adjust(options);
        })
        .await;
        let app = TestApp::shared().await;
        let name = app.integration("Partner", json!({"entity_id_name": "Tenant ID"})).await;
        let changes = json!({
            "token_url": provider.url("/{entity_id}/token"),
            "authorization_url": provider.url("/partner/authorize"),
            "token_url_defaults": {"entity_id": "partner"},
            "dialect": {"redeem_per_organization": true, "send_scopes_on_refresh": true},
        });
        let connection = app.connection(&name, "global", &provider, changes).await;
        Self { app, provider, connection }
    }

    async fn customer(&self, tenant: &str) -> Organization {
        let organization = self.app.organization(tenant).await;
        self.app.map(&self.connection.name, &organization, json!({"entity_id": tenant})).await;
        organization
    }

    async fn token(&self, organization: &Organization) -> Answer {
        let workflow = self.app.key(Role::Workflow, organization).await;
        workflow.get(&format!("/connections/{0}/token?integration={0}", self.connection.name)).await
    }

    async fn tenant_of(&self, token: &Value) -> Value {
        self.provider.me(&token["access_token"]).await["tenant"].clone()
    }

    fn exchanges(&self) -> usize {
        self.provider.control().token_request_count("refresh_token")
    }
}

#[tokio::test]
async fn each_organization_gets_a_token_of_its_own_tenant_for_the_partners_one_sign_in() {
    let partner = Partner::signed_in().await;
    for tenant in ["acme-tenant", "globex-tenant"] {
        let customer = partner.customer(tenant).await;
        let token = partner.token(&customer).await.expect(200);
        assert_eq!(partner.tenant_of(&token).await, tenant);
        let again = partner.token(&customer).await.expect(200);
        assert_eq!(again["access_token"], token["access_token"], "it is kept until it expires");
        let resolved = partner.app.resolve(&partner.app.root(), &partner.connection.name, &customer.id).await;
        assert_eq!(resolved["oauth"]["access_token"], token["access_token"]);
        assert!(resolved["oauth"]["refresh_token"].is_null());
    }
    assert_eq!(partner.exchanges(), 2);
    let own = partner.app.token(&partner.connection).await.expect(200);
    assert_eq!(partner.tenant_of(&own).await, "partner");
    let sent = partner.provider.control().token_requests();
    let redeemed = sent.iter().find(|request| request.tenant.as_deref() == Some("acme-tenant")).unwrap();
    assert_eq!(redeemed.param("scope"), Some("read offline_access"));
}

#[tokio::test]
async fn a_crowd_of_one_organization_causes_one_redemption() {
    let partner = Partner::signed_in().await;
    let acme = partner.customer("acme-tenant").await;
    partner.provider.control().delay_token(Duration::from_millis(300));
    let workflow = partner.app.key(Role::Workflow, &acme).await;
    let path = format!("/connections/{0}/token?integration={0}", partner.connection.name);
    let calls = (0..60).map(|_| {
        let (workflow, path) = (workflow.clone(), path.clone());
        async move { workflow.get(&path).await.expect(200)["access_token"].clone() }
    });
    let tokens = all_at_once(calls).await;
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(partner.exchanges(), 1);
}

#[tokio::test]
async fn an_expired_one_is_redeemed_anew_and_the_partners_own_grant_stays_as_it_is() {
    let partner = Partner::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    partner.app.connect_in_browser(&partner.connection).await;
    let before = partner.app.show(&partner.connection).await;
    let acme = partner.customer("acme-tenant").await;
    partner.token(&acme).await.expect(200);
    pause(2_100).await;
    let second = partner.token(&acme).await.expect(200);
    assert_eq!(second["generation"], 2);
    assert_eq!(partner.tenant_of(&second).await, "acme-tenant");
    let after = partner.app.show(&partner.connection).await;
    assert_eq!(after["last_refresh_at"], before["last_refresh_at"]);
}

#[tokio::test]
async fn without_an_integration_nobody_knows_which_tenant_is_meant() {
    let partner = Partner::signed_in().await;
    let acme = partner.customer("acme-tenant").await;
    let workflow = partner.app.key(Role::Workflow, &acme).await;
    let path = format!("/connections/{}/token", partner.connection.name);
    workflow.get(&path).await.problem(422, "integration-required");
}

#[tokio::test]
async fn who_is_mapped_to_no_tenant_never_gets_a_token_of_the_partners_own() {
    let partner = Partner::signed_in().await;
    let stranger = partner.app.organization("Stranger").await;
    let refused = partner.token(&stranger).await.problem(422, "placeholder-unresolved");
    assert!(refused["detail"].as_str().unwrap().contains("{entity_id}"), "{refused}");
    partner.app.map(&partner.connection.name, &stranger, json!({"entity_name": "no tenant yet"})).await;
    partner.token(&stranger).await.problem(422, "placeholder-unresolved");
    let path = format!("/integrations/{}", partner.connection.name);
    partner.app.root().patch(&path, json!({"default_entity_id": "partner"})).await.expect(200);
    partner.token(&stranger).await.problem(422, "placeholder-unresolved");
    let resolved = partner.app.resolve(&partner.app.root(), &partner.connection.name, &stranger.id).await;
    assert!(resolved["oauth"]["access_token"].is_null());
    assert_eq!(resolved["oauth"]["problem"]["code"], "placeholder-unresolved");
    assert_eq!(partner.exchanges(), 0);
}

#[tokio::test]
async fn before_the_partner_signs_in_and_after_it_disconnects_no_organization_gets_a_token() {
    let partner = Partner::with(|_| {}).await;
    let acme = partner.customer("acme-tenant").await;
    partner.token(&acme).await.problem(409, "not-connected");
    partner.app.connect_in_browser(&partner.connection).await;
    partner.token(&acme).await.expect(200);
    partner.app.root().post(&partner.connection.path("/disconnect"), json!({})).await.expect(200);
    partner.token(&acme).await.problem(409, "not-connected");
}

#[tokio::test]
async fn after_another_sign_in_no_token_of_the_one_before_comes_out() {
    let partner = Partner::signed_in().await;
    let acme = partner.customer("acme-tenant").await;
    let first = partner.token(&acme).await.expect(200);
    partner.app.connect_in_browser(&partner.connection).await;
    let second = partner.token(&acme).await.expect(200);
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(partner.exchanges(), 2);
}

#[tokio::test]
async fn a_tenant_that_refuses_concerns_its_organization_alone() {
    let partner = Partner::signed_in().await;
    let (acme, globex) = (partner.customer("acme-tenant").await, partner.customer("globex-tenant").await);
    let refusal = json!({"error": "invalid_grant", "error_description": "no consent in this tenant"});
    let fault = bifrost_local::provider::Fault::answer(400, refusal.to_string());
    partner.provider.control().fail_next_token(fault);
    let refused = partner.token(&acme).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("no consent in this tenant"), "{}", refused.text);
    partner.token(&globex).await.expect(200);
    assert_eq!(partner.app.show(&partner.connection).await["status"], "active");
    let counted = &partner.app.show(&partner.connection).await["grants"];
    assert_eq!(*counted, json!({"active": 2, "failing": 1, "reauthorize": 0}));
}

#[tokio::test]
async fn forgetting_an_organizations_token_leaves_the_partners_sign_in_alone() {
    let partner = Partner::signed_in().await;
    let acme = partner.customer("acme-tenant").await;
    partner.token(&acme).await.expect(200);
    let root = partner.app.root();
    root.delete(&acme.mapping(&partner.connection.name)).await.expect(204);
    assert_eq!(partner.provider.control().revocation_count(), 0);
    partner.app.map(&partner.connection.name, &acme, json!({"entity_id": "acme-tenant"})).await;
    partner.token(&acme).await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_that_works_once_can_not_be_shared() {
    let (app, provider) = (TestApp::shared().await, TestProvider::start().await);
    let dialect = json!({"redeem_per_organization": true, "refresh_token": {"single_use": true}});
    let body =
        with(provider.authorization_code(), json!({"name": app.unique("Partner"), "dialect": dialect}));
    let refused = app.root().post("/connections", body).await;
    assert_eq!(refused.problem(422, "invalid-input")["errors"][0]["field"], "dialect");
}
