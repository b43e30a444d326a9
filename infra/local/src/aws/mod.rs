//! The AWS services that functions call, embedded: DynamoDB, KMS and Secrets Manager behind one loopback address.
//!
//! All three speak the same protocol (JSON over POST, the operation in `X-Amz-Target`), so one server takes every
//! call, counts it, asks the function's policy and the fault hook about it, and passes it on. Signatures are not
//! checked: the path says which function calls, and what calls under another name may do everything.

pub(crate) mod access;
mod client_keys;
pub(crate) mod dynamodb;
mod fault;
pub(crate) mod kms;
mod notes;
pub(crate) mod policy;
pub(crate) mod secrets;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};

pub use access::{Access, Observer};
pub use fault::{Call, Fault, Hook};

use crate::checkpoint::Moment;
use crate::console::Console;
use crate::template::{Statement, Table, Template};

/// DynamoDB takes no larger request; the others far smaller ones.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;

/// (function, `DynamoDB.GetItem`) to how often.
type Counts = BTreeMap<(String, String), u64>;

pub(crate) struct Services {
    pub(crate) dynamodb: dynamodb::DynamoDb,
    pub(crate) kms: kms::Kms,
    pub(crate) secrets: secrets::Secrets,
    /// By package.
    policies: BTreeMap<String, Vec<Statement>>,
    tables: Vec<Table>,
    observer: Option<Observer>,
    counts: Mutex<Counts>,
    hook: Mutex<Option<Hook>>,
    console: Console,
}

/// What a service has against a call, as AWS words it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: String,
    message: String,
}

impl Refusal {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: kind.to_owned(), message: message.into() }
    }

    fn unknown_operation(service: &str, operation: &str) -> Self {
        Self::new("UnknownOperationException", format!("the local {service} doesn't know {operation}"))
    }
}

impl Services {
    pub(crate) fn new(
        template: &Template,
        dynamodb: dynamodb::DynamoDb,
        kms: kms::Kms,
        secrets: secrets::Secrets,
        observer: Option<Observer>,
        console: Console,
    ) -> Arc<Self> {
        let mut policies: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for function in &template.functions {
            policies.entry(function.package.clone()).or_default().extend(function.policy.iter().cloned());
        }
        Arc::new(Self {
            dynamodb,
            kms,
            secrets,
            policies,
            tables: template.tables.clone(),
            observer,
            counts: Mutex::default(),
            hook: Mutex::default(),
            console,
        })
    }

    /// A call's path names the function that makes it, and the instance.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(serve).with_state(Arc::clone(self))
    }

    /// Every call since the start, by `Service.Operation`; only those of one function when it is given.
    pub(crate) fn calls(&self, function: Option<&str>) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for ((caller, operation), count) in &*self.counts.lock().unwrap_or_else(PoisonError::into_inner) {
            if function.is_none_or(|function| function == caller) {
                *calls.entry(operation.clone()).or_default() += count;
            }
        }
        calls
    }

    pub(crate) fn set_hook(&self, hook: Option<Hook>) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    /// Counts the call, and says how many like it this function had made before.
    fn count(&self, function: &str, operation: &str) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((function.to_owned(), operation.to_owned())).or_default();
        *count += 1;
        *count - 1
    }

    fn fault(&self, call: &Call<'_>) -> Option<Fault> {
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        hook.and_then(|hook| hook(call))
    }

    /// What the function's policy has against the call.
    fn check(&self, function: &str, target: &Target<'_>, body: &[u8]) -> Result<(), Refusal> {
        let Some(policy) = self.policies.get(function) else { return Ok(()) };
        let request = parsed(body)?;
        let accesses = match target.service {
            "DynamoDB" => access::to_tables(&self.tables, target.operation, &request),
            "KMS" => self.kms.access(target.operation, &request).into_iter().collect(),
            _ => vec![self.secrets.access(target.operation, &request)],
        };
        for access in &accesses {
            let allowed = policy::allows(policy, access);
            if let Some(observer) = &self.observer {
                observer.tell(function, access, allowed);
            }
            if !allowed {
                let Access { action, resource, .. } = access;
                let message = format!(
                    "{function} is not authorized to perform: {action} on resource: {resource} \
                     because no identity-based policy allows the {action} action"
                );
                self.console.say(format_args!("{message}, with {:?}", access.context));
                return Err(Refusal::new("AccessDeniedException", message));
            }
        }
        Ok(())
    }

    async fn perform(
        &self,
        target: &Target<'_>,
        headers: &axum::http::HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        let answer = match target.service {
            "DynamoDB" => return self.dynamodb.pass_on(headers, body).await,
            "KMS" => parsed(&body).and_then(|request| self.kms.perform(target.operation, &request)),
            _ => parsed(&body).and_then(|request| self.secrets.perform(target.operation, &request)),
        };
        match answer {
            Ok(answer) => json_response(StatusCode::OK, &answer),
            Err(refusal) => refused(&refusal),
        }
    }
}

