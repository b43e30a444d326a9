//! People who sign in: tokens of an issuer through the real gateway and authorizer. What a token must be like is tested
//! forgery by forgery in `bifrost::model::oidc`; here is what becomes of it on the way.

pub(crate) mod issuer;
mod keys;
mod rotation;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bifrost_tests::{Api, Role, TestApp, TestProvider, pause, with};
use serde_json::{Value, json};
use uuid::Uuid;

use issuer::{AUDIENCE, By, Issuer, now};

/// Whoever is let in gets as far as finding nothing.
async fn let_in(caller: &Api) {
    caller.get("/integrations/Nothing").await.problem(404, "not-found");
}

async fn kept_out(caller: &Api) {
    caller.get("/integrations/Nothing").await.gateway(403, "Forbidden");
}

#[tokio::test]
async fn someone_who_signed_in_may_do_what_a_key_of_that_role_may() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let (acme, msp) = (app.organization("Acme").await, app.provider_organization("MSP").await);
    let connections = |caller: &Api, query: &str| {
        let (caller, path) = (caller.clone(), format!("/connections{query}"));
        async move { caller.get(&path).await }
    };

    let user = issuer.person(&app, "user", &acme.id, json!({}));
    connections(&user, "").await.expect(200);
    connections(&user, "?scope=global").await.problem(403, "scope-forbidden");
    connections(&user, &format!("?scope={}", msp.id)).await.problem(403, "scope-forbidden");
    user.get("/organizations").await.problem(403, "forbidden");
    let workflow = issuer.person(&app, "workflow", &acme.id, json!({}));
    connections(&workflow, "").await.problem(403, "forbidden");

    let admin = issuer.person(&app, "admin", &msp.id, json!({}));
    connections(&admin, &format!("?scope={}", acme.id)).await.expect(200);
    let platform = issuer.person(&app, "admin", "platform", json!({"bifrost_role": ["admin"]}));
    platform.post("/organizations", json!({"name": "Globex"})).await.expect(201);
    let onlooker = issuer.person(&app, "user", "platform", json!({}));
    onlooker.get("/organizations").await.problem(403, "forbidden");

    // Managed organizations have no admins, and of one that there is not nobody is a member.
    kept_out(&issuer.person(&app, "admin", &acme.id, json!({}))).await;
    kept_out(&issuer.person(&app, "user", &Uuid::new_v4().to_string(), json!({}))).await;
    // Keys work as ever.
    let_in(&app.root()).await;
    let_in(&app.key(Role::User, &acme).await).await;
}

#[tokio::test]
async fn a_missing_claim_is_never_read_as_the_platform() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let_in(&issuer.person(&app, "admin", "platform", json!({}))).await;
    let says = |claim: &str, value: Value| {
        let mut claims = issuer.claims("admin", "platform");
        claims[claim] = value;
        app.with_key(&By::Rsa.sign(&By::Rsa.header(), &claims))
    };
    for odd in [
        json!(null),
        json!(""),
        json!("global"),
        json!("Platform"),
        json!([]),
        json!(["platform"]),
        json!({}),
        json!(false),
    ] {
        kept_out(&says("bifrost_organization_id", odd)).await;
    }
    for odd in [json!(null), json!(""), json!("root"), json!([]), json!(["admin", "user"]), json!(true)] {
        kept_out(&says("bifrost_role", odd)).await;
    }
    for claim in ["bifrost_organization_id", "bifrost_role", "sub", "aud", "iss", "exp", "iat"] {
        kept_out(&issuer.person(&app, "admin", "platform", json!({claim: null}))).await;
    }
}

#[tokio::test]
async fn claims_are_found_under_the_names_that_the_template_gives_them() {
    let issuer = Issuer::start().await;
    let parameters =
        [("OidcRoleClaim", "https://bifrost.example/role"), ("OidcOrganizationClaim", "tenant.id")];
    let app = issuer.stack_with(&parameters).await;
    let claims = json!({"https://bifrost.example/role": "admin", "tenant.id": "platform"});
    let_in(&issuer.person(&app, "", "", claims)).await;
    kept_out(&issuer.person(&app, "admin", "platform", json!({}))).await;
    let nested = json!({"https://bifrost.example/role": "admin", "tenant": {"id": "platform"}});
    kept_out(&issuer.person(&app, "admin", "platform", nested)).await;
}

