//! What an assertion must say to be accepted, point by point.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{Audience, Client, ClientKey};
use super::{CLIENT, SECRET, Subject, assert_refused};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    fn key(&self) -> ClientKey {
        let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let head = (0..head.len()).step_by(2).map(|at| u8::from_str_radix(&head[at..at + 2], 16).unwrap());
        ClientKey::from_spki(head.chain(self.0.public_key().as_ref().iter().copied()).collect::<Vec<_>>())
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn claims(audience: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": CLIENT, "sub": CLIENT, "aud": audience, "jti": Uuid::new_v4().to_string(),
        "iat": now, "nbf": now, "exp": now + 60,
    })
}

async fn subject(signer: &Signer) -> Subject {
    let key = signer.key();
    Subject::with(|options| options.clients = vec![Client::with_key(CLIENT, key)]).await
}

async fn mint(subject: &Subject, assertion: &str, change: &[(&str, &str)]) -> reqwest::Response {
    let mut form = vec![("grant_type", "client_credentials"), ("client_secret", "")];
    form.extend([("client_assertion_type", KIND), ("client_assertion", assertion)]);
    form.extend(change);
    subject.token(&form).await
}

#[tokio::test]
async fn an_assertion_is_good_once() {
    let signer = Signer::new();
    let subject = subject(&signer).await;
    let assertion = signer.sign(&json!({"alg": "ES256"}), &claims(&subject.url("/token")));
    assert_eq!(mint(&subject, &assertion, &[]).await.status(), 200);
    assert_refused(mint(&subject, &assertion, &[]).await, 401, "invalid_client").await;
    let seen = subject.provider.control().token_requests();
    assert_eq!(seen[0].auth, Some(super::super::ClientAuth::PrivateKeyJwt));
    assert!(seen[1].refused.as_ref().unwrap().contains("used before"));
}

#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_it_is_refused() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let subject = subject(&signer).await;
    let url = subject.url("/token");
    let header = json!({"alg": "ES256", "typ": "JWT"});
    let now = claims(&url)["iat"].as_u64().unwrap();
    let changed = |changes: Value| {
        let mut claims = claims(&url);
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        signer.sign(&header, &claims)
    };
    let good = changed(json!({}));
    let (message, _) = good.rsplit_once('.').unwrap();
    for (assertion, why) in [
        (stranger.sign(&header, &claims(&url)), "signature"),
        (format!("{message}."), "signature"),
        (signer.sign(&json!({"alg": "none"}), &claims(&url)), "signature"),
        (signer.sign(&json!({"alg": "RS256"}), &claims(&url)), "signature"),
        (signer.sign(&json!({"alg": "ES256", "kid": "another"}), &claims(&url)), "no such key"),
        (changed(json!({"iss": "client-2"})), "differ"),
        (changed(json!({"iss": "nobody", "sub": "nobody"})), "unknown client"),
        (changed(json!({"aud": subject.url("/revoke")})), "aud"),
        (changed(json!({"aud": "https://elsewhere.example/token"})), "aud"),
        (changed(json!({"aud": [url, "https://elsewhere.example"]})), "aud"),
        (changed(json!({"exp": now - 1})), "over"),
        (changed(json!({"nbf": now + 60})), "not yet"),
        (changed(json!({"exp": now + 3600})), "too long"),
        (changed(json!({"exp": null})), "exp"),
        (changed(json!({"jti": null})), "jti"),
        ("a.b".to_owned(), "JWS"),
        ("a.b.c".to_owned(), "base64url"),
    ] {
        assert_refused(mint(&subject, &assertion, &[]).await, 401, "invalid_client").await;
        let refused = subject.provider.control().refusals().pop().unwrap();
        assert!(refused.contains(why), "{why}: {refused}");
    }
    let other_type = [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")];
    assert_refused(mint(&subject, &good, &other_type).await, 401, "invalid_client").await;
    let twice = [("client_secret", SECRET)];
    assert_refused(mint(&subject, &good, &twice).await, 400, "invalid_request").await;
    let of_another = [("client_id", "client-2")];
    assert_refused(mint(&subject, &changed(json!({})), &of_another).await, 400, "invalid_request").await;
}

#[tokio::test]
async fn a_client_with_a_key_can_not_come_without_it() {
    let signer = Signer::new();
    let subject = subject(&signer).await;
    for secret in ["", SECRET] {
        let form = [("grant_type", "client_credentials"), ("client_secret", secret)];
        assert_refused(subject.token(&form).await, 401, "invalid_client").await;
    }
}

#[tokio::test]
async fn an_assertion_is_for_whom_the_provider_wants_it_to_be() {
    let signer = Signer::new();
    let key = signer.key();
    let issuer = "https://issuer.example/";
    for (audience, good, bad) in [
        (Audience::InvokedEndpoint, "/token", "/revoke"),
        (Audience::TokenEndpoint, "/token", "/contoso/token"),
        (Audience::Exactly(issuer.to_owned()), issuer, "/token"),
    ] {
        let subject = Subject::with(|options| {
            options.clients = vec![Client::with_key(CLIENT, key.clone())];
            options.assertion_audience = audience;
        });
        let subject = subject.await;
        let to = |audience: &str| {
            let audience = if audience == issuer { issuer.to_owned() } else { subject.url(audience) };
            signer.sign(&json!({"alg": "ES256"}), &claims(&audience))
        };
        assert_eq!(mint(&subject, &to(good), &[]).await.status(), 200);
        assert_refused(mint(&subject, &to(bad), &[]).await, 401, "invalid_client").await;
    }
}

#[tokio::test]
async fn two_secrets_are_good_at_once_until_one_takes_the_others_place() {
    let subject = Subject::start().await;
    let mint = async |secret: &str| {
        let form = [("grant_type", "client_credentials"), ("client_secret", secret)];
        subject.token(&form).await.status().as_u16()
    };
    assert_eq!([mint(SECRET).await, mint("another").await], [200, 401]);
    subject.provider.control().add_client_secret(CLIENT, "another");
    assert_eq!([mint(SECRET).await, mint("another").await], [200, 200]);
    subject.provider.control().set_client_secret(CLIENT, "another");
    assert_eq!([mint(SECRET).await, mint("another").await], [401, 200]);
}
