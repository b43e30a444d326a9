//! Turning a key, or the token of someone who signed in, into its caller.

use std::time::Duration;

use super::Bifrost;
use crate::model::{
    ApiKeyId, Problem, Scope, Secret, Timestamp,
    access::Caller,
    api_key::{KeyHash, PresentedKey, root_caller},
};

/// How long a root key that has been replaced is still taken, beside the gateway's own memory. Not nothing, for every
/// stranger can show something that looks like a root key, and have us ask Secrets Manager about it.
const ROOT_KEY_LIFETIME: Duration = Duration::from_secs(10);

impl Bifrost {
    /// Whose key or token this is; `None` for a key that is unknown, revoked, or made by a revoked one, and for a token
    /// that is not the issuer's, not for us, or over. A caller's expiry and networks are for every request to judge: the
    /// gateway may remember this answer.
    pub async fn authenticate(&self, presented: &str) -> Result<Option<Caller>, Problem> {
        match PresentedKey::parse(presented) {
            None if PresentedKey::is_meant(presented) => Ok(None),
            None => self.authenticate_token(presented).await,
            Some(PresentedKey::Root(secret)) => self.authenticate_root(&secret).await,
            Some(PresentedKey::Issued { id, secret }) => self.authenticate_issued(id, &secret).await,
        }
    }

    async fn authenticate_root(&self, secret: &Secret) -> Result<Option<Caller>, Problem> {
        let root = self.secrets.read_no_older(&self.environment.root_key_secret, ROOT_KEY_LIFETIME).await?;
        Ok((KeyHash::of(secret) == KeyHash::of(&root)).then(root_caller))
    }

    async fn authenticate_issued(&self, id: ApiKeyId, secret: &Secret) -> Result<Option<Caller>, Problem> {
        let Some(key) = self.store.api_key(id).await? else {
            return Ok(None);
        };
        if key.hash != KeyHash::of(secret) || !self.store.api_keys_stand(&key.ancestors).await? {
            return Ok(None);
        }
        Ok(self.standing(key.home, key.created_at).await?.map(|is_provider| key.caller(is_provider)))
    }

    /// Whether it is the platform or a provider, for a key or token of that time; `None` if there is no such organization
    /// now. What belonged to one that had this id before is nobody's.
    pub(super) async fn standing(&self, home: Scope, since: Timestamp) -> Result<Option<bool>, Problem> {
        let Scope::Organization(id) = home else { return Ok(Some(true)) };
        let organization = self.store.organization(id).await?;
        let organization = organization.filter(|organization| organization.created_at <= since);
        Ok(organization.map(|organization| organization.is_provider))
    }
}
