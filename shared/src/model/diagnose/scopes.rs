//! Scopes: spelt as the provider spells them, enough for a refresh token, and granted as asked for.

use std::collections::BTreeSet;

use super::{Facts, Judgement, Probe, SCOPE, Says, speaks_of};
use crate::model::preset::Preset;

/// What OpenID Connect and its kin have everywhere.
const EVERYWHERE: &[&str] = &["email", "offline_access", "openid", "profile"];

pub(super) fn asked(facts: &Facts<'_>) -> Judgement {
    let settings = &facts.connection.settings;
    if let Probe::Answered(answered) = &facts.authorization
        && let Says::Error(failure) = &answered.says
        && speaks_of(&failure.title, SCOPE)
    {
        return Judgement::fail(failure.detail.clone(), failure.fix.clone());
    }
    if let Some(error) = facts.error_about(SCOPE) {
        return Judgement::fail(format!("{}: {}", error.title, error.detail), error.fix);
    }
    let granted: BTreeSet<_> =
        facts.connected().into_iter().flat_map(|grant| &grant.scopes).map(|scope| plain(scope)).collect();
    let known = known_scopes(facts.preset);
    let unproven = settings.scopes.iter().filter(|scope| !granted.contains(&plain(scope)));
    let slips: Vec<_> = unproven
        .filter_map(|scope| Some(format!("{scope} (did you mean {}?)", meant(scope, &known)?)))
        .collect();
    if !slips.is_empty() {
        let detail = format!("Not among those that are known, but close to one: {}.", slips.join(", "));
        return Judgement::warn(
            detail,
            "Compare these scopes with the provider's documentation, and correct them in the connection.",
        );
    }
    if let Some(missing) = missing_for_refresh(facts) {
        let detail = format!(
            "Without {missing} the provider gives no refresh token: the connection ends when its first token does."
        );
        return Judgement::warn(detail, format!("Add {missing} to the connection, then connect again."));
    }
    match settings.scopes.is_empty() {
        true => Judgement::pass("None: the provider decides what a token may do."),
        false => Judgement::pass(format!("None of these looks misspelt: {}.", settings.scopes.join(" "))),
    }
}

/// The scope or parameter without which no refresh token comes, unless one came all the same.
fn missing_for_refresh(facts: &Facts<'_>) -> Option<String> {
    let settings = &facts.connection.settings;
    let has_one = facts.connected().is_some_and(|grant| grant.refresh_token.is_some());
    if !facts.signs_in() || has_one {
        return None;
    }
    let needs = &facts.preset?.refresh;
    if let Some(scope) = &needs.needs_scope
        && !settings.scopes.contains(scope)
    {
        return Some(format!("the scope {scope}"));
    }
    let needed = needs.needs_param.as_ref()?;
    let (name, value) = needed.split_once('=')?;
    let in_url =
        settings.authorization_url.as_ref().is_some_and(|url| url.as_str().contains(needed.as_str()));
    let given = settings.authorize_params.get(name).is_some_and(|given| given == value);
    (!given && !in_url).then(|| format!("{needed} among the authorize_params"))
}

pub(super) fn granted(facts: &Facts<'_>) -> Judgement {
    let Some(grant) = facts.connected() else {
        return Judgement::skip("There is no grant yet.");
    };
    let settings = &facts.connection.settings;
    let set = |scopes: &[String]| scopes.iter().map(|scope| plain(scope)).collect::<BTreeSet<_>>();
    if facts.signs_in() && set(&grant.asked_scopes) != set(&settings.scopes) {
        let detail =
            "The connection's scopes were changed after it was connected; the grant still has the old ones.";
        return Judgement::warn(
            detail,
            facts.reconnecting("Connect again: scopes are granted when someone signs in."),
        );
    }
    let granted = set(&grant.scopes);
    let missing: Vec<_> = grant
        .asked_scopes
        .iter()
        .filter(|scope| !granted.contains(&plain(scope)) && is_told(scope))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(" ");
        let detail = format!(
            "The provider granted less than was asked for: {missing} is missing, and calls that need it are refused (403)."
        );
        let fix =
            "Allow them in the app registration, then connect again, with an account that may grant them.";
        return Judgement::warn(detail, facts.reconnecting(fix));
    }
    Judgement::pass("What was asked for was granted.")
}

