//! Mappings as people look through them: with their organization's name and where its tokens come from, searched, and
//! compared with a list that is about to be imported.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Bifrost,
    connections::Standing,
    lookup::{Candidates, Reached, Seen, choose},
    mappings::{MappingView, own_grant, view},
    page::PageRequest,
    refresh::breaker_key,
};
use crate::{
    model::{
        Code, ConnectionId, FieldError, FoldedName, Name, OrganizationId, Problem, Scope, Timestamp,
        access::{Caller, Operation},
        config::ConfigSchema,
        connection::{Connection, ConnectionStatus, Flow, LastError},
        grant::GrantStatus,
        input::MAX_ENTITY_ID,
        integration::Integration,
        mapping::{Mapping, NewMapping},
        organization::Organization,
    },
    store::{Batch, Found, ItemKey, Page, page::Listing},
};

/// How many mappings are looked through at a time, and how often until a search rests.
const CHUNK: usize = 500;
const CHUNKS: usize = 12;
/// How many rows of a list to import are compared with what is stored in one go.
const COMPARED_AT_ONCE: usize = 100;

/// A mapping and what one wants to see beside it.
#[derive(Debug)]
pub struct MappingRow {
    pub mapping: MappingView,
    /// The organization's name, for who may know all of them.
    pub organization: Option<String>,
    /// None: there is no connection of the name that the integration uses.
    pub tokens: Option<TokenSource>,
}

/// Where an organization's tokens come from, and how that is doing.
#[derive(Debug)]
pub struct TokenSource {
    pub connection: Name,
    pub origin: TokenOrigin,
    pub flow: Flow,
    pub status: ConnectionStatus,
    pub last_error: Option<LastError>,
    pub expires_at: Option<Timestamp>,
    pub has_refresh_token: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenOrigin {
    /// A connection of the organization's own.
    OwnConnection,
    /// The organization's own grant on the global connection.
    OwnGrant,
    /// Got for the organization at its tenant, by the global connection's client, when they are needed.
    OwnTenant,
    /// The global connection's own grant.
    Connection,
}

/// Which mappings to look for.
#[derive(Clone, Copy, Debug, Default)]
pub struct MappingSearch<'a> {
    /// In the organization's name, the entity's id or its name, or the organization's id.
    pub text: Option<&'a str>,
    pub state: Option<MappingState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingState {
    /// Workflows get no token, or soon won't.
    Broken,
    /// A required value is missing.
    Incomplete,
    /// The organization has a grant or connection of its own.
    Own,
}

/// What unlinking an organization ends beside the mapping.
#[derive(Debug, PartialEq, Eq)]
pub enum Released {
    /// It has no grant of its own on the global connection.
    Nothing,
    /// The grant is forgotten and revoked at the provider.
    Grant,
    /// The grant stays, for these integrations are mapped and use the same connection.
    UsedBy(Vec<Name>),
}

/// What a row of a list to import is to change. What is None stays.
#[derive(Debug)]
pub struct MappingChange {
    pub organization: OrganizationId,
    pub entity_id: Option<Option<String>>,
    pub entity_name: Option<Option<String>>,
}

/// A row of a list to import, compared with what is stored.
#[derive(Debug)]
pub struct Compared {
    /// None: there is no such organization.
    pub organization: Option<Organization>,
    pub old: Option<MappingView>,
    /// The whole mapping as it would be written.
    pub body: Map<String, Value>,
    /// Why it can't be.
    pub problem: Option<Problem>,
}

impl MappingSearch<'_> {
    fn is_for_everything(&self) -> bool {
        self.text.is_none() && self.state.is_none()
    }
}

impl TokenSource {
    /// Whether a person has to see to it.
    pub fn is_broken(&self) -> bool {
        is_broken(self.status, self.needs_sign_in())
    }

    /// Whether a person signs in, once; otherwise the client gets tokens by itself, when they are needed.
    pub fn needs_sign_in(&self) -> bool {
        self.flow == Flow::AuthorizationCode
    }
}

