//! What stands in the folders, and whether the zone files in them are as they were: asked on all
//! cores, portion by portion. Of a million files that takes longer than all else at a start from a
//! snapshot, and nearly all of them are as they were: for those nothing is allocated.
//!
//! Owns no change of the books: what is not as it was is handed to the one thread that makes them.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, StatxFlags, openat, statx};

use super::super::origin::{FileName, is_zone};
use super::ZoneFiles;
use crate::file_stat::FileStat;
use crate::parallel::Jobs;
use crate::reload::{FolderWatch, hold};

/// Entries that are looked at together, at least, where a folder has as many.
const PORTION: usize = 256;
/// What the system tells at a time, in bytes: some 500 entries.
const BUFFER: usize = 32 << 10;

/// A folder to be looked into.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// How many folders it is below the root.
    pub(super) depth: usize,
    /// Where the reading of it goes on; `None` before it is opened.
    rest: Option<Arc<OwnedFd>>,
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
    pub(super) name: OsString,
    pub(super) meaning: FileName,
    /// Of itself, not of what a link leads to.
    pub(super) kind: FileType,
    /// Of a zone file, or of what a link in its place leads to; `None` where it has just vanished.
    pub(super) stat: Option<FileStat>,
}

/// Reads folders; its room is used again for each portion.
pub(super) struct FolderReader {
    folder_watch: FolderWatch,
    /// A file that looks as it did is as it was.
    trusts_fingerprints: bool,
    buffer: Vec<u8>,
    /// Each with the NUL that ends it.
    names: Vec<u8>,
    entries: Vec<Seen>,
}

/// An entry as the system tells it.
struct Seen {
    /// Where its name ends; it begins where the one before ends.
    name_end: usize,
    kind: FileType,
    stat: Option<FileStat>,
}

impl FolderReader {
    pub(super) fn new(folder_watch: FolderWatch, trusts_fingerprints: bool) -> FolderReader {
        let (buffer, names, entries) = (Vec::new(), Vec::new(), Vec::new());
        FolderReader { folder_watch, trusts_fingerprints, buffer, names, entries }
    }

    /// Looks into a folder, or at the next portion of it; the rest is left to whoever is free.
    pub(super) fn look_into(
        &mut self,
        folder: Folder,
        books: &RwLock<&mut ZoneFiles>,
        jobs: &Jobs<Folder>,
    ) -> Listed {
        let Folder { path, depth, rest } = folder;
        if rest.is_none() {
            self.folder_watch.watch(&path);
            if hold::is_held(&path) {
                return Listed { path, depth, found: Found::Held };
            }
        }
        let opened = match rest.map_or_else(|| open(&path), Ok) {
            Ok(opened) => opened,
            Err(error) => return Listed { path, depth, found: Found::Unreadable(error) },
        };
        let read = self.read_portion(&opened);
        if let Ok(Rest::Some) = read {
            let rest = Some(Arc::clone(&opened));
            jobs.add(Folder { path: path.clone(), depth, rest });
        }
        self.look_at_files(&opened);
        let (mut unchanged, mut others) = (Vec::new(), Vec::new());
        // Whoever panics with it makes the whole scan panic.
        let books = books.read().unwrap_or_else(PoisonError::into_inner);
        let id = books.folders.id(&path).filter(|_| self.trusts_fingerprints);
        // A folder is told in the same order each time, and was noted in it.
        let mut likely = usize::MAX;
        let mut name_begin = 0;
        for &Seen { name_end, kind, stat } in &self.entries {
            let name = OsStr::from_bytes(&self.names[name_begin..name_end - 1]);
            name_begin = name_end;
            let file = stat.filter(|_| kind == FileType::RegularFile);
            match books.unchanged(id, name, file, likely) {
                Ok(at) => {
                    unchanged.push(at);
                    likely = at + 1;
                }
                Err(meaning) => others.push(Entry { name: name.to_owned(), meaning, kind, stat }),
            }
        }
        let error = read.err();
        Listed { path, depth, found: Found::Portion { unchanged, others, error } }
    }

    /// Reads the next names of a folder. What was read before an error is kept.
    fn read_portion(&mut self, folder: &OwnedFd) -> io::Result<Rest> {
        self.names.clear();
        self.entries.clear();
        self.buffer.reserve(BUFFER);
        let mut told = RawDir::new(folder, self.buffer.spare_capacity_mut());
        while let Some(entry) = told.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                self.names.extend_from_slice(name.to_bytes_with_nul());
                let (name_end, kind) = (self.names.len(), entry.file_type());
                self.entries.push(Seen { name_end, kind, stat: None });
            }
            if self.entries.len() >= PORTION && told.is_buffer_empty() {
                return Ok(Rest::Some);
            }
        }
        Ok(Rest::None)
    }

    /// Looks at what may be a zone file, or be anything.
    fn look_at_files(&mut self, folder: &OwnedFd) {
        let mut name_begin = 0;
        for entry in &mut self.entries {
            let name = &self.names[name_begin..entry.name_end];
            name_begin = entry.name_end;
            let name = CStr::from_bytes_with_nul(name).expect("names are kept with their end");
            let is_zone = is_zone(OsStr::from_bytes(name.to_bytes()));
            if !is_zone && entry.kind != FileType::Unknown {
                continue;
            }
            let look = |flags| statx(folder, name, flags, StatxFlags::BASIC_STATS).ok();
            let mut found = look(AtFlags::SYMLINK_NOFOLLOW);
            if let Some(found) = &found {
                entry.kind = FileType::from_raw_mode(found.stx_mode.into());
            }
            if entry.kind == FileType::Symlink {
                found = look(AtFlags::empty());
            }
            entry.stat = found.filter(|_| is_zone).map(|found| FileStat::of_statx(&found));
        }
    }
}

fn open(folder: &Path) -> io::Result<Arc<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(Arc::new(openat(CWD, folder, flags, Mode::empty())?))
}

/// Whether there may be more in a folder.
enum Rest {
    None,
    Some,
}
