//! Grants: the one item that several processes want to change at the same moment.
//!
//! Every write here is one conditional update of one item. What each condition guards against is said beside it; the
//! protocol they make up is described in `app::refresh`.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure, Select},
};
use serde::Deserialize;

use super::{
    ItemKey, Store,
    error::{found_instead, met_a_transaction, problem},
    item::{Item, attribute, from_item, number, text, to_item},
    keys::{SHARDS, due_shard},
    page::Listing,
    transaction::{Condition, Refused, Transaction},
};
use crate::model::{
    Code, ConnectionId, FoldedName, GrantId, Incarnation, OrganizationId, Problem, Scope, Sealed, Timestamp,
    connection::{Connection, LastError},
    grant::{Grant, GrantStatus},
    identity::Identity,
};

/// A connection, or a grant on one, as the index over connections' names has it.
#[derive(Debug, Deserialize)]
pub struct Named {
    #[serde(flatten)]
    pub key: ItemKey,
    pub id: uuid::Uuid,
    /// The connection that a grant is on.
    pub connection_id: Option<ConnectionId>,
    /// How a grant is doing.
    pub status: Option<GrantStatus>,
}

/// Before a write that met a transaction is tried again, in milliseconds; what conflicts is over sooner.
const CONFLICT_PAUSES: [u64; 4] = [20, 60, 180, 540];

/// What came of a write that others may have forestalled.
#[derive(Debug)]
pub enum Written {
    /// The grant as it is now.
    Done(Box<Grant>),
    /// The condition did not hold; the grant as it is instead, if there still is one.
    Forestalled(Option<Box<Grant>>),
}

/// Who writes about which exchange: the lease's owner, and what it set out to spend.
#[derive(Clone, Debug)]
pub struct Holder {
    pub grant: GrantId,
    pub owner: String,
    pub incarnation: Incarnation,
    /// The generation whose refresh token the exchange spends.
    pub spending: u64,
}

/// A token set as it is stored.
#[derive(Clone, Debug)]
pub struct NewTokens {
    pub access_token: Sealed,
    /// None keeps the one there is (RFC 6749 section 6: an answer without a refresh token means the old one stays).
    pub refresh_token: Option<Sealed>,
    pub token_type: String,
    /// None keeps those there are.
    pub scopes: Option<Vec<String>>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// When the sweep should refresh it, if ever.
    pub refresh_at: Option<Timestamp>,
    pub url_values: std::collections::BTreeMap<String, String>,
    pub facts: std::collections::BTreeMap<String, String>,
    /// The sign-in whose refresh token was redeemed for them.
    pub redeemed_from: Option<Incarnation>,
    /// None keeps the one there is.
    pub identity: Option<Identity>,
    /// A refresh that someone without `edit` forced.
    pub forced: bool,
    /// Another exchange may have presented the same refresh token: a provider that takes that for theft may yet end the
    /// whole family.
    pub contested: bool,
}

/// A failed exchange as it is stored.
#[derive(Clone, Debug)]
pub struct FailedExchange {
    pub status: GrantStatus,
    pub error: LastError,
    pub next: NextAttempt,
    /// The refresh token may have been spent.
    pub maybe_spent: bool,
}

