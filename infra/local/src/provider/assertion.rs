//! Client authentication by a signed assertion (RFC 7523), with nothing forgiven.
//!
//! Written without a look at what the functions sign with: two readings of the RFC that agree are worth more than one.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::client::Refusal;
use super::options::{Client, ClientKey, Options};

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest that an assertion may be good for, in seconds.
const LONGEST_LIFE: u64 = 300;

/// Whom assertions must be for, at all endpoints where clients prove themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The token endpoint, whatever the endpoint (OpenID Connect Core, section 9).
    TokenEndpoint,
    /// The endpoint that the request came to, as Okta wants it.
    InvokedEndpoint,
    /// This text, such as an issuer.
    Exactly(String),
}

/// Where a request came to.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) issuer: &'a str,
    /// With a slash at the beginning.
    pub(super) path: &'a str,
}

/// Assertions that were accepted: when each is over, by client and `jti`.
#[derive(Default)]
pub(super) struct Accepted(HashMap<(String, String), u64>);

/// The client that signed the assertion.
pub(super) fn verify<'o>(
    options: &'o Options,
    accepted: &mut Accepted,
    place: Place<'_>,
    assertion_type: Option<&str>,
    assertion: &str,
) -> Result<&'o Client, Refusal> {
    let refused = |why: &str| Refusal::invalid_client(format!("client assertion: {why}"));
    if assertion_type != Some(ASSERTION_TYPE) {
        return Err(refused("client_assertion_type is another"));
    }
    let (message, signature) = assertion.rsplit_once('.').ok_or_else(|| refused("no JWS"))?;
    let (header, claims) = message.split_once('.').ok_or_else(|| refused("no JWS"))?;
    let (header, claims) = (object(header)?, object(claims)?);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_u64)
            .ok_or_else(|| refused(&format!("{name} is no number of seconds")))
    };

    let issuer = text("iss").ok_or_else(|| refused("iss is missing"))?;
    if text("sub") != Some(issuer) {
        return Err(refused("iss and sub differ"));
    }
    let client = options.clients.iter().find(|client| client.id == issuer);
    let client = client.ok_or_else(|| refused("unknown client"))?;
    let key = key_of(client, &header).ok_or_else(|| refused("no such key is registered"))?;
    let signature =
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| refused("the signature is not base64url"))?;
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    if header.get("typ").is_some_and(|kind| kind != "JWT") || !key.verifies(algorithm, message, &signature) {
        return Err(refused("the signature is not good"));
    }

    let audience = text("aud").ok_or_else(|| refused("aud must be one text"))?;
    let right = match &options.assertion_audience {
        Audience::TokenEndpoint if place.path.ends_with("/token") => audience == place.url(),
        Audience::TokenEndpoint => audience.starts_with(place.issuer) && audience.ends_with("/token"),
        Audience::InvokedEndpoint => audience == place.url(),
        Audience::Exactly(wanted) => audience == wanted,
    };
    if !right {
        return Err(refused("aud must name this provider"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (issued, not_before, expires) = (number("iat")?, number("nbf")?, number("exp")?);
    if expires <= now || issued > now || not_before > now {
        return Err(refused("it is over, or not yet good"));
    }
    if expires - issued > LONGEST_LIFE {
        return Err(refused("it is good for too long"));
    }
    let id = text("jti").filter(|id| id.len() >= 16).ok_or_else(|| refused("jti is missing or short"))?;
    accepted.0.retain(|_, over| *over > now);
    if accepted.0.insert((client.id.clone(), id.to_owned()), expires).is_some() {
        return Err(refused("it was used before"));
    }
    Ok(client)
}

impl Place<'_> {
    fn url(self) -> String {
        format!("{}{}", self.issuer, self.path)
    }
}

fn object(part: &str) -> Result<Map<String, Value>, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
        Refusal::invalid_client("client assertion: a part of it is no JSON object in base64url")
    })
}

/// The key that the header names, by the name or the certificate that it is registered with.
fn key_of<'c>(client: &'c Client, header: &Map<String, Value>) -> Option<&'c ClientKey> {
    let said = |name: &str| header.get(name).and_then(Value::as_str);
    client.keys.iter().find(|key| {
        key.id.as_deref() == said("kid")
            && key.thumbprint.as_deref().is_none_or(|thumbprint| said("x5t#S256") == Some(thumbprint))
    })
}

/// What stands before the key in a SubjectPublicKeyInfo: of a point on P-256, and of an RSA key of 2048 to 4096 bits
/// from its fifth byte on.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const RSA: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl ClientKey {
    /// A SubjectPublicKeyInfo in DER, as `openssl pkey -pubout` and KMS give it.
    pub fn from_spki(spki: impl Into<Vec<u8>>) -> Self {
        Self { spki: spki.into(), id: None, thumbprint: None }
    }

    /// The same as PEM.
    ///
    /// # Panics
    /// When it is none.
    pub fn from_pem(pem: &str) -> Self {
        Self::from_spki(der_of(pem))
    }

    /// Registered under a name, which assertions must then give as `kid`.
    #[must_use]
    pub fn with_id(self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self }
    }

    /// Registered as a certificate, as in Microsoft Entra: assertions must then give its thumbprint.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn with_certificate(self, pem: &str) -> Self {
        Self { thumbprint: Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, &der_of(pem)))), ..self }
    }

    fn verifies(&self, algorithm: &str, message: &str, signature: &[u8]) -> bool {
        let (algorithm, key): (&dyn VerificationAlgorithm, _) = match (algorithm, &self.spki[..]) {
            ("ES256", spki) if spki.starts_with(&P256) => (&ECDSA_P256_SHA256_FIXED, &spki[26..]),
            ("RS256", [_, _, _, _, rest @ ..]) if rest.starts_with(&RSA) => {
                (&RSA_PKCS1_2048_8192_SHA256, &rest[20..])
            }
            ("PS256", [_, _, _, _, rest @ ..]) if rest.starts_with(&RSA) => {
                (&RSA_PSS_2048_8192_SHA256, &rest[20..])
            }
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, key).verify(message.as_bytes(), signature).is_ok()
    }
}

fn der_of(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    match STANDARD.decode(body) {
        Ok(der) => der,
        Err(error) => panic!("no PEM: {error}"),
    }
}
