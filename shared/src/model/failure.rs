//! What can go wrong between us and a provider, as facts: what it means for the grant, what it is called, what to do.
//!
//! Nothing here knows HTTP. Failures are stored, logged and shown, so a text that a provider wrote is [`sanitised`]
//! before it comes to rest in one.

use std::time::Duration;

use url::form_urlencoded;
use uuid::Uuid;

use super::provider_errors::{self, NamedError};

/// What a failure means for the grant, and so what is tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The grant is dead; a person must connect again.
    Terminal,
    /// The provider does not accept the client itself: concerns all grants of the connection, until someone edits it.
    Client,
    /// The connection asks for what the provider does not give. It needs an edit, but that others of its grants fare
    /// alike is not known.
    Setup,
    /// The provider asks for fewer requests, and may say for how long.
    Throttled { retry_after: Option<Duration> },
    /// It will pass: the provider is failing, or was never reached.
    Transient,
    /// The request went out and no answer came back.
    Ambiguous,
    /// An answer came that says neither yes nor no.
    Malformed,
}

/// One failure. Safe to log, to store and to show: no text in it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{title} ({code}): {detail}")]
pub struct Failure {
    pub class: FailureClass,
    /// The provider's own error code such as `invalid_grant` or `AADSTS700082`, or one of ours such as
    /// `provider-timeout`, which all have hyphens.
    pub code: String,
    pub title: String,
    /// What happened this time, in plain words.
    pub detail: String,
    /// What the reader can do about it.
    pub fix: String,
    /// The provider's server failed while it had the request, after doing who knows how much of it.
    pub server_failed: bool,
    /// The code is one that we know this very provider for, so that its class is not a guess.
    own: bool,
}

impl FailureClass {
    /// The class of a code that is known; what the answer's status said besides is not in it.
    pub fn of_code(code: &str) -> Option<Self> {
        meaning(code).or_else(|| provider_errors::of_code(code)).map(|(class, ..)| class)
    }

    /// The class in a word, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Client => "client",
            Self::Setup => "setup",
            Self::Throttled { .. } => "throttled",
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
            Self::Malformed => "malformed",
        }
    }
}

impl Failure {
    /// A failure that we noticed ourselves. `detail` is our own text, and holds no secret.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        let known = meaning(code).or_else(|| provider_errors::of_code(code));
        debug_assert!(known.is_some(), "{code} is not in the table");
        Self::described(known.unwrap_or(UNKNOWN), code, detail.into())
    }

    /// A failure that the provider named. `sent` are the secrets of the request.
    pub fn named_by_provider(named: &NamedError<'_>, sent: &[&str]) -> Self {
        let finding = provider_errors::look_up(named);
        let known = finding.meaning.is_some();
        // What isn't in our table is repeated only if it reads like a code and can't be a secret.
        let fit = |code| if reads_like_a_code(code, sent) { code } else { "provider-error" };
        let code = if known || finding.code != named.code { finding.code } else { fit(finding.code) };
        let said = if finding.code == named.code { code } else { fit(named.code) };
        let detail = match named.description.map(|text| sanitised(text, sent)) {
            Some(text) if text.starts_with(said) => format!("The provider answered {text}"),
            Some(text) if !text.is_empty() => format!("The provider answered {said}: {text}"),
            _ => format!("The provider answered {said} and gave no reason."),
        };
        let own = finding.own;
        Self { own, ..Self::described(finding.meaning.unwrap_or(UNKNOWN), code, detail) }
    }

    /// The same, but only if the error is one that we know this very provider for.
    pub fn known_to_provider(named: &NamedError<'_>, sent: &[&str]) -> Option<Self> {
        Some(Self::named_by_provider(named, sent)).filter(|failure| failure.own)
    }

    /// Whether anything is known about its code.
    pub fn is_known(&self) -> bool {
        self.title != UNKNOWN.1
    }

    /// Whether a rotating refresh token that went out with the request may be spent although no new one arrived.
    pub fn may_have_spent_the_token(&self) -> bool {
        self.server_failed || matches!(self.class, FailureClass::Ambiguous | FailureClass::Malformed)
    }

    /// The same failure, of a server that failed with the request in hand: it may pass.
    pub fn of_failing_server(mut self) -> Self {
        self.class = FailureClass::Transient;
        self.server_failed = true;
        self
    }

    /// The same failure, which the provider called an unauthenticated request (401). RFC 6749 5.2 has this status for a
    /// client that could not be authenticated, and for nothing else; so whatever it is called, unless it is known to
    /// concern the grant, or what this provider means by it. Keycloak says `unauthorized_client` with it when the secret
    /// is wrong.
    pub fn of_unauthenticated_client(self) -> Self {
        match self.class {
            FailureClass::Setup | FailureClass::Transient if !self.own => {
                let Self { code, detail, .. } = self;
                Self::described(provider_errors::of_code("invalid_client").unwrap_or(UNKNOWN), &code, detail)
            }
            _ => self,
        }
    }

    fn described((class, title, fix): Meaning, code: &str, detail: String) -> Self {
        Self {
            class,
            code: code.to_owned(),
            title: title.to_owned(),
            detail,
            fix: fix.to_owned(),
            server_failed: false,
            own: false,
        }
    }

    /// The same failure, of another class: the answer's status said more than its code.
    pub fn with_class(mut self, class: FailureClass) -> Self {
        self.class = class;
        self
    }
}

