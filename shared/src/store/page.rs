//! Lists, a page at a time.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, Select},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    ItemKey, Store,
    error::problem,
    item::{Item, from_item, text},
    keys::{
        BREAKER_PREFIX, CLEANUPS, CONNECTION_PREFIX, GRANT_PREFIX, INTEGRATION_PREFIX, MAPPING_PREFIX,
        keys_of, named, organizations_partition, partition,
    },
};
use crate::model::{FoldedName, IntegrationId, OrganizationId, Problem, Scope, Timestamp};

/// How many answers make up a page at most. DynamoDB ends each at 1 MB.
const ANSWERS: usize = 4;

/// Which items, in the order of their sort keys.
#[derive(Clone, Debug)]
pub struct Listing {
    index: Index,
    partition: String,
    range: Range,
}

/// A table or one of its indexes; those are a moment behind.
#[derive(Clone, Copy, Debug)]
enum Index {
    Table,
    Children,
    Mappings,
}

#[derive(Clone, Debug)]
enum Range {
    All,
    Prefix(String),
    Between(String, String),
}

/// Where in a list an item stands: the key attributes that DynamoDB goes on after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(BTreeMap<String, String>);

/// A part of a list.
#[derive(Debug)]
pub struct Page<T> {
    pub listing: Listing,
    pub rows: Vec<Row<T>>,
    /// The list goes on behind this; `None` at its end.
    pub next: Option<Position>,
}

/// An item of a list, and where it stands.
#[derive(Debug)]
pub struct Row<T> {
    pub item: T,
    pub position: Position,
}

impl Listing {
    /// All integrations, by folded name.
    pub fn integrations() -> Self {
        Self::table(partition(Scope::Global), INTEGRATION_PREFIX)
    }

    /// A scope's connections, by folded name.
    pub fn connections(scope: Scope) -> Self {
        Self::table(partition(scope), CONNECTION_PREFIX)
    }

    /// An organization's mappings, by the integrations' folded names; those of deleted integrations too.
    pub fn mappings_to(organization: OrganizationId) -> Self {
        Self::table(partition(Scope::Organization(organization)), MAPPING_PREFIX)
    }

    /// An organization's grants, by connection.
    pub(super) fn grants_of(organization: OrganizationId) -> Self {
        Self::table(partition(Scope::Organization(organization)), GRANT_PREFIX)
    }

    /// A scope's breakers, connections and grants, in this order; with the platform's own there is [`ItemKey::census`].
    pub(super) fn countable(scope: Scope) -> Self {
        // `~` comes behind all that may follow the prefix.
        let range = Range::Between(BREAKER_PREFIX.to_owned(), format!("{GRANT_PREFIX}~"));
        Self { index: Index::Table, partition: partition(scope), range }
    }

    /// Deletions that are not finished.
    pub(super) fn cleanups() -> Self {
        Self::table(CLEANUPS.to_owned(), "")
    }

    /// What the sweeps did, by the hour.
    pub(super) fn swept_hours(first: Timestamp, last: Timestamp) -> Self {
        let (first, last) = (ItemKey::swept_hour(first), ItemKey::swept_hour(last));
        Self { index: Index::Table, partition: first.pk, range: Range::Between(first.sk, last.sk) }
    }

    /// All that an organization owns.
    pub(super) fn items_of(organization: OrganizationId) -> Self {
        Self::table(partition(Scope::Organization(organization)), "")
    }

    /// All organizations by id, which for new ones is the order of their making.
    pub fn organizations() -> Self {
        Self::table(organizations_partition().to_owned(), "")
    }

    /// Those from `first` to `last`.
    pub(super) fn organizations_within(first: OrganizationId, last: OrganizationId) -> Self {
        let range = Range::Between(first.to_string(), last.to_string());
        Self { index: Index::Table, partition: organizations_partition().to_owned(), range }
    }

    /// An integration's mappings, by the organizations' ids.
    pub fn mappings(integration: IntegrationId) -> Self {
        Self { index: Index::Mappings, partition: integration.to_string(), range: Range::All }
    }

    /// The keys of an organization or the platform, in the order of their making.
    pub fn api_keys(home: Scope) -> Self {
        Self { index: Index::Children, partition: keys_of(home), range: Range::All }
    }

