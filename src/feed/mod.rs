//! Filing files to facts: CSV, NDJSON, MIIT JSON; tails and refusals.

mod csv;
mod miit;
mod ndjson;
mod packed;
mod read;
mod rows;
mod split;
mod store;

pub use store::{FileId, FilingStore, Place, SiteKey, StoredRecord};