/// What a new grant came of.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A sign-in with this ticket, by its hash.
    Ticket(&'a str),
    /// The same, but it was held with this state; and what to tell whoever comes with that again.
    Held { ticket: &'a str, state: &'a str, outcome: &'a str },
    /// It was brought along from elsewhere.
    Import,
}

/// A part of a shard's due grants.
#[derive(Debug)]
pub struct DuePage {
    /// An error for each that is no key of ours.
    pub keys: Vec<Result<ItemKey, Problem>>,
    /// None: there are no more.
    pub next: Option<DuePosition>,
}

/// When something in the index is due.
#[derive(Deserialize)]
struct Due {
    refresh_at: i64,
}

/// Where in a shard's due grants a page ended.
#[derive(Clone, Debug)]
pub struct DuePosition(Item);

/// When a grant that failed is tried again.
#[derive(Clone, Copy, Debug)]
pub enum NextAttempt {
    Never,
    /// No attempt before this time. `swept`: the sweep makes one then.
    At {
        time: Timestamp,
        swept: bool,
    },
    /// When the connection's breaker lets it. For the sweep it stays due when it was.
    WithTheClient,
}

impl Store {
    pub async fn grant(&self, key: &ItemKey) -> Result<Option<Grant>, Problem> {
        self.get(key).await
    }

    /// The grant as it was a moment ago, at half the price: enough to see whether looking closely pays.
    pub async fn glimpse_grant(&self, key: &ItemKey) -> Result<Option<Grant>, Problem> {
        let request = self.client.get_item().table_name(&self.data).set_key(Some(key.attributes()));
        let answer = request.consistent_read(false).send().await.map_err(problem)?;
        answer.item.map(from_item).transpose()
    }

    /// Takes the lease on the grant exactly as it was seen: same incarnation, same generation, same failures, same lease
    /// or none. So
    /// the re-read under the lease and the taking are one write, and a lease that lapsed unreleased, the sign that its
    /// holder may have spent the token, can't go unnoticed.
    pub async fn lease_grant(
        &self,
        key: &ItemKey,
        seen: &Grant,
        holder: &Holder,
        until: Timestamp,
    ) -> Result<Written, Problem> {
        let mut values = holder_values(holder, until);
        let lease = match &seen.lease {
            None => "attribute_not_exists(lease_until)",
            Some(lease) => {
                values.insert(":seen_owner".to_owned(), text(&lease.owner));
                values.insert(":seen_until".to_owned(), text(lease.until.to_string()));
                "lease_owner = :seen_owner AND lease_until = :seen_until"
            }
        };
        let failures = failures_as_seen(seen, &mut values);
        let condition =
            format!("incarnation = :incarnation AND generation = :spending AND {lease} AND {failures}");
        self.update_grant(key, "SET lease_owner = :owner, lease_until = :until", &condition, values).await
    }

    /// Makes a client_credentials grant, leased by its maker before the first token is there. `replaced` is what stood
    /// under the key: nothing, or the grant of an earlier connection of the same name.
    pub async fn create_leased_grant(
        &self,
        key: &ItemKey,
        scope: Scope,
        grant: &Grant,
        replaced: Option<&Grant>,
    ) -> Result<bool, Problem> {
        let mut transaction = Transaction::new(self).in_scope(scope)?;
        if let Some((_, connection)) = key.grant_parts() {
            let very_one = Condition::has_id(grant.connection_id);
            transaction = transaction.check(&connection, very_one, Refused::ParentGone)?;
        }
        let condition = unchanged(replaced);
        let created = transaction.put(grant_item(key, grant)?, condition, Refused::Changed)?.commit().await?;
        match created {
            Ok(()) => Ok(true),
            Err(Refused::Changed) => Ok(false),
            // As if it had been asked for a moment later.
            Err(Refused::ParentGone) => Err(Problem::not_found("connection", "of that name")),
            Err(refused) => {
                Err(refused.into_problem(Problem::new(Code::Conflict, "The grant was changed meanwhile.")))
            }
        }
    }

    /// Holds on to the lease while a slow provider makes up its mind. False if it is lost.
    pub async fn renew_lease(
        &self,
        key: &ItemKey,
        holder: &Holder,
        until: Timestamp,
    ) -> Result<bool, Problem> {
        let condition = "incarnation = :incarnation AND generation = :spending AND lease_owner = :owner";
        let update = "SET lease_until = :until";
        let written = self.update_grant(key, update, condition, holder_values(holder, until)).await?;
        Ok(matches!(written, Written::Done(_)))
    }

    /// Gives the lease back without having spent anything.
    pub async fn release_lease(&self, key: &ItemKey, holder: &Holder) -> Result<(), Problem> {
        let values = Item::from([(":owner".to_owned(), text(&holder.owner))]);
        self.update_grant(key, "REMOVE lease_owner, lease_until", "lease_owner = :owner", values)
            .await
            .map(drop)
    }

    /// The critical write: the tokens of a finished exchange. It holds while the incarnation stands and either the
    /// lease is still ours, or nobody else has brought a newer generation. Another's lease is left alone.
    pub async fn write_tokens(
        &self,
        key: &ItemKey,
        holder: &Holder,
        tokens: &NewTokens,
        now: Timestamp,
    ) -> Result<Written, Problem> {
        let (mut set, mut remove, values) = token_update(holder.grant, tokens, now)?;
        let holder_values = || {
            let mut values = values.clone();
            values.insert(":incarnation".to_owned(), text(holder.incarnation.to_string()));
            values
        };
        if tokens.refresh_at.is_none() {
            remove.extend(["due_shard", "refresh_at"]);
        }
        set.push("generation = generation + :one");
        let update = format!("SET {} REMOVE {}", set.join(", "), remove.join(", "));
        let with_lease = format!("{update}, lease_owner, lease_until");
        let mut mine = holder_values();
        mine.insert(":owner".to_owned(), text(&holder.owner));
        let condition = "incarnation = :incarnation AND lease_owner = :owner";
        match self.update_grant(key, &with_lease, condition, mine).await? {
            Written::Done(grant) => return Ok(Written::Done(grant)),
            Written::Forestalled(None) => return Ok(Written::Forestalled(None)),
            Written::Forestalled(Some(_)) => {}
        }
        let mut current = holder_values();
        current.insert(":spending".to_owned(), number(holder.spending));
        // Someone took the lease over, and may have presented the same refresh token.
        current.insert(":contested".to_owned(), AttributeValue::Bool(true));
        self.update_grant(key, &update, "incarnation = :incarnation AND generation = :spending", current)
            .await
    }

    /// Notes a failed exchange, unless anything at all has moved: a loser's failure must not mark what a winner has
    /// just refreshed.
    pub async fn write_failure(
        &self,
        key: &ItemKey,
        holder: &Holder,
        failure: &FailedExchange,
        now: Timestamp,
    ) -> Result<Written, Problem> {
        let (update, mut values) = failure_update(holder.grant, failure, true, now)?;
        values.insert(":incarnation".to_owned(), text(holder.incarnation.to_string()));
        values.insert(":owner".to_owned(), text(&holder.owner));
        values.insert(":spending".to_owned(), number(holder.spending));
        let condition = "incarnation = :incarnation AND lease_owner = :owner AND generation = :spending";
        self.update_grant(key, &update, condition, values).await
    }

    /// Notes a failure before anything was spent, on the grant as it was seen and only while nobody is at it.
    pub async fn write_unbegun(
        &self,
        key: &ItemKey,
        seen: &Grant,
        failure: &FailedExchange,
        now: Timestamp,
    ) -> Result<Written, Problem> {
        let (update, mut values) = failure_update(seen.id, failure, false, now)?;
        let unchanged = unchanged(Some(seen));
        values.extend(unchanged.values);
        let failures = failures_as_seen(seen, &mut values);
        let free = "(attribute_not_exists(lease_until) OR lease_until < :now)";
        let condition = format!("{} AND {failures} AND {free}", unchanged.expression);
        self.update_grant(key, &update, &condition, values).await
    }

    /// Writes a new grant in place of `replaced`, and uses up what it came of. `Ok(Err(()))`: the grant moved meanwhile,
    /// read it again; any other refusal is a problem.
    pub async fn connect_grant(
        &self,
        key: &ItemKey,
        scope: Scope,
        connection: &Connection,
        grant: &Grant,
        replaced: Option<&Grant>,
        origin: &Origin<'_>,
    ) -> Result<Result<(), ()>, Problem> {
        let item = grant_item(key, grant)?;
        let connection_key = ItemKey::connection(connection.scope, &connection.name.folded());
        let very_one = Condition::has_id(connection.id);
        let transaction = Transaction::new(self).in_scope(scope)?;
        // The connection's own state is that of its own scope's grant.
        let transaction = if scope == connection.scope {
            let update = "REMOVE pending_until, connect_error";
            transaction.update(&connection_key, update, very_one, Refused::ParentGone)?
        } else {
            transaction.check(&connection_key, very_one, Refused::ParentGone)?
        };
        let transaction = transaction.using_up(origin, grant)?;
        let connected = transaction.put(item, unchanged(replaced), Refused::Changed)?.commit().await?;
        match connected {
            Ok(()) => Ok(Ok(())),
            Err(Refused::Changed) => Ok(Err(())),
            Err(refused) => {
                Err(refused.into_problem(Problem::new(Code::Conflict, "The grant was changed meanwhile.")))
            }
        }
    }

    /// Adds who signed in, unless someone else has since, or a refresh has brought it.
    pub async fn note_identity(
        &self,
        key: &ItemKey,
        incarnation: Incarnation,
        identity: &Identity,
    ) -> Result<(), Problem> {
        let values = Item::from([
            (":identity".to_owned(), attribute(identity)?),
            (":incarnation".to_owned(), text(incarnation.to_string())),
        ]);
        let condition = "incarnation = :incarnation AND attribute_not_exists(signed_in_as)";
        self.update_grant(key, "SET signed_in_as = :identity", condition, values).await.map(drop)
    }

    /// Some of the grants of a shard whose time had come at `now`, the most overdue first, and where to go on.
    pub async fn due_grants(
        &self,
        shard: u16,
        now: Timestamp,
        after: Option<DuePosition>,
        limit: i32,
    ) -> Result<DuePage, Problem> {
        let query = self.due_query(shard, now, after).limit(limit);
        let answer = query.send().await.map_err(problem)?;
        let items = answer.items.unwrap_or_default();
        let keys = items.into_iter().map(from_item).collect();
        Ok(DuePage { keys, next: answer.last_evaluated_key.map(DuePosition) })
    }

    /// How many more there are, and where to go on counting.
    pub async fn count_due_grants(
        &self,
        shard: u16,
        now: Timestamp,
        after: Option<DuePosition>,
    ) -> Result<(u64, Option<DuePosition>), Problem> {
        let query = self.due_query(shard, now, after).select(Select::Count);
        let answer = query.send().await.map_err(problem)?;
        Ok((u64::try_from(answer.count).unwrap_or(0), answer.last_evaluated_key.map(DuePosition)))
    }

    /// When grants of a shard are due until then, the most overdue first, and whether these are all: at most as many are
    /// read as so many answers of DynamoDB hold.
    pub async fn due_times(
        &self,
        shard: u16,
        until: Timestamp,
        answers: usize,
    ) -> Result<(Vec<Timestamp>, bool), Problem> {
        let (mut times, mut after) = (Vec::new(), None);
        for _ in 0..answers {
            let query = self.due_query(shard, until, after).projection_expression("refresh_at");
            let answer = query.send().await.map_err(problem)?;
            for item in answer.items.unwrap_or_default() {
                times.push(Timestamp::from_unix_seconds(from_item::<Due>(item)?.refresh_at));
            }
            after = answer.last_evaluated_key.map(DuePosition);
            if after.is_none() {
                return Ok((times, true));
            }
        }
        Ok((times, false))
    }

    fn due_query(&self, shard: u16, now: Timestamp, after: Option<DuePosition>) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.data)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND refresh_at <= :now")
            .expression_attribute_values(":shard", text(due_shard(shard)))
            .expression_attribute_values(":now", number(now.unix_seconds()))
            .set_exclusive_start_key(after.map(|position| position.0))
    }

    /// Forgets a grant exactly as it was seen: a tombstone keeps the generation under a new incarnation, so that
    /// whatever is still on its way here for the old one finds nothing to write to. False if it moved meanwhile.
    pub async fn disconnect_grant(
        &self,
        key: &ItemKey,
        seen: &Grant,
        connection_revision: u64,
        now: Timestamp,
    ) -> Result<bool, Problem> {
        let mut condition = unchanged(Some(seen));
        let tombstone = Incarnation::new();
        let set = [
            ("status", attribute(GrantStatus::Disconnected)?),
            ("new_incarnation", text(tombstone.to_string())),
            ("revision", number(connection_revision)),
            ("now", text(now.to_string())),
        ];
        condition.values.extend(set.map(|(name, value)| (format!(":{name}"), value)));
        let update = "SET #status = :status, incarnation = :new_incarnation, disconnected_at_revision = :revision, \
                      updated_at = :now \
                      REMOVE access_token, refresh_token, lease_owner, lease_until, due_shard, refresh_at, retry_at, \
                      last_error, maybe_spent, failures, issued_at, expires_at, signed_in_as";
        Ok(match self.update_grant(key, update, &condition.expression, condition.values).await? {
            Written::Done(_) => true,
            // The answer to an earlier try of the SDK was lost, but the try was not.
            Written::Forestalled(found) => found.is_some_and(|grant| grant.incarnation == tombstone),
        })
    }

    /// Takes away what keeps a client that speaks for itself from being tried: that it was disconnected, or that its last
    /// attempt failed. False if the grant is no longer as it was seen.
    pub async fn unhinder_grant(&self, key: &ItemKey, seen: &Grant, now: Timestamp) -> Result<bool, Problem> {
        let mut condition = unchanged(Some(seen));
        // Every revision is later than this one.
        condition.values.insert(":never".to_owned(), number(0));
        condition.values.insert(":now".to_owned(), text(now.to_string()));
        let update = "SET disconnected_at_revision = :never, updated_at = :now REMOVE retry_at";
        let written = self.update_grant(key, update, &condition.expression, condition.values).await?;
        Ok(matches!(written, Written::Done(_)))
    }

    /// A connection's grants, in all scopes. From an index: a moment behind.
    pub async fn grants_on(&self, connection: &Connection) -> Result<Vec<Named>, Problem> {
        let owner = Some(connection.scope).filter(|scope| *scope != Scope::Global);
        let mut named: Vec<Named> = self.all(&Listing::named(&connection.name.folded(), owner)).await?;
        named.retain(|named| named.connection_id == Some(connection.id));
        Ok(named)
    }

    /// The first so many of the same, for showing; and whether these are all.
    pub async fn some_grants_on(
        &self,
        connection: (ConnectionId, &FoldedName),
        limit: usize,
    ) -> Result<(Vec<Named>, bool), Problem> {
        let (id, name) = connection;
        let page = self.page::<Named>(Listing::named(name, None), limit, None).await?;
        let complete = page.next.is_none();
        let named = page.rows.into_iter().map(|row| row.item);
        Ok((named.filter(|named| named.connection_id == Some(id)).collect(), complete))
    }

    /// The connections of this name that organizations from `first` to `last` own, and their grants on any of that
    /// name. From an index: a moment behind.
    pub async fn named_within(
        &self,
        connection: &FoldedName,
        first: OrganizationId,
        last: OrganizationId,
    ) -> Result<Vec<Named>, Problem> {
        self.all(&Listing::named_within(connection, first, last)).await
    }

    /// All connections of this name and the grants on them, as far as a glance goes, and whether there are more. From an
    /// index: a moment behind.
    pub async fn glimpse_named(&self, connection: &FoldedName) -> Result<(Vec<Named>, bool), Problem> {
        self.beginning(&Listing::named(connection, None), None).await
    }

    /// Removes a grant whose connection is gone, unless it has changed since it was seen.
    pub async fn delete_grant(&self, key: &ItemKey, seen: &Grant) -> Result<bool, Problem> {
        self.delete_if(key, unchanged(Some(seen))).await
    }

    /// Takes a grant whose connection is gone out of the sweep's sight, unless it has changed since it was seen.
    pub async fn forget_due_grant(&self, key: &ItemKey, seen: &Grant) -> Result<(), Problem> {
        let condition = unchanged(Some(seen));
        let update = "REMOVE due_shard, refresh_at";
        self.update_grant(key, update, &condition.expression, condition.values).await.map(drop)
    }

    async fn update_grant(
        &self,
        key: &ItemKey,
        update: &str,
        condition: &str,
        values: Item,
    ) -> Result<Written, Problem> {
        let names = update.contains("#status").then(|| [("#status".to_owned(), "status".to_owned())].into());
        let request = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key.attributes()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        let mut sent = request.clone().send().await;
        for pause in CONFLICT_PAUSES {
            if !sent.as_ref().is_err_and(met_a_transaction) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            sent = request.clone().send().await;
        }
        match sent {
            Ok(answer) => Ok(Written::Done(Box::new(from_item(answer.attributes.unwrap_or_default())?))),
            Err(error) => {
                let found = found_instead(error)?.map(from_item).transpose()?;
                Ok(Written::Forestalled(found.map(Box::new)))
            }
        }
    }
}

