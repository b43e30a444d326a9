//! The census: what counting reads of the items of a scope, and where the last count stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ItemKey, Store,
    error::problem,
    item::{from_item, text, to_item},
    page::Listing,
    transaction::Condition,
};
use crate::model::{
    ConnectionId, Problem, Scope, Timestamp, breaker::Breaker, connection::ConnectionStatus,
    grant::GrantStatus, url_template::UrlTemplate,
};

/// What [`Countable`] has, as DynamoDB wants to be asked for it.
const COUNTABLE: &str = "pk, sk, id, connection_id, #status, revision, token_url, pending_until, breaker";

/// How many there are of what, in all scopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub organizations: u64,
    /// By status; each that there can be has its number.
    pub connections: BTreeMap<ConnectionStatus, u64>,
    /// The same. Those of organizations on connections of the platform are among them.
    pub grants: BTreeMap<GrantStatus, u64>,
}

/// A count, and since when it is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// When the counting began.
    pub as_of: Timestamp,
    pub counts: Counts,
}

/// A connection, a grant or a breaker, as far as counting needs it.
#[derive(Debug, Deserialize)]
pub struct Countable {
    #[serde(flatten)]
    pub key: ItemKey,
    pub id: Option<Uuid>,
    /// Of a grant: the connection that it is on.
    pub connection_id: Option<ConnectionId>,
    /// Of a grant.
    pub status: Option<GrantStatus>,
    /// Of a connection, as the next two.
    pub revision: Option<u64>,
    pub token_url: Option<UrlTemplate>,
    pub pending_until: Option<Timestamp>,
    pub breaker: Option<Breaker>,
}

impl Store {
    /// All that is to be counted in a scope, as it was a moment ago: consistency would cost twice as much, and a census
    /// of many scopes is no picture of one moment anyway.
    pub async fn countable(&self, scope: Scope) -> Result<Vec<Countable>, Problem> {
        let listing = Listing::countable(scope);
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let answer = self
                .querying(&listing)
                .consistent_read(false)
                .projection_expression(COUNTABLE)
                .expression_attribute_names("#status", "status")
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(problem)?;
            for item in answer.items.unwrap_or_default() {
                found.push(from_item(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Puts a census in place of an earlier one. False if a later one is there: runs may overlap, for a schedule may
    /// start one twice, and the slower must not bring the past back.
    pub async fn put_census(&self, census: &Census) -> Result<bool, Problem> {
        let later = Condition::new(
            "attribute_not_exists(as_of) OR as_of < :as_of",
            [(":as_of", text(census.as_of.to_string()))],
        );
        self.put_if(to_item(&ItemKey::census(), census)?, later).await
    }

    pub async fn census(&self) -> Result<Option<Census>, Problem> {
        self.get(&ItemKey::census()).await
    }
}
