//! Filing files to facts: CSV, NDJSON, MIIT JSON; tails and refusals.
//!
//! [`Feed`] reads a folder into a [`FilingStore`] and keeps the two in step; it is owned by the
//! one thread that takes in changes. What it hands upwards are [`crate::filing::Facts`] by site
//! domain, and the site domains whose facts have changed.
//!
//! | file | owns |
//! | --- | --- |
//! | `change` | what the feed is asked, and what it answers |
//! | `refresh` | what is taken in, what waits, and what is told |
//! | `look` | when a file is read |
//! | `shrink` | the rule of `filings.max_shrink` |
//! | `store`, `packed` | the records in memory |
//! | `files` | the folder |
//! | `read` | one file, by several threads |
//! | `portion` | what one of them makes of its part |
//! | `texts` | the texts of one record, read again |
//! | `mark`, `cut` | how far it was read; its portions |
//! | `rows`, `split` | what the formats have in common |
//! | `csv`, `ndjson`, `miit` | one format each |
//! | `convert` | a file written again in another format |

mod change;
mod convert;
mod csv;
mod cut;
mod files;
mod look;
mod mark;
mod miit;
mod ndjson;
mod packed;
mod portion;
mod read;
mod refresh;
mod rows;
mod saved;
mod shrink;
mod split;
mod store;
mod texts;
mod verbatim;

#[cfg(test)]
mod tests;

pub use change::{
    AskedRecord, Changed, EMPTY_REST, FeedChange, FeedSettings, FeedStats, FoundRecord, Hint,
    Moment, OPEN_REST, Scope, Shrink, WaitingShrink, Writers, Written,
};
pub use convert::{ConvertError, Converted, FileFormat, convert};
pub use read::{Texts, each_record};
pub use refresh::Feed;
pub use saved::FeedToSave;
pub use store::{FileId, FilingStore, Place, SiteKey, StoredRecord};
pub use texts::TextReader;
