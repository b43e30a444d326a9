//! Importing: a grant that another system holds moves in, and nobody has to sign in again.
//!
//! Nothing is exchanged on the way. Where a provider rotates refresh tokens, the exchange would give us the next one and
//! leave the other system with a spent one, and perhaps the whole grant revoked; when to go over is for those who move,
//! by turning the other system off before ours uses the grant for the first time. That is soon: without an access token
//! whose end is known, the grant is due at once, and a token that does not work shows itself with the next sweep.
//!
//! It is a new incarnation, as with a sign-in, and like one it counts on. But nobody is there who could be asked, so a
//! grant that is connected stays unless the caller says that it may be replaced; and who it belongs to is not known until
//! a refresh brings an ID token.

use serde::Serialize;

use super::place::{Pauses, Place};
use crate::{
    app::{
        Bifrost, Deadline,
        connections::{ConnectionView, view},
        refresh::{ACCESS_TOKEN, REFRESH_TOKEN, jitter},
    },
    model::{
        Code, GrantId, Incarnation, Name, OrganizationId, Problem, Timestamp,
        access::GrantPlace,
        brought::BroughtGrant,
        connection::{Connection, ConnectionStatus, Flow},
        grant::{Grant, GrantStatus, sweep_at},
    },
    oauth::{self, ASSUMED_LIFETIME},
    store::{ItemKey, grants::Origin},
};

/// A grant that has moved in: the connection as it is now, or, on a global connection, what became of an organization's.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ImportedGrant {
    Own(Box<ConnectionView>),
    OfOrganization(OrganizationGrant),
}

/// An organization's own grant on a global connection.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct OrganizationGrant {
    pub connection_name: Name,
    pub organization_id: OrganizationId,
    pub grant_id: GrantId,
    pub generation: u64,
    pub status: ConnectionStatus,
    pub granted_scopes: Vec<String>,
    pub facts: std::collections::BTreeMap<String, String>,
    pub expires_at: Option<Timestamp>,
    pub next_refresh_at: Option<Timestamp>,
    pub has_refresh_token: bool,
}

impl Bifrost {
    /// Puts a grant from elsewhere in that place.
    pub async fn import_grant(
        &self,
        place: GrantPlace,
        name: &Name,
        integration: Option<&Name>,
        brought: BroughtGrant,
        public_url: &str,
        deadline: Deadline,
    ) -> Result<ImportedGrant, Problem> {
        let connection = self.connection_in_place(place, name).await?;
        if connection.settings.flow == Flow::ClientCredentials {
            let detail =
                format!("{} has the flow client_credentials: nobody signs in to it.", connection.name);
            return Err(Problem::new(Code::WrongFlow, detail));
        }
        let mut url_values = self.values_for(place.scope, &connection, integration).await?;
        let dialect = &connection.settings.dialect;
        dialect
            .note_origin(&brought.facts, &mut url_values)
            .map_err(|elsewhere| Problem::invalid("facts", elsewhere))?;
        let key = ItemKey::grant(place.scope, place.owner, &connection.name.folded());
        let data_key = self.vault.current(place.scope).await?;
        let seal = |attribute, token| data_key.seal(&key, attribute, token);
        let now = Timestamp::now();
        let new = new_grant(&connection, &brought, now)?;
        let mut grant = Grant {
            access_token: brought.access_token.as_ref().map(|token| seal(ACCESS_TOKEN, token)).transpose()?,
            refresh_token: brought
                .refresh_token
                .as_ref()
                .map(|token| seal(REFRESH_TOKEN, token))
                .transpose()?,
            url_values,
            ..new
        };
        let here = Place { key: &key, scope: place.scope, connection: &connection, origin: Origin::Import };
        self.place_imported(&here, &mut grant, brought.replace, deadline).await?;
        tracing::info!(connection = %connection.id, scope = %place.scope, "a grant was imported");
        if place.scope == place.owner {
            let (connection, standing) = self.owned_connection(place.owner, name).await?;
            return Ok(ImportedGrant::Own(Box::new(view(connection, standing, public_url, now))));
        }
        let organization_id = place
            .scope
            .organization()
            .ok_or_else(|| Problem::internal("a grant of nobody on a global connection"))?;
        Ok(ImportedGrant::OfOrganization(OrganizationGrant {
            organization_id,
            grant_id: grant.id,
            generation: grant.generation,
            status: connection.status(Some(&grant), false, now),
            connection_name: connection.name,
            granted_scopes: grant.scopes,
            facts: grant.facts,
            expires_at: grant.expires_at,
            next_refresh_at: grant.refresh_at,
            has_refresh_token: grant.refresh_token.is_some(),
        }))
    }

