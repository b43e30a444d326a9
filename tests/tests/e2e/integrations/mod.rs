mod create;
mod delete;
mod get;
mod limits;
mod list;
mod mappings;
mod resolve;
mod update;
