//! KMS, as much of it as envelope encryption needs: data keys made and unwrapped under the template's keys, or under others
//! made with `CreateKey`, bound to their encryption context as in AWS. Keys for signing are in `client_keys`.
//!
//! Key material lies in the data folder, so that ciphertexts open after a restart; losing it loses everything sealed. It
//! outlives its place in the template, as in AWS.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client_keys::ClientKeys;
use super::{Access, Refusal};
use crate::data::{Folder, FolderError, random};
use crate::template::{Key, Template, arn};

const FILE: &str = "kms.json";

/// A ciphertext starts with the id of its key, in KMS's own length.
const KEY_ID_LENGTH: usize = 36;

type Context = BTreeMap<String, String>;

pub(crate) struct Kms {
    /// By id: base64 of 32 bytes.
    materials: Mutex<BTreeMap<String, String>>,
    aliases: BTreeMap<String, String>,
    client_keys: ClientKeys,
    folder: Folder,
}

impl Kms {
    /// The keys that the folder has, and new ones for those of the template that are not among them, which it then keeps.
    pub(crate) fn open(template: &Template, folder: &Folder) -> Result<Self, FolderError> {
        let mut materials: BTreeMap<String, String> = folder.read(FILE)?.unwrap_or_default();
        let before = materials.len();
        for key in &template.keys {
            materials.entry(key.id.clone()).or_insert_with(material);
        }
        if materials.values().any(|material| usable(material).is_none()) {
            return Err(folder.damaged(FILE, "a key in it is not 32 bytes"));
        }
        if materials.len() > before {
            folder.write(FILE, &materials)?;
        }
        Ok(Self {
            materials: Mutex::new(materials),
            aliases: template.aliases.clone(),
            client_keys: ClientKeys::open(folder)?,
            folder: folder.clone(),
        })
    }

    pub(crate) fn perform(&self, operation: &str, request: &Value) -> Result<Value, Refusal> {
        if let Some(answer) = self.client_keys.perform(operation, request) {
            return answer;
        }
        match operation {
            // Of a key that is none for signing, or none at all.
            "Sign" | "GetPublicKey" => Err(match self.key(request) {
                Ok(_) => Refusal::new("InvalidKeyUsageException", "this key seals, and signs nothing"),
                Err(unknown) => unknown,
            }),
            "CreateKey" => self.create(request),
            "GenerateDataKey" => self.generate_data_key(request, true),
            "GenerateDataKeyWithoutPlaintext" => self.generate_data_key(request, false),
            "Encrypt" => {
                let (key, material) = self.key(request)?;
                let sealed = seal(&key, &material, &bytes(request, "Plaintext")?, &context(request)?)?;
                Ok(
                    json!({"CiphertextBlob": STANDARD.encode(sealed), "KeyId": key.arn, "EncryptionAlgorithm": ALGORITHM}),
                )
            }
            "Decrypt" => self.decrypt(request),
            "DescribeKey" => {
                let (key, _) = self.key(request)?;
                Ok(metadata(&key))
            }
            operation => Err(Refusal::unknown_operation("KMS", operation)),
        }
    }

    /// What a call asks to be allowed. None: there is no such key, which KMS says before it asks any policy.
    pub(super) fn access(&self, operation: &str, request: &Value) -> Option<Access> {
        let (arn, tags) = match self.client_keys.described(request) {
            Some(described) => described,
            None => (self.key(request).ok()?.0.arn, Context::new()),
        };
        let mut access = Access::new(format!("kms:{operation}"), arn);
        for (tag, value) in tags {
            access = access.with(format!("aws:ResourceTag/{tag}"), vec![value]);
        }
        let context = context(request).unwrap_or_default();
        if !context.is_empty() {
            access = access.with("kms:EncryptionContextKeys", context.keys().cloned().collect());
        }
        for (key, value) in context {
            access = access.with(format!("kms:EncryptionContext:{key}"), vec![value]);
        }
        Some(access)
    }

    fn create(&self, request: &Value) -> Result<Value, Refusal> {
        let is = |field: &str, known: &str| request[field].as_str().is_none_or(|given| given == known);
        if !is("KeyUsage", "ENCRYPT_DECRYPT") || !is("KeySpec", ALGORITHM) {
            let message = "the local KMS makes keys for SIGN_VERIFY, and of the KeySpec SYMMETRIC_DEFAULT";
            return Err(Refusal::new("ValidationException", message));
        }
        let key = key_of(Uuid::new_v4().to_string());
        let mut materials = self.lock();
        materials.insert(key.id.clone(), material());
        let saved = self.folder.write(FILE, &*materials);
        saved.map_err(|error| Refusal::new("KMSInternalException", error.to_string()))?;
        Ok(metadata(&key))
    }

