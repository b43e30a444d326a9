mod create;
mod delete;
mod get;
mod list;
mod mappings;
mod resolve;
mod update;
