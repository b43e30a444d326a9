//! `infra/PROBLEMS.md` and `infra/PROVIDER_ERRORS.md`: every code that a caller can meet, from the tables that make them.
//!
//! Written anew with `BIFROST_WRITE_PROBLEMS=1 cargo test -p bifrost catalogue`.

use std::fmt::Write;

use super::answer;
use crate::model::{
    Code,
    failure::{FailureClass, Meaning, OURS},
    provider_errors::{self, Row},
};

const PROBLEMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/PROBLEMS.md");
const PROVIDER_ERRORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/PROVIDER_ERRORS.md");

const HEAD: &str = "\
# Problems

Every code that an answer can carry, what it means and what helps. Made from the code; to write it anew:
`BIFROST_WRITE_PROBLEMS=1 cargo test -p bifrost catalogue`.

## What functions answer

`application/problem+json` (RFC 9457) with `type` (`urn:bifrost:problem:<code>`), `title`, `status`, `detail` (what happened
in this case), `code`, `fix`, `request_id`, and `errors` (`field`, `message`) where fields are wrong. An answer's own `fix`
can say more than the one below. `Retry-After` comes with what passes by itself. Pages for people have the same statuses and
the words without the code. Rows of an import, and `oauth.problem` in the answer to a resolve, have the same codes.

| code | status | meaning | fix |
| --- | --- | --- | --- |
";

const GATEWAY: &str = "
## What the gateway answers

API Gateway says some things before or instead of a function. They have its shape, `application/json` with
`{\"message\": ...}`, and its request id in the header `apigw-requestid`. The local stack says the same, but throttles nobody.

| status | message | meaning | fix |
| --- | --- | --- | --- |
| 400 | `Bad Request` | The Host header is missing, doubled or no host | Correct the client |
| 401 | `Unauthorized` | There is no Authorization header | Send `Authorization: Bearer <key>` |
| 403 | `Forbidden` | No such key, or it has been revoked | Check the key, or ask for a new one |
| 404 | `Not Found` | There is no such route | Check path and method |
| 413 | `Request Entity Too Large` | The body is larger than the gateway (10 MB) or Lambda (6 MB) takes | Send less; functions take 256 KiB |
| 429 | `Too Many Requests` | More requests than the account or the stage may get | Repeat the request, after a pause that grows |
| 431 | `Request Header Fields Too Large` | The request line and the headers' values have more than 10,240 bytes together | Send shorter headers, or a shorter query |
| 500 | `Internal Server Error` | A function, or the authorizer, failed | Repeat the request; report `apigw-requestid` if it lasts |
| 503 | `Service Unavailable` | A function took longer than 30 s; it goes on | Repeat the request |
";

const FAILURES: &str = "
## Trouble with a provider

The codes in a connection's `last_error`, and in `oauth.problem` when there is no usable token: those with hyphens were
found here. All others are the provider's own, as [PROVIDER_ERRORS.md](PROVIDER_ERRORS.md) explains them; one that is not
there either is kept as it is, and treated as `provider-error`. Codes of the first table stand here too when a refresh
could not begin, such as `secret-unavailable`.

";

const PROVIDERS: &str = "\
# Errors of providers

What providers' own codes mean and what helps. Made from `shared/provider_errors.toml`, where each has its source; to write
it anew: `BIFROST_WRITE_PROBLEMS=1 cargo test -p bifrost catalogue`.

A connection's `last_error`, the page after a sign-in and `POST /connections/{name}/diagnose` speak alike from this table. A
provider's own section counts for answers of its hosts, whatever connection asked; what it does not have, and all other
providers, are looked up in the first. Where an error says more than its code, the most precise code is shown, such as
`AADSTS700082` for `invalid_grant`; a row with a phrase is recognised by the phrase in the error's text.
";