    fn generate_data_key(&self, request: &Value, with_plaintext: bool) -> Result<Value, Refusal> {
        let (key, material) = self.key(request)?;
        let length = match (request["KeySpec"].as_str(), request["NumberOfBytes"].as_u64()) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (None, Some(length @ 1..=1024)) => length,
            _ => {
                return Err(Refusal::new("ValidationException", "give either KeySpec or NumberOfBytes"));
            }
        };
        let plain: Vec<u8> =
            random::<1024>().into_iter().take(usize::try_from(length).unwrap_or(32)).collect();
        let sealed = seal(&key, &material, &plain, &context(request)?)?;
        let mut answer = json!({"CiphertextBlob": STANDARD.encode(sealed), "KeyId": key.arn});
        if with_plaintext {
            answer["Plaintext"] = STANDARD.encode(plain).into();
        }
        Ok(answer)
    }

    fn decrypt(&self, request: &Value) -> Result<Value, Refusal> {
        let sealed = bytes(request, "CiphertextBlob")?;
        let (id, sealed) = sealed.split_at_checked(KEY_ID_LENGTH).ok_or_else(invalid_ciphertext)?;
        let id = std::str::from_utf8(id).map_err(|_| invalid_ciphertext())?;
        let (key, material) = self.known(id).ok_or_else(invalid_ciphertext)?;
        if !request["KeyId"].is_null() && self.key(request)?.0.id != key.id {
            return Err(Refusal::new("IncorrectKeyException", "the ciphertext belongs to another key"));
        }
        let plain = open(&material, sealed, &context(request)?).ok_or_else(invalid_ciphertext)?;
        Ok(json!({"Plaintext": STANDARD.encode(plain), "KeyId": key.arn, "EncryptionAlgorithm": ALGORITHM}))
    }

    /// A key by its id, its ARN, its alias or its alias's ARN.
    fn key(&self, request: &Value) -> Result<(Key, LessSafeKey), Refusal> {
        let given = request["KeyId"].as_str().unwrap_or_default();
        let alias =
            given.rsplit_once(":alias/").map_or(given.to_owned(), |(_, name)| format!("alias/{name}"));
        let wanted = self.aliases.get(&alias).map_or(given, String::as_str);
        let id = wanted.rsplit_once(":key/").map_or(wanted, |(_, id)| id);
        self.known(id)
            .filter(|(key, _)| [&key.id, &key.arn].iter().any(|name| *name == wanted))
            .ok_or_else(|| Refusal::new("NotFoundException", format!("there is no key {given:?}")))
    }

    fn known(&self, id: &str) -> Option<(Key, LessSafeKey)> {
        let material = usable(self.lock().get(id)?)?;
        Some((key_of(id.to_owned()), material))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.materials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(id: String) -> Key {
    Key { arn: arn("kms", &format!("key/{id}")), id }
}

fn material() -> String {
    STANDARD.encode(random::<32>())
}

fn usable(material: &str) -> Option<LessSafeKey> {
    let bytes = STANDARD.decode(material).ok()?;
    UnboundKey::new(&AES_256_GCM, &bytes).ok().map(LessSafeKey::new)
}

fn metadata(key: &Key) -> Value {
    json!({"KeyMetadata": {
        "KeyId": key.id, "Arn": key.arn, "Enabled": true, "KeyState": "Enabled",
        "KeySpec": ALGORITHM, "KeyUsage": "ENCRYPT_DECRYPT", "KeyManager": "CUSTOMER",
    }})
}

const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

fn seal(key: &Key, material: &LessSafeKey, plain: &[u8], context: &Context) -> Result<Vec<u8>, Refusal> {
    let nonce = random::<NONCE_LEN>();
    let mut sealed = plain.to_vec();
    material
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), associated_data(context), &mut sealed)
        .map_err(|_| Refusal::new("KMSInternalException", "could not be sealed"))?;
    Ok([key.id.as_bytes(), &nonce, &sealed].concat())
}

fn open(material: &LessSafeKey, sealed: &[u8], context: &Context) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    material.open_in_place(nonce, associated_data(context), &mut sealed).ok().map(|plain| plain.to_vec())
}

