//! Token sets on their way from a provider's answer into a grant's item.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    app::lookup::Reached,
    model::{
        GrantId, Incarnation, Problem, Timestamp,
        connection::Connection,
        dialect::Dialect,
        grant::{Grant, GrantStatus, Lease, sweep_at},
        identity::Identity,
    },
    oauth::{Credentials, Registration, TokenSet},
    store::{ItemKey, grants::NewTokens},
    vault::DataKey,
};

/// The attributes that tokens are sealed under.
pub(in crate::app) const ACCESS_TOKEN: &str = "access_token";
pub(in crate::app) const REFRESH_TOKEN: &str = "refresh_token";

/// A client_credentials grant before its first token.
pub(super) fn first_grant(reached: &Reached, lease: Lease, now: Timestamp) -> Grant {
    Grant {
        id: GrantId::new(),
        connection_id: reached.connection.id,
        incarnation: Incarnation::new(),
        generation: 0,
        status: GrantStatus::New,
        access_token: None,
        refresh_token: None,
        token_type: String::new(),
        scopes: reached.connection.settings.scopes.clone(),
        asked_scopes: reached.connection.settings.scopes.clone(),
        issued_at: None,
        expires_at: None,
        url_values: reached.mint_at.clone().unwrap_or_default(),
        facts: BTreeMap::new(),
        redeemed_from: None,
        identity: None,
        lease: Some(lease),
        maybe_spent: false,
        failures: 0,
        retry_at: None,
        last_error: None,
        last_refresh_at: None,
        refresh_at: None,
        forced_at: None,
        disconnected_at_revision: None,
        created_at: now,
        updated_at: now,
    }
}

/// Who we are to the provider.
pub(in crate::app) fn registration<'a>(
    connection: &'a Connection,
    credentials: Credentials<'a>,
    token_url: url::Url,
) -> Registration<'a> {
    let settings = &connection.settings;
    Registration {
        client_id: &settings.client_id,
        credentials,
        token_url,
        token_params: &settings.token_params,
        scopes: &settings.scopes,
        audience: settings.audience.as_deref(),
        dialect: &settings.dialect,
    }
}

/// What is known of a grant beside its tokens.
pub(in crate::app) struct Known<'a> {
    pub dialect: &'a Dialect,
    /// What filled the placeholders of the token URL.
    pub url_values: &'a BTreeMap<String, String>,
    /// What the provider has said so far; its newest word counts.
    pub facts: &'a BTreeMap<String, String>,
    /// Who signed in, as far as is known.
    pub identity: Option<&'a Identity>,
}

/// A token set as it is stored under a grant's key.
pub(in crate::app) fn sealed_tokens(
    key: &ItemKey,
    data_key: &DataKey,
    tokens: &TokenSet,
    known: &Known<'_>,
    swept: bool,
) -> Result<NewTokens, Problem> {
    let refresh_token =
        tokens.refresh_token.as_ref().map(|token| data_key.seal(key, REFRESH_TOKEN, token)).transpose()?;
    let issued_at = tokens.expires_at - tokens.lifetime;
    let idle_lifetime = known.dialect.refresh_token.idle_lifetime.map(Duration::from_secs);
    let idle_lifetime = tokens.refresh_token_lifetime.or(idle_lifetime);
    Ok(NewTokens {
        redeemed_from: None,
        access_token: data_key.seal(key, ACCESS_TOKEN, &tokens.access_token)?,
        refresh_token,
        token_type: tokens.token_type.clone(),
        scopes: tokens.scopes.clone(),
        issued_at,
        expires_at: tokens.expires_at,
        refresh_at: swept.then(|| sweep_at(issued_at, tokens.expires_at, idle_lifetime, jitter())),
        url_values: known.url_values.clone(),
        facts: known
            .facts
            .iter()
            .chain(&tokens.facts)
            .map(|(name, fact)| (name.clone(), fact.clone()))
            .collect(),
        identity: match (known.identity, tokens.identity.clone()) {
            (Some(known), Some(newer)) => Some(known.updated(newer)),
            (_, newer) => newer,
        },
        forced: false,
        contested: false,
    })
}

/// From 0 to 1, at random.
pub(in crate::app) fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
