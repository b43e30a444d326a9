//! The doctor: gathers what there is to know about a connection, here and at its provider, and lets `model::diagnose`
//! judge it.
//!
//! Nothing is written, no refresh token is spent, and a person's sign-in is not asked for. The provider is asked three
//! things at once, each for 10 s at most: a sign-in request that no browser brings, a token request that brings no grant,
//! and, of a client that speaks for itself, one token. That last request alone carries the client's secret, to where it
//! goes with every token anyway; it is the one proof of a client that costs nothing, and the token is thrown away.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::timeout;

use super::{
    Bifrost,
    credentials::{Credentials, audience},
    lookup::{Along, Seen, fill, url_values},
    refresh::registration,
};
use crate::{
    model::{
        Code, Name, Problem, Scope, Timestamp,
        connection::{Connection, Flow},
        diagnose::{Diagnosis, Facts, FilledUrl, Filling, Organizations, Probe, Proof},
        failure::{Failure, FailureClass},
        grant::{Grant, GrantStatus},
        preset,
        url_template::UrlTemplate,
    },
    oauth::{self, AuthorizeRequest},
};

/// How long the provider is waited for, whatever it is asked.
const PATIENCE: Duration = Duration::from_secs(10);

impl Bifrost {
    /// Looks at the connection that this very scope owns, and at the grant that it has for it.
    pub async fn diagnose(&self, scope: Scope, name: &Name, public_url: &str) -> Result<Diagnosis, Problem> {
        let (connection, standing) = self.owned_connection(scope, name).await?;
        let settings = &connection.settings;
        let credentials = match self.current_credentials(&connection).await {
            Err(problem) if problem.code != Code::SecretUnavailable => return Err(problem),
            other => other,
        };
        // A grant of a connection that had this name before is nobody's.
        let grant = standing.grant.as_ref().filter(|grant| grant.connection_id == connection.id);
        let values = self.values_at_hand(&connection, grant).await?;
        let organizations = self.organizations_grants(&connection).await?;
        let redirects = settings.redirecting_url().is_some();
        let redirect_uri = redirects.then(|| connection.redirect_uri(public_url));
        let preset = settings.provider.as_deref().and_then(preset::find);

        let (authorization, token, proof) = tokio::join!(
            self.probe_authorization(&connection, &values.by_name, redirect_uri.as_deref()),
            self.probe_token(&connection, &values.by_name),
            self.ask_for_proof(&connection, &values.by_name, credentials.as_ref().ok()),
        );
        let facts = Facts {
            connection: &connection,
            preset: preset.as_ref(),
            redirect_uri: redirect_uri.as_deref(),
            client_secret: credentials.as_ref().map(Credentials::client_secret),
            urls: &values.fill_all(&connection),
            grant,
            held_back: standing.held_back(&connection),
            organizations,
            authorization,
            token,
            proof,
            now: Timestamp::now(),
        };
        let diagnosis = Diagnosis::of(&facts);
        tracing::info!(connection = %connection.id, status = ?diagnosis.status, "diagnosed");
        Ok(diagnosis)
    }

    /// What fills the connection's placeholders: what the integration of its own name and the connection have to offer, and
    /// before that, for a grant that is refreshed where it was given, what filled them then.
    async fn values_at_hand(
        &self,
        connection: &Connection,
        grant: Option<&Grant>,
    ) -> Result<Values, Problem> {
        let mut values = Values::default();
        if connection.settings.urls().all(|url| url.placeholders().next().is_none()) {
            return Ok(values);
        }
        let name = connection.name.folded();
        let found = self.look_up_integration(connection.scope, &name, Along::Nothing).await?;
        let seen = found.map(|(seen, _)| seen).filter(|seen| seen.uses(&name));
        values.by_name = url_values(connection, seen.as_ref());
        for name in values.by_name.keys() {
            values.sources.insert(name.clone(), source(name, seen.as_ref()));
        }
        let signed_in = connection.settings.flow == Flow::AuthorizationCode;
        let grant = grant.filter(|grant| signed_in && grant.status.is_connected());
        for (name, value) in grant.into_iter().flat_map(|grant| &grant.url_values) {
            values.by_name.insert(name.clone(), value.clone());
            values.sources.insert(name.clone(), "what filled them when the grant was given");
        }
        Ok(values)
    }

    async fn organizations_grants(&self, connection: &Connection) -> Result<Organizations, Problem> {
        let mut counts = Organizations::default();
        let grants = self.store.grants_on(connection).await?;
        for grant in grants.into_iter().filter(|grant| grant.key.scope() != Some(connection.scope)) {
            match grant.status {
                Some(GrantStatus::Active) => counts.active += 1,
                Some(GrantStatus::Failing) => counts.failing += 1,
                Some(GrantStatus::Reauthorize) => counts.reauthorize += 1,
                Some(GrantStatus::New | GrantStatus::Disconnected) | None => {}
            }
        }
        Ok(counts)
    }