fn is_broken(status: ConnectionStatus, needs_sign_in: bool) -> bool {
    match status {
        ConnectionStatus::Failing | ConnectionStatus::Reauthorize => true,
        ConnectionStatus::NotConnected | ConnectionStatus::Pending => needs_sign_in,
        ConnectionStatus::Active => false,
    }
}

impl Bifrost {
    /// A page of the mappings that a caller sees; a search may come to rest before a page is full. From an index: what
    /// was written a moment ago can be missing.
    pub async fn mapping_rows(
        &self,
        caller: &Caller,
        name: &Name,
        search: MappingSearch<'_>,
        request: PageRequest<'_>,
    ) -> Result<Page<MappingRow>, Problem> {
        let integration = self.integration(name).await?;
        let listing = Listing::mappings(integration.id);
        if !caller.lists_all_mappings() {
            let own = match caller.home {
                Scope::Organization(id) => self.store.mapping(&integration, id).await?,
                Scope::Global => None,
            };
            return self.with_rows(caller, &integration, Page::single(listing, own)).await;
        }
        let page = match search.is_for_everything() {
            true => self.page(listing, request).await?,
            false => self.search_mappings(caller, &integration, search, request).await?,
        };
        self.with_rows(caller, &integration, page).await
    }

    /// One organization's.
    pub async fn mapping_row(
        &self,
        caller: &Caller,
        name: &Name,
        organization: OrganizationId,
    ) -> Result<MappingRow, Problem> {
        let integration = self.integration(name).await?;
        let missing = || Problem::not_found("mapping", format!("of {organization} on {name}"));
        let mapping = self.store.mapping(&integration, organization).await?.ok_or_else(missing)?;
        let page = Page::single(Listing::mappings(integration.id), Some(mapping));
        let mut page = self.with_rows(caller, &integration, page).await?;
        page.rows.pop().map(|row| row.item).ok_or_else(missing)
    }

    async fn search_mappings(
        &self,
        caller: &Caller,
        integration: &Integration,
        search: MappingSearch<'_>,
        request: PageRequest<'_>,
    ) -> Result<Page<Mapping>, Problem> {
        let listing = Listing::mappings(integration.id);
        let mut after = match request.cursor {
            Some(cursor) => Some(self.open_cursor(&listing, cursor).await?),
            None => None,
        };
        let text = search.text.map(str::to_lowercase);
        let shared = match search.state {
            Some(MappingState::Broken | MappingState::Own) => Some(self.shared_tokens(integration).await?),
            _ => None,
        };
        let mut found = Page { listing: listing.clone(), rows: Vec::new(), next: None };
        for _ in 0..CHUNKS {
            let chunk: Page<Mapping> = self.store.page(listing.clone(), CHUNK, after).await?;
            let facts = self.facts_of(caller, integration, text.is_some(), shared.as_ref(), &chunk).await?;
            after = chunk.next;
            let mut rows = chunk.rows.into_iter();
            for row in rows.by_ref() {
                if facts.matches(integration, &row.item, text.as_deref(), search.state) {
                    found.rows.push(row);
                }
                if found.rows.len() == request.limit {
                    break;
                }
            }
            if found.rows.len() == request.limit {
                let last = found.rows.last().map(|row| row.position.clone());
                found.next = last.filter(|_| after.is_some() || rows.next().is_some());
                return Ok(found);
            }
            if after.is_none() {
                return Ok(found);
            }
        }
        found.next = after;
        Ok(found)
    }

