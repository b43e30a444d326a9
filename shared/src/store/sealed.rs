//! Sealed values wherever they lie in a scope's items, for sealing them anew.
//!
//! The attribute that a value is bound to (see `vault`) follows from where it lies: its own name at the top of an item,
//! `secrets.<key>` in a config.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    ItemKey, Store,
    error::problem,
    item::{Item, attribute, from_item, text},
    keys::partition,
};
use crate::model::{Problem, Scope, Sealed};

/// The member of a stored config that holds its sealed values.
const SECRETS: &str = "secrets";

/// A sealed value, and where it lies.
#[derive(Clone, Debug)]
pub struct SealedValue {
    pub item: ItemKey,
    pub sealed: Sealed,
    /// The names of the members that lead to it, from the top of the item.
    path: Vec<String>,
}

/// Some of the sealed values of a scope.
#[derive(Debug)]
pub struct SealedPage {
    pub values: Vec<SealedValue>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<ItemKey>,
}

impl SealedValue {
    /// The attribute that it was sealed for.
    pub fn attribute(&self) -> String {
        match self.path.as_slice() {
            [.., holder, key] if holder == SECRETS => format!("{SECRETS}.{key}"),
            path => path.join("."),
        }
    }
}

impl Store {
    /// The binary values in the items of a scope, up to a megabyte of items at a time, as they are now.
    pub async fn sealed_values(&self, scope: Scope, after: Option<&ItemKey>) -> Result<SealedPage, Problem> {
        let request = self
            .client
            .query()
            .table_name(&self.data)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(partition(scope)))
            .set_exclusive_start_key(after.map(|key| key.attributes()))
            .consistent_read(true);
        let answer = request.send().await.map_err(problem)?;
        let next = answer.last_evaluated_key.map(from_item).transpose()?;
        let mut values = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let key: ItemKey = from_item(item.clone())?;
            collect(&key, &item, &mut Vec::new(), &mut values);
        }
        Ok(SealedPage { values, next })
    }

    /// Puts another in its place; false if it is no longer what it was.
    pub async fn replace_sealed(&self, value: &SealedValue, new: &Sealed) -> Result<bool, Problem> {
        let names: HashMap<_, _> =
            value.path.iter().enumerate().map(|(index, name)| (format!("#{index}"), name.clone())).collect();
        let path: Vec<_> = (0..value.path.len()).map(|index| format!("#{index}")).collect();
        let path = path.join(".");
        let request = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(value.item.attributes()))
            .update_expression(format!("SET {path} = :new"))
            .condition_expression(format!("{path} = :old"))
            .set_expression_attribute_names(Some(names))
            .expression_attribute_values(":old", attribute(&value.sealed)?)
            .expression_attribute_values(":new", attribute(new)?);
        match request.send().await {
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

fn collect(key: &ItemKey, members: &Item, path: &mut Vec<String>, values: &mut Vec<SealedValue>) {
    for (name, value) in members {
        path.push(name.clone());
        match value {
            AttributeValue::B(bytes) => values.push(SealedValue {
                item: key.clone(),
                sealed: Sealed::from_bytes(bytes.as_ref().to_vec()),
                path: path.clone(),
            }),
            AttributeValue::M(members) => collect(key, members, path, values),
            _ => {}
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    fn bytes() -> AttributeValue {
        AttributeValue::B(Blob::new([1]))
    }

    #[test]
    fn a_value_is_found_with_the_attribute_that_it_was_sealed_for() {
        let secrets = AttributeValue::M(Item::from([("api.key".to_owned(), bytes())]));
        let config = AttributeValue::M(Item::from([(SECRETS.to_owned(), secrets)]));
        let item = Item::from([
            ("pk".to_owned(), text("GLOBAL")),
            ("sk".to_owned(), text("INTEGRATION#halo")),
            ("access_token".to_owned(), bytes()),
            ("defaults".to_owned(), config),
        ]);
        let mut values = Vec::new();
        collect(&ItemKey::session(), &item, &mut Vec::new(), &mut values);
        let mut attributes: Vec<_> = values.iter().map(SealedValue::attribute).collect();
        attributes.sort();
        assert_eq!(attributes, ["access_token", "secrets.api.key"]);
    }
}
