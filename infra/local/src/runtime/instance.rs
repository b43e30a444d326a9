//! One child process: a function's binary with the environment that Lambda would give it, and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::console::Console;
use crate::template::{Function, REGION};

/// What all instances of a function have in common.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) binary: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    /// Where the function finds all AWS services; each instance under a path of its own.
    endpoint: String,
}

impl Blueprint {
    /// `extra` wins over everything but where the services are.
    pub(crate) fn of(
        function: &Function,
        binary: PathBuf,
        endpoint: &str,
        extra: &BTreeMap<String, String>,
    ) -> Self {
        let mut environment: BTreeMap<String, String> = function.environment.clone();
        let task_root = binary.parent().unwrap_or(Path::new("/")).display().to_string();
        let log_group = format!("/aws/lambda/{}", function.name);
        let given = [
            ("AWS_ACCESS_KEY_ID", "AKIALOCALLOCALLOCALL"),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", function.logging.group.as_deref().unwrap_or(&log_group)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
            ("AWS_REGION", REGION),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_SESSION_TOKEN", "local"),
            ("BIFROST_LOCAL", "1"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("LAMBDA_TASK_ROOT", &task_root),
            ("LANG", "en_US.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TZ", ":UTC"),
            ("_HANDLER", &function.handler),
        ];
        environment.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let logging = [
            ("AWS_LAMBDA_LOG_FORMAT", &function.logging.format),
            ("AWS_LAMBDA_LOG_LEVEL", &function.logging.level),
        ];
        environment.extend(
            logging
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value.as_ref()?.to_owned()))),
        );
        environment.extend(extra.clone());
        Self { binary, environment, endpoint: endpoint.to_owned() }
    }

    /// Starts a process that polls the Runtime API at `runtime_api`. Lambda gives host and port alone; with a path,
    /// the runtime crate needs the scheme too.
    pub(crate) fn start(&self, runtime_api: &str, id: Uuid) -> io::Result<Child> {
        let services = ["DYNAMODB", "KMS", "SECRETS_MANAGER"]
            .map(|service| (format!("AWS_ENDPOINT_URL_{service}"), format!("{}/{id}", self.endpoint)));
        Command::new(&self.binary)
            .env_clear()
            .envs(&self.environment)
            .envs(services)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal is for the stack, which then lets the functions finish.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Passes a process's lines on until it has closed the stream.
pub(crate) async fn relay(stream: impl AsyncRead + Unpin, source: String, console: Console) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        console.line(&source, String::from_utf8_lossy(&line).trim_end());
    }
}

/// How a process ended, in words.
pub(crate) fn in_words(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
