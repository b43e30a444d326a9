//! The keys that clients sign assertions with (RFC 7523): reading what people give, and what is known of a key that is
//! not ours to hold.
//!
//! No more of DER (X.690) is read than it takes to tell which key it is. Whether a key is sound, `ring` says, which also
//! signs. What an assertion says is the business of `oauth::assertion`.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaEncoding, RsaKeyPair,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Secret, Timestamp, input::Field};

/// The tag that a KMS key must carry for `client_key_arn`. The functions' policy lets them use no other.
pub const KEY_TAG: (&str, &str) = ("bifrost:client-key", "true");

/// How assertions are signed, as JWS calls it (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
pub enum SigningAlgorithm {
    RS256,
    /// What Microsoft Entra asks for.
    PS256,
    ES256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    Rsa,
    P256,
}

/// A public key, as it is stored beside a connection: without it, nobody could say whether an algorithm or a certificate
/// fits a key that is sealed or stays in KMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    pub kind: KeyKind,
    /// base64url of what X.509 calls the subjectPublicKey (RFC 5280 section 4.1.2.7): an RSAPublicKey, or a point.
    key: String,
}

/// A private key that can sign.
pub struct PrivateKey(Pair);

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// A private key that a request brought, and that has been found to be one.
#[derive(Debug)]
pub struct NewPrivateKey {
    pub pem: Secret,
    pub public: PublicKey,
}

/// An X.509 certificate, as PEM. Public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Certificate(String);

/// The longest PEM text that is read; an RSA key of 4096 bits takes 3.3 KB, a certificate seldom more than 3.
const MAX_PEM: usize = 16 * 1024;
/// RFC 7518 section 3.3: a key of 2048 bits or larger must be used.
const SMALLEST_MODULUS: usize = 2048 / 8;

impl SigningAlgorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
        }
    }

    /// The kind of key that it takes.
    pub fn kind(self) -> KeyKind {
        match self {
            Self::RS256 | Self::PS256 => KeyKind::Rsa,
            Self::ES256 => KeyKind::P256,
        }
    }
}

impl KeyKind {
    /// What every provider understands, where nothing else is asked for.
    pub fn default_algorithm(self) -> SigningAlgorithm {
        match self {
            Self::Rsa => SigningAlgorithm::RS256,
            Self::P256 => SigningAlgorithm::ES256,
        }
    }

    /// To follow "a key of the kind".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
        }
    }
}

impl PublicKey {
    /// From a SubjectPublicKeyInfo in DER, as KMS and certificates have it. None: of a kind that can't be used.
    pub fn from_spki(spki: &[u8]) -> Option<Self> {
        let (info, []) = element(SEQUENCE, spki)? else { return None };
        let (algorithm, rest) = element(SEQUENCE, info)?;
        let (identifier, parameters) = element(OBJECT_IDENTIFIER, algorithm)?;
        let ([0, key @ ..], []) = element(BIT_STRING, rest)? else { return None };
        match identifier {
            RSA_ENCRYPTION if modulus_length(key)? >= SMALLEST_MODULUS => Some(Self::new(KeyKind::Rsa, key)),
            EC_PUBLIC_KEY if element(OBJECT_IDENTIFIER, parameters)?.0 == PRIME256V1 => {
                Some(Self::new(KeyKind::P256, key))
            }
            _ => None,
        }
    }

    fn new(kind: KeyKind, key: &[u8]) -> Self {
        Self { kind, key: URL_SAFE_NO_PAD.encode(key) }
    }
}

