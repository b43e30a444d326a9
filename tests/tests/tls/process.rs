//! A process of its own, for what depends on the environment of a process, and on its being frozen as Lambda does.
//!
//! It is this test program again, in which only [`of_its_own`] runs. It has no clock in it and does nothing by itself:
//! each line that it is sent is one thing to ask of AWS or of a provider, and each is answered by a line.

use std::collections::BTreeMap;
use std::env;
use std::process::Stdio;

use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_kms::types::DataKeySpec;
use base64::{Engine, engine::general_purpose::STANDARD};
use bifrost::aws::Aws as Clients;
use bifrost::tls::public_roots;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::authority::{Authority, roots};
use crate::exchange::{outbound, refresh};

pub(crate) const KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// With what base64 brings, and longer than a line, as they are.
pub(crate) const SESSION_TOKEN: &str =
    "IQoJb3JpZ2luX2VjEJr//////////wEaCWV1LXdlc3QtMSJHMEUCIQDexample+token/for=tests==";

/// Where the process is told what to do, and the root that it trusts instead of the public ones.
const CONDUCTOR: &str = "BIFROST_TEST_CONDUCTOR";
const ROOT: &str = "BIFROST_TEST_ROOT";

/// The variables that Lambda sets.
pub(crate) struct Aws(BTreeMap<String, String>);

impl Aws {
    pub(crate) fn at(endpoint: &str, authority: &Authority) -> Self {
        let variables = [
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", endpoint),
            (ROOT, &STANDARD.encode(authority.root())),
        ];
        Self(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// With no root but the public ones.
    pub(crate) fn trusting_the_public(self) -> Self {
        self.without(ROOT)
    }

    pub(crate) fn variables(self) -> BTreeMap<String, String> {
        self.0
    }
}

pub(crate) struct Process {
    child: Child,
    line: BufReader<TcpStream>,
}

impl Process {
    /// With these variables, and no others.
    pub(crate) async fn start(variables: &BTreeMap<String, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "process::of_its_own", "--ignored", "--nocapture"])
            .env_clear()
            .envs(variables)
            .env(CONDUCTOR, listener.local_addr().unwrap().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        Self { child, line: BufReader::new(stream) }
    }

    pub(crate) async fn ask(&mut self, what: &str) -> String {
        self.say(what).await;
        self.hear().await
    }

    pub(crate) async fn say(&mut self, what: &str) {
        self.line.get_mut().write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> String {
        let mut line = String::new();
        self.line.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// As Lambda does with an instance that has answered.
    pub(crate) async fn freeze(&self) {
        self.signal("STOP").await;
    }

    pub(crate) async fn thaw(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }
}

#[tokio::test]
#[ignore = "a part of other tests, which start it"]
async fn of_its_own() {
    let Ok(conductor) = env::var(CONDUCTOR) else { return };
    let stream = TcpStream::connect(conductor).await.unwrap();
    let (lines, mut answers) = stream.into_split();
    let mut lines = BufReader::new(lines).lines();
    let roots = || match env::var(ROOT) {
        Ok(root) => roots(&STANDARD.decode(root).unwrap()),
        Err(_) => public_roots(),
    };
    let clients = Clients::from_environment(roots());
    let (dynamodb, kms, secrets) = match &clients {
        Ok(clients) => (clients.dynamodb(), clients.kms(), clients.secrets_manager()),
        Err(error) => {
            answers.write_all(format!("{error:?}\n").as_bytes()).await.unwrap();
            return;
        }
    };
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer = match line.split_once(' ').unwrap_or((line.as_str(), "")) {
            ("dynamodb", _) => said(dynamodb.list_tables().send().await),
            ("kms", _) => {
                let key = kms.generate_data_key().key_id("alias/test").key_spec(DataKeySpec::Aes256);
                said(key.encryption_context("bifrost:scope", "global").send().await)
            }
            ("secrets", _) => {
                said(secrets.get_secret_value().secret_id("bifrost/connections/ä").send().await)
            }
            ("provider", url) => {
                let answer = refresh(&outbound(roots()), &url.parse().unwrap()).await;
                answer.map_or_else(|failure| failure.to_string(), |_| "done".to_owned())
            }
            (other, _) => panic!("{other} can't be done"),
        };
        answers.write_all(format!("{}\n", answer.replace('\n', " ")).as_bytes()).await.unwrap();
    }
}

fn said<T, E: std::error::Error>(answer: Result<T, E>) -> String {
    answer.map_or_else(|error| DisplayErrorContext(error).to_string(), |_| "done".to_owned())
}