    /// The global connection that an integration uses, and how its own grant is doing.
    async fn shared_tokens(&self, integration: &Integration) -> Result<Shared, Problem> {
        let candidates = Candidates::of(Scope::Global, &integration.connection_name().folded());
        let mut batch = Batch::default();
        candidates.add_to(&mut batch);
        let mut found = self.store.read(batch).await?;
        let reached = choose(&mut found, Scope::Global, candidates, None)?;
        let Some(Reached { connection, grant, .. }) = reached else { return Ok(Shared::default()) };
        let breaker = self.store.breaker(&breaker_key(&connection)).await?;
        let held_back = Standing { grant: None, breaker }.held_back(&connection).is_some();
        let by_tenant = gets_tokens_by_tenant(&connection);
        let status = connection.status(grant.as_ref(), held_back, Timestamp::now());
        let broken = is_broken(status, connection.settings.flow == Flow::AuthorizationCode);
        Ok(Shared { connection: Some(connection.id), broken, held_back, by_tenant })
    }

    /// What a search asks of a part of the mappings, in one query each.
    async fn facts_of(
        &self,
        caller: &Caller,
        integration: &Integration,
        names: bool,
        shared: Option<&Shared>,
        chunk: &Page<Mapping>,
    ) -> Result<Facts, Problem> {
        let mut facts = Facts::default();
        let mut organizations = chunk.items().map(|mapping| mapping.organization_id);
        let Some(first) = organizations.next() else { return Ok(facts) };
        let last = organizations.last().unwrap_or(first);
        if names && caller.may(Operation::OrganizationsList, caller.home) {
            let within = self.store.organizations_within(first, last).await?;
            facts.names =
                within.into_iter().map(|organization| (organization.id, organization.name)).collect();
        }
        if let Some(shared) = shared {
            facts.tokens = self.tokens_within(integration, shared, first, last).await?;
            facts.shared_is_broken = shared.broken;
        }
        Ok(facts)
    }

