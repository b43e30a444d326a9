//! A function with as many of the house's dependencies as `BIFROST_WEIGHT` said when it was compiled: 0 is a function
//! without any, and the last step is a real one. `tests/bench/dependencies` builds them all.
//!
//! What a step takes in, it uses as the domain crate does: what is made at the start is made here too, and what is only
//! called by a request is called if an event asks for it, which none does. The linker throws out what no step so far
//! can reach.

#![allow(dead_code, reason = "each step but the last leaves something out")]

use std::error::Error as StdError;
use std::io::{Read, Write};
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, TransactWriteItem, Update};
use aws_sdk_kms::types::DataKeySpec;
use bifrost::aws::Aws;
use bifrost::tls::public_roots;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use maud::html;
use oauth2::basic::BasicClient;
use oauth2::{ClientId, ClientSecret, HttpRequest, HttpResponse, RefreshToken, TokenResponse, TokenUrl};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// In the order of `tests/bench/dependencies/main.rs`.
const NOTHING: u8 = 0;
const JSON: u8 = 2;
const LOG: u8 = 3;
const RING: u8 = 4;
const TLS: u8 = 5;
const HTTP: u8 = 6;
const DYNAMODB: u8 = 7;
const KMS: u8 = 8;
const SECRETS_MANAGER: u8 = 9;
const MAUD: u8 = 11;
const DOMAIN: u8 = 12;

const STEP: u8 = match option_env!("BIFROST_WEIGHT") {
    None => DOMAIN,
    Some(step) => match u8::from_str_radix(step, 10) {
        Ok(step) => step,
        Err(_) => panic!("BIFROST_WEIGHT must be the number of a step"),
    },
};

const fn has(step: u8) -> bool {
    STEP >= step
}

fn main() -> Result<(), Error> {
    if STEP == NOTHING {
        return alone();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if has(DOMAIN) {
        return runtime.block_on(bifrost::edge::serve(integrations_resolve::handle));
    }
    if has(LOG) {
        let ours = Targets::new().with_target("weight", tracing::Level::INFO);
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
        tracing_subscriber::registry().with(layer).with(ours).try_init()?;
    }
    // For as long as the process: else there would be code to drop even what a step does not have.
    let made: &'static Made = Box::leak(Box::new(Made::new()?));
    if has(JSON) {
        let asked = async |event: LambdaEvent<Value>| asked(made, &event.payload).await;
        runtime.block_on(lambda_runtime::run(service_fn(asked)))
    } else {
        let nothing = |_: LambdaEvent<()>| async { Ok::<_, Error>(()) };
        runtime.block_on(lambda_runtime::run(service_fn(nothing)))
    }
}

/// The Runtime API with the standard library alone.
fn alone() -> Result<(), Error> {
    let mut runtime = std::net::TcpStream::connect(std::env::var("AWS_LAMBDA_RUNTIME_API")?)?;
    runtime.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n")?;
    let mut event = Vec::new();
    runtime.read_to_end(&mut event)?;
    Ok(())
}

/// What a function makes before it asks for work.
struct Made {
    key: Option<LessSafeKey>,
    tls: Option<ClientConfig>,
    http: Option<reqwest::Client>,
    dynamodb: Option<aws_sdk_dynamodb::Client>,
    kms: Option<aws_sdk_kms::Client>,
    secrets: Option<aws_sdk_secretsmanager::Client>,
}

impl Made {
    fn new() -> Result<Self, Error> {
        let key = match has(RING) {
            true => Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| "no key")?)),
            false => None,
        };
        let tls = has(TLS).then(tls).transpose()?;
        let http = match has(HTTP) {
            true => tls.clone().map(http).transpose()?,
            false => None,
        };
        let aws = has(DYNAMODB).then(|| Aws::from_environment(public_roots())).transpose()?;
        let made = Self {
            key,
            tls,
            http,
            dynamodb: if has(DYNAMODB) { aws.as_ref().map(Aws::dynamodb) } else { None },
            kms: if has(KMS) { aws.as_ref().map(Aws::kms) } else { None },
            secrets: if has(SECRETS_MANAGER) { aws.as_ref().map(Aws::secrets_manager) } else { None },
        };
        Ok(made)
    }
}

fn tls() -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(public_roots());
    Ok(config.with_no_client_auth())
}

fn http(tls: ClientConfig) -> Result<reqwest::Client, Error> {
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    Ok(client.redirect(reqwest::redirect::Policy::none()).retry(reqwest::retry::never()).build()?)
}

