mod callback;
mod identity;
