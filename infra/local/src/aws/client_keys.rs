//! KMS keys for signing, which people make for connections with `CreateKey`: they sign for the functions, and show their
//! public half.
//!
//! Making RSA keys takes a library that nothing else here needs, so every RSA key of a local stack is the one in
//! `rsa-2048.pem`: fit for trying things out, and for nothing else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Refusal;
use crate::data::{Folder, FolderError};
use crate::template::{ACCOUNT, REGION};

const FILE: &str = "kms-client-keys.json";

const RSA_2048: &str = include_str!("rsa-2048.pem");

/// The longest message that KMS takes.
const LONGEST_MESSAGE: usize = 4096;

pub(super) struct ClientKeys {
    /// By id.
    stored: Mutex<BTreeMap<String, Stored>>,
    folder: Folder,
}

#[derive(Clone, Deserialize, Serialize)]
struct Stored {
    spec: Spec,
    /// base64 of PKCS#8.
    material: String,
    tags: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Spec {
    #[serde(rename = "RSA_2048")]
    Rsa2048,
    EccNistP256,
}

impl Spec {
    fn algorithms(self) -> &'static [&'static str] {
        match self {
            Self::Rsa2048 => &["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"],
            Self::EccNistP256 => &["ECDSA_SHA_256"],
        }
    }
}

impl ClientKeys {
    pub(super) fn open(folder: &Folder) -> Result<Self, FolderError> {
        Ok(Self { stored: Mutex::new(folder.read(FILE)?.unwrap_or_default()), folder: folder.clone() })
    }

    /// None: the operation, or the key, is not one of these.
    pub(super) fn perform(&self, operation: &str, request: &Value) -> Option<Result<Value, Refusal>> {
        if operation == "CreateKey" && request["KeyUsage"] == "SIGN_VERIFY" {
            return Some(self.create(request));
        }
        let id = self.find(request)?;
        Some(match operation {
            "TagResource" => self.change_tags(&id, |stored| {
                stored.extend(tags(request)?);
                Ok(())
            }),
            "UntagResource" => self.change_tags(&id, |stored| {
                let keys = request["TagKeys"].as_array().ok_or_else(|| invalid("TagKeys is missing"))?;
                stored.retain(|key, _| !keys.iter().any(|gone| gone == key));
                Ok(())
            }),
            "GetPublicKey" => self.stored(&id).and_then(|stored| public_key(&id, &stored)),
            "Sign" => self.stored(&id).and_then(|stored| sign(&id, &stored, request)),
            operation => Err(Refusal::unknown_operation("KMS", operation)),
        })
    }

