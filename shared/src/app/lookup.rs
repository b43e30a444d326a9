//! Finding what a workflow's question is about: integration, mapping, connection and grant, in one read.
//!
//! The order is the contract's: the connection is the organization's, else the global one; the grant is the
//! organization's own on that very connection, else the connection's own. Falling back happens when there is none,
//! never because one is broken, and never to another organization's.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{MutexGuard, PoisonError},
};

use serde_json::Value;

use super::Bifrost;
use crate::{
    model::{
        Code, ConnectionId, FoldedName, GrantId, Name, OrganizationId, Problem, Scope,
        breaker::Breaker,
        connection::{AvailableTo, Connection, ConnectionSettings, Flow},
        grant::{Grant, GrantStatus},
        integration::Integration,
        mapping::Mapping,
        url_template::UrlTemplate,
    },
    store::{Batch, Found, ItemKey, Page, grants::Named},
};

/// An integration as one scope sees it.
#[derive(Debug)]
pub(super) struct Seen {
    pub integration: Integration,
    pub mapping: Option<Mapping>,
}

impl Seen {
    pub(super) fn uses(&self, connection: &FoldedName) -> bool {
        self.integration.connection_name().folded() == *connection
    }

    /// An integration that has nothing to do with a connection must not fill its URLs: whoever may write its values
    /// would choose the tenant, or the host that the client secret is sent to.
    pub(super) fn require_use_of(&self, connection: &FoldedName) -> Result<(), Problem> {
        if self.uses(connection) {
            return Ok(());
        }
        let name = &self.integration.name;
        Err(Problem::invalid("integration", format!("must use this connection; {name} uses another")))
    }
}

/// A connection as one scope reaches it, with the grant that serves that scope.
#[derive(Debug)]
pub(super) struct Reached {
    pub connection: Connection,
    /// Whose grant it is: the asking organization's own, or the connection's.
    pub grant_scope: Scope,
    pub grant_key: ItemKey,
    pub grant: Option<Grant>,
    /// Where the next token is to be got from, for a client that speaks for itself; None leaves a grant where it was
    /// given.
    pub mint_at: Option<BTreeMap<String, String>>,
    /// The connection's breaker, or that there is none, where it was read along; most who reach a connection need none.
    pub breaker: Option<Option<Breaker>>,
    /// The sign-in whose refresh token is redeemed for the organization.
    pub source: Option<Source>,
}

/// The connection's own grant, as far as there is one.
#[derive(Debug)]
pub(super) struct Source {
    pub key: ItemKey,
    pub grant: Option<Grant>,
}

impl Reached {
    /// How the next token is got, seen from the grant: one that is redeemed from the connection's own has nobody who could
    /// sign in to it, and is got anew each time, as if the client spoke for itself.
    pub(super) fn flow(&self) -> Flow {
        match self.source {
            Some(_) => Flow::ClientCredentials,
            None => self.connection.settings.flow,
        }
    }
}

/// Whether the scope's data keys are read along with the rest. Only functions that open or seal may have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    DataKeys,
    Nothing,
}

/// The places in which a connection of some name, and its grant, may be found for a scope.
pub(super) struct Candidates {
    own: Option<(ItemKey, ItemKey)>,
    global: ItemKey,
    /// The organization's own grant on the global connection.
    own_on_global: Option<ItemKey>,
    global_grant: ItemKey,
}

/// The integration and mapping a question names, in the partitions where they are.
fn integration_keys(scope: Scope, name: &FoldedName) -> (ItemKey, Option<ItemKey>) {
    (ItemKey::integration(name), scope.organization().map(|id| ItemKey::mapping(id, name)))
}

impl Candidates {
    pub(super) fn of(scope: Scope, name: &FoldedName) -> Self {
        let own = scope
            .organization()
            .map(|_| (ItemKey::connection(scope, name), ItemKey::grant(scope, scope, name)));
        Self {
            own,
            global: ItemKey::connection(Scope::Global, name),
            own_on_global: scope.organization().map(|_| ItemKey::grant(scope, Scope::Global, name)),
            global_grant: ItemKey::grant(Scope::Global, Scope::Global, name),
        }
    }

