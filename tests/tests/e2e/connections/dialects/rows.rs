//! The dialects, one a row.

use bifrost_tests::{seconds_until, with};
use serde_json::{Value, json};

use super::provider::{Received, Reply};
use super::{Exchange, Row, Seen};

impl Row {
    /// A dialect of whoever signs people in. Unless said otherwise, all is as RFC 6749 has it.
    fn of_code(name: &'static str, dialect: Value) -> Self {
        let exchanges = [
            Exchange { reply: Reply::Json(tokens(1)), sent: has_code, answers: |seen| has_tokens(seen, 1) },
            Exchange { reply: Reply::Json(tokens(2)), sent: has_token, answers: |seen| has_tokens(seen, 2) },
        ];
        let connection = json!({"dialect": dialect});
        Self {
            name,
            flow: "authorization_code",
            connection,
            callback: "",
            sign_in: asks_for_scopes,
            exchanges,
        }
    }

    /// A dialect of whoever gives tokens to the client itself.
    fn of_client(name: &'static str, dialect: Value) -> Self {
        Self { flow: "client_credentials", ..Self::of_code(name, dialect) }
            .minted(minted(1), asks_for_itself, |seen| has_minted(seen, 1))
            .refreshed(minted(2), asks_for_itself, |seen| has_minted(seen, 2))
    }

    fn beside(mut self, connection: Value) -> Self {
        self.connection = with(self.connection, connection);
        self
    }

    fn signed_in(mut self, callback: &'static str, sign_in: fn(&Received)) -> Self {
        (self.callback, self.sign_in) = (callback, sign_in);
        self
    }

    fn connected(mut self, reply: impl Into<Reply>, sent: fn(&Received), answers: fn(&Seen)) -> Self {
        self.exchanges[0] = Exchange { reply: reply.into(), sent, answers };
        self
    }

    fn minted(self, reply: impl Into<Reply>, sent: fn(&Received), answers: fn(&Seen)) -> Self {
        self.connected(reply, sent, answers)
    }

    fn refreshed(mut self, reply: impl Into<Reply>, sent: fn(&Received), answers: fn(&Seen)) -> Self {
        self.exchanges[1] = Exchange { reply: reply.into(), sent, answers };
        self
    }

    /// Both answers tell of the access token's lifetime in this way, and the API knows it to be so many seconds.
    fn living(self, told: Value, lives: fn(&Seen)) -> Self {
        let answer = |number| with(tokens(number), told.clone());
        let (first, second) = (answer(1), answer(2));
        self.connected(first, has_code, lives).refreshed(second, has_token, lives)
    }
}

impl From<Value> for Reply {
    fn from(body: Value) -> Self {
        Self::Json(body)
    }
}

/// A token answer by the book.
fn tokens(number: u64) -> Value {
    json!({
        "access_token": format!("access-{number}"), "refresh_token": format!("refresh-{number}"),
        "token_type": "Bearer", "expires_in": 7200, "scope": "read write",
    })
}

fn minted(number: u64) -> Value {
    with(tokens(number), json!({"refresh_token": null}))
}

/// A sign-in by the book (RFC 6749 4.1.1).
fn asks_for_scopes(asked: &Received) {
    let query = asked.form();
    assert_eq!((&*query["response_type"], &*query["scope"]), ("code", "read write"));
    assert_eq!((&*query["client_id"], &*query["code_challenge_method"]), ("a-client", "S256"));
}

fn asks_with_a_comma(asked: &Received) {
    assert_eq!(asked.form()["scope"], "read,write");
}

/// The exchange of a code by the book (RFC 6749 4.1.3, RFC 7636 4.5).
fn has_code(request: &Received) {
    let form = request.form();
    assert_eq!((&*form["grant_type"], &*form["code"]), ("authorization_code", "a-code"));
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("a-client", "a-secret"));
    assert!(form["redirect_uri"].starts_with("http://") && form["code_verifier"].len() >= 43);
    assert!(!form.contains_key("scope"), "{form:?}");
}

/// A refresh by the book (RFC 6749 6), without scopes.
fn has_token(request: &Received) {
    let form = request.form();
    assert_eq!((&*form["grant_type"], &*form["refresh_token"]), ("refresh_token", "refresh-1"));
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("a-client", "a-secret"));
    assert!(!form.contains_key("scope"), "{form:?}");
}

fn asks_for_itself(request: &Received) {
    let form = request.form();
    assert_eq!((&*form["grant_type"], &*form["scope"]), ("client_credentials", "read write"));
}

fn has_tokens(seen: &Seen, number: u64) {
    has_minted(seen, number);
    assert_eq!(seen.resolved["refresh_token"], format!("refresh-{number}"));
    assert_eq!(seen.connection["has_refresh_token"], true);
}

