//! Refreshing: how a grant gets its next token without ever being lost to a race, a crash or a slow provider.
//!
//! One function, `Bifrost::usable_token`, serves every path: a resolve or token request near expiry, a refresh that a
//! workflow asks for, the scheduled sweep, the first token of a client that speaks for itself. The steps bear the
//! numbers of the design:
//!
//! 0. Before anything is spent, everything that could fail is in hand: what the client proves itself with, signed where
//!    it must be, data key, and enough time.
//! 1. and 2. The lease is taken on the grant exactly as it was seen (`Store::lease_grant`), which is
//!    also the re-read: if anything moved, there is no lease, but the newer grant.
//! 3. One exchange, with the lease renewed while it is in flight.
//! 4. The write of what came, retried until the invocation ends. Between the provider's answer and this write nothing
//!    but DynamoDB is called.
//! 5. Losers wait for the generation to move or the lease to lapse; without the lease nobody exchanges anything.
//! 6. Failures are written only while nothing has moved. One that concerns the client is noted beside the connection, and
//!    holds its other grants back (`breaker`).

mod breaker;
mod failure;
mod tokens;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    Bifrost, Deadline,
    credentials::{Credentials, Proof, audience},
    lookup::{Reached, Source, fill},
};
use crate::{
    model::{
        Code, Problem, Sealed, Secret, Timestamp,
        breaker::Verdict,
        connection::{Connection, Flow, LastError},
        dialect::RefreshTokenRules,
        failure::{Failure, FailureClass},
        grant::{Decision, Grant, GrantStatus, Lease, Refusal, Want, Warning},
        identity::Identity,
    },
    oauth::{self, TokenSet},
    store::{
        ItemKey,
        grants::{Holder, NewTokens, Written},
    },
    vault::DataKey,
};
pub(super) use breaker::breaker_key;
use breaker::{Pass, Paused, tenant};
use failure::{failing_text, refusal_problem, warning_text};
use tokens::first_grant;
pub(super) use tokens::{ACCESS_TOKEN, Known, REFRESH_TOKEN, jitter, registration, sealed_tokens};

/// What must be left of the invocation before a token is spent: 45 s for the exchange, 10 s for the write.
pub(super) const EXCHANGE_BUDGET: Duration = Duration::from_secs(55);
/// How long a lease holds; a crash frees the grant after this.
const LEASE: Duration = Duration::from_secs(30);
/// How often a lease in use is renewed: five chances before it lapses.
const RENEWAL: Duration = Duration::from_secs(5);
/// How long a loser waits. The gateway gives up on the caller after 30 s.
const PATIENCE: Duration = Duration::from_secs(25);
/// How often a loser looks: often at first, for most providers answer quickly.
const FIRST_LOOK: Duration = Duration::from_millis(40);
const LATER_LOOKS: Duration = Duration::from_millis(250);

/// A grant whose access token is good, and what to say with it.
#[derive(Debug)]
pub(super) struct Usable {
    pub grant: Grant,
    pub access_token: Secret,
    pub warning: Option<String>,
    /// What the warning is about, if something failed.
    pub error: Option<LastError>,
    /// This very call exchanged it.
    pub exchanged: bool,
}

/// What kept a grant from being refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// An exchange of ours failed.
    Failed(FailureClass),
    /// Nothing was sent: the connection's breaker holds its grants back.
    Paused,
}

/// Everything in hand that an exchange needs.
struct Prepared {
    credentials: Credentials,
    proof: Proof,
    data_key: DataKey,
    refresh_token: Option<Secret>,
    token_url: url::Url,
    url_values: BTreeMap<String, String>,
    facts: BTreeMap<String, String>,
    identity: Option<Identity>,
}

impl Bifrost {
    /// A token of the grant that was reached, as fresh as is wanted.
    pub(super) async fn usable_token(
        &self,
        reached: &Reached,
        want: Want,
        deadline: Deadline,
    ) -> Result<Usable, Problem> {
        self.pursue(reached, want, deadline, &mut None).await
    }

