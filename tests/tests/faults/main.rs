//! Faults and races for real: the function binaries in the local stack, killed, starved, lied to and raced at every
//! step of a refresh. After each, the grant is alive, or its state says what a person must do.
//!
//! ```sh
//! cargo test -p bifrost-tests --test faults table -- --nocapture   # the fault table
//! cargo test -p bifrost-tests --test faults races -- --nocapture   # the races
//! ```
//!
//! Most of the time is spent waiting (a lease lapses after 30 s, an exchange is given up after 45 s), so all cases of a
//! table run at once, each in an organization and at a provider of its own.

// In a test, unwrapping is the assertion.
#![allow(clippy::unwrap_used)]

mod races;
mod scene;
mod steps;
mod table;