    /// Which of these organizations have a grant or connection of their own, and whether it is broken: as [`choose`] has
    /// it, from the index over connections' names.
    async fn tokens_within(
        &self,
        integration: &Integration,
        shared: &Shared,
        first: OrganizationId,
        last: OrganizationId,
    ) -> Result<BTreeMap<OrganizationId, Own>, Problem> {
        let name = integration.connection_name().folded();
        let named = self.store.named_within(&name, first, last).await?;
        let (connections, grants): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|named| named.key.is_connection());
        let of = |key: &ItemKey| key.scope().and_then(Scope::organization);
        let mut own: BTreeMap<OrganizationId, (ConnectionId, Own)> = BTreeMap::new();
        for connection in &connections {
            if let Some(organization) = of(&connection.key) {
                // Until its grant tells otherwise, nobody has signed in.
                own.insert(organization, (connection.id.into(), Own { broken: true, signed_in: true }));
            }
        }
        for grant in grants {
            let Some(organization) = of(&grant.key) else { continue };
            let connected = grant.status.is_some_and(GrantStatus::is_connected);
            let broken = matches!(grant.status, Some(GrantStatus::Failing | GrantStatus::Reauthorize) | None);
            match own.get_mut(&organization) {
                Some((connection, own)) if grant.connection_id == Some(*connection) => {
                    own.broken = broken || !connected;
                }
                None if connected
                    && shared.connection.is_some()
                    && grant.connection_id == shared.connection =>
                {
                    let (broken, signed_in) = (broken || shared.held_back, !shared.by_tenant);
                    let connection = shared.connection.unwrap_or_default();
                    own.insert(organization, (connection, Own { broken, signed_in }));
                }
                _ => {}
            }
        }
        Ok(own.into_iter().map(|(organization, (_, own))| (organization, own)).collect())
    }

    /// What a page of rows shows, in as many `BatchGetItem` as that makes hundreds of items.
    async fn with_rows(
        &self,
        caller: &Caller,
        integration: &Integration,
        page: Page<Mapping>,
    ) -> Result<Page<MappingRow>, Problem> {
        let connection = integration.connection_name().folded();
        let names = caller.may(Operation::OrganizationsList, caller.home);
        let mut batch = Batch::default();
        for mapping in page.items() {
            Candidates::of(Scope::Organization(mapping.organization_id), &connection).add_to(&mut batch);
            if names {
                batch.data(ItemKey::organization(mapping.organization_id));
            }
        }
        batch.data(ItemKey::breaker(Scope::Global, &connection));
        let mut found = self.store.read(batch).await?;
        let now = Timestamp::now();
        let mut reached_by = Vec::with_capacity(page.rows.len());
        let mut breakers = Batch::default();
        for mapping in page.items() {
            let reached = reach(&mut found, integration, mapping, &connection)?;
            if let Some(reached) =
                reached.as_ref().filter(|reached| reached.connection.scope != Scope::Global)
            {
                breakers.data(breaker_key(&reached.connection));
            }
            reached_by.push(reached);
        }
        found.add(self.store.read(breakers).await?);
        let mut reached_by = reached_by.into_iter();
        page.try_map(|mapping| {
            let organization = mapping.organization_id;
            let name: Option<Organization> = found.take(&ItemKey::organization(organization))?;
            let reached = reached_by.next().flatten();
            let grant = own_grant(reached.as_ref(), organization);
            let tokens = match reached {
                Some(reached) => Some(source(&found, reached, now)?),
                None => None,
            };
            let mapping = view(integration, mapping, grant);
            Ok(MappingRow { mapping, organization: name.map(|organization| organization.name), tokens })
        })
    }

    /// Whether a person signs in to the global connection that an integration uses.
    pub async fn uses_sign_in(&self, name: &Name) -> Result<bool, Problem> {
        let integration = self.integration(name).await?;
        let connection =
            self.store.connection(Scope::Global, &integration.connection_name().folded()).await?;
        Ok(connection.is_some_and(|connection| connection.settings.flow == Flow::AuthorizationCode))
    }

    /// What becomes of an organization's own grant when its mapping is deleted.
    pub async fn unlinking(&self, name: &Name, organization: OrganizationId) -> Result<Released, Problem> {
        let integration = self.integration(name).await?;
        let connection = integration.connection_name().folded();
        let key = ItemKey::grant(Scope::Organization(organization), Scope::Global, &connection);
        let global = self.store.connection(Scope::Global, &connection).await?;
        let grant = self.store.grant(&key).await?;
        let stands = grant
            .zip(global)
            .is_some_and(|(grant, global)| grant.connection_id == global.id && grant.status.is_connected());
        if !stands {
            return Ok(Released::Nothing);
        }
        let mapped = self.store.integrations_mapped_to(organization).await?;
        let others = mapped
            .into_iter()
            .filter(|other| other.id != integration.id && other.connection_name().folded() == connection);
        let others: Vec<_> = others.map(|other| other.name).collect();
        Ok(if others.is_empty() { Released::Grant } else { Released::UsedBy(others) })
    }

    /// All organizations, for a list that names them.
    pub async fn organizations_by_name(&self) -> Result<Vec<Organization>, Problem> {
        self.store.all_organizations().await
    }

    /// What an import would make of each row. `config` tells the values of the row at that place, given those that it has
    /// now; one that it leaves out stays, null removes. Writes nothing.
    pub async fn compare_mappings<F>(
        &self,
        name: &Name,
        rows: &[MappingChange],
        config: F,
    ) -> Result<Vec<Compared>, Problem>
    where
        F: Fn(usize, &Map<String, Value>) -> Result<Map<String, Value>, Vec<FieldError>>,
    {
        let integration = self.integration(name).await?;
        let folded = integration.name.folded();
        let leaving: BTreeMap<OrganizationId, &MappingChange> =
            rows.iter().filter(|row| row.entity_id.is_some()).map(|row| (row.organization, row)).collect();
        let mut compared = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(COMPARED_AT_ONCE) {
            let mut batch = Batch::default();
            for row in chunk {
                batch.data(ItemKey::mapping(row.organization, &folded));
                batch.data(ItemKey::organization(row.organization));
                if let Some(entity_id) = row.new_entity() {
                    batch.data(ItemKey::entity(integration.id, entity_id));
                }
            }
            let found = self.store.read(batch).await?;
            for row in chunk {
                let holder = match row.new_entity() {
                    Some(id) => self.store.holder(&found, integration.id, id)?.filter(|holder| {
                        let stays = |other: &&MappingChange| other.new_entity() == Some(id);
                        *holder != row.organization && leaving.get(holder).is_none_or(stays)
                    }),
                    None => None,
                };
                let index = compared.len();
                compared.push(compare(&integration, &found, row, holder, |old| config(index, old))?);
            }
        }
        Ok(compared)
    }
}