async fn asked(made: &Made, event: &Value) -> Result<Value, Error> {
    let mut answer = json!({"statusCode": 200});
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    if !event["everything"].as_bool().unwrap_or_default() {
        return Ok(answer);
    }
    if has(LOG) {
        tracing::info!(event = text("event"), "asked");
    }
    if has(RING)
        && let Some(key) = &made.key
    {
        let mut sealed = text("secret").into_bytes();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        key.seal_in_place_append_tag(nonce, Aad::from(text("place")), &mut sealed)
            .map_err(|_| "not sealed")?;
        answer["sealed"] = json!(sealed);
    }
    if has(TLS)
        && let Some(tls) = &made.tls
    {
        let name = text("host").try_into()?;
        let mut connection = rustls::ClientConnection::new(Arc::new(tls.clone()), name)?;
        let mut hello = Vec::new();
        connection.write_tls(&mut hello)?;
        connection.read_tls(&mut &*text("hello").into_bytes())?;
        connection.process_new_packets()?;
        answer["hello"] = json!(hello);
    }
    #[cfg(with_http)]
    if let Some(http) = &made.http {
        let mut response = http.post(text("url")).body(text("body")).send().await?;
        let chunk = response.chunk().await?.unwrap_or_default();
        answer["http"] = json!(String::from_utf8_lossy(&chunk));
    }
    #[cfg(with_dynamodb)]
    if let Some(dynamodb) = &made.dynamodb {
        answer["dynamodb"] = json!(tables(dynamodb, &text("table")).await?);
    }
    #[cfg(with_kms)]
    if let Some(kms) = &made.kms {
        answer["kms"] = json!(keys(kms, &text("key")).await?);
    }
    #[cfg(with_secrets_manager)]
    if let Some(secrets) = &made.secrets {
        let secret = secrets.get_secret_value().secret_id(text("id")).send().await?;
        answer["secret"] = json!(secret.secret_string());
    }
    #[cfg(with_oauth2)]
    if let Some(http) = &made.http {
        answer["token"] = json!(refreshed(http, &text("url"), text("token")).await?);
    }
    if has(MAUD) {
        let page = html! {
            html lang="en" { head { title { (text("title")) } } body { h1 { (text("title")) } p { (text("text")) } } }
        };
        answer["page"] = json!(page.into_string());
    }
    Ok(answer)
}

/// The operations that stores are made of.
async fn tables(dynamodb: &aws_sdk_dynamodb::Client, table: &str) -> Result<usize, Error> {
    let key = || AttributeValue::S(table.to_owned());
    let keys = KeysAndAttributes::builder().keys([("pk".to_owned(), key())].into()).build()?;
    let batch = dynamodb.batch_get_item().request_items(table, keys).send().await?;
    let item = dynamodb.get_item().table_name(table).key("pk", key()).send().await?;
    let query = dynamodb.query().table_name(table).expression_attribute_values(":pk", key()).send().await?;
    dynamodb.put_item().table_name(table).item("pk", key()).send().await?;
    dynamodb.delete_item().table_name(table).key("pk", key()).send().await?;
    dynamodb.update_item().table_name(table).key("pk", key()).update_expression(table).send().await?;
    let update = Update::builder().table_name(table).key("pk", key()).update_expression(table).build()?;
    let update = TransactWriteItem::builder().update(update).build();
    dynamodb.transact_write_items().transact_items(update).send().await?;
    Ok(batch.responses().map_or(0, |found| found.len()) + query.items().len() + item.item().map_or(0, |_| 1))
}

/// What sealing asks for.
async fn keys(kms: &aws_sdk_kms::Client, id: &str) -> Result<usize, Error> {
    let new = kms.generate_data_key().key_id(id).key_spec(DataKeySpec::Aes256).send().await?;
    let wrapped = new.ciphertext_blob().cloned().ok_or("no key")?;
    let old = kms.decrypt().key_id(id).ciphertext_blob(wrapped).send().await?;
    Ok(old.plaintext().map_or(0, |key| key.as_ref().len()))
}

async fn refreshed(http: &reqwest::Client, url: &str, token: String) -> Result<String, Error> {
    let client = BasicClient::new(ClientId::new(url.to_owned()))
        .set_client_secret(ClientSecret::new(url.to_owned()))
        .set_token_uri(TokenUrl::new(url.to_owned())?);
    let send = async |request: HttpRequest| -> Result<HttpResponse, Unsent> {
        let response = http.execute(request.try_into()?).await?;
        let answer = http::Response::builder().status(response.status());
        answer.body(response.bytes().await?.to_vec()).map_err(|error| Unsent(error.into()))
    };
    let send = |request| Box::pin(send(request));
    let answer = client.exchange_refresh_token(&RefreshToken::new(token)).request_async(&send).await?;
    Ok(answer.access_token().secret().clone())
}

/// `oauth2` wants an error of a type of its own.
#[derive(Debug)]
struct Unsent(Error);

impl std::fmt::Display for Unsent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl StdError for Unsent {}

impl From<reqwest::Error> for Unsent {
    fn from(error: reqwest::Error) -> Self {
        Self(error.into())
    }
}
