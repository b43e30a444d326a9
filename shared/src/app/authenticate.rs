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

/// Somebody whose key or token is good for nothing: for the audit trail alone, for whoever brought it is not told why.
#[derive(Debug, PartialEq, Eq)]
pub struct Stranger {
    pub code: &'static str,
    pub reason: String,
    /// The id of the key, whose secret was right, or of the person, whom the issuer has vouched for.
    pub key_id: Option<String>,
    /// The id that a key named. Anybody can name one.
    pub named: Option<String>,
}

/// The codes of strangers.
const UNKNOWN_KEY: &str = "unknown-key";
const TOKEN_REFUSED: &str = "token-refused";

impl Stranger {
    fn with_key(reason: &str) -> Self {
        Self { code: UNKNOWN_KEY, reason: reason.to_owned(), key_id: None, named: None }
    }

    fn naming(named: impl ToString, reason: &str) -> Self {
        Self { named: Some(named.to_string()), ..Self::with_key(reason) }
    }

    pub(super) fn with_token(reason: impl ToString, person: Option<String>) -> Self {
        Self { code: TOKEN_REFUSED, reason: reason.to_string(), key_id: person, named: None }
    }

    /// Of somebody who brought nothing that could be a key or a token.
    pub fn without_key() -> Self {
        Self::with_key("the Authorization header is not of the form Bearer <key>")
    }
}

impl Bifrost {
    /// Whose key or token this is; a stranger's is a key that is unknown, revoked, or made by a revoked one, and a token
    /// that is not the issuer's, not for us, or over. A caller's expiry and networks are for every request to judge: the
    /// gateway may remember this answer.
    pub async fn authenticate(&self, presented: &str) -> Result<Result<Caller, Stranger>, Problem> {
        match PresentedKey::parse(presented) {
            None if PresentedKey::is_meant(presented) => {
                Ok(Err(Stranger::with_key("the key is not a whole one")))
            }
            None => self.authenticate_token(presented).await,
            Some(PresentedKey::Root(secret)) => self.authenticate_root(&secret).await,
            Some(PresentedKey::Issued { id, secret }) => self.authenticate_issued(id, &secret).await,
        }
    }

    async fn authenticate_root(&self, secret: &Secret) -> Result<Result<Caller, Stranger>, Problem> {
        let root = self.secrets.read_no_older(&self.environment.root_key_secret, ROOT_KEY_LIFETIME).await?;
        if KeyHash::of(secret) == KeyHash::of(&root) {
            return Ok(Ok(root_caller()));
        }
        Ok(Err(Stranger::naming("root", "the secret is not that of the root key")))
    }

    async fn authenticate_issued(
        &self,
        id: ApiKeyId,
        secret: &Secret,
    ) -> Result<Result<Caller, Stranger>, Problem> {
        let Some(key) = self.store.api_key(id).await? else {
            return Ok(Err(Stranger::naming(id, "there is no such key, or it has been revoked")));
        };
        if key.hash != KeyHash::of(secret) {
            return Ok(Err(Stranger::naming(id, "the secret is not that of the key")));
        }
        let gone =
            |reason| Ok(Err(Stranger { key_id: Some(id.to_string()), ..Stranger::naming(id, reason) }));
        if !self.store.api_keys_stand(&key.ancestors).await? {
            return gone("a key that made it has been revoked");
        }
        match self.standing(key.home, key.created_at).await? {
            Some(is_provider) => Ok(Ok(key.caller(is_provider))),
            None => gone("its organization has been deleted"),
        }
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