/// In the order of its names, so that the order in a request does not matter.
fn associated_data(context: &Context) -> Aad<Vec<u8>> {
    Aad::from(serde_json::to_vec(context).unwrap_or_default())
}

fn context(request: &Value) -> Result<Context, Refusal> {
    match &request["EncryptionContext"] {
        Value::Null => Ok(Context::new()),
        context => serde_json::from_value(context.clone())
            .map_err(|_| Refusal::new("SerializationException", "EncryptionContext is not a map of text")),
    }
}

fn bytes(request: &Value, field: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = request[field].as_str().and_then(|text| STANDARD.decode(text).ok());
    decoded.ok_or_else(|| Refusal::new("SerializationException", format!("{field} is not base64")))
}

fn invalid_ciphertext() -> Refusal {
    Refusal::new("InvalidCiphertextException", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kms(folder: &Folder) -> Kms {
        let template = crate::template::fixture();
        Kms::open(&template, folder).unwrap()
    }

    fn arn_of(kms: &Kms) -> String {
        key_of(kms.lock().keys().next().unwrap().clone()).arn
    }

    fn generate(kms: &Kms, context: Value) -> Value {
        let key = arn_of(kms);
        let request = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context});
        kms.perform("GenerateDataKey", &request).unwrap()
    }

    #[test]
    fn a_data_key_opens_with_its_context_and_with_no_other() {
        let kms = kms(&Folder::ephemeral());
        let made = generate(&kms, json!({"scope": "a", "key": "1"}));
        let decrypt = |context: Value| {
            kms.perform(
                "Decrypt",
                &json!({"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": context}),
            )
        };
        assert_eq!(decrypt(json!({"key": "1", "scope": "a"})).unwrap()["Plaintext"], made["Plaintext"]);
        assert_eq!(
            decrypt(json!({"key": "1", "scope": "b"})).unwrap_err().kind,
            "InvalidCiphertextException"
        );
        assert_eq!(decrypt(Value::Null).unwrap_err().kind, "InvalidCiphertextException");
    }

    #[test]
    fn a_data_key_opens_after_a_restart() {
        let folder = Folder::ephemeral();
        let made = generate(&kms(&folder), Value::Null);
        let opened =
            kms(&folder).perform("Decrypt", &json!({"CiphertextBlob": made["CiphertextBlob"]})).unwrap();
        assert_eq!(opened["Plaintext"], made["Plaintext"]);
    }

    #[test]
    fn a_key_that_was_made_by_hand_wraps_after_a_restart_and_opens_nothing_of_others() {
        let folder = Folder::ephemeral();
        let made = kms(&folder).perform("CreateKey", &json!({"Description": "another"})).unwrap();
        let arn = &made["KeyMetadata"]["Arn"];
        let kms = kms(&folder);
        let wrapped = kms.perform("GenerateDataKey", &json!({"KeyId": arn, "KeySpec": "AES_256"})).unwrap();
        let decrypt = |key: &Value| {
            kms.perform("Decrypt", &json!({"CiphertextBlob": wrapped["CiphertextBlob"], "KeyId": key}))
        };
        assert_eq!(decrypt(arn).unwrap()["Plaintext"], wrapped["Plaintext"]);
        let others = kms.lock().keys().map(|id| key_of(id.clone()).arn).find(|other| other != arn).unwrap();
        assert_eq!(decrypt(&others.into()).unwrap_err().kind, "IncorrectKeyException");
    }

    #[test]
    fn a_key_is_found_by_id_arn_and_alias() {
        let kms = kms(&Folder::ephemeral());
        let arn = arn_of(&kms);
        let id = arn.rsplit_once('/').unwrap().1.to_owned();
        for name in [
            id,
            arn,
            "alias/sealing".to_owned(),
            "arn:aws:kms:us-east-1:000000000000:alias/sealing".to_owned(),
        ] {
            assert!(kms.perform("DescribeKey", &json!({"KeyId": name})).is_ok(), "{name}");
        }
        let refusal = kms.perform("DescribeKey", &json!({"KeyId": "alias/other"})).unwrap_err();
        assert_eq!(refusal.kind, "NotFoundException");
    }

    #[test]
    fn an_operation_that_is_not_there_is_named_in_the_refusal() {
        let refusal = kms(&Folder::ephemeral()).perform("ScheduleKeyDeletion", &Value::Null).unwrap_err();
        assert!(refusal.message.contains("ScheduleKeyDeletion"), "{}", refusal.message);
    }
}