async fn serve(State(services): State<Arc<Services>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let Some(target) = target.and_then(Target::parse) else {
        return refused(&Refusal::new(
            "UnknownOperationException",
            "no service of the local stack has this operation",
        ));
    };
    let Ok(body) = axum::body::to_bytes(body, LARGEST_REQUEST).await else {
        return refused(&Refusal::new("RequestEntityTooLarge", "the request is too large, or broke off"));
    };
    let path = parts.uri.path().trim_matches('/');
    let (function, instance) = path.split_once('/').unwrap_or((path, ""));
    let instance = instance.parse().unwrap_or_default();
    let earlier = services.count(function, &target.to_string());
    if let Err(refusal) = services.check(function, &target, &body) {
        return refused(&refusal);
    }
    let call = Call {
        service: target.service,
        operation: target.operation,
        function,
        instance,
        earlier,
        body: &body,
    };
    match services.fault(&call) {
        None => {}
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Refuse { status, kind }) => return refused(&injected(status, &kind)),
        Some(Fault::Conflict) => return conflict(target.operation, &body),
        Some(Fault::LoseAnswer) => {
            services.perform(&target, &parts.headers, body).await;
            return refused(&injected(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"));
        }
        Some(Fault::Checkpoint(checkpoint)) => {
            checkpoint.pass(Moment::Arrived).await;
            let response = services.perform(&target, &parts.headers, body).await;
            checkpoint.pass(Moment::Done).await;
            return response;
        }
    }
    let response = services.perform(&target, &parts.headers, body).await;
    if response.status().is_server_error() {
        services.console.say(format_args!("{function}: {target} answered {}", response.status()));
    }
    response
}

/// `DynamoDB_20120810.GetItem` and its like, in the words that people use.
struct Target<'a> {
    service: &'static str,
    operation: &'a str,
}

impl<'a> Target<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let (prefix, operation) = header.split_once('.')?;
        let service = match prefix {
            "DynamoDB_20120810" => "DynamoDB",
            "TrentService" => "KMS",
            "secretsmanager" => "SecretsManager",
            _ => return None,
        };
        Some(Self { service, operation })
    }
}

impl std::fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.service, self.operation)
    }
}

fn injected(status: StatusCode, kind: &str) -> Refusal {
    Refusal { status, kind: kind.to_owned(), message: "injected by the local stack".to_owned() }
}

/// A transaction is told which of its items were busy; any other write, only that they were.
fn conflict(operation: &str, body: &[u8]) -> Response<Body> {
    let prefix = "com.amazonaws.dynamodb.v20120810#";
    let message = "injected by the local stack";
    if operation != "TransactWriteItems" {
        return refused(&Refusal::new(&format!("{prefix}TransactionConflictException"), message));
    }
    let items = parsed(body).ok().and_then(|request| Some(request["TransactItems"].as_array()?.len()));
    let reason = json!({"Code": "TransactionConflict", "Message": message});
    let canceled = json!({
        "__type": format!("{prefix}TransactionCanceledException"),
        "Message": message,
        "CancellationReasons": vec![reason; items.unwrap_or_default()],
    });
    json_response(StatusCode::BAD_REQUEST, &canceled)
}

fn parsed(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::new("SerializationException", "the body is not JSON"))
}

fn refused(refusal: &Refusal) -> Response<Body> {
    json_response(refusal.status, &json!({"__type": refusal.kind, "message": refusal.message}))
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
