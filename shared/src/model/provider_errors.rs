//! What providers' own error codes mean: the table in `shared/provider_errors.toml`.
//!
//! The same word means different things at different providers, so most rows belong to a family and count only for
//! answers of its hosts, whatever connection asked them; the words of the standards count for everyone. The table is text
//! until an error comes, and is then read line by line: a few hundred lines, for something that takes a request to happen.

use std::fmt;

use super::failure::{FailureClass, Meaning};

/// An error as a provider's answer or redirect has it. All texts are the provider's.
#[derive(Clone, Copy, Debug)]
pub struct NamedError<'a> {
    /// The host that answered, or that sent the browser back.
    pub host: &'a str,
    pub code: &'a str,
    pub description: Option<&'a str>,
    /// Microsoft's `suberror`, Google's `error_subtype`.
    pub subcode: Option<&'a str>,
}

/// What the table says about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding<'a> {
    /// The most precise code that there is.
    pub(super) code: &'a str,
    pub(super) meaning: Option<Meaning>,
    /// It is the provider's own row, not a word of the standards.
    pub(super) own: bool,
}

/// One provider's software.
pub(crate) struct Family {
    #[cfg_attr(not(test), allow(dead_code, reason = "the catalogue's heading"))]
    pub(crate) title: &'static str,
    /// `*.` stands for any labels.
    hosts: &'static [&'static str],
    /// Its errors' texts hold codes that begin like this and go on in digits.
    code_in_text: Option<&'static str>,
    rows: &'static str,
}

/// What a row is recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Text,
    Pattern,
    Subcode,
    Error,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    place: Place,
    pub(crate) code: &'static str,
    /// In small letters; empty unless the place is the pattern.
    pattern: &'static str,
    pub(crate) meaning: Meaning,
}

const TABLE: (&str, &[Family]) = include!(concat!(env!("OUT_DIR"), "/provider_errors.rs"));

/// The rows that count for everyone.
pub(crate) fn everyones() -> impl Iterator<Item = Row> + Clone {
    rows(TABLE.0)
}

pub(crate) fn families() -> &'static [Family] {
    TABLE.1
}

/// What an error means: by its provider's own rows, from the most telling to the least, then by everyone's.
pub(super) fn look_up<'a>(named: &NamedError<'a>) -> Finding<'a> {
    let family = families().iter().find(|family| family.speaks_for(named.host));
    let text_code = family.and_then(|family| last_code(family.code_in_text?, named.description?));
    let own = family.and_then(|family| family.row(named, text_code));
    match own {
        Some(row) => {
            let code = text_code.unwrap_or(row.code);
            Finding { code, meaning: Some(row.meaning), own: true }
        }
        None => {
            let meaning = everyones().find(|row| row.code == named.code).map(|row| row.meaning);
            Finding { code: text_code.unwrap_or(named.code), meaning, own: false }
        }
    }
}

/// What a page for people says, of a provider that puts its codes into its texts: the last one that is known and followed
/// by its sentence, and that sentence.
pub fn told_on_page<'a>(host: &str, page: &'a str) -> Option<(&'a str, &'a str)> {
    let family = families().iter().find(|family| family.speaks_for(host))?;
    let prefix = family.code_in_text?;
    let told = page.match_indices(prefix).filter_map(|(at, _)| {
        let code = code_at(&page[at..], prefix)?;
        let known = family.rows().any(|row| row.place == Place::Text && row.code == code);
        let sentence = page[at..].split(['"', '<', '\n']).next()?;
        (known && sentence[code.len()..].starts_with(':')).then_some((code, sentence))
    });
    told.last()
}

/// The precise code, title and fix of an error that its provider is known for.
pub(super) fn own_meaning<'a>(named: &NamedError<'a>) -> Option<(&'a str, &'static str, &'static str)> {
    let Finding { code, meaning, own } = look_up(named);
    let (_, title, fix) = meaning.filter(|_| own)?;
    Some((code, title, fix))
}

