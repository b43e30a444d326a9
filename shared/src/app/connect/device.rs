//! Signing in on another device (RFC 8628), for a provider that sends no browser back.
//!
//! The link shows a code, and where to type it in. No redirect tells when that has happened, so the page of the link asks:
//! each time the browser that began loads it again, the provider is asked once, and no more often than it wants to be. A
//! cookie ties the page to that browser, so that whoever else opens the link asks nothing and learns nothing.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Departure, authorization_url, check_unused,
    confirm::Finished,
    cookie_name, failure_problem,
    finish::{NotConnected, SignIn},
    hash, link_invalid,
};
use crate::{
    app::{
        Bifrost, Deadline,
        about::About,
        credentials::audience,
        lookup::fill,
        refresh::{EXCHANGE_BUDGET, registration},
    },
    model::{
        Name, Problem, Secret, Timestamp,
        connection::Connection,
        failure::{Failure, FailureClass},
    },
    oauth::{self, DeviceAnswer, SLOWER},
    store::{
        ItemKey,
        tickets::{CallbackState, DeviceSignIn, Ticket},
    },
};

/// The attribute that a device code is sealed under.
const DEVICE_CODE: &str = "device_code";

/// How far a sign-in on another device has come.
#[derive(Debug)]
pub enum Progress {
    Waiting(Waiting),
    Finished(Finished),
}

/// What the person is to do meanwhile.
#[derive(Debug)]
pub struct Waiting {
    pub connection: Name,
    pub user_code: String,
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// When to look again.
    pub ask_again: Duration,
    pub expires_at: Timestamp,
}

/// The cookie that holds the state, named after the link.
pub fn device_cookie(ticket: &Secret) -> String {
    format!("bifrost-device-{}", &hash(ticket)[..16])
}

impl Bifrost {
    /// Asks for a code to show.
    pub(super) async fn begin_on_device(
        &self,
        ticket_hash: String,
        ticket: &Ticket,
        connection: &Connection,
        link: &Secret,
    ) -> Result<Departure, Problem> {
        let settings = &connection.settings;
        let url = authorization_url(connection, ticket)?;
        let token_url = fill(settings, &settings.token_url, &ticket.url_values)?;
        let credentials = self.credentials(connection).await?;
        let whom = audience(connection, &token_url, &ticket.url_values);
        let mut proof = self.proof(connection, &credentials, vec![whom]).await?;
        let given = loop {
            let registration = registration(connection, proof.credentials(), token_url.clone());
            match oauth::authorize_device(&self.outbound, &url, &registration, Timestamp::now()).await {
                Ok(given) => break given,
                Err(failure)
                    if failure.class == FailureClass::Client
                        && self.prove_otherwise(connection, &mut proof).await => {}
                Err(failure) => return Err(failure_problem(failure)),
            }
        };
        let (state, cookie) = (oauth::random_secret(), oauth::random_secret());
        let state_hash = hash(&state);
        let item = ItemKey::callback_state(&state_hash);
        let now = Timestamp::now();
        let device = DeviceSignIn {
            code: self.seal(ticket.grant_scope, &item, DEVICE_CODE, &given.device_code).await?,
            user_code: given.user_code,
            verification_uri: given.verification_uri.to_string(),
            verification_uri_complete: given.verification_uri_complete.map(String::from),
            interval: given.interval.as_secs(),
            ask_at: now + given.interval,
        };
        let callback_state = CallbackState {
            ticket: ticket_hash,
            cookie_hash: hash(&cookie),
            connection_revision: connection.revision,
            verifier: None,
            device: Some(device),
            created_at: now,
            expires_at: now + given.expires_in,
            used_at: None,
            used_by: None,
            held: None,
            outcome: None,
        };
        self.store.create_callback_state(&state_hash, &callback_state).await?;
        Ok(Departure {
            location: format!("/connect/{}", link.expose()).into(),
            cookies: vec![(device_cookie(link), state), (cookie_name(&state_hash), cookie)],
            lifetime: given.expires_in,
        })
    }