    pub(super) fn add_to(&self, batch: &mut Batch) {
        let own = self.own.iter().flat_map(|(connection, grant)| [connection, grant]);
        for key in own.chain([&self.global, &self.global_grant]).chain(&self.own_on_global) {
            batch.data(key.clone());
        }
    }
}

impl Bifrost {
    /// What `integration` is for a scope, and the connection it reaches, if there is one. One `BatchGetItem`; two when
    /// the integration names a connection other than itself.
    pub(super) async fn look_up_integration(
        &self,
        scope: Scope,
        name: &FoldedName,
        along: Along,
    ) -> Result<Option<(Seen, Option<Reached>)>, Problem> {
        let candidates = Candidates::of(scope, name);
        let mut found = self.read_for(scope, Some(name), &candidates, along).await?;
        let Some(seen) = take_integration(&mut found, scope, name)? else {
            return Ok(None);
        };
        let connection = seen.integration.connection_name().folded();
        let reached = if connection == *name {
            choose(&mut found, scope, candidates, Some(&seen))?
        } else {
            let candidates = Candidates::of(scope, &connection);
            let mut found = self.read_for(scope, None, &candidates, along).await?;
            choose(&mut found, scope, candidates, Some(&seen))?
        };
        let reached = self.only_available(scope, reached, seen.mapping.is_some(), false).await?;
        Ok(Some((seen, reached)))
    }

    /// The connection of this name that a scope reaches, with the integration that fills its placeholders, if one is
    /// named. One `BatchGetItem`.
    pub(super) async fn look_up_connection(
        &self,
        scope: Scope,
        name: &FoldedName,
        integration: Option<&FoldedName>,
    ) -> Result<(Option<Seen>, Option<Reached>), Problem> {
        let candidates = Candidates::of(scope, name);
        // Without an integration, that of the connection's own name still tells whether it is available.
        let read = integration.unwrap_or(name);
        let mut found = self.read_for(scope, Some(read), &candidates, Along::DataKeys).await?;
        let seen = take_integration(&mut found, scope, read)?;
        let reached = choose(&mut found, scope, candidates, seen.as_ref().filter(|_| integration.is_some()))?;
        let mapped = seen.as_ref().is_some_and(|seen| seen.mapping.is_some() && seen.uses(name));
        if integration.is_none() {
            return Ok((None, self.only_available(scope, reached, mapped, true).await?));
        }
        let seen = seen.ok_or_else(|| Problem::not_found("integration", read))?;
        seen.require_use_of(name)?;
        let reached = self.only_available(scope, reached, mapped, false).await?;
        Ok((Some(seen), reached))
    }

    /// A global connection may be kept for organizations that are mapped to what uses it. `any`: through whichever
    /// integration that is.
    async fn only_available(
        &self,
        scope: Scope,
        reached: Option<Reached>,
        mapped: bool,
        any: bool,
    ) -> Result<Option<Reached>, Problem> {
        let Some(reached) = reached else { return Ok(None) };
        let available = mapped || (self.is_available(scope, &reached.connection, any).await?);
        Ok(available.then_some(reached))
    }

    /// Whether a scope may use a connection without being mapped by the integration at hand.
    pub(super) async fn is_available(
        &self,
        scope: Scope,
        connection: &Connection,
        any: bool,
    ) -> Result<bool, Problem> {
        let organization = match scope {
            Scope::Organization(id) if connection.scope == Scope::Global => id,
            _ => return Ok(true),
        };
        if connection.settings.available_to == AvailableTo::All || !any {
            return Ok(connection.settings.available_to == AvailableTo::All);
        }
        let name = connection.name.folded();
        let mapped = self.store.integrations_mapped_to(organization).await?;
        Ok(mapped.iter().any(|integration| integration.connection_name().folded() == name))
    }