impl PrivateKey {
    /// From PEM, as a sealed one is opened. An error says what is wrong and what helps, to follow the field's name.
    pub fn parse(pem: &Secret) -> Result<Self, String> {
        let (label, der) =
            pem_block(pem.expose()).ok_or_else(|| format!("must be {}", NewPrivateKey::EXPECTED))?;
        match label {
            "PRIVATE KEY" => {}
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                return Err(format!(
                    "is a PEM {label}: `openssl pkey -in key.pem` makes the PRIVATE KEY of it that belongs here"
                ));
            }
            _ => return Err("must be a private key, and this is something else in PEM".to_owned()),
        }
        let rsa = match RsaKeyPair::from_pkcs8(&der) {
            Ok(pair) => return Ok(Self(Pair::Rsa(pair))),
            Err(rejected) => rejected.to_string(),
        };
        let random = SystemRandom::new();
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random) {
            Ok(pair) => Ok(Self(Pair::P256(pair))),
            Err(_) if rsa == "TooSmall" => Err("is an RSA key of less than 2048 bits: make a larger one".to_owned()),
            Err(_) if rsa == "TooLarge" => Err("is an RSA key of more than 4096 bits: make a smaller one".to_owned()),
            Err(_) => Err("must be an RSA key of 2048 to 4096 bits, or an EC key on the curve P-256 with its public key \
                           in it: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048` makes one"
                .to_owned()),
        }
    }

    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Pair::Rsa(pair) => PublicKey::new(KeyKind::Rsa, pair.public_key().as_ref()),
            Pair::P256(pair) => PublicKey::new(KeyKind::P256, pair.public_key().as_ref()),
        }
    }

    /// The signature as JWS has it (RFC 7518 sections 3.3 to 3.5). None: the algorithm is not for this key.
    pub fn sign(&self, algorithm: SigningAlgorithm, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let rsa = |pair: &RsaKeyPair, padding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &random, message, &mut signature).ok().map(|()| signature)
        };
        match (&self.0, algorithm) {
            (Pair::Rsa(pair), SigningAlgorithm::RS256) => rsa(pair, &RSA_PKCS1_SHA256),
            (Pair::Rsa(pair), SigningAlgorithm::PS256) => rsa(pair, &RSA_PSS_SHA256),
            (Pair::P256(pair), SigningAlgorithm::ES256) => {
                pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
            }
            (Pair::Rsa(_), SigningAlgorithm::ES256)
            | (Pair::P256(_), SigningAlgorithm::RS256 | SigningAlgorithm::PS256) => None,
        }
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Certificate {
    fn parse(pem: &str) -> Result<Self, String> {
        let block = pem_block(pem).filter(|(label, _)| *label == "CERTIFICATE");
        let (_, der) = block.ok_or_else(|| format!("must be {}", Self::EXPECTED))?;
        if Parts::of(&der).is_none() {
            return Err(
                "is no X.509 certificate of an RSA key of 2048 bits or more, or of an EC key on P-256"
                    .to_owned(),
            );
        }
        Ok(Self(pem.trim().to_owned()))
    }

    fn der(&self) -> Zeroizing<Vec<u8>> {
        pem_block(&self.0).map(|(_, der)| der).unwrap_or_default()
    }

    /// None only if it was stored by something else than us.
    pub fn public_key(&self) -> Option<PublicKey> {
        Parts::of(&self.der()).map(|parts| parts.public_key)
    }

    pub fn not_after(&self) -> Option<Timestamp> {
        Parts::of(&self.der())?.not_after
    }

    /// `x5t#S256` (RFC 7515 section 4.1.8).
    pub fn sha256_thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.der()))
    }

    /// `x5t` (RFC 7515 section 4.1.7), which names a certificate and protects nothing.
    pub fn sha1_thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der()))
    }
}

/// What we want to know of a certificate (RFC 5280 section 4.1).
struct Parts {
    public_key: PublicKey,
    not_after: Option<Timestamp>,
}

impl Parts {
    fn of(der: &[u8]) -> Option<Self> {
        let (certificate, []) = element(SEQUENCE, der)? else { return None };
        let (signed, _) = element(SEQUENCE, certificate)?;
        // The version is left out of certificates of version 1.
        let signed = element(VERSION, signed).map_or(signed, |(_, rest)| rest);
        let (_serial, rest) = element(INTEGER, signed)?;
        let (_algorithm, rest) = element(SEQUENCE, rest)?;
        let (_issuer, rest) = element(SEQUENCE, rest)?;
        let (validity, rest) = element(SEQUENCE, rest)?;
        let (_subject, rest) = element(SEQUENCE, rest)?;
        let (_, after) = element(SEQUENCE, rest)?;
        let info = &rest[..rest.len() - after.len()];
        Some(Self { public_key: PublicKey::from_spki(info)?, not_after: not_after(validity) })
    }
}

