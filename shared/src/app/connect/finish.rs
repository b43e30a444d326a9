//! The second half of connecting: the provider sent the browser back.

use std::collections::BTreeMap;

use super::{
    SIGN_IN_TIME, UNANSWERED_TIME, VERIFIER, authorization_url, check_unused,
    confirm::{ASKING_BUDGET, Finished},
    cookie_name, failure_problem, hash, link_invalid,
    place::{Pauses, Place},
};
use crate::{
    app::{
        Bifrost, Deadline,
        about::About,
        credentials::{Credentials, Proof, audience},
        lookup::fill,
        refresh::{EXCHANGE_BUDGET, Known, registration, sealed_tokens},
    },
    model::{
        Code, GrantId, Incarnation, Name, OrganizationId, Problem, Scope, Secret, Timestamp,
        connection::{Connection, Flow, LastError},
        failure::{Failure, FailureClass},
        grant::{Grant, GrantStatus},
        provider_errors::NamedError,
    },
    oauth::{self, TokenSet},
    store::{
        ItemKey,
        grants::{NewTokens, Origin},
        tickets::{CallbackState, Ticket},
    },
    vault::DataKey,
};

/// What a provider's redirect brings.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// The last part of the path; None on the shared one.
    pub segment: Option<&'a str>,
    pub state: Secret,
    pub code: Option<Secret>,
    pub error: Option<&'a str>,
    pub error_description: Option<&'a str>,
    /// RFC 9207.
    pub issuer: Option<&'a str>,
    /// All of the query: some providers say more than the standard has.
    pub query: &'a [(String, String)],
    /// Is told which link it comes from.
    pub about: &'a About,
}

impl Arrival<'_> {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// What came of it, for the page.
#[derive(Debug)]
pub struct Connected {
    pub connection: Name,
    pub organization: Option<OrganizationId>,
    /// Who signed in, in words; empty if nobody says.
    pub signed_in: Vec<String>,
    pub has_refresh_token: bool,
    pub return_to: Option<String>,
}

/// Why connecting ended otherwise, for the page.
#[derive(Debug)]
pub enum NotConnected {
    /// The redirect is none of ours, or not this browser's. Nothing was changed.
    Rejected(Problem),
    /// This redirect has been here before.
    Repeated { outcome: Option<String>, return_to: Option<String> },
    /// The provider, or something of ours, said no.
    Failed { connection: Name, problem: Problem, return_to: Option<String> },
}

/// A sign-in that has come back, and where its grant goes.
#[derive(Debug)]
pub(in crate::app) struct SignIn<'a> {
    pub state_hash: &'a str,
    pub state: &'a CallbackState,
    pub ticket: &'a Ticket,
    pub connection: &'a Connection,
    pub key: ItemKey,
}

impl<'a> SignIn<'a> {
    pub(in crate::app) fn new(
        state_hash: &'a str,
        state: &'a CallbackState,
        ticket: &'a Ticket,
        connection: &'a Connection,
    ) -> Self {
        let key = ItemKey::grant(ticket.grant_scope, connection.scope, &connection.name.folded());
        Self { state_hash, state, ticket, connection, key }
    }

    pub(super) fn scope(&self) -> Scope {
        self.ticket.grant_scope
    }

    /// What it was signed in to is what it would be put on.
    pub(super) fn check_connection(&self) -> Result<(), Problem> {
        if self.connection.revision == self.state.connection_revision {
            return Ok(());
        }
        let detail = "The connection was changed while you signed in.";
        Err(Problem::new(Code::Conflict, detail).fix("Open the link again and sign in once more."))
    }

