//! Who we are to the provider: redirect URI, client id and secret, and whether they are accepted.

use url::Url;
use uuid::Uuid;

use super::{Facts, Judgement, Probe, Proof, REDIRECT_URI, Says, speaks_of};
use crate::model::{
    connection::{ClientAuth, Flow},
    failure::FailureClass,
    preset::ClientIdFormat,
};

/// What people copy along with a value, in front of it.
const CLIENT_ID_LABELS: &[&str] = &[
    "client id",
    "client_id",
    "clientid",
    "application (client) id",
    "application id",
    "app id",
    "consumer key",
];
const CLIENT_SECRET_LABELS: &[&str] =
    &["client secret", "client_secret", "clientsecret", "consumer secret", "secret", "value", "password"];

/// How many days before it expires a secret is spoken of.
const WARNING_DAYS: u64 = 14;

pub(super) fn redirect_uri(facts: &Facts<'_>) -> Judgement {
    let Some(uri) = facts.redirect_uri else {
        return Judgement::skip("The flow client_credentials has none: nobody is sent back.");
    };
    let local = |host: Option<&str>| matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"));
    match Url::parse(uri) {
        Ok(url) if url.scheme() == "https" || local(url.host_str()) => {}
        _ => {
            let detail = format!("{uri} does not begin with https://, so hardly any provider takes it.");
            return Judgement::fail(detail, "Set the stack's parameter PublicUrl to its https address.");
        }
    }
    let paste = paste(facts, uri);
    match &facts.authorization {
        Probe::Answered(answered) => match &answered.says {
            Says::Page { about_redirect_uri: true } => {
                let detail = format!(
                    "Asked to sign someone in, the provider answers {} and speaks of the redirect URI.",
                    answered.status
                );
                return Judgement::fail(detail, paste);
            }
            Says::Error(failure) if speaks_of(&failure.title, REDIRECT_URI) => {
                return Judgement::fail(failure.detail.clone(), paste);
            }
            _ => {}
        },
        Probe::Unsent(_) | Probe::Unanswered(_) => {}
    }
    if let Some(error) = facts.error_about(REDIRECT_URI) {
        return Judgement::fail(format!("{}: {}", error.title, error.detail), paste);
    }
    Judgement::pass(format!("The provider has to know exactly {uri}."))
}

/// What to paste, and where.
fn paste(facts: &Facts<'_>, uri: &str) -> String {
    let general = format!("Register exactly {uri} with the app at the provider, letter by letter.");
    let Some(registration) = facts.preset.and_then(|preset| preset.registration.as_ref()) else {
        return general;
    };
    let place = registration.url.as_ref().map(|url| format!(" It is done at {url}.")).unwrap_or_default();
    let step = registration.steps.iter().find(|step| speaks_of(step, &["redirect", "callback"]));
    let step = step.map(|step| format!(" There: {step}")).unwrap_or_default();
    format!("{general}{place}{step}")
}

pub(super) fn client_id(facts: &Facts<'_>) -> Judgement {
    let id = &facts.connection.settings.client_id;
    if let Some(flaw) = flaw(id, CLIENT_ID_LABELS) {
        return Judgement::fail(
            format!("It {flaw}."),
            "Paste the client id alone, as the provider shows it.",
        );
    }
    let guid = Uuid::try_parse(id).is_ok() && id.len() == 36;
    match facts.preset {
        Some(preset) if preset.client.client_id_format == Some(ClientIdFormat::Guid) && !guid => {
            Judgement::fail(
                format!("It is no GUID, as client ids of {} are.", preset.title),
                "Copy the app's client id, of the form 00000000-0000-0000-0000-000000000000.",
            )
        }
        _ => Judgement::pass("Nothing was copied along with it, as far as its form shows."),
    }
}

pub(super) fn client_secret(facts: &Facts<'_>) -> Judgement {
    let settings = &facts.connection.settings;
    let secret = match facts.client_secret {
        Ok(_) if settings.client_auth == ClientAuth::PrivateKeyJwt => {
            let none = || Judgement::pass("There is none to send: the client signs with a key.");
            return expiry(facts).unwrap_or_else(none);
        }
        Err(problem) => return Judgement::fail(problem.detail.clone(), problem.fix.clone()),
        Ok(None) if facts.connected().is_some() => {
            return Judgement::pass("There is none: a public client, and the provider takes it for one.");
        }
        Ok(None) => {
            let fix = "Set client_secret if the provider gave one; a public client has none.";
            return Judgement::warn("There is none.", fix);
        }
        Ok(Some(secret)) => secret.expose(),
    };
    let anew =
        "Copy the secret anew, all of it and nothing else; if the provider shows it no more, make a new one.";
    if let Some(flaw) = flaw(secret, CLIENT_SECRET_LABELS) {
        return Judgement::fail(format!("It {flaw}."), anew);
    }
    if secret == settings.client_id {
        return Judgement::fail("It is the client id once more.", anew);
    }
    let shape = facts.preset.map(|preset| &preset.client);
    if shape.is_some_and(|shape| shape.client_id_format == Some(ClientIdFormat::Guid))
        && Uuid::try_parse(secret).is_ok()
    {
        let fix = "Copy the secret's value, which the provider shows only once, and not the id that stands beside it.";
        return Judgement::fail("It is a GUID, which there is the secret's id and not its value.", fix);
    }
    let (length, expected) = (secret.chars().count(), shape.and_then(|shape| shape.client_secret_length));
    match expected {
        Some(expected) if length < expected => {
            let detail = format!("It is too short: {length} characters instead of {expected}.");
            return Judgement::fail(detail, anew);
        }
        Some(expected) if length > expected => {
            let detail = format!("It is too long: {length} characters instead of {expected}.");
            return Judgement::warn(detail, anew);
        }
        _ => {}
    }
    let well_formed =
        || Judgement::pass("Nothing was copied along with it or cut off, as far as its form shows.");
    expiry(facts).unwrap_or_else(well_formed)
}