    async fn read_for(
        &self,
        scope: Scope,
        integration: Option<&FoldedName>,
        candidates: &Candidates,
        along: Along,
    ) -> Result<Found, Problem> {
        let both = [scope, Scope::Global];
        let scopes = match (along, scope) {
            (Along::Nothing, _) => &[],
            (Along::DataKeys, Scope::Global) => &both[1..],
            (Along::DataKeys, Scope::Organization(_)) => &both[..],
        };
        let mut batch = Batch::default();
        if let Some(name) = integration {
            let (integration, mapping) = integration_keys(scope, name);
            batch.data(integration);
            mapping.map(|mapping| batch.data(mapping));
        }
        candidates.add_to(&mut batch);
        self.vault.want(scopes, &mut batch);
        let mut found = self.store.read(batch).await?;
        self.vault.learn(scopes, &mut found).await?;
        Ok(found)
    }
}

fn take_integration(found: &mut Found, scope: Scope, name: &FoldedName) -> Result<Option<Seen>, Problem> {
    let (integration, mapping) = integration_keys(scope, name);
    let Some(integration) = found.take::<Integration>(&integration)? else {
        return Ok(None);
    };
    let mapping: Option<Mapping> = mapping.and_then(|key| found.take(&key).transpose()).transpose()?;
    // A mapping of an integration that had this name before is nobody's.
    let mapping = mapping.filter(|mapping| mapping.integration_id == integration.id);
    Ok(Some(Seen { integration, mapping }))
}

pub(super) fn choose(
    found: &mut Found,
    scope: Scope,
    candidates: Candidates,
    seen: Option<&Seen>,
) -> Result<Option<Reached>, Problem> {
    if let Some((connection_key, grant_key)) = candidates.own
        && let Some(connection) = found.take::<Connection>(&connection_key)?
    {
        let grant = take_grant(found, &grant_key, &connection)?;
        let mint_at = mint_at(&connection, seen);
        return Ok(Some(Reached {
            connection,
            grant_scope: scope,
            grant_key,
            grant,
            mint_at,
            breaker: None,
            source: None,
        }));
    }
    let Some(connection) = found.take::<Connection>(&candidates.global)? else {
        return Ok(None);
    };
    let mint_at = mint_at(&connection, seen);
    if let Some(grant_key) = candidates.own_on_global {
        let grant = take_grant(found, &grant_key, &connection)?;
        let connected = grant.as_ref().is_some_and(|grant| grant.status.is_connected());
        let signed_in = grant.as_ref().is_some_and(|grant| grant.refresh_token.is_some());
        if is_redeemed(&connection) && !signed_in {
            let key = candidates.global_grant;
            let source = Source { grant: take_grant(found, &key, &connection)?, key };
            let mint_at =
                Some(needed_values(&connection.settings.token_url, &mapped_values(&connection, seen)));
            return Ok(Some(Reached {
                connection,
                grant_scope: scope,
                grant_key,
                grant,
                mint_at,
                breaker: None,
                source: Some(source),
            }));
        }
        // A client that speaks for itself at a tenant's URL has a grant for each tenant, made when it is first needed.
        if connected || mint_at.is_some() {
            return Ok(Some(Reached {
                connection,
                grant_scope: scope,
                grant_key,
                grant,
                mint_at,
                breaker: None,
                source: None,
            }));
        }
    }
    let grant_key = candidates.global_grant;
    let grant = take_grant(found, &grant_key, &connection)?;
    let grant_scope = Scope::Global;
    Ok(Some(Reached { connection, grant_scope, grant_key, grant, mint_at, breaker: None, source: None }))
}

fn take_grant(found: &mut Found, key: &ItemKey, connection: &Connection) -> Result<Option<Grant>, Problem> {
    let grant: Option<Grant> = found.take(key)?;
    Ok(grant.filter(|grant| grant.connection_id == connection.id))
}

/// Whether organizations get their tokens for the connection's own refresh token.
fn is_redeemed(connection: &Connection) -> bool {
    let settings = &connection.settings;
    settings.flow == Flow::AuthorizationCode
        && settings.dialect.redeem_per_organization
        && settings.token_placeholders().next().is_some()
}

/// Where a client_credentials connection with placeholders gets its tokens for this integration and organization. A
/// placeholder without a value is left out: filling the URL then says which.
fn mint_at(connection: &Connection, seen: Option<&Seen>) -> Option<BTreeMap<String, String>> {
    is_minted(connection)
        .then(|| needed_values(&connection.settings.token_url, &url_values(connection, seen)))
}