impl MappingChange {
    /// DynamoDB takes no key that is empty or longer than what the rules allow.
    fn new_entity(&self) -> Option<&str> {
        self.entity_id.as_ref()?.as_deref().filter(|id| (1..=MAX_ENTITY_ID).contains(&id.len()))
    }
}

/// The global connection as all organizations have it in common.
#[derive(Debug, Default)]
struct Shared {
    connection: Option<ConnectionId>,
    broken: bool,
    /// The provider does not accept its client.
    held_back: bool,
    by_tenant: bool,
}

/// What an organization has of its own.
#[derive(Debug)]
struct Own {
    broken: bool,
    /// Somebody signed in for it, or it was not got for the organization by the client alone.
    signed_in: bool,
}

#[derive(Debug, Default)]
struct Facts {
    names: BTreeMap<OrganizationId, String>,
    tokens: BTreeMap<OrganizationId, Own>,
    shared_is_broken: bool,
}

impl Facts {
    /// `text` in lower case.
    fn matches(
        &self,
        integration: &Integration,
        mapping: &Mapping,
        text: Option<&str>,
        state: Option<MappingState>,
    ) -> bool {
        let organization = mapping.organization_id;
        let own = self.tokens.get(&organization);
        let in_state = match state {
            None => true,
            Some(MappingState::Own) => own.is_some_and(|own| own.signed_in),
            Some(MappingState::Broken) => own.map_or(self.shared_is_broken, |own| own.broken),
            Some(MappingState::Incomplete) => {
                let schema: &ConfigSchema = &integration.config_schema;
                !schema.missing(&integration.defaults, Some(&mapping.config)).is_empty()
            }
        };
        let Some(wanted) = text.filter(|_| in_state) else { return in_state };
        let name = self.names.get(&organization).map(String::as_str);
        let texts = [name, mapping.entity_id.as_deref(), mapping.entity_name.as_deref()];
        texts.into_iter().flatten().any(|text| text.to_lowercase().contains(wanted))
            || organization.to_string().starts_with(wanted)
    }
}

/// The connection that an organization reaches, of what was read for many.
fn reach(
    found: &mut Found,
    integration: &Integration,
    mapping: &Mapping,
    connection: &FoldedName,
) -> Result<Option<Reached>, Problem> {
    let scope = Scope::Organization(mapping.organization_id);
    let candidates = Candidates::of(scope, connection);
    let mut batch = Batch::default();
    candidates.add_to(&mut batch);
    let mut part = found.part(&batch);
    let seen = Seen { integration: integration.clone(), mapping: Some(mapping.clone()) };
    choose(&mut part, scope, candidates, Some(&seen))
}