    pub(super) fn place(&self) -> Place<'_> {
        let origin = Origin::Ticket(&self.state.ticket);
        Place { key: &self.key, scope: self.scope(), connection: self.connection, origin }
    }

    pub(super) fn failed(&self, problem: Problem) -> NotConnected {
        let (connection, return_to) = (self.connection.name.clone(), self.ticket.return_to.clone());
        NotConnected::Failed { connection, problem, return_to }
    }

    pub(super) fn connected(&self, grant: &Grant) -> Connected {
        Connected {
            connection: self.connection.name.clone(),
            organization: self.scope().organization(),
            signed_in: grant.owner().words(&self.connection.settings.dialect),
            has_refresh_token: grant.refresh_token.is_some(),
            return_to: self.ticket.return_to.clone(),
        }
    }
}

/// What an exchange needs.
pub(super) struct Ready {
    pub credentials: Credentials,
    pub proof: Proof,
    pub data_key: DataKey,
    pub token_url: url::Url,
    /// What fills the URLs, and where the grant is kept.
    pub url_values: BTreeMap<String, String>,
}

/// Where the tokens of a sign-in are.
enum Written {
    InPlace,
    /// Beside the state, until it is clear that they may replace the grant there is.
    Held,
}

impl Bifrost {
    /// The provider sent the browser back. `cookie` looks one up by its name.
    pub async fn finish(
        &self,
        arrival: Arrival<'_>,
        cookie: impl Fn(&str) -> Option<Secret>,
        deadline: Deadline,
    ) -> Result<Finished, NotConnected> {
        let rejected = NotConnected::Rejected;
        let state_hash = hash(&arrival.state);
        // First what tells whose browser this is and from where it comes; only then is the state used up.
        let state = self.state_of_browser(&state_hash, cookie).await.map_err(rejected)?;
        if state.used_at.is_some() && state.held.is_none() {
            return Err(self.over(state, arrival.about).await);
        }
        let (ticket, connection) =
            self.ticket_and_connection(&state.ticket, arrival.about).await.map_err(rejected)?;
        let sign_in = SignIn::new(&state_hash, &state, &ticket, &connection);
        let failed = |problem| sign_in.failed(problem);
        if let Some(held) = &state.held {
            return self.weigh(&sign_in, held.clone(), deadline).await.map_err(failed);
        }
        check_unused(&ticket).map_err(rejected)?;
        check_arrival(&arrival, &connection, &ticket).map_err(rejected)?;
        let used = self.store.use_callback_state(&state_hash, Timestamp::now()).await.map_err(rejected)?;
        if used.is_none() {
            return Err(NotConnected::Repeated { outcome: None, return_to: ticket.return_to.clone() });
        }

        let outcome = self.redeem(&arrival, &sign_in, deadline).await;
        self.settle(&sign_in, &outcome).await;
        outcome.map_err(failed)
    }

    /// For whoever comes back once more. The way on is a courtesy, for which nothing fails.
    pub(super) async fn over(&self, state: CallbackState, about: &About) -> NotConnected {
        let ticket = self.store.ticket(&state.ticket).await.ok().flatten();
        ticket.iter().for_each(|ticket| about.of_link(ticket));
        NotConnected::Repeated {
            outcome: state.outcome,
            return_to: ticket.and_then(|ticket| ticket.return_to),
        }
    }

    /// Keeps what came of a sign-in for whoever reloads its page, unless it is not over.
    pub(super) async fn settle(&self, sign_in: &SignIn<'_>, outcome: &Result<Finished, Problem>) {
        let name = &sign_in.connection.name;
        let text = match outcome {
            Ok(Finished::Connected(_)) => format!("{name} was connected."),
            Ok(Finished::Asked(_) | Finished::Kept { .. }) => return,
            Err(problem) => format!("{name} was not connected: {}", problem.detail),
        };
        if let Err(problem) = self.store.settle_callback_state(sign_in.state_hash, &text).await {
            tracing::warn!(cause = problem.cause_chain(), "the outcome of a sign-in was not kept");
        }
    }