    /// How the sign-in goes that this browser began. Asks the provider, if it is time. `about` is told which link it comes
    /// from.
    pub async fn device_progress(
        &self,
        state: &Secret,
        cookie: impl Fn(&str) -> Option<Secret>,
        about: &About,
        deadline: Deadline,
    ) -> Result<Progress, NotConnected> {
        let rejected = NotConnected::Rejected;
        let state_hash = hash(state);
        let state = self.state_of_browser(&state_hash, cookie).await.map_err(rejected)?;
        if state.used_at.is_some() && state.held.is_none() {
            return Err(self.over(state, about).await);
        }
        let (ticket, connection) =
            self.ticket_and_connection(&state.ticket, about).await.map_err(rejected)?;
        let sign_in = SignIn::new(&state_hash, &state, &ticket, &connection);
        let failed = |problem| sign_in.failed(problem);
        if let Some(held) = &state.held {
            let weighed = self.weigh(&sign_in, held.clone(), deadline).await;
            return weighed.map(Progress::Finished).map_err(failed);
        }
        check_unused(&ticket).map_err(rejected)?;
        let Some(device) = &state.device else { return Err(rejected(link_invalid())) };
        let outcome = match self.ask(&sign_in, device, deadline).await {
            Ok(Asked::NotYet(interval)) => {
                return Ok(Progress::Waiting(waiting(&sign_in, device, interval)));
            }
            Ok(Asked::Finished(finished)) => Ok(finished),
            // Ours: it may pass, and the code is unspent.
            Err(problem) => return Err(failed(problem)),
            Ok(Asked::Refused(problem)) => Err(problem),
        };
        self.settle(&sign_in, &outcome).await;
        outcome.map(Progress::Finished).map_err(failed)
    }

    async fn ask(
        &self,
        sign_in: &SignIn<'_>,
        device: &DeviceSignIn,
        deadline: Deadline,
    ) -> Result<Asked, Problem> {
        let SignIn { state_hash, ticket, connection, .. } = *sign_in;
        let (now, interval) = (Timestamp::now(), device.interval.max(1));
        if now < device.ask_at || deadline.remaining() < EXCHANGE_BUDGET {
            return Ok(Asked::NotYet(interval));
        }
        sign_in.check_connection()?;
        let item = ItemKey::callback_state(state_hash);
        let code = self.vault.open(sign_in.scope(), &item, DEVICE_CODE, &device.code).await?;
        let mut ready = self.ready_to_exchange(sign_in, &BTreeMap::new(), deadline).await?;
        let next = now + Duration::from_secs(interval);
        if !self.store.claim_device_question(state_hash, device.ask_at, next, interval).await? {
            return Ok(Asked::NotYet(interval));
        }
        let answer = loop {
            let registration = registration(connection, ready.proof.credentials(), ready.token_url.clone());
            match oauth::redeem_device_code(&self.outbound, &registration, &code, Timestamp::now()).await {
                Err(failure)
                    if failure.class == FailureClass::Client
                        && self.prove_otherwise(connection, &mut ready.proof).await
                        && deadline.remaining() >= EXCHANGE_BUDGET => {}
                answer => break answer,
            }
        };
        match answer {
            Ok(DeviceAnswer::Tokens(tokens)) => {
                // A page that is loaded once more meanwhile asks nothing more. Should this fail, the tokens matter more.
                if let Err(problem) = self.store.use_callback_state(state_hash, Timestamp::now()).await {
                    tracing::warn!(
                        cause = problem.cause_chain(),
                        "a device's sign-in was not marked as done"
                    );
                }
                let received = self.receive(sign_in, &ready, *tokens, &BTreeMap::new(), deadline).await;
                Ok(received.map_or_else(Asked::Refused, Asked::Finished))
            }
            Ok(DeviceAnswer::Pending) => Ok(Asked::NotYet(interval)),
            Ok(DeviceAnswer::SlowDown) => {
                let slower = interval + SLOWER.as_secs();
                let next = now + Duration::from_secs(slower);
                self.store
                    .claim_device_question(state_hash, now + Duration::from_secs(interval), next, slower)
                    .await?;
                Ok(Asked::NotYet(slower))
            }
            // RFC 8628 section 3.5: who gets no answer asks again, later.
            Err(failure) if passes(&failure) => Ok(Asked::NotYet(interval)),
            Err(failure) => {
                self.store.use_callback_state(state_hash, Timestamp::now()).await?;
                Ok(Asked::Refused(self.note_connect_failure(ticket, connection, failure).await))
            }
        }
    }
}

/// What came of looking.
enum Asked {
    /// Look again after so many seconds.
    NotYet(u64),
    Finished(Finished),
    Refused(Problem),
}

fn passes(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::Throttled { .. } | FailureClass::Ambiguous)
        || failure.server_failed
        || failure.code == "provider-unreachable"
}

fn waiting(sign_in: &SignIn<'_>, device: &DeviceSignIn, interval: u64) -> Waiting {
    Waiting {
        connection: sign_in.connection.name.clone(),
        user_code: device.user_code.clone(),
        verification_uri: device.verification_uri.clone(),
        verification_uri_complete: device.verification_uri_complete.clone(),
        ask_again: Duration::from_secs(interval),
        expires_at: sign_in.state.expires_at,
    }
}