impl Transaction<'_> {
    /// A ticket serves one grant, and a grant that was held is placed once.
    fn using_up(self, origin: &Origin<'_>, grant: &Grant) -> Result<Self, Problem> {
        let ticket = match *origin {
            Origin::Import => return Ok(self),
            Origin::Ticket(ticket) | Origin::Held { ticket, .. } => ticket,
        };
        let now = text(grant.updated_at.to_string());
        let unused =
            Condition::new("attribute_exists(pk) AND attribute_not_exists(used_at)", [(":now", now)]);
        let transaction =
            self.update(&ItemKey::ticket(ticket), "SET used_at = :now", unused, Refused::ParentGone)?;
        let Origin::Held { state, outcome, .. } = *origin else { return Ok(transaction) };
        let values = [(":held", text(grant.incarnation.to_string())), (":outcome", text(outcome))];
        let still_held = Condition::new("held.incarnation = :held", values);
        let update = "SET outcome = :outcome REMOVE held";
        transaction.update(&ItemKey::callback_state(state), update, still_held, Refused::ParentGone)
    }
}

/// Which shard of the `due` index a grant is in, for ever.
pub fn shard_of(grant: GrantId) -> u16 {
    // The last bytes of a version 7 UUID are random; the first are the time.
    let bytes = grant.uuid().into_bytes();
    u16::from(bytes[15]) % SHARDS
}

