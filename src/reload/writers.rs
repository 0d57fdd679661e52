//! Who is writing, by the file events: has a file that was just read been written to meanwhile, and
//! has its writer closed it?
//!
//! Events come late, and the times of files count in ticks, so that neither tells whether what was
//! read is whole. This does: the events are caught up with after the reading, and a file of which
//! they tell is read again when its writer is done. So a rewrite in place is never taken in the
//! middle, however long its writer pauses.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::watch::{Raw, lock};
use crate::feed::{self, Written};

/// Nothing tells of the end of a write without an open file (`truncate(2)`): a file that has not
/// been written to for so long is at rest.
const LONGEST_OPEN: Duration = Duration::from_secs(600);
/// Events that have not come by then are not waited for.
const LONGEST_PROBE: Duration = Duration::from_secs(1);
/// Files that are remembered as being written to; with more, all are forgotten, and quiet decides.
const MAX_WRITTEN: usize = 65_536;

/// The files that were written to and not closed since, by their real paths.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(HashMap<PathBuf, Instant>);

impl OpenFiles {
    /// Takes in what an event tells.
    pub(super) fn note(&mut self, kind: &EventKind, path: &Path) {
        match kind {
            EventKind::Modify(ModifyKind::Data(_)) => {
                if self.0.len() >= MAX_WRITTEN {
                    self.0.clear();
                }
                self.0.insert(path.to_owned(), Instant::now());
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                self.0.remove(path);
            }
            // Another file or folder stands there now, or none.
            EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Remove(_)
            | EventKind::Create(CreateKind::Folder) => {
                self.0.retain(|open, _| !open.starts_with(path));
            }
            _ => {}
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

/// Tells who is writing. Without file events nobody is known to.
#[derive(Clone, Debug, Default)]
pub struct Writers(Option<Events>);

#[derive(Clone, Debug)]
struct Events {
    raw: Arc<Mutex<Raw>>,
    probe: Arc<Probe>,
}

/// A file of our own, without a name, among those watched: the events come in order, so that when
/// one of this file has come, all have that were caused before it.
#[derive(Debug, Default)]
pub(super) struct Probe {
    path: PathBuf,
    file: OnceLock<File>,
    noted: Mutex<u64>,
    changed: Condvar,
}

impl Probe {
    /// Of a file that is still to be made.
    pub(super) fn new() -> Probe {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("beiand-{}-{number}", std::process::id());
        let folder = fs::canonicalize(std::env::temp_dir()).unwrap_or_default();
        Probe { path: folder.join(name), ..Probe::default() }
    }

    /// Makes the file and watches it.
    pub(super) fn watch(&self, watcher: &mut RecommendedWatcher) -> notify::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&self.path)?;
        let watched = watcher.watch(&self.path, RecursiveMode::NonRecursive);
        let removed = fs::remove_file(&self.path);
        watched?;
        removed?;
        // The removal is an event of its own, and must not be taken for a later one.
        if !self.wait_for(|noted| noted > 0) {
            return Err(notify::Error::generic("the events of a file do not come"));
        }
        let _ = self.file.set(file);
        Ok(())
    }

    /// Takes an event in; true where it is the file's.
    pub(super) fn note(&self, event: &notify::Result<Event>) -> bool {
        let is_ours = match event {
            Ok(event) if event.need_rescan() => {
                // It may be among those lost, and nobody needs to wait for it.
                *self.lock() += 1;
                self.changed.notify_all();
                return false;
            }
            Ok(event) => event.paths.first() == Some(&self.path),
            Err(_) => false,
        };
        if is_ours {
            *self.lock() += 1;
            self.changed.notify_all();
        }
        is_ours
    }

    /// Returns when all events have come that were caused before; false where that is not known.
    fn catch_up(&self) -> bool {
        let Some(file) = self.file.get() else { return false };
        let before = *self.lock();
        file.set_permissions(Permissions::from_mode(0o600)).is_ok()
            && self.wait_for(|noted| noted > before)
    }

    fn wait_for(&self, is_enough: impl Fn(u64) -> bool) -> bool {
        let (noted, _) = self
            .changed
            .wait_timeout_while(self.lock(), LONGEST_PROBE, |noted| !is_enough(*noted))
            .unwrap_or_else(PoisonError::into_inner);
        is_enough(*noted)
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writers {
    pub(super) fn new(raw: &Arc<Mutex<Raw>>, probe: &Arc<Probe>) -> Writers {
        Writers(Some(Events { raw: Arc::clone(raw), probe: Arc::clone(probe) }))
    }

    /// Returns when the events of all that was done to files before the call have been noted.
    pub fn catch_up(&self) {
        if let Some(events) = &self.0
            && !events.probe.catch_up()
        {
            tracing::debug!("file events could not be caught up with");
        }
    }

    /// What the events noted so far tell of a file.
    pub fn written(&self, path: &Path) -> Written {
        let Some(events) = &self.0 else { return Written::No };
        let real = real_path(path);
        let raw = lock(&events.raw);
        match &real {
            Some(real) if raw.open_files.has(real) => Written::StillOpen,
            Some(real) if !raw.touched.contains_key(real) && !raw.lost => Written::No,
            _ => Written::Closed,
        }
    }

    /// The files that are open for writing, as far as is known, by their real paths.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let Some(events) = &self.0 else { return Vec::new() };
        let raw = lock(&events.raw);
        raw.open_files.0.keys().filter(|path| raw.open_files.has(path)).cloned().collect()
    }

    /// True where the file is open for writing, as far as is known.
    pub fn is_open(&self, path: &Path) -> bool {
        let Some(events) = &self.0 else { return false };
        !lock(&events.raw).open_files.0.is_empty() && self.written(path) == Written::StillOpen
    }
}

impl feed::Writers for Writers {
    fn catch_up(&self) {
        Writers::catch_up(self);
    }

    fn written(&self, path: &Path) -> Written {
        Writers::written(self, path)
    }
}

/// As the events name it: the folder's links followed, the file's own not.
fn real_path(path: &Path) -> Option<PathBuf> {
    let folder = match path.parent()? {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
}
