//! The second half of connecting: the provider sent the browser back.

use std::time::Duration;

use super::{VERIFIER, authorization_url, cookie_name, failure_problem, hash, link_invalid};
use crate::{
    app::{
        Bifrost, Deadline,
        credentials::audience,
        lookup::fill,
        refresh::{EXCHANGE_BUDGET, Known, registration, sealed_tokens},
    },
    model::{
        Code, GrantId, Incarnation, Name, OrganizationId, Problem, Secret, Timestamp,
        connection::{Connection, LastError},
        failure::{Failure, FailureClass},
        grant::{Grant, GrantStatus},
    },
    oauth::{self, TokenSet},
    store::{
        ItemKey,
        grants::NewTokens,
        tickets::{CallbackState, Ticket},
    },
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
}

impl Arrival<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// What came of it, for the page.
#[derive(Debug)]
pub struct Connected {
    pub connection: Name,
    pub organization: Option<OrganizationId>,
    pub has_refresh_token: bool,
    pub return_to: Option<String>,
}

/// Why connecting ended otherwise, for the page.
#[derive(Debug)]
pub enum NotConnected {
    /// The redirect is none of ours, or not this browser's. Nothing was changed.
    Rejected(Problem),
    /// This redirect has been here before.
    Repeated { outcome: Option<String> },
    /// The provider, or something of ours, said no.
    Failed { connection: Name, problem: Problem },
}

impl Bifrost {
    /// The provider sent the browser back. `cookie` looks one up by its name.
    pub async fn finish(
        &self,
        arrival: Arrival<'_>,
        cookie: impl Fn(&str) -> Option<Secret>,
        deadline: Deadline,
    ) -> Result<Connected, NotConnected> {
        let rejected = NotConnected::Rejected;
        let state_hash = hash(&arrival.state);
        let state = self.store.callback_state(&state_hash).await.map_err(rejected)?;
        let state = state.filter(|state| state.expires_at > Timestamp::now());
        let state = state.ok_or_else(|| rejected(link_invalid()))?;
        // First what tells whose browser this is and from where it comes; only then is the state used up.
        let brought = cookie(&cookie_name(&state_hash)).map(|cookie| hash(&cookie));
        if brought.as_ref() != Some(&state.cookie_hash) {
            let detail = "This browser is not the one that began to connect, or it keeps no cookies.";
            return Err(rejected(Problem::new(Code::LinkInvalid, detail)));
        }
        if state.used_at.is_some() {
            return Err(NotConnected::Repeated { outcome: state.outcome });
        }
        let (ticket, connection) = self.unused_ticket(&state.ticket).await.map_err(rejected)?;
        check_arrival(&arrival, &connection, &ticket).map_err(rejected)?;
        let used = self.store.use_callback_state(&state_hash, Timestamp::now()).await.map_err(rejected)?;
        let Some(state) = used else {
            return Err(NotConnected::Repeated { outcome: None });
        };

        let outcome = self.redeem(&arrival, &state_hash, &state, &ticket, &connection, deadline).await;
        let text = match &outcome {
            Ok(_) => format!("{} was connected.", connection.name),
            Err(problem) => format!("{} was not connected: {}", connection.name, problem.detail),
        };
        if let Err(problem) = self.store.settle_callback_state(&state_hash, &text).await {
            tracing::warn!(cause = problem.cause_chain(), "the outcome of a sign-in was not kept");
        }
        outcome.map_err(|problem| NotConnected::Failed { connection: connection.name, problem })
    }