    /// The state, if it is still good and this is the browser that it was given to.
    pub(super) async fn state_of_browser(
        &self,
        state_hash: &str,
        cookie: impl Fn(&str) -> Option<Secret>,
    ) -> Result<CallbackState, Problem> {
        let state = self.store.callback_state(state_hash).await?;
        let state = state.filter(|state| state.expires_at > Timestamp::now()).ok_or_else(link_invalid)?;
        let brought = cookie(&cookie_name(state_hash)).map(|cookie| hash(&cookie));
        if brought.as_ref() != Some(&state.cookie_hash) {
            let detail = "This browser is not the one that began to connect, or it keeps no cookies.";
            return Err(Problem::new(Code::LinkInvalid, detail));
        }
        Ok(state)
    }

    async fn redeem(
        &self,
        arrival: &Arrival<'_>,
        sign_in: &SignIn<'_>,
        deadline: Deadline,
    ) -> Result<Finished, Problem> {
        let SignIn { state, ticket, connection, .. } = *sign_in;
        sign_in.check_connection()?;
        if let Some(error) = arrival.error {
            let url = authorization_url(connection, ticket)?;
            let named = NamedError {
                host: url.host_str().unwrap_or_default(),
                code: error,
                description: arrival.error_description,
                subcode: arrival.parameter("error_subcode"),
            };
            let failure = Failure::named_by_provider(&named, &[]);
            return Err(self.note_connect_failure(ticket, connection, failure).await);
        }
        if connection.settings.flow == Flow::ClientCredentials {
            return self.let_in(arrival, sign_in, deadline).await;
        }
        let Some(code) = &arrival.code else {
            let failure = Failure::new("malformed-answer", "The provider sent neither a code nor an error.");
            return Err(self.note_connect_failure(ticket, connection, failure).await);
        };
        // Everything that could fail is in hand before the code is spent.
        let item = ItemKey::callback_state(sign_in.state_hash);
        let scope = sign_in.scope();
        let verifier = match &state.verifier {
            Some(sealed) => Some(self.vault.open(scope, &item, VERIFIER, sealed).await?),
            None => None,
        };
        let facts = oauth::callback_facts(&connection.settings.dialect, |name| arrival.parameter(name));
        let mut ready = self.ready_to_exchange(sign_in, &facts, deadline).await?;
        let tokens = loop {
            let registration = registration(connection, ready.proof.credentials(), ready.token_url.clone());
            let (verifier, redirect_uri) = (verifier.as_ref(), ticket.redirect_uri.as_str());
            let exchanged = oauth::exchange_code(
                &self.outbound,
                &registration,
                code,
                verifier,
                redirect_uri,
                Timestamp::now(),
            )
            .await;
            match exchanged {
                Ok(tokens) => break tokens,
                // Turned away before the code was looked at.
                Err(failure)
                    if failure.class == FailureClass::Client
                        && self.prove_otherwise(connection, &mut ready.proof).await
                        && deadline.remaining() >= EXCHANGE_BUDGET => {}
                Err(failure) => return Err(self.note_connect_failure(ticket, connection, failure).await),
            }
        };
        self.receive(sign_in, &ready, tokens, &facts, deadline).await
    }

    /// Everything that could fail, in hand before a code is spent.
    pub(super) async fn ready_to_exchange(
        &self,
        sign_in: &SignIn<'_>,
        facts: &BTreeMap<String, String>,
        deadline: Deadline,
    ) -> Result<Ready, Problem> {
        let SignIn { ticket, connection, .. } = *sign_in;
        let mut url_values = ticket.url_values.clone();
        let dialect = &connection.settings.dialect;
        if let Err(elsewhere) = dialect.note_origin(facts, &mut url_values) {
            let failure = Failure::new("url-not-allowed", elsewhere);
            return Err(self.note_connect_failure(ticket, connection, failure).await);
        }
        let credentials = self.credentials(connection).await?;
        let data_key = self.vault.current(sign_in.scope()).await?;
        let token_url = fill(&connection.settings, &connection.settings.token_url, &url_values)?;
        let audience = audience(connection, &token_url, &url_values);
        let proof = self.proof(connection, &credentials, vec![audience]).await?;
        if deadline.remaining() < EXCHANGE_BUDGET {
            return Err(Problem::unavailable("too little time left to exchange the code"));
        }
        Ok(Ready { credentials, proof, data_key, token_url, url_values })
    }

