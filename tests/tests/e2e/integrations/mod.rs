mod create;
mod get;
mod mappings;
mod resolve;
