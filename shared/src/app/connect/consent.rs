//! Admin consent: an administrator of a tenant let the client in, and there is no code to exchange. The first token shows
//! whether it is so.

use uuid::Uuid;

use super::{Arrival, Connected, Finished, finish::SignIn};
use crate::{
    app::{
        Bifrost, Deadline,
        lookup::{Reached, needed_values},
    },
    model::{
        Code, Problem, Timestamp, connection::Connection, failure::Failure, grant::GrantStatus, grant::Want,
    },
    store::{ItemKey, tickets::Ticket},
};

/// What the way back brings in place of a code
/// (<https://learn.microsoft.com/en-us/entra/identity-platform/v2-admin-consent>).
const TENANT: &str = "tenant";

impl Bifrost {
    /// The administrator said yes. Which tenant's tokens an organization gets is up to its mapping alone; a consent given
    /// in another tenant is of no use, and is told apart where both are ids.
    pub(super) async fn let_in(
        &self,
        arrival: &Arrival<'_>,
        sign_in: &SignIn<'_>,
        deadline: Deadline,
    ) -> Result<Finished, Problem> {
        let SignIn { ticket, connection, .. } = *sign_in;
        let Some(tenant) = arrival.parameter(TENANT) else {
            let failure =
                Failure::new("malformed-answer", "The provider sent neither a tenant nor an error.");
            return Err(self.note_connect_failure(ticket, connection, failure).await);
        };
        if let Some(expected) = another_tenant(tenant, ticket) {
            let detail = format!(
                "Consent was given in the tenant {tenant}, but the organization is mapped to {expected}. Nothing was \
                 changed here."
            );
            let fix = "Open the link again as an administrator of the organization's own tenant, or correct its mapping.";
            return Err(Problem::new(Code::ProviderRefused, detail).fix(fix));
        }
        let scope = ticket.grant_scope;
        let grant_key = sign_in.key.clone();
        self.begin_anew(&grant_key, connection).await?;
        let values = needed_values(&connection.settings.token_url, &ticket.url_values);
        let reached = Reached {
            connection: connection.clone(),
            grant_scope: scope,
            grant: self.store.grant(&grant_key).await?.filter(|grant| grant.connection_id == connection.id),
            grant_key,
            mint_at: (!values.is_empty()).then_some(values),
            breaker: None,
            source: None,
        };
        // What failed before the consent is no reason to wait.
        let generation = reached.grant.as_ref().map_or(0, |grant| grant.generation);
        let want = match reached.grant.as_ref().map(|grant| grant.status) {
            Some(GrantStatus::Active) => Want::Newer { than: generation, limited: false },
            _ => Want::Fresh { min_ttl: None },
        };
        self.usable_token(&reached, want, deadline).await?;
        self.store.use_ticket(&sign_in.state.ticket, Timestamp::now()).await?;
        tracing::info!(connection = %connection.id, scope = %scope, "let in by an administrator");
        Ok(Finished::Connected(Connected {
            connection: connection.name.clone(),
            organization: scope.organization(),
            // Whom nobody signed in to, nobody has to sign in to again.
            has_refresh_token: true,
            signed_in: Vec::new(),
            return_to: ticket.return_to.clone(),
        }))
    }

    /// A client that was disconnected, or whose last attempt failed, may try again at once.
    async fn begin_anew(&self, key: &ItemKey, connection: &Connection) -> Result<(), Problem> {
        let Some(grant) = self.store.grant(key).await? else { return Ok(()) };
        let hindered = grant.status == GrantStatus::Disconnected || grant.retry_at.is_some();
        if grant.connection_id != connection.id || !hindered {
            return Ok(());
        }
        // False: someone else has just changed it, and knows better.
        self.store.unhinder_grant(key, &grant, Timestamp::now()).await.map(drop)
    }
}

/// The tenant that the organization is mapped to, if it certainly is another one. Both must be ids: a tenant's domain
/// names say nothing about its id.
fn another_tenant<'a>(tenant: &str, ticket: &'a Ticket) -> Option<&'a str> {
    let expected = ticket.url_values.get("entity_id")?;
    let (given, wanted) = (tenant.parse::<Uuid>().ok()?, expected.parse::<Uuid>().ok()?);
    (given != wanted).then_some(expected.as_str())
}