/// RFC 5280 section 4.1.2.5: UTCTime, whose years below 50 are those of this century, or GeneralizedTime.
fn not_after(validity: &[u8]) -> Option<Timestamp> {
    let (_, _, after) = any_element(validity)?;
    let (tag, time, _) = any_element(after)?;
    let time = std::str::from_utf8(time).ok().filter(|time| time.is_ascii())?;
    let digits = match tag {
        UTC_TIME if time.len() == 13 => format!("{}{time}", if time < "50" { "20" } else { "19" }),
        GENERALIZED_TIME if time.len() == 15 => time.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| &digits[from..to];
    let date = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
    format!("{date}T{}:{}:{}Z", part(8, 10), part(10, 12), part(12, 14)).parse().ok()
}

/// An ECDSA signature as KMS gives it (RFC 3279 section 2.2.3), in the form of JWS: both numbers in 32 bytes each (RFC
/// 7518 section 3.4).
pub fn p256_signature_of_der(der: &[u8]) -> Option<Vec<u8>> {
    let (numbers, []) = element(SEQUENCE, der)? else { return None };
    let (r, rest) = element(INTEGER, numbers)?;
    let (s, []) = element(INTEGER, rest)? else { return None };
    let mut signature = Vec::with_capacity(64);
    for number in [r, s] {
        // One more byte where the first bit would otherwise make it negative.
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        let missing = 32_usize.checked_sub(number.len())?;
        signature.extend(std::iter::repeat_n(0, missing));
        signature.extend_from_slice(number);
    }
    Some(signature)
}

/// The length in bytes of an RSAPublicKey's modulus (RFC 8017 appendix A.1.1).
fn modulus_length(key: &[u8]) -> Option<usize> {
    let (numbers, []) = element(SEQUENCE, key)? else { return None };
    let (modulus, _) = element(INTEGER, numbers)?;
    Some(modulus.strip_prefix(&[0]).unwrap_or(modulus).len())
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7, which NIST calls P-256.
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// What an element of this kind holds, and what comes after it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    any_element(der).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// A DER element: its tag, what it holds, and what comes after it.
fn any_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else { return None };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        // Longer than any PEM text that is read, after three bytes.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// What a text that is one PEM block (RFC 7468) says it is, and its bytes.
fn pem_block(text: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let (label, rest) = text.trim().strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let body = rest.strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")?;
    let body: Zeroizing<Vec<u8>> =
        Zeroizing::new(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    STANDARD.decode(&*body).ok().map(|der| (label, Zeroizing::new(der)))
}

described!(NewPrivateKey: {
    "description": "PEM, PKCS#8, not encrypted: RSA of 2048 to 4096 bits, or EC on P-256. For client_auth private_key_jwt.",
    "type": "string", "minLength": 1, "maxLength": MAX_PEM, "writeOnly": true,
    "pattern": "^\\s*-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\\s]*-----END PRIVATE KEY-----\\s*$",
});

impl Field for NewPrivateKey {
    const EXPECTED: &'static str = "one PEM text that begins with -----BEGIN PRIVATE KEY----- (PKCS#8)";

    fn from_json(value: Value) -> Result<Self, String> {
        let pem = pem_text(value, Self::EXPECTED).map(Secret::from)?;
        let public = PrivateKey::parse(&pem)?.public_key();
        Ok(Self { pem, public })
    }
}

described!(Certificate: {
    "description": "PEM, and public: the certificate of the key that signs, whose thumbprints Microsoft Entra knows it by.",
    "type": "string", "minLength": 1, "maxLength": MAX_PEM,
    "pattern": "^\\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]*-----END CERTIFICATE-----\\s*$",
});

impl Field for Certificate {
    const EXPECTED: &'static str = "one PEM text that begins with -----BEGIN CERTIFICATE-----";

    fn from_json(value: Value) -> Result<Self, String> {
        pem_text(value, Self::EXPECTED).and_then(|pem| Self::parse(&pem))
    }
}

fn pem_text(value: Value, expected: &str) -> Result<String, String> {
    match value {
        Value::String(text) if text.len() > MAX_PEM => Err("may take 16 KiB at most".to_owned()),
        Value::String(text) => Ok(text),
        _ => Err(format!("must be {expected}")),
    }
}

/// The ARN of a KMS key; an empty one counts as none.
pub(super) struct KeyArn(pub(super) Option<String>);

described!(KeyArn: {
    "description": "A KMS key for signing, of this stack's account and region, with the tag bifrost:client-key = true. The \
        private key never leaves KMS. Admins only; not together with client_private_key.",
    "type": "string",
    "pattern": "^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64})?$",
});

impl Field for KeyArn {
    const EXPECTED: &'static str = "the ARN of a KMS key";

    fn from_json(value: Value) -> Result<Self, String> {
        let arn = String::from_json(value)?;
        if arn.is_empty() {
            return Ok(Self(None));
        }
        check_key_arn(&arn)?;
        Ok(Self(Some(arn)))
    }
}

/// Checked when it is set and again when it is used. An alias is not taken: who may move it could have another key used.
pub fn check_key_arn(arn: &str) -> Result<(), String> {
    let expected = || {
        "must be the ARN of a KMS key, such as arn:aws:kms:us-east-1:111122223333:key/1234abcd-…".to_owned()
    };
    let parts: Vec<&str> = arn.split(':').collect();
    let &["arn", partition, "kms", region, account, resource] = parts.as_slice() else {
        return Err(expected());
    };
    let lower = |text: &str, digits: bool| {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || (digits && byte.is_ascii_digit());
        !text.is_empty() && text.bytes().all(allowed)
    };
    let id = resource.strip_prefix("key/").unwrap_or_default();
    let is_id =
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if partition.starts_with("aws") && lower(partition, false) && lower(region, true) && is_account && is_id {
        Ok(())
    } else {
        Err(expected())
    }
}

/// The name of a key that a provider knows several of (`kid`, RFC 7515 section 4.1.4); an empty one counts as none.
pub(super) struct KeyId(pub(super) Option<String>);

const MAX_KEY_ID: usize = 256;

described!(KeyId: {
    "description": "What the provider calls the key: the `kid` of assertions. At most 256 bytes.",
    "type": "string", "maxLength": MAX_KEY_ID, "pattern": super::input::NO_CONTROL_CHARACTERS,
});

impl Field for KeyId {
    const EXPECTED: &'static str = "the name that the provider has for the key";

    fn from_json(value: Value) -> Result<Self, String> {
        let id = String::from_json(value)?;
        if id.len() > MAX_KEY_ID || id.chars().any(char::is_control) {
            return Err("may be 256 bytes long at most, without control characters".to_owned());
        }
        Ok(Self((!id.is_empty()).then_some(id)))
    }
}

#[cfg(test)]
pub(crate) mod tests;
