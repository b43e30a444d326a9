//! What every function asked of AWS in the tests, kept under `target/accesses` for the table of `tests/policies.rs`.

use std::path::PathBuf;
use std::sync::LazyLock;

use bifrost_local::Observer;

/// Where each test process, and the browser tests' stack, leaves a file; see [`Observer::noting`].
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/accesses")
}

/// One for all stacks of a process, so that each access is noted once.
pub(crate) fn observer() -> Observer {
    static OBSERVER: LazyLock<Observer> = LazyLock::new(|| Observer::noting(&folder()).unwrap());
    OBSERVER.clone()
}