    /// All connections of a name, whoever owns them, and the grants on them; or those of one scope alone.
    pub(super) fn named(connection: &FoldedName, scope: Option<Scope>) -> Self {
        let range = scope.map_or(Range::All, |scope| Range::Prefix(format!("{scope}#")));
        Self { index: Index::Children, partition: named(connection), range }
    }

    /// The same for the organizations from `first` to `last`.
    pub(super) fn named_within(connection: &FoldedName, first: OrganizationId, last: OrganizationId) -> Self {
        // `~` comes behind all that may follow an id.
        let range = Range::Between(first.to_string(), format!("{last}~"));
        Self { index: Index::Children, partition: named(connection), range }
    }

    fn table(partition: String, prefix: &str) -> Self {
        Self { index: Index::Table, partition, range: Range::Prefix(prefix.to_owned()) }
    }

    /// What a cursor is bound to; no two lists have the same.
    pub fn cursor_key(&self) -> ItemKey {
        let index = self.index.name().unwrap_or("table");
        ItemKey::new(format!("CURSOR#{index}"), format!("{:?} {:?}", self.partition, self.range))
    }
}

impl Index {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Table => None,
            Self::Children => Some("children"),
            Self::Mappings => Some("mappings"),
        }
    }

    /// The names of its partition and its sort key.
    fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Table => ("pk", "sk"),
            Self::Children => ("parent", "child"),
            Self::Mappings => ("integration_id", "organization_id"),
        }
    }
}

impl Position {
    fn of(item: &Item, index: Index) -> Result<Self, Problem> {
        let (partition, sort) = index.keys();
        let part = |name: &str| {
            let value = item.get(name).and_then(|value| value.as_s().ok());
            let value = value.ok_or_else(|| Problem::internal("an item without the key of its index"))?;
            Ok((name.to_owned(), value.clone()))
        };
        ["pk", "sk", partition, sort].into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    fn into_key(self) -> Item {
        self.0.into_iter().map(|(name, value)| (name, AttributeValue::S(value))).collect()
    }
}

impl<T> Page<T> {
    /// A whole list of at most one item.
    pub fn single(listing: Listing, item: Option<T>) -> Self {
        let row = |item| Row { item, position: Position(BTreeMap::new()) };
        Self { listing, rows: item.into_iter().map(row).collect(), next: None }
    }

    pub fn items(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().map(|row| &row.item)
    }

    /// The rows that `change` makes something of.
    pub fn filter_map<U>(self, mut change: impl FnMut(T) -> Option<U>) -> Page<U> {
        let Self { listing, rows, next } = self;
        let change = |row: Row<T>| Some(Row { item: change(row.item)?, position: row.position });
        Page { listing, rows: rows.into_iter().filter_map(change).collect(), next }
    }

    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Page<U> {
        self.filter_map(|item| Some(change(item)))
    }

