//! Stores organizations with a grant each, through the house's own store and vault. It runs as a process of its own
//! with the refresher's environment: `<this program> seed <url of the token endpoint> <first> <count>`.
//!
//! Organizations are made, data keys wrapped and tokens sealed as in earnest; only nobody has signed in.

use std::sync::Arc;
use std::time::Duration;

use bifrost::aws::Aws;
use bifrost::environment::Environment;
use bifrost::model::connection::{Connection, NewConnection};
use bifrost::model::grant::{Grant, GrantStatus};
use bifrost::model::organization::Organization;
use bifrost::model::url_template::Rules;
use bifrost::model::{
    ConnectionId, FoldedName, GrantId, Incarnation, Name, OrganizationId, Problem, Scope, Secret, Timestamp,
};
use bifrost::store::{ItemKey, Store};
use bifrost::tls;
use bifrost::vault::Vault;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Result;

/// The connection of all grants.
pub(crate) const CONNECTION: &str = "HaloPSA";
/// Organizations that are made at once.
const AT_ONCE: usize = 16;

pub(crate) async fn run(token_url: &str, count: usize) -> Result<()> {
    let environment = Environment::read();
    let aws = Aws::from_environment(tls::public_roots())?;
    let store = Store::new(aws.dynamodb(), &environment);
    let vault = Vault::new(aws.kms(), environment.kms_key.clone(), store.clone());
    let seed = Arc::new(Seed { connection: connection(&store, token_url).await?, store, vault });
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (seed, place) = (Arc::clone(&seed), Arc::clone(&places).acquire_owned().await?);
        tasks.spawn(async move {
            let _place = place;
            seed.organization_with_grant().await
        });
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

struct Seed {
    connection: Connection,
    store: Store,
    vault: Vault,
}

/// The one there is, or a new one.
async fn connection(store: &Store, token_url: &str) -> Result<Connection> {
    let name = folded();
    if let Some(connection) = store.connection(Scope::Global, &name).await? {
        return Ok(connection);
    }
    let body = json!({
        "name": CONNECTION, "client_id": "bench", "authorization_url": token_url, "token_url": token_url,
    });
    let serde_json::Value::Object(body) = body else { return Err("no object".into()) };
    let new = NewConnection::from_input(body, Rules { allow_http_loopback: true }, true)?;
    let now = Timestamp::now();
    let connection = Connection {
        id: ConnectionId::new(),
        name: new.name,
        scope: Scope::Global,
        settings: new.settings,
        client_secret: None,
        client_secret_next: None,
        client_private_key: None,
        client_public_key: None,
        pending_until: None,
        connect_error: None,
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    store.create_connection(&connection).await?;
    Ok(connection)
}

fn folded() -> FoldedName {
    Name::parse(CONNECTION).map(|name| name.folded()).unwrap_or_else(|_| unreachable!("it is a name"))
}

impl Seed {
    async fn organization_with_grant(&self) -> std::result::Result<(), Problem> {
        let now = Timestamp::now();
        let id = OrganizationId::new();
        let name = "Customer".to_owned();
        let organization = Organization { id, name, is_provider: false, created_at: now, deleting_at: None };
        self.store.create_organization(&organization).await?;
        let scope = Scope::Organization(id);
        let key = ItemKey::grant(scope, Scope::Global, &folded());
        let data_key = self.vault.current(scope).await?;
        let seal = |attribute: &str, length: usize| {
            data_key.seal(&key, attribute, &Secret::from("x".repeat(length))).map(Some)
        };
        let grant = Grant {
            id: GrantId::new(),
            connection_id: self.connection.id,
            incarnation: Incarnation::new(),
            generation: 1,
            status: GrantStatus::Active,
            access_token: seal("access_token", 900)?,
            refresh_token: seal("refresh_token", 600)?,
            token_type: "Bearer".to_owned(),
            scopes: vec!["all".to_owned()],
            asked_scopes: vec!["all".to_owned()],
            issued_at: Some(now - Duration::from_secs(3600)),
            expires_at: Some(now),
            url_values: Default::default(),
            facts: Default::default(),
            redeemed_from: None,
            identity: None,
            lease: None,
            maybe_spent: false,
            failures: 0,
            retry_at: None,
            last_error: None,
            last_refresh_at: Some(now),
            refresh_at: Some(now - Duration::from_secs(1)),
            forced_at: None,
            disconnected_at_revision: None,
            created_at: now,
            updated_at: now,
        };
        self.store.create_leased_grant(&key, scope, &grant, None).await.map(drop)
    }
}