fn grant_item(key: &ItemKey, grant: &Grant) -> Result<Item, Problem> {
    let mut item = to_item(key, grant)?;
    if grant.refresh_at.is_some() {
        item.insert("due_shard".to_owned(), text(due_shard(shard_of(grant.id))));
    }
    Ok(item)
}

/// The item under a grant's key is still what was read.
fn unchanged(seen: Option<&Grant>) -> Condition {
    match seen {
        None => Condition::absent(),
        Some(seen) => Condition::new(
            "id = :id AND incarnation = :incarnation AND generation = :generation",
            [
                (":id", text(seen.id.to_string())),
                (":incarnation", text(seen.incarnation.to_string())),
                (":generation", number(seen.generation)),
            ],
        ),
    }
}

/// No exchange has come and gone since the grant was seen: each that fails is counted. Without this, a lease taken and
/// given back in between would go unnoticed, and with it what its holder noted.
fn failures_as_seen(seen: &Grant, values: &mut Item) -> &'static str {
    values.insert(":failures".to_owned(), number(seen.failures));
    match seen.failures {
        0 => "(attribute_not_exists(failures) OR failures = :failures)",
        _ => "failures = :failures",
    }
}

fn holder_values(holder: &Holder, until: Timestamp) -> Item {
    Item::from([
        (":owner".to_owned(), text(&holder.owner)),
        (":until".to_owned(), text(until.to_string())),
        (":incarnation".to_owned(), text(holder.incarnation.to_string())),
        (":spending".to_owned(), number(holder.spending)),
    ])
}