    /// The same, and what went wrong on the way, if anything did: a token may still be good all the same.
    pub(super) async fn pursue(
        &self,
        reached: &Reached,
        want: Want,
        deadline: Deadline,
        mishap: &mut Option<Mishap>,
    ) -> Result<Usable, Problem> {
        let patience = Instant::now() + PATIENCE.min(deadline.remaining());
        let mut seen = reached.grant.clone();
        loop {
            let now = Timestamp::now();
            match decide(reached, seen.as_ref(), want, now) {
                Decision::Refresh => {}
                Decision::Refuse(refusal) => return Err(refusal_of(reached, seen.as_ref(), &refusal)),
                Decision::Serve => return self.usable(reached, seen, None).await,
                Decision::ServeWith(warning) => return self.usable(reached, seen, Some(warning)).await,
            }
            match seen {
                Some(grant) if grant.is_leased(now) => {
                    let wants_this = matches!(want, Want::Fresh { .. }) && !mints_elsewhere(reached, &grant);
                    if wants_this && !grant.remaining(now).is_zero() {
                        return self.usable(reached, Some(grant), None).await;
                    }
                    seen = self.wait_for_winner(&reached.grant_key, &grant, patience).await?;
                }
                grant => match self.attempt(reached, grant, want, deadline, mishap).await? {
                    Attempt::Refreshed(grant) => {
                        let usable = self.usable(reached, Some(*grant), None).await?;
                        return Ok(Usable { exchanged: true, ..usable });
                    }
                    Attempt::Moved(grant) => seen = grant.map(|grant| *grant),
                    Attempt::Paused(grant, paused) => {
                        mishap.get_or_insert(Mishap::Paused);
                        return self.usable_while_paused(reached, grant.map(|grant| *grant), paused).await;
                    }
                },
            }
        }
    }

    /// A token that is still good serves until it expires, whatever the provider has against the client.
    async fn usable_while_paused(
        &self,
        reached: &Reached,
        grant: Option<Grant>,
        paused: Paused,
    ) -> Result<Usable, Problem> {
        let good = |grant: &Grant| {
            grant.status.is_connected()
                && !grant.remaining(Timestamp::now()).is_zero()
                && !mints_elsewhere(reached, grant)
        };
        let Some(grant) = grant.filter(good) else {
            return Err(paused.problem());
        };
        let usable = self.usable(reached, Some(grant), None).await?;
        Ok(Usable { warning: Some(failing_text(&paused.error)), error: Some(paused.error), ..usable })
    }

    async fn usable(
        &self,
        reached: &Reached,
        grant: Option<Grant>,
        warning: Option<Warning>,
    ) -> Result<Usable, Problem> {
        let none = || Problem::new(Code::NotConnected, "There is no token.");
        let grant = grant.ok_or_else(none)?;
        let sealed = grant.access_token.as_ref().ok_or_else(none)?;
        let access_token = self.open_token(reached, ACCESS_TOKEN, sealed).await?;
        let error = warning.as_ref().and(grant.last_error.clone());
        let warning = warning.map(|warning| warning_text(&warning, &grant));
        Ok(Usable { grant, access_token, warning, error, exchanged: false })
    }

    pub(super) async fn open_token(
        &self,
        reached: &Reached,
        attribute: &str,
        sealed: &Sealed,
    ) -> Result<Secret, Problem> {
        self.vault.open(reached.grant_scope, &reached.grant_key, attribute, sealed).await
    }

