//! What a test may do to a provider from inside the same process: ask what happened, and make the next answers bad.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::options::{Client, ClientAuth, ClientKey, RedirectUris, RefreshTokens};
use super::server::Shared;
use crate::checkpoint::Checkpoint;

/// A handle on a running provider. Clones control the same one.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

/// What happens to one token request instead of the right thing.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer, and nothing is done: no token is issued or spent.
    Answer { status: u16, headers: Vec<(String, String)>, body: String },
    /// The connection closes before anything is done.
    Drop,
    /// Everything is done as asked, then the connection closes: the answer is lost, the old token is spent.
    DropAnswer,
    /// The same, but half of the answer gets out.
    CutAnswer,
    /// Everything is done and answered as asked, then the connection closes.
    CloseAfterAnswer,
    /// Everything is done as asked, and this is answered in its stead: the new tokens are lost.
    Replace { status: u16, headers: Vec<(String, String)>, body: String },
}

impl Fault {
    /// An answer of this status with this body, sent as JSON.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::Answer { status, headers, body: body.into() }
    }
}

/// A request that reached a token endpoint, and what came of it.
#[derive(Clone)]
pub struct TokenRequest {
    pub grant_type: String,
    pub tenant: Option<String>,
    /// How the client authenticated, if it managed to.
    pub auth: Option<ClientAuth>,
    /// `None` for success, else the `error` code and its description, or the fault that was asked for.
    pub refused: Option<String>,
    params: Vec<(String, String)>,
}

impl TokenRequest {
    pub(super) fn new(params: Vec<(String, String)>, tenant: Option<String>) -> Self {
        let mut request = Self { grant_type: String::new(), tenant, auth: None, refused: None, params };
        request.grant_type = request.param("grant_type").unwrap_or_default().to_owned();
        request
    }

    /// A form parameter as it was sent.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("TokenRequest")
            .field("grant_type", &self.grant_type)
            .field("tenant", &self.tenant)
            .field("auth", &self.auth)
            .field("refused", &self.refused)
            .field("params", &names)
            .finish()
    }
}

/// Changes the members of a successful token answer before it leaves.
pub(super) type EditAnswer = Arc<dyn Fn(&mut Map<String, Value>) + Send + Sync>;

/// What a test has asked for, and what has been seen so far.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) hold: Duration,
    pub(super) delay: Duration,
    /// By `grant_type`.
    pub(super) checkpoints: HashMap<String, Checkpoint>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) edit_answer: Option<EditAnswer>,
    pub(super) granted_scopes: Option<Vec<String>>,
    pub(super) requests: Vec<TokenRequest>,
    pub(super) revocations: usize,
    /// The tenants whose administrators have let the client in.
    pub(super) consents: HashSet<String>,
    /// The tenant that whoever consents next belongs to, whatever the address says.
    pub(super) administrator_of: Option<String>,
    pub(super) hold_resource: Duration,
    pub(super) resource_requests: usize,
}

impl Control {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whoever consents from now on is an administrator of this tenant.
    pub fn consent_as_administrator_of(&self, tenant: &str) {
        self.shared.lock().stage.administrator_of = Some(tenant.to_owned());
    }

