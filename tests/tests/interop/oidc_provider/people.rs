//! People of a certified OpenID provider sign in to the product with the tokens that it gives them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bifrost_tests::{Api, Browser, TestApp};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::OIDC_PROVIDER;
use crate::server::{ADA, Kind, Server};

const AUDIENCE: &str = "https://bifrost.example";
const CONSOLE: &str = "console";
const BACK: &str = "http://localhost:9/back";
const SECRET: &str = "machine-secret-machine-secret-machine-secret";

static KIND: Kind = OIDC_PROVIDER;

/// A provider whose tokens say that whoever signs in is a user of this organization, which a client for people, and one
/// for machines, ask for them.
async fn provider(organization: &str) -> Server {
    let console = json!({
        "client_id": CONSOLE, "redirect_uris": [BACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"], "response_types": ["code"],
    });
    let machine = json!({
        "client_id": "machine", "client_secret": SECRET, "redirect_uris": [], "response_types": [],
        "token_endpoint_auth_method": "client_secret_post", "grant_types": ["client_credentials"],
    });
    let claims = json!({"bifrost_role": "user", "bifrost_organization_id": organization});
    let api = json!({"audience": AUDIENCE, "claims": claims});
    KIND.start_with(json!({"clients": [console, machine], "api": api})).await
}

/// A stack at which its people sign in, and which knows the organization.
async fn stack(server: &Server, organization: &str, parameters: &[(&str, &str)]) -> TestApp {
    let issuer = [("OidcIssuer", server.issuer.as_str())];
    let app = TestApp::with_parameters(issuer.iter().chain(parameters).copied()).await;
    app.root().post("/organizations", json!({"id": organization, "name": "Acme"})).await.expect(201);
    app
}

/// The tokens of a person who signs in in a browser, as a single-page application gets them (RFC 7636).
async fn sign_in(server: &Server) -> Value {
    let (challenge, verifier) = bifrost::oauth::new_pkce();
    let mut address = Url::parse(&server.url(KIND.authorization)).unwrap();
    let resource = format!("{AUDIENCE}/RS256");
    address.query_pairs_mut().extend_pairs([
        ("client_id", CONSOLE),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", "openid api:read"),
        ("resource", &resource),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("nonce", "a-nonce"),
    ]);
    let back = server.sign_in(&mut Browser::new(), address, ADA).await;
    let code = back
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap_or_else(|| panic!("{back}"))
        .1
        .into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", CONSOLE),
        ("redirect_uri", BACK),
        ("code", &code),
        ("code_verifier", verifier.expose()),
        ("resource", &resource),
    ];
    server.token_request(&form).await.expect(200)
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn bearer(app: &TestApp, token: &Value) -> Api {
    app.with_key(token.as_str().unwrap())
}

async fn let_in(caller: &Api) {
    caller.get("/integrations/Nothing").await.problem(404, "not-found");
    caller.get("/connections").await.expect(200);
    caller.get("/connections?scope=global").await.problem(403, "scope-forbidden");
}

async fn kept_out(caller: &Api) {
    caller.get("/integrations/Nothing").await.gateway(403, "Forbidden");
}

#[tokio::test]
#[ignore = "needs the servers: run tests/interop/run"]
async fn a_person_is_let_in_with_the_access_token_and_not_with_the_id_token() {
    let organization = Uuid::new_v4().to_string();
    let server = provider(&organization).await;
    let app = stack(&server, &organization, &[("OidcAudience", AUDIENCE)]).await;
    let tokens = sign_in(&server).await;
    let (access_token, id_token) = (&tokens["access_token"], &tokens["id_token"]);
    let_in(&bearer(&app, access_token)).await;
    kept_out(&bearer(&app, id_token)).await;
    let made = bearer(&app, access_token).post("/keys", json!({"role": "workflow"})).await.expect(201);
    assert_eq!(made["created_by"], "oidc:ada");
}

#[tokio::test]
#[ignore = "needs the servers: run tests/interop/run"]
async fn where_id_tokens_are_taken_access_tokens_are_not() {
    let organization = Uuid::new_v4().to_string();
    let server = provider(&organization).await;
    let parameters = [("OidcAudience", CONSOLE), ("OidcTokenType", "JWT")];
    let app = stack(&server, &organization, &parameters).await;
    let tokens = sign_in(&server).await;
    let id_token = tokens["id_token"].as_str().unwrap();
    assert_eq!(
        (part(id_token, 1)["aud"].clone(), part(id_token, 1)["nonce"].clone()),
        (json!(CONSOLE), json!("a-nonce"))
    );
    let_in(&app.with_key(id_token)).await;
    kept_out(&bearer(&app, &tokens["access_token"])).await;
}

#[tokio::test]
#[ignore = "needs the servers: run tests/interop/run"]
async fn tokens_are_verified_by_each_algorithm_and_those_of_another_server_by_none() {
    let organization = Uuid::new_v4().to_string();
    let server = provider(&organization).await;
    let other = provider(&organization).await;
    let app = stack(&server, &organization, &[("OidcAudience", AUDIENCE)]).await;
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let resource = format!("{AUDIENCE}/{algorithm}");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "machine"),
            ("client_secret", SECRET),
            ("scope", "api:read"),
            ("resource", &resource),
        ];
        let token = server.token_request(&form).await.expect(200)["access_token"].clone();
        let header = part(token.as_str().unwrap(), 0);
        assert_eq!((&header["alg"], &header["typ"]), (&json!(algorithm), &json!("at+jwt")));
        let_in(&bearer(&app, &token)).await;
        let strangers = other.token_request(&form).await.expect(200)["access_token"].clone();
        kept_out(&bearer(&app, &strangers)).await;
    }
    // An algorithm that is not on the list, from the very same issuer.
    let resource = format!("{AUDIENCE}/RS512");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "machine"),
        ("client_secret", SECRET),
        ("resource", &resource),
    ];
    let token = server.token_request(&form).await.expect(200)["access_token"].clone();
    assert_eq!(part(token.as_str().unwrap(), 0)["alg"], "RS512");
    kept_out(&bearer(&app, &token)).await;
}