/// Whether a provider would list this scope among those granted. What is about the sign-in itself, or stands for others,
/// often is not.
fn is_told(scope: &str) -> bool {
    !EVERYWHERE.contains(&scope) && !scope.ends_with(".default")
}

/// A scope for comparing: without case, and without the API in front of it that Microsoft puts there in one direction only.
fn plain(scope: &str) -> String {
    let name = match scope.contains("://") {
        true => scope.trim_end_matches('/').rsplit('/').next().unwrap_or(scope),
        false => scope,
    };
    name.to_lowercase()
}

fn known_scopes(preset: Option<&Preset>) -> BTreeSet<String> {
    let flows =
        preset.into_iter().flat_map(|preset| [&preset.authorization_code, &preset.client_credentials]);
    let of_flows = flows.flatten().flat_map(|flow| &flow.scopes);
    let known = preset.into_iter().flat_map(|preset| &preset.known_scopes);
    let needed = preset.and_then(|preset| preset.refresh.needs_scope.as_ref());
    let everywhere = EVERYWHERE.iter().map(|scope| (*scope).to_owned());
    of_flows.chain(known).chain(needed).cloned().chain(everywhere).collect()
}

/// The known scope that an unknown one is a slip of the pen away from.
fn meant<'a>(scope: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    if known.iter().any(|known| plain(known) == plain(scope)) {
        return None;
    }
    // Names differ by a letter or two for good reasons too (`files.read`, `sites.read`), so long ones alone may by two.
    let near = |known: &&String| {
        let slips = if known.chars().count() >= 12 { 2 } else { 1 };
        known.chars().count() >= 4 && distance(&scope.to_lowercase(), &known.to_lowercase()) <= slips
    };
    known.iter().filter(near).min_by_key(|known| distance(scope, known)).map(String::as_str)
}

/// How many letters must be put in, taken away, replaced or swapped with their neighbour (Damerau and Levenshtein's
/// distance, in which no letter is touched twice).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // The longest known scope has far fewer; nobody's text should cost more.
    if one.len().max(other.len()) > 200 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_told_from_another_scope() {
        let known: BTreeSet<String> =
            ["Mail.Read", "User.Read", "offline_access", "read:tickets"].map(str::to_owned).into();
        for (scope, expected) in [
            ("offline_acess", Some("offline_access")),
            ("ofline_acces", Some("offline_access")),
            ("User.Raed", Some("User.Read")),
            ("read:ticket", Some("read:tickets")),
            ("user.read", None),
            ("https://graph.microsoft.com/User.Read", None),
            ("Mail.Send", None),
            ("write:tickets", None),
            ("all", None),
            ("", None),
        ] {
            assert_eq!(meant(scope, &known), expected, "{scope}");
        }
    }

    proptest! {
        #[test]
        fn the_distance_is_one(one in "[ab.]{0,8}", other in "[ab.]{0,8}", third in "[ab.]{0,8}") {
            prop_assert_eq!(distance(&one, &one), 0);
            prop_assert_eq!(distance(&one, &other), distance(&other, &one));
            prop_assert_eq!(distance(&one, &other) == 0, one == other);
            prop_assert!(distance(&one, &other) <= one.len().max(other.len()));
            prop_assert!(distance(&one, &other) >= one.len().abs_diff(other.len()));
            let joined = |text: &str| format!("{third}{text}");
            prop_assert!(distance(&joined(&one), &joined(&other)) <= distance(&one, &other));
        }

        #[test]
        fn one_slip_in_a_known_scope_leads_back_to_it(at in 1..12_usize, letter in "[b-d]") {
            let known = BTreeSet::from(["offline_access".to_owned()]);
            let mut slip = "offline_access".to_owned();
            slip.insert_str(at, &letter);
            prop_assert_eq!(meant(&slip, &known), Some("offline_access"));
        }
    }
}
