//! A running stack: everything that the template describes, on one machine.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::aws::dynamodb::DynamoDb;
use crate::aws::kms::Kms;
use crate::aws::secrets::Secrets;
use crate::aws::{Hook, Services};
use crate::build;
use crate::console::Console;
use crate::data::{Data, Folder, Lock};
use crate::error::{InvokeError, StartError};
use crate::gateway::Gateway;
use crate::options::Options;
use crate::provider;
use crate::runtime::Outcome;
use crate::runtime::api::{self, Pools};
use crate::runtime::instance::Blueprint;
use crate::runtime::pool::Pool;
use crate::schedule;
use crate::template::{self, Schedule, Template};

/// How long requests that are under way may take to finish when the stack stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// The parameter by which functions learn their own address.
const PUBLIC_URL: &str = "PublicUrl";

/// The root key is this and the template's generated secret.
const ROOT_KEY_PREFIX: &str = "bfk_root_";

/// Where the root key can be read; in the data folder.
pub const ROOT_KEY_FILE: &str = "root-key";

/// Needs a multi-threaded Tokio runtime. Dropping it ends everything at once; [`Stack::stop`] is kinder.
pub struct Stack {
    url: String,
    aws_endpoint: String,
    root_key: String,
    provider: Option<provider::Running>,
    template: Template,
    pools: Pools,
    services: Arc<Services>,
    console: Console,
    gateway: Option<JoinHandle<()>>,
    /// What functions call: AWS, and the Runtime API. They are needed until the last function has finished.
    for_functions: Vec<JoinHandle<()>>,
    schedules: Vec<JoinHandle<()>>,
    stopping: watch::Sender<bool>,
    _lock: Lock,
}

impl Stack {
    /// Reads the template, builds the functions, and serves. Whatever is wrong is found before anything is served.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let console = Console::open(&options.log).map_err(StartError::Log)?;
        let listener = bind(options.listen, "--listen").await?;
        let url = url_of(&listener, "localhost", options.listen);
        let template = read_template(&options, &url)?;
        let (folder, lock) = Folder::open(&options.data)?;
        let provider = start_provider(&options, &folder).await?;
        let binaries = build::binaries(&options.build, &options.workspace, &template).await?;

        let services = Services::new(
            &template,
            DynamoDb::open(&template, folder.path("dynamodb.sqlite").as_deref()).await?,
            Kms::open(&template, &folder)?,
            Secrets::open(&template, &folder)?,
            options.observer.clone(),
            console.clone(),
        );
        let root_key = root_key(&template, &services.secrets)?;
        if matches!(options.data, Data::Dir(_)) {
            folder.write_bytes(ROOT_KEY_FILE, format!("{root_key}\n").into_bytes())?;
        }

        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (aws, runtime) = (bind(any, "--listen").await?, bind(any, "--listen").await?);
        let aws_endpoint = url_of(&aws, "127.0.0.1", any);
        let runtime_api = url_of(&runtime, "127.0.0.1", any);
        let pools: HashMap<_, _> = template
            .functions
            .iter()
            .map(|function| {
                let binary = binaries.join(&function.package);
                let endpoint = format!("{aws_endpoint}/{}", function.package);
                let blueprint = Blueprint::of(function, binary, &endpoint, &options.environment);
                let (limit, api) = (options.max_instances, runtime_api.clone());
                (
                    function.logical_id.clone(),
                    Pool::new(function.clone(), blueprint, api, limit, console.clone()),
                )
            })
            .collect();
        let pools: Pools = Arc::new(pools);

