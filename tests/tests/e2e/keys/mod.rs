mod create;
mod list;
mod revoke;
mod root_key;
