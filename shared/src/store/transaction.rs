//! Writes that happen together or not at all, each with the condition it rests on.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    ConditionCheck, Put, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};

use super::{
    ItemKey, Store,
    error::{failed_conditions, is_conflict, problem},
    item::{Item, number, text},
};
use crate::model::{Code, OrganizationId, Problem, Scope};

/// Six tries over about a second; what conflicts is over in milliseconds.
const CONFLICT_ATTEMPTS: u32 = 6;
const CONFLICT_PAUSE: Duration = Duration::from_millis(30);

/// A condition on an item, and the values that stand in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub expression: String,
    pub values: Item,
}

/// A transaction being put together.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    store: &'a Store,
    writes: Vec<TransactWriteItem>,
    /// For each write, what it means that its condition failed.
    meanings: Vec<Refused>,
}

/// What a failed condition means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The organization that owns the new item does not stand.
    OrganizationGone,
    /// Something else that the new item hangs on does not stand.
    ParentGone,
    /// The item itself is not as it was when it was read, or is there already.
    Changed,
    /// An entity id belongs to another organization.
    EntityTaken,
}

impl Condition {
    pub(super) fn absent() -> Self {
        Self { expression: "attribute_not_exists(pk)".to_owned(), values: Item::new() }
    }

    /// The item is this very one, as people last edited it.
    pub(super) fn revision(id: impl ToString, revision: u64) -> Self {
        Self::new(
            "id = :id AND revision = :revision",
            [(":id", text(id.to_string())), (":revision", number(revision))],
        )
    }

    /// For a request: DynamoDB refuses an empty map of values.
    pub(super) fn values(&self) -> Option<Item> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    /// There is such an organization, and its deletion has not begun.
    fn stands() -> Self {
        let expression = "attribute_exists(pk) AND attribute_not_exists(deleting_at)".to_owned();
        Self { expression, values: Item::new() }
    }

    /// Holds for an item that is there and for one that is not.
    pub(super) fn always() -> Self {
        let expression = "attribute_exists(pk) OR attribute_not_exists(pk)".to_owned();
        Self { expression, values: Item::new() }
    }

    pub(super) fn exists() -> Self {
        Self { expression: "attribute_exists(pk)".to_owned(), values: Item::new() }
    }

    /// The item stands and is this very one.
    pub(super) fn has_id(id: impl ToString) -> Self {
        Self {
            expression: "id = :id".to_owned(),
            values: Item::from([(":id".to_owned(), text(id.to_string()))]),
        }
    }

    pub(super) fn new(
        expression: &str,
        values: impl IntoIterator<Item = (&'static str, super::item::Value)>,
    ) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { expression: expression.to_owned(), values }
    }
}

impl<'a> Transaction<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, writes: Vec::new(), meanings: Vec::new() }
    }

    /// Creating anything in an organization checks that the organization stands; the platform always does.
    pub(super) fn in_scope(self, scope: Scope) -> Result<Self, Problem> {
        match scope {
            Scope::Global => Ok(self),
            Scope::Organization(id) => self.in_organization(id),
        }
    }

    pub(super) fn in_organization(self, id: OrganizationId) -> Result<Self, Problem> {
        self.check(&ItemKey::organization(id), Condition::stands(), Refused::OrganizationGone)
    }

    pub(super) fn check(
        mut self,
        key: &ItemKey,
        condition: Condition,
        refused: Refused,
    ) -> Result<Self, Problem> {
        let check = ConditionCheck::builder()
            .table_name(&self.store.data)
            .set_key(Some(key.attributes()))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(Problem::internal)?;
        self.writes.push(TransactWriteItem::builder().condition_check(check).build());
        self.meanings.push(refused);
        Ok(self)
    }

    pub(super) fn put(self, item: Item, condition: Condition, refused: Refused) -> Result<Self, Problem> {
        let table = self.store.data.clone();
        self.put_in(table, item, condition, refused)
    }

    pub(super) fn put_data_key(self, item: Item, condition: Condition) -> Result<Self, Problem> {
        let table = self.store.data_keys.clone();
        self.put_in(table, item, condition, Refused::Changed)
    }

    fn put_in(
        mut self,
        table: String,
        item: Item,
        condition: Condition,
        refused: Refused,
    ) -> Result<Self, Problem> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(OnFailure::None)
            .build()
            .map_err(Problem::internal)?;
        self.writes.push(TransactWriteItem::builder().put(put).build());
        self.meanings.push(refused);
        Ok(self)
    }

    /// `condition.values` are those of both the update and its condition.
    pub(super) fn update(
        self,
        key: &ItemKey,
        update: &str,
        condition: Condition,
        refused: Refused,
    ) -> Result<Self, Problem> {
        let table = self.store.data.clone();
        self.update_in(table, key, update, condition, refused)
    }

    pub(super) fn update_data_key(
        self,
        key: &ItemKey,
        update: &str,
        condition: Condition,
    ) -> Result<Self, Problem> {
        let table = self.store.data_keys.clone();
        self.update_in(table, key, update, condition, Refused::Changed)
    }

    fn update_in(
        mut self,
        table: String,
        key: &ItemKey,
        update: &str,
        condition: Condition,
        refused: Refused,
    ) -> Result<Self, Problem> {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key.attributes()))
            .update_expression(update)
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(Problem::internal)?;
        self.writes.push(TransactWriteItem::builder().update(update).build());
        self.meanings.push(refused);
        Ok(self)
    }

    pub(super) fn delete(
        mut self,
        key: &ItemKey,
        condition: Condition,
        refused: Refused,
    ) -> Result<Self, Problem> {
        let delete = aws_sdk_dynamodb::types::Delete::builder()
            .table_name(&self.store.data)
            .set_key(Some(key.attributes()))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(Problem::internal)?;
        self.writes.push(TransactWriteItem::builder().delete(delete).build());
        self.meanings.push(refused);
        Ok(self)
    }

    /// Nothing, or the meaning of the first condition that failed. Another transaction on the same items at the same
    /// moment is no verdict, and the SDK does not try again by itself; so this does.
    pub(super) async fn commit(self) -> Result<Result<(), Refused>, Problem> {
        let mut pause = CONFLICT_PAUSE;
        for attempt in 1.. {
            let request =
                self.store.client.transact_write_items().set_transact_items(Some(self.writes.clone()));
            let Err(error) = request.send().await else {
                return Ok(Ok(()));
            };
            if let Some(index) = failed_conditions(&error).first() {
                return Ok(Err(self.meanings[*index]));
            }
            if !is_conflict(&error) || attempt == CONFLICT_ATTEMPTS {
                return Err(problem(error));
            }
            let spread = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
            tokio::time::sleep(pause.mul_f64(0.5 + spread)).await;
            pause *= 2;
        }
        unreachable!("the loop ends at CONFLICT_ATTEMPTS")
    }
}

impl Refused {
    /// The answer where the new item's own state is what was in the way.
    pub(super) fn into_problem(self, changed: Problem) -> Problem {
        match self {
            Self::OrganizationGone => Problem::not_found("organization", "of that id"),
            Self::ParentGone => {
                Problem::new(Code::Conflict, "What this belongs to was removed or replaced meanwhile.")
            }
            Self::EntityTaken => {
                Problem::new(Code::EntityTaken, "Another organization is mapped to that entity_id.")
            }
            Self::Changed => changed,
        }
    }
}
