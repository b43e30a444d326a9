//! [oidc-provider](https://github.com/panva/node-oidc-provider), from npm: an OpenID-certified server in JavaScript.

mod people;

use serde_json::json;

use crate::server::{AWKWARD_SECRET, Kind, Pages};

const OIDC_PROVIDER: Kind = Kind {
    folder: "oidc-provider",
    command: &["node", "server.mjs"],
    client_id: "bifrost interop",
    basic_secret: AWKWARD_SECRET,
    authorization: "/auth",
    token: "/token",
    revocation: "/token/revocation",
    who_am_i: "/me",
    scopes: "openid offline_access api:read",
    // Without it OpenID Connect Core, section 11, gives no offline access.
    authorize_params: || json!({"prompt": "consent"}),
    pages: Pages::Forms,
    revokes_access_tokens: true,
    wrong_secret: "invalid_client",
    dead_grant: "reauthorize",
};

against! { OIDC_PROVIDER =>
    a_grant_is_connected_used_and_rotated_for_generations_with_either_authentication
    a_crowd_of_callers_and_sweeps_never_looks_like_reuse
    reuse_by_someone_else_ends_the_grant_and_is_reported_as_such
    someone_else_than_before_is_asked_about
    the_issuer_it_announces_is_checked
    whoever_declines_is_taken_at_their_word
    disconnecting_revokes_with_either_authentication
    a_wrong_secret_is_reported_as_such
    a_client_speaks_for_itself_with_either_authentication
    a_client_with_a_key_connects_refreshes_and_revokes_by_each_algorithm
}