/// Whether each organization's token is got by the client for itself, at the organization's own tenant.
pub(super) fn is_minted(connection: &Connection) -> bool {
    let settings = &connection.settings;
    settings.flow == Flow::ClientCredentials && settings.token_placeholders().next().is_some()
}

/// What fills the placeholders of a connection's URLs: the entity id from the mapping, then from the integration's
/// default; any other name from the merged config; last the connection's own `token_url_defaults`. In a global
/// connection's URLs only those overrides count that a provider caller wrote.
pub(super) fn url_values(connection: &Connection, seen: Option<&Seen>) -> BTreeMap<String, String> {
    let mut values = connection.settings.token_url_defaults.clone();
    let Some(Seen { integration, mapping }) = seen else {
        return values;
    };
    let trusted = |mapping: &Mapping, key: &String| {
        connection.scope != Scope::Global || mapping.provider_keys.contains(key)
    };
    let overrides = mapping
        .iter()
        .flat_map(|mapping| mapping.config.plain.iter().filter(move |(key, _)| trusted(mapping, key)));
    for (key, value) in integration.defaults.plain.iter().chain(overrides) {
        match value {
            Value::String(text) => values.insert(key.clone(), text.clone()),
            Value::Number(number) => values.insert(key.clone(), number.to_string()),
            _ => None,
        };
    }
    let mapped = mapping.as_ref().and_then(|mapping| mapping.entity_id.as_ref());
    if let Some(entity_id) = mapped.or(integration.default_entity_id.as_ref()) {
        values.insert("entity_id".to_owned(), entity_id.clone());
    }
    values
}

/// Of these only what a provider caller has written into the organization's own mapping. Where a partner's sign-in is
/// redeemed, the defaults are the partner's own tenant: nobody who is mapped to none may get a token there.
fn mapped_values(connection: &Connection, seen: Option<&Seen>) -> BTreeMap<String, String> {
    let Some(mapping) = seen.and_then(|seen| seen.mapping.as_ref()) else { return BTreeMap::new() };
    let mut values = url_values(connection, seen);
    values.retain(|name, _| match name.as_str() {
        "entity_id" => mapping.entity_id.is_some(),
        name => mapping.provider_keys.contains(name),
    });
    values
}

/// A URL with its placeholders filled, or the problem that names the one that can't be.
pub(super) fn fill(
    settings: &ConnectionSettings,
    url: &UrlTemplate,
    values: &BTreeMap<String, String>,
) -> Result<url::Url, Problem> {
    let unresolved =
        |error: String| Problem::new(Code::PlaceholderUnresolved, format!("In {}: {error}.", url.as_str()));
    for name in url.placeholders() {
        if let (Some(allowed), Some(value)) = (settings.dialect.url_values.get(name), values.get(name))
            && !allowed.contains(value)
        {
            let allowed = allowed.join(", ");
            return Err(unresolved(format!(
                "the value for the placeholder {{{name}}} must be one of {allowed}"
            )));
        }
    }
    let url = url.fill(values).map_err(|error| unresolved(error.to_string()))?;
    Ok(settings.dialect.at_origin(url, values))
}

/// Only what a URL's placeholders ask for: a grant keeps this, and must not change with anything else.
pub(super) fn needed_values(
    url: &UrlTemplate,
    values: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let needed = url.placeholders().filter_map(|name| Some((name.to_owned(), values.get(name)?.clone())));
    needed.collect()
}

impl Bifrost {
    /// An integration, the global connection that it probably uses, and what a cursor needs, in one read. That is the
    /// one of its own name, or the one that it used when it was last listed.
    pub(super) async fn integration_for_listing(
        &self,
        name: &Name,
    ) -> Result<(Integration, Option<Connection>), Problem> {
        let folded = name.folded();
        let last = self.connections_listed().get(&folded).cloned();
        let connection = ItemKey::connection(Scope::Global, last.as_ref().unwrap_or(&folded));
        let key = ItemKey::integration(&folded);
        let mut batch = Batch::default();
        batch.data(key.clone()).data(connection.clone());
        self.vault.want(&[Scope::Global], &mut batch);
        let mut found = self.store.read(batch).await?;
        self.vault.learn(&[Scope::Global], &mut found).await?;
        let integration: Option<Integration> = found.take(&key)?;
        let integration = integration.ok_or_else(|| Problem::not_found("integration", name))?;
        self.connections_listed().insert(folded, integration.connection_name().folded());
        Ok((integration, found.take(&connection)?))
    }