pub(crate) type Meaning = (FailureClass, &'static str, &'static str);

/// An error that providers invented. It is not known to be final, nor to concern other grants of the connection, so
/// this grant alone is tried again, later and later.
const UNKNOWN: Meaning = (
    FailureClass::Transient,
    "The provider answered with an error of its own",
    "Look the code up in the provider's documentation. If it stays, connect again.",
);

/// Our own codes, for what we noticed ourselves, each with its class, title and fix. Providers' codes are in
/// [`provider_errors`].
pub(crate) const OURS: &[(&str, Meaning)] = &[
    (
        "provider-throttled",
        (
            FailureClass::Throttled { retry_after: None },
            "The provider asks for fewer requests",
            "Nothing to do: it is tried again when the provider allows. If it stays, ask there for a higher limit.",
        ),
    ),
    (
        "provider-unavailable",
        (
            FailureClass::Transient,
            "The provider is having trouble",
            "Nothing to do: it is tried again by itself. If it stays, look at the provider's status page.",
        ),
    ),
    ("provider-error", UNKNOWN),
    (
        "provider-refused",
        (
            FailureClass::Transient,
            "The provider refused without giving a reason",
            "Check the connection's URLs and client_auth. If they are right and a refresh is still refused, connect \
             again. If that is refused too, a firewall of the provider may not like our address; ask the provider.",
        ),
    ),
    (
        "wrong-endpoint",
        (
            FailureClass::Setup,
            "The provider has no such endpoint",
            "Correct the connection's token_url (or revocation_url) from the provider's documentation, and the \
             values that fill its placeholders.",
        ),
    ),
    (
        "provider-unreachable",
        (
            FailureClass::Transient,
            "The provider can't be reached",
            "Check the host in the connection's URLs. If it is right, nothing to do: it is tried again by itself.",
        ),
    ),
    (
        "tls-failed",
        (
            FailureClass::Transient,
            "No trusted encrypted connection to the provider",
            "The provider needs a valid certificate from a public authority, for the host in the connection's URL.",
        ),
    ),
    (
        "url-not-allowed",
        (
            FailureClass::Setup,
            "The URL is not one that may be called",
            "Use an https URL without user name or password.",
        ),
    ),
    (
        "address-not-allowed",
        (
            FailureClass::Setup,
            "The provider's host has no public address",
            "Use a host on the public Internet; private, local and reserved addresses are never called.",
        ),
    ),
    (
        "client-key-unusable",
        (
            FailureClass::Setup,
            "The client's key can't sign",
            "Set client_private_key or client_key_arn anew; a KMS key needs the tag bifrost:client-key.",
        ),
    ),
    (
        "redirect-uri-invalid",
        (
            FailureClass::Setup,
            "The redirect URI is not a URL",
            "Check the public URL that the stack was deployed with.",
        ),
    ),
    (
        "provider-timeout",
        (
            FailureClass::Ambiguous,
            "The provider did not answer in time",
            "Nothing to do: it is tried once more. If the provider has already replaced the token, connect again.",
        ),
    ),
    (
        "answer-lost",
        (
            FailureClass::Ambiguous,
            "The connection broke before the provider's answer was complete",
            "Nothing to do: it is tried once more. If the provider has already replaced the token, connect again.",
        ),
    ),
    (
        "answer-too-large",
        (
            FailureClass::Malformed,
            "The provider's answer is too large to be one",
            "Check that the URL is the provider's OAuth endpoint, and not a page for people. The old token may have \
             been spent all the same: if the next try is refused, connect again.",
        ),
    ),
    (
        "malformed-answer",
        (
            FailureClass::Malformed,
            "The provider's answer can't be read",
            "Check that token_url is the provider's OAuth token endpoint. The old token may have been spent all the \
             same: if the next try is refused, connect again.",
        ),
    ),
    (
        "unexpected-redirect",
        (
            FailureClass::Malformed,
            "The provider answered with a redirect",
            "Set the URL to where the provider's endpoint really is; redirects are never followed, because they \
             would carry secrets along.",
        ),
    ),
];

