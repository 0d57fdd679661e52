//! The operator's handbook in `docs/handbook/`: its commands do what it says, and its list of
//! messages is whole.

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod messages;
mod source;