    async fn redeem(
        &self,
        arrival: &Arrival<'_>,
        state_hash: &str,
        state: &CallbackState,
        ticket: &Ticket,
        connection: &Connection,
        deadline: Deadline,
    ) -> Result<Connected, Problem> {
        if connection.revision != state.connection_revision {
            let detail = "The connection was changed while you signed in.";
            return Err(
                Problem::new(Code::Conflict, detail).fix("Open the link again and sign in once more.")
            );
        }
        if let Some(error) = arrival.error {
            let failure = Failure::named_by_provider(error, arrival.error_description, &[]);
            return Err(self.note_connect_failure(ticket, connection, failure).await);
        }
        let Some(code) = &arrival.code else {
            let failure = Failure::new("malformed-answer", "The provider sent neither a code nor an error.");
            return Err(self.note_connect_failure(ticket, connection, failure).await);
        };
        // Everything that could fail is in hand before the code is spent.
        let item = ItemKey::callback_state(state_hash);
        let scope = ticket.grant_scope;
        let verifier = match &state.verifier {
            Some(sealed) => Some(self.vault.open(scope, &item, VERIFIER, sealed).await?),
            None => None,
        };
        let credentials = self.credentials(connection).await?;
        let data_key = self.vault.current(scope).await?;
        let token_url = fill(&connection.settings, &connection.settings.token_url, &ticket.url_values)?;
        let audience = audience(connection, &token_url, &ticket.url_values);
        let mut proof = self.proof(connection, &credentials, vec![audience]).await?;
        if deadline.remaining() < EXCHANGE_BUDGET {
            return Err(Problem::unavailable("too little time left to exchange the code"));
        }
        let tokens = loop {
            let registration = registration(connection, proof.credentials(), token_url.clone());
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
                        && self.prove_otherwise(connection, &mut proof).await
                        && deadline.remaining() >= EXCHANGE_BUDGET => {}
                Err(failure) => return Err(self.note_connect_failure(ticket, connection, failure).await),
            }
        };
        self.note_accepted(connection, &proof);
        let key = ItemKey::grant(scope, connection.scope, &connection.name.folded());
        let dialect = &connection.settings.dialect;
        let known = Known {
            dialect,
            url_values: &ticket.url_values,
            facts: &oauth::callback_facts(dialect, |name| arrival.parameter(name)),
        };
        let sealed = sealed_tokens(&key, &data_key, &tokens, &known, tokens.refresh_token.is_some())?;
        let grant = new_grant(connection, &tokens, sealed);
        let incarnation = grant.incarnation;
        let written = self.write_connected(&key, ticket, &state.ticket, connection, grant, deadline).await;
        if let Err(problem) = written {
            // The last try may have been one whose answer was lost: what stands is not to be revoked.
            let stands = self.store.grant(&key).await?.is_some_and(|grant| grant.incarnation == incarnation);
            if !stands {
                let token = tokens.refresh_token.as_ref().unwrap_or(&tokens.access_token);
                self.revoke(connection, &credentials, &ticket.url_values, token).await;
                return Err(problem);
            }
        }
        tracing::info!(connection = %connection.id, scope = %scope, "connected");
        Ok(Connected {
            connection: connection.name.clone(),
            organization: scope.organization(),
            has_refresh_token: tokens.refresh_token.is_some(),
            return_to: ticket.return_to.clone(),
        })
    }

    /// The critical write of a sign-in: retried until the invocation ends, and against the grant as it then is.
    async fn write_connected(
        &self,
        key: &ItemKey,
        ticket: &Ticket,
        ticket_hash: &str,
        connection: &Connection,
        mut grant: Grant,
        deadline: Deadline,
    ) -> Result<(), Problem> {
        let mut pause = Duration::from_millis(50);
        loop {
            let written = self.try_write_connected(key, ticket, ticket_hash, connection, &mut grant).await;
            let problem = match written {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    Problem::new(Code::Conflict, "The grant was changed while it was being connected.")
                }
                Err(problem) if problem.code != Code::Unavailable => return Err(problem),
                Err(problem) => problem,
            };
            if deadline.remaining() <= pause {
                return Err(problem);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// False if the grant moved between being read and being written.
    async fn try_write_connected(
        &self,
        key: &ItemKey,
        ticket: &Ticket,
        ticket_hash: &str,
        connection: &Connection,
        grant: &mut Grant,
    ) -> Result<bool, Problem> {
        let old = self.store.grant(key).await?;
        // The answer to an earlier try was lost, but the try was not.
        if old.as_ref().is_some_and(|old| old.incarnation == grant.incarnation) {
            return Ok(true);
        }
        let continued = old.as_ref().filter(|old| old.connection_id == connection.id);
        grant.generation = old.as_ref().map_or(0, |old| old.generation) + 1;
        if let Some(old) = continued {
            (grant.id, grant.created_at) = (old.id, old.created_at);
        }
        let scope = ticket.grant_scope;
        let written =
            self.store.connect_grant(key, scope, connection, grant, old.as_ref(), ticket_hash).await?;
        Ok(written.is_ok())
    }

    /// Keeps the reason on the connection, if the sign-in was for the connection's own grant, and turns it into what the
    /// person sees. An organization's sign-in to its own grant leaves no word on a global connection.
    async fn note_connect_failure(
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
