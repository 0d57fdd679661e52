//! What stands in the folders, and whether the zone files in them are as they were: asked on all
//! cores, portion by portion. Of a million files that takes longer than all else at a start from a
//! snapshot, and nearly all of them are as they were.
//!
//! Owns no change of the books: what is not as it was is handed to the one thread that makes them.

use std::ffi::OsString;
use std::fs::{self, DirEntry, Metadata, ReadDir};
use std::io;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use super::super::origin::{self, FileName, is_zone};
use super::ZoneFiles;
use crate::parallel::Jobs;
use crate::reload::hold;

/// Entries that are looked at together.
const PORTION: usize = 512;

/// A folder to be looked into.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// How many folders it is below the root.
    pub(super) depth: usize,
    /// What of it has not been read yet; `None` before it is opened.
    rest: Option<ReadDir>,
}

impl Folder {
    pub(super) fn new(path: PathBuf, depth: usize) -> Folder {
        Folder { path, depth, rest: None }
    }
}

/// A folder, or a portion of one, that has been looked into.
pub(super) struct Listed {
    pub(super) path: PathBuf,
    pub(super) depth: usize,
    pub(super) found: Found,
}

pub(super) enum Found {
    /// Nothing in it is to change.
    Held,
    /// It could not be opened.
    Unreadable(io::Error),
    /// It was read.
    Portion {
        /// The places in the books of the zone files that are as they were.
        unchanged: Vec<usize>,
        others: Vec<Entry>,
        /// What ended the reading before its time.
        error: Option<io::Error>,
    },
}

/// One that may have to be taken in.
pub(super) struct Entry {
    pub(super) entry: DirEntry,
    pub(super) name: OsString,
    pub(super) meaning: FileName,
    /// Of a zone file; `None` where it has just vanished.
    pub(super) metadata: Option<Metadata>,
}

/// Looks into a folder, or at the next portion of it; the rest is left to whoever is free.
/// `trusts_fingerprints` says that a file that looks as it did is as it was.
pub(super) fn look_into(
    folder: Folder,
    books: &RwLock<&mut ZoneFiles>,
    trusts_fingerprints: bool,
    jobs: &Jobs<Folder>,
) -> Listed {
    let Folder { path, depth, rest } = folder;
    let opened = match rest {
        Some(rest) => Ok(rest),
        None if hold::is_held(&path) => return Listed { path, depth, found: Found::Held },
        None => fs::read_dir(&path),
    };
    let mut rest = match opened {
        Ok(rest) => rest,
        Err(error) => return Listed { path, depth, found: Found::Unreadable(error) },
    };
    let (mut entries, mut error) = (Vec::with_capacity(PORTION), None);
    while entries.len() < PORTION {
        match rest.next() {
            Some(Ok(entry)) => entries.push(entry),
            Some(Err(failure)) => {
                error = Some(failure);
                break;
            }
            None => break,
        }
    }
    if entries.len() == PORTION {
        jobs.add(Folder { path: path.clone(), depth, rest: Some(rest) });
    }
    let mut others: Vec<Entry> = entries.into_iter().map(Entry::of).collect();
    let mut unchanged = Vec::new();
    if trusts_fingerprints {
        // Whoever panics with it makes the whole scan panic.
        let books = books.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = books.folders.id(&path) {
            others.retain(|entry| match books.unchanged(id, entry) {
                Some(place) => {
                    unchanged.push(place);
                    false
                }
                None => true,
            });
        }
    }
    Listed { path, depth, found: Found::Portion { unchanged, others, error } }
}

impl Entry {
    fn of(entry: DirEntry) -> Entry {
        let name = entry.file_name();
        let meaning = origin::read(&name);
        let metadata = if is_zone(&name) { stat(&entry) } else { None };
        Entry { entry, name, meaning, metadata }
    }
}

/// A zone file's metadata, of what a link leads to.
fn stat(entry: &DirEntry) -> Option<Metadata> {
    let found = entry.metadata().ok()?;
    if found.is_symlink() { fs::metadata(entry.path()).ok() } else { Some(found) }
}
