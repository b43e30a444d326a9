//! Making and listing organizations.

use serde_json::{Map, Value};

use super::{Bifrost, page::PageRequest};
use crate::{
    model::{Problem, Timestamp, organization::Organization},
    store::{Page, page::Listing},
};

impl Bifrost {
    pub async fn create_organization(&self, body: Map<String, Value>) -> Result<Organization, Problem> {
        let organization = Organization::from_input(body, Timestamp::now())?;
        self.store.create_organization(&organization).await?;
        Ok(organization)
    }

    pub async fn organizations(&self, request: PageRequest<'_>) -> Result<Page<Organization>, Problem> {
        let page = self.page::<Organization>(Listing::organizations(), request).await?;
        Ok(page.filter_map(|organization| organization.deleting_at.is_none().then_some(organization)))
    }
}
