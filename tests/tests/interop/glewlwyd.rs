//! [Glewlwyd](https://github.com/babelouest/glewlwyd), from Debian: a server in C, whose access tokens are JWTs and whose
//! pages are made by their scripts. So the sign-in sends what those scripts would.

use bifrost_tests::{Browser, Page};
use reqwest::Method;
use serde_json::json;
use url::Url;

use crate::server::{Kind, PASSWORD, Pages, Person};

const GLEWLWYD: Kind = Kind {
    folder: "glewlwyd",
    command: &["python3", "server.py"],
    client_id: "bifrost-interop",
    // Against RFC 6749 section 2.3.1 it does not decode what comes in a Basic header.
    basic_secret: "a-secret_that.needs-no.encoding",
    authorization: "/auth",
    token: "/token",
    revocation: "/revoke",
    who_am_i: "/userinfo",
    scopes: "openid api:read",
    // It wants a nonce wherever `openid` is asked for, as only the implicit flow must (OpenID Connect Core, 3.2.2.1).
    authorize_params: || json!({"nonce": "of-no-use"}),
    pages: Pages::Glewlwyd,
    // A JWT is believed until it expires.
    revokes_access_tokens: false,
    // Which RFC 6749 section 5.2 has for clients that may not use a grant type.
    wrong_secret: "unauthorized_client",
    // It answers 400, and not a word.
    dead_grant: "provider-unavailable",
};

against! { GLEWLWYD =>
    a_grant_is_connected_used_and_rotated_for_generations_with_either_authentication
    a_crowd_of_callers_and_sweeps_never_looks_like_reuse
    reuse_by_someone_else_ends_the_grant_and_is_reported_as_such
    the_issuer_it_announces_is_checked
    disconnecting_revokes_with_either_authentication
    a_wrong_secret_is_reported_as_such
    a_client_speaks_for_itself_with_either_authentication
    a_client_with_a_key_connects_refreshes_and_revokes_by_each_algorithm
}

/// What the script of `login.html` does: it signs in, grants what is asked, and goes back to where it was sent from.
pub(crate) async fn sign_in(browser: &mut Browser, page: &Page, person: Person) -> Url {
    assert!(page.url.path() == "/login.html" && page.status == 200, "sent to {}: {}", page.url, page.text);
    let asked = |name: &str| page.url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
    let credentials = json!({"username": person.user, "password": PASSWORD});
    let signed_in = browser.call(page, Method::POST, "/api/auth/", credentials).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text);
    let grant = format!("/api/auth/grant/{}", asked("client_id"));
    let granted = browser.call(page, Method::PUT, &grant, json!({"scope": asked("scope")})).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    let mut back = Url::parse(&asked("callback_url")).unwrap();
    back.query_pairs_mut().append_key_only("g_continue");
    back
}