    /// The tokens of a sign-in: into the grant's place, or held until it is clear that they may go there.
    pub(super) async fn receive(
        &self,
        sign_in: &SignIn<'_>,
        ready: &Ready,
        tokens: TokenSet,
        facts: &BTreeMap<String, String>,
        deadline: Deadline,
    ) -> Result<Finished, Problem> {
        let SignIn { connection, .. } = *sign_in;
        let Ready { credentials, proof, data_key, url_values, .. } = ready;
        self.note_accepted(connection, proof);
        let dialect = &connection.settings.dialect;
        let known = Known { dialect, url_values, facts, identity: None };
        let swept = tokens.refresh_token.is_some();
        let sealed = sealed_tokens(&sign_in.key, data_key, &tokens, &known, swept)?;
        let mut grant = new_grant(connection, &tokens, sealed);
        let written = match self.write_signed_in(sign_in, &mut grant, deadline).await {
            Ok(written) => written,
            // The last try may have been one whose answer was lost: what stands is not to be revoked.
            Err(_) if self.stands(sign_in, &grant).await? => Written::InPlace,
            Err(problem) => {
                if !self.is_held(sign_in, &grant).await? {
                    let token = tokens.refresh_token.as_ref().unwrap_or(&tokens.access_token);
                    self.revoke(connection, credentials, url_values, token).await;
                }
                return Err(problem);
            }
        };
        match written {
            Written::InPlace => {
                tracing::info!(connection = %connection.id, scope = %sign_in.scope(), "connected");
                self.note_who(sign_in, &mut grant, &tokens, deadline).await;
                Ok(Finished::Connected(sign_in.connected(&grant)))
            }
            Written::Held => self.weigh(sign_in, grant, deadline).await,
        }
    }

    /// The critical write of a sign-in: retried until the invocation ends, and against the grant as it then is.
    async fn write_signed_in(
        &self,
        sign_in: &SignIn<'_>,
        grant: &mut Grant,
        deadline: Deadline,
    ) -> Result<Written, Problem> {
        let mut pauses = Pauses::until(deadline);
        loop {
            let problem = match self.try_write_signed_in(sign_in, grant).await {
                Ok(Some(written)) => return Ok(written),
                Ok(None) => {
                    Problem::new(Code::Conflict, "The grant was changed while it was being connected.")
                }
                Err(problem) if problem.code != Code::Unavailable => return Err(problem),
                Err(problem) => problem,
            };
            if !pauses.pause().await {
                return Err(problem);
            }
        }
    }

    /// `None` if the grant moved between being read and being written.
    async fn try_write_signed_in(
        &self,
        sign_in: &SignIn<'_>,
        grant: &mut Grant,
    ) -> Result<Option<Written>, Problem> {
        let old = self.store.grant(&sign_in.key).await?;
        let dialect = &sign_in.connection.settings.dialect;
        let to_be_learnt = dialect.verify.is_some() && grant.lacks_identity(old.as_ref());
        if to_be_learnt || grant.needs_confirmation(old.as_ref(), dialect) {
            let until = Timestamp::now() + SIGN_IN_TIME;
            self.store.hold_grant(sign_in.state_hash, grant, until, until + UNANSWERED_TIME).await?;
            return Ok(Some(Written::Held));
        }
        let placed = self.place_grant(&sign_in.place(), grant, old.as_ref()).await?;
        Ok(placed.then_some(Written::InPlace))
    }

    pub(super) async fn stands(&self, sign_in: &SignIn<'_>, grant: &Grant) -> Result<bool, Problem> {
        let standing = self.store.grant(&sign_in.key).await?;
        Ok(standing.is_some_and(|standing| standing.incarnation == grant.incarnation))
    }

