//! The provider's endpoints: whether their URLs are complete, whether they are there, and what time it is there.

use super::{Facts, FilledUrl, Judgement, Probe, Says, speaks_of};
use crate::model::{
    Scope,
    connection::Flow,
    failure::{Failure, FailureClass},
};

/// What is wrong whoever asks: it lies in the URL.
const TENANT: &[&str] = &["tenant"];

/// Seconds by which clocks may differ: a `Date` has whole seconds, and the answer took its time.
const CLOCKS_AGREE: i64 = 30;
/// Beyond this, tokens are taken for expired or not yet valid.
const CLOCKS_CLASH: i64 = 300;

pub(super) fn urls(facts: &Facts<'_>) -> Judgement {
    let settings = &facts.connection.settings;
    if settings.authorization_url.as_ref() == Some(&settings.token_url) {
        let fix = "Set authorization_url to the page where people sign in, and token_url to where tokens come from.";
        return Judgement::warn("authorization_url and token_url are the same.", fix);
    }
    let Some((url, problem)) = facts.urls.iter().find_map(|url| Some((url, url.problem.as_ref()?))) else {
        return Judgement::pass(complete(facts.urls));
    };
    let unfilled = url.placeholders.iter().find(|filling| filling.by.is_none());
    let by_mappings = facts.connection.scope == Scope::Global
        && unfilled.is_some_and(|filling| is_an_organizations(&filling.name, settings.flow));
    let explained = placeholder_note(facts, url);
    let detail = format!("{}: {}{explained}", url.field, problem.detail);
    match by_mappings {
        true => Judgement::skip(format!(
            "{detail} Each organization's mapping fills it; without an organization the provider can't be asked."
        )),
        false => Judgement::fail(detail, problem.fix.clone()),
    }
}

/// What a mapping is there to fill: an entity, or anything of a client that goes from tenant to tenant.
fn is_an_organizations(placeholder: &str, flow: Flow) -> bool {
    placeholder == "entity_id" || flow == Flow::ClientCredentials
}

fn complete(urls: &[FilledUrl]) -> String {
    let mut fillings: Vec<_> = urls
        .iter()
        .flat_map(|url| &url.placeholders)
        .filter_map(|filling| Some(format!("{{{}}} by {}", filling.name, filling.by?)))
        .collect();
    fillings.sort();
    fillings.dedup();
    match fillings.is_empty() {
        true => "They are complete.".to_owned(),
        false => format!("Their placeholders are filled: {}.", fillings.join(", ")),
    }
}

/// What the provider's preset knows about the first placeholder without a value.
fn placeholder_note(facts: &Facts<'_>, url: &FilledUrl) -> String {
    let unfilled = url.placeholders.iter().find(|filling| filling.by.is_none());
    let known = unfilled.and_then(|filling| facts.preset?.placeholders.get(&filling.name));
    let Some(known) = known else { return String::new() };
    let what = known.description.as_ref().map(|text| format!(" {text}")).unwrap_or_default();
    let example = known.example.as_ref().map(|text| format!(" For instance {text}.")).unwrap_or_default();
    format!(" It is the {}.{what}{example}", known.title)
}

const WRONG_URL: &str =
    "Correct the URL from the provider's documentation, and the values that fill its placeholders.";

pub(super) fn authorization(facts: &Facts<'_>) -> Judgement {
    let answered = match &facts.authorization {
        Probe::Unsent(reason) => return Judgement::skip(*reason),
        Probe::Unanswered(failure) => return unanswered(failure),
        Probe::Answered(answered) => answered,
    };
    let status = answered.status;
    match (&answered.says, status) {
        (Says::Error(failure), _) => {
            let detail =
                format!("It is there, but turns such a sign-in away. {}: {}", failure.title, failure.detail);
            Judgement::fail(detail, failure.fix.clone())
        }
        (Says::Page { about_redirect_uri: true }, _) => {
            let detail = "It is there, but turns such a sign-in away because of the redirect URI.";
            Judgement::fail(detail, "See the check of the redirect URI.")
        }
        (_, 429) => busy(),
        (_, 500..) => in_trouble(status),
        (_, 404 | 405 | 410) => {
            let detail =
                format!("The host is there, but answers {status}: it has no sign-in page at that path.");
            Judgement::warn(detail, WRONG_URL)
        }
        (_, 400..=499) => {
            let detail = format!(
                "It is there, but answers {status} to such a sign-in, and not in words that are known here."
            );
            let fix = "Open a connect link and read what the provider's page says; most often it does not know client_id \
                       or redirect_uri.";
            Judgement::warn(detail, fix)
        }
        _ => Judgement::pass("It is there, and takes such a sign-in."),
    }
}

