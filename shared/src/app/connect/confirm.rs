//! Signing in as someone else: what was received is held back until a person has said that they mean it.
//!
//! Nothing waits for the provider's API, which may have to be asked who signed in, nor for the person: the tokens are
//! written first, sealed for the grant's own item, beside the state that their sign-in has used up. From there either
//! the same transaction that uses up the link puts them in the grant's place, or they are taken away and revoked. Until
//! then the grant before them serves on, and is refreshed as ever.
//!
//! A crash loses nothing: as long as the tokens are held, the same browser finds its question again at the callback's
//! address. Whoever decides nothing for ten minutes has said no, and the cleaner revokes what they left. What the
//! question showed travels with its answer: if another sign-in has come before, it is asked anew.

use std::{collections::BTreeMap, time::Duration};

use super::{
    finish::{Connected, NotConnected, SignIn},
    hash, link_invalid,
    place::{Pauses, Place},
};
use crate::{
    app::{Bifrost, Deadline, about::About, lookup::fill, refresh::ACCESS_TOKEN},
    model::{Code, Incarnation, Name, Problem, Secret, failure::Failure, grant::Grant, identity::Identity},
    oauth,
    store::grants::Origin,
};

/// What must be left of the invocation before the provider is asked who signed in: 10 s for that, and time to write.
pub(super) const ASKING_BUDGET: Duration = Duration::from_secs(15);

/// The end of a sign-in, as far as it has come.
#[derive(Debug)]
pub enum Finished {
    Connected(Connected),
    /// Someone else signed in than before: did they mean it?
    Asked(Question),
    /// They did not.
    Kept {
        connection: Name,
        /// Who stays connected, in words.
        before: Vec<String>,
        return_to: Option<String>,
    },
}

/// What a person is asked who signed in as someone else.
#[derive(Debug)]
pub struct Question {
    pub connection: Name,
    /// Who is connected, and who signed in now, in words.
    pub before: Vec<String>,
    pub now: Vec<String>,
    /// Which grant `before` tells of.
    pub instead_of: Incarnation,
}

/// What that person said.
#[derive(Debug)]
pub struct Decision {
    pub state: Secret,
    /// To go over to who signed in now; else to stay as it was.
    pub switches: bool,
    pub instead_of: Option<Incarnation>,
}

impl Bifrost {
    /// The person decided. `cookie` looks one up by its name, and `about` is told which link it comes from.
    pub async fn decide(
        &self,
        decision: Decision,
        cookie: impl Fn(&str) -> Option<Secret>,
        about: &About,
        deadline: Deadline,
    ) -> Result<Finished, NotConnected> {
        let rejected = NotConnected::Rejected;
        let state_hash = hash(&decision.state);
        let state = self.state_of_browser(&state_hash, cookie).await.map_err(rejected)?;
        let Some(held) = state.held.clone() else {
            return Err(match state.used_at {
                Some(_) => self.over(state, about).await,
                None => rejected(link_invalid()),
            });
        };
        let (ticket, connection) =
            self.ticket_and_connection(&state.ticket, about).await.map_err(rejected)?;
        let sign_in = SignIn::new(&state_hash, &state, &ticket, &connection);
        if decision.switches {
            let placed = self.place_held(&sign_in, held, decision.instead_of, deadline).await;
            return placed.map_err(|problem| sign_in.failed(problem));
        }
        let before = self.store.grant(&sign_in.key).await.map_err(rejected)?;
        let outcome = format!("{} was left as it was.", connection.name);
        if !self.let_go(&sign_in, &held, &outcome).await.map_err(rejected)? {
            return Err(NotConnected::Repeated { outcome: None, return_to: ticket.return_to.clone() });
        }
        let before =
            before.map(|before| before.owner().words(&connection.settings.dialect)).unwrap_or_default();
        Ok(Finished::Kept {
            connection: connection.name.clone(),
            before,
            return_to: ticket.return_to.clone(),
        })
    }

    /// Goes on with tokens that are held, as soon as it is known whose they are.
    pub(super) async fn weigh(
        &self,
        sign_in: &SignIn<'_>,
        mut held: Grant,
        deadline: Deadline,
    ) -> Result<Finished, Problem> {
        let asks = sign_in.connection.settings.dialect.verify.is_some();
        if let (None, true, Some(sealed)) = (&held.identity, asks, &held.access_token) {
            if deadline.remaining() < ASKING_BUDGET {
                return Err(Problem::unavailable("too little time left to ask who signed in"));
            }
            let token = self.vault.open(sign_in.scope(), &sign_in.key, ACCESS_TOKEN, sealed).await?;
            if let Some(identity) = self.who(sign_in, &held.url_values, &held.token_type, &token).await {
                self.store.note_held_identity(sign_in.state_hash, &identity).await?;
                held.identity = Some(identity);
            }
        }
        self.place_held(sign_in, held, None, deadline).await
    }