fn has_minted(seen: &Seen, number: u64) {
    assert_eq!(seen.token["access_token"], format!("access-{number}"));
    assert_eq!(seen.resolved["access_token"], seen.token["access_token"]);
    assert_eq!(seen.token["scopes"], json!(["read", "write"]));
    lives(seen, 7200);
}

/// The access token's lifetime, less what a slow machine has used up of it since.
fn lives(seen: &Seen, seconds: i64) {
    let left = seconds_until(&seen.token["expires_at"]);
    assert!((seconds - 30..=seconds).contains(&left), "{left} of {seconds} s");
}

fn next_refresh(seen: &Seen) -> i64 {
    seconds_until(&seen.connection["next_refresh_at"])
}

#[track_caller]
fn facts(seen: &Seen, facts: Value) {
    for answer in [&seen.token, &seen.connection, &seen.resolved] {
        assert_eq!(answer["facts"], facts);
    }
}

/// The API's answers name none.
fn is_bearer(seen: &Seen, number: u64) {
    assert_eq!(seen.token["authorization"], format!("Bearer access-{number}"));
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows =
        vec![Row::of_code("none: RFC 6749", json!({})), Row::of_client("none: RFC 6749", json!({}))];
    rows.extend(requests());
    rows.extend(answers());
    rows.extend(lifetimes());
    rows.extend(what_is_kept());
    rows
}

/// How requests are written.
fn requests() -> Vec<Row> {
    vec![
        Row::of_code("scope_separator: comma", json!({"scope_separator": ","}))
            .signed_in("", asks_with_a_comma),
        Row::of_client("scope_separator: comma", json!({"scope_separator": ","}))
            .minted(
                minted(1),
                |sent| assert_eq!(sent.form()["scope"], "read,write"),
                |seen| has_minted(seen, 1),
            )
            .refreshed(
                minted(2),
                |sent| assert_eq!(sent.form()["scope"], "read,write"),
                |seen| has_minted(seen, 2),
            ),
        Row::of_code("token_body: json", json!({"token_body": "json"}))
            .connected(
                tokens(1),
                |sent| {
                    let body = sent.json();
                    assert_eq!((&*body["grant_type"], &*body["code"]), ("authorization_code", "a-code"));
                    assert_eq!((&*body["client_id"], &*body["client_secret"]), ("a-client", "a-secret"));
                    assert!(body["redirect_uri"].starts_with("http://") && body["code_verifier"].len() >= 43);
                },
                |seen| has_tokens(seen, 1),
            )
            .refreshed(
                tokens(2),
                |sent| {
                    let body = sent.json();
                    assert_eq!(
                        (&*body["grant_type"], &*body["refresh_token"]),
                        ("refresh_token", "refresh-1")
                    );
                },
                |seen| has_tokens(seen, 2),
            ),
        Row::of_code("token_body: json, client in a Basic header", json!({"token_body": "json"}))
            .beside(json!({"client_auth": "basic"}))
            .connected(tokens(1), basic_and_json, |seen| has_tokens(seen, 1))
            .refreshed(tokens(2), basic_and_json, |seen| has_tokens(seen, 2)),
        Row::of_client("grant_type: renamed", json!({"grant_type": "account_credentials"}))
            .beside(json!({"token_params": {"account_id": "42"}}))
            .minted(minted(1), account_credentials, |seen| has_minted(seen, 1))
            .refreshed(minted(2), account_credentials, |seen| has_minted(seen, 2)),
        Row::of_client(
            "grant_type: renamed, token_body: json",
            json!({"grant_type": "account_credentials", "token_body": "json"}),
        )
        .minted(
            minted(1),
            |sent| assert_eq!(sent.json()["grant_type"], "account_credentials"),
            |seen| has_minted(seen, 1),
        )
        .refreshed(
            minted(2),
            |sent| assert_eq!(sent.json()["grant_type"], "account_credentials"),
            |seen| has_minted(seen, 2),
        ),
        Row::of_code("grant_type: renamed, a person signs in", json!({"grant_type": "account_credentials"})),
        Row::of_code("refresh_params", json!({"refresh_params": {"mode": "refresh", "extra": "1"}}))
            .beside(json!({"token_params": {"mode": "first", "resource": "api"}}))
            .connected(
                tokens(1),
                |sent| {
                    has_code(sent);
                    let form = sent.form();
                    assert_eq!((&*form["mode"], &*form["resource"]), ("first", "api"));
                    assert!(!form.contains_key("extra"));
                },
                |seen| has_tokens(seen, 1),
            )
            .refreshed(
                tokens(2),
                |sent| {
                    has_token(sent);
                    let form = sent.form();
                    assert_eq!(
                        (&*form["mode"], &*form["resource"], &*form["extra"]),
                        ("refresh", "api", "1")
                    );
                    assert_eq!(sent.text.matches("mode=").count(), 1, "no parameter comes twice");
                },
                |seen| has_tokens(seen, 2),
            ),
        Row::of_code("send_scopes_on_refresh", json!({"send_scopes_on_refresh": true})).refreshed(
            tokens(2),
            |sent| assert_eq!(sent.form()["scope"], "read write"),
            |seen| has_tokens(seen, 2),
        ),
        Row::of_code(
            "send_scopes_on_refresh, scope_separator: comma",
            json!({"send_scopes_on_refresh": true, "scope_separator": ","}),
        )
        .signed_in("", asks_with_a_comma)
        .refreshed(
            tokens(2),
            |sent| assert_eq!(sent.form()["scope"], "read,write"),
            |seen| has_tokens(seen, 2),
        ),
        Row::of_client("url_values", json!({"url_values": {"region": ["eu", "us"]}}))
            .beside(json!({"token_url": "/{region}/token", "token_url_defaults": {"region": "us"}}))
            .minted(minted(1), |sent| assert_eq!(sent.path, "/us/token"), |seen| has_minted(seen, 1))
            .refreshed(minted(2), |sent| assert_eq!(sent.path, "/us/token"), |seen| has_minted(seen, 2)),
    ]
}

