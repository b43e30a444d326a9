//! An issuer with keys of every kind, to sign whatever a test wants, and the properties of what is made of it.

use std::sync::LazyLock;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::{collection::vec, prelude::*, sample::select};
use ring::{
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RsaEncoding,
    },
};
use serde_json::json;

use super::*;
use crate::{
    arbitrary::{damaged, json, mutated, text},
    model::{
        OrganizationId,
        access::{Operation, SecretReach},
        client_key::tests::{P256, RSA},
    },
};

pub(super) const ISSUER: &str = "https://login.example/tenant";
pub(super) const AUDIENCE: &str = "https://bifrost.example";
pub(super) const ORGANIZATION: &str = "018f3a5e-0000-7000-8000-000000000000";
/// The same keys, written down by another tool.
const FIXTURES: &str = include_str!("../../../../tests/fixtures/jwks.json");
const P384: &str = include_str!("../client_key/p384.pem");

pub(super) fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

pub(super) fn policy(token_type: &str) -> Policy {
    Policy::from_settings(&settings(token_type)).unwrap().unwrap()
}

fn settings(token_type: &str) -> Settings {
    Settings {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        token_type: token_type.to_owned(),
        role_claim: "bifrost_role".to_owned(),
        organization_claim: "bifrost_organization_id".to_owned(),
    }
}

pub(super) fn claims() -> Value {
    let now = now().unix_seconds();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "auth0|ada", "iat": now - 60, "exp": now + 3600,
        "bifrost_role": "user", "bifrost_organization_id": ORGANIZATION,
    })
}

/// The object with these members put in, and those that are null taken away.
pub(super) fn with(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap().clone() {
        match value {
            Value::Null => members.remove(&name),
            value => members.insert(name, value),
        };
    }
    object
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    Rsa(&'static dyn RsaEncoding),
    P256,
    P384,
    Ed25519,
}

pub(super) const RS256: By = By::Rsa(&RSA_PKCS1_SHA256);
pub(super) const PS256: By = By::Rsa(&RSA_PSS_SHA256);
pub(super) const RS512: By = By::Rsa(&RSA_PKCS1_SHA512);

fn der(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).unwrap()
}

/// Read once: that takes longer than to sign.
fn rsa() -> &'static rsa::KeyPair {
    static PAIR: LazyLock<rsa::KeyPair> = LazyLock::new(|| rsa::KeyPair::from_pkcs8(&der(RSA)).unwrap());
    &PAIR
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, pem: &str) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(algorithm, &der(pem), &SystemRandom::new()).unwrap()
}

fn ed25519() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

impl By {
    pub(super) fn sign(self, message: &str) -> Vec<u8> {
        let (message, random) = (message.as_bytes(), SystemRandom::new());
        match self {
            Self::Rsa(encoding) => {
                let mut signature = vec![0; rsa().public().modulus_len()];
                rsa().sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, P256)
                .sign(&random, message)
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::P384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, P384)
                .sign(&random, message)
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Ed25519 => ed25519().sign(message).as_ref().to_vec(),
        }
    }

    /// The key that verifies it, as the issuer publishes it.
    pub(super) fn jwk(self) -> Value {
        let point = |point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            (encode(x), encode(y))
        };
        match self {
            Self::Rsa(_) => {
                let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
                fixtures["keys"][0].clone()
            }
            Self::P256 => {
                let (x, y) = point(ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, P256).public_key().as_ref());
                json!({"kty": "EC", "kid": "p256", "use": "sig", "crv": "P-256", "x": x, "y": y})
            }
            Self::P384 => {
                let (x, y) = point(ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, P384).public_key().as_ref());
                json!({"kty": "EC", "kid": "p384", "alg": "ES384", "crv": "P-384", "x": x, "y": y})
            }
            Self::Ed25519 => {
                let x = encode(ed25519().public_key().as_ref());
                json!({"kty": "OKP", "kid": "ed", "key_ops": ["verify"], "crv": "Ed25519", "x": x})
            }
        }
    }

    fn header(self) -> Value {
        let (algorithm, key) = match self {
            Self::Rsa(_) => ("RS256", "rsa"),
            Self::P256 => ("ES256", "p256"),
            Self::P384 => ("ES384", "p384"),
            Self::Ed25519 => ("EdDSA", "ed"),
        };
        json!({"alg": algorithm, "typ": "at+jwt", "kid": key})
    }

    /// A token with these changes to a good one's header and claims, signed.
    pub(super) fn token(self, header: Value, claims_changed: Value) -> String {
        let header = with(self.header(), header).to_string();
        self.signed(header.as_bytes(), with(claims(), claims_changed).to_string().as_bytes())
    }

    /// A token of these very bytes, signed.
    pub(super) fn signed(self, header: &[u8], claims: &[u8]) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        format!("{message}.{}", encode(self.sign(&message)))
    }
}

