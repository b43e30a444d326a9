//! Stacks for tests: one that the process shares, or one of a test's own. All run on a runtime that outlives every
//! test, because each test's own runtime ends with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bifrost_local::{Build, Call, Data, Fault, InvokeError, LogSink, Options, Stack};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::pause;

/// The origin that the tests' stacks allow people to be sent back to after connecting.
pub const RETURN_TO_ORIGIN: &str = "https://app.example.com";

/// Nothing checks signatures on one machine, but the embedded DynamoDB wants to see one.
const UNSIGNED: &str = "AWS4-HMAC-SHA256 Credential=a-person/20260101/us-east-1/dynamodb/aws4_request, \
                        SignedHeaders=host;x-amz-date, Signature=0";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// A local stack that ends when it is dropped.
#[derive(Debug)]
pub struct RunningStack {
    stack: Arc<Stack>,
}

pub(crate) async fn shared() -> Arc<RunningStack> {
    static SHARED: OnceCell<Arc<RunningStack>> = OnceCell::const_new();
    let start = async || Arc::new(RunningStack::ephemeral().await);
    Arc::clone(SHARED.get_or_init(start).await)
}

impl RunningStack {
    pub(crate) async fn ephemeral() -> Self {
        Self::run(options(Data::Ephemeral).await).await.unwrap()
    }

    /// Its functions log all that they can be made to: what it leaves behind is searched for secrets.
    pub(crate) async fn with_data(folder: &Path, parameters: impl Iterator<Item = (String, String)>) -> Self {
        let mut options = options(Data::Dir(folder.to_owned())).await;
        options.parameters.insert("LogLevel".to_owned(), "TRACE".to_owned());
        options.parameters.extend(parameters);
        Self::run(options).await.unwrap()
    }

    /// From another template than the deployed one, wherever it lies.
    pub(crate) async fn with_template(template: PathBuf) -> Self {
        Self::run(Options { template, ..options(Data::Ephemeral).await }).await.unwrap()
    }

    pub(crate) async fn with_instances(count: usize) -> Self {
        Self::run(Options { max_instances: count, ..options(Data::Ephemeral).await }).await.unwrap()
    }

    pub(crate) async fn with_parameters(parameters: impl Iterator<Item = (String, String)>) -> Self {
        let mut options = Options { max_instances: 1, ..options(Data::Ephemeral).await };
        options.parameters.extend(parameters);
        Self::run(options).await.unwrap()
    }

    async fn run(options: Options) -> Result<Self, String> {
        // To see what the functions say while a test runs, at the price of the tests that search the logs.
        let to_stderr = std::env::var_os("BIFROST_TEST_LOG").is_some();
        let log = if to_stderr { LogSink::Stderr } else { options.log };
        // With other keys the policies are others than those that `tests/policies.rs` reads.
        let other_keys = options.parameters.keys().any(|name| name.ends_with("SealingKeyArn"));
        let observer = options.observer.filter(|_| !other_keys);
        let started = RUNTIME.spawn(Stack::start(Options { log, observer, ..options })).await.unwrap();
        started.map(|stack| Self { stack: Arc::new(stack) }).map_err(|error| error.to_string())
    }

    pub fn url(&self) -> &str {
        self.stack.url()
    }

    pub fn root_key(&self) -> &str {
        self.stack.root_key()
    }

    /// Everything that the runner and the functions have written so far.
    pub fn logs(&self) -> String {
        self.stack.logs().join("\n")
    }

    /// The calls that a function, named by package, has made to AWS so far.
    pub fn calls_by(&self, function: &str) -> BTreeMap<String, u64> {
        self.stack.calls_by(function)
    }