    /// Steps 0 to 4, once. `Moved` carries the grant as it is now, whoever changed it.
    async fn attempt(
        &self,
        reached: &Reached,
        seen: Option<Grant>,
        want: Want,
        deadline: Deadline,
        mishap: &mut Option<Mishap>,
    ) -> Result<Attempt, Problem> {
        let connection = &reached.connection;
        let breaker = match self.look_at_breaker(reached).await? {
            Ok(breaker) => breaker,
            Err(paused) => return Ok(Attempt::Paused(seen.map(Box::new), paused)),
        };
        let mut prepared = match self.prepare(reached, seen.as_ref()).await {
            Ok(prepared) => prepared,
            Err(problem) => return self.note_unprepared(reached, seen, problem).await,
        };
        check_budget(deadline)?;
        let pass = match self.pass_breaker(reached, breaker, tenant(&prepared.url_values)).await? {
            Ok(pass) => pass,
            Err(paused) => return Ok(Attempt::Paused(seen.map(Box::new), paused)),
        };
        let failed_before = seen.as_ref().map_or(0, |grant| grant.failures);
        let good_until = seen.as_ref().and_then(|grant| grant.expires_at);
        let (holder, doubt) = match self.lease(reached, seen).await {
            Ok(Leased::Taken { holder, doubt }) => (holder, doubt),
            Ok(Leased::Moved(grant)) => {
                self.note_verdict(connection, pass, Verdict::Unknown).await;
                return Ok(Attempt::Moved(grant));
            }
            Err(problem) => {
                self.note_verdict(connection, pass, Verdict::Unknown).await;
                return Err(problem);
            }
        };
        // A slow DynamoDB may have used up the time that the exchange needs.
        if let Err(problem) = check_budget(deadline) {
            self.note_verdict(connection, pass, Verdict::Unknown).await;
            self.give_up_lease(reached, &holder, &doubt).await?;
            return Err(problem);
        }
        let sent_at = Timestamp::now();
        let exchange = self.exchange(connection, &mut prepared, deadline);
        let outcome = tokio::select! {
            outcome = exchange => outcome,
            () = self.keep_renewing(&reached.grant_key, &holder) => unreachable!("renewing never ends"),
        };
        match outcome {
            Ok(tokens) => {
                let forced = matches!(want, Want::Newer { limited: true, .. });
                let circumstances = Circumstances { forced, contested: doubt.contested };
                let written =
                    self.write_back(reached, &holder, &prepared, tokens, circumstances, deadline).await;
                self.note_verdict(connection, pass, Verdict::Accepted).await;
                written
            }
            Err(failure) => {
                *mishap = Some(Mishap::Failed(failure.class));
                let (maybe_spent, failures) = (doubt.maybe_spent, failed_before + 1);
                let failed = Failed { failure, sent_at, maybe_spent, failures, good_until };
                self.note_failure(reached, &holder, pass, failed).await
            }
        }
    }

    /// Step 0.
    async fn prepare(&self, reached: &Reached, seen: Option<&Grant>) -> Result<Prepared, Problem> {
        let connection = &reached.connection;
        let url_values = match (&reached.mint_at, seen) {
            (Some(values), _) => values.clone(),
            (None, Some(grant)) => grant.url_values.clone(),
            (None, None) => BTreeMap::new(),
        };
        let token_url = fill(&connection.settings, &connection.settings.token_url, &url_values)?;
        let credentials = self.credentials(connection).await?;
        let data_key = self.vault.current(reached.grant_scope).await?;
        let refresh_token = match (seen, &reached.source) {
            (_, Some(source)) => self.refresh_token_of(connection, source).await?,
            (Some(Grant { refresh_token: Some(sealed), .. }), None) => {
                Some(self.open_token(reached, REFRESH_TOKEN, sealed).await?)
            }
            _ => None,
        };
        let facts = seen.map(|grant| grant.facts.clone()).unwrap_or_default();
        // Last, because an assertion ages.
        let audience = audience(connection, &token_url, &url_values);
        let proof = self.proof(connection, &credentials, vec![audience]).await?;
        let identity = seen.and_then(|grant| grant.identity.clone());
        Ok(Prepared { credentials, proof, data_key, refresh_token, token_url, url_values, facts, identity })
    }

    async fn refresh_token_of(
        &self,
        connection: &Connection,
        source: &Source,
    ) -> Result<Option<Secret>, Problem> {
        let Some(Grant { refresh_token: Some(sealed), .. }) = &source.grant else { return Ok(None) };
        self.vault.open(connection.scope, &source.key, REFRESH_TOKEN, sealed).await.map(Some)
    }

