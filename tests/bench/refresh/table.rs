//! The data table, past the house: what fills it up, and how large a grant is.

use bifrost_local::Stack;
use serde_json::{Value, json};

use crate::Result;

/// Nothing checks signatures on one machine, but the embedded DynamoDB wants to see one.
const UNSIGNED: &str = "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, \
                        SignedHeaders=host;x-amz-date, Signature=0";
/// DynamoDB's own limit for one call.
const BATCH: usize = 25;

pub(crate) struct Table {
    endpoint: String,
    name: Value,
}

impl Table {
    pub(crate) async fn of(stack: &Stack) -> Result<Self> {
        let mut table = Self { endpoint: format!("{}/bench", stack.aws_endpoint()), name: Value::Null };
        let names = table.call("ListTables", json!({})).await?;
        let is_data = |name: &&Value| name.as_str().is_some_and(|name| name.contains("DataTable"));
        let found = names["TableNames"].as_array().and_then(|names| names.iter().find(is_data).cloned());
        table.name = found.ok_or("no data table")?;
        Ok(table)
    }

    /// So many copies of a grant under other keys, due in a year: nobody will open them.
    pub(crate) async fn fill(&self, count: usize) -> Result<()> {
        let grant = self.grant().await?;
        for first in (0..count).step_by(BATCH) {
            let puts = (first..(first + BATCH).min(count)).map(|_| {
                let mut item = grant.clone();
                let id = uuid::Uuid::new_v4();
                item["pk"] = json!({"S": format!("ORG#{id}")});
                item["id"] = json!({"S": id});
                item["due_shard"] = json!({"S": format!("DUE#{}", id.as_bytes()[15])});
                item["refresh_at"] = json!({"N": "4000000000"});
                json!({"PutRequest": {"Item": item}})
            });
            let puts: Vec<Value> = puts.collect();
            let table = self.name.as_str().unwrap_or_default();
            self.call("BatchWriteItem", json!({"RequestItems": {table: puts}})).await?;
        }
        Ok(())
    }

    /// In bytes, as DynamoDB counts them: names and values.
    pub(crate) async fn grant_size(&self) -> Result<usize> {
        let grant = self.grant().await?;
        let attributes = grant.as_object().ok_or("a grant is an object")?;
        Ok(attributes.iter().map(|(name, value)| name.len() + size(value)).sum())
    }

    /// One of those that are due soonest.
    async fn grant(&self) -> Result<Value> {
        for shard in 0..256 {
            let query = json!({
                "TableName": self.name, "IndexName": "due", "Limit": 1,
                "KeyConditionExpression": "due_shard = :shard AND refresh_at < :year",
                "ExpressionAttributeValues": {":shard": {"S": format!("DUE#{shard}")}, ":year": {"N": "3000000000"}},
            });
            let found = self.call("Query", query).await?;
            if let Some(keys) = found["Items"].get(0) {
                let key = json!({"pk": keys["pk"], "sk": keys["sk"]});
                let found = self.call("GetItem", json!({"TableName": self.name, "Key": key})).await?;
                return Ok(found["Item"].clone());
            }
        }
        Err("no grant is due".into())
    }

    async fn call(&self, operation: &str, body: Value) -> Result<Value> {
        let request = bifrost_tests::http().post(&self.endpoint);
        let request = request.header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        let request = request.header("content-type", "application/x-amz-json-1.0");
        let request = request.header("authorization", UNSIGNED).header("x-amz-date", "20260101T000000Z");
        let response = request.body(body.to_string()).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        if status.is_success() { Ok(serde_json::from_str(&text)?) } else { Err(text.into()) }
    }
}

/// A value in DynamoDB's JSON; binary is written in base64.
fn size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else {
        return 0;
    };
    match (kind.as_str(), value) {
        ("B", Value::String(text)) => text.len() * 3 / 4,
        (_, Value::String(text)) => text.len(),
        ("M", Value::Object(members)) => {
            3 + members.iter().map(|(name, value)| name.len() + 1 + size(value)).sum::<usize>()
        }
        (_, Value::Array(items)) => 3 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
        _ => 1,
    }
}
