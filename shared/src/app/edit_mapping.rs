//! Deleting mappings, and writing many at once.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Bifrost, Deadline, disconnect::Ending, mappings::Put};
use crate::{
    model::{
        Code, Name, OrganizationId, Problem, Scope,
        access::Caller,
        connection::Flow,
        grant::Grant,
        input::{Field, Input},
    },
    store::ItemKey,
};

/// The most rows of one import.
const MAX_ROWS: usize = 500;

/// What became of an import, row by row in the order they came.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Imported {
    pub created: usize,
    pub updated: usize,
    pub failed: usize,
    pub rows: Vec<ImportedRow>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ImportedRow {
    pub organization_id: Option<OrganizationId>,
    pub result: RowResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum RowResult {
    Created,
    Updated,
    Error,
}

/// What an import asks for: rows that are mappings with an `organization_id`.
#[derive(Debug)]
pub struct ImportRequest {
    pub rows: Vec<Map<String, Value>>,
}

impl ImportRequest {
    pub fn from_input(body: Map<String, Value>) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let Rows(rows) = input.required("mappings").unwrap_or_default();
        input.finish()?;
        Ok(Self { rows })
    }
}

#[derive(Default)]
struct Rows(Vec<Map<String, Value>>);

// What is wrong with a row is said in its place in the answer.
described!(Rows: {
    "type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_ROWS,
});

impl Field for Rows {
    const EXPECTED: &'static str = "a list of objects";

    fn from_json(value: Value) -> Result<Self, String> {
        let rows = Vec::<Map<String, Value>>::from_json(value)?;
        if rows.is_empty() || rows.len() > MAX_ROWS {
            return Err(format!("must hold 1 to {MAX_ROWS} rows"));
        }
        Ok(Self(rows))
    }
}

impl Bifrost {
    pub async fn delete_mapping(
        &self,
        name: &Name,
        organization: OrganizationId,
        if_match: Option<u64>,
    ) -> Result<(), Problem> {
        let integration = self.integration(name).await?;
        let mapping = self.store.mapping(&integration, organization).await?;
        let missing = || Problem::not_found("mapping", format!("of {organization} on {name}"));
        let mapping = mapping.ok_or_else(missing)?;
        if if_match.is_some_and(|revision| revision != mapping.revision) {
            return Err(Problem::new(Code::StaleRevision, "The mapping has changed since."));
        }
        if !self.store.delete_mapping(&integration.name.folded(), &mapping).await? {
            return Err(Problem::new(Code::Conflict, "The mapping was changed meanwhile.")
                .stale_if(if_match.is_some()));
        }
        self.release_grant(organization, integration.connection_name()).await;
        Ok(())
    }

    /// Each row is a mapping of its own: one that is wrong leaves the others alone, and importing the same again
    /// changes nothing more.
    pub async fn import_mappings(
        &self,
        caller: &Caller,
        name: &Name,
        body: Map<String, Value>,
        deadline: Deadline,
    ) -> Result<Imported, Problem> {
        let ImportRequest { rows } = ImportRequest::from_input(body)?;
        self.integration(name).await?;
        let mut imported =
            Imported { created: 0, updated: 0, failed: 0, rows: Vec::with_capacity(rows.len()) };
        for row in rows {
            let row = self.import_row(caller, name, row, deadline).await;
            match row.result {
                RowResult::Created => imported.created += 1,
                RowResult::Updated => imported.updated += 1,
                RowResult::Error => imported.failed += 1,
            }
            imported.rows.push(row);
        }
        Ok(imported)
    }

    async fn import_row(
        &self,
        caller: &Caller,
        name: &Name,
        mut row: Map<String, Value>,
        deadline: Deadline,
    ) -> ImportedRow {
        let organization = row.remove("organization_id");
        let organization: Option<OrganizationId> = organization.and_then(|id| id.as_str()?.parse().ok());
        let written =
            match organization {
                None => Err(Problem::invalid("organization_id", "must be a UUID")),
                Some(_) if deadline.remaining().as_secs() < 3 => Err(Problem::unavailable("no time left")
                    .fix("Import the same rows again: those done stay done.")),
                Some(id) => self.put_mapping(caller, name, id, row, None).await,
            };
        let (result, problem) = match written {
            Ok(Put::Created(_)) => (RowResult::Created, None),
            Ok(Put::Replaced(_)) => (RowResult::Updated, None),
            Err(problem) => (RowResult::Error, Some(problem)),
        };
        let code = problem.as_ref().map(|problem| problem.code);
        ImportedRow {
            organization_id: organization,
            result,
            code,
            detail: problem.map(|problem| problem.detail),
        }
    }

    /// An organization's own grant on a global connection stays while a mapping of its needs it; then it is forgotten
    /// here and revoked at the provider. Best effort: nobody waits for it.
    pub(super) async fn release_grant(&self, organization: OrganizationId, connection: &Name) {
        if let Err(problem) = self.try_release_grant(organization, connection).await {
            let cause = problem.cause_chain();
            tracing::warn!(organization = %organization, code = %problem.code, cause, "a grant that nothing needs stays");
        }
    }

    async fn try_release_grant(
        &self,
        organization: OrganizationId,
        connection: &Name,
    ) -> Result<(), Problem> {
        let scope = Scope::Organization(organization);
        let folded = connection.folded();
        let key = ItemKey::grant(scope, Scope::Global, &folded);
        let Some(connection) = self.store.connection(Scope::Global, &folded).await? else {
            return Ok(());
        };
        let still_used = self.store.integrations_mapped_to(organization).await?;
        if still_used.iter().any(|integration| integration.connection_name().folded() == folded) {
            return Ok(());
        }
        let ending = |grant: &Grant| {
            let signed_in =
                connection.settings.flow == Flow::AuthorizationCode && grant.redeemed_from.is_none();
            // Nobody disconnected the others: they are got anew when they are needed again.
            let ending = match signed_in {
                true => Ending::Tombstone { revision: connection.revision },
                false => Ending::Deleted,
            };
            grant.status.is_connected().then_some(ending)
        };
        if let Some(grant) = self.end_grant(&key, ending).await? {
            self.revoke_grant(&connection, scope, &key, &grant).await;
        }
        Ok(())
    }
}
