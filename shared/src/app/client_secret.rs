//! Client secrets and the root key's secret: opened from where they are sealed, or read from Secrets Manager.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_secretsmanager::{
    error::{ProvideErrorMetadata, SdkError},
    operation::get_secret_value::GetSecretValueError,
};

use super::Bifrost;
use crate::{
    model::{
        Code, Problem, Secret,
        connection::{Connection, check_secret_ref},
    },
    store::ItemKey,
};

/// The attribute that a connection's client secret is sealed under.
pub(super) const CLIENT_SECRET: &str = "client_secret";

/// How long a secret of Secrets Manager stays in memory; a changed one is noticed within this time.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Secrets Manager, remembered for a while.
#[derive(Debug)]
pub(super) struct Secrets {
    client: aws_sdk_secretsmanager::Client,
    memory: Mutex<HashMap<String, (Secret, Instant)>>,
}

impl Secrets {
    pub(super) fn new(client: aws_sdk_secretsmanager::Client) -> Self {
        Self { client, memory: Mutex::default() }
    }

    pub(super) async fn read(&self, id: &str) -> Result<Secret, Problem> {
        if let Some((secret, since)) = self.memory().get(id)
            && since.elapsed() < LIFETIME
        {
            return Ok(secret.clone());
        }
        self.read_anew(id).await
    }

    async fn read_anew(&self, id: &str) -> Result<Secret, Problem> {
        let answer = self.client.get_secret_value().secret_id(id).send().await.map_err(secret_problem)?;
        let unusable = || Problem::new(Code::SecretUnavailable, "The referred secret holds no text.");
        let secret = Secret::from(answer.secret_string.ok_or_else(unusable)?);
        self.memory().insert(id.to_owned(), (secret.clone(), Instant::now()));
        Ok(secret)
    }

    // What a panic could leave behind is a complete entry or none.
    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Secret, Instant)>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bifrost {
    /// The client secret of a connection, if it has one.
    pub(super) async fn client_secret(&self, connection: &Connection) -> Result<Option<Secret>, Problem> {
        match secret_ref(connection)? {
            Some(name) => self.secrets.read(name).await.map(Some),
            None => self.sealed_client_secret(connection).await,
        }
    }

    /// The same as it is now, whatever is remembered.
    pub(super) async fn current_client_secret(
        &self,
        connection: &Connection,
    ) -> Result<Option<Secret>, Problem> {
        match secret_ref(connection)? {
            Some(name) => self.secrets.read_anew(name).await.map(Some),
            None => self.sealed_client_secret(connection).await,
        }
    }

    async fn sealed_client_secret(&self, connection: &Connection) -> Result<Option<Secret>, Problem> {
        let Some(sealed) = &connection.client_secret else {
            return Ok(None);
        };
        let item = ItemKey::connection(connection.scope, &connection.name.folded());
        self.vault.open(connection.scope, &item, CLIENT_SECRET, sealed).await.map(Some)
    }

    /// For a secret that the provider refused: the one that Secrets Manager has by now, if it is another. A sealed one
    /// is never older than the connection that it came with.
    pub(super) async fn newer_client_secret(
        &self,
        connection: &Connection,
        refused: Option<&Secret>,
    ) -> Option<Secret> {
        let name = connection.settings.client_secret_ref.as_ref()?;
        let current = self.secrets.read_anew(name).await.ok()?;
        (Some(&current) != refused).then_some(current)
    }
}

/// The rule may have become stricter since it was set, and the item may have been tampered with.
fn secret_ref(connection: &Connection) -> Result<Option<&String>, Problem> {
    let Some(name) = &connection.settings.client_secret_ref else { return Ok(None) };
    let unfit = |message| format!("The connection's client_secret_ref {message}.");
    check_secret_ref(name).map_err(|message| Problem::new(Code::SecretUnavailable, unfit(message)))?;
    Ok(Some(name))
}

/// What is not there, or not ours to read, will not come by itself. The secret's name is for the log: whoever asks for a
/// token need not know it.
fn secret_problem<R>(error: SdkError<GetSecretValueError, R>) -> Problem
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ResourceNotFoundException" | "AccessDeniedException" | "InvalidRequestException") => {
            Problem::new(Code::SecretUnavailable, "The referred secret can't be read.").caused_by(error)
        }
        _ => Problem::unavailable(error),
    }
}
