//! What the functions' policies allow: inline documents, and the template's managed ones.
//!
//! Statements that allow, with the conditions that this template has use for. Anything else is refused: a policy that
//! the local stack read half would let a test pass that AWS denies.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::model::{Condition, Operator, Statement};
use super::properties::{Text, typed};
use super::{Place, TemplateError};

type Result<T> = std::result::Result<T, TemplateError>;

/// The statements of the template's managed policies, by what `Ref` gives for each.
pub(super) type Managed = BTreeMap<String, Vec<Statement>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ManagedPolicy {
    policy_document: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "Version")]
    _version: Option<Text>,
    statement: Listed<RawStatement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawStatement {
    #[serde(default)]
    sid: String,
    #[serde(rename = "Effect")]
    _effect: Allow,
    action: Listed<String>,
    resource: Listed<String>,
    #[serde(default)]
    condition: BTreeMap<Operator, BTreeMap<String, Listed<Text>>>,
}

#[derive(Deserialize)]
enum Allow {
    Allow,
}

/// A list, or the one thing that would be in it.
#[derive(Default)]
struct Listed<T>(Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let items = match Value::deserialize(deserializer)? {
            Value::Array(items) => items,
            one => vec![one],
        };
        let read = |item| T::deserialize(item).map_err(D::Error::custom);
        items.into_iter().map(read).collect::<std::result::Result<_, _>>().map(Self)
    }
}

pub(super) fn managed(policy: ManagedPolicy, place: &Place) -> Result<Vec<Statement>> {
    document(policy.policy_document, &place.key("PolicyDocument"))
}

/// All that a function's `Policies` allow.
pub(super) fn of_function(policies: Vec<Value>, managed: &Managed, place: &Place) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for (index, policy) in policies.into_iter().enumerate() {
        let place = place.index(index);
        match policy {
            Value::String(name) => {
                let known = managed.get(&name).ok_or_else(|| {
                    TemplateError::at(&place, format!("the template has no managed policy {name}"))
                })?;
                statements.extend(known.iter().cloned());
            }
            inline => statements.extend(document(inline, &place)?),
        }
    }
    Ok(statements)
}

fn document(document: Value, place: &Place) -> Result<Vec<Statement>> {
    let document: Document = typed(document, place)?;
    let statements = document.statement.0.into_iter();
    statements.map(|statement| self::statement(statement, place)).collect()
}

fn statement(raw: RawStatement, place: &Place) -> Result<Statement> {
    let mut conditions = Vec::new();
    for (operator, keys) in raw.condition {
        for (key, values) in keys {
            if !is_known(&key) {
                let problem = format!("{}: the local stack doesn't know the condition key {key}", raw.sid);
                return Err(TemplateError::at(place, problem));
            }
            let values = values.0.into_iter().map(|Text(value)| value).collect();
            conditions.push(Condition { operator, key, values });
        }
    }
    Ok(Statement { sid: raw.sid, actions: raw.action.0, resources: raw.resource.0, conditions })
}

/// The condition keys that the local AWS gives a value.
fn is_known(key: &str) -> bool {
    ["dynamodb:LeadingKeys", "kms:EncryptionContextKeys"].contains(&key)
        || key.starts_with("kms:EncryptionContext:")
        || key.starts_with("aws:ResourceTag/")
}
