//! Races: a refresh against everything that may happen to its grant meanwhile, and crowds that want one token.

mod crowds;
mod orders;