/// What the client proves itself with, a secret or a certificate, is over or soon will be.
fn expiry(facts: &Facts<'_>) -> Option<Judgement> {
    let renew = "Make a new secret in the app registration at the provider, and put it into the connection together with \
                 its client_secret_expires_at.";
    let at = facts.connection.settings.client_secret_expires_at?;
    if at <= facts.now {
        return Some(Judgement::fail(format!("It expired at {}.", at.to_the_minute()), renew));
    }
    let soon = at.since(facts.now).as_secs() < WARNING_DAYS * 24 * 3600;
    soon.then(|| Judgement::warn(format!("It expires at {}.", at.to_the_minute()), renew))
}

/// What is wrong with a value that was copied; reads on from "It".
fn flaw(value: &str, labels: &[&str]) -> Option<&'static str> {
    if value.trim() != value {
        return Some("begins or ends with white space");
    }
    if value.chars().any(|c| c.is_whitespace() && c != ' ' || c.is_control()) {
        return Some("holds a line break or a tab");
    }
    if labelled(value, labels) {
        return Some("begins with the label that stands before it at the provider");
    }
    let quoted = |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if ['"', '\'', '`'].into_iter().any(quoted) {
        return Some("stands in quotation marks");
    }
    if value.starts_with('<') && value.ends_with('>') {
        return Some("is an example's, in angle brackets");
    }
    if value.ends_with("...") || value.ends_with('…') {
        return Some("ends in dots: it was copied where it is shown cut off");
    }
    if value.chars().filter(|c| matches!(c, '*' | '•' | '●' | '·')).count() >= 4 {
        return Some("was copied where it is shown masked");
    }
    value.contains(' ').then_some("holds a space")
}

/// `Client ID: abc`. A label alone is none: it may well be how a value begins.
fn labelled(value: &str, labels: &[&str]) -> bool {
    let value = value.to_lowercase();
    labels
        .iter()
        .any(|label| value.strip_prefix(label).is_some_and(|rest| rest.trim_start().starts_with([':', '='])))
}

pub(super) fn accepted(facts: &Facts<'_>) -> Judgement {
    let refused = |class| class == Some(FailureClass::Client);
    match &facts.proof {
        Proof::Given => {
            let detail =
                "It gave a token just now, asked for with client id and secret; the token was thrown away.";
            return Judgement::pass(detail);
        }
        Proof::Refused(failure) => {
            let detail = format!(
                "Asked for a token with client id and secret just now. {}: {}",
                failure.title, failure.detail
            );
            return match failure.class {
                FailureClass::Client | FailureClass::Setup | FailureClass::Terminal => {
                    Judgement::fail(detail, failure.fix.clone())
                }
                _ => Judgement::warn(detail, failure.fix.clone()),
            };
        }
        Proof::Unasked => {}
    }
    let errors = facts.errors().into_iter();
    let error =
        errors.map(|error| facts.translated(error)).find(|error| refused(FailureClass::of_code(&error.code)));
    if let Some(error) = error {
        return Judgement::fail(format!("{}: {}", error.title, error.detail), error.fix);
    }
    match (facts.connected(), facts.connection.settings.flow) {
        (Some(_), Flow::AuthorizationCode) => {
            Judgement::pass("It accepted the client when the grant was last connected or refreshed.")
        }
        (None, Flow::AuthorizationCode) => {
            Judgement::skip("Only a sign-in can show that: no secret is sent for a test.")
        }
        (_, Flow::ClientCredentials) => {
            Judgement::skip("No token could be asked for: see the URLs, the secret and the token endpoint.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_along_is_seen() {
        for (value, seen) in [
            (" abc", "white space"),
            ("abc\n", "white space"),
            ("ab\nc", "line break"),
            ("Client ID: abc", "label"),
            ("client_id=abc", "label"),
            ("Application (client) ID : abc", "label"),
            ("\"abc\"", "quotation"),
            ("<client-id>", "example"),
            ("abcdef...", "cut off"),
            ("abc••••••", "masked"),
            ("ab c", "a space"),
        ] {
            let flaw = flaw(value, CLIENT_ID_LABELS);
            assert!(flaw.is_some_and(|flaw| flaw.contains(seen)), "{value}: {flaw:?}");
        }
    }

    #[test]
    fn odd_but_whole_values_are_left_alone() {
        for value in
            ["client-id-7", "secretary", "a~b_c-d.e", "p+w/ü&%=", "x:y", "ab.c..d", "a*b*c", "clientidabc"]
        {
            assert_eq!(flaw(value, CLIENT_ID_LABELS).or(flaw(value, CLIENT_SECRET_LABELS)), None, "{value}");
        }
    }
}
