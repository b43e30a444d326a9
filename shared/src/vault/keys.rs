//! Data keys: made by KMS, one current one for each scope, in memory for five minutes at most.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_kms::{
    error::{ProvideErrorMetadata, SdkError},
    operation::decrypt::DecryptError,
    primitives::Blob,
    types::DataKeySpec,
};
use zeroize::Zeroizing;

use super::version_of;
use crate::{
    model::{Code, DataKeyVersion, Problem, Scope, Sealed, Secret, Timestamp},
    store::{Batch, Found, ItemKey, Store, data_keys::WrappedKey},
};

/// How long a plain data key stays in memory: after an organization is deleted, its secrets can be read no longer.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How many plain data keys stay in memory: 1,000 keys are 100 kB.
const CAPACITY: usize = 1_000;

/// Data keys by scope.
#[derive(Debug)]
pub struct Vault {
    kms: aws_sdk_kms::Client,
    kms_key: String,
    store: Store,
    memory: Mutex<Memory>,
}

/// A plain data key; erased from memory when the last user drops it.
#[derive(Clone)]
pub struct DataKey {
    version: DataKeyVersion,
    plain: Arc<Zeroizing<Vec<u8>>>,
}

#[derive(Debug, Default)]
struct Memory {
    keys: HashMap<(Scope, DataKeyVersion), Remembered>,
    /// Which version is current, as far as we know.
    current: HashMap<Scope, DataKeyVersion>,
}

#[derive(Debug)]
struct Remembered {
    key: DataKey,
    since: Instant,
}

impl Vault {
    pub fn new(kms: aws_sdk_kms::Client, kms_key: String, store: Store) -> Self {
        Self { kms, kms_key, store, memory: Mutex::default() }
    }

    /// The same with nothing in memory, to see what the tables and KMS have now.
    pub fn forgetful(&self) -> Self {
        Self::new(self.kms.clone(), self.kms_key.clone(), self.store.clone())
    }

    /// Adds to a batch the current data keys that are not in memory, so that they cost no call of their own.
    pub fn want(&self, scopes: &[Scope], batch: &mut Batch) {
        for scope in scopes {
            if self.remembered_current(*scope).is_none() {
                batch.data_key(ItemKey::current_data_key(*scope));
            }
        }
    }

    /// Takes the data keys of [`Vault::want`] from what the batch found. Scopes that never sealed anything have none.
    pub async fn learn(&self, scopes: &[Scope], found: &mut Found) -> Result<(), Problem> {
        for scope in scopes {
            if let Some(wrapped) = found.take::<WrappedKey>(&ItemKey::current_data_key(*scope))? {
                self.unwrap_current(*scope, wrapped).await?;
            }
        }
        Ok(())
    }

    /// The data key that new values of a scope are sealed under; made if there is none yet. Memory alone doesn't decide:
    /// a key that was deleted with its organization, or is no longer current, must seal nothing more.
    pub async fn current(&self, scope: Scope) -> Result<DataKey, Problem> {
        if let Some(wrapped) = self.store.current_data_key(scope).await? {
            return match self.remembered(scope, wrapped.version) {
                Some(key) => Ok(key),
                None => self.unwrap_current(scope, wrapped).await,
            };
        }
        let (wrapped, key) = self.generate(scope).await?;
        if self.store.create_data_key(scope, &wrapped).await? {
            self.remember(scope, &key, true);
            return Ok(key);
        }
        // Someone was faster, and theirs counts; or the organization is gone, and then there is nothing to find.
        match self.store.current_data_key(scope).await? {
            Some(wrapped) => self.unwrap_current(scope, wrapped).await,
            None => Err(Problem::not_found("organization", scope)),
        }
    }

