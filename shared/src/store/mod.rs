//! The two DynamoDB tables: keys, items, and one file per kind of item with the few operations it needs.
//!
//! There is one implementation, the AWS SDK's, and no trait before it: the local stack and the tests put an embedded
//! DynamoDB behind the same SDK. Sealed values go in and out as they are; only `vault` opens them.

pub mod api_keys;
pub mod batch;
pub mod breakers;
pub mod census;
pub mod cleanups;
pub mod connections;
pub mod data_keys;
mod error;
pub mod grants;
pub mod integrations;
pub mod item;
pub mod keys;
pub mod mappings;
pub mod once;
pub mod organizations;
pub mod page;
pub mod sealed;
pub mod sweeps;
pub mod tickets;
mod transaction;

use aws_sdk_dynamodb::Client;

use crate::environment::Environment;
pub use batch::{Batch, Found};
pub use keys::ItemKey;
pub use page::Page;

/// The tables, reached through the AWS SDK.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    data: String,
    data_keys: String,
}

impl Store {
    pub fn new(client: Client, environment: &Environment) -> Self {
        let Environment { data_table, data_keys_table, .. } = environment;
        Self { client, data: data_table.clone(), data_keys: data_keys_table.clone() }
    }
}
