//! Making and showing connections.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Bifrost,
    credentials::{CLIENT_PRIVATE_KEY, CLIENT_SECRET, CLIENT_SECRET_NEXT},
    page::PageRequest,
    refresh::breaker_key,
};
use crate::{
    model::{
        ConnectionId, Name, Problem, Scope, Secret, Timestamp,
        access::Caller,
        breaker::Breaker,
        client_key::{Certificate, NewPrivateKey, PublicKey, SigningAlgorithm},
        connection::{
            AvailableTo, Callback, ClientAuth, Connection, ConnectionStatus, Flow, LastError, NewConnection,
        },
        dialect::Dialect,
        grant::{Grant, GrantStatus},
        identity::Identity,
        url_template::UrlTemplate,
    },
    store::{Batch, Found, ItemKey, Page, breakers::BreakerItem, page::Listing},
};

/// A connection as answers show it: never its secrets.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ConnectionView {
    pub id: ConnectionId,
    pub name: Name,
    pub scope: Scope,
    pub description: Option<String>,
    pub provider: Option<String>,
    pub flow: Flow,
    pub client_id: String,
    pub client_secret_ref: Option<String>,
    pub client_secret_expires_at: Option<Timestamp>,
    /// Whether there is a client_secret_next. One that client_secret_ref leads to is not counted.
    pub has_client_secret_next: bool,
    pub has_client_private_key: bool,
    pub client_key_arn: Option<String>,
    pub client_assertion_alg: Option<SigningAlgorithm>,
    pub client_key_id: Option<String>,
    pub client_certificate: Option<Certificate>,
    pub client_assertion_audience: Option<String>,
    pub authorization_url: Option<UrlTemplate>,
    pub device_authorization_url: Option<UrlTemplate>,
    pub admin_consent_url: Option<UrlTemplate>,
    pub token_url: UrlTemplate,
    pub revocation_url: Option<UrlTemplate>,
    pub scopes: Vec<String>,
    pub granted_scopes: Vec<String>,
    pub audience: Option<String>,
    pub authorize_params: BTreeMap<String, String>,
    pub token_params: BTreeMap<String, String>,
    pub client_auth: ClientAuth,
    pub pkce: bool,
    pub token_url_defaults: BTreeMap<String, String>,
    pub callback: Callback,
    /// The exact text to paste at the provider; null for a flow without a redirect.
    pub redirect_uri: Option<String>,
    pub available_to: AvailableTo,
    pub dialect: Dialect,
    /// What the provider said about the grant beside its tokens: the `callback_facts` and `token_facts` of the dialect.
    pub facts: BTreeMap<String, String>,
    /// Who signed in for the grant, as far as the provider tells: by an ID token, or when asked as the dialect's
    /// `verify` says.
    pub identity: Option<Identity>,
    pub status: ConnectionStatus,
    pub status_message: Option<String>,
    pub last_error: Option<LastError>,
    pub expires_at: Option<Timestamp>,
    pub last_refresh_at: Option<Timestamp>,
    pub next_refresh_at: Option<Timestamp>,
    pub has_refresh_token: bool,
    /// In the answer to GET of one connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<GrantCounts>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(skip)]
    pub revision: u64,
}

/// How a connection's grants are doing, its own and the organizations'. A moment behind.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct GrantCounts {
    pub active: u32,
    pub failing: u32,
    pub reauthorize: u32,
}

impl Bifrost {
    pub async fn create_connection(
        &self,
        caller: &Caller,
        scope: Scope,
        body: Map<String, Value>,
        public_url: &str,
    ) -> Result<ConnectionView, Problem> {
        let new = NewConnection::from_input(body, self.url_rules(), caller.sets_platform_fields())?;
        let now = Timestamp::now();
        let arn = new.settings.client_key_arn.as_deref();
        let public_key = self.client_public_key(new.client_private_key.as_ref(), arn).await?;
        if let Some(key) = &public_key {
            new.settings.check_key(key)?;
        }
        let item = ItemKey::connection(scope, &new.name.folded());
        let seal = async |attribute, secret: Option<&Secret>| match secret {
            Some(secret) => self.seal(scope, &item, attribute, secret).await.map(Some),
            None => Ok(None),
        };
        let private_key = new.client_private_key.as_ref().map(|key| &key.pem);
        let connection = Connection {
            id: ConnectionId::new(),
            name: new.name,
            scope,
            settings: new.settings,
            client_secret: seal(CLIENT_SECRET, new.client_secret.as_ref()).await?,
            client_secret_next: seal(CLIENT_SECRET_NEXT, new.client_secret_next.as_ref()).await?,
            client_private_key: seal(CLIENT_PRIVATE_KEY, private_key).await?,
            client_public_key: public_key,
            pending_until: None,
            connect_error: None,
            created_at: now,
            updated_at: now,
            revision: 1,
        };
        self.store.create_connection(&connection).await?;
        Ok(view(connection, Standing::default(), public_url, now))
    }