    async fn probe_authorization(
        &self,
        connection: &Connection,
        values: &BTreeMap<String, String>,
        redirect_uri: Option<&str>,
    ) -> Probe {
        let settings = &connection.settings;
        let (Some(template), Some(redirect_uri)) = (&settings.authorization_url, redirect_uri) else {
            return Probe::Unsent("The connection has none, and sends nobody there.");
        };
        let Ok(authorization_url) = fill(settings, template, values) else {
            return UNFILLED;
        };
        // As a real one, though nobody will come back with them.
        let (state, (challenge, _)) = (oauth::random_secret(), oauth::new_pkce());
        let request = AuthorizeRequest {
            authorization_url: &authorization_url,
            for_code: true,
            client_id: &settings.client_id,
            redirect_uri,
            scopes: &settings.scopes,
            state: &state,
            pkce: settings.pkce.then_some(&challenge),
            audience: settings.audience.as_deref(),
            authorize_params: &settings.authorize_params,
            dialect: &settings.dialect,
        };
        oauth::authorization_endpoint(&self.outbound, &request)
            .await
            .map_or_else(Probe::Unanswered, Probe::Answered)
    }

    async fn probe_token(&self, connection: &Connection, values: &BTreeMap<String, String>) -> Probe {
        let settings = &connection.settings;
        let Ok(token_url) = fill(settings, &settings.token_url, values) else {
            return UNFILLED;
        };
        oauth::token_endpoint(&self.outbound, &token_url, &settings.dialect)
            .await
            .map_or_else(Probe::Unanswered, Probe::Answered)
    }

    async fn ask_for_proof(
        &self,
        connection: &Connection,
        values: &BTreeMap<String, String>,
        credentials: Option<&Credentials>,
    ) -> Proof {
        let settings = &connection.settings;
        let (Flow::ClientCredentials, Some(credentials), Ok(token_url)) =
            (settings.flow, credentials, fill(settings, &settings.token_url, values))
        else {
            return Proof::Unasked;
        };
        let asked = async {
            let whom = audience(connection, &token_url, values);
            let unsigned = |_| Failure::new("client-key-unusable", "The client's key can't sign.");
            let mut proof = self.proof(connection, credentials, vec![whom]).await.map_err(unsigned)?;
            loop {
                let registration = registration(connection, proof.credentials(), token_url.clone());
                match oauth::client_credentials(&self.outbound, &registration, Timestamp::now()).await {
                    Err(failure)
                        if failure.class == FailureClass::Client
                            && self.prove_otherwise(connection, &mut proof).await => {}
                    answer => break answer,
                }
            }
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(_thrown_away)) => Proof::Given,
            Ok(Err(failure)) => Proof::Refused(failure),
            Err(_) => Proof::Refused(Failure::new(
                "provider-timeout",
                format!("The provider took longer than {PATIENCE:?} to answer. Nothing was lost."),
            )),
        }
    }
}

const UNFILLED: Probe = Probe::Unsent("It was not asked: a placeholder in the URL has no value here.");

/// What there is to fill placeholders with, and where it comes from.
#[derive(Default)]
struct Values {
    by_name: BTreeMap<String, String>,
    sources: BTreeMap<String, &'static str>,
}

impl Values {
    fn fill_all(&self, connection: &Connection) -> Vec<FilledUrl> {
        let settings = &connection.settings;
        let urls: [(_, Option<&UrlTemplate>); 5] = [
            ("authorization_url", settings.authorization_url.as_ref()),
            ("device_authorization_url", settings.device_authorization_url.as_ref()),
            ("admin_consent_url", settings.admin_consent_url.as_ref()),
            ("token_url", Some(&settings.token_url)),
            ("revocation_url", settings.revocation_url.as_ref()),
        ];
        let filled = urls.into_iter().filter_map(|(field, url)| {
            let url = url?;
            let filling = |name: &str| Filling { name: name.to_owned(), by: self.sources.get(name).copied() };
            let placeholders = url.placeholders().map(filling).collect();
            let problem = fill(settings, url, &self.by_name).err();
            Some(FilledUrl { field, placeholders, problem })
        });
        filled.collect()
    }
}

/// Where [`url_values`] has the value of a placeholder from.
fn source(name: &str, seen: Option<&Seen>) -> &'static str {
    let Some(Seen { integration, mapping }) = seen else { return "token_url_defaults" };
    let mapping = mapping.as_ref();
    match name {
        "entity_id" if mapping.is_some_and(|mapping| mapping.entity_id.is_some()) => {
            "the mapping's entity_id"
        }
        "entity_id" if integration.default_entity_id.is_some() => "the integration's default_entity_id",
        _ if mapping.is_some_and(|mapping| mapping.config.plain.contains_key(name)) => "the mapping's config",
        _ if integration.defaults.plain.contains_key(name) => "the integration's defaults",
        _ => "token_url_defaults",
    }
}
