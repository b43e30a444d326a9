//! The tables as operators see them, who back them up, lose them and put them back.

use serde_json::{Value, json};

use crate::RunningStack;

/// A table by a part of its name.
pub const DATA: &str = "DataTable";
pub const DATA_KEYS: &str = "DataKeysTable";

impl RunningStack {
    /// All items of a table.
    ///
    /// # Panics
    /// When there is no such table, as do all that follow.
    pub async fn items(&self, table: &str) -> Vec<Value> {
        let scan = json!({"TableName": self.table(table).await, "ConsistentRead": true});
        self.dynamodb("Scan", scan).await["Items"].as_array().unwrap().clone()
    }

    /// Puts these in, in place of those with their keys.
    pub async fn put_items(&self, table: &str, items: &[Value]) {
        let table = self.table(table).await;
        for item in items {
            self.dynamodb("PutItem", json!({"TableName": table, "Item": item})).await;
        }
    }

    /// Puts in those that are missing, as somebody does who merges what was restored from a backup.
    pub async fn put_missing_items(&self, table: &str, items: &[Value]) {
        let there = self.items(table).await;
        let is_there = |item: &Value| there.iter().any(|other| key_of(other) == key_of(item));
        let missing: Vec<_> = items.iter().filter(|item| !is_there(item)).cloned().collect();
        self.put_items(table, &missing).await;
    }

    /// Leaves nothing in a table but these, as somebody does who restores it from a backup.
    pub async fn restore(&self, table: &str, items: &[Value]) {
        let name = self.table(table).await;
        for item in self.items(table).await {
            self.dynamodb("DeleteItem", json!({"TableName": name, "Key": key_of(&item)})).await;
        }
        self.put_items(table, items).await;
    }

    /// Gives an attribute another value, in all items that have it.
    pub async fn change_items(&self, table: &str, attribute: &str, value: Value) {
        let name = self.table(table).await;
        for item in self.items(table).await.into_iter().filter(|item| !item[attribute].is_null()) {
            let update = json!({
                "TableName": name, "Key": key_of(&item),
                "UpdateExpression": "SET #a = :value", "ExpressionAttributeNames": {"#a": attribute},
                "ExpressionAttributeValues": {":value": value},
            });
            self.dynamodb("UpdateItem", update).await;
        }
    }

    async fn table(&self, name: &str) -> String {
        let tables = self.dynamodb("ListTables", json!({})).await;
        let names = tables["TableNames"].as_array().unwrap().iter().map(|table| table.as_str().unwrap());
        names.filter(|table| table.contains(name)).map(str::to_owned).next().unwrap()
    }

    async fn dynamodb(&self, operation: &str, body: Value) -> Value {
        self.aws(&format!("DynamoDB_20120810.{operation}"), body).await.unwrap()
    }
}

fn key_of(item: &Value) -> Value {
    json!({"pk": item["pk"], "sk": item["sk"]})
}