/// The issuer's keys.
pub(super) fn keys() -> Value {
    static KEYS: LazyLock<Value> =
        LazyLock::new(|| json!({"keys": [RS256.jwk(), By::P256.jwk(), By::P384.jwk(), By::Ed25519.jwk()]}));
    KEYS.clone()
}

pub(super) fn key_set(set: &Value) -> KeySet {
    KeySet::parse(set.to_string().as_bytes()).unwrap()
}

pub(super) fn judged(policy: &Policy, token: &str, keys: &KeySet) -> Result<Person, Refusal> {
    policy.verify(&UnverifiedToken::parse(token)?, keys, now())
}

pub(super) fn verify(token: &str) -> Result<Person, Refusal> {
    judged(&policy("at+jwt"), token, &key_set(&keys()))
}

fn person(claims: Value) -> Result<Person, Refusal> {
    policy("at+jwt").person(claims.as_object().unwrap(), now())
}

#[test]
fn a_token_of_the_issuer_for_us_shows_who_signed_in() {
    for by in [RS256, By::P256, By::P384, By::Ed25519] {
        let person = verify(&by.token(json!({}), json!({}))).unwrap();
        assert_eq!((person.role, person.home.to_string().as_str()), (Role::User, ORGANIZATION), "{by:?}");
        let caller = person.caller(false).unwrap();
        assert_eq!((caller.key_id.as_str(), caller.secret_reach), ("oidc:auth0|ada", SecretReach::Own));
        assert_eq!(caller.expires_at, Some(now() + Duration::from_secs(3600)));
    }
    assert!(verify(&PS256.token(json!({"alg": "PS256"}), json!({}))).is_ok());
    assert!(verify(&By::Ed25519.token(json!({"alg": "Ed25519"}), json!({}))).is_ok());
}

#[test]
fn nobody_signs_in_where_no_issuer_is_named_and_settings_that_fit_nothing_name_the_parameter() {
    assert!(Policy::from_settings(&Settings::default()).unwrap().is_none());
    let wrong = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings("at+jwt");
        change(&mut settings);
        Policy::from_settings(&settings).unwrap_err()
    };
    assert!(wrong(&|settings| settings.audience.clear()).contains("OidcAudience"));
    assert!(wrong(&|settings| settings.role_claim.clear()).contains("OidcRoleClaim"));
    assert!(wrong(&|settings| settings.organization_claim.clear()).contains("OidcOrganizationClaim"));
    assert!(
        wrong(&|settings| settings.organization_claim = settings.role_claim.clone()).contains("two claims")
    );
    assert!(wrong(&|settings| settings.token_type = "jwt".to_owned()).contains("OidcTokenType"));
    for issuer in
        ["login.example", "https://login.example?x", "https://login.example#x", "https://a@login.example"]
    {
        assert!(wrong(&|settings| settings.issuer = issuer.to_owned()).contains("OidcIssuer"), "{issuer}");
    }
}

#[test]
fn the_issuers_configuration_is_where_openid_connect_discovery_has_it() {
    let url = |issuer: &str| {
        let settings = Settings { issuer: issuer.to_owned(), ..settings("JWT") };
        Policy::from_settings(&settings).unwrap().unwrap().configuration_url().to_string()
    };
    let expected = "https://login.example/tenant/.well-known/openid-configuration";
    assert_eq!(url(ISSUER), expected);
    assert_eq!(url("https://login.example/tenant/"), expected);
}

#[test]
fn keys_are_taken_from_the_configuration_of_this_very_issuer() {
    let jwks = |issuer: &str, uri: Value| {
        let configuration = json!({"issuer": issuer, "jwks_uri": uri}).to_string();
        policy("at+jwt").jwks_url(configuration.as_bytes()).map(|url| url.to_string())
    };
    let keys = json!("https://keys.example/jwks");
    assert_eq!(jwks(ISSUER, keys.clone()).as_deref(), Some("https://keys.example/jwks"));
    for other in
        ["https://login.example/tenant/", "https://login.example", "https://LOGIN.example/tenant", ""]
    {
        assert_eq!(jwks(other, keys.clone()), None, "{other}");
    }
    for odd in [json!(null), json!("/jwks"), json!(["https://keys.example/jwks"])] {
        assert_eq!(jwks(ISSUER, odd), None);
    }
    let twice =
        format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://a.example","jwks_uri":"https://b.example"}}"#);
    assert_eq!(policy("at+jwt").jwks_url(twice.as_bytes()), None);
}