    /// Of the key that a connection brings, or has in KMS.
    pub(super) async fn client_public_key(
        &self,
        private_key: Option<&NewPrivateKey>,
        arn: Option<&str>,
    ) -> Result<Option<PublicKey>, Problem> {
        match (private_key, arn) {
            (Some(key), _) => Ok(Some(key.public.clone())),
            (None, Some(arn)) => self.signing_keys.public_key(arn).await.map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The connection that this very scope owns.
    pub async fn show_connection(
        &self,
        scope: Scope,
        name: &Name,
        public_url: &str,
    ) -> Result<ConnectionView, Problem> {
        let (connection, standing) = self.owned_connection(scope, name).await?;
        let mut counts = GrantCounts::default();
        for grant in self.store.grants_on(&connection).await? {
            match grant.status {
                Some(GrantStatus::Active) => counts.active += 1,
                Some(GrantStatus::Failing) => counts.failing += 1,
                Some(GrantStatus::Reauthorize) => counts.reauthorize += 1,
                Some(GrantStatus::New | GrantStatus::Disconnected) | None => {}
            }
        }
        if standing.held_back(&connection).is_some() {
            counts.failing += std::mem::take(&mut counts.active);
        }
        let view = view(connection, standing, public_url, Timestamp::now());
        Ok(ConnectionView { grants: Some(counts), ..view })
    }

    pub async fn connections(
        &self,
        scope: Scope,
        request: PageRequest<'_>,
        public_url: &str,
    ) -> Result<Page<ConnectionView>, Problem> {
        let page = self.page::<Connection>(Listing::connections(scope), request).await?;
        let mut batch = Batch::default();
        for connection in page.items() {
            batch.data(own_grant_key(connection)).data(breaker_key(connection));
        }
        let mut found = self.store.read(batch).await?;
        let now = Timestamp::now();
        page.try_map(|connection| {
            let standing = Standing::take(&mut found, &connection)?;
            Ok(view(connection, standing, public_url, now))
        })
    }

    pub(super) async fn owned_connection(
        &self,
        scope: Scope,
        name: &Name,
    ) -> Result<(Connection, Standing), Problem> {
        let name_key = name.folded();
        let key = ItemKey::connection(scope, &name_key);
        let mut batch = Batch::default();
        batch.data(key.clone());
        batch.data(ItemKey::grant(scope, scope, &name_key)).data(ItemKey::breaker(scope, &name_key));
        let mut found = self.store.read(batch).await?;
        let connection = found.take(&key)?.ok_or_else(|| Problem::not_found("connection", name))?;
        let standing = Standing::take(&mut found, &connection)?;
        Ok((connection, standing))
    }
}

/// What a connection's status is read from, beside the connection itself.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The own-scope grant.
    pub grant: Option<Grant>,
    pub breaker: Option<Breaker>,
}

impl Standing {
    fn take(found: &mut Found, connection: &Connection) -> Result<Self, Problem> {
        let breaker: Option<BreakerItem> = found.take(&breaker_key(connection))?;
        let grant = found.take(&own_grant_key(connection))?;
        Ok(Self { grant, breaker: breaker.map(|item| item.breaker) })
    }

