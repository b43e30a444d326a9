//! Items as DynamoDB holds them, to and from the model's types.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    ItemKey, Store,
    error::{problem, unreadable},
    transaction::Condition,
};
use crate::model::Problem;

pub(super) type Value = AttributeValue;
pub(super) type Item = HashMap<String, AttributeValue>;

/// An item under its key. Attributes without a value are left out, so that `attribute_not_exists` means what it says.
/// Connections and grants are filed under the connection's name as well.
pub(super) fn to_item<T: Serialize>(key: &ItemKey, value: &T) -> Result<Item, Problem> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(unreadable)?;
    item.retain(|_, value| !value.is_null());
    item.extend(key.attributes());
    if let Some((parent, child)) = key.among_named() {
        item.insert("parent".to_owned(), text(parent));
        item.insert("child".to_owned(), text(child));
    }
    Ok(item)
}

pub(super) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, Problem> {
    serde_dynamo::from_item(item).map_err(unreadable)
}

/// A value as an attribute, for expressions.
pub(super) fn attribute<T: Serialize>(value: T) -> Result<AttributeValue, Problem> {
    serde_dynamo::to_attribute_value(value).map_err(unreadable)
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl Store {
    /// One item, consistently.
    pub(super) async fn get<T: DeserializeOwned>(&self, key: &ItemKey) -> Result<Option<T>, Problem> {
        let request = self.client.get_item().table_name(&self.data).set_key(Some(key.attributes()));
        let answer = request.consistent_read(true).send().await.map_err(problem)?;
        answer.item.map(from_item).transpose()
    }

    /// False if there is such an item already.
    pub(super) async fn put_new(&self, item: Item) -> Result<bool, Problem> {
        self.put_if(item, Condition::absent()).await
    }

    /// False if the condition does not hold. It counts as holding when the item is there exactly as it was to be
    /// written: then the answer to an earlier try of the SDK was lost, but the try was not.
    pub(super) async fn put_if(&self, item: Item, condition: Condition) -> Result<bool, Problem> {
        let request = self.client.put_item().table_name(&self.data).set_item(Some(item.clone()));
        let request = request.condition_expression(&condition.expression);
        let sent = request
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item() == Some(&item)),
            _ => Err(problem(error)),
        }
    }

    /// False if the condition does not hold.
    pub(super) async fn delete_if(&self, key: &ItemKey, condition: Condition) -> Result<bool, Problem> {
        let request = self.client.delete_item().table_name(&self.data).set_key(Some(key.attributes()));
        let request = request.condition_expression(&condition.expression);
        let sent = request.set_expression_attribute_values(condition.values()).send().await;
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(problem(error)),
        }
    }
}