    fn create(&self, request: &Value) -> Result<Value, Refusal> {
        let Ok(spec) = serde_json::from_value::<Spec>(request["KeySpec"].clone()) else {
            return Err(invalid("the local KMS knows the KeySpecs RSA_2048 and ECC_NIST_P256 for signing"));
        };
        let material = match spec {
            Spec::Rsa2048 => RSA_2048.lines().filter(|line| !line.starts_with('-')).collect(),
            Spec::EccNistP256 => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
                STANDARD.encode(made.map_err(broken)?)
            }
        };
        let tags = if request["Tags"].is_null() { BTreeMap::new() } else { tags(request)? };
        let id = Uuid::new_v4().to_string();
        self.lock().insert(id.clone(), Stored { spec, material, tags });
        self.save()?;
        Ok(json!({"KeyMetadata": {
            "KeyId": id, "Arn": arn(&id), "Enabled": true, "KeyState": "Enabled", "KeySpec": spec,
            "KeyUsage": "SIGN_VERIFY", "KeyManager": "CUSTOMER", "SigningAlgorithms": spec.algorithms(),
        }}))
    }

    fn change_tags(
        &self,
        id: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal>,
    ) -> Result<Value, Refusal> {
        if let Some(stored) = self.lock().get_mut(id) {
            change(&mut stored.tags)?;
        }
        self.save()?;
        Ok(json!({}))
    }

    /// The ARN and the tags of the key that is meant, for the functions' policies.
    pub(super) fn described(&self, request: &Value) -> Option<(String, BTreeMap<String, String>)> {
        let id = self.find(request)?;
        Some((arn(&id), self.stored(&id).ok()?.tags))
    }

    fn stored(&self, id: &str) -> Result<Stored, Refusal> {
        let missing = || Refusal::new("NotFoundException", format!("there is no key {}", arn(id)));
        self.lock().get(id).cloned().ok_or_else(missing)
    }

    /// The id of the key that is meant by its id or its ARN.
    fn find(&self, request: &Value) -> Option<String> {
        let given = request["KeyId"].as_str()?;
        self.lock().keys().find(|id| *id == given || arn(id) == given).cloned()
    }

    fn save(&self) -> Result<(), Refusal> {
        let saved = self.folder.write(FILE, &*self.lock());
        saved.map_err(|error| Refusal::new("KMSInternalException", error.to_string()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn arn(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

fn tags(request: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let pairs = request["Tags"].as_array().ok_or_else(|| invalid("Tags is missing"))?;
    let pair = |tag: &Value| Some((tag["TagKey"].as_str()?.to_owned(), tag["TagValue"].as_str()?.to_owned()));
    pairs.iter().map(|tag| pair(tag).ok_or_else(|| invalid("a tag has a TagKey and a TagValue"))).collect()
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

fn pair(stored: &Stored) -> Result<Pair, Refusal> {
    let pkcs8 = STANDARD.decode(&stored.material).map_err(broken)?;
    Ok(match stored.spec {
        Spec::Rsa2048 => Pair::Rsa(RsaKeyPair::from_pkcs8(&pkcs8).map_err(broken)?),
        Spec::EccNistP256 => {
            let random = SystemRandom::new();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random);
            Pair::P256(pair.map_err(broken)?)
        }
    })
}

fn public_key(id: &str, stored: &Stored) -> Result<Value, Refusal> {
    // What stands before the key itself in a SubjectPublicKeyInfo (RFC 5280 section 4.1) of these sizes.
    let spki = match pair(stored)? {
        Pair::Rsa(pair) => {
            let algorithm =
                [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
            let key = pair.public_key().as_ref();
            let bits = [&long_header(0x03, key.len() + 1)[..], &[0], key].concat();
            [&long_header(0x30, algorithm.len() + bits.len())[..], &algorithm, &bits].concat()
        }
        Pair::P256(pair) => {
            let before = [
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
                0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ];
            [&before[..], pair.public_key().as_ref()].concat()
        }
    };
    Ok(json!({
        "KeyId": arn(id), "PublicKey": STANDARD.encode(spki), "KeySpec": stored.spec, "KeyUsage": "SIGN_VERIFY",
        "SigningAlgorithms": stored.spec.algorithms(),
    }))
}

/// The tag and length of a DER element of 256 to 65,535 bytes.
fn long_header(tag: u8, length: usize) -> [u8; 4] {
    let [.., high, low] = length.to_be_bytes();
    [tag, 0x82, high, low]
}

fn sign(id: &str, stored: &Stored, request: &Value) -> Result<Value, Refusal> {
    let algorithm = request["SigningAlgorithm"].as_str().unwrap_or_default();
    if !stored.spec.algorithms().contains(&algorithm) {
        return Err(Refusal::new(
            "InvalidKeyUsageException",
            format!("this key does not sign by {algorithm:?}"),
        ));
    }
    // RAW is the default of KMS too.
    if request["MessageType"].as_str().is_some_and(|kind| kind != "RAW") {
        return Err(invalid("the local KMS signs a MessageType RAW, which it hashes itself"));
    }
    let message = request["Message"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let message = message.filter(|message| (1..=LONGEST_MESSAGE).contains(&message.len()));
    let message = message.ok_or_else(|| invalid("Message must be base64 of 1 to 4096 bytes"))?;
    let random = SystemRandom::new();
    let signature = match pair(stored)? {
        Pair::P256(pair) => pair.sign(&random, &message).map_err(broken)?.as_ref().to_vec(),
        Pair::Rsa(pair) => {
            let pss = algorithm == "RSASSA_PSS_SHA_256";
            let padding: &'static dyn RsaEncoding = if pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &random, &message, &mut signature).map_err(broken)?;
            signature
        }
    };
    Ok(json!({"KeyId": arn(id), "Signature": STANDARD.encode(signature), "SigningAlgorithm": algorithm}))
}

fn invalid(message: &str) -> Refusal {
    Refusal::new("ValidationException", message)
}

fn broken(_: impl std::fmt::Debug) -> Refusal {
    Refusal::new("KMSInternalException", "the key can't be used")
}

#[cfg(test)]
mod tests {
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };

    use super::*;

    fn perform(keys: &ClientKeys, operation: &str, request: Value) -> Result<Value, Refusal> {
        keys.perform(operation, &request).unwrap()
    }

    fn create(keys: &ClientKeys, spec: &str) -> Value {
        let made = perform(keys, "CreateKey", json!({"KeyUsage": "SIGN_VERIFY", "KeySpec": spec}));
        made.unwrap()["KeyMetadata"]["Arn"].clone()
    }

    fn sign(keys: &ClientKeys, key: &Value, algorithm: &str) -> Result<Value, Refusal> {
        let message = STANDARD.encode("message");
        perform(keys, "Sign", json!({"KeyId": key, "Message": message, "SigningAlgorithm": algorithm}))
    }

    #[test]
    fn a_key_signs_what_its_public_half_verifies() {
        let keys = ClientKeys::open(&Folder::ephemeral()).unwrap();
        let algorithms: [(&str, &str, usize, &dyn VerificationAlgorithm); 3] = [
            ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", 24, &RSA_PKCS1_2048_8192_SHA256),
            ("RSA_2048", "RSASSA_PSS_SHA_256", 24, &RSA_PSS_2048_8192_SHA256),
            ("ECC_NIST_P256", "ECDSA_SHA_256", 26, &ECDSA_P256_SHA256_ASN1),
        ];
        for (spec, name, header, algorithm) in algorithms {
            let key = create(&keys, spec);
            let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
            let public = perform(&keys, "GetPublicKey", json!({"KeyId": key})).unwrap();
            let public = bytes(&public["PublicKey"]);
            let signature = bytes(&sign(&keys, &key, name).unwrap()["Signature"]);
            let verified =
                UnparsedPublicKey::new(algorithm, &public[header..]).verify(b"message", &signature);
            assert!(verified.is_ok(), "{name}");
        }
    }

    #[test]
    fn a_key_is_described_with_the_tags_that_it_has_by_now() {
        let keys = ClientKeys::open(&Folder::ephemeral()).unwrap();
        let key = create(&keys, "ECC_NIST_P256");
        let tags = || keys.described(&json!({"KeyId": key})).unwrap().1;
        assert!(tags().is_empty());
        let tag = json!({"KeyId": key, "Tags": [{"TagKey": "for", "TagValue": "clients"}]});
        perform(&keys, "TagResource", tag).unwrap();
        assert_eq!(tags()["for"], "clients");
        perform(&keys, "UntagResource", json!({"KeyId": key, "TagKeys": ["for"]})).unwrap();
        assert!(tags().is_empty());
    }

    #[test]
    fn a_key_is_there_after_a_restart_and_signs_by_its_own_algorithms_alone() {
        let folder = Folder::ephemeral();
        let key = create(&ClientKeys::open(&folder).unwrap(), "ECC_NIST_P256");
        let keys = ClientKeys::open(&folder).unwrap();
        assert!(sign(&keys, &key, "ECDSA_SHA_256").is_ok());
        assert_eq!(sign(&keys, &key, "RSASSA_PSS_SHA_256").unwrap_err().kind, "InvalidKeyUsageException");
        assert!(keys.perform("Sign", &json!({"KeyId": "another"})).is_none());
    }
}
