//! Filing files to facts: CSV, NDJSON, MIIT JSON; tails and refusals.
//!
//! [`Feed`] reads a folder into a [`FilingStore`] and keeps the two in step; it is owned by the
//! one thread that takes in changes. What it hands upwards are [`crate::filing::Facts`] by site
//! domain, and the site domains whose facts have changed.
//!
//! | file | owns |
//! | --- | --- |
//! | `refresh` | when a file is read, and whether what was read is taken in |
//! | `shrink` | the rule of `filings.max_shrink` |
//! | `store`, `packed` | the records in memory |
//! | `files` | the folder |
//! | `read` | one file: portions, threads, fingerprints, bad lines |
//! | `rows`, `split` | what the formats have in common |
//! | `csv`, `ndjson`, `miit` | one format each |

mod csv;
mod files;
mod miit;
mod ndjson;
mod packed;
mod read;
mod refresh;
mod rows;
mod shrink;
mod split;
mod store;

#[cfg(test)]
mod tests;

pub use read::Texts;
pub use refresh::{
    Changed, Feed, FeedChange, FeedSettings, FeedStats, Hint, Moment, Scope, ShownRecord, Shrink,
    WaitingShrink,
};
pub use store::{FileId, FilingStore, Place, SiteKey, StoredRecord};