    /// The data key that is current now; `None` for a scope in which nothing was ever sealed.
    pub async fn current_if_any(&self, scope: Scope) -> Result<Option<DataKey>, Problem> {
        let Some(wrapped) = self.store.current_data_key(scope).await? else { return Ok(None) };
        match self.remembered(scope, wrapped.version) {
            Some(key) => Ok(Some(key)),
            None => self.unwrap_current(scope, wrapped).await.map(Some),
        }
    }

    /// Gives a scope's data key a successor if it is older than that, or wrapped by another KMS key than new ones are.
    /// What is under the old one stays readable. False if that was not needed, or somebody else did it.
    pub async fn rotate_if_due(&self, scope: Scope, limit: Option<Duration>) -> Result<bool, Problem> {
        let Some(wrapped) = self.store.current_data_key(scope).await? else { return Ok(false) };
        let too_old = limit.is_some_and(|limit| Timestamp::now().since(wrapped.version.made_at()) >= limit);
        if !too_old && is_same_key(&wrapped.kms_key, &self.kms_key) {
            return Ok(false);
        }
        let (new, key) = self.generate(scope).await?;
        let superseded = self.store.supersede_data_key(scope, wrapped.version, &new).await?;
        if superseded {
            self.remember(scope, &key, true);
        }
        Ok(superseded)
    }

    /// A data key for what is not kept: the one in memory will do, be it current or not.
    pub async fn recent(&self, scope: Scope) -> Result<DataKey, Problem> {
        match self.remembered_current(scope) {
            Some(key) => Ok(key),
            None => self.current(scope).await,
        }
    }

    /// Opens a value of a scope under whichever of its data keys it was sealed.
    pub async fn open(
        &self,
        scope: Scope,
        item: &ItemKey,
        attribute: &str,
        sealed: &Sealed,
    ) -> Result<Secret, Problem> {
        let gone = || {
            let cause = format!("{item} {attribute}: no data key of {scope} fits");
            Problem::new(Code::SecretUnavailable, "A stored secret does not open.").caused_by(cause)
        };
        let version = version_of(sealed).ok_or_else(gone)?;
        let key = match self.remembered(scope, version) {
            Some(key) => key,
            None => {
                let wrapped = self.store.data_key(scope, version).await?.ok_or_else(gone)?;
                let key = self.unwrap(scope, wrapped).await?;
                self.remember(scope, &key, false);
                key
            }
        };
        key.open(item, attribute, sealed)
    }

    async fn unwrap_current(&self, scope: Scope, wrapped: WrappedKey) -> Result<DataKey, Problem> {
        let key = self.unwrap(scope, wrapped).await?;
        self.remember(scope, &key, true);
        Ok(key)
    }

    async fn unwrap(&self, scope: Scope, wrapped: WrappedKey) -> Result<DataKey, Problem> {
        // Its key in another region can't be asked from here, but the replica in this one can.
        let here = is_same_key(&wrapped.kms_key, &self.kms_key);
        let answer = self
            .kms
            .decrypt()
            // Which key it is to be is ours to say, not the ciphertext's.
            .key_id(if here { &self.kms_key } else { &wrapped.kms_key })
            .ciphertext_blob(Blob::new(wrapped.wrapped.as_bytes()))
            .set_encryption_context(Some(context(scope, wrapped.version)))
            .send()
            .await
            .map_err(decrypt_problem)?;
        let plain = answer.plaintext.ok_or_else(|| Problem::internal("KMS decrypted to nothing"))?;
        Ok(DataKey::new(wrapped.version, plain))
    }