type Update = (Vec<&'static str>, Vec<&'static str>, Item);

/// What both forms of a failure's write have in common.
///
/// Without `release` a lapsed lease stays: it says that the token may have been spent.
fn failure_update(
    grant: GrantId,
    failure: &FailedExchange,
    release: bool,
    now: Timestamp,
) -> Result<(String, Item), Problem> {
    let mut values = Item::from([
        (":status".to_owned(), attribute(failure.status)?),
        (":error".to_owned(), attribute(&failure.error)?),
        (":spent".to_owned(), AttributeValue::Bool(failure.maybe_spent)),
        (":zero".to_owned(), number(0)),
        (":one".to_owned(), number(1)),
        (":now".to_owned(), text(now.to_string())),
    ]);
    let mut set = vec![
        "#status = :status",
        "last_error = :error",
        "maybe_spent = :spent",
        "failures = if_not_exists(failures, :zero) + :one",
        "updated_at = :now",
    ];
    let mut remove = if release { vec!["lease_owner", "lease_until"] } else { Vec::new() };
    match failure.next {
        NextAttempt::Never => remove.extend(["retry_at", "due_shard", "refresh_at"]),
        NextAttempt::WithTheClient => remove.push("retry_at"),
        NextAttempt::At { time, swept } => {
            set.push("retry_at = :retry_at");
            values.insert(":retry_at".to_owned(), text(time.to_string()));
            if swept {
                set.extend(["refresh_at = :refresh_at", "due_shard = :due_shard"]);
                // Rounded up: the sweep must not come before the time that `retry_at` says to the millisecond.
                values.insert(":refresh_at".to_owned(), number(time.unix_seconds() + 1));
                values.insert(":due_shard".to_owned(), text(due_shard(shard_of(grant))));
            } else {
                remove.extend(["due_shard", "refresh_at"]);
            }
        }
    }
    let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
    Ok((format!("SET {}{remove}", set.join(", ")), values))
}