fn basic_and_json(request: &Received) {
    // "a-client:a-secret"
    assert_eq!(request.authorization, "Basic YS1jbGllbnQ6YS1zZWNyZXQ=");
    assert!(!request.json().contains_key("client_secret"));
}

fn account_credentials(request: &Received) {
    let form = request.form();
    assert_eq!((&*form["grant_type"], &*form["account_id"]), ("account_credentials", "42"));
}

/// How answers are read.
fn answers() -> Vec<Row> {
    vec![
        // As at Slack: a bot's token beside the person's, and answers to a refresh that are flat.
        Row::of_code("token_path: authed_user", json!({"token_path": "authed_user"}))
            .connected(
                json!({
                    "ok": true, "access_token": "the-bot's", "token_type": "bot",
                    "authed_user": with(tokens(1), json!({"token_type": "user", "scope": "read,write"})),
                }),
                has_code,
                |seen| {
                    has_tokens(seen, 1);
                    assert_eq!(seen.token["token_type"], "user");
                },
            )
            .refreshed(tokens(2), has_token, |seen| has_tokens(seen, 2)),
        Row::of_code("token_path: authed_user, without a token at last", json!({"token_path": "authed_user"}))
            .connected(json!({"ok": true, "authed_user": tokens(1)}), has_code, |seen| has_tokens(seen, 1))
            .refreshed(with(tokens(2), json!({"ok": true, "authed_user": {"id": "U1"}})), has_token, |seen| {
                has_tokens(seen, 2);
            }),
        Row::of_code("token_path: two deep", json!({"token_path": "data.oauth"}))
            .connected(json!({"data": {"oauth": tokens(1)}}), has_code, |seen| has_tokens(seen, 1))
            .refreshed(json!({"data": {"oauth": tokens(2)}}), has_token, |seen| has_tokens(seen, 2)),
        Row::of_code("none: answers in a form", json!({}))
            .connected(
                Reply::Form(
                    "access_token=access-1&refresh_token=refresh-1&expires_in=7200&scope=read%2Cwrite&token_type=bearer",
                ),
                has_code,
                |seen| {
                    has_tokens(seen, 1);
                    is_bearer(seen, 1);
                },
            )
            .refreshed(
                Reply::Form("access_token=access-2&refresh_token=refresh-2&expires_in=7200&scope=read+write"),
                has_token,
                |seen| {
                    has_tokens(seen, 2);
                    is_bearer(seen, 2);
                },
            ),
        Row::of_code("none: a refresh token that stays", json!({})).refreshed(minted(2), has_token, |seen| {
            has_minted(seen, 2);
            assert_eq!(seen.resolved["refresh_token"], "refresh-1");
        }),
    ]
}