    async fn is_held(&self, sign_in: &SignIn<'_>, grant: &Grant) -> Result<bool, Problem> {
        let held = self.store.callback_state(sign_in.state_hash).await?.and_then(|state| state.held);
        Ok(held.is_some_and(|held| held.incarnation == grant.incarnation))
    }

    /// Adds who signed in to a grant that is in its place, if no ID token said so.
    async fn note_who(&self, sign_in: &SignIn<'_>, grant: &mut Grant, tokens: &TokenSet, deadline: Deadline) {
        if grant.identity.is_some() || deadline.remaining() < ASKING_BUDGET {
            return;
        }
        grant.identity = self.who(sign_in, &grant.url_values, &tokens.token_type, &tokens.access_token).await;
        if let Some(identity) = &grant.identity
            && let Err(problem) = self.store.note_identity(&sign_in.key, grant.incarnation, identity).await
        {
            tracing::warn!(cause = problem.cause_chain(), "who signed in was not kept");
        }
    }

    /// Keeps the reason on the connection, if the sign-in was for the connection's own grant, and turns it into what the
    /// person sees. An organization's sign-in to its own grant leaves no word on a global connection.
    pub(super) async fn note_connect_failure(
        &self,
        ticket: &Ticket,
        connection: &Connection,
        failure: Failure,
    ) -> Problem {
        let error = LastError::of(&failure, Timestamp::now());
        tracing::warn!(connection = %connection.id, code = failure.code, "connecting failed");
        if ticket.grant_scope == connection.scope
            && let Err(problem) = self.store.connection_failed(connection, &error).await
        {
            tracing::warn!(cause = problem.cause_chain(), "the reason of a failed sign-in was not kept");
        }
        failure_problem(failure)
    }
}

/// The path tells which connection the provider was given, the issuer (RFC 9207) which provider it is.
fn check_arrival(arrival: &Arrival<'_>, connection: &Connection, ticket: &Ticket) -> Result<(), Problem> {
    if connection.callback_segment().as_deref() != arrival.segment {
        return Err(Problem::new(Code::LinkInvalid, "This sign-in was begun for another redirect URI."));
    }
    let Some(issuer) = arrival.issuer else {
        return Ok(());
    };
    let issuer = url::Url::parse(issuer).ok();
    let ours = authorization_url(connection, ticket)?;
    match issuer {
        Some(issuer) if issuer.host_str() == ours.host_str() => Ok(()),
        _ => {
            Err(Problem::new(Code::LinkInvalid, "The answer comes from another provider than the one asked."))
        }
    }
}

fn new_grant(connection: &Connection, tokens: &TokenSet, sealed: NewTokens) -> Grant {
    let now = Timestamp::now();
    let asked = connection.settings.scopes.clone();
    Grant {
        id: GrantId::new(),
        connection_id: connection.id,
        incarnation: Incarnation::new(),
        generation: 1,
        status: GrantStatus::Active,
        access_token: Some(sealed.access_token),
        refresh_token: sealed.refresh_token,
        token_type: sealed.token_type,
        // RFC 6749 section 5.1: an answer that names no scope granted what was asked for.
        scopes: tokens.scopes.clone().unwrap_or_else(|| asked.clone()),
        asked_scopes: asked,
        issued_at: Some(sealed.issued_at),
        expires_at: Some(sealed.expires_at),
        url_values: sealed.url_values,
        facts: sealed.facts,
        redeemed_from: None,
        identity: sealed.identity,
        lease: None,
        maybe_spent: false,
        failures: 0,
        retry_at: None,
        last_error: None,
        last_refresh_at: Some(now),
        refresh_at: sealed.refresh_at,
        forced_at: None,
        disconnected_at_revision: None,
        created_at: now,
        updated_at: now,
    }
}
