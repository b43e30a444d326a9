//! `/providers`.

mod list;
