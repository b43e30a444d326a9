//! Times and states in words.

use std::time::Duration;

use bifrost::model::{Timestamp, connection::ConnectionStatus, grant::GrantStatus};
use maud::{Markup, html};

/// A point in time as seen from now, with the exact one on hover: "in 12 minutes", "3 days ago".
pub(crate) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(exact(at)) { (from_now(at, now)) } }
}

/// The same, or a dash that is read out as a word.
pub(crate) fn time_if_any(at: Option<Timestamp>, now: Timestamp) -> Markup {
    at.map_or_else(nothing, |at| time(at, now))
}

/// For what is not there.
pub(crate) fn nothing() -> Markup {
    html! { span.none aria-label="none" role="img" { "–" } }
}

/// `2026-01-31 12:00:05 UTC`
fn exact(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", &text[..10], &text[11..19])
}

fn from_now(at: Timestamp, now: Timestamp) -> String {
    let (ahead, behind) = (at.since(now), now.since(at));
    match (in_words(ahead), in_words(behind)) {
        (Some(words), _) => format!("in {words}"),
        (_, Some(words)) => format!("{words} ago"),
        (None, None) => "now".to_owned(),
    }
}

/// To one unit, as people say it; nothing for less than a second.
fn in_words(time: Duration) -> Option<String> {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0 => return None,
        1..=89 => (seconds, "second"),
        90..=5_399 => ((seconds + 30) / 60, "minute"),
        5_400..=129_599 => ((seconds + 1_800) / 3_600, "hour"),
        _ => ((seconds + 43_200) / 86_400, "day"),
    };
    Some(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
}

/// A connection's status as the documentation calls it.
pub(crate) fn status(status: ConnectionStatus) -> Markup {
    let (class, word) = match status {
        ConnectionStatus::NotConnected => ("idle", "Not connected"),
        ConnectionStatus::Pending => ("idle", "Waiting for sign-in"),
        ConnectionStatus::Active => ("good", "Active"),
        ConnectionStatus::Failing => ("warn", "Failing, retrying"),
        ConnectionStatus::Reauthorize => ("bad", "Reconnect needed"),
    };
    badge(class, word)
}

/// The same of a grant, which a connection has for itself or for an organization.
pub(crate) fn grant_status(grant: GrantStatus) -> Markup {
    status(status_of_grant(grant))
}

pub(crate) fn status_of_grant(grant: GrantStatus) -> ConnectionStatus {
    ConnectionStatus::of(Some(grant), false, false)
}

/// A word with a colour, for those who see it: `good`, `warn`, `bad`, `idle`.
pub(crate) fn badge(class: &str, word: &str) -> Markup {
    html! { span class={ "badge " (class) } { (word) } }
}

/// "1 mapping", "2 mappings".
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_people_would_take() {
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let told = |seconds: i64| from_now(Timestamp::from_unix_seconds(1_800_000_000 + seconds), now);
        let cases = [
            (0, "now"),
            (1, "in 1 second"),
            (-1, "1 second ago"),
            (89, "in 89 seconds"),
            (90, "in 2 minutes"),
            (3_600, "in 60 minutes"),
            (5_400, "in 2 hours"),
            (-86_400, "24 hours ago"),
            (172_800, "in 2 days"),
        ];
        for (seconds, words) in cases {
            assert_eq!(told(seconds), words, "{seconds}");
        }
    }
}
