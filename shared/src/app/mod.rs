//! The use cases, one file each. They ask `model` what the rules are, `store` what there is, `vault` to seal and open,
//! and `oauth` to talk to providers. They know callers and problems, but neither HTTP events nor Lambda.

pub mod about;
pub mod api_keys;
pub mod authenticate;
pub mod census;
pub mod clean_up;
mod client_secret;
pub mod connect;
pub mod connections;
mod credentials;
pub mod delete_organization;
pub mod diagnose;
pub mod disconnect;
pub mod edit_connection;
pub mod edit_integration;
pub mod edit_mapping;
pub mod health;
pub mod integrations;
mod lookup;
pub mod mapping_table;
pub mod mappings;
pub mod once;
pub mod organizations;
pub mod overview;
pub mod page;
mod people;
pub mod refresh;
pub mod reseal;
pub mod resolve;
mod revoke;
pub mod session;
mod signing_keys;
pub mod sweep;
pub mod token;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    aws::{Aws, StartError},
    environment::Environment,
    model::{
        FoldedName, Problem, Scope, Sealed, Secret, config::CheckedConfig, config::StoredConfig, oidc,
        url_template,
    },
    oauth::{Outbound, Relaxed},
    store::{ItemKey, Store},
    tls,
    vault::Vault,
};

/// Everything that the use cases work with. Made once per process; nothing in it connects before it is used.
#[derive(Debug)]
pub struct Bifrost {
    pub environment: Environment,
    store: Store,
    vault: Vault,
    secrets: client_secret::Secrets,
    signing_keys: signing_keys::SigningKeys,
    accepted: credentials::Accepted,
    upcoming: overview::Remembered,
    outbound: Outbound,
    issuer: people::Issuer,
    /// By integration, the connection that it used when its mappings were last listed.
    connections_listed: Mutex<HashMap<FoldedName, FoldedName>>,
}

/// When the invocation ends, whatever it is doing.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Bifrost {
    pub fn from_environment() -> Result<Self, StartError> {
        let environment = Environment::read();
        let roots = tls::public_roots();
        let aws = Aws::from_environment(Arc::clone(&roots))?;
        let store = Store::new(aws.dynamodb(), &environment);
        let kms = aws.kms();
        let signing_keys = signing_keys::SigningKeys::new(kms.clone(), &environment.kms_key);
        let vault = Vault::new(kms, environment.kms_key.clone(), store.clone());
        let secrets = client_secret::Secrets::new(aws.secrets_manager());
        let outbound = Outbound::new(Relaxed { loopback_http: environment.local }, roots);
        let issuer = people::Issuer::new(oidc::Policy::from_settings(&environment.oidc));
        Ok(Self {
            environment,
            store,
            vault,
            secrets,
            signing_keys,
            accepted: credentials::Accepted::default(),
            upcoming: overview::Remembered::default(),
            outbound,
            issuer,
            connections_listed: Mutex::default(),
        })
    }

    /// What URLs of providers may look like here.
    pub fn url_rules(&self) -> url_template::Rules {
        url_template::Rules { allow_http_loopback: self.environment.local }
    }

    /// Seals the new secrets of a config for the item they will stand in, next to those that stay as they are.
    async fn seal_config(
        &self,
        scope: Scope,
        item: &ItemKey,
        config: CheckedConfig,
        stored: Option<&StoredConfig>,
    ) -> Result<StoredConfig, Problem> {
        let mut sealed = StoredConfig { plain: config.plain, ..StoredConfig::default() };
        for key in &config.kept_secrets {
            let kept = stored.and_then(|stored| stored.secrets.get(key));
            sealed.secrets.extend(kept.map(|kept| (key.clone(), kept.clone())));
        }
        if !config.new_secrets.is_empty() {
            let data_key = self.vault.current(scope).await?;
            for (key, secret) in config.new_secrets {
                let value = data_key.seal(item, &StoredConfig::secret_attribute(&key), &secret)?;
                sealed.secrets.insert(key, value);
            }
        }
        Ok(sealed)
    }

    async fn seal(
        &self,
        scope: Scope,
        item: &ItemKey,
        attribute: &str,
        secret: &Secret,
    ) -> Result<Sealed, Problem> {
        self.vault.current(scope).await?.seal(item, attribute, secret)
    }
}

impl Deadline {
    pub fn after(remaining: Duration) -> Self {
        Self(Instant::now() + remaining)
    }

    /// This one, or an earlier one if it leaves more than `time` from now.
    #[must_use]
    pub fn at_most(self, time: Duration) -> Self {
        Self(self.0.min(Instant::now() + time))
    }

    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}
