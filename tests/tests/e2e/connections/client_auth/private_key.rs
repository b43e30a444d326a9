use std::collections::BTreeSet;

use bifrost_local::provider::{Audience, ClientAuth, ClientKey};
use bifrost_tests::{Role, TestApp, TestProvider, with};
use serde_json::{Value, json};

use super::{
    P256, P256_CERTIFICATE, P256_PUBLIC, RSA, RSA_CERTIFICATE, RSA_PUBLIC, assertions, by_key, for_itself,
    patch, provider_and, provider_with, refresh, signed_in,
};

#[tokio::test]
async fn a_key_proves_the_client_at_code_exchange_refresh_and_revocation_by_each_algorithm() {
    let app = TestApp::shared().await;
    for (pem, public, algorithm, named) in [
        (RSA, RSA_PUBLIC, "RS256", None),
        (RSA, RSA_PUBLIC, "PS256", Some("PS256")),
        (P256, P256_PUBLIC, "ES256", None),
        (P256, P256_PUBLIC, "ES256", Some("ES256")),
    ] {
        let provider = provider_with(ClientKey::from_pem(public)).await;
        let changes = with(by_key(pem), json!({"client_assertion_alg": named}));
        let connection = signed_in(&app, &provider, changes).await;
        assert_eq!(refresh(&app, &connection).await.expect(200)["generation"], 2);
        let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
        assert_eq!(gone["revoked"], true);
        assert_eq!(provider.control().revocation_count(), 1);
        assert_eq!(provider.control().refusals(), [""; 0]);
        let requests = provider.control().token_requests();
        assert_eq!(
            requests.iter().map(|r| r.grant_type.as_str()).collect::<Vec<_>>(),
            ["authorization_code", "refresh_token"]
        );
        for request in requests {
            assert_eq!(request.auth, Some(ClientAuth::PrivateKeyJwt));
            assert_eq!(request.param("client_secret"), None);
        }
        assert!(assertions(&provider).iter().all(|(header, _)| header["alg"] == algorithm));
    }
}

#[tokio::test]
async fn every_request_has_an_assertion_of_its_own_for_the_tenant_whose_url_it_goes_to() {
    let app = TestApp::shared().await;
    let provider = provider_with(ClientKey::from_pem(P256_PUBLIC)).await;
    let name = app.integration("Graph", json!({})).await;
    let body = with(with(provider.client_credentials(), json!({"name": name})), by_key(P256));
    app.create_connection("global", body).await;
    let path = format!("/connections/{name}/token?integration={name}");
    for tenant in ["acme", "globex", "initech"] {
        let organization = app.organization(tenant).await;
        app.map(&name, &organization, json!({"entity_id": tenant})).await;
        let token = app.key(Role::Workflow, &organization).await.get(&path).await.expect(200);
        assert_eq!(provider.me(&token["access_token"]).await["tenant"], tenant);
    }
    let claims: Vec<Value> = assertions(&provider).into_iter().map(|(_, claims)| claims).collect();
    let audiences: Vec<_> = claims.iter().map(|claims| claims["aud"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        audiences,
        ["acme", "globex", "initech"].map(|tenant| provider.url(&format!("/{tenant}/token")))
    );
    let ids: BTreeSet<_> = claims.iter().map(|claims| claims["jti"].to_string()).collect();
    assert_eq!(ids.len(), 3);
    for claims in claims {
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!(provider.client_id), &json!(provider.client_id))
        );
        assert!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap() <= 300, "{claims}");
    }
}

/// As Microsoft Entra has it: the app has a certificate, and knows an assertion's key by that.
#[tokio::test]
async fn a_certificate_is_named_by_its_thumbprints() {
    let app = TestApp::shared().await;
    let provider = provider_with(ClientKey::from_pem(RSA_PUBLIC).with_certificate(RSA_CERTIFICATE)).await;
    let without = for_itself(&app, &provider, by_key(RSA)).await;
    app.token(&without).await.problem(409, "client-rejected");
    let certified = json!({"client_certificate": RSA_CERTIFICATE, "client_assertion_alg": "PS256"});
    let shown = patch(&app, &without, certified).await;
    assert_eq!(shown["client_certificate"], RSA_CERTIFICATE.trim());
    app.token(&without).await.expect(200);
    let (header, _) = assertions(&provider).pop().unwrap();
    assert_eq!(header["alg"], "PS256");
    assert!(header["x5t#S256"].is_string() && header["x5t"].is_string(), "{header}");
}

#[tokio::test]
async fn a_key_is_named_by_its_id_where_the_provider_has_several() {
    let app = TestApp::shared().await;
    let provider = provider_with(ClientKey::from_pem(P256_PUBLIC).with_id("2026-1")).await;
    let connection = for_itself(&app, &provider, by_key(P256)).await;
    app.token(&connection).await.problem(409, "client-rejected");
    assert_eq!(patch(&app, &connection, json!({"client_key_id": "2026-1"})).await["client_key_id"], "2026-1");
    app.token(&connection).await.expect(200);
}

