//! Making API keys.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Bifrost, page::PageRequest};
use crate::{
    model::{
        ApiKeyId, Exposed, OrganizationId, Problem, Scope, Timestamp,
        access::{Caller, Operation, Role, SecretReach, matrix::Kind},
        api_key::{ApiKey, KeyHash, NewApiKey, check_role, key_text},
    },
    oauth,
    store::{Page, page::Listing},
};

/// A key as answers show it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ApiKeyView {
    pub id: ApiKeyId,
    pub name: String,
    pub role: Role,
    /// Null for a key of the platform.
    pub organization_id: Option<OrganizationId>,
    pub read_secrets: bool,
    pub expires_at: Option<Timestamp>,
    pub allowed_cidrs: Vec<String>,
    /// The id of the key that made it, or `root`; or `oidc:` and the subject of whoever had signed in. Null for a key from
    /// before this was kept.
    pub created_by: Option<String>,
    pub created_at: Timestamp,
    /// In the answer to its making, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Exposed>,
}

impl Bifrost {
    pub async fn create_api_key(
        &self,
        maker: &Caller,
        body: Map<String, Value>,
    ) -> Result<ApiKeyView, Problem> {
        let now = Timestamp::now();
        let new = NewApiKey::from_input(body, maker, now)?;
        let is_provider = match new.home {
            Scope::Global => true,
            Scope::Organization(id) => {
                let organization = self.store.organization(id).await?;
                organization.ok_or_else(|| Problem::not_found("organization", id))?.is_provider
            }
        };
        check_role(new.role, Kind::of(new.home, is_provider))?;
        let (id, secret) = (ApiKeyId::new(), oauth::random_secret());
        let ancestors = self.lineage(maker).await?;
        let key = new.limited_by(maker, ancestors, KeyHash::of(&secret), id, now)?;
        self.store.create_api_key(&key).await?;
        Ok(ApiKeyView { key: Some(Exposed(key_text(id, &secret))), ..ApiKeyView::from(key) })
    }

    /// The keys of a scope that the caller manages.
    pub async fn api_keys(
        &self,
        caller: &Caller,
        scope: Scope,
        request: PageRequest<'_>,
    ) -> Result<Page<ApiKeyView>, Problem> {
        // Which there are comes from an index, so that one just made can be missing for a moment.
        let page = self.page(Listing::api_keys(scope), request).await?;
        let page = self.store.read_api_keys(page).await?;
        Ok(page.filter_map(|key| caller.manages_keys_with(key.role).then(|| key.into())))
    }

    /// A key that the caller may revoke.
    pub async fn api_key(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKeyView, Problem> {
        let visible =
            |key: &ApiKey| caller.may(Operation::KeysRevoke, key.home) && caller.manages_keys_with(key.role);
        let key = self.store.api_key(id).await?.filter(visible);
        key.map(ApiKeyView::from).ok_or_else(|| Problem::not_found("key", id))
    }

    /// The keys among the first so many of its own scope that a key made, itself or through others; and whether the scope
    /// has no more keys. Those that it made in other scopes are not looked for.
    pub async fn api_keys_made_by(
        &self,
        key: &ApiKeyView,
        limit: usize,
    ) -> Result<(Vec<ApiKeyView>, bool), Problem> {
        let home = key.organization_id.map_or(Scope::Global, Scope::Organization);
        let page = self.page(Listing::api_keys(home), PageRequest { limit, cursor: None }).await?;
        let page = self.store.read_api_keys(page).await?;
        let complete = page.next.is_none();
        let made = page.filter_map(|other| other.ancestors.contains(&key.id).then(|| other.into()));
        Ok((made.rows.into_iter().map(|row| row.item).collect(), complete))
    }

    /// Revokes a key, and with it those that it made.
    pub async fn revoke_api_key(&self, caller: &Caller, id: ApiKeyId) -> Result<(), Problem> {
        self.api_key(caller, id).await?;
        self.store.delete_api_key(id).await?.then_some(()).ok_or_else(|| Problem::not_found("key", id))
    }

    /// The maker's key and those that made it; none for the root key, nor for someone who signed in.
    async fn lineage(&self, maker: &Caller) -> Result<Vec<ApiKeyId>, Problem> {
        let Ok(id) = maker.key_id.parse::<ApiKeyId>() else {
            return Ok(Vec::new());
        };
        let gone = || Problem::forbidden("The key that makes this one has been revoked.");
        let parent = self.store.api_key(id).await?.ok_or_else(gone)?;
        Ok([vec![id], parent.ancestors].concat())
    }
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role,
            organization_id: key.home.organization(),
            read_secrets: key.secret_reach != SecretReach::None,
            expires_at: key.expires_at,
            allowed_cidrs: key.allowed_cidrs.iter().map(ToString::to_string).collect(),
            created_by: key.created_by,
            created_at: key.created_at,
            key: None,
        }
    }
}