        let (stopping, stop) = watch::channel(false);
        let (_, never) = watch::channel(false);
        let gateway = Gateway::new(&template, Arc::clone(&pools), console.clone());
        let for_functions = vec![
            serve(aws, services.router(), never.clone()),
            serve(runtime, api::router(Arc::clone(&pools)), never),
        ];
        let schedules =
            if options.schedules { start_schedules(&template, &pools, &console) } else { Vec::new() };
        Ok(Self {
            url,
            aws_endpoint,
            root_key,
            provider,
            template,
            pools,
            services,
            console,
            gateway: Some(serve(listener, gateway.router(), stop)),
            for_functions,
            schedules,
            stopping,
            _lock: lock,
        })
    }

    /// Builds the functions as `options` say and starts nothing, for tests that then start many stacks with
    /// [`crate::Build::None`].
    pub async fn build(options: &Options) -> Result<(), StartError> {
        let template = read_template(options, "http://localhost")?;
        build::binaries(&options.build, &options.workspace, &template).await?;
        Ok(())
    }

    /// `http://localhost:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn root_key(&self) -> &str {
        &self.root_key
    }

    pub fn provider(&self) -> Option<&provider::Running> {
        self.provider.as_ref()
    }

    /// Where DynamoDB, KMS and Secrets Manager are, for an AWS client of the caller's own.
    pub fn aws_endpoint(&self) -> &str {
        &self.aws_endpoint
    }

    /// How many calls the functions have made to AWS, by `DynamoDB.BatchGetItem` and the like.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.services.calls(None)
    }

    /// The calls of one function, named by package.
    pub fn calls_by(&self, function: &str) -> BTreeMap<String, u64> {
        self.services.calls(Some(function))
    }

    /// Has `hook` asked about every call to AWS; `None` ends that.
    pub fn set_fault_hook(&self, hook: Option<Hook>) {
        self.services.set_hook(hook);
    }

    /// Invokes a function directly, named by package or by logical id, past gateway and authorizer.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, InvokeError> {
        let pool = self.pool(function).ok_or_else(|| InvokeError::NoFunction(function.to_owned()))?;
        match pool.invoke(Bytes::from(event.to_string())).await {
            Outcome::Answer(answer) => {
                serde_json::from_slice(&answer).map_err(|_| InvokeError::NotJson(function.to_owned()))
            }
            Outcome::Failed(failure) => Err(InvokeError::Failed { function: function.to_owned(), failure }),
        }
    }

    /// The processes of a function, named by package or by logical id.
    pub fn instances(&self, function: &str) -> Vec<u32> {
        self.pool(function).map(|pool| pool.pids()).unwrap_or_default()
    }

    /// Kills one process (SIGKILL), as [`crate::Call`] names it, and waits until it is gone. What it was at work on has
    /// failed then. `false` when there is no such process.
    pub async fn kill_instance(&self, instance: Uuid) -> bool {
        for pool in self.pools.values() {
            if pool.kill(instance).await {
                return true;
            }
        }
        false
    }

    /// Every line that the runner and the functions have written, with [`crate::LogSink::Memory`].
    pub fn logs(&self) -> Vec<String> {
        self.console.lines()
    }

    /// Serves what is under way, for a few seconds at most, and ends all processes.
    pub async fn stop(mut self) {
        // Whether anybody still listens does not matter.
        let _ = self.stopping.send(true);
        self.schedules.iter().for_each(JoinHandle::abort);
        let stops = self
            .pools
            .values()
            .map(Arc::clone)
            .map(|pool| tokio::spawn(async move { pool.stop(FAREWELL).await }));
        for stop in stops.collect::<Vec<_>>() {
            let _ = stop.await;
        }
        if let Some(gateway) = self.gateway.take() {
            let _ = tokio::time::timeout(Duration::from_secs(1), gateway).await;
        }
        if let Some(provider) = self.provider.take() {
            provider.stop().await;
        }
    }

    fn pool(&self, function: &str) -> Option<&Arc<Pool>> {
        self.pools.get(&self.template.function(function)?.logical_id)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.pools.values().for_each(|pool| pool.kill_all());
        self.for_functions.iter().chain(&self.schedules).chain(&self.gateway).for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for Stack {
    /// Without the root key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("url", &self.url).finish_non_exhaustive()
    }
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, StartError> {
    // Nothing here is fit to be reached from elsewhere: the root key works, and nothing is encrypted on the way.
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|error| StartError::Address { address, error, flag })
}

fn url_of(listener: &TcpListener, host: &str, asked: SocketAddr) -> String {
    let port = listener.local_addr().unwrap_or(asked).port();
    format!("http://{host}:{port}")
}

fn read_template(options: &Options, url: &str) -> Result<Template, StartError> {
    let path = options.workspace.join(&options.template);
    let text = fs::read_to_string(&path).map_err(|error| StartError::NoTemplate(path.clone(), error))?;
    let mut parameters = options.parameters.clone();
    let read = template::declares(&text, PUBLIC_URL).and_then(|declared| {
        if declared {
            parameters.entry(PUBLIC_URL.to_owned()).or_insert_with(|| url.to_owned());
        }
        template::read(&text, &parameters)
    });
    let template = read.map_err(|error| StartError::Template(path.clone(), error))?;
    build::check_code(&template, path.parent().unwrap_or(&options.workspace))?;
    Ok(template)
}

async fn start_provider(options: &Options, folder: &Folder) -> Result<Option<provider::Running>, StartError> {
    let Some(address) = options.demo_provider else {
        return Ok(None);
    };
    let demo =
        provider::Options { state_file: folder.path("provider.json"), ..provider::Options::demo(address) };
    let flag = "--provider-listen";
    provider::serve(demo).await.map(Some).map_err(|error| StartError::Address { address, error, flag })
}

fn root_key(template: &Template, secrets: &Secrets) -> Result<String, StartError> {
    let [secret] = template.secrets.as_slice() else {
        return Err(StartError::RootKey(template.secrets.len()));
    };
    Ok(format!("{ROOT_KEY_PREFIX}{}", secrets.value(&secret.name).unwrap_or_default()))
}

fn start_schedules(template: &Template, pools: &Pools, console: &Console) -> Vec<JoinHandle<()>> {
    let enabled = template.schedules.iter().filter(|schedule| schedule.enabled);
    let start = |schedule: &Schedule| {
        let pool = pools.get(&schedule.function)?;
        Some(schedule::run(schedule.clone(), Arc::clone(pool), console.clone()))
    };
    enabled.filter_map(start).collect()
}

/// Serves until `stop` says so, then finishes what is under way.
fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    // Answers are written in one go; there is nothing to collect that would be worth the wait.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        let stopped = async move {
            if stop.wait_for(|stopping| *stopping).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = axum::serve(listener, service).with_graceful_shutdown(stopped).await;
    })
}
