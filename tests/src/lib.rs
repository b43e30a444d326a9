//! What the end-to-end tests are written with: a local stack that runs the real function binaries, a provider that
//! forgives nothing, a browser, and the verbs of the domain.
//!
//! Tests talk HTTP to the stack, as workflows and people do, and look inside only through what operators have too:
//! the logs, the data folder and the refresher's report.

// Everything here runs in tests only, where unwrapping is the assertion.
#![allow(clippy::unwrap_used)]

mod accesses;
mod api;
mod app;
mod browser;
mod connecting;
mod folder;
mod html;
mod outcomes;
mod provider;
mod stack;
mod tables;

pub use accesses::folder as accesses_folder;
pub use api::{Answer, Api, http};
pub use app::{Connection, Organization, Role, TestApp};
pub use browser::{Browser, Page};
pub use connecting::{allow, allow_as, confirm, deny, sign_in, sign_in_as};
pub use folder::Folder;
pub use html::Form;
pub use outcomes::folder as outcomes_folder;
pub use provider::TestProvider;
pub use stack::{RETURN_TO_ORIGIN, RunningStack};
pub use tables::{DATA, DATA_KEYS};

use std::time::Duration;

use serde_json::Value;

/// What a provider lets slip into an error: shaped like its tokens, given to nobody.
pub const SLIPPED_TOKEN: &str = "bfp_at_0qV8mZ3xTq7LkR2nYb5WcJ9sHd4Pf6Gu1Ea-iKoX_Vt";

/// The object with the members of `changes` put in; a `null` takes one away.
///
/// # Panics
/// When either is no object.
pub fn with(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    let Value::Object(changes) = changes else { panic!("changes must be an object, not {changes}") };
    for (name, value) in changes {
        match value {
            Value::Null => members.remove(&name),
            value => members.insert(name, value),
        };
    }
    object
}

/// The seconds from now until an RFC 3339 time in UTC, as answers carry them.
///
/// # Panics
/// When it is no such time.
pub fn seconds_until(time: &Value) -> i64 {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is no time"));
    assert!(text.ends_with('Z'), "{text} is not in UTC");
    let format = time::format_description::well_known::Rfc3339;
    let time = time::OffsetDateTime::parse(text, &format).unwrap();
    (time - time::OffsetDateTime::now_utc()).whole_seconds()
}

/// A pause that a test can't do without: until a short-lived token has aged.
pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Runs all futures at once and returns what they return, in order.
pub async fn all_at_once<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
