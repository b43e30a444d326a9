//! What a call asks to be allowed: IAM's view of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::template::{Table, arn};

/// One action on one resource. A batch or a transaction asks for one on each of its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `dynamodb:GetItem`.
    pub action: String,
    /// The ARN of a table, an index, a key or a secret.
    pub resource: String,
    /// What conditions can ask about, by condition key.
    pub context: BTreeMap<String, Vec<String>>,
}

/// Told the function's package, what its call needs, and whether its policy allows that.
#[derive(Clone)]
pub struct Observer(Arc<Observe>);

type Observe = dyn Fn(&str, &Access, bool) + Send + Sync;

impl Observer {
    pub fn new(observe: impl Fn(&str, &Access, bool) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(super) fn tell(&self, function: &str, access: &Access, allowed: bool) {
        self.0(function, access, allowed);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Access {
    pub(super) fn new(action: String, resource: String) -> Self {
        Self { action, resource, context: BTreeMap::new() }
    }

    pub(super) fn with(mut self, key: impl Into<String>, values: Vec<String>) -> Self {
        self.context.insert(key.into(), values);
        self
    }
}

/// What a call to DynamoDB needs.
///
/// The leading keys of a query on an index are left out: AWS documents for tables alone which attribute they are, so
/// that no policy here should rest on them.
pub(super) fn to_tables(tables: &[Table], operation: &str, request: &Value) -> Vec<Access> {
    let mut asked = Asked { tables, partitions: BTreeMap::new() };
    match operation {
        "BatchGetItem" => {
            for (table, wanted) in request["RequestItems"].as_object().into_iter().flatten() {
                let keys = wanted["Keys"].as_array().into_iter().flatten();
                keys.for_each(|key| asked.item(operation, table, key));
            }
        }
        "TransactWriteItems" => {
            for member in request["TransactItems"].as_array().into_iter().flatten() {
                for (kind, write) in member.as_object().into_iter().flatten() {
                    let action =
                        if kind == "ConditionCheck" { "ConditionCheckItem" } else { &format!("{kind}Item") };
                    asked.item(action, text(&write["TableName"]), item_of(write));
                }
            }
        }
        "Query" if !request["IndexName"].is_null() => {
            let (table, index) = (text(&request["TableName"]), text(&request["IndexName"]));
            return vec![Access::new(
                "dynamodb:Query".to_owned(),
                format!("{}/index/{index}", table_arn(table)),
            )];
        }
        "Query" => {
            let table = text(&request["TableName"]);
            let partition = asked.hash_key(table).and_then(|hash_key| queried(request, hash_key));
            asked.partition(operation, table, partition);
        }
        _ => asked.item(operation, text(&request["TableName"]), item_of(request)),
    }
    asked.accesses()
}

/// The partitions that a request reaches, by action and table.
struct Asked<'a> {
    tables: &'a [Table],
    partitions: BTreeMap<(String, String), Vec<String>>,
}

impl Asked<'_> {
    fn item(&mut self, action: &str, table: &str, item: &Value) {
        let partition = self.hash_key(table).and_then(|hash_key| item[hash_key]["S"].as_str());
        self.partition(action, table, partition.map(str::to_owned));
    }

    fn partition(&mut self, action: &str, table: &str, partition: Option<String>) {
        let place = (format!("dynamodb:{action}"), table_arn(table));
        self.partitions.entry(place).or_default().extend(partition);
    }

    fn hash_key(&self, table: &str) -> Option<&str> {
        let found = self.tables.iter().find(|known| known.name == table);
        found.and_then(|table| table.key.first()).map(|(name, _)| name.as_str())
    }

    fn accesses(self) -> Vec<Access> {
        let access = |((action, resource), mut partitions): (_, Vec<String>)| {
            partitions.sort_unstable();
            partitions.dedup();
            let access = Access::new(action, resource);
            if partitions.is_empty() { access } else { access.with("dynamodb:LeadingKeys", partitions) }
        };
        self.partitions.into_iter().map(access).collect()
    }
}

fn item_of(request: &Value) -> &Value {
    if request["Item"].is_null() { &request["Key"] } else { &request["Item"] }
}

/// The value that a query's condition wants the partition key to have.
fn queried(request: &Value, hash_key: &str) -> Option<String> {
    let condition = request["KeyConditionExpression"].as_str()?;
    condition.split(" AND ").find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let name = name.trim();
        let name = request["ExpressionAttributeNames"][name].as_str().unwrap_or(name);
        let value = &request["ExpressionAttributeValues"][value.trim()]["S"];
        (name == hash_key).then(|| value.as_str().map(str::to_owned))?
    })
}

/// A table may be called by its ARN.
fn table_arn(table: &str) -> String {
    if table.starts_with("arn:") { table.to_owned() } else { arn("dynamodb", &format!("table/{table}")) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/bifrost-local-DataTable";

    fn accesses(operation: &str, request: Value) -> Vec<(String, String, Vec<String>)> {
        let accesses = to_tables(&crate::template::fixture().tables, operation, &request);
        let plain = |access: Access| {
            let keys = access.context.get("dynamodb:LeadingKeys").cloned().unwrap_or_default();
            (access.action, access.resource, keys)
        };
        accesses.into_iter().map(plain).collect()
    }

    fn on_the_table(action: &str, keys: &[&str]) -> (String, String, Vec<String>) {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        (format!("dynamodb:{action}"), TABLE.to_owned(), keys)
    }

    #[test]
    fn a_batch_needs_its_action_once_for_all_its_partitions_of_a_table() {
        let key = |pk: &str| json!({"pk": {"S": pk}, "sk": {"S": "a"}});
        let request =
            json!({"RequestItems": {"bifrost-local-DataTable": {"Keys": [key("b"), key("a"), key("b")]}}});
        assert_eq!(accesses("BatchGetItem", request), [on_the_table("BatchGetItem", &["a", "b"])]);
    }

    #[test]
    fn a_transaction_needs_what_its_members_need_and_nothing_of_its_own() {
        let member = |kind: &str, part: &str, pk: &str| json!({kind: {"TableName": "bifrost-local-DataTable", part: {"pk": {"S": pk}}}});
        let request = json!({"TransactItems": [
            member("Put", "Item", "a"), member("Update", "Key", "b"), member("Delete", "Key", "c"),
            member("ConditionCheck", "Key", "d"), member("Put", "Item", "e"),
        ]});
        let expected = [
            on_the_table("ConditionCheckItem", &["d"]),
            on_the_table("DeleteItem", &["c"]),
            on_the_table("PutItem", &["a", "e"]),
            on_the_table("UpdateItem", &["b"]),
        ];
        assert_eq!(accesses("TransactWriteItems", request), expected);
    }

    #[test]
    fn a_query_is_for_the_partition_that_its_condition_names_or_for_an_index() {
        let mut request = json!({
            "TableName": "bifrost-local-DataTable", "KeyConditionExpression": "#p = :p AND begins_with(sk, :s)",
            "ExpressionAttributeNames": {"#p": "pk"}, "ExpressionAttributeValues": {":p": {"S": "a"}},
        });
        assert_eq!(accesses("Query", request.clone()), [on_the_table("Query", &["a"])]);
        request["IndexName"] = "due".into();
        let index = ("dynamodb:Query".to_owned(), format!("{TABLE}/index/due"), vec![]);
        assert_eq!(accesses("Query", request), [index]);
    }
}
