//! DynamoDB, embedded: the `dynoxide` engine over SQLite, with the tables of the template.
//!
//! Calls go through dynoxide's own HTTP face on an inner port, because that is where it words its answers as
//! DynamoDB does.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use bytes::Bytes;
use dynoxide::Database;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::template::{Index, Table, Template};

/// AWS deletes expired items when it gets to it, within days; nothing may rely on it, so it need not be prompt.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("the embedded DynamoDB: {0}")]
    Engine(String),
    #[error(
        "table {table} was made with other {what} than the template has now; \
         move the data folder away, or choose another one"
    )]
    Changed { table: String, what: &'static str },
}

pub(crate) struct DynamoDb {
    client: Client<HttpConnector, Body>,
    inner: Uri,
    tasks: Vec<JoinHandle<()>>,
}

impl DynamoDb {
    /// Opens the database file, or one in memory, and sees to the template's tables.
    pub(crate) async fn open(template: &Template, file: Option<&Path>) -> Result<Self, TableError> {
        let database = match file {
            Some(file) => Database::new(&file.display().to_string()),
            None => Database::memory(),
        };
        let database = database.map_err(|error| TableError::Engine(error.to_string()))?;
        for table in &template.tables {
            see_to(table, &database)?;
        }
        let failed = |error: std::io::Error| TableError::Engine(error.to_string());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let inner = format!("http://{}/", listener.local_addr().map_err(failed)?);
        let inner = inner.parse().map_err(|_| TableError::Engine(inner))?;
        let served = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            inner,
            tasks: vec![served, tokio::spawn(sweep(database))],
        })
    }

    pub(crate) async fn pass_on(&self, headers: &HeaderMap, body: Bytes) -> Response<Body> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.inner.clone();
        *request.headers_mut() = headers.clone();
        request.headers_mut().remove(header::HOST);
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(_) => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn sweep(database: Database) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let database = database.clone();
        let _ = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
    }
}

/// Makes the table when it is new; otherwise checks that it is still the one that the template describes.
fn see_to(table: &Table, database: &Database) -> Result<(), TableError> {
    let described = call(json!({"TableName": table.name}), |request| database.describe_table(request));
    match described {
        Ok(stored) => compare(table, &stored["Table"])?,
        Err(_) => {
            call(definition(table), |request| database.create_table(request)).map_err(TableError::Engine)?;
        }
    }
    let Some(attribute) = &table.time_to_live else {
        return Ok(());
    };
    let current = call(json!({"TableName": table.name}), |request| database.describe_time_to_live(request))
        .map_err(TableError::Engine)?;
    if current.pointer("/TimeToLiveDescription/AttributeName").and_then(Value::as_str) != Some(attribute) {
        let specification = json!({"AttributeName": attribute, "Enabled": true});
        let request = json!({"TableName": table.name, "TimeToLiveSpecification": specification});
        call(request, |request| database.update_time_to_live(request)).map_err(TableError::Engine)?;
    }
    Ok(())
}

/// The engine's types mirror the API's JSON, which is easier to write and to compare.
fn call<Request, Answer>(
    request: Value,
    operation: impl FnOnce(Request) -> dynoxide::Result<Answer>,
) -> Result<Value, String>
where
    Request: serde::de::DeserializeOwned,
    Answer: serde::Serialize,
{
    let request = serde_json::from_value(request).map_err(|error| error.to_string())?;
    let answer = operation(request).map_err(|error| error.to_string())?;
    serde_json::to_value(answer).map_err(|error| error.to_string())
}

fn definition(table: &Table) -> Value {
    let mut definition = json!({
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes(table),
        "KeySchema": key_schema(&table.key),
    });
    if !table.indexes.is_empty() {
        definition["GlobalSecondaryIndexes"] = table.indexes.iter().map(index).collect();
    }
    definition
}

fn compare(table: &Table, stored: &Value) -> Result<(), TableError> {
    let changed = |what| TableError::Changed { table: table.name.clone(), what };
    if stored["KeySchema"] != key_schema(&table.key) {
        return Err(changed("keys"));
    }
    if by_name(&stored["AttributeDefinitions"], "AttributeName")
        != by_name(&attributes(table), "AttributeName")
    {
        return Err(changed("key attributes"));
    }
    let wanted: Value = table.indexes.iter().map(index).collect();
    let relevant: Value = by_name(&stored["GlobalSecondaryIndexes"], "IndexName")
        .into_iter()
        .map(|index| json!({"IndexName": index["IndexName"], "KeySchema": index["KeySchema"], "Projection": index["Projection"]}))
        .collect();
    if by_name(&relevant, "IndexName") == by_name(&wanted, "IndexName") {
        Ok(())
    } else {
        Err(changed("indexes"))
    }
}

fn by_name(items: &Value, name: &str) -> Vec<Value> {
    let mut items = items.as_array().cloned().unwrap_or_default();
    items.sort_by_key(|item| item[name].as_str().unwrap_or_default().to_owned());
    items
}

fn attributes(table: &Table) -> Value {
    table
        .attributes
        .iter()
        .map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}))
        .collect()
}

fn key_schema(key: &[(String, String)]) -> Value {
    key.iter().map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind})).collect()
}

fn index(index: &Index) -> Value {
    let mut projection = json!({"ProjectionType": index.projection});
    if !index.projected.is_empty() {
        projection["NonKeyAttributes"] = index.projected.clone().into();
    }
    json!({"IndexName": index.name, "KeySchema": key_schema(&index.key), "Projection": projection})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_once_and_accepted_ever_after() {
        let database = Database::memory().unwrap();
        let template = crate::template::fixture();
        for _ in 0..2 {
            template.tables.iter().for_each(|table| see_to(table, &database).unwrap());
        }
    }

    #[test]
    fn a_table_with_other_keys_than_the_template_is_refused() {
        let database = Database::memory().unwrap();
        let mut table = crate::template::fixture().tables.remove(0);
        see_to(&table, &database).unwrap();
        table.key[1].0 = "other".to_owned();
        assert!(matches!(see_to(&table, &database), Err(TableError::Changed { what: "keys", .. })));
    }

    #[test]
    fn a_table_with_other_indexes_than_the_template_is_refused() {
        let database = Database::memory().unwrap();
        let mut table = crate::template::fixture().tables.remove(0);
        see_to(&table, &database).unwrap();
        table.indexes[0].projection = "ALL".to_owned();
        assert!(matches!(see_to(&table, &database), Err(TableError::Changed { what: "indexes", .. })));
    }
}