    /// What happens to the functions' calls to AWS from now on.
    pub fn set_fault_hook(&self, hook: impl Fn(&Call<'_>) -> Option<Fault> + Send + Sync + 'static) {
        self.stack.set_fault_hook(Some(Arc::new(hook)));
    }

    pub fn end_faults(&self) {
        self.stack.set_fault_hook(None);
    }

    /// Keeps a secret in Secrets Manager, in place of the one of that name.
    pub async fn put_secret(&self, name: &str, value: &str) {
        let put = json!({"SecretId": name, "SecretString": value});
        if self.aws("secretsmanager.PutSecretValue", put).await.is_err() {
            let create = json!({"Name": name, "SecretString": value});
            self.aws("secretsmanager.CreateSecret", create).await.unwrap();
        }
    }

    /// Calls an AWS service past all functions, as `X-Amz-Target` has it; an error is what it has against that.
    ///
    /// # Panics
    /// When the stack can't be reached.
    pub async fn aws(&self, target: &str, body: Value) -> Result<Value, Value> {
        let request = crate::api::http().post(format!("{}/a-person", self.stack.aws_endpoint()));
        let request = request.header("x-amz-target", target).header("authorization", UNSIGNED);
        let request = request.header("x-amz-date", "20260101T000000Z");
        let request = request.header("content-type", "application/x-amz-json-1.0").body(body.to_string());
        let response = request.send().await.unwrap();
        let accepted = response.status().is_success();
        let answer = serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null);
        if accepted { Ok(answer) } else { Err(answer) }
    }

    /// Kills one process of a function, as a hook's call names it. `false` when there is no such process.
    pub async fn kill_instance(&self, instance: Uuid) -> bool {
        self.stack.kill_instance(instance).await
    }

    /// Runs a scheduled function, and returns its report.
    pub(crate) async fn invoke(&self, function: &'static str, order: Value) -> Value {
        let report = self.try_invoke(function, order).await;
        report.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()))
    }

    /// Runs the refresher over these shards, first and last included.
    ///
    /// # Errors
    /// When it fails or is killed.
    pub async fn try_sweep(&self, first: u8, last: u8) -> Result<Value, InvokeError> {
        self.try_invoke("refresher", json!({"shards": {"first": first, "last": last}})).await
    }

    /// Runs the resealer.
    ///
    /// # Errors
    /// When it fails or is killed.
    pub async fn try_reseal(&self, order: Value) -> Result<Value, InvokeError> {
        self.try_invoke("resealer", order).await
    }

    /// Delivers log lines to the auditor.
    ///
    /// # Errors
    /// When it can't read them.
    pub async fn try_audit(&self, delivery: Value) -> Result<Value, InvokeError> {
        self.try_invoke("auditor", delivery).await
    }

    /// Runs the census.
    ///
    /// # Errors
    /// When it fails or is killed.
    pub async fn try_census(&self) -> Result<Value, InvokeError> {
        self.try_invoke("census", json!({})).await
    }

    /// The lines that functions have written for CloudWatch to make this metric of (embedded metric format), once there are
    /// so many: what a process writes is in the log a moment after its answer.
    ///
    /// # Panics
    /// When there are too few after some seconds, or one is no JSON.
    pub async fn metrics(&self, metric: &str, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            let logs = self.stack.logs();
            let lines = logs.iter().flat_map(|line| line.lines());
            let lines = lines.filter_map(|line| Some(&line[line.find('{')?..]));
            let lines = lines.filter(|line| line.contains("\"_aws\":"));
            let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
            let found: Vec<_> = lines.filter(|line| !line[metric].is_null()).collect();
            if found.len() >= count {
                return found;
            }
            pause(20).await;
        }
        panic!("not {count} lines with {metric}: {}", self.logs());
    }

    async fn try_invoke(&self, function: &'static str, order: Value) -> Result<Value, InvokeError> {
        let stack = Arc::clone(&self.stack);
        RUNTIME.spawn(async move { stack.invoke(function, order).await }).await.unwrap()
    }

    /// Ends it as a power cut would: no function finishes what it is doing.
    pub(crate) async fn kill(self) {
        let gone = RUNTIME.spawn(async move { drop(self.stack) });
        gone.await.unwrap();
    }
}

async fn options(data: Data) -> Options {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    built_once(&workspace).await;
    let return_to = ("ReturnToOrigins".to_owned(), RETURN_TO_ORIGIN.to_owned());
    let parameters = BTreeMap::from([return_to]);
    let observer = Some(crate::accesses::observer());
    Options { build: Build::None, data, parameters, observer, ..Options::for_test(workspace) }
}

/// Builds the functions, unless a test of this process has tried so before.
async fn built_once(workspace: &Path) {
    static BUILT: OnceCell<Result<(), String>> = OnceCell::const_new();
    let build = async || {
        // Starting a stack is what builds; this one has done its work by then.
        let options = Options { build: Build::Debug, ..Options::for_test(workspace.to_owned()) };
        RunningStack::run(options).await?.kill().await;
        Ok(())
    };
    BUILT.get_or_init(build).await.as_ref().unwrap();
}
