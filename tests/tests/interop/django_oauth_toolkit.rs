//! [Django OAuth Toolkit](https://github.com/django-oauth/django-oauth-toolkit), from PyPI: what Django sites become
//! authorization servers with. Its tokens are opaque, and it knows OAuth alone.

use serde_json::json;

use crate::server::{AWKWARD_SECRET, Kind, Pages};

const DJANGO_OAUTH_TOOLKIT: Kind = Kind {
    folder: "django-oauth-toolkit",
    command: &["venv/bin/python", "server.py"],
    client_id: "bifrost interop",
    basic_secret: AWKWARD_SECRET,
    authorization: "/o/authorize/",
    token: "/o/token/",
    revocation: "/o/revoke_token/",
    who_am_i: "/o/me",
    scopes: "api:read",
    authorize_params: || json!({}),
    pages: Pages::Forms,
    revokes_access_tokens: true,
    wrong_secret: "invalid_client",
    dead_grant: "reauthorize",
};

against! { DJANGO_OAUTH_TOOLKIT =>
    a_grant_is_connected_used_and_rotated_for_generations_with_either_authentication
    a_crowd_of_callers_and_sweeps_never_looks_like_reuse
    reuse_by_someone_else_ends_the_grant_and_is_reported_as_such
    the_issuer_it_announces_is_checked
    whoever_declines_is_taken_at_their_word
    disconnecting_revokes_with_either_authentication
    a_wrong_secret_is_reported_as_such
    a_client_speaks_for_itself_with_either_authentication
}