#[tokio::test]
async fn an_issuer_in_place_of_the_token_url_is_whom_assertions_are_for() {
    let app = TestApp::shared().await;
    let audience = Audience::Exactly("https://issuer.example/acme".to_owned());
    let provider =
        provider_and(ClientKey::from_pem(P256_PUBLIC), |options| options.assertion_audience = audience).await;
    let named = json!({"client_assertion_audience": "https://issuer.example/acme"});
    let connection = signed_in(&app, &provider, with(by_key(P256), named)).await;
    refresh(&app, &connection).await.expect(200);
    let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    assert_eq!(gone["revoked"], true);
    assert_eq!(provider.control().refusals(), [""; 0]);
    // What fills the token URL fills the audience too.
    let name = app.integration("Graph", json!({"default_entity_id": "acme"})).await;
    let per_tenant = json!({"name": name, "client_assertion_audience": "https://issuer.example/{entity_id}"});
    let body = with(with(provider.client_credentials(), by_key(P256)), per_tenant);
    app.create_connection("global", body).await;
    app.root().get(&format!("/connections/{name}/token?scope=global&integration={name}")).await.expect(200);
}

/// Okta: "The audience claim for client_assertion must be the endpoint invoked for the request."
#[tokio::test]
async fn a_provider_that_wants_the_revocation_endpoint_as_audience_revokes_too() {
    let app = TestApp::shared().await;
    let provider = provider_and(ClientKey::from_pem(P256_PUBLIC), |options| {
        options.assertion_audience = Audience::InvokedEndpoint;
    });
    let provider = provider.await;
    let connection = signed_in(&app, &provider, by_key(P256)).await;
    let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    assert_eq!(gone["revoked"], true);
    assert_eq!(provider.control().revocation_count(), 1);
}

#[tokio::test]
async fn a_key_that_the_provider_does_not_know_is_a_client_that_is_refused_until_it_is_replaced() {
    let app = TestApp::shared().await;
    let provider = provider_with(ClientKey::from_pem(RSA_PUBLIC)).await;
    let connection = for_itself(&app, &provider, by_key(P256)).await;
    let refused = app.token(&connection).await.problem(409, "client-rejected");
    assert!(refused["fix"].as_str().unwrap().contains("public key"), "{refused}");
    assert_eq!(provider.control().token_requests().len(), 1, "there is nothing else to try");
    patch(&app, &connection, json!({"client_private_key": RSA})).await;
    app.token(&connection).await.expect(200);
}

#[tokio::test]
async fn a_private_key_is_kept_when_left_out_removed_with_null_and_never_shown() {
    let app = TestApp::shared().await;
    let provider = provider_with(ClientKey::from_pem(RSA_PUBLIC)).await;
    let connection = for_itself(&app, &provider, by_key(RSA)).await;
    let lines: Vec<&str> = RSA.lines().collect();
    let body = lines[1];
    let shown = |answer: &str| assert!(!answer.contains(body) && !answer.contains("PRIVATE KEY"), "{answer}");
    shown(&connection.created.to_string());
    assert_eq!(connection.created["has_client_private_key"], true);
    let kept = app.root().patch(&connection.path(""), json!({"description": "x"})).await;
    shown(&kept.text);
    app.token(&connection).await.expect(200);
    let name = app.integration("Graph", json!({"connection": connection.name})).await;
    let resolved = app.resolve(&app.root(), &name, "global").await;
    shown(&resolved.to_string());
    assert!(resolved["oauth"]["client_secret"].is_null(), "{resolved}");
    let path = connection.path("");
    app.root().patch(&path, json!({"client_private_key": null})).await.invalid(&["client_private_key"]);
    let back = json!({"client_private_key": null, "client_auth": "post", "client_secret": "s"});
    let changed = patch(&app, &connection, back).await;
    assert_eq!(
        (&changed["has_client_private_key"], &changed["client_auth"]),
        (&json!(false), &json!("post"))
    );
}

#[tokio::test]
async fn a_key_that_is_none_or_does_not_fit_is_refused_with_the_field_and_what_helps() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let create = async |changes: Value| {
        let body =
            with(with(provider.client_credentials(), json!({"name": app.unique("Graph")})), by_key(RSA));
        app.root().post("/connections?scope=global", with(body, changes)).await
    };
    let sec1 = P256.replace("PRIVATE KEY", "EC PRIVATE KEY");
    for (changes, field, helps) in [
        (json!({"client_private_key": null}), "client_private_key", "client_key_arn"),
        (json!({"client_private_key": "s3cret"}), "client_private_key", "PKCS#8"),
        (json!({"client_private_key": sec1}), "client_private_key", "openssl pkey"),
        (json!({"client_private_key": RSA_CERTIFICATE}), "client_private_key", "private key"),
        (json!({"client_assertion_alg": "HS256"}), "client_assertion_alg", "ES256"),
        (json!({"client_assertion_alg": "ES256"}), "client_assertion_alg", "RS256 or PS256"),
        (json!({"client_certificate": P256_CERTIFICATE}), "client_certificate", "made with this key"),
        (json!({"client_certificate": RSA_PUBLIC}), "client_certificate", "BEGIN CERTIFICATE"),
        (json!({"client_key_id": "a\nb"}), "client_key_id", "control characters"),
        (json!({"token_params": {"client_assertion": "x"}}), "token_params", "client_assertion"),
    ] {
        let problem = create(changes).await.invalid(&[field]);
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(helps), "{message}");
        assert!(!message.contains("s3cret"));
    }
    create(json!({})).await.expect(201);
}

#[tokio::test]
async fn the_preset_of_okta_takes_a_key() {
    let app = TestApp::shared().await;
    let body = json!({
        "name": app.unique("Okta"), "provider": "okta", "flow": "client_credentials", "client_id": "0oa1",
        "client_private_key": P256, "token_url_defaults": {"subdomain": "acme"},
    });
    let made = app.create_connection("global", body).await.created;
    assert_eq!(
        (&made["client_auth"], &made["has_client_private_key"]),
        (&json!("private_key_jwt"), &json!(true))
    );
}
