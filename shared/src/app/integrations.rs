//! Making and showing integrations.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Bifrost;
use crate::{
    model::{
        IntegrationId, Name, Problem, Scope, Timestamp,
        config::ConfigSchema,
        integration::{Integration, NewIntegration},
    },
    store::ItemKey,
};

/// An integration as answers show it: secret defaults as the mark that they are set.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct IntegrationView {
    pub id: IntegrationId,
    pub name: Name,
    pub description: Option<String>,
    pub entity_id_name: Option<String>,
    pub default_entity_id: Option<String>,
    pub config_schema: ConfigSchema,
    pub defaults: Map<String, Value>,
    pub connection: Option<Name>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(skip)]
    pub revision: u64,
}

impl Bifrost {
    pub async fn create_integration(&self, body: Map<String, Value>) -> Result<IntegrationView, Problem> {
        let new = NewIntegration::from_input(body)?;
        let now = Timestamp::now();
        let item = ItemKey::integration(&new.name.folded());
        let defaults = self.seal_config(Scope::Global, &item, new.defaults, None).await?;
        let integration = Integration {
            id: IntegrationId::new(),
            name: new.name,
            description: new.description,
            entity_id_name: new.entity_id_name,
            default_entity_id: new.default_entity_id,
            config_schema: new.config_schema,
            defaults,
            connection: new.connection,
            created_at: now,
            updated_at: now,
            revision: 1,
        };
        self.store.create_integration(&integration).await?;
        Ok(integration.into())
    }

    pub async fn show_integration(&self, name: &Name) -> Result<IntegrationView, Problem> {
        self.integration(name).await.map(IntegrationView::from)
    }

    pub(super) async fn integration(&self, name: &Name) -> Result<Integration, Problem> {
        let found = self.store.integration(&name.folded()).await?;
        found.ok_or_else(|| Problem::not_found("integration", name))
    }
}

impl From<Integration> for IntegrationView {
    fn from(integration: Integration) -> Self {
        Self {
            id: integration.id,
            name: integration.name,
            description: integration.description,
            entity_id_name: integration.entity_id_name,
            default_entity_id: integration.default_entity_id,
            config_schema: integration.config_schema,
            defaults: integration.defaults.shown(),
            connection: integration.connection,
            created_at: integration.created_at,
            updated_at: integration.updated_at,
            revision: integration.revision,
        }
    }
}