    async fn place_imported(
        &self,
        place: &Place<'_>,
        grant: &mut Grant,
        replace: bool,
        deadline: Deadline,
    ) -> Result<(), Problem> {
        let mut pauses = Pauses::until(deadline);
        loop {
            let old = self.store.grant(place.key).await?;
            let connected = old.as_ref().filter(|old| {
                let another = old.incarnation != grant.incarnation;
                another && old.connection_id == place.connection.id && old.status.is_connected()
            });
            if connected.is_some() && !replace {
                let detail = format!(
                    "{} is connected, and the import was not to replace that.",
                    place.connection.name
                );
                return Err(Problem::new(Code::AlreadyConnected, detail));
            }
            let problem = match self.place_grant(place, grant, old.as_ref()).await {
                Ok(true) => return Ok(()),
                Ok(false) => Problem::unavailable("a grant keeps changing"),
                Err(problem) if problem.code != Code::Unavailable => return Err(problem),
                Err(problem) => problem,
            };
            if !pauses.pause().await {
                return Err(problem);
            }
        }
    }
}

/// The grant without its tokens.
fn new_grant(connection: &Connection, brought: &BroughtGrant, now: Timestamp) -> Result<Grant, Problem> {
    let settings = &connection.settings;
    let has_refresh_token = brought.refresh_token.is_some();
    let known = brought.expires_at;
    let known = known.or_else(|| oauth::unverified_jwt_expiry(brought.access_token.as_ref()?.expose()));
    let expires_at = match (&brought.access_token, known) {
        (None, _) => None,
        (Some(_), Some(at)) if at <= now && !has_refresh_token => {
            let message = "has expired, and there is no refresh_token to get another with";
            return Err(Problem::invalid("access_token", message));
        }
        (Some(_), Some(at)) => Some(at),
        // It may be of any age: it is renewed before it is used.
        (Some(_), None) if has_refresh_token => Some(now),
        (Some(_), None) => {
            let lifetime = settings.dialect.default_lifetime.map(std::time::Duration::from_secs);
            Some(now + lifetime.unwrap_or(ASSUMED_LIFETIME))
        }
    };
    let idle_lifetime = settings.dialect.refresh_token.idle_lifetime.map(std::time::Duration::from_secs);
    let due = expires_at.map_or(now, |at| sweep_at(now, at, idle_lifetime, jitter()));
    Ok(Grant {
        id: GrantId::new(),
        connection_id: connection.id,
        incarnation: Incarnation::new(),
        generation: 1,
        status: GrantStatus::Active,
        access_token: None,
        refresh_token: None,
        token_type: "Bearer".to_owned(),
        scopes: brought.scopes.clone().unwrap_or_else(|| settings.scopes.clone()),
        asked_scopes: settings.scopes.clone(),
        issued_at: expires_at.map(|_| now),
        expires_at,
        url_values: Default::default(),
        redeemed_from: None,
        facts: brought.facts.clone(),
        identity: None,
        lease: None,
        maybe_spent: false,
        failures: 0,
        retry_at: None,
        last_error: None,
        last_refresh_at: None,
        refresh_at: has_refresh_token.then_some(due),
        forced_at: None,
        disconnected_at_revision: None,
        created_at: now,
        updated_at: now,
    })
}
