//! A connection's token for those who need nothing else, and refreshing it when the API has refused it.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Bifrost, Deadline, lookup::Reached, refresh::Usable};
use crate::model::{
    Code, Exposed, GrantId, Name, Problem, Scope, Secret, Timestamp,
    access::{Caller, Operation},
    grant::Want,
    input::Input,
};

/// An access token and what belongs to it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Token {
    pub connection_name: Name,
    pub grant_id: GrantId,
    pub access_token: Exposed,
    pub token_type: String,
    /// The Authorization header to send.
    pub authorization: Exposed,
    pub expires_at: Option<Timestamp>,
    /// Seconds.
    pub expires_in: u64,
    /// What was granted.
    pub scopes: Vec<String>,
    pub generation: u64,
    /// What the provider said about the grant beside its tokens, such as `realmId` or `instance_url`.
    pub facts: BTreeMap<String, String>,
    pub warning: Option<String>,
}

/// Which connection, for whom.
#[derive(Debug)]
pub struct TokenQuery<'a> {
    pub connection: &'a Name,
    pub scope: Scope,
    pub integration: Option<&'a Name>,
}

/// What a workflow says of the token that was refused.
#[derive(Debug)]
pub struct RefreshRequest {
    pub grant_id: Option<GrantId>,
    pub generation: Option<u64>,
}

impl RefreshRequest {
    pub fn from_input(body: Map<String, Value>) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let (grant_id, generation) = (input.optional("grant_id"), input.optional("generation"));
        input.finish()?;
        Ok(Self { grant_id, generation })
    }
}

impl Bifrost {
    pub async fn token(
        &self,
        query: &TokenQuery<'_>,
        min_ttl: Option<Duration>,
        deadline: Deadline,
    ) -> Result<Token, Problem> {
        let reached = self.reach(query).await?;
        let usable = self.usable_token(&reached, Want::Fresh { min_ttl }, deadline).await?;
        Ok(token_of(&reached, usable))
    }

    /// "Generation 7 of this grant was refused": refreshes while 7 is still current, so that a hundred workflows that
    /// all saw a 401 cause one refresh.
    pub async fn refresh(
        &self,
        caller: &Caller,
        query: &TokenQuery<'_>,
        body: Map<String, Value>,
        deadline: Deadline,
    ) -> Result<Token, Problem> {
        let RefreshRequest { grant_id, generation } = RefreshRequest::from_input(body)?;
        let reached = self.reach(query).await?;
        let limited = !caller.may(Operation::ConnectionsUpdate, reached.connection.scope);
        if limited && generation.is_none() {
            let message =
                "is required: the generation of the token that the API refused, as resolve or token gave it";
            return Err(Problem::invalid("generation", message));
        }
        let want = match &reached.grant {
            Some(grant) if grant_id.is_none_or(|id| id == grant.id) => {
                Want::Newer { than: generation.unwrap_or(grant.generation), limited }
            }
            // Another grant serves now, or there is none yet: its token is news to the caller in any case.
            _ => Want::Fresh { min_ttl: None },
        };
        let usable = self.usable_token(&reached, want, deadline).await?;
        Ok(token_of(&reached, usable))
    }

    async fn reach(&self, query: &TokenQuery<'_>) -> Result<Reached, Problem> {
        let integration = query.integration.map(Name::folded);
        let name = query.connection.folded();
        let (seen, reached) = self.look_up_connection(query.scope, &name, integration.as_ref()).await?;
        let reached = reached.ok_or_else(|| Problem::not_found("connection", query.connection))?;
        let at_defaults = query.scope == reached.connection.scope && covers_all(&reached);
        if reached.mint_at.is_some() && seen.is_none() && !at_defaults {
            let detail = format!("The token URL of {} has placeholders.", reached.connection.name);
            return Err(Problem::new(Code::IntegrationRequired, detail));
        }
        Ok(reached)
    }
}

/// Whether the connection's own `token_url_defaults` fill its token URL.
fn covers_all(reached: &Reached) -> bool {
    let settings = &reached.connection.settings;
    settings.token_placeholders().all(|name| settings.token_url_defaults.contains_key(name))
}

fn token_of(reached: &Reached, usable: Usable) -> Token {
    let Usable { grant, access_token, warning, .. } = usable;
    let authorization = Secret::from(format!("{} {}", scheme(&grant.token_type), access_token.expose()));
    let expires_in = grant.remaining(Timestamp::now()).as_secs();
    Token {
        connection_name: reached.connection.name.clone(),
        grant_id: grant.id,
        access_token: Exposed(access_token),
        authorization: Exposed(authorization),
        expires_at: grant.expires_at,
        expires_in,
        scopes: grant.scopes,
        generation: grant.generation,
        facts: grant.facts,
        token_type: grant.token_type,
        warning,
    }
}

/// Providers write `bearer` in any case (RFC 6749 section 5.1 compares it so); some of their APIs insist on this one.
fn scheme(token_type: &str) -> &str {
    if token_type.eq_ignore_ascii_case("bearer") { "Bearer" } else { token_type }
}