    /// Steps 1 and 2.
    async fn lease(&self, reached: &Reached, seen: Option<Grant>) -> Result<Leased, Problem> {
        let now = Timestamp::now();
        let owner = uuid::Uuid::new_v4().simple().to_string();
        let until = now + LEASE;
        let Some(grant) = seen else {
            let grant = first_grant(reached, Lease { owner: owner.clone(), until }, now);
            let holder = Holder { grant: grant.id, owner, incarnation: grant.incarnation, spending: 0 };
            // A grant of a connection that had this name before is in nobody's way.
            let ghost = self.store.grant(&reached.grant_key).await?;
            if ghost.as_ref().is_some_and(|ghost| ghost.connection_id == reached.connection.id) {
                return Ok(Leased::Moved(ghost.map(Box::new)));
            }
            let scope = reached.grant_scope;
            let created =
                self.store.create_leased_grant(&reached.grant_key, scope, &grant, ghost.as_ref()).await?;
            return match created {
                true => Ok(Leased::Taken { holder, doubt: Doubt::default() }),
                false => Ok(Leased::Moved(self.store.grant(&reached.grant_key).await?.map(Box::new))),
            };
        };
        let lapsed = grant.has_lapsed_lease(now);
        let doubt = Doubt {
            lapsed,
            maybe_spent: grant.maybe_spent || lapsed,
            contested: lapsed || (grant.maybe_spent && grant.failures > 0),
        };
        let (incarnation, spending) = (grant.incarnation, grant.generation);
        let holder = Holder { grant: grant.id, owner, incarnation, spending };
        match self.store.lease_grant(&reached.grant_key, &grant, &holder, until).await? {
            Written::Done(_) => Ok(Leased::Taken { holder, doubt }),
            // The answer to an earlier try of the SDK was lost, but the try was not.
            Written::Forestalled(Some(grant)) if grant.is_held_by(&holder.owner) => {
                Ok(Leased::Taken { holder, doubt })
            }
            Written::Forestalled(grant) => Ok(Leased::Moved(grant)),
        }
    }

    /// Step 3. A client that is refused was turned away before its token was looked at; so if it has another secret than
    /// the one that was sent, that one is tried at once.
    async fn exchange(
        &self,
        connection: &Connection,
        prepared: &mut Prepared,
        deadline: Deadline,
    ) -> Result<TokenSet, Failure> {
        loop {
            let refused = match self.exchange_once(connection, prepared).await {
                Err(failure) if failure.class == FailureClass::Client => failure,
                answer => {
                    if answer.is_ok() {
                        self.note_accepted(connection, &prepared.proof);
                    }
                    return answer;
                }
            };
            let another = self.prove_otherwise(connection, &mut prepared.proof).await;
            if !another || check_budget(deadline).is_err() {
                return Err(refused);
            }
        }
    }

    /// Whatever it is called, it is one request that may spend the token.
    async fn exchange_once(&self, connection: &Connection, prepared: &Prepared) -> Result<TokenSet, Failure> {
        let credentials = prepared.proof.credentials();
        let registration = registration(connection, credentials, prepared.token_url.clone());
        let now = Timestamp::now();
        match (connection.settings.flow, &prepared.refresh_token) {
            (Flow::AuthorizationCode, Some(token)) => {
                oauth::refresh(&self.outbound, &registration, token, now).await
            }
            // `decide` lets no authorization_code grant without a refresh token come this far.
            _ => oauth::client_credentials(&self.outbound, &registration, now).await,
        }
    }