#[test]
fn a_key_that_is_no_use_is_left_out_and_the_others_serve() {
    let mut set = keys();
    let odd = [
        json!(7),
        json!({}),
        json!({"kty": "ML-DSA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
    ];
    set["keys"].as_array_mut().unwrap().extend(odd);
    assert!(judged(&policy("at+jwt"), &RS256.token(json!({}), json!({})), &key_set(&set)).is_ok());
}

#[test]
fn what_is_no_jwk_set_is_none() {
    let many = json!({"keys": vec![RS256.jwk(); 101]});
    for odd in [json!([]), json!({}), json!({"keys": {}}), json!({"keys": null}), many] {
        assert!(KeySet::parse(odd.to_string().as_bytes()).is_none());
    }
    assert!(KeySet::parse(b"<html></html>").is_none());
    assert!(KeySet::parse(br#"{"keys":[],"keys":[]}"#).is_none());
    assert!(KeySet::parse(br#"{"keys":[]}"#).is_some(), "an issuer may have withdrawn them all");
}

#[test]
fn a_role_is_said_by_its_name_alone_or_in_a_list_of_one() {
    let said = |role: Value| person(with(claims(), json!({"bifrost_role": role}))).map(|person| person.role);
    for (text, role) in [("admin", Role::Admin), ("user", Role::User), ("workflow", Role::Workflow)] {
        assert_eq!((said(json!(text)), said(json!([text]))), (Ok(role), Ok(role)));
    }
    let odd = [
        json!("Admin"),
        json!("admin "),
        json!("owner"),
        json!(""),
        json!(true),
        json!(null),
        json!({"admin": true}),
        json!([]),
        json!(["user", "admin"]),
        json!(["user", "user"]),
        json!(["user", "Everyone"]),
        json!([["user"]]),
        json!("user admin"),
        json!("user,admin"),
    ];
    for odd in odd {
        assert_eq!(said(odd.clone()), Err(Refusal::Role), "{odd}");
    }
}

#[test]
fn an_organization_is_said_by_its_id_as_we_write_it() {
    let said = |id: Value| {
        let mut claims = claims();
        claims["bifrost_organization_id"] = id;
        person(claims).map(|person| person.home.to_string())
    };
    assert_eq!(said(json!(ORGANIZATION)).as_deref(), Ok(ORGANIZATION));
    assert_eq!(said(json!(ORGANIZATION.to_uppercase())).as_deref(), Ok(ORGANIZATION));
    assert_eq!(said(json!("platform")).as_deref(), Ok("global"));
    let odd = [
        json!(null),
        json!(""),
        json!(" "),
        json!("Platform"),
        json!("platform "),
        json!("global"),
        json!("*"),
        json!([]),
        json!(["platform"]),
        json!({"platform": true}),
        json!(true),
        json!(0),
        json!([ORGANIZATION]),
        json!(ORGANIZATION.replace('-', "")),
        json!(format!("{{{ORGANIZATION}}}")),
        json!(format!("urn:uuid:{ORGANIZATION}")),
        json!(format!("{ORGANIZATION} ")),
        json!("018f3a5e-0000-7000-8000-00000000000g"),
    ];
    for odd in odd {
        assert_eq!(said(odd.clone()), Err(Refusal::Organization), "{odd}");
    }
    let mut missing = claims();
    missing.as_object_mut().unwrap().remove("bifrost_organization_id");
    assert_eq!(person(missing), Err(Refusal::Organization));
}

#[test]
fn admins_belong_to_the_platform_and_to_providers_and_the_organization_says_which_it_is() {
    let signed_in = |home: &str| {
        person(with(claims(), json!({"bifrost_role": "admin", "bifrost_organization_id": home}))).unwrap()
    };
    assert_eq!(signed_in(ORGANIZATION).caller(false), Err(Refusal::RoleThere));
    let caller = signed_in(ORGANIZATION).caller(true).unwrap();
    assert!(caller.is_provider && caller.may(Operation::OrganizationsCreate, caller.home));
    assert_eq!(signed_in("platform").caller(true).unwrap().home, Scope::Global);
}

#[test]
fn a_member_of_a_provider_that_the_token_speaks_of_is_none_of_the_tokens_business() {
    let boasting = json!({"provider": true, "is_provider": true, "secret_reach": "reached", "key_id": "root", "scope": "global"});
    let caller = person(with(claims(), boasting)).unwrap().caller(false).unwrap();
    assert_eq!((caller.is_provider, caller.secret_reach), (false, SecretReach::Own));
    assert_eq!(caller.key_id, "oidc:auth0|ada");
}

#[test]
fn a_token_counts_whole_seconds_so_an_organization_of_the_same_second_is_the_earlier() {
    let person = person(claims()).unwrap();
    assert!(
        person.made_before() > person.issued_at
            && person.made_before() < person.issued_at + Duration::from_secs(1)
    );
}

/// Claims from good to hostile.
fn any_claims() -> impl Strategy<Value = Map<String, Value>> {
    let home = prop_oneof![
        2 => Just(json!("platform")),
        2 => any::<u128>().prop_map(|id| json!(Uuid::from_u128(id).to_string())),
        1 => select(vec!["Platform", "global", "platform\0", "*", "null", ""]).prop_map(Value::from),
        1 => json(),
    ];
    let home = proptest::option::weighted(0.8, home);
    let role = proptest::option::weighted(
        0.8,
        prop_oneof![3 => select(vec!["admin", "user", "workflow"]).prop_map(Value::from), 1 => json()],
    );
    (damaged(claims()), home, role, vec((text(), json()), 0..2)).prop_map(
        |(mut claims, home, role, others)| {
            for (name, value) in [("bifrost_organization_id", home), ("bifrost_role", role)] {
                match value {
                    Some(value) => claims.insert(name.to_owned(), value),
                    None => claims.remove(name),
                };
            }
            for (name, value) in others {
                claims.entry(name).or_insert(value);
            }
            claims
        },
    )
}

proptest! {
    /// The rule that everything else here serves.
    #[test]
    fn nobody_is_the_platform_unless_the_claim_says_exactly_that(claims in any_claims(), is_provider: bool) {
        let said = claims.get("bifrost_organization_id");
        let person = policy("at+jwt").person(&claims, now());
        let home = person.as_ref().ok().map(|person| person.home);
        prop_assert!(home != Some(Scope::Global) || said == Some(&json!("platform")));
        if let Some(Scope::Organization(id)) = home {
            let said = said.and_then(Value::as_str).unwrap().to_ascii_lowercase();
            prop_assert_eq!(id, said.parse::<OrganizationId>().unwrap());
        }
        // What remains to be found out in the store can't make someone the platform either.
        if let Ok(Ok(caller)) = person.map(|person| person.caller(is_provider)) {
            prop_assert_eq!(Some(caller.home), home);
            prop_assert!(caller.role != Role::Admin || caller.home == Scope::Global || is_provider);
        }
    }

    #[test]
    fn whoever_is_let_in_has_every_claim_as_it_must_be(claims in any_claims()) {
        if let Ok(person) = policy("at+jwt").person(&claims, now()) {
            let number = |name: &str| claims[name].as_f64().unwrap();
            let now = now().unix_seconds() as f64;
            prop_assert_eq!(&claims["iss"], ISSUER);
            prop_assert!(claims["aud"] == AUDIENCE || claims["aud"].as_array().unwrap().contains(&json!(AUDIENCE)));
            prop_assert!(number("exp") > now && number("iat") <= now + 30.0 && number("exp") - number("iat") <= 86_400.0);
            prop_assert!(claims.get("nbf").is_none_or(|at| at.as_f64().unwrap() <= now + 30.0));
            prop_assert!(!claims["sub"].as_str().unwrap().is_empty());
            let caller = person.caller(true).unwrap();
            prop_assert!(caller.key_id.starts_with("oidc:") && caller.key_id.len() <= 5 + 3 * 255);
            prop_assert!(caller.key_id.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>&\\`".contains(&byte)));
        }
    }

    #[test]
    fn two_people_are_never_one_caller(one in "[ -~]{1,8}", other in "[ -~]{1,8}") {
        let caller = |subject: &str| person(with(claims(), json!({"sub": subject}))).unwrap().caller(false).unwrap().key_id;
        prop_assert_eq!(caller(&one) == caller(&other), one == other);
    }

    #[test]
    fn a_token_that_was_touched_is_nobodys(token in mutated(Just(RS256.token(json!({}), json!({})).into_bytes()))) {
        let original = RS256.token(json!({}), json!({}));
        let token = String::from_utf8_lossy(&token);
        prop_assert_eq!(verify(&token).is_ok(), token == original);
    }

    #[test]
    fn whatever_is_presented_is_refused_in_words(text in text()) {
        prop_assert!(!verify(&text).unwrap_err().to_string().is_empty());
    }

    #[test]
    fn keys_are_read_or_left_out_whatever_they_are(key in damaged(RS256.jwk()), other in damaged(By::P256.jwk())) {
        let set = key_set(&json!({"keys": [key.clone(), other]}));
        let verified = judged(&policy("at+jwt"), &RS256.token(json!({}), json!({})), &set).is_ok();
        prop_assert!(!verified || (key["n"] == RS256.jwk()["n"] && key.get("use").is_none_or(|for_what| for_what == "sig")));
    }
}
