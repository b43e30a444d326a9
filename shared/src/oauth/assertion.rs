//! Client assertions (RFC 7523 section 2.2): how a client proves itself with a private key.
//!
//! What is said is written here; it is signed by whoever holds the key: a `PrivateKey` of the model, or KMS. Every
//! request has an assertion of its own, because providers refuse to see one twice.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use uuid::Uuid;

use crate::model::{
    Secret, Timestamp,
    client_key::{Certificate, SigningAlgorithm},
};

/// The value of `client_assertion_type` (RFC 7523 section 2.2).
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion is good. Providers allow 5 minutes at least, and some no more; a clock of theirs may be ahead.
const LIFETIME: Duration = Duration::from_secs(4 * 60);
/// How far back it says that it was made, for clocks that are behind.
const EARLIER: Duration = Duration::from_secs(10);

/// An assertion without its signature.
#[derive(Debug)]
pub struct UnsignedAssertion {
    text: String,
    pub algorithm: SigningAlgorithm,
}

/// What an assertion says of its client, and how the key is known to the provider.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    pub client_id: &'a str,
    /// Whom it is for: as most providers want it, their token URL.
    pub audience: &'a str,
    pub algorithm: SigningAlgorithm,
    pub key_id: Option<&'a str>,
    pub certificate: Option<&'a Certificate>,
}

impl Assertion<'_> {
    pub fn unsigned(&self, now: Timestamp) -> UnsignedAssertion {
        let mut header = json!({"alg": self.algorithm.as_str(), "typ": "JWT"});
        if let Some(key_id) = self.key_id {
            header["kid"] = key_id.into();
        }
        if let Some(certificate) = self.certificate {
            header["x5t#S256"] = certificate.sha256_thumbprint().into();
            header["x5t"] = certificate.sha1_thumbprint().into();
        }
        let issued_at = (now - EARLIER).unix_seconds();
        let claims = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": self.audience, "jti": Uuid::new_v4().to_string(),
            "iat": issued_at, "nbf": issued_at, "exp": (now + LIFETIME).unix_seconds(),
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        UnsignedAssertion { text: format!("{}.{}", part(header), part(claims)), algorithm: self.algorithm }
    }
}

impl UnsignedAssertion {
    /// What is to be signed (RFC 7515 section 5.1).
    pub fn message(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// `signature` as JWS has it.
    pub fn signed(self, signature: &[u8]) -> Secret {
        format!("{}.{}", self.text, URL_SAFE_NO_PAD.encode(signature)).into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::{
        client_key::{
            PrivateKey,
            tests::{P256, RSA, RSA_CERTIFICATE, verifies},
        },
        input::Field,
    };

    fn now() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    fn part(jwt: &str, number: usize) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(jwt.split('.').nth(number).unwrap()).unwrap()
    }

    fn json_part(jwt: &str, number: usize) -> Value {
        serde_json::from_slice(&part(jwt, number)).unwrap()
    }

    fn signed(pem: &str, assertion: &Assertion<'_>) -> (PrivateKey, Secret) {
        let key = PrivateKey::parse(&Secret::from(pem.to_owned())).unwrap();
        let unsigned = assertion.unsigned(now());
        let signature = key.sign(unsigned.algorithm, unsigned.message()).unwrap();
        (key, unsigned.signed(&signature))
    }

    const PLAIN: Assertion<'_> = Assertion {
        client_id: "cli:ent~ö",
        audience: "https://provider.example/token",
        algorithm: SigningAlgorithm::ES256,
        key_id: None,
        certificate: None,
    };

    #[test]
    fn an_assertion_is_signed_by_the_algorithm_that_it_names() {
        for (pem, algorithm) in
            [(RSA, SigningAlgorithm::RS256), (RSA, SigningAlgorithm::PS256), (P256, SigningAlgorithm::ES256)]
        {
            let (key, jwt) = signed(pem, &Assertion { algorithm, ..PLAIN });
            let (message, _) = jwt.expose().rsplit_once('.').unwrap();
            assert_eq!(json_part(jwt.expose(), 0), json!({"alg": algorithm.as_str(), "typ": "JWT"}));
            assert!(verifies(&key.public_key(), algorithm, message.as_bytes(), &part(jwt.expose(), 2)));
        }
    }

    #[test]
    fn an_assertion_is_of_the_client_for_the_provider_and_for_less_than_five_minutes() {
        let (_, jwt) = signed(P256, &PLAIN);
        let mut claims = json_part(jwt.expose(), 1);
        let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert!(jti.as_str().unwrap().parse::<Uuid>().is_ok());
        let now = now().unix_seconds();
        let expected = json!({
            "iss": "cli:ent~ö", "sub": "cli:ent~ö", "aud": "https://provider.example/token",
            "iat": now - 10, "nbf": now - 10, "exp": now + 240,
        });
        assert_eq!(claims, expected);
        let (_, another) = signed(P256, &PLAIN);
        assert_ne!(json_part(another.expose(), 1)["jti"], jti);
    }

    #[test]
    fn the_key_is_named_by_its_id_and_by_its_certificates_thumbprints() {
        let certificate = Certificate::from_json(json!(RSA_CERTIFICATE)).unwrap();
        let assertion = Assertion {
            algorithm: SigningAlgorithm::PS256,
            key_id: Some("2026-1"),
            certificate: Some(&certificate),
            ..PLAIN
        };
        let (_, jwt) = signed(RSA, &assertion);
        let expected = json!({
            "alg": "PS256", "typ": "JWT", "kid": "2026-1",
            "x5t#S256": certificate.sha256_thumbprint(), "x5t": certificate.sha1_thumbprint(),
        });
        assert_eq!(json_part(jwt.expose(), 0), expected);
    }
}
