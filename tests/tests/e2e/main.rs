//! End to end: the real function binaries in the local stack, against a strict provider, over HTTP. The tree of
//! modules is the tree of URLs; what has no URL of its own stands beside it.

// In a test, unwrapping is the assertion.
#![allow(clippy::unwrap_used)]

mod access;
mod audit;
mod census;
mod claims;
mod cleaner;
mod connect;
mod connections;
mod every_route;
mod gateway;
mod hostile;
mod in_the_way;
mod integrations;
mod keys;
mod lists;
mod oauth;
mod openapi;
mod organizations;
mod people;
mod permissions;
mod problems;
mod providers;
mod resealer;
mod restart;
mod restores;
mod schedule;
mod secrecy;
mod tenants;
mod throttles;
