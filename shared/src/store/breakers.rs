//! Breakers of connections, each an item beside its connection.

use std::time::Duration;

use serde::Deserialize;

use super::{
    ItemKey, Store,
    error::{found_instead, problem},
    item::{attribute, from_item, number, text},
};
use crate::model::{Problem, Timestamp, breaker::Breaker};

/// A breaker that nobody has touched for this long has nothing to say: the next refusal makes a new one.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The item that holds a breaker.
#[derive(Debug, Deserialize)]
pub struct BreakerItem {
    pub breaker: Breaker,
}

impl Store {
    /// The breaker as it was a moment ago. A moment's ignorance costs a request; what is written rests on the stamp.
    pub async fn breaker(&self, key: &ItemKey) -> Result<Option<Breaker>, Problem> {
        let request = self.client.get_item().table_name(&self.data).set_key(Some(key.attributes()));
        let answer = request.consistent_read(false).send().await.map_err(problem)?;
        let item: Option<BreakerItem> = answer.item.map(from_item).transpose()?;
        Ok(item.map(|item| item.breaker))
    }

    /// Writes `next` in place of `seen`; false if that is no longer what stands.
    pub async fn write_breaker(
        &self,
        key: &ItemKey,
        seen: Option<&Breaker>,
        next: &Breaker,
        now: Timestamp,
    ) -> Result<bool, Problem> {
        let request = self
            .client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(key.attributes()))
            .update_expression("SET breaker = :breaker, stamp = :stamp, expires_on = :until")
            .expression_attribute_values(":breaker", attribute(next)?)
            .expression_attribute_values(":stamp", text(next.stamp.to_string()))
            .expression_attribute_values(":until", number((now + KEPT).unix_seconds()));
        // The SDK tries again when an answer is lost; what is there by then may be this very write.
        let request = match seen {
            None => request.condition_expression("attribute_not_exists(pk) OR stamp = :stamp"),
            Some(seen) => request
                .condition_expression("stamp = :seen OR stamp = :stamp")
                .expression_attribute_values(":seen", text(seen.stamp.to_string())),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => found_instead(error).map(|_| false),
        }
    }
}
