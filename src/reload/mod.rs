//! What changed on disk, or is due by the clock, is taken in here: watch, coalesce, load.
//!
//! One thread ([`driver`]) is the only writer of what is served. It waits for file events
//! ([`watch`]), commands ([`control`]), due instants and its poll, and hands each to the
//! [`Loader`], which reads the files, builds aside and swaps in. This room knows nothing of
//! records or verdicts: what a changed file means is the Loader's business.
//!
//! The way of a changed file: kernel event ([`queue`]) → [`watch::Watch`] (translated, coalesced
//! for 5 to 50 ms) → [`Batch`] → [`Loader::filings`] or [`Loader::zones`] (there [`zone_files::ZoneFiles`]
//! tells which zones changed) → the state is swapped.

pub mod clock;
pub mod control;
pub mod driver;
pub mod folder_watch;
pub mod history;
mod hold;
pub mod loader;
pub mod protocol;
pub mod read_zones;
pub mod rebuild;
pub mod scope;
mod site_index;
mod snapshots;
pub mod watch;
pub mod writers;
pub mod zone_files;

mod decisions;
mod lease;
mod look_up;
mod origin;
mod priority;
mod queue;
mod reconfigure;
mod unread;

pub use driver::{Driver, Handle, Outcome, Settings};
pub use folder_watch::FolderWatch;
pub use history::Record;
pub use loader::{Loader, Shrink, Taken};
pub use scope::{Batch, Closed, Scope};
pub use watch::Watched;
pub use writers::Writers;
pub use zone_files::{ZoneFile, ZoneFileChanges, ZoneFiles};
