//! Who is writing: has a file that was just read been written to meanwhile, and is its writer done?
//!
//! The times of files count in ticks, and events come after the write that they tell of; neither
//! tells whether what was read is whole. Both questions that are asked here together do, in this
//! order: has anybody the file open for writing ([`super::lease`])? And does the queue
//! of events tell of a write? Where nobody has, each write before the question is in the queue. So
//! a rewrite in place is never taken in the middle, however long its writer pauses.
//!
//! Where the first cannot be known, who wrote and has not closed is known by the events.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use inotify::EventMask;

use super::lease::is_open_for_writing;
use super::watch::{DATA_LINK, Raw, lock};
use crate::feed::{self, OPEN_REST, Written};

/// Nothing tells of the end of a write without an open file (`truncate(2)`): a file that has not
/// been written to for so long is at rest.
const LONGEST_OPEN: Duration = Duration::from_secs(600);
/// Files that are remembered as being written to; with more, all are forgotten, and quiet decides.
const MAX_WRITTEN: usize = 65_536;

/// The files that were written to and not closed since, by their real paths.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(HashMap<PathBuf, Instant>);

impl OpenFiles {
    /// Takes in what an event tells.
    pub(super) fn note(&mut self, mask: EventMask, path: &Path) {
        let folder_made = EventMask::CREATE | EventMask::ISDIR;
        if mask.contains(EventMask::MODIFY) {
            if self.0.len() >= MAX_WRITTEN {
                self.0.clear();
            }
            self.0.insert(path.to_owned(), Instant::now());
        } else if mask.contains(EventMask::CLOSE_WRITE) {
            self.0.remove(path);
        } else if mask.contains(folder_made) || mask.intersects(REPLACED) {
            // Another file or folder stands there now, or none.
            self.0.retain(|open, _| !open.starts_with(path));
        }
    }

    /// After lost events nothing is known of anyone.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn has(&self, path: &Path) -> bool {
        self.0.get(path).is_some_and(|at| at.elapsed() < LONGEST_OPEN)
    }
}

const REPLACED: EventMask = EventMask::MOVED_FROM
    .union(EventMask::MOVED_TO)
    .union(EventMask::MOVE_SELF)
    .union(EventMask::DELETE)
    .union(EventMask::DELETE_SELF);

/// Tells who is writing. By default, nobody is known to.
#[derive(Clone, Debug, Default)]
pub struct Writers(Option<Arc<Mutex<Raw>>>);

impl Writers {
    pub(super) fn new(raw: &Arc<Mutex<Raw>>) -> Writers {
        Writers(Some(Arc::clone(raw)))
    }

    /// What was done to a file since the last batch of events was taken. To be asked after the file
    /// was read.
    pub fn written(&self, path: &Path) -> Written {
        let Some(raw) = &self.0 else { return Written::No };
        match self.writing(path) {
            Writing::Known => Written::StillOpen,
            Writing::Perhaps => Written::Perhaps,
            Writing::No | Writing::Unknown => {
                let Some(real) = real_path(path) else { return Written::Closed };
                let touched = &lock(raw).pending.touched;
                let is_touched = |part: &Path| {
                    // All files behind the link have changed as one, perhaps between two of which
                    // the one was looked at before and the other after.
                    touched.contains_key(part) || touched.contains_key(&part.join(DATA_LINK))
                };
                match !touched.is_empty() && real.ancestors().any(is_touched) {
                    true => Written::Closed,
                    false => Written::No,
                }
            }
        }
    }

    /// Whether somebody is writing to the file; the events up to the call count.
    pub fn writing(&self, path: &Path) -> Writing {
        let Some(raw) = &self.0 else { return Writing::Unknown };
        let is_open = is_open_for_writing(path);
        let mut raw = lock(raw);
        raw.drain();
        let is_known = || real_path(path).is_some_and(|real| raw.open_files.has(&real));
        match is_open {
            Some(false) => Writing::No,
            _ if is_known() => Writing::Known,
            Some(true) if quiet_for(path).is_none_or(|quiet| quiet < OPEN_REST) => Writing::Perhaps,
            Some(true) => Writing::No,
            None => Writing::Unknown,
        }
    }

    /// The files that are open for writing as far as the events tell, by their real paths.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let Some(raw) = &self.0 else { return Vec::new() };
        let open_files = &lock(raw).open_files;
        let open = open_files.0.keys().filter(|path| open_files.has(path));
        open.filter(|path| is_open_for_writing(path) != Some(false)).cloned().collect()
    }
}

/// Whether somebody is writing to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Nobody has it open, or whoever has it open does not write.
    No,
    /// Somebody has written to it and not closed it, which will be an event.
    Known,
    /// Somebody has it open, and no event tells of a write.
    Perhaps,
    /// The system does not say, and no event tells of a write.
    Unknown,
}

impl feed::Writers for Writers {
    fn is_open(&self, path: &Path) -> Option<bool> {
        is_open_for_writing(path)
    }

    fn written(&self, path: &Path) -> Written {
        Writers::written(self, path)
    }
}

/// Since the last change by the system's own time, which nobody can set.
fn quiet_for(path: &Path) -> Option<Duration> {
    let found = fs::metadata(path).ok()?;
    let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(found.ctime()).ok()?);
    changed.elapsed().ok()
}

/// As the events name it: the folder's links followed, the file's own not.
fn real_path(path: &Path) -> Option<PathBuf> {
    let folder = match path.parent()? {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::super::watch::{Watch, Watched};
    use super::*;

    /// Nothing here waits: what was done is known when it has been done.
    #[test]
    fn what_was_done_to_a_file_is_known_at_once() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let zones = temp.path().join("zones");
        fs::create_dir_all(zones.join("..v1")).expect("folders");
        let (path, mapped) = (zones.join("a.zone"), zones.join("b.zone"));
        fs::write(&path, "first").expect("a file");
        fs::write(zones.join("..v1/b.zone"), "first").expect("a file");
        symlink("..v1", zones.join("..data")).expect("a link");
        symlink("..data/b.zone", &mapped).expect("a link");
        let mut watch = Watch::new(Watched { zones, ..Watched::default() }, || {});
        let writers = watch.writers();
        let has_leases = is_open_for_writing(&path).is_some();
        assert_eq!(writers.written(&path), Written::No);

        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("the file");
        let open = if has_leases { Written::Perhaps } else { Written::No };
        assert_eq!(writers.written(&path), open);
        file.write_all(b" half").expect("a write");
        assert_eq!(writers.written(&path), Written::StillOpen);
        watch.take();
        assert_eq!(writers.written(&path), Written::StillOpen);
        assert_eq!(writers.open_files(), [fs::canonicalize(&path).expect("a path")]);
        drop(file);
        assert_eq!(writers.written(&path), Written::Closed);
        assert!(watch.take().closed_after_write.iter().any(|closed| closed.path == path));
        assert_eq!(writers.written(&path), Written::No);

        // All that is behind a link changes with it.
        assert_eq!(writers.written(&mapped), Written::No);
        symlink("..v1", path.with_file_name("..new")).expect("a link");
        fs::rename(path.with_file_name("..new"), path.with_file_name("..data")).expect("a rename");
        assert_eq!(writers.written(&mapped), Written::Closed);
        watch.take();
        assert_eq!(writers.written(&mapped), Written::No);
    }
}
