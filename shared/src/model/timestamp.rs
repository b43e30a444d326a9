//! Points in time, UTC, to the millisecond.

use std::{fmt, ops, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time. Written as RFC 3339 with exactly three decimals and `Z`, so that the texts sort as the times do:
/// conditions in DynamoDB compare them as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write.
const LATEST: i64 = 253_402_300_799_999;

impl Timestamp {
    pub fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        Self::from_unix_millis((now.unix_timestamp_nanos() / 1_000_000) as i64)
    }

    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_unix_millis(seconds.saturating_mul(1000))
    }

    /// Times outside 1970 to 9999 are moved to the nearer end.
    pub fn from_unix_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST))
    }

    pub fn unix_seconds(self) -> i64 {
        self.0 / 1000
    }

    pub fn unix_millis(self) -> i64 {
        self.0
    }

    /// For people: `2026-01-31 12:00 UTC`.
    pub fn to_the_minute(self) -> String {
        let text = self.to_string();
        format!("{} {} UTC", &text[..10], &text[11..16])
    }

    /// How long from `earlier` to this; nothing if this is the earlier one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

described!(Timestamp: {"type": "string", "format": "date-time"});

impl ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }
}

impl ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second, milli) = (time.hour(), time.minute(), time.second(), time.millisecond());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = time::error::Parse;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = OffsetDateTime::parse(text, &Rfc3339)?;
        Ok(Self::from_unix_millis((time.unix_timestamp_nanos() / 1_000_000) as i64))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom("not a time such as 2026-01-31T12:00:00Z (RFC 3339)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_three_decimals_so_that_texts_sort_as_times() {
        let time: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T12:00:00.000Z");
        assert!((time + Duration::from_millis(5)).to_string() > time.to_string());
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        let time: Timestamp = "2026-01-31T12:00:00+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T10:00:00.000Z");
    }

    #[test]
    fn adding_more_than_time_can_hold_stays_at_the_end() {
        assert_eq!((Timestamp::now() + Duration::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