    /// A slow provider keeps the lease; a crashed holder loses it soon. A renewal that fails is tried again at the next
    /// turn, and a lost lease does not stop the exchange: its answer may still be the one that counts.
    async fn keep_renewing(&self, key: &ItemKey, holder: &Holder) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            match self.store.renew_lease(key, holder, Timestamp::now() + LEASE).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(grant = %holder.grant, "the lease was lost while the exchange is in flight")
                }
                Err(problem) => {
                    tracing::warn!(grant = %holder.grant, cause = problem.cause_chain(), "a lease was not renewed")
                }
            }
        }
    }

    /// Step 4.
    async fn write_back(
        &self,
        reached: &Reached,
        holder: &Holder,
        prepared: &Prepared,
        tokens: TokenSet,
        circumstances: Circumstances,
        deadline: Deadline,
    ) -> Result<Attempt, Problem> {
        let key = &reached.grant_key;
        let redeemed_from =
            reached.source.as_ref().and_then(|source| Some(source.grant.as_ref()?.incarnation));
        // The connection's own grant has a refresh token, which its own refreshes replace.
        let tokens = match redeemed_from {
            Some(_) => TokenSet { refresh_token: None, ..tokens },
            None => tokens,
        };
        let swept = reached.flow() == Flow::AuthorizationCode
            && (tokens.refresh_token.is_some() || prepared.refresh_token.is_some());
        let Circumstances { forced, contested } = circumstances;
        let known = Known {
            dialect: &reached.connection.settings.dialect,
            url_values: &prepared.url_values,
            facts: &prepared.facts,
            identity: prepared.identity.as_ref(),
        };
        let new = NewTokens {
            forced,
            contested,
            redeemed_from,
            ..sealed_tokens(key, &prepared.data_key, &tokens, &known, swept)?
        };
        let mut pause = Duration::from_millis(50);
        let written = loop {
            match self.store.write_tokens(key, holder, &new, Timestamp::now()).await {
                Ok(written) => break written,
                Err(problem) if deadline.remaining() > pause => {
                    tracing::error!(grant = %holder.grant, cause = problem.cause_chain(), "new tokens are not written yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(problem) => {
                    tracing::error!(grant = %holder.grant, cause = problem.cause_chain(), "new tokens are lost");
                    return Err(problem);
                }
            }
        };
        match written {
            Written::Done(grant) => Ok(Attempt::Refreshed(grant)),
            // The answer to an earlier try was lost, but the try was not.
            Written::Forestalled(Some(grant)) if grant.access_token.as_ref() == Some(&new.access_token) => {
                Ok(Attempt::Refreshed(grant))
            }
            Written::Forestalled(grant) => {
                let stands = grant.as_ref().is_some_and(|grant| grant.incarnation == holder.incarnation);
                // A provider may take the revocation of an access token for that of the sign-in (RFC 7009 section 2.1).
                if !stands && redeemed_from.is_none() {
                    self.revoke_received(&reached.connection, prepared, &tokens).await;
                }
                self.give_back_lease(reached, holder, grant.as_deref()).await;
                Ok(Attempt::Moved(grant))
            }
        }
    }

    /// Gives a lease back with nothing spent. One that was taken over from a lapsed one stays behind, lapsed again: it is
    /// the only sign that the holder before may have spent the token.
    async fn give_up_lease(&self, reached: &Reached, holder: &Holder, doubt: &Doubt) -> Result<(), Problem> {
        let key = &reached.grant_key;
        match doubt.lapsed {
            true => self.store.renew_lease(key, holder, Timestamp::now() - RENEWAL).await.map(drop),
            false => self.store.release_lease(key, holder).await,
        }
    }

    /// A lease that outlives its purpose would make others wait, and then take it for a crash.
    async fn give_back_lease(&self, reached: &Reached, holder: &Holder, grant: Option<&Grant>) {
        if !grant.is_some_and(|grant| grant.is_held_by(&holder.owner)) {
            return;
        }
        if let Err(problem) = self.store.release_lease(&reached.grant_key, holder).await {
            tracing::warn!(grant = %holder.grant, cause = problem.cause_chain(), "a lease was not given back");
        }
    }

    /// Step 5: waits until the grant is no longer as it was seen. Looks cheaply, and closely when that shows a change.
    async fn wait_for_winner(
        &self,
        key: &ItemKey,
        seen: &Grant,
        patience: Instant,
    ) -> Result<Option<Grant>, Problem> {
        let mut pause = FIRST_LOOK;
        while Instant::now() < patience {
            tokio::time::sleep(pause.mul_f64(0.5 + jitter() / 2.0)).await;
            pause = (pause * 3 / 2).min(LATER_LOOKS);
            let glimpse = self.store.glimpse_grant(key).await?;
            if differs(glimpse.as_ref(), seen) {
                return self.store.grant(key).await;
            }
        }
        let detail = "Another request has been refreshing this token for a while and is not done yet.";
        Err(Problem::new(Code::RefreshInProgress, detail).retry_after(Duration::from_secs(2)))
    }

    /// What arrived for a grant that is gone must not live on at the provider. Best effort: it expires anyway.
    async fn revoke_received(&self, connection: &Connection, prepared: &Prepared, tokens: &TokenSet) {
        let token = tokens.refresh_token.as_ref().unwrap_or(&tokens.access_token);
        self.revoke(connection, &prepared.credentials, &prepared.url_values, token).await;
    }
}