/// How long tokens live.
fn lifetimes() -> Vec<Row> {
    let untold = json!({"expires_in": null});
    let default = json!({"default_lifetime": 1800});
    let milliseconds = json!({"expires_in_unit": "milliseconds"});
    let half_an_hour: fn(&Seen) = |seen| lives(seen, 1800);
    let an_hour: fn(&Seen) = |seen| lives(seen, 3600);
    let two_hours: fn(&Seen) = |seen| lives(seen, 7200);
    vec![
        Row::of_code("expires_in_unit: milliseconds", milliseconds.clone())
            .living(json!({"expires_in": 7_200_000}), two_hours),
        Row::of_code("expires_in_unit: milliseconds, as text", milliseconds)
            .living(json!({"expires_in": "7200000"}), two_hours),
        Row::of_code(
            "expires_in_unit: milliseconds, expires_in missing",
            json!({"expires_in_unit": "milliseconds", "default_lifetime": 1800}),
        )
        .living(untold.clone(), half_an_hour),
        Row::of_code("none: expires_in as text", json!({})).living(json!({"expires_in": "7200"}), two_hours),
        Row::of_code("default_lifetime, expires_in told", default.clone())
            .living(json!({"expires_in": 7200}), two_hours),
        Row::of_code("default_lifetime, expires_in missing", default.clone())
            .living(untold.clone(), half_an_hour),
        Row::of_code("default_lifetime, expires_in 0", default)
            .living(json!({"expires_in": 0}), half_an_hour),
        Row::of_code("none: expires_in missing", json!({})).living(untold, an_hour),
        Row::of_code("none: expires_in 0", json!({})).living(json!({"expires_in": 0}), an_hour),
        // Half of an idle refresh token's life, long before the access token needs it.
        Row::of_code("refresh_token.idle_lifetime", json!({"refresh_token": {"idle_lifetime": 600}})).living(
            json!({"expires_in": 86_400}),
            |seen| {
                lives(seen, 86_400);
                assert!((270..=300).contains(&next_refresh(seen)), "{}", next_refresh(seen));
            },
        ),
        Row::of_code("none: an access token of a day", json!({})).living(
            json!({"expires_in": 86_400}),
            |seen| {
                // A fifth before its end, less a jitter of a tenth.
                assert!((60_400..=69_120).contains(&next_refresh(seen)), "{}", next_refresh(seen));
            },
        ),
        Row::of_code(
            "refresh_token.idle_lifetime, told otherwise",
            json!({"refresh_token": {"idle_lifetime": 600}}),
        )
        .living(json!({"expires_in": 86_400, "refresh_token_expires_in": 1800}), |seen| {
            // Ten minutes before the half hour that the answer tells of, less a jitter of a tenth.
            assert!((990..=1200).contains(&next_refresh(seen)), "{}", next_refresh(seen));
        }),
    ]
}

/// What is kept beside the tokens.
fn what_is_kept() -> Vec<Row> {
    vec![
        Row::of_code("callback_facts", json!({"callback_facts": ["realmId", "region"]}))
            .signed_in("&realmId=9341&noise=1", asks_for_scopes)
            .connected(tokens(1), has_code, |seen| facts(seen, json!({"realmId": "9341"})))
            .refreshed(tokens(2), has_token, |seen| facts(seen, json!({"realmId": "9341"}))),
        Row::of_code("token_facts", json!({"token_facts": ["instance_url", "team.id", "absent"]}))
            .connected(
                with(
                    tokens(1),
                    json!({"instance_url": "https://eu1.example.com", "team": {"id": 7, "name": "A"}}),
                ),
                has_code,
                |seen| facts(seen, json!({"instance_url": "https://eu1.example.com", "team.id": "7"})),
            )
            // One fact changes, the other is not repeated.
            .refreshed(
                with(tokens(2), json!({"instance_url": "https://eu2.example.com"})),
                has_token,
                |seen| facts(seen, json!({"instance_url": "https://eu2.example.com", "team.id": "7"})),
            ),
        // Paths begin at the top of the answer, wherever the token is.
        Row::of_code(
            "token_facts beside token_path",
            json!({"token_path": "authed_user", "token_facts": ["team.id", "authed_user.id"]}),
        )
        .connected(
            json!({"team": {"id": "T1"}, "authed_user": with(tokens(1), json!({"id": "U1"}))}),
            has_code,
            |seen| facts(seen, json!({"team.id": "T1", "authed_user.id": "U1"})),
        ),
        Row::of_code(
            "callback_facts, token_facts of the same name",
            json!({"callback_facts": ["region"], "token_facts": ["region"]}),
        )
        .signed_in("&region=eu", asks_for_scopes)
        .connected(tokens(1), has_code, |seen| facts(seen, json!({"region": "eu"})))
        .refreshed(with(tokens(2), json!({"region": "us"})), has_token, |seen| {
            facts(seen, json!({"region": "us"}));
        }),
        Row::of_client("token_facts", json!({"token_facts": ["server"]}))
            .minted(with(minted(1), json!({"server": "a"})), asks_for_itself, |seen| {
                facts(seen, json!({"server": "a"}));
            })
            .refreshed(with(minted(2), json!({"server": "b"})), asks_for_itself, |seen| {
                facts(seen, json!({"server": "b"}));
            }),
    ]
}
