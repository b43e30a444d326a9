//! Making and listing organizations.

use serde_json::{Map, Value};

use super::Bifrost;
use crate::{
    model::{Problem, Timestamp, organization::Organization},
    store::Page,
};

impl Bifrost {
    pub async fn create_organization(&self, body: Map<String, Value>) -> Result<Organization, Problem> {
        let organization = Organization::from_input(body, Timestamp::now())?;
        self.store.create_organization(&organization).await?;
        Ok(organization)
    }

    pub async fn organizations(
        &self,
        limit: i32,
        cursor: Option<&str>,
    ) -> Result<Page<Organization>, Problem> {
        self.store.organizations(limit, cursor).await
    }
}
