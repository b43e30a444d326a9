//! Reading many items of both tables at once.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::DeserializeOwned;

use super::{
    ItemKey, Store,
    error::problem,
    item::{Item, from_item},
};
use crate::model::Problem;

/// DynamoDB's own limit for one call.
const BATCH_SIZE: usize = 100;
/// Unprocessed keys mean that a table is throttled; six rounds of growing pauses are about two seconds.
const ROUNDS: u32 = 6;

/// What to read, consistently.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    data: Vec<ItemKey>,
    data_keys: Vec<ItemKey>,
}

/// What was there.
#[derive(Debug, Default)]
pub struct Found(HashMap<ItemKey, Item>);

impl Batch {
    /// Also reads this item of the data table.
    pub fn data(&mut self, key: ItemKey) -> &mut Self {
        push(&mut self.data, key);
        self
    }

    /// Also reads this item of the data-keys table.
    pub fn data_key(&mut self, key: ItemKey) -> &mut Self {
        push(&mut self.data_keys, key);
        self
    }
}

// DynamoDB refuses a batch that names a key twice.
fn push(keys: &mut Vec<ItemKey>, key: ItemKey) {
    if !keys.contains(&key) {
        keys.push(key);
    }
}

impl Batch {
    fn all(&self) -> impl Iterator<Item = &ItemKey> {
        self.data.iter().chain(&self.data_keys)
    }
}

#[cfg(test)]
impl Found {
    pub(crate) fn put(&mut self, key: ItemKey, item: Item) {
        self.0.insert(key, item);
    }
}

impl Found {
    /// Takes an item out as what it is.
    pub fn take<T: DeserializeOwned>(&mut self, key: &ItemKey) -> Result<Option<T>, Problem> {
        self.0.remove(key).map(from_item).transpose()
    }

    /// An item that others want to see, too.
    pub fn see<T: DeserializeOwned>(&self, key: &ItemKey) -> Result<Option<T>, Problem> {
        self.0.get(key).cloned().map(from_item).transpose()
    }

    /// What was found of these, for somebody to take.
    #[must_use]
    pub fn part(&self, batch: &Batch) -> Self {
        let found = |key: &ItemKey| Some((key.clone(), self.0.get(key)?.clone()));
        Self(batch.all().filter_map(found).collect())
    }

    pub fn add(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

impl Found {
    /// An item as what it is, for others to look at as well.
    pub fn look_at<T: DeserializeOwned>(&self, key: &ItemKey) -> Result<Option<T>, Problem> {
        self.0.get(key).cloned().map(from_item).transpose()
    }
}

impl Store {
    /// One `BatchGetItem` for up to 100 items; keys that DynamoDB leaves unprocessed are asked for again.
    pub async fn read(&self, batch: Batch) -> Result<Found, Problem> {
        let tables = [(&self.data, batch.data), (&self.data_keys, batch.data_keys)];
        let mut wanted: Vec<(&String, ItemKey)> = tables
            .into_iter()
            .flat_map(|(table, keys)| keys.into_iter().map(move |key| (table, key)))
            .collect();
        let mut found = Found::default();
        while !wanted.is_empty() {
            let rest = wanted.split_off(wanted.len().min(BATCH_SIZE));
            let mut request: HashMap<String, Vec<Item>> = HashMap::new();
            for (table, key) in std::mem::replace(&mut wanted, rest) {
                request.entry(table.clone()).or_default().push(key.attributes());
            }
            self.read_all(request, &mut found).await?;
        }
        Ok(found)
    }

    async fn read_all(&self, request: HashMap<String, Vec<Item>>, found: &mut Found) -> Result<(), Problem> {
        let mut request: HashMap<String, KeysAndAttributes> = request
            .into_iter()
            .map(|(table, keys)| Ok((table, consistent(keys)?)))
            .collect::<Result<_, Problem>>()?;
        for round in 0..ROUNDS {
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(Some(request))
                .send()
                .await
                .map_err(problem)?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                found.0.insert(key_of(&item)?, item);
            }
            request = answer.unprocessed_keys.unwrap_or_default();
            if request.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(30 << round)).await;
        }
        Err(Problem::unavailable("DynamoDB left keys of a batch unprocessed"))
    }
}

fn consistent(keys: Vec<Item>) -> Result<KeysAndAttributes, Problem> {
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(Problem::internal)
}

fn key_of(item: &Item) -> Result<ItemKey, Problem> {
    let text = |name: &str| item.get(name).and_then(|value| AttributeValue::as_s(value).ok()).cloned();
    match (text("pk"), text("sk")) {
        (Some(pk), Some(sk)) => Ok(ItemKey { pk, sk }),
        _ => Err(Problem::internal("an item without its key")),
    }
}
