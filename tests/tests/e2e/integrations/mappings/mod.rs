mod get;
mod list;
mod put;
