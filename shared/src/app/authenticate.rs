//! Turning a key into its caller.

use super::Bifrost;
use crate::model::{
    ApiKeyId, Problem, Scope, Secret,
    access::Caller,
    api_key::{KeyHash, PresentedKey, root_caller},
};

impl Bifrost {
    /// Whose key this is; `None` for one that is unknown, revoked, or made by a revoked one. Its expiry and networks
    /// are not judged here, where the gateway may remember the answer, but on every request.
    pub async fn authenticate(&self, presented: &str) -> Result<Option<Caller>, Problem> {
        match PresentedKey::parse(presented) {
            None => Ok(None),
            Some(PresentedKey::Root(secret)) => self.authenticate_root(&secret).await,
            Some(PresentedKey::Issued { id, secret }) => self.authenticate_issued(id, &secret).await,
        }
    }

    async fn authenticate_root(&self, secret: &Secret) -> Result<Option<Caller>, Problem> {
        let root = self.secrets.read(&self.environment.root_key_secret).await?;
        Ok((KeyHash::of(secret) == KeyHash::of(&root)).then(root_caller))
    }

    async fn authenticate_issued(&self, id: ApiKeyId, secret: &Secret) -> Result<Option<Caller>, Problem> {
        let Some(key) = self.store.api_key(id).await? else {
            return Ok(None);
        };
        if key.hash != KeyHash::of(secret) || !self.store.api_keys_stand(&key.ancestors).await? {
            return Ok(None);
        }
        let is_provider = match key.home {
            Scope::Global => true,
            Scope::Organization(id) => match self.store.organization(id).await? {
                // A key of an organization that had this id before is nobody's.
                Some(organization) if organization.created_at > key.created_at => return Ok(None),
                Some(organization) => organization.is_provider,
                None => return Ok(None),
            },
        };
        Ok(Some(key.caller(is_provider)))
    }
}
