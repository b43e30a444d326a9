//! All mappings as a list for a spreadsheet, which an import takes back. Secrets are left out, and an import leaves those
//! alone that it does not bring.

use bifrost::{
    app::{
        integrations::IntegrationView,
        mapping_table::{MappingRow, MappingSearch},
        page::PageRequest,
    },
    edge::MAX_LIMIT,
    model::{Problem, access::Operation, config::ConfigType},
};
use serde_json::Map;

use super::{csv, import::columns};
use crate::{
    config_fields::ConfigFields,
    reply::{File, Reply},
    visit::Visit,
};

pub(super) async fn file(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    visit.permitted(Operation::MappingsList, visit.caller().home)?;
    let mut text = head(integration);
    let mut cursor: Option<String> = None;
    loop {
        let request = PageRequest { limit: MAX_LIMIT, cursor: cursor.as_deref() };
        let everything = MappingSearch::default();
        let page = visit.bifrost.mapping_rows(visit.caller(), &integration.name, everything, request).await?;
        page.items().for_each(|row| text.push_str(&line(integration, row)));
        let Some(position) = &page.next else { break };
        cursor = Some(visit.bifrost.cursor(&page.listing, position).await?);
    }
    let name = format!("{}-mappings.csv", integration.name.folded());
    Ok(Reply::File(File { name, kind: "text/csv; charset=utf-8", text }))
}

fn head(integration: &IntegrationView) -> String {
    let fixed = [columns::ORGANIZATION_ID, columns::ORGANIZATION, columns::ENTITY_ID, columns::ENTITY_NAME];
    let config = plain_keys(integration).map(|key| format!("{}{key}", columns::CONFIG));
    csv::write(fixed.into_iter().map(str::to_owned).chain(config))
}

fn line(integration: &IntegrationView, row: &MappingRow) -> String {
    let mapping = &row.mapping;
    let nothing = Map::new();
    let shown = ConfigFields {
        at: "config",
        schema: &integration.config_schema,
        stored: &mapping.config,
        inherited: Some(&nothing),
    };
    let texts = shown.texts();
    let value = |key: &str| texts.iter().find(|(name, _)| *name == key).map(|(_, text)| text.clone());
    let fixed = [
        Some(mapping.organization_id.to_string()),
        row.organization.clone(),
        mapping.entity_id.clone(),
        mapping.entity_name.clone(),
    ];
    let cells = fixed.into_iter().chain(plain_keys(integration).map(value));
    csv::write(cells.map(|cell| csv::as_text(&cell.unwrap_or_default())))
}

fn plain_keys(integration: &IntegrationView) -> impl Iterator<Item = &str> {
    let plain = integration.config_schema.fields().iter().filter(|field| field.r#type != ConfigType::Secret);
    plain.map(|field| field.key.as_str())
}