    async fn generate(&self, scope: Scope) -> Result<(WrappedKey, DataKey), Problem> {
        let version = DataKeyVersion::new();
        let answer = self
            .kms
            .generate_data_key()
            .key_id(&self.kms_key)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(context(scope, version)))
            .send()
            .await
            .map_err(Problem::unavailable)?;
        let incomplete = || Problem::internal("KMS made no complete data key");
        let wrapped = Sealed::from_bytes(answer.ciphertext_blob.ok_or_else(incomplete)?.into_inner());
        let key = DataKey::new(version, answer.plaintext.ok_or_else(incomplete)?);
        Ok((WrappedKey { version, wrapped, kms_key: self.kms_key.clone() }, key))
    }

    fn remembered_current(&self, scope: Scope) -> Option<DataKey> {
        let version = self.memory().current.get(&scope).copied()?;
        self.remembered(scope, version)
    }

    fn remembered(&self, scope: Scope, version: DataKeyVersion) -> Option<DataKey> {
        let mut memory = self.memory();
        let remembered = memory.keys.get(&(scope, version))?;
        if remembered.since.elapsed() < LIFETIME {
            return Some(remembered.key.clone());
        }
        memory.keys.remove(&(scope, version));
        None
    }

    fn remember(&self, scope: Scope, key: &DataKey, current: bool) {
        let mut memory = self.memory();
        memory.keys.retain(|_, remembered| remembered.since.elapsed() < LIFETIME);
        if memory.keys.len() >= CAPACITY {
            let oldest =
                memory.keys.iter().min_by_key(|(_, remembered)| remembered.since).map(|(place, _)| *place);
            oldest.and_then(|place| memory.keys.remove(&place));
        }
        let Memory { keys, current: known } = &mut *memory;
        known.retain(|scope, version| keys.contains_key(&(*scope, *version)));
        if current {
            known.insert(scope, key.version);
        }
        keys.insert((scope, key.version), Remembered { key: key.clone(), since: Instant::now() });
    }

    // A panic while the lock was held left nothing half done that matters: the worst is a key fetched again.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DataKey {
    fn new(version: DataKeyVersion, plain: Blob) -> Self {
        Self { version, plain: Arc::new(Zeroizing::new(plain.into_inner())) }
    }

    pub fn version(&self) -> DataKeyVersion {
        self.version
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    #[cfg(test)]
    pub(super) fn for_tests(version: DataKeyVersion, plain: [u8; 32]) -> Self {
        Self { version, plain: Arc::new(Zeroizing::new(plain.to_vec())) }
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey {} [redacted]", self.version)
    }
}

/// Opaque ids only: encryption contexts stand in CloudTrail in the clear.
fn context(scope: Scope, version: DataKeyVersion) -> HashMap<String, String> {
    HashMap::from([
        ("bifrost:scope".to_owned(), scope.to_string()),
        ("bifrost:key".to_owned(), version.to_string()),
    ])
}

/// Whether two ARNs are of one KMS key: the replicas of a multi-Region key have its id, and open what it wrapped.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html>
fn is_same_key(one: &str, other: &str) -> bool {
    let multi_region = |arn: &str| arn.rsplit_once(":key/mrk-").map(|(_, id)| id.to_owned());
    one == other || multi_region(one).is_some_and(|id| multi_region(other) == Some(id))
}

/// A wrapped key that KMS refuses will be refused again; anything else may pass.
fn decrypt_problem<R>(error: SdkError<DecryptError, R>) -> Problem
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some(
            "InvalidCiphertextException"
            | "IncorrectKeyException"
            | "AccessDeniedException"
            | "NotFoundException",
        ) => Problem::new(Code::SecretUnavailable, "A stored secret does not open.").caused_by(error),
        _ => Problem::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_of_a_multi_region_key_are_one_key_and_no_others_are() {
        let arn = |region: &str, id: &str| format!("arn:aws:kms:{region}:000000000000:key/{id}");
        let home = arn("us-east-1", "mrk-1234abcd");
        assert!(is_same_key(&home, &arn("eu-west-1", "mrk-1234abcd")));
        assert!(!is_same_key(&home, &arn("eu-west-1", "mrk-1234abce")));
        let single = arn("us-east-1", "1234abcd");
        assert!(is_same_key(&single, &single.clone()));
        assert!(!is_same_key(&single, &arn("eu-west-1", "1234abcd")));
    }
}