pub(super) fn token(facts: &Facts<'_>) -> Judgement {
    let answered = match &facts.token {
        Probe::Unsent(reason) => return Judgement::skip(*reason),
        Probe::Unanswered(failure) => return unanswered(failure),
        Probe::Answered(answered) => answered,
    };
    let status = answered.status;
    let not_one = |what: &str| {
        let detail = format!("The host answers {status}{what}, as no token endpoint does.");
        Judgement::fail(detail, format!("Set token_url to the provider's token endpoint. {WRONG_URL}"))
    };
    match (&answered.says, status) {
        (_, 429) => busy(),
        (Says::Error(failure), _) if matches!(failure.class, FailureClass::Throttled { .. }) => busy(),
        (_, 500..) => in_trouble(status),
        (_, 404 | 405 | 410) => {
            let detail =
                format!("The host is there, but answers {status}: it has no token endpoint at that path.");
            Judgement::fail(detail, WRONG_URL)
        }
        (Says::GoElsewhere { host }, _) => {
            let detail = format!(
                "It answers {status} and points to {host}; redirects are not followed, for they would carry secrets."
            );
            Judgement::fail(detail, "Set token_url to where the provider's endpoint really is.")
        }
        (Says::Error(failure), _) if failure.is_known() && speaks_of(&failure.title, TENANT) => {
            Judgement::fail(format!("{}: {}", failure.title, failure.detail), failure.fix.clone())
        }
        (Says::Json, 200..=299) => not_one(" to a request that brings nothing"),
        (Says::Error(_) | Says::Json, _) => {
            Judgement::pass("It is there, and refuses a request that brings nothing, as it should.")
        }
        (Says::Page { .. }, 200..=299) => not_one(" with a web page"),
        (_, 200..=299) => not_one(" to a request that brings nothing"),
        (_, 403) => {
            let detail = "It answers 403 and gives no reason: something there may turn our address away.";
            let fix =
                "If tokens can't be had either, ask the provider whether a firewall of theirs refuses us.";
            Judgement::warn(detail, fix)
        }
        (Says::Page { .. }, _) => {
            let detail = format!("It answers {status} with a web page, and token endpoints speak JSON.");
            Judgement::warn(detail, WRONG_URL)
        }
        _ => Judgement::pass(format!("It is there, and answers {status} to a request that brings nothing.")),
    }
}

fn unanswered(failure: &Failure) -> Judgement {
    Judgement::fail(format!("{}: {}", failure.title, failure.detail), failure.fix.clone())
}

fn busy() -> Judgement {
    let detail = "It is there, and asks for fewer requests.";
    let fix = "Wait; refreshing goes on when the provider allows. If it stays, find out who else asks it so often, or ask \
               there for a higher limit.";
    Judgement::warn(detail, fix)
}

fn in_trouble(status: u16) -> Judgement {
    let detail = format!("It is there, but answers {status}: the provider is having trouble.");
    Judgement::warn(detail, "Nothing to do here: look at the provider's status page.")
}

pub(super) fn clock(facts: &Facts<'_>) -> Judgement {
    let told = [&facts.token, &facts.authorization].into_iter().find_map(|probe| match probe {
        Probe::Answered(answered) => answered.clock_ahead,
        Probe::Unsent(_) | Probe::Unanswered(_) => None,
    });
    let Some(ahead) = told else {
        return Judgement::skip("The provider did not tell the time.");
    };
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let detail = format!("The provider's clock is {} s {direction} ours.", ahead.abs());
    let fix = "AWS keeps ours right: tell the provider that theirs is wrong. On a machine of your own, set its clock.";
    match ahead.abs() {
        apart if apart <= CLOCKS_AGREE => Judgement::pass("The provider's clock and ours agree."),
        apart if apart <= CLOCKS_CLASH => Judgement::warn(detail, fix),
        _ => Judgement::fail(detail, fix),
    }
}
