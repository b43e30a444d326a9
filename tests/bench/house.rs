//! A stack in which an organization has something to resolve.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bifrost_local::{Build, Options, Stack};
use bifrost_tests::{Api, Browser, TestProvider, sign_in};
use serde_json::{Value, json};

use crate::Result;
use crate::binaries::{Binaries, RESOLVE};
use crate::load::{self, Target};

/// An integration that names no connection, so it uses the one of its own name.
const OWN_CONNECTION: &str = "HaloPSA";
/// One that names that connection.
const OTHER_CONNECTION: &str = "Halo-Reports";

pub(crate) struct House {
    stack: Stack,
    /// What a workflow of the organization asks.
    pub(crate) target: Target,
}

/// Calls to AWS per request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    pub(crate) dynamodb: f64,
    pub(crate) kms: f64,
    pub(crate) secrets_manager: f64,
}

impl House {
    pub(crate) async fn of_resolve(binaries: &Binaries, instances: usize) -> Result<Self> {
        let folder = binaries.folder("resolve", &binaries.resolve)?;
        let stack = start(folder, instances).await?;
        let key = furnish(&stack).await?;
        let house = Self { target: Target::new(resolve_url(&stack, OWN_CONNECTION), key), stack };
        house.is_complete().await?;
        Ok(house)
    }

    /// The same stack with the function that does nothing in the resolve function's place.
    pub(crate) async fn of_empty(binaries: &Binaries, instances: usize) -> Result<Self> {
        let folder = binaries.folder("empty", &binaries.empty)?;
        let stack = start(folder, instances).await?;
        let url = resolve_url(&stack, OWN_CONNECTION);
        Ok(Self { target: Target::new(url, stack.root_key().to_owned()), stack })
    }

    /// The same question about the integration that names another connection.
    pub(crate) fn other_target(&self) -> Target {
        self.target.at(resolve_url(&self.stack, OTHER_CONNECTION))
    }

    /// What a warm resolve asks of AWS, on average over so many.
    pub(crate) async fn calls(&self, target: &Target, count: usize) -> Result<Calls> {
        load::send(target, 1, 1).await?;
        let before = self.stack.calls_by(RESOLVE);
        load::send(target, 1, count).await?;
        let after = self.stack.calls_by(RESOLVE);
        let each = |service| (of(&after, service) - of(&before, service)) as f64 / count as f64;
        Ok(Calls { dynamodb: each("DynamoDB."), kms: each("KMS."), secrets_manager: each("SecretsManager.") })
    }

    /// The process in the resolve function's place, when there is but one.
    pub(crate) fn pid(&self) -> Result<u32> {
        match self.stack.instances(RESOLVE).as_slice() {
            [pid] => Ok(*pid),
            others => Err(format!("{} instances where one was expected", others.len()).into()),
        }
    }

    pub(crate) async fn stop(self) {
        self.stack.stop().await;
    }

    /// What is measured shall be the whole of it: a merged secret and a token.
    async fn is_complete(&self) -> Result<()> {
        for target in [&self.target, &self.other_target()] {
            let answer: Value = serde_json::from_str(&target.text().await?)?;
            let complete =
                answer["config"]["api_key"] == "sk-acme" && answer["oauth"]["access_token"].is_string();
            if !complete {
                return Err(format!("not what a resolve should be: {answer}").into());
            }
        }
        Ok(())
    }
}

async fn start(functions: PathBuf, instances: usize) -> Result<Stack> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let options = Options {
        build: Build::Folder(functions),
        max_instances: instances,
        ..Options::for_test(workspace.to_owned())
    };
    Ok(Stack::start(options).await?)
}

fn resolve_url(stack: &Stack, integration: &str) -> String {
    format!("{}/integrations/{integration}/resolve", stack.url())
}

/// A customer with two mapped integrations of a few keys, over a connection of the platform that somebody has signed
/// in to. Returns the key of a workflow of that customer's.
async fn furnish(stack: &Stack) -> Result<String> {
    let root = Api::new(stack.url(), Some(stack.root_key()));
    let acme = root.post("/organizations", json!({"name": "Acme"})).await.expect(201);
    let acme = text(&acme["id"])?;
    connect(&root).await?;
    for name in [OWN_CONNECTION, OTHER_CONNECTION] {
        let integration = json!({
            "name": name,
            "connection": OWN_CONNECTION,
            "config_schema": [
                {"key": "base_url", "type": "string", "required": true},
                {"key": "timeout", "type": "int"},
                {"key": "beta", "type": "bool"},
                {"key": "settings", "type": "json"},
                {"key": "api_key", "type": "secret", "required": true},
            ],
            "defaults": {"base_url": "https://halo.example", "timeout": 30, "settings": {"pages": 3}},
        });
        root.post("/integrations", integration).await.expect(201);
        let mapping = json!({
            "entity_id": "42",
            "entity_name": "Acme Ltd",
            "config": {"timeout": 60, "beta": true, "api_key": "sk-acme"},
        });
        let mapped = root.put(&format!("/integrations/{name}/mappings/{acme}"), mapping).await;
        if mapped.status >= 300 {
            return Err(mapped.text.into());
        }
    }
    let key = json!({"name": "workflows", "role": "workflow", "organization_id": acme});
    text(&root.post("/keys", key).await.expect(201)["key"])
}

/// Its token stays valid for an hour, so nothing here is refreshed and the provider is not needed any more.
async fn connect(root: &Api) -> Result<()> {
    let provider = TestProvider::start().await;
    let connection = bifrost_tests::with(provider.authorization_code(), json!({"name": OWN_CONNECTION}));
    let created = root.post("/connections?scope=global", connection).await.expect(201);
    provider.control().register_redirect_uri(&provider.client_id, &text(&created["redirect_uri"])?);
    let authorize = format!("/connections/{OWN_CONNECTION}/authorize?scope=global");
    let link = root.post(&authorize, json!({})).await.expect(201);
    let page = sign_in(&mut Browser::new(), &text(&link["connect_url"])?).await;
    if page.status == 200 { Ok(()) } else { Err(page.text.into()) }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().ok_or_else(|| format!("{value} is no text"))?.to_owned())
}

fn of(calls: &BTreeMap<String, u64>, service: &str) -> u64 {
    let of_service = calls.iter().filter(|(call, _)| call.starts_with(service));
    of_service.map(|(_, count)| count).sum()
}
