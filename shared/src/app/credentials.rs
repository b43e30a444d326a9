//! What a connection's client proves itself with: opened from where it is sealed, read from Secrets Manager, or signed.
//!
//! [`Credentials`] are what there is, in hand before anything is spent. A [`Proof`] is what one request shows of them. A
//! provider that refuses it has turned the client away before it looked at anything else, so what the request would have
//! spent is unspent, and another proof may be tried at once: the next of two secrets, or what Secrets Manager has by now.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::{Bifrost, client_secret::referred_secrets, signing_keys::unusable};
use crate::{
    model::{
        Code, ConnectionId, Problem, Sealed, Secret, Timestamp,
        client_key::{KeyKind, PrivateKey},
        connection::{ClientAuth, Connection, check_secret_ref},
        secret::sha256_hex,
    },
    oauth::{self, Assertion},
    store::ItemKey,
};

/// The attributes that a connection's secrets are sealed under.
pub(super) const CLIENT_SECRET: &str = "client_secret";
pub(super) const CLIENT_SECRET_NEXT: &str = "client_secret_next";
pub(super) const CLIENT_PRIVATE_KEY: &str = "client_private_key";

/// How many connections' accepted secrets are remembered; forgetting one costs a refused request.
const CAPACITY: usize = 1000;

/// All that a client can prove itself with.
#[derive(Clone, Debug, Default)]
pub(super) enum Credentials {
    /// Nothing: a public client.
    #[default]
    None,
    /// The one that is to be sent, and perhaps another, should that be refused.
    Secrets(Vec<Secret>),
    /// A private key, as PEM.
    PrivateKey(Secret),
    /// A private key that stays in KMS.
    KmsKey(String),
}

/// What one request proves its client with.
#[derive(Debug)]
pub(super) struct Proof {
    client_auth: ClientAuth,
    /// A secret or an assertion.
    text: Option<Secret>,
    credentials: Credentials,
    left: VecDeque<Other>,
    /// The secrets that were refused.
    refused: Vec<Secret>,
}

/// What may be tried in the place of a proof that was refused.
#[derive(Debug)]
enum Other {
    Secret(Secret),
    /// What Secrets Manager has by now.
    ReadAnew,
    /// The same key's word, to the provider under another of its names.
    Audience(String),
}

impl Credentials {
    /// The secret that is to be sent, if one is.
    pub(super) fn client_secret(&self) -> Option<&Secret> {
        match self {
            Self::Secrets(secrets) => secrets.first(),
            Self::None | Self::PrivateKey(_) | Self::KmsKey(_) => None,
        }
    }
}

impl Proof {
    /// For one request.
    pub(super) fn credentials(&self) -> oauth::Credentials<'_> {
        match (self.client_auth, &self.text) {
            (_, None) => oauth::Credentials::None,
            (ClientAuth::Basic, Some(secret)) => oauth::Credentials::Basic(secret),
            (ClientAuth::Post, Some(secret)) => oauth::Credentials::Post(secret),
            (ClientAuth::PrivateKeyJwt, Some(assertion)) => oauth::Credentials::Assertion(assertion),
        }
    }
}

/// Which of two secrets a provider accepted last, by connection: its hash.
#[derive(Debug, Default)]
pub(super) struct Accepted(Mutex<HashMap<ConnectionId, String>>);

impl Accepted {
    fn is(&self, connection: &Connection, secret: &Secret) -> bool {
        self.lock().get(&connection.id).is_some_and(|hash| *hash == sha256_hex(&[secret.expose()]))
    }

    fn remember(&self, connection: &Connection, secret: &Secret) {
        let mut accepted = self.lock();
        if accepted.len() >= CAPACITY {
            accepted.clear();
        }
        accepted.insert(connection.id, sha256_hex(&[secret.expose()]));
    }

