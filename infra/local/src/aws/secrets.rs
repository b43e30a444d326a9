//! Secrets Manager: the template's generated secrets, and those that a user adds for connections. One version each.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Access, Refusal};
use crate::data::{Folder, FolderError, random};
use crate::template::{Secret, Template, arn, secret_arn};

const FILE: &str = "secrets.json";

pub(crate) struct Secrets {
    /// By name.
    stored: Mutex<BTreeMap<String, Stored>>,
    folder: Folder,
}

#[derive(Clone, Deserialize, Serialize)]
struct Stored {
    arn: String,
    version: Uuid,
    value: String,
}

impl Secrets {
    /// What the folder has, and a value for each of the template's secrets that is new.
    pub(crate) fn open(template: &Template, folder: &Folder) -> Result<Self, FolderError> {
        let mut stored: BTreeMap<String, Stored> = folder.read(FILE)?.unwrap_or_default();
        for secret in &template.secrets {
            stored.entry(secret.name.clone()).or_insert_with(|| Stored {
                arn: secret.arn.clone(),
                version: Uuid::new_v4(),
                value: generated(secret),
            });
        }
        folder.write(FILE, &stored)?;
        Ok(Self { stored: Mutex::new(stored), folder: folder.clone() })
    }

    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.lock().get(name).map(|secret| secret.value.clone())
    }

    pub(crate) fn perform(&self, operation: &str, request: &Value) -> Result<Value, Refusal> {
        match operation {
            "GetSecretValue" => {
                let (name, secret) = self.find(request)?;
                let mut answer = identity(&name, &secret);
                answer["SecretString"] = secret.value.into();
                answer["VersionStages"] = json!(["AWSCURRENT"]);
                Ok(answer)
            }
            "DescribeSecret" => self.find(request).map(|(name, secret)| identity(&name, &secret)),
            "CreateSecret" => {
                let name = text(request, "Name")?;
                if self.lock().contains_key(name) {
                    return Err(Refusal::new(
                        "ResourceExistsException",
                        format!("there is a secret {name} already"),
                    ));
                }
                self.put(name.to_owned(), secret_arn(name, name), text(request, "SecretString")?)
            }
            "PutSecretValue" | "UpdateSecret" => {
                let (name, secret) = self.find(request)?;
                self.put(name, secret.arn, text(request, "SecretString")?)
            }
            "DeleteSecret" => {
                let (name, secret) = self.find(request)?;
                self.lock().remove(&name);
                self.save()?;
                Ok(json!({"ARN": secret.arn, "Name": name}))
            }
            operation => Err(Refusal::unknown_operation("Secrets Manager", operation)),
        }
    }

    /// What a call asks to be allowed; a secret that is not there has an ARN without the characters at its end.
    pub(super) fn access(&self, operation: &str, request: &Value) -> Access {
        let given = request["SecretId"].as_str().unwrap_or_default();
        let arn = match self.find(request) {
            Ok((_, secret)) => secret.arn,
            Err(_) if given.starts_with("arn:") => given.to_owned(),
            Err(_) => arn("secretsmanager", &format!("secret:{given}")),
        };
        Access::new(format!("secretsmanager:{operation}"), arn)
    }

    fn put(&self, name: String, arn: String, value: &str) -> Result<Value, Refusal> {
        let secret = Stored { arn, version: Uuid::new_v4(), value: value.to_owned() };
        let answer = identity(&name, &secret);
        self.lock().insert(name, secret);
        self.save()?;
        Ok(answer)
    }

    fn save(&self) -> Result<(), Refusal> {
        let saved = self.folder.write(FILE, &*self.lock());
        saved.map_err(|error| Refusal::new("InternalServiceError", error.to_string()))
    }

    /// A secret by its name or its ARN.
    fn find(&self, request: &Value) -> Result<(String, Stored), Refusal> {
        let given = text(request, "SecretId")?;
        let stored = self.lock();
        let found = stored.iter().find(|(name, secret)| *name == given || secret.arn == given);
        found.map(|(name, secret)| (name.clone(), secret.clone())).ok_or_else(|| {
            Refusal::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity(name: &str, secret: &Stored) -> Value {
    json!({"ARN": secret.arn, "Name": name, "VersionId": secret.version})
}

fn text<'r>(request: &'r Value, field: &str) -> Result<&'r str, Refusal> {
    request[field]
        .as_str()
        .ok_or_else(|| Refusal::new("InvalidParameterException", format!("{field} is missing")))
}

/// Characters drawn evenly from the secret's alphabet.
fn generated(secret: &Secret) -> String {
    let size = secret.alphabet.len().clamp(1, 256);
    // Bytes past the last whole multiple would favour the alphabet's beginning.
    let even = 256 / size * size;
    let mut value = String::new();
    while value.chars().count() < secret.length {
        let drawn = random::<64>().into_iter().map(usize::from).filter(|byte| *byte < even);
        let missing = secret.length - value.chars().count();
        value.extend(drawn.take(missing).filter_map(|byte| secret.alphabet.get(byte % size)));
        if secret.alphabet.is_empty() {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(folder: &Folder) -> Secrets {
        Secrets::open(&crate::template::fixture(), folder).unwrap()
    }

    #[test]
    fn a_generated_secret_is_as_the_template_asks_and_stays_the_same() {
        let folder = Folder::ephemeral();
        let first = secrets(&folder).value("root-key").unwrap();
        assert_eq!(first.len(), 43);
        assert!(first.chars().all(|character| character.is_ascii_alphanumeric()), "{first}");
        assert_eq!(secrets(&folder).value("root-key").unwrap(), first);
        assert_ne!(secrets(&Folder::ephemeral()).value("root-key").unwrap(), first);
    }

    #[test]
    fn a_secret_is_found_by_name_and_by_arn() {
        let secrets = secrets(&Folder::ephemeral());
        let made = secrets
            .perform("CreateSecret", &json!({"Name": "bifrost/connections/a", "SecretString": "s"}))
            .unwrap();
        for id in ["bifrost/connections/a", made["ARN"].as_str().unwrap()] {
            assert_eq!(
                secrets.perform("GetSecretValue", &json!({"SecretId": id})).unwrap()["SecretString"],
                "s"
            );
        }
        let refusal = secrets.perform("GetSecretValue", &json!({"SecretId": "b"})).unwrap_err();
        assert_eq!(refusal.kind, "ResourceNotFoundException");
    }

    #[test]
    fn a_secret_that_was_put_outlives_a_restart() {
        let folder = Folder::ephemeral();
        secrets(&folder).perform("CreateSecret", &json!({"Name": "a", "SecretString": "one"})).unwrap();
        secrets(&folder).perform("PutSecretValue", &json!({"SecretId": "a", "SecretString": "two"})).unwrap();
        assert_eq!(secrets(&folder).value("a").as_deref(), Some("two"));
    }
}