#[tokio::test]
async fn a_forged_token_gets_no_further_than_the_gateway() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let good = issuer.claims("admin", "platform");
    let header = By::Rsa.header();
    let sign = |header: Value, claims: Value| {
        By::Rsa.sign(&with(By::Rsa.header(), header), &with(good.clone(), claims))
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = By::Rsa.sign(&header, &good).rsplit_once('.').unwrap().1.to_owned();
    let forged = [
        format!("{}.{}.", part(&json!({"alg": "none", "typ": "at+jwt"})), part(&good)),
        format!("{}.{}.", part(&header), part(&good)),
        format!("{}.{}.{signature}", part(&header), part(&with(good.clone(), json!({"sub": "eve"})))),
        // Signed by a key that the issuer does not publish, and under the name of one that it does.
        By::P256.sign(&By::P256.header(), &good),
        By::P256.sign(&with(By::P256.header(), json!({"kid": "rsa"})), &good),
        By::P256.sign(&with(By::P256.header(), json!({"jwk": By::P256.jwk()})), &good),
        By::P256.sign(&with(By::P256.header(), json!({"jku": format!("{}/evil", issuer.url)})), &good),
        sign(json!({"alg": "HS256"}), json!({})),
        sign(json!({"alg": "PS256"}), json!({})),
        sign(json!({"typ": "JWT"}), json!({})),
        sign(json!({"typ": null}), json!({})),
        sign(json!({"typ": "logout+jwt"}), json!({})),
        sign(json!({"crit": ["exp"]}), json!({})),
        sign(json!({"zip": "DEF"}), json!({})),
        sign(json!({"kid": "../../rsa"}), json!({})),
        sign(json!({}), json!({"iss": format!("{}/", issuer.url)})),
        sign(json!({}), json!({"iss": "https://login.example"})),
        sign(json!({}), json!({"aud": "client-7"})),
        sign(json!({}), json!({"aud": format!("{AUDIENCE}.evil.example")})),
        sign(json!({}), json!({"exp": now() - 1})),
        sign(json!({}), json!({"nbf": now() + 300})),
        sign(json!({}), json!({"exp": now() + 90_000})),
        sign(json!({}), json!({"cnf": {"jkt": "x"}})),
        sign(json!({}), json!({"padding": "x".repeat(6_200)})),
        format!("{}=", sign(json!({}), json!({}))),
        format!("{}.AAAA.AAAA", sign(json!({}), json!({}))),
        format!("bfk_{}", sign(json!({}), json!({}))),
    ];
    for token in &forged {
        kept_out(&app.with_key(token)).await;
    }
    let_in(&app.with_key(&sign(json!({}), json!({"jti": "another"})))).await;
    assert!(issuer.asked().iter().all(|path| !path.contains("evil")), "{:?}", issuer.asked());
    let logs = app.stack().logs();
    for told in ["the signature is not good", "the token has expired", "aud does not name OidcAudience"] {
        assert!(logs.contains(told), "{told} is not in the logs");
    }
    for token in &forged {
        let longest = token.split('.').max_by_key(|part| part.len()).unwrap();
        assert!(!logs.contains(longest), "{longest} is in the logs");
    }
}

#[tokio::test]
async fn where_no_issuer_is_named_nobody_signs_in() {
    let issuer = Issuer::start().await;
    let app = TestApp::shared().await;
    kept_out(&issuer.person(&app, "admin", "platform", json!({}))).await;
    assert_eq!(issuer.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_issuer_without_an_audience_lets_nobody_in_and_keys_work_on() {
    let issuer = Issuer::start().await;
    let app = TestApp::with_parameters([("OidcIssuer", issuer.url.as_str())]).await;
    let answer = issuer.person(&app, "admin", "platform", json!({"aud": ""})).get("/integrations").await;
    assert_eq!(answer.status, 500, "{}", answer.text);
    assert!(app.stack().logs().contains("OidcAudience is required with OidcIssuer"));
    let_in(&app.root()).await;
}

#[tokio::test]
async fn id_tokens_are_taken_where_the_template_says_so_and_access_tokens_are_not() {
    let issuer = Issuer::start().await;
    let app = issuer.stack_with(&[("OidcTokenType", "JWT")]).await;
    let typ = |typ: Value| {
        let header = with(By::Rsa.header(), json!({"typ": typ}));
        app.with_key(&By::Rsa.sign(&header, &issuer.claims("admin", "platform")))
    };
    let_in(&typ(json!("JWT"))).await;
    let_in(&typ(json!(null))).await;
    kept_out(&typ(json!("at+jwt"))).await;
    kept_out(&issuer.person(&app, "admin", "platform", json!({"aud": ["another"]}))).await;
}

#[tokio::test]
async fn a_sign_in_ends_when_its_token_does_whatever_the_gateway_remembers() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let brief = issuer.person(&app, "admin", "platform", json!({"exp": now() + 5}));
    let_in(&brief).await;
    pause(5_100).await;
    let ended = brief.get("/integrations/Nothing").await.problem(403, "key-expired");
    assert_eq!(ended["fix"], "Sign in again.");
}

#[tokio::test]
async fn a_token_for_an_organization_that_had_this_id_before_is_nobodys() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let acme = app.organization("Acme").await;
    let issued_at = now();
    let person = || issuer.person(&app, "user", &acme.id, json!({"iat": issued_at}));
    let_in(&person()).await;
    pause(1_100).await;
    app.root().delete(&format!("/organizations/{}", acme.id)).await.expect(204);
    kept_out(&person()).await;
    for _ in 0..5 {
        app.clean().await;
    }
    app.root().post("/organizations", json!({"id": acme.id, "name": "Acme again"})).await.expect(201);
    kept_out(&person()).await;
    let_in(&issuer.person(&app, "user", &acme.id, json!({}))).await;
}

#[tokio::test]
async fn whoever_is_sent_a_link_is_told_who_asked_for_it() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let provider = TestProvider::start().await;
    let connection = app.connection("Halo", "global", &provider, json!({})).await;
    let admin = issuer.person(&app, "admin", "platform", json!({"sub": "ada <ada@example.com>"}));
    let link = admin.post(&connection.path("/authorize"), json!({})).await.expect(201);
    let page = bifrost_tests::Browser::new().open(link["connect_url"].as_str().unwrap()).await;
    assert!(page.text.contains("<dd>ada%20%3Cada@example.com%3E</dd>"), "{}", page.text);
}