    // What a panic could leave behind is a complete entry or none.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bifrost {
    pub(super) async fn credentials(&self, connection: &Connection) -> Result<Credentials, Problem> {
        let settings = &connection.settings;
        if settings.client_auth != ClientAuth::PrivateKeyJwt {
            let secrets = self.client_secrets(connection).await?;
            return Ok(if secrets.is_empty() { Credentials::None } else { Credentials::Secrets(secrets) });
        }
        if let Some(arn) = &settings.client_key_arn {
            return Ok(Credentials::KmsKey(arn.clone()));
        }
        let missing = || Problem::new(Code::SecretUnavailable, "The connection has no key to sign with.");
        let sealed = connection.client_private_key.as_ref().ok_or_else(missing)?;
        self.open_credential(connection, CLIENT_PRIVATE_KEY, sealed).await.map(Credentials::PrivateKey)
    }

    /// The same as they are now, whatever is remembered.
    pub(super) async fn current_credentials(&self, connection: &Connection) -> Result<Credentials, Problem> {
        if let Some(name) = &connection.settings.client_secret_ref
            && check_secret_ref(name).is_ok()
        {
            self.secrets.read_anew(name).await?;
        }
        self.credentials(connection).await
    }

    /// The client secret that is in force, if there is one.
    pub(super) async fn client_secret(&self, connection: &Connection) -> Result<Option<Secret>, Problem> {
        Ok(self.client_secrets(connection).await?.into_iter().next())
    }

    /// None, one, or two: first the one that was accepted last.
    async fn client_secrets(&self, connection: &Connection) -> Result<Vec<Secret>, Problem> {
        let mut secrets = Vec::new();
        if let Some(name) = &connection.settings.client_secret_ref {
            // The rule may have become stricter since it was set, and the item may have been tampered with.
            check_secret_ref(name).map_err(|message| {
                Problem::new(
                    Code::SecretUnavailable,
                    format!("The connection's client_secret_ref {message}."),
                )
            })?;
            secrets = referred_secrets(self.secrets.read(name).await?)?;
        } else if let Some(sealed) = &connection.client_secret {
            secrets.push(self.open_credential(connection, CLIENT_SECRET, sealed).await?);
            if let Some(sealed) = &connection.client_secret_next {
                secrets.push(self.open_credential(connection, CLIENT_SECRET_NEXT, sealed).await?);
            }
        }
        if let [_, next] = secrets.as_slice()
            && self.accepted.is(connection, next)
        {
            secrets.reverse();
        }
        Ok(secrets)
    }

    async fn open_credential(
        &self,
        connection: &Connection,
        attribute: &str,
        sealed: &Sealed,
    ) -> Result<Secret, Problem> {
        let item = ItemKey::connection(connection.scope, &connection.name.folded());
        self.vault.open(connection.scope, &item, attribute, sealed).await
    }

    /// What the first request is to show. `audiences`: whom an assertion is for, in the names to try.
    pub(super) async fn proof(
        &self,
        connection: &Connection,
        credentials: &Credentials,
        audiences: Vec<String>,
    ) -> Result<Proof, Problem> {
        let mut proof = Proof {
            client_auth: connection.settings.client_auth,
            text: None,
            credentials: credentials.clone(),
            left: VecDeque::new(),
            refused: Vec::new(),
        };
        match credentials {
            Credentials::None => {}
            Credentials::Secrets(secrets) => {
                proof.text = secrets.first().cloned();
                proof.left.extend(secrets.iter().skip(1).cloned().map(Other::Secret));
                // A sealed one is never older than the connection that it came with.
                proof.left.extend(connection.settings.client_secret_ref.is_some().then_some(Other::ReadAnew));
            }
            Credentials::PrivateKey(_) | Credentials::KmsKey(_) => {
                let mut audiences = audiences.into_iter();
                let audience = audiences.next().unwrap_or_default();
                proof.text = Some(self.assertion(connection, credentials, &audience).await?);
                proof.left.extend(audiences.map(Other::Audience));
            }
        }
        Ok(proof)
    }

