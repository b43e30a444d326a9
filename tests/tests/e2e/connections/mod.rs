mod authorize;
mod client_credentials;
mod create;
mod get;
mod list;
mod refresh;
mod token;
