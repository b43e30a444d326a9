//! Who may do what, route by route: what the table says is what real requests are answered.

mod gates;
pub(crate) mod house;
mod matrix;
pub(crate) mod routes;

pub(crate) use routes::workspace;
