//! The issuer's keys, as it publishes them (RFC 7517).
//!
//! A key that can't be used is left out, as RFC 7517 section 5 has it, so that one of a new kind does not lock everyone
//! out. What is published says what a key is for, and no token can say otherwise (RFC 8725 section 3.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value};

use super::json::object;

/// How a token may be signed (RFC 7518 section 3.1, RFC 8037). Nothing else is: neither `none`, nor what makes a
/// signature with a secret, nor hashes that are weaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    RS256,
    PS256,
    ES256,
    ES384,
    EdDSA,
}

/// The keys that the issuer signs with.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug)]
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm that it may be used with, if it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Points, not compressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// More keys than any issuer has.
const MOST_KEYS: usize = 100;
/// RFC 8725 section 3.2 with RFC 7518 section 3.3: RSA keys have 2048 bits at least. The most that `ring` takes is 8192.
const SMALLEST_MODULUS: usize = 2048;
const LARGEST_MODULUS: usize = 8192;

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::RS256,
            "PS256" => Self::PS256,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            // RFC 9864 has the second name for what the first means with keys of this curve.
            "EdDSA" | "Ed25519" => Self::EdDSA,
            _ => return None,
        })
    }
}

impl KeySet {
    /// None for what is no JWK Set.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let set = object(bytes)?;
        let keys = set.get("keys")?.as_array().filter(|keys| keys.len() <= MOST_KEYS)?;
        Some(Self(keys.iter().filter_map(|key| Key::parse(key.as_object()?)).collect()))
    }

    /// The one key of this name for this algorithm. A token that names none is verified only where there is no choice
    /// (OpenID Connect Core 1.0 section 10.1), and a name that two keys share names neither.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let named = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let mut found = self.0.iter().filter(|key| key.fits(algorithm)).filter(named);
        let key = found.next()?;
        found.next().is_none().then_some(key)
    }
}

impl Key {
    fn parse(key: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name).map(|value| value.as_str());
        // RFC 7517 sections 4.2 and 4.3. A member of the wrong type says nothing that could be relied on.
        let for_signatures = text("use").is_none_or(|for_what| for_what == Some("sig"));
        let verifies =
            |operations: &Value| operations.as_array().is_some_and(|all| all.contains(&"verify".into()));
        // A private key that everyone can read makes everyone the issuer.
        let is_secret = ["d", "k", "p", "q"].iter().any(|name| key.contains_key(*name));
        if !for_signatures || !key.get("key_ops").is_none_or(verifies) || is_secret {
            return None;
        }
        let id = match text("kid") {
            None => None,
            Some(id) => Some(id?.to_owned()),
        };
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::parse(name?)?),
        };
        let material = Material::parse(key)?;
        Some(Self { id, algorithm, material }).filter(|key| key.algorithm.is_none_or(|only| key.fits(only)))
    }

    /// Whether the algorithm is one for this kind of key, and none that it forbids.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = matches!(
            (&self.material, algorithm),
            (Material::Rsa { .. }, Algorithm::RS256 | Algorithm::PS256)
                | (Material::P256(_), Algorithm::ES256)
                | (Material::P384(_), Algorithm::ES384)
                | (Material::Ed25519(_), Algorithm::EdDSA)
        );
        kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether the signature is good. `ring` refuses keys that are no keys too: points beside the curve (RFC 8725 section
    /// 3.4), even moduli and exponents below 3.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, Algorithm::RS256 | Algorithm::PS256) => {
                let parameters = match algorithm {
                    Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature)
            }
            (Material::P256(point), Algorithm::ES256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Material::P384(point), Algorithm::ES384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Material::Ed25519(point), Algorithm::EdDSA) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

impl Material {
    /// RFC 7518 sections 6.2.1 and 6.3.1, RFC 8037 section 2.
    fn parse(key: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name)?.as_str();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        // Coordinates have the full length of the field, zeros in front included.
        let coordinate = |name: &str, length: usize| bytes(name).filter(|bytes| bytes.len() == length);
        let point =
            |length: usize| Some([vec![4], coordinate("x", length)?, coordinate("y", length)?].concat());
        match (text("kty")?, text("crv")) {
            ("RSA", None) => {
                let (modulus, exponent) = (bytes("n")?, bytes("e")?);
                let size = bits(&modulus)?;
                (SMALLEST_MODULUS..=LARGEST_MODULUS)
                    .contains(&size)
                    .then_some(Self::Rsa { modulus, exponent })
            }
            ("EC", Some("P-256")) => point(32).map(Self::P256),
            ("EC", Some("P-384")) => point(48).map(Self::P384),
            ("OKP", Some("Ed25519")) => coordinate("x", 32).map(Self::Ed25519),
            _ => None,
        }
    }
}

/// The length of a number that is written without zeros in front.
fn bits(number: &[u8]) -> Option<usize> {
    let first = *number.first().filter(|byte| **byte != 0)?;
    Some(number.len() * 8 - first.leading_zeros() as usize)
}
