//! Secrets that are kept in Secrets Manager: those of clients, and the root key's.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_secretsmanager::{
    error::{ProvideErrorMetadata, SdkError},
    operation::get_secret_value::GetSecretValueError,
};

use crate::model::{Code, Problem, Secret};

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
        self.read_no_older(id, LIFETIME).await
    }

    /// As it was that long ago at most.
    pub(super) async fn read_no_older(&self, id: &str, age: Duration) -> Result<Secret, Problem> {
        if let Some((secret, since)) = self.memory().get(id)
            && since.elapsed() < age
        {
            return Ok(secret.clone());
        }
        self.read_anew(id).await
    }

    pub(super) async fn read_anew(&self, id: &str) -> Result<Secret, Problem> {
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

/// The secrets in a text that a connection refers to: all of it, or one or two as JSON, so that a client's secret can be
/// replaced without a break.
pub(super) fn referred_secrets(text: Secret) -> Result<Vec<Secret>, Problem> {
    // A secret that begins with a brace and is no JSON is still one.
    let is_object = text.expose().trim_start().starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(text.expose()).is_ok();
    if !is_object {
        return Ok(vec![text]);
    }
    let there = |secret: &Secret| !secret.expose().is_empty();
    let read = serde_json::from_str(text.expose()).ok();
    match read.filter(|Pair { client_secret, .. }| there(client_secret)) {
        Some(Pair { client_secret, client_secret_next }) => {
            Ok([client_secret].into_iter().chain(client_secret_next.filter(there)).collect())
        }
        None => {
            let detail = "The referred secret is JSON, and has no text under client_secret.";
            Err(Problem::new(Code::SecretUnavailable, detail))
        }
    }
}

/// Other members are for whoever keeps the secret.
#[derive(serde::Deserialize)]
struct Pair {
    client_secret: Secret,
    client_secret_next: Option<Secret>,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, Problem> {
        let secrets = referred_secrets(Secret::from(text.to_owned()))?;
        Ok(secrets.iter().map(|secret| secret.expose().to_owned()).collect())
    }

    #[test]
    fn a_referred_secret_is_plain_text_or_one_or_two_as_json() {
        assert_eq!(read("s3cret").unwrap(), ["s3cret"]);
        assert_eq!(read(r#"{"client_secret": "a"}"#).unwrap(), ["a"]);
        let both = r#" {"client_secret": "a", "client_secret_next": "b", "rotated_by": "someone"}"#;
        assert_eq!(read(both).unwrap(), ["a", "b"]);
        assert_eq!(read(r#"{"client_secret": "a", "client_secret_next": null}"#).unwrap(), ["a"]);
        assert_eq!(read("{not json").unwrap(), ["{not json"]);
    }

    #[test]
    fn json_without_a_client_secret_is_said_to_be_that_and_is_not_sent_anywhere() {
        for text in [r#"{"password": "s3cret"}"#, r#"{"client_secret": 7}"#, r#"{"client_secret": ""}"#] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.code, Code::SecretUnavailable);
            assert!(problem.detail.contains("client_secret") && !problem.detail.contains("s3cret"));
        }
    }
}