    pub fn try_map<U>(self, mut change: impl FnMut(T) -> Result<U, Problem>) -> Result<Page<U>, Problem> {
        let Self { listing, rows, next } = self;
        let change = |row: Row<T>| Ok(Row { item: change(row.item)?, position: row.position });
        Ok(Page { listing, rows: rows.into_iter().map(change).collect::<Result<_, Problem>>()?, next })
    }
}

impl Store {
    /// Up to `limit` items behind a position, fewer if they are large.
    pub async fn page<T: DeserializeOwned>(
        &self,
        listing: Listing,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page<T>, Problem> {
        let mut items = Vec::new();
        let mut start = after.map(Position::into_key);
        for _ in 0..ANSWERS {
            // One more than asked for tells whether the list goes on.
            let missing = limit + 1 - items.len();
            let (more, last) = self.query(&listing, start, Some(missing)).await?;
            items.extend(more);
            start = last;
            if start.is_none() || items.len() > limit {
                break;
            }
        }
        let goes_on = start.is_some() || items.len() > limit;
        items.truncate(limit);
        let row = |item: Item| {
            let position = Position::of(&item, listing.index)?;
            Ok(Row { item: from_item(item)?, position })
        };
        let rows: Vec<Row<T>> = items.into_iter().map(row).collect::<Result<_, Problem>>()?;
        let next = rows.last().filter(|_| goes_on).map(|row| row.position.clone());
        Ok(Page { listing, rows, next })
    }

    /// As much of a list as may be read for a glance at it, and whether it goes on; of each item only these attributes,
    /// with commas between them.
    pub(super) async fn beginning<T: DeserializeOwned>(
        &self,
        listing: &Listing,
        attributes: Option<&str>,
    ) -> Result<(Vec<T>, bool), Problem> {
        let (mut beginning, mut start) = (Vec::new(), None);
        for _ in 0..ANSWERS {
            let query = self.querying(listing).set_projection_expression(attributes.map(str::to_owned));
            let answer = query.set_exclusive_start_key(start).send().await.map_err(problem)?;
            for item in answer.items.unwrap_or_default() {
                beginning.push(from_item(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok((beginning, false));
            }
        }
        Ok((beginning, true))
    }

    /// The whole list; for lists that are known to be short, and for work that goes through all of it.
    pub(super) async fn all<T: DeserializeOwned>(&self, listing: &Listing) -> Result<Vec<T>, Problem> {
        let mut all = Vec::new();
        let mut start = None;
        loop {
            let (items, last) = self.query(listing, start, None).await?;
            for item in items {
                all.push(from_item(item)?);
            }
            start = last;
            if start.is_none() {
                return Ok(all);
            }
        }
    }

    /// How many there are, and whether these are all: so many are counted as a few answers of DynamoDB tell.
    pub async fn count(&self, listing: &Listing) -> Result<(u64, bool), Problem> {
        let (mut count, mut start) = (0, None);
        for _ in 0..ANSWERS {
            let query = self.querying(listing).select(Select::Count).set_exclusive_start_key(start);
            let answer = query.send().await.map_err(problem)?;
            count += u64::try_from(answer.count).unwrap_or(0);
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok((count, true));
            }
        }
        Ok((count, false))
    }

    /// One answer of DynamoDB, and the key to go on from.
    async fn query(
        &self,
        listing: &Listing,
        start: Option<Item>,
        limit: Option<usize>,
    ) -> Result<(Vec<Item>, Option<Item>), Problem> {
        let answer = self
            .querying(listing)
            .set_exclusive_start_key(start)
            .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .send()
            .await
            .map_err(problem)?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    pub(super) fn querying(&self, listing: &Listing) -> QueryFluentBuilder {
        let (partition, sort) = listing.index.keys();
        let mut names = HashMap::from([("#partition".to_owned(), partition.to_owned())]);
        let mut values = HashMap::from([(":partition".to_owned(), text(&listing.partition))]);
        let mut condition = "#partition = :partition".to_owned();
        let (within, bounds) = match &listing.range {
            // DynamoDB takes no empty prefix.
            Range::All => ("", vec![]),
            Range::Prefix(prefix) if prefix.is_empty() => ("", vec![]),
            Range::Prefix(prefix) => (" AND begins_with(#sort, :a)", vec![(":a", prefix)]),
            Range::Between(a, b) => (" AND #sort BETWEEN :a AND :b", vec![(":a", a), (":b", b)]),
        };
        if !bounds.is_empty() {
            condition.push_str(within);
            names.insert("#sort".to_owned(), sort.to_owned());
            values.extend(bounds.into_iter().map(|(name, value)| (name.to_owned(), text(value))));
        }
        self.client
            .query()
            .table_name(&self.data)
            .set_index_name(listing.index.name().map(str::to_owned))
            .consistent_read(matches!(listing.index, Index::Table))
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = Range> {
        prop_oneof![
            Just(Range::All),
            "[A-Z#\" ]{0,4}".prop_map(Range::Prefix),
            ("[a-c#\"~ ]{0,3}", "[a-c#\"~ ]{0,3}").prop_map(|(a, b)| Range::Between(a, b)),
        ]
    }

    fn listing() -> impl Strategy<Value = Listing> {
        let index = prop_oneof![Just(Index::Table), Just(Index::Children), Just(Index::Mappings)];
        let parts = (index, "[A-C#\"\\\\ ]{0,4}", range());
        parts.prop_map(|(index, partition, range)| Listing { index, partition, range })
    }

    proptest! {
        #[test]
        fn no_two_lists_bind_their_cursors_to_the_same(one in listing(), other in listing()) {
            let same = one.index.name() == other.index.name()
                && one.partition == other.partition
                && format!("{:?}", one.range) == format!("{:?}", other.range);
            prop_assert_eq!(one.cursor_key() == other.cursor_key(), same);
        }

        #[test]
        fn a_position_is_the_same_after_a_cursor(keys in proptest::collection::btree_map(".{0,8}", ".{0,40}", 0..4)) {
            let position = Position(keys);
            let text = serde_json::to_string(&position).unwrap();
            prop_assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
        }
    }
}