    /// Every request that reached a token endpoint, in order of arrival.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.shared.lock().stage.requests.clone()
    }

    /// How many requests with this `grant_type` reached a token endpoint, refused ones included.
    pub fn token_request_count(&self, grant_type: &str) -> usize {
        self.shared.lock().stage.requests.iter().filter(|request| request.grant_type == grant_type).count()
    }

    /// Why requests were refused, in order: what to print when a test fails.
    pub fn refusals(&self) -> Vec<String> {
        self.shared.lock().stage.requests.iter().filter_map(|request| request.refused.clone()).collect()
    }

    /// How many tokens were brought to the revocation endpoint by a client that authenticated.
    pub fn revocation_count(&self) -> usize {
        self.shared.lock().stage.revocations
    }

    /// Requests to `/me` from now on wait this long before anything is looked up.
    pub fn hold_me(&self, hold: Duration) {
        self.shared.lock().stage.hold_resource = hold;
    }

    /// How many requests with some token reached `/me`.
    pub fn me_request_count(&self) -> usize {
        self.shared.lock().stage.resource_requests
    }

    /// Token answers from now on leave this much later. What was asked is done at once: the delay is in the answer.
    pub fn delay_token(&self, delay: Duration) {
        self.shared.lock().stage.delay = delay;
    }

    /// Token requests from now on wait this long before anything is done; one whose sender goes away leaves no trace.
    pub fn hold_token(&self, hold: Duration) {
        self.shared.lock().stage.hold = hold;
    }

    /// Token requests with this `grant_type` from now on pass this checkpoint, whatever fault they then meet.
    pub fn stop_tokens(&self, grant_type: &str, checkpoint: Checkpoint) {
        self.shared.lock().stage.checkpoints.insert(grant_type.to_owned(), checkpoint);
    }

    /// The next token request meets this fault; called again, the one after it, and so on.
    pub fn fail_next_token(&self, fault: Fault) {
        self.shared.lock().stage.faults.push_back(fault);
    }

    /// Successful token answers from now on pass through `edit`.
    pub fn edit_answers(&self, edit: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) {
        self.shared.lock().stage.edit_answer = Some(Arc::new(edit));
    }

    /// Sign-ins from now on are granted these scopes, whatever was asked for.
    pub fn grant_scopes(&self, scopes: &[&str]) {
        self.shared.lock().stage.granted_scopes = Some(scopes.iter().map(|s| (*s).to_owned()).collect());
    }

    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        self.shared.lock().options.access_token_lifetime = lifetime;
    }

    pub fn set_refresh_tokens(&self, rule: RefreshTokens) {
        self.shared.lock().options.refresh_tokens = rule;
    }

    /// Adds an exact redirect URI to a client, as an administrator would paste it into a provider's form.
    ///
    /// # Panics
    /// When there is no such client, or it accepts any address: both are mistakes in the test.
    pub fn register_redirect_uri(&self, client_id: &str, uri: &str) {
        let mut inner = self.shared.lock();
        let client = inner.options.clients.iter_mut().find(|client| client.id == client_id);
        match client.map(|client| &mut client.redirect_uris) {
            Some(RedirectUris::Exactly(registered)) => registered.push(uri.to_owned()),
            other => panic!("{client_id} has no list of redirect URIs: {other:?}"),
        }
    }

    /// Exchanges a client's secrets for another, as when the old one expires.
    pub fn set_client_secret(&self, client_id: &str, secret: &str) {
        self.change_client(client_id, |client| {
            secret.clone_into(&mut client.secret);
            client.second_secret = None;
        });
    }

    /// From now on this is as good as the one that the client has.
    pub fn add_client_secret(&self, client_id: &str, secret: &str) {
        self.change_client(client_id, |client| client.second_secret = Some(secret.to_owned()));
    }

    /// Exchanges a client's keys for another.
    pub fn set_client_key(&self, client_id: &str, key: ClientKey) {
        self.change_client(client_id, |client| client.keys = vec![key]);
    }

    fn change_client(&self, client_id: &str, change: impl FnOnce(&mut Client)) {
        let mut inner = self.shared.lock();
        inner.options.clients.iter_mut().find(|client| client.id == client_id).map(change);
    }

    /// Whether the grant that this access or refresh token came from is revoked; `None` for a token never issued.
    pub fn family_revoked(&self, token: &str) -> Option<bool> {
        self.shared.lock().ledger.family_of(token).map(|family| family.revoked)
    }

    /// Revokes the grant that this token came from, as a user does in the provider's settings.
    pub fn revoke_family(&self, token: &str) {
        if let Some(family) = self.shared.lock().ledger.family_of(token) {
            family.revoked = true;
        }
    }

    /// Every code, access token and refresh token since the start, in clear, for grepping logs and data.
    pub fn secrets_handed_out(&self) -> Vec<String> {
        self.shared.lock().ledger.handed_out().to_vec()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("issuer", &self.shared.issuer).finish_non_exhaustive()
    }
}