    /// Why nothing of the connection is refreshed, if so.
    pub(super) fn held_back(&self, connection: &Connection) -> Option<&LastError> {
        let breaker = self.breaker.as_ref().filter(|breaker| breaker.holds(connection))?;
        Some(&breaker.last_error)
    }
}

/// The key of the grant that a connection has for its own scope.
pub(super) fn own_grant_key(connection: &Connection) -> ItemKey {
    ItemKey::grant(connection.scope, connection.scope, &connection.name.folded())
}

/// A connection as answers show it.
pub(super) fn view(
    connection: Connection,
    standing: Standing,
    public_url: &str,
    now: Timestamp,
) -> ConnectionView {
    let held_back = standing.held_back(&connection).cloned();
    let grant =
        standing.grant.filter(|grant| grant.connection_id == connection.id && grant.status.is_connected());
    let grant = grant.as_ref();
    let redirects = connection.settings.redirecting_url().is_some();
    let refresh_error = grant.and_then(|grant| grant.last_error.clone());
    let errors = [refresh_error, connection.connect_error.clone(), held_back.clone()];
    let last_error = errors.into_iter().flatten().max_by_key(|error| error.at);
    let status = connection.status(grant, held_back.is_some(), now);
    let redirect_uri = redirects.then(|| connection.redirect_uri(public_url));
    let failing = matches!(status, ConnectionStatus::Failing | ConnectionStatus::Reauthorize);
    let message_about = held_back.as_ref().or(last_error.as_ref());
    let message = status_message(&connection, grant, message_about.filter(|_| failing || grant.is_none()));
    let messages: Vec<_> = [message, connection.expiry_warning(now)].into_iter().flatten().collect();
    let status_message = (!messages.is_empty()).then(|| messages.join(" "));
    let settings = connection.settings;
    ConnectionView {
        id: connection.id,
        name: connection.name,
        scope: connection.scope,
        description: settings.description,
        provider: settings.provider,
        flow: settings.flow,
        client_id: settings.client_id,
        client_secret_ref: settings.client_secret_ref,
        client_secret_expires_at: settings.client_secret_expires_at,
        has_client_secret_next: connection.client_secret_next.is_some(),
        has_client_private_key: connection.client_private_key.is_some(),
        client_key_arn: settings.client_key_arn,
        client_assertion_alg: settings.client_assertion_alg,
        client_key_id: settings.client_key_id,
        client_certificate: settings.client_certificate,
        client_assertion_audience: settings.client_assertion_audience,
        authorization_url: settings.authorization_url,
        device_authorization_url: settings.device_authorization_url,
        admin_consent_url: settings.admin_consent_url,
        token_url: settings.token_url,
        revocation_url: settings.revocation_url,
        scopes: settings.scopes,
        granted_scopes: grant.map(|grant| grant.scopes.clone()).unwrap_or_default(),
        audience: settings.audience,
        authorize_params: settings.authorize_params,
        token_params: settings.token_params,
        client_auth: settings.client_auth,
        pkce: settings.pkce,
        token_url_defaults: settings.token_url_defaults,
        callback: settings.callback,
        redirect_uri,
        available_to: settings.available_to,
        dialect: settings.dialect,
        facts: grant.map(|grant| grant.facts.clone()).unwrap_or_default(),
        identity: grant.and_then(|grant| grant.identity.clone()),
        status,
        status_message,
        last_error,
        expires_at: grant.and_then(|grant| grant.expires_at),
        last_refresh_at: grant.and_then(|grant| grant.last_refresh_at),
        next_refresh_at: grant.and_then(|grant| grant.refresh_at),
        has_refresh_token: grant.is_some_and(|grant| grant.refresh_token.is_some()),
        grants: None,
        created_at: connection.created_at,
        updated_at: connection.updated_at,
        revision: connection.revision,
    }
}

/// What a person should know at a glance. `error` is what makes the connection fail, or why nobody is connected.
fn status_message(
    connection: &Connection,
    grant: Option<&Grant>,
    error: Option<&LastError>,
) -> Option<String> {
    let Some(grant) = grant else {
        return error.map(|error| error.title.clone());
    };
    if let Some(error) = error {
        return Some(format!("{}. {}", error.title, error.fix));
    }
    let asked = |scopes: &[String]| scopes.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    let signed_in = connection.settings.flow == Flow::AuthorizationCode;
    if signed_in && asked(&grant.asked_scopes) != asked(&connection.settings.scopes) {
        let message = "The scopes were changed after connecting: reconnect for the change to take effect.";
        return Some(message.to_owned());
    }
    if grant.status == GrantStatus::Active && grant.access_token.is_none() {
        return Some("The refresh token was imported, and has not been tried yet.".to_owned());
    }
    let fading = signed_in && grant.refresh_token.is_none();
    fading.then(|| "The provider gave no refresh token: reconnect before the token expires.".to_owned())
}