/// How an exchange came about, for the record.
#[derive(Clone, Copy, Debug)]
struct Circumstances {
    forced: bool,
    contested: bool,
}

/// What one attempt led to.
enum Attempt {
    Refreshed(Box<Grant>),
    Moved(Option<Box<Grant>>),
    /// The grant as it is, and why it can't be refreshed now.
    Paused(Option<Box<Grant>>, Paused),
}

/// An exchange that failed.
struct Failed {
    failure: Failure,
    sent_at: Timestamp,
    /// By a request before this one.
    maybe_spent: bool,
    /// In a row, this one included.
    failures: u32,
    /// When the access token that there is expires.
    good_until: Option<Timestamp>,
}

/// What a new holder knows of those before it.
#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    /// The lease before this one lapsed unreleased.
    lapsed: bool,
    /// The refresh token may have been spent by a request whose answer was lost.
    maybe_spent: bool,
    /// It may be presented twice for the same generation.
    contested: bool,
}

enum Leased {
    Taken { holder: Holder, doubt: Doubt },
    Moved(Option<Box<Grant>>),
}

fn decide(reached: &Reached, seen: Option<&Grant>, want: Want, now: Timestamp) -> Decision {
    let flow = reached.flow();
    if let Some(refusal) = reached.source.as_ref().and_then(Source::refusal) {
        let still_good = |grant: &&Grant| {
            refusal == Refusal::Reauthorize
                && !mints_elsewhere(reached, grant)
                && grant.status.is_connected()
                && !grant.remaining(now).is_zero()
        };
        return match seen.filter(still_good) {
            Some(_) => Decision::ServeWith(Warning::Failing),
            None => Decision::Refuse(refusal),
        };
    }
    match seen {
        None if flow == Flow::ClientCredentials => Decision::Refresh,
        None => Decision::Refuse(Refusal::NotConnected),
        Some(grant) if may_begin_anew(reached, grant) => Decision::Refresh,
        // The organization is another tenant now: the old one's token must not come out, not even as a stopgap.
        Some(grant) if mints_elsewhere(reached, grant) => match grant.retry_at {
            Some(at) if at > now => Decision::Refuse(Refusal::Failing { retry_after: at.since(now) }),
            _ => Decision::Refresh,
        },
        Some(grant) if must_not_be_tried_yet(reached, grant, want, now) => {
            Decision::ServeWith(Warning::Failing)
        }
        Some(grant) => grant.decide(flow, want, now),
    }
}

/// A holder crashed and may have spent the refresh token, the access token is still good, and the provider would end it
/// at a second use.
fn must_not_be_tried_yet(reached: &Reached, grant: &Grant, want: Want, now: Timestamp) -> bool {
    let rules = &reached.connection.settings.dialect.refresh_token;
    grant.has_lapsed_lease(now)
        && grant.lease.as_ref().is_some_and(|lease| crash_forbids_reuse(rules, lease, now))
        && grant.status.is_connected()
        && !grant.remaining(now).is_zero()
        && !matches!(want, Want::Newer { .. })
}

