//! How an integration is doing, in words.

use bifrost::app::health::Health;
use maud::{Markup, html};

use crate::words;

/// For those who see all organizations.
pub(super) fn of_all(health: &Health, names_connection: bool) -> Markup {
    let words = all_in_words(health, names_connection);
    html! { span.badges { @for (class, word) in &words { (words::badge(class, word)) } } }
}

/// For a user of an organization that sees itself alone.
pub(super) fn of_own(health: &Health) -> Markup {
    let words = own_in_words(health);
    html! { span.badges { @for (class, word) in &words { (words::badge(class, word)) } } }
}

/// The worst first. `names_connection`: it can't do without one.
fn all_in_words(health: &Health, names_connection: bool) -> Vec<(&'static str, String)> {
    let mapped = mapped(health);
    let of = |count: usize, one: &str, many: &str| {
        let verb = if count == 1 { one } else { many };
        format!("{count} of {mapped} {verb}")
    };
    let mut words = Vec::new();
    if health.connection.is_none() && names_connection {
        words.push(("bad", "Connection does not exist".to_owned()));
    }
    let parts = [
        ("bad", health.reauthorize, "needs reconnect", "need reconnect"),
        ("warn", health.failing, "failing, retrying", "failing, retrying"),
        ("warn", health.not_connected, "not connected", "not connected"),
        ("warn", health.incomplete, "lacks configuration", "lack configuration"),
        ("idle", health.unused, "not used yet", "not used yet"),
    ];
    let parts = parts.into_iter().filter(|(_, count, ..)| *count > 0);
    words.extend(parts.map(|(class, count, one, many)| (class, of(count, one, many))));
    if health.mapped == 0 {
        words.push(("idle", "No organization mapped".to_owned()));
    } else if words.is_empty() && health.active > 0 {
        let all = if health.mapped == 1 { "Connected".to_owned() } else { format!("All {mapped} connected") };
        words.push(("good", all));
    } else if words.is_empty() {
        words.push(("good", "Ready, without OAuth".to_owned()));
    }
    words
}

fn own_in_words(health: &Health) -> Vec<(&'static str, String)> {
    if health.mapped == 0 {
        return vec![("idle", "Not mapped".to_owned())];
    }
    let parts = [
        ("bad", health.reauthorize, "Reconnect needed"),
        ("warn", health.failing, "Failing, retrying"),
        ("warn", health.not_connected, "Not connected"),
        ("warn", health.incomplete, "Lacks configuration"),
        ("idle", health.unused, "Not used yet"),
    ];
    let parts = parts.into_iter().filter(|(_, count, _)| *count > 0);
    let words: Vec<_> = parts.map(|(class, _, word)| (class, word.to_owned())).collect();
    match (words.is_empty(), health.active) {
        (false, _) => words,
        (true, 0) => vec![("good", "Ready, without OAuth".to_owned())],
        (true, _) => vec![("good", "Connected".to_owned())],
    }
}

/// How many organizations there are, or that there are more than were looked at.
pub(super) fn mapped(health: &Health) -> String {
    if health.more { format!("more than {}", health.mapped) } else { health.mapped.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(health: &Health) -> Vec<String> {
        all_in_words(health, false).into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn what_is_broken_is_said_first_and_in_numbers() {
        let healthy = Health { mapped: 12, active: 12, ..Health::default() };
        assert_eq!(said(&healthy), ["All 12 connected"]);
        let broken = Health { active: 8, reauthorize: 3, incomplete: 1, unused: 1, ..healthy.clone() };
        let expected = ["3 of 12 need reconnect", "1 of 12 lacks configuration", "1 of 12 not used yet"];
        assert_eq!(said(&broken), expected);
        let many = Health { more: true, reauthorize: 1, ..healthy };
        assert_eq!(said(&many), ["1 of more than 12 needs reconnect"]);
    }

    #[test]
    fn without_mappings_or_without_oauth_nothing_is_called_connected() {
        assert_eq!(said(&Health::default()), ["No organization mapped"]);
        assert_eq!(said(&Health { mapped: 2, ..Health::default() }), ["Ready, without OAuth"]);
        let gone = all_in_words(&Health { mapped: 2, ..Health::default() }, true);
        assert_eq!(gone, [("bad", "Connection does not exist".to_owned())]);
        assert_eq!(own_in_words(&Health::default()), [("idle", "Not mapped".to_owned())]);
        let own = Health { mapped: 1, reauthorize: 1, ..Health::default() };
        assert_eq!(own_in_words(&own), [("bad", "Reconnect needed".to_owned())]);
    }
}
