//! Filing files to facts: CSV, NDJSON, MIIT JSON; tails and refusals.

mod packed;
mod store;

pub use store::{FileId, FilingStore, Place, SiteKey, StoredRecord};