fn provider_catalogue() -> String {
    let mut page = PROVIDERS.to_owned();
    let everyones = provider_errors::everyones().collect();
    section(&mut page, "Every provider", everyones);
    for family in provider_errors::families() {
        section(&mut page, family.title, family.rows().collect());
    }
    page
}

fn section(page: &mut String, title: &str, rows: Vec<Row>) {
    write!(page, "\n## {title}\n\n| code | meaning | what happens next | fix |\n| --- | --- | --- | --- |\n")
        .unwrap();
    // Codes with one meaning stand together.
    for alike in rows.chunk_by(|one, other| one.meaning == other.meaning) {
        let codes: Vec<_> = alike.iter().map(Row::to_string).collect();
        write_failure(page, &codes, alike[0].meaning);
    }
}

fn write_failure(page: &mut String, codes: &[String], (class, title, fix): Meaning) {
    writeln!(page, "| {} | {title} | {} | {fix} |", codes.join(", "), next(class)).unwrap();
}

fn catalogue() -> String {
    let mut page = HEAD.to_owned();
    for &code in Code::ALL {
        let (status, title, fix) = (answer::status(code).as_u16(), code.title(), code.fix());
        writeln!(page, "| `{code}` | {status} | {title} | {fix} |").unwrap();
    }
    page.push_str(GATEWAY);
    page.push_str(FAILURES);
    page.push_str("| code | meaning | what happens next | fix |\n| --- | --- | --- | --- |\n");
    for (code, meaning) in OURS {
        write_failure(&mut page, &[format!("`{code}`")], *meaning);
    }
    page
}

/// What is tried, by itself, after a failure.
fn next(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Terminal => "nothing: `reauthorize`",
        FailureClass::Client => {
            "one grant asks again, ever more rarely, and the connection's others wait; an edit helps at once"
        }
        FailureClass::Setup => "retries that grow rarer; an edit of the connection helps",
        FailureClass::Throttled { .. } => "a retry when the provider allows",
        FailureClass::Transient => "retries that grow rarer",
        FailureClass::Ambiguous | FailureClass::Malformed => {
            "a retry with the same token, which may be spent"
        }
    }
}

#[test]
fn the_catalogues_are_what_the_code_says() {
    for (file, catalogue) in [(PROBLEMS, catalogue()), (PROVIDER_ERRORS, provider_catalogue())] {
        if std::env::var_os("BIFROST_WRITE_PROBLEMS").is_some() {
            std::fs::write(file, &catalogue).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            written == catalogue,
            "{file} is stale: BIFROST_WRITE_PROBLEMS=1 cargo test -p bifrost catalogue"
        );
    }
}

#[test]
fn each_code_is_one_row_with_a_meaning_and_a_fix_that_are_sentences_of_their_own() {
    let problems = Code::ALL.iter().map(|code| (code.as_str(), code.title(), code.fix()));
    let failures = OURS.iter().map(|(code, (_, title, fix))| (*code, *title, *fix));
    let everyones = provider_errors::everyones().map(|row| (row.code, row.meaning.1, row.meaning.2));
    let mut seen = std::collections::HashSet::new();
    for (code, ..) in problems.clone().chain(failures.clone()).chain(everyones.clone()) {
        // Three failures are a provider's doing both for the request and for the grant, under one name.
        let shared = ["provider-unavailable", "provider-refused"].contains(&code);
        assert!(seen.insert(code) || shared, "{code} is there twice");
    }
    let rows = provider_errors::families().iter().flat_map(provider_errors::Family::rows);
    let families = rows.map(|row| (row.code, row.meaning.1, row.meaning.2));
    for (code, title, fix) in problems.chain(failures).chain(everyones).chain(families) {
        assert!(!title.is_empty() && !title.ends_with('.'), "{title}");
        assert!(fix.ends_with('.') && fix != title, "{code}: {fix}");
        assert!(!format!("{title}{fix}").contains(['|', '\n']), "{code} breaks the table");
    }
}