    /// Another proof, in the place of one that was refused. False if there is none.
    pub(super) async fn prove_otherwise(&self, connection: &Connection, proof: &mut Proof) -> bool {
        proof.refused.extend(proof.text.clone());
        while let Some(other) = proof.left.pop_front() {
            match other {
                Other::Secret(secret) if proof.refused.contains(&secret) => {}
                Other::Secret(secret) => {
                    proof.text = Some(secret);
                    return true;
                }
                Other::ReadAnew => {
                    let Some(name) = &connection.settings.client_secret_ref else { continue };
                    let read = self.secrets.read_anew(name).await.and_then(referred_secrets);
                    proof.left.extend(read.unwrap_or_default().into_iter().map(Other::Secret));
                }
                Other::Audience(audience) => {
                    match self.assertion(connection, &proof.credentials, &audience).await {
                        Ok(assertion) => {
                            proof.text = Some(assertion);
                            return true;
                        }
                        Err(problem) => {
                            let cause = problem.cause_chain();
                            tracing::warn!(connection = %connection.id, code = %problem.code, cause, "nothing was signed");
                        }
                    }
                }
            }
        }
        false
    }

    /// Remembers which of several secrets it was, so that the next request begins with it.
    pub(super) fn note_accepted(&self, connection: &Connection, proof: &Proof) {
        let Some(secret) =
            proof.text.as_ref().filter(|_| matches!(proof.credentials, Credentials::Secrets(_)))
        else {
            return;
        };
        if !proof.refused.is_empty() {
            self.accepted.remember(connection, secret);
            tracing::warn!(
                connection = %connection.id,
                "the client's secret was refused, and another one of its own accepted: put that in its place"
            );
        }
    }

    /// Signed anew for each request.
    async fn assertion(
        &self,
        connection: &Connection,
        credentials: &Credentials,
        audience: &str,
    ) -> Result<Secret, Problem> {
        let settings = &connection.settings;
        let unsigned = |kind: KeyKind| {
            let assertion = Assertion {
                client_id: &settings.client_id,
                audience,
                algorithm: settings.client_assertion_alg.unwrap_or(kind.default_algorithm()),
                key_id: settings.client_key_id.as_deref(),
                certificate: settings.client_certificate.as_ref(),
            };
            assertion.unsigned(Timestamp::now())
        };
        match credentials {
            Credentials::PrivateKey(pem) => {
                let unfit = |message: String| {
                    Problem::new(Code::SecretUnavailable, "The connection's private key can't sign.")
                        .caused_by(message)
                };
                let key = PrivateKey::parse(pem).map_err(unfit)?;
                let assertion = unsigned(key.public_key().kind);
                let signature = key.sign(assertion.algorithm, assertion.message());
                let signature = signature.ok_or_else(|| unfit("it does not fit the algorithm".to_owned()))?;
                Ok(assertion.signed(&signature))
            }
            Credentials::KmsKey(arn) => {
                let key = connection.client_public_key.as_ref().ok_or_else(|| {
                    unusable(
                        "It is not known what the connection's KMS key is: set client_key_arn anew."
                            .to_owned(),
                    )
                })?;
                let assertion = unsigned(key.kind);
                let signature = self.signing_keys.sign(arn, assertion.algorithm, assertion.message()).await?;
                Ok(assertion.signed(&signature))
            }
            Credentials::None | Credentials::Secrets(_) => Err(Problem::internal("nothing there that signs")),
        }
    }
}

/// Whom an assertion is for: as the connection has it, with what fills the token URL filled in, or else that URL.
pub(super) fn audience(
    connection: &Connection,
    token_url: &url::Url,
    url_values: &BTreeMap<String, String>,
) -> String {
    match &connection.settings.client_assertion_audience {
        Some(audience) => url_values.iter().fold(audience.clone(), |audience, (name, value)| {
            audience.replace(&format!("{{{name}}}"), value)
        }),
        None => token_url.to_string(),
    }
}