/// What both forms of the critical write have in common.
fn token_update(grant: GrantId, tokens: &NewTokens, now: Timestamp) -> Result<Update, Problem> {
    let mut set = vec![
        "#status = :status",
        "access_token = :access_token",
        "token_type = :token_type",
        "issued_at = :issued_at",
        "expires_at = :expires_at",
        "url_values = :url_values",
        "facts = :facts",
        "last_refresh_at = :now",
        "updated_at = :now",
        "maybe_spent = :contested",
        "failures = :zero",
    ];
    let mut values = Item::from([
        (":status".to_owned(), attribute(GrantStatus::Active)?),
        (":access_token".to_owned(), attribute(&tokens.access_token)?),
        (":token_type".to_owned(), text(&tokens.token_type)),
        (":issued_at".to_owned(), text(tokens.issued_at.to_string())),
        (":expires_at".to_owned(), text(tokens.expires_at.to_string())),
        (":url_values".to_owned(), attribute(&tokens.url_values)?),
        (":facts".to_owned(), attribute(&tokens.facts)?),
        (":now".to_owned(), text(now.to_string())),
        (":contested".to_owned(), AttributeValue::Bool(tokens.contested)),
        (":zero".to_owned(), number(0)),
        (":one".to_owned(), number(1)),
    ]);
    if let Some(refresh_token) = &tokens.refresh_token {
        set.push("refresh_token = :refresh_token");
        values.insert(":refresh_token".to_owned(), attribute(refresh_token)?);
    }
    if let Some(scopes) = &tokens.scopes {
        set.push("scopes = :scopes");
        values.insert(":scopes".to_owned(), attribute(scopes)?);
    }
    if let Some(identity) = &tokens.identity {
        set.push("signed_in_as = :identity");
        values.insert(":identity".to_owned(), attribute(identity)?);
    }
    if let Some(at) = tokens.refresh_at {
        set.extend(["refresh_at = :refresh_at", "due_shard = :due_shard"]);
        values.insert(":refresh_at".to_owned(), number(at.unix_seconds()));
        values.insert(":due_shard".to_owned(), text(due_shard(shard_of(grant))));
    }
    if let Some(sign_in) = tokens.redeemed_from {
        set.push("redeemed_from = :redeemed_from");
        values.insert(":redeemed_from".to_owned(), text(sign_in.to_string()));
    }
    if tokens.forced {
        set.push("forced_at = :now");
    }
    Ok((set, vec!["last_error", "retry_at"], values))
}