fn source(found: &Found, reached: Reached, now: Timestamp) -> Result<TokenSource, Problem> {
    let flow = reached.flow();
    let Reached { connection, grant_scope, grant, source, mint_at, .. } = reached;
    let breaker: Option<crate::store::breakers::BreakerItem> = found.see(&breaker_key(&connection))?;
    let standing = Standing { grant: None, breaker: breaker.map(|item| item.breaker) };
    let held_back = standing.held_back(&connection).cloned();
    let origin = match (connection.scope, grant_scope) {
        (Scope::Organization(_), _) => TokenOrigin::OwnConnection,
        (Scope::Global, Scope::Global) => TokenOrigin::Connection,
        (Scope::Global, Scope::Organization(_)) if source.is_some() || mint_at.is_some() => {
            TokenOrigin::OwnTenant
        }
        (Scope::Global, Scope::Organization(_)) => TokenOrigin::OwnGrant,
    };
    let grant = grant.filter(|grant| grant.status.is_connected());
    // What is redeemed from the connection's own sign-in is as good as that, until it has been tried.
    let seen = grant.as_ref().or(source.as_ref().and_then(|source| source.grant.as_ref()));
    let status = connection.status(seen, held_back.is_some(), now);
    let errors = [grant.as_ref().and_then(|grant| grant.last_error.clone()), held_back];
    let last_error = errors.into_iter().flatten().max_by_key(|error| error.at);
    let failing = matches!(status, ConnectionStatus::Failing | ConnectionStatus::Reauthorize);
    Ok(TokenSource {
        origin,
        flow,
        status,
        last_error: last_error.filter(|_| failing),
        expires_at: grant.as_ref().and_then(|grant| grant.expires_at),
        has_refresh_token: grant.as_ref().is_some_and(|grant| grant.refresh_token.is_some()),
        connection: connection.name,
    })
}

fn compare(
    integration: &Integration,
    found: &Found,
    change: &MappingChange,
    holder: Option<OrganizationId>,
    config: impl Fn(&Map<String, Value>) -> Result<Map<String, Value>, Vec<FieldError>>,
) -> Result<Compared, Problem> {
    let known: Option<Organization> = found.see(&ItemKey::organization(change.organization))?;
    let known = known.filter(|organization| organization.deleting_at.is_none());
    let old: Option<Mapping> =
        found.see(&ItemKey::mapping(change.organization, &integration.name.folded()))?;
    let old = old.filter(|old| old.integration_id == integration.id);
    let shown = old.as_ref().map(|old| old.config.shown()).unwrap_or_default();
    let (values, wrong) = match config(&shown) {
        Ok(values) => (values, None),
        Err(errors) => (Map::new(), Some(Problem::invalid_fields(errors))),
    };
    let body = changed(&integration.config_schema, old.as_ref(), shown, change, values);
    let stored = old.as_ref().map(|old| old.config.clone()).unwrap_or_default();
    let checked = NewMapping::from_input(body.clone(), &integration.config_schema, &stored);
    let problem = match (&known, wrong, checked, holder) {
        (None, ..) => Some(Problem::not_found("organization", change.organization)),
        (_, Some(problem), ..) | (_, None, Err(problem), _) => Some(problem),
        (.., Some(holder)) => {
            let detail = format!("The entity id belongs to another organization, {holder}.");
            Some(Problem::new(Code::EntityTaken, detail))
        }
        _ => None,
    };
    Ok(Compared { organization: known, old: old.map(|old| view(integration, old, None)), body, problem })
}

/// The whole mapping that a change makes of the old one. What the schema has no place for any more goes.
fn changed(
    schema: &ConfigSchema,
    old: Option<&Mapping>,
    mut config: Map<String, Value>,
    change: &MappingChange,
    values: Map<String, Value>,
) -> Map<String, Value> {
    config.retain(|key, _| schema.field(key).is_some());
    config.extend(values);
    let entity_id = change.entity_id.clone().unwrap_or_else(|| old?.entity_id.clone());
    let entity_name = change.entity_name.clone().unwrap_or_else(|| old?.entity_name.clone());
    Map::from_iter([
        ("entity_id".to_owned(), Value::from(entity_id)),
        ("entity_name".to_owned(), Value::from(entity_name)),
        ("config".to_owned(), Value::Object(config)),
    ])
}

/// Whether organizations get tokens at a tenant's URL of their own, without anybody signing in for each.
fn gets_tokens_by_tenant(connection: &Connection) -> bool {
    let settings = &connection.settings;
    let by_itself = settings.flow == Flow::ClientCredentials || settings.dialect.redeem_per_organization;
    by_itself && settings.token_placeholders().next().is_some()
}