    // A panic while the lock was held left nothing half done that matters: this only ever saves a read.
    fn connections_listed(&self) -> MutexGuard<'_, HashMap<FoldedName, FoldedName>> {
        self.connections_listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which of the organizations in a page of mappings have a grant of their own on the integration's connection, and
    /// which: as [`choose`] has it, but from the index over connections' names, in one query for all of them. `seen` is
    /// the global connection that the integration probably uses.
    pub(super) async fn own_grants(
        &self,
        integration: &Integration,
        seen: Option<Connection>,
        page: &Page<Mapping>,
    ) -> Result<BTreeMap<OrganizationId, GrantId>, Problem> {
        let mut organizations = page.items().map(|mapping| mapping.organization_id);
        let Some(first) = organizations.next() else { return Ok(BTreeMap::new()) };
        let last = organizations.last().unwrap_or(first);
        let name = integration.connection_name().folded();
        let named = self.store.named_within(&name, first, last).await?;
        let (connections, grants): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|named| named.key.is_connection());
        let own: BTreeMap<_, _> =
            connections.iter().map(|named| (named.key.scope(), ConnectionId::from(named.id))).collect();
        let on_global = |grant: &Named| !own.contains_key(&grant.key.scope());
        let global = match seen.filter(|seen| seen.name.folded() == name) {
            None if grants.iter().any(on_global) => self.store.connection(Scope::Global, &name).await?,
            seen => seen,
        };
        let mut chosen = BTreeMap::new();
        for grant in grants {
            let scope = grant.key.scope();
            let connection = own.get(&scope).copied().or(global.as_ref().map(|global| global.id));
            let connected = grant.status.is_some_and(GrantStatus::is_connected);
            if let Some(organization) = scope.and_then(Scope::organization)
                && connected
                && grant.connection_id.is_some()
                && grant.connection_id == connection
            {
                chosen.insert(organization, GrantId::from(grant.id));
            }
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::model::{
        ConnectionId, Name, OrganizationId, Timestamp, connection::NewConnection, grant::GrantStatus,
        url_template::Rules,
    };

    /// A grant in one of the places where one is looked for.
    #[derive(Clone, Copy, Debug)]
    struct Lying {
        /// Of the connection beside it, or of one that had its name before.
        of_this: bool,
        status: GrantStatus,
    }

    /// What is stored under one name, for one organization and the platform.
    #[derive(Clone, Copy, Debug)]
    struct World {
        own: bool,
        global: bool,
        /// At a tenant's URL, for the client itself.
        minted: bool,
        own_grant: Option<Lying>,
        own_on_global: Option<Lying>,
        global_grant: Option<Lying>,
    }

    fn world() -> impl Strategy<Value = World> {
        let status = prop_oneof![
            Just(GrantStatus::New),
            Just(GrantStatus::Active),
            Just(GrantStatus::Failing),
            Just(GrantStatus::Reauthorize),
            Just(GrantStatus::Disconnected),
        ];
        let lying = (any::<bool>(), status).prop_map(|(of_this, status)| Lying { of_this, status });
        let grant = proptest::option::of(lying);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (flags, grant.clone(), grant.clone(), grant).prop_map(
            |((own, global, minted), own_grant, own_on_global, global_grant)| World {
                own,
                global,
                minted,
                own_grant,
                own_on_global,
                global_grant,
            },
        )
    }

    fn name() -> Name {
        Name::parse("Halo").unwrap()
    }

    fn connection(scope: Scope, minted: bool) -> Connection {
        let (flow, token_url) = match minted {
            true => ("client_credentials", "https://halo.example/{tenant}/token"),
            false => ("authorization_code", "https://halo.example/token"),
        };
        let body = json!({
            "name": name(), "flow": flow, "client_id": "c", "client_secret": "s", "token_url": token_url,
            "authorization_url": "https://halo.example/authorize", "token_url_defaults": {"tenant": "main"},
        });
        let body = body.as_object().unwrap().clone();
        let new = NewConnection::from_input(body, Rules::default(), true).unwrap();
        Connection {
            id: ConnectionId::new(),
            name: new.name,
            scope,
            settings: new.settings,
            client_secret: None,
            client_secret_next: None,
            client_private_key: None,
            client_public_key: None,
            pending_until: None,
            connect_error: None,
            created_at: Timestamp::now(),
            updated_at: Timestamp::now(),
            revision: 1,
        }
    }

    fn put(found: &mut Found, key: &ItemKey, item: &impl Serialize) {
        found.put(key.clone(), serde_dynamo::to_item(item).unwrap());
    }

    fn put_grant(found: &mut Found, key: &ItemKey, lying: Option<Lying>, connection: &Connection) {
        let Some(Lying { of_this, status }) = lying else { return };
        let id = if of_this { connection.id } else { ConnectionId::new() };
        let grant = json!({
            "id": GrantId::new(), "connection_id": id, "incarnation": uuid::Uuid::new_v4(), "generation": 1, "status": status,
            "created_at": Timestamp::now(), "updated_at": Timestamp::now(),
        });
        put(found, key, &grant);
    }

    proptest! {
        /// The contract's "Lookup order", told a second time and from the other end.
        #[test]
        fn the_own_connection_comes_first_and_then_the_own_grant_on_the_global_one(world in world(), for_platform: bool) {
            let organization = Scope::Organization(OrganizationId::new());
            let scope = if for_platform { Scope::Global } else { organization };
            let (own, global) = (connection(organization, world.minted), connection(Scope::Global, world.minted));
            let folded = name().folded();
            let mut found = Found::default();
            if world.own {
                put(&mut found, &ItemKey::connection(organization, &folded), &own);
            }
            if world.global {
                put(&mut found, &ItemKey::connection(Scope::Global, &folded), &global);
            }
            put_grant(&mut found, &ItemKey::grant(organization, organization, &folded), world.own_grant, &own);
            put_grant(&mut found, &ItemKey::grant(organization, Scope::Global, &folded), world.own_on_global, &global);
            put_grant(&mut found, &ItemKey::grant(Scope::Global, Scope::Global, &folded), world.global_grant, &global);

            let reached = choose(&mut found, scope, Candidates::of(scope, &folded), None).unwrap();

            let Some(reached) = reached else {
                prop_assert!(!world.global && (for_platform || !world.own), "there was a connection");
                return Ok(());
            };
            // Never a connection or grant of a third party, whatever lies around.
            prop_assert!(reached.grant.as_ref().is_none_or(|grant| grant.connection_id == reached.connection.id));
            prop_assert!([scope, Scope::Global].contains(&reached.connection.scope));
            prop_assert!([scope, Scope::Global].contains(&reached.grant_scope));
            prop_assert_eq!(reached.connection.scope == organization, world.own && !for_platform);
            // A broken connection of one's own is still the one: nothing falls back to the platform's.
            let lies_in = |lying: Option<Lying>| lying.filter(|lying| lying.of_this).map(|lying| lying.status);
            let expected = match reached.connection.scope {
                Scope::Organization(_) => (organization, lies_in(world.own_grant)),
                Scope::Global if for_platform => (Scope::Global, lies_in(world.global_grant)),
                Scope::Global if world.minted => (organization, lies_in(world.own_on_global)),
                Scope::Global => match lies_in(world.own_on_global) {
                    Some(status) if status != GrantStatus::Disconnected => (organization, Some(status)),
                    _ => (Scope::Global, lies_in(world.global_grant)),
                },
            };
            prop_assert_eq!((reached.grant_scope, reached.grant.as_ref().map(|grant| grant.status)), expected);
            prop_assert_eq!(reached.mint_at.is_some(), world.minted);
            let owner = reached.connection.scope;
            prop_assert_eq!(reached.grant_key, ItemKey::grant(reached.grant_scope, owner, &folded));
        }
    }
}
