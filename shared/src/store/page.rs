//! Lists, a page at a time, with cursors that callers can neither read into nor bend.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Store,
    error::problem,
    item::{Item, from_item, text},
};
use crate::model::Problem;
use serde::de::DeserializeOwned;

/// How many children are read at once; they are small, and a page also ends at 1 MB.
const CHILDREN_AT_ONCE: i32 = 1000;

/// A page of a list; `next_cursor` leads to the next one.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// Which items to list.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    /// An index, or the table itself.
    pub index: Option<&'static str>,
    /// The names of partition and sort key, and of the keys a cursor needs besides.
    pub partition: (&'static str, &'a str),
    pub sort: (&'static str, &'static str),
}

impl<T> Page<T> {
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }
}

impl Page<Item> {
    /// The items as what they are.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<Page<T>, Problem> {
        let items = self.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next_cursor: self.next_cursor })
    }
}

impl Store {
    /// The items of a partition whose sort key begins with the listing's prefix, in the order of that key. A cursor is
    /// the last key seen, bound to the listing: it names nothing outside, whatever a caller makes of it.
    pub(super) async fn list(
        &self,
        listing: Listing<'_>,
        limit: i32,
        cursor: Option<&str>,
    ) -> Result<Page<Item>, Problem> {
        let (partition, value) = listing.partition;
        let (sort, prefix) = listing.sort;
        let after = cursor.map(|cursor| decode(cursor, &listing)).transpose()?;
        let answer = self
            .client
            .query()
            .table_name(&self.data)
            .set_index_name(listing.index.map(str::to_owned))
            .consistent_read(listing.index.is_none())
            .key_condition_expression(match prefix {
                "" => "#partition = :partition",
                _ => "#partition = :partition AND begins_with(#sort, :prefix)",
            })
            .set_expression_attribute_names(Some(names(partition, sort, prefix)))
            .set_expression_attribute_values(Some(values(value, prefix)))
            .set_exclusive_start_key(after)
            .limit(limit)
            .send()
            .await
            .map_err(problem)?;
        let next_cursor = answer.last_evaluated_key.as_ref().map(encode).transpose()?;
        Ok(Page { items: answer.items.unwrap_or_default(), next_cursor })
    }
}

impl Store {
    /// All children of a parent, as far as the index holds them; it is a moment behind.
    pub(super) async fn children<T: DeserializeOwned>(&self, parent: &str) -> Result<Vec<T>, Problem> {
        let mut children = Vec::new();
        let mut cursor = None;
        loop {
            let listing =
                Listing { index: Some("children"), partition: ("parent", parent), sort: ("child", "") };
            let page = self.list(listing, CHILDREN_AT_ONCE, cursor.as_deref()).await?;
            cursor = page.next_cursor.clone();
            children.extend(page.read()?.items);
            if cursor.is_none() {
                return Ok(children);
            }
        }
    }
}

fn names(partition: &str, sort: &str, prefix: &str) -> HashMap<String, String> {
    let mut names = HashMap::from([("#partition".to_owned(), partition.to_owned())]);
    if !prefix.is_empty() {
        names.insert("#sort".to_owned(), sort.to_owned());
    }
    names
}

fn values(partition: &str, prefix: &str) -> Item {
    let mut values = HashMap::from([(":partition".to_owned(), text(partition))]);
    if !prefix.is_empty() {
        values.insert(":prefix".to_owned(), text(prefix));
    }
    values
}

fn encode(key: &Item) -> Result<String, Problem> {
    let mut parts: Vec<(&String, &String)> =
        key.iter().filter_map(|(name, value)| Some((name, value.as_s().ok()?))).collect();
    parts.sort();
    let text = serde_json::to_vec(&parts).map_err(Problem::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

fn decode(cursor: &str, listing: &Listing<'_>) -> Result<Item, Problem> {
    let invalid =
        || Problem::invalid("cursor", "is not a next_cursor of this list; leave it out to begin anew");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let parts: Vec<(String, String)> = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let key: Item =
        parts.iter().map(|(name, value)| (name.clone(), AttributeValue::S(value.clone()))).collect();
    let is = |name: &str, fits: &dyn Fn(&str) -> bool| {
        key.get(name).and_then(|value| value.as_s().ok()).is_some_and(|value| fits(value))
    };
    let expected = if listing.index.is_some() { 4 } else { 2 };
    let partition = is(listing.partition.0, &|value| value == listing.partition.1);
    let sort = is(listing.sort.0, &|value| value.starts_with(listing.sort.1));
    if key.len() == expected && partition && sort && is("pk", &|_| true) && is("sk", &|_| true) {
        Ok(key)
    } else {
        Err(invalid())
    }
}
