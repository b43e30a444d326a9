//! The HTTP clients against servers that speak TLS, with certificates of an authority that was made for the test: whom
//! they trust, what they say, how long they wait, and what AWS can tell from their signatures.
//!
//! The clients are the functions' own, and so is all that they are made with, except for the roots: that is the one thing
//! that their constructors leave to the caller.

// In a test, unwrapping is the assertion.
#![allow(clippy::unwrap_used)]

mod authority;
mod aws;
mod exchange;
mod patience;
mod process;
mod providers;
mod server;
mod signature;