fn meaning(code: &str) -> Option<Meaning> {
    OURS.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

/// The longest text of a provider that is kept, in characters.
const LONGEST: usize = 300;

/// Stands where a secret, or what may be one, stood.
const REMOVED: &str = "[removed]";

/// A provider's text, fit to be stored and shown: one line, no control or invisible characters, none of the secrets
/// that were sent (as they are, or form-encoded), nothing that looks like a token, at most 300 characters.
pub fn sanitised(text: &str, sent: &[&str]) -> String {
    let mut text = one_line(text);
    let mut needles: Vec<String> = sent.iter().flat_map(|secret| spellings(secret)).collect();
    // Longest first: a secret that is part of another must not leave the other's rest behind.
    needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    for needle in needles {
        text = text.replace(&needle, REMOVED);
    }
    shortened(&without_tokens(&text))
}

/// White space and control characters become single spaces; characters that hide or reorder text go.
fn one_line(text: &str) -> String {
    let visible: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a secret may appear in a text that went through [`one_line`].
fn spellings(secret: &str) -> impl Iterator<Item = String> {
    let encoded = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // One to three characters would tear holes into every word, and hide nothing that could not be guessed.
    [one_line(secret), encoded].into_iter().filter(|spelling| spelling.len() > 3)
}

fn without_tokens(text: &str) -> String {
    let is_token_character = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_token_character(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(run);
        kept.push_str(if looks_like_a_token(word) { REMOVED } else { word });
        let gap = after.find(is_token_character).unwrap_or(after.len());
        kept.push_str(&after[..gap]);
        rest = &after[gap..];
    }
    kept
}

/// A run of 20 or more characters with a digit in it, or longer than words are. Not a UUID with its hyphens: providers
/// put those into their messages for support to find (Microsoft's "Trace ID").
fn looks_like_a_token(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    let is_uuid = word.len() == 36 && Uuid::try_parse(word).is_ok();
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    !is_uuid && (word.len() >= 40 || (word.len() >= 20 && has_digit))
}

fn reads_like_a_code(code: &str, sent: &[&str]) -> bool {
    (1..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
        && sanitised(code, sent) == code
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: &str, description: Option<&str>, sent: &[&str]) -> Failure {
        let named = NamedError { host: "idp.example", code, description, subcode: None };
        Failure::named_by_provider(&named, sent)
    }

    #[test]
    fn the_most_precise_code_names_the_failure_and_the_detail_says_what_was_answered() {
        let text = "AADSTS7000222: The provided client secret keys for app 'x' are expired.";
        let answered = NamedError {
            host: "login.microsoftonline.com",
            code: "invalid_client",
            description: Some(text),
            subcode: None,
        };
        let failure = Failure::named_by_provider(&answered, &[]);
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Client, "AADSTS7000222"));
        assert_eq!(failure.title, "The client secret has expired");
        assert_eq!(failure.detail, format!("The provider answered invalid_client: {text}"));
        let secret = NamedError { code: "s3cr3t-value", ..answered };
        assert!(!Failure::named_by_provider(&secret, &["s3cr3t-value"]).detail.contains("s3cr3t"));
    }

    #[test]
    fn a_401_makes_a_clients_failure_of_what_is_not_known_to_be_another() {
        let of_401 =
            |named: NamedError<'_>| Failure::named_by_provider(&named, &[]).of_unauthenticated_client();
        let anyones =
            NamedError { host: "idp.example", code: "unauthorized_client", description: None, subcode: None };
        assert_eq!(of_401(anyones).class, FailureClass::Client);
        let text = Some("AADSTS700016: Application was not found in the directory");
        let microsofts = NamedError { host: "login.microsoftonline.com", description: text, ..anyones };
        assert_eq!(of_401(microsofts).class, FailureClass::Setup);
    }

    #[test]
    fn a_dead_grant_is_terminal_and_a_wrong_secret_concerns_the_client() {
        let class = |code| named(code, None, &[]).class;
        assert_eq!(class("invalid_grant"), FailureClass::Terminal);
        assert_eq!(class("invalid_client"), FailureClass::Client);
        assert_eq!(class("unauthorized_client"), FailureClass::Setup);
        assert_eq!(class("slow_down"), FailureClass::Throttled { retry_after: None });
        assert_eq!(class("temporarily_unavailable"), FailureClass::Transient);
    }

    #[test]
    fn an_unknown_code_is_kept_and_hurts_no_other_grant() {
        let failure = named("tenant_suspended", Some("Ask Bob."), &[]);
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Transient, "tenant_suspended"));
        assert_eq!(failure.detail, "The provider answered tenant_suspended: Ask Bob.");
    }

    #[test]
    fn a_code_that_is_no_word_or_a_secret_is_not_repeated() {
        for code in ["<script>", "", "a b", "s3cr3t-value", &"x".repeat(65), "ya29.a0AfB_byC3kXq81234"] {
            let failure = named(code, None, &["s3cr3t-value"]);
            assert_eq!(failure.code, "provider-error");
            assert_eq!(failure.detail, "The provider answered provider-error and gave no reason.");
        }
    }

    #[test]
    fn a_support_message_stays_readable() {
        let message = "AADSTS70008: The refresh token has expired due to inactivity.\r\nTrace ID: \
                       0f8fad5b-d9cb-469f-a165-70867728950e Timestamp: 2026-01-31 12:00:00Z";
        assert_eq!(sanitised(message, &[]), message.replace("\r\n", " "));
    }

    #[test]
    fn secrets_that_were_sent_are_removed_in_every_spelling() {
        let secret = "p+w/ü ~&%";
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let text = format!("bad secret {secret} or {encoded}!");
        assert_eq!(sanitised(&text, &[secret]), "bad secret [removed] or [removed]!");
        assert_eq!(sanitised("abcd-efgh", &["abcd", "abcd-efgh"]), "[removed]");
        assert_eq!(sanitised("line\u{200b}-break", &["line-break"]), "[removed]");
    }

    #[test]
    fn what_looks_like_a_token_is_removed() {
        for token in [
            "ya29.a0AfB_byC3kXq81234",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "0123456789abcdef0123456789abcdef",
            "kVnfQxTzkVnfQxTzkVnfQxTzkVnfQxTzkVnfQxTz",
        ] {
            assert_eq!(sanitised(&format!("token '{token}' is bad"), &[]), "token '[removed]' is bad");
        }
    }

    #[test]
    fn control_and_invisible_characters_go_and_length_is_cut() {
        assert_eq!(sanitised("a\u{0}b\tc\u{202e}d\u{1b}[31m", &[]), "a b cd [31m");
        let long = sanitised(&"wörd ".repeat(200), &[]);
        assert_eq!(long.chars().count(), 300);
        assert!(long.ends_with('…'));
    }
}