    /// Puts held tokens in the grant's place, unless that is someone else's and not the one that was shown.
    async fn place_held(
        &self,
        sign_in: &SignIn<'_>,
        mut held: Grant,
        shown: Option<Incarnation>,
        deadline: Deadline,
    ) -> Result<Finished, Problem> {
        let problem = match self.try_place_held(sign_in, &mut held, shown, deadline).await {
            Ok(finished) => return Ok(finished),
            Err(problem) => problem,
        };
        if !matches!(problem.code, Code::Conflict | Code::LinkInvalid | Code::NotFound) {
            // It may pass. They are still held, and the same browser can try again.
            return Err(problem);
        }
        let outcome = format!("{} was not connected: {}", sign_in.connection.name, problem.detail);
        let taken = self.let_go(sign_in, &held, &outcome).await?;
        // The last try may have been one whose answer was lost.
        match !taken && self.stands(sign_in, &held).await? {
            true => Ok(Finished::Connected(sign_in.connected(&held))),
            false => Err(problem),
        }
    }

    async fn try_place_held(
        &self,
        sign_in: &SignIn<'_>,
        held: &mut Grant,
        shown: Option<Incarnation>,
        deadline: Deadline,
    ) -> Result<Finished, Problem> {
        let dialect = &sign_in.connection.settings.dialect;
        let outcome = format!("{} was connected.", sign_in.connection.name);
        let origin =
            Origin::Held { ticket: &sign_in.state.ticket, state: sign_in.state_hash, outcome: &outcome };
        let place = Place { origin, ..sign_in.place() };
        let mut pauses = Pauses::until(deadline);
        loop {
            let old = self.store.grant(&sign_in.key).await?;
            let is_placed = old.as_ref().is_some_and(|old| old.incarnation == held.incarnation);
            if sign_in.ticket.used_at.is_some() && !is_placed {
                return Err(Problem::new(Code::LinkInvalid, "This link has been used meanwhile."));
            }
            if let Some(old) = &old
                && Some(old.incarnation) != shown
                && held.needs_confirmation(Some(old), dialect)
            {
                return Ok(Finished::Asked(Question {
                    connection: sign_in.connection.name.clone(),
                    before: old.owner().words(dialect),
                    now: held.owner().words(dialect),
                    instead_of: old.incarnation,
                }));
            }
            if !is_placed {
                sign_in.check_connection()?;
            }
            let problem = match self.place_grant(&place, held, old.as_ref()).await {
                Ok(true) => return Ok(Finished::Connected(sign_in.connected(held))),
                Ok(false) => Problem::unavailable("a grant keeps changing"),
                Err(problem) if problem.code != Code::Unavailable => return Err(problem),
                Err(problem) => problem,
            };
            if !pauses.pause().await {
                return Err(problem);
            }
        }
    }

    /// Takes held tokens away, and revokes them. False if they were taken before.
    pub(in crate::app) async fn let_go(
        &self,
        sign_in: &SignIn<'_>,
        held: &Grant,
        outcome: &str,
    ) -> Result<bool, Problem> {
        if !self.store.take_held(sign_in.state_hash, held.incarnation, outcome).await? {
            return Ok(false);
        }
        // A provider may end all that a person has granted with one token of theirs (RFC 7009 section 2.1). If theirs is
        // by now the grant that serves, what was held is left to expire.
        let serving = self.store.grant(&sign_in.key).await?;
        let dialect = &sign_in.connection.settings.dialect;
        if !serving.is_some_and(|serving| held.is_of_the_same(&serving, dialect)) {
            self.revoke_grant(sign_in.connection, sign_in.scope(), &sign_in.key, held).await;
        }
        Ok(true)
    }

    /// Who signed in, if the connection's dialect knows how to ask. Whatever is in the way of that, the tokens are as good.
    pub(super) async fn who(
        &self,
        sign_in: &SignIn<'_>,
        url_values: &BTreeMap<String, String>,
        token_type: &str,
        token: &Secret,
    ) -> Option<Identity> {
        let settings = &sign_in.connection.settings;
        let verify = settings.dialect.verify.as_ref()?;
        let asked = match fill(settings, &verify.url, url_values) {
            Ok(url) => oauth::verify(&self.outbound, &url, verify, token_type, token).await,
            Err(_) => Err(Failure::new("url-not-allowed", "A placeholder in verify.url has no value.")),
        };
        asked.unwrap_or_else(|failure| {
            let (connection, code) = (sign_in.connection.id, failure.code);
            tracing::warn!(%connection, code, "who signed in could not be learnt");
            None
        })
    }
}
