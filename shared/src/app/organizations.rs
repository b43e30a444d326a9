//! Making and listing organizations.

use serde_json::{Map, Value};

use super::{Bifrost, page::PageRequest};
use crate::{
    model::{OrganizationId, Problem, Timestamp, organization::Organization},
    store::{Page, page::Listing},
};

impl Bifrost {
    pub async fn create_organization(&self, body: Map<String, Value>) -> Result<Organization, Problem> {
        let organization = Organization::from_input(body, Timestamp::now())?;
        self.store.create_organization(&organization).await?;
        Ok(organization)
    }

    /// An organization that stands.
    pub async fn organization(&self, id: OrganizationId) -> Result<Organization, Problem> {
        self.store.organization(id).await?.ok_or_else(|| Problem::not_found("organization", id))
    }

    /// Whether something is left of an organization that stands no more.
    pub async fn is_organization_being_deleted(&self, id: OrganizationId) -> Result<bool, Problem> {
        self.store.is_organization_being_deleted(id).await
    }

    pub async fn organizations(&self, request: PageRequest<'_>) -> Result<Page<Organization>, Problem> {
        let page = self.page::<Organization>(Listing::organizations(), request).await?;
        Ok(page.filter_map(|organization| organization.deleting_at.is_none().then_some(organization)))
    }
}
