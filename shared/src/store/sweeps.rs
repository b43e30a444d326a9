//! What the sweeps of each hour did, added up: for people who look within a week.

use std::time::Duration;

use serde::Deserialize;

use super::{ItemKey, Store, error::problem, item::number, page::Listing};
use crate::model::{Problem, Timestamp};

const KEPT: Duration = Duration::from_secs(8 * 24 * 3600);

/// One hour's sum. An hour in which nothing was refreshed has none.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct SweptHour {
    /// Where the hour began.
    pub hour: i64,
    pub refreshed: u64,
    pub failed: u64,
}

impl Store {
    /// A write whose answer is lost is sent again by the SDK, and then counts twice: good enough to look at.
    pub async fn add_to_swept_hour(
        &self,
        hour: Timestamp,
        refreshed: u64,
        failed: u64,
    ) -> Result<(), Problem> {
        self.client
            .update_item()
            .table_name(&self.data)
            .set_key(Some(ItemKey::swept_hour(hour).attributes()))
            .update_expression(
                "SET expires_on = :until, #hour = :hour ADD refreshed :refreshed, failed :failed",
            )
            .expression_attribute_names("#hour", "hour")
            .expression_attribute_values(":until", number((hour + KEPT).unix_seconds()))
            .expression_attribute_values(":hour", number(hour.unix_seconds()))
            .expression_attribute_values(":refreshed", number(refreshed))
            .expression_attribute_values(":failed", number(failed))
            .send()
            .await
            .map(drop)
            .map_err(problem)
    }

    /// From the hour that began at `first` to the one that began at `last`.
    pub async fn swept_hours(&self, first: Timestamp, last: Timestamp) -> Result<Vec<SweptHour>, Problem> {
        self.all(&Listing::swept_hours(first, last)).await
    }
}