/// The meaning of a code whose answer is no longer at hand. Where families differ about it, everyone's comes first.
pub(super) fn of_code(code: &str) -> Option<Meaning> {
    let owns = families().iter().flat_map(Family::rows);
    everyones().chain(owns).find(|row| row.code == code).map(|row| row.meaning)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pattern {
            "" => write!(f, "`{}`", self.code),
            pattern => write!(f, "`{}` with \"{pattern}\"", self.code),
        }
    }
}

impl Family {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + use<> {
        rows(self.rows)
    }

    fn speaks_for(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.hosts.iter().any(|known| match known.strip_prefix('*') {
            Some(domain) => {
                let labels = host.len().checked_sub(domain.len()).and_then(|at| host.get(at..));
                labels.is_some_and(|end| end.eq_ignore_ascii_case(domain)) && host.len() > domain.len()
            }
            None => host.eq_ignore_ascii_case(known),
        })
    }

    fn row(&self, named: &NamedError<'_>, text_code: Option<&str>) -> Option<Row> {
        let text = named.description.unwrap_or_default().to_lowercase();
        let at = |place: Place, code: Option<&str>| {
            self.rows().find(|row| row.place == place && Some(row.code) == code)
        };
        let by_pattern = || {
            let found = self.rows().filter(|row| row.place == Place::Pattern && text.contains(row.pattern));
            // Of equals the first.
            found.fold(None, |longest: Option<Row>, row| match longest {
                Some(longest) if longest.pattern.len() >= row.pattern.len() => Some(longest),
                _ => Some(row),
            })
        };
        at(Place::Text, text_code)
            .or_else(by_pattern)
            .or_else(|| at(Place::Subcode, named.subcode))
            .or_else(|| at(Place::Error, Some(named.code)))
    }
}

/// The last code of that form in a text: some endpoints put a general one before the one that tells the reason.
fn last_code<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
    text.match_indices(prefix).filter_map(|(at, _)| code_at(&text[at..], prefix)).last()
}

/// The code that a text begins with, after its prefix.
fn code_at<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let digits = text[prefix.len()..].bytes().take_while(u8::is_ascii_digit).count();
    (1..=10).contains(&digits).then(|| &text[..prefix.len() + digits])
}

fn rows(lines: &'static str) -> impl Iterator<Item = Row> + Clone {
    lines.lines().filter_map(row)
}