impl Source {
    /// Why nothing can be redeemed.
    fn refusal(&self) -> Option<Refusal> {
        match &self.grant {
            None => Some(Refusal::NotConnected),
            Some(grant) => match grant.status {
                GrantStatus::Disconnected | GrantStatus::New => Some(Refusal::NotConnected),
                GrantStatus::Reauthorize => Some(Refusal::Reauthorize),
                GrantStatus::Active | GrantStatus::Failing if grant.refresh_token.is_none() => {
                    Some(Refusal::Reauthorize)
                }
                GrantStatus::Active | GrantStatus::Failing => None,
            },
        }
    }
}

/// In the words of the sign-in that is missing or broken, where it is that.
fn refusal_of(reached: &Reached, seen: Option<&Grant>, refusal: &Refusal) -> Problem {
    let source = reached.source.as_ref().filter(|source| source.refusal().as_ref() == Some(refusal));
    match source {
        Some(source) => refusal_problem(source.grant.as_ref(), Flow::AuthorizationCode, refusal),
        None => refusal_problem(seen, reached.flow(), refusal),
    }
}

/// Whether a token that the holder of this lapsed lease may have used is past the time in which a second use is forgiven.
/// The holder sent it while it had the lease.
fn crash_forbids_reuse(rules: &RefreshTokenRules, lease: &Lease, now: Timestamp) -> bool {
    let since_sent = LEASE + now.since(lease.until);
    rules.reuse_revokes && rules.reuse_grace.is_none_or(|grace| Duration::from_secs(grace) <= since_sent)
}

/// Disconnecting a client that speaks for itself holds until its connection is edited.
fn may_begin_anew(reached: &Reached, grant: &Grant) -> bool {
    let revision = &reached.connection.revision;
    reached.flow() == Flow::ClientCredentials
        && grant.status == GrantStatus::Disconnected
        && grant.disconnected_at_revision.is_some_and(|then| then < *revision)
}

/// The grant's tokens came from another URL than the next one should, or from another sign-in.
fn mints_elsewhere(reached: &Reached, grant: &Grant) -> bool {
    let elsewhere = reached.mint_at.as_ref().is_some_and(|values| *values != grant.url_values);
    let source = reached.source.as_ref().and_then(|source| Some(source.grant.as_ref()?.incarnation));
    let from_another = reached.source.is_some() && grant.redeemed_from != source;
    grant.status != GrantStatus::Disconnected && (elsewhere || from_another)
}

/// Nothing is spent that could not be seen through to its end.
fn check_budget(deadline: Deadline) -> Result<(), Problem> {
    if deadline.remaining() >= EXCHANGE_BUDGET {
        return Ok(());
    }
    let detail = "There is too little time left in this invocation to refresh the token safely.";
    Err(Problem::new(Code::RefreshInProgress, detail).retry_after(Duration::from_secs(1)))
}

/// Whether a winner, or a crash, has changed what a loser waits for.
fn differs(glimpse: Option<&Grant>, seen: &Grant) -> bool {
    let Some(glimpse) = glimpse else { return true };
    let owner = |grant: &Grant| grant.lease.as_ref().map(|lease| lease.owner.clone());
    glimpse.generation != seen.generation
        || glimpse.incarnation != seen.incarnation
        || owner(glimpse) != owner(seen)
        || !glimpse.is_leased(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_forbids_reuse_unless_the_provider_forgives_it_for_longer_than_the_lease_took_to_lapse() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let rules = |reuse_revokes, reuse_grace| RefreshTokenRules {
            reuse_revokes,
            reuse_grace,
            ..RefreshTokenRules::default()
        };
        let forbids = |rules: RefreshTokenRules, lapsed: u64| {
            let lease = Lease { owner: "a".to_owned(), until: now - Duration::from_secs(lapsed) };
            crash_forbids_reuse(&rules, &lease, now)
        };
        assert!(forbids(rules(true, None), 0));
        assert!(forbids(rules(true, Some(10)), 0), "the lease alone took longer");
        assert!(!forbids(rules(true, Some(60)), 5));
        assert!(forbids(rules(true, Some(60)), 30));
        assert!(!forbids(rules(false, None), 500), "nothing is lost by trying");
    }
}
