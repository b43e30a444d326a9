//! The product against authorization servers that none of us wrote: their sign-in pages are walked, their refresh tokens
//! rotate, and their detection of reuse is on.
//!
//! `tests/interop/run` installs those servers and runs these tests; plain `cargo test` leaves them out. `scenarios` has
//! what must go well with every server, each server's own module what is particular about it.

// In a test, unwrapping is the assertion.
#![allow(clippy::unwrap_used)]

/// The scenarios as tests against one server.
macro_rules! against {
    ($kind:expr => $($scenario:ident)+) => { $(
        #[tokio::test]
        #[ignore = "needs the servers: run tests/interop/run"]
        async fn $scenario() {
            crate::scenarios::$scenario(&$kind).await;
        }
    )+ };
}

mod django_oauth_toolkit;
mod glewlwyd;
mod oidc_provider;
mod scenarios;
mod server;
