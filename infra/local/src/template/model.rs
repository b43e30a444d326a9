//! What a template comes to on one machine. Plain values; every intrinsic is resolved.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

#[derive(Clone, Debug)]
pub struct Template {
    pub api_id: String,
    pub functions: Vec<Function>,
    pub routes: Vec<Route>,
    pub schedules: Vec<Schedule>,
    pub tables: Vec<Table>,
    pub keys: Vec<Key>,
    /// Alias name (`alias/...`) to what it points at: a key's id or ARN.
    pub aliases: BTreeMap<String, String>,
    pub secrets: Vec<Secret>,
}

#[derive(Clone, Debug)]
pub struct Function {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    /// The cargo package, and the name of its binary.
    pub package: String,
    /// Folder of the package, relative to the template.
    pub code: String,
    pub handler: String,
    pub memory_mb: u32,
    pub timeout: Duration,
    pub environment: BTreeMap<String, String>,
    pub logging: Logging,
    pub reserved_concurrency: Option<usize>,
    /// What its policies allow it, and nothing else.
    pub policy: Vec<Statement>,
}

/// A statement that allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub sid: String,
    pub actions: Vec<String>,
    /// ARNs, in which `*` and `?` stand for what they do in IAM.
    pub resources: Vec<String>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub operator: Operator,
    pub key: String,
    /// One of them must fit.
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Operator {
    StringEquals,
    StringLike,
    /// Of all that the request has under the key, which may be nothing.
    #[serde(rename = "ForAllValues:StringEquals")]
    AllStringEquals,
    #[serde(rename = "ForAllValues:StringLike")]
    AllStringLike,
    /// Whether the request has nothing under the key.
    Null,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    pub format: Option<String>,
    pub level: Option<String>,
    pub group: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Route {
    pub method: Method,
    /// As written, such as `/integrations/{name}`.
    pub path: String,
    /// Logical id of the function.
    pub function: String,
    pub authorizer: Option<Authorizer>,
    /// How long the gateway waits for the function.
    pub patience: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    Any,
    Only(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// Logical id of the function that decides.
    pub function: String,
    /// Lower-cased names of the headers that say who calls; all must be there.
    pub identity_headers: Vec<String>,
    /// How long a decision holds; zero: not at all.
    pub remembered: Duration,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    /// `<function>.<event>`, as the template has them.
    pub name: String,
    pub function: String,
    pub every: Duration,
    /// The event as given, or what EventBridge Scheduler sends on its own.
    pub input: Option<serde_json::Value>,
    pub enabled: bool,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub logical_id: String,
    pub name: String,
    /// Attribute name to `S`, `N` or `B`.
    pub attributes: BTreeMap<String, String>,
    /// (attribute, `HASH` or `RANGE`), the hash key first.
    pub key: Vec<(String, String)>,
    pub indexes: Vec<Index>,
    pub time_to_live: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Index {
    pub name: String,
    pub key: Vec<(String, String)>,
    pub projection: String,
    pub projected: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub arn: String,
}

#[derive(Clone, Debug)]
pub struct Secret {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub length: usize,
    /// What the generated secret may consist of.
    pub alphabet: Vec<char>,
}

impl Template {
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.logical_id == name || function.package == name)
    }
}