/// None for a line that is none; a test reads every line.
fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let mut cell = || cells.next();
    let (place, code, pattern, class) = (cell()?, cell()?, cell()?, cell()?);
    let place = match place {
        "text" => Place::Text,
        "pattern" => Place::Pattern,
        "subcode" => Place::Subcode,
        "error" => Place::Error,
        _ => return None,
    };
    let class = match class {
        "terminal" => FailureClass::Terminal,
        "client" => FailureClass::Client,
        "setup" => FailureClass::Setup,
        "throttled" => FailureClass::Throttled { retry_after: None },
        "transient" => FailureClass::Transient,
        _ => return None,
    };
    Some(Row { place, code, pattern, meaning: (class, cell()?, cell()?) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::text;

    const ENTRA: &str = "login.microsoftonline.com";

    fn found<'a>(host: &'a str, code: &'a str, description: &'a str) -> (&'a str, Option<FailureClass>) {
        let named = NamedError { host, code, description: Some(description), subcode: None };
        let finding = look_up(&named);
        (finding.code, finding.meaning.map(|(class, ..)| class))
    }

    const TERMINAL: Option<FailureClass> = Some(FailureClass::Terminal);
    const CLIENT: Option<FailureClass> = Some(FailureClass::Client);
    const SETUP: Option<FailureClass> = Some(FailureClass::Setup);

    #[test]
    fn every_line_is_a_row() {
        for lines in families().iter().map(|family| family.rows).chain([TABLE.0]) {
            for line in lines.lines() {
                let row = row(line).unwrap_or_else(|| panic!("{line}"));
                assert_eq!(row.place == Place::Pattern, !row.pattern.is_empty(), "{line}");
                assert!(row.pattern.is_empty() || row.pattern.len() >= 6, "{line}: too short to mean that");
            }
        }
        assert!(everyones().all(|row| row.place == Place::Error));
    }

    #[test]
    fn no_row_stands_in_the_light_of_another() {
        for family in families() {
            let mut seen = HashSet::new();
            for row in family.rows() {
                let key = if row.place == Place::Pattern { row.pattern } else { row.code };
                assert!(seen.insert((format!("{:?}", row.place), key)), "{}: {key} twice", family.title);
            }
            let spoken = |row: Row| family.code_in_text.is_some_and(|prefix| row.code.starts_with(prefix));
            assert!(family.rows().all(|row| (row.place == Place::Text) == spoken(row)), "{}", family.title);
        }
    }

    #[test]
    fn no_host_belongs_to_two_families() {
        for family in families() {
            for host in family.hosts {
                let example = host.replace('*', "acme");
                let speakers = families().iter().filter(|family| family.speaks_for(&example)).count();
                assert_eq!(speakers, 1, "{example}");
            }
        }
    }

    #[test]
    fn a_family_speaks_for_its_hosts_and_for_no_look_alike() {
        let speakers = |host: &str| families().iter().filter(|family| family.speaks_for(host)).count();
        for host in [ENTRA, "LOGIN.MicrosoftOnline.com", "acme.okta.com", "a.b.my.salesforce.com", "zoom.us."]
        {
            assert_eq!(speakers(host), 1, "{host}");
        }
        for host in [
            "",
            "evil-login.microsoftonline.com",
            "okta.com.evil.example",
            "evilokta.com",
            ".okta.com",
            "ü.okta",
        ] {
            assert_eq!(speakers(host), 0, "{host}");
        }
    }

    #[test]
    fn a_familys_rows_count_only_for_its_hosts() {
        let text = "AADSTS7000222: The provided client secret keys are expired.";
        assert_eq!(found(ENTRA, "invalid_client", text), ("AADSTS7000222", CLIENT));
        assert_eq!(found("idp.example", "invalid_client", text), ("invalid_client", CLIENT));
        assert_eq!(found("idp.example", "BAD_REFRESH_TOKEN", ""), ("BAD_REFRESH_TOKEN", None));
    }

    /// The codes that the contract names, and what they mean.
    #[test]
    fn the_codes_of_entra_are_told_apart_to_the_last_digit() {
        for (code, class) in [
            ("AADSTS65001", TERMINAL),
            ("AADSTS7000112", SETUP),
            ("AADSTS7000215", CLIENT),
            ("AADSTS7000222", CLIENT),
            ("AADSTS70008", TERMINAL),
            ("AADSTS700082", TERMINAL),
            ("AADSTS50173", TERMINAL),
            ("AADSTS50076", TERMINAL),
            ("AADSTS9002313", SETUP),
            ("AADSTS900144", SETUP),
        ] {
            assert_eq!(found(ENTRA, "invalid_grant", &format!("{code}: x")), (code, class));
        }
        let malformed = NamedError {
            host: ENTRA,
            code: "invalid_request",
            description: Some("AADSTS9002313: Invalid request. Request is malformed or invalid."),
            subcode: None,
        };
        let (_, title, fix) = look_up(&malformed).meaning.unwrap();
        assert!(title.contains("malformed") && fix.contains("Not a limit"), "{title}. {fix}");
    }

    #[test]
    fn of_several_codes_in_a_text_the_last_counts() {
        let text =
            "AADSTS70002: Error validating credentials. AADSTS50012: Invalid client secret is provided.";
        assert_eq!(found(ENTRA, "invalid_client", text), ("AADSTS50012", CLIENT));
    }

    #[test]
    fn a_code_that_no_row_knows_is_named_and_means_what_the_standard_says() {
        assert_eq!(found(ENTRA, "invalid_grant", "AADSTS9999999: news"), ("AADSTS9999999", TERMINAL));
        assert_eq!(found(ENTRA, "tenant_on_fire", "AADSTS9999999"), ("AADSTS9999999", None));
        assert_eq!(found(ENTRA, "invalid_grant", "AADSTS and no digits"), ("invalid_grant", TERMINAL));
    }

    #[test]
    fn a_finer_code_counts_where_the_text_has_none() {
        let named = NamedError {
            host: ENTRA,
            code: "invalid_grant",
            description: None,
            subcode: Some("client_mismatch"),
        };
        let finding = look_up(&named);
        assert_eq!((finding.code, finding.meaning.map(|(class, ..)| class)), ("client_mismatch", SETUP));
    }

    #[test]
    fn what_a_provider_says_of_one_grant_is_not_taken_for_its_word_about_the_client() {
        let shop = "acme.myshopify.com";
        let text = "This request requires an active refresh_token";
        assert_eq!(found(shop, "invalid_request", text), ("invalid_request", TERMINAL));
        let text = "refresh_token is invalid";
        assert_eq!(found("auth.atlassian.com", "unauthorized_client", text).1, TERMINAL);
        let text = "app must be installed into org";
        assert_eq!(found("login.salesforce.com", "invalid_client", text).1, TERMINAL);
        assert_eq!(found("login.salesforce.com", "invalid_client", "invalid client credentials").1, CLIENT);
    }

    #[test]
    fn a_page_tells_a_code_only_with_its_sentence() {
        let page = r#"{"a":"AADSTS1","strServiceExceptionMessage":"AADSTS700016: Application 'x' was not found.","b":1}"#;
        let told = Some(("AADSTS700016", "AADSTS700016: Application 'x' was not found."));
        assert_eq!(told_on_page(ENTRA, page), told);
        for (host, page) in [
            ("idp.example", page),
            (ENTRA, "see AADSTS700016 in the documentation"),
            (ENTRA, "AADSTS9999999: unheard of"),
            ("github.com", "bad_refresh_token: x"),
            (ENTRA, ""),
        ] {
            assert_eq!(told_on_page(host, page), None, "{page}");
        }
    }

    #[test]
    fn the_longest_phrase_counts() {
        let both = "Invalid client_id or client_secret";
        assert_eq!(found("zoom.us", "invalid_client", both), ("invalid_client", CLIENT));
        assert_eq!(found("zoom.us", "invalid_request", "Invalid client secret!").0, "4704");
        assert_eq!(found("zoom.us", "invalid_request", "INVALID CLIENT").0, "4702");
    }

    #[test]
    fn a_code_may_hold_a_space() {
        let throttled = Some(FailureClass::Throttled { retry_after: None });
        assert_eq!(found("accounts.zoho.eu", "Access Denied", ""), ("Access Denied", throttled));
        let text = "You have made too many requests continuously. Please try again after some time.";
        assert_eq!(found("accounts.zoho.com", "Access Denied", text).1, throttled);
    }

    proptest! {
        #[test]
        fn whatever_is_said_the_code_is_the_answers_or_the_tables(
            family in 0..families().len(), code in text(), description in text(), subcode in proptest::option::of(text()), known in any::<prop::sample::Index>(),
        ) {
            let rows: Vec<Row> = families()[family].rows().collect();
            let host = families()[family].hosts[0].replace('*', "acme");
            let row = rows[known.index(rows.len())];
            for description in [description.clone(), format!("{description} {}{} {description}", row.code, row.pattern.to_uppercase())] {
                let named = NamedError { host: &host, code: &code, description: Some(&description), subcode: subcode.as_deref() };
                let finding = look_up(&named);
                prop_assert!(finding.code == code || finding.code.len() <= 64, "{}", finding.code);
                prop_assert!(!finding.own || finding.meaning.is_some());
            }
        }

        #[test]
        fn for_strangers_only_the_words_of_the_standards_have_a_meaning(code in text(), description in text()) {
            let named = NamedError { host: "idp.example", code: &code, description: Some(&description), subcode: None };
            let finding = look_up(&named);
            prop_assert_eq!(finding.code, code.as_str());
            prop_assert!(!finding.own);
        }
    }
}
