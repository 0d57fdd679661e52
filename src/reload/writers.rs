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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
const LONGEST_PROBE: Duration = Duration::from_secs(10);
/// The queue of events may have been full: another is caused after so long.
const LOST_AFTER: Duration = Duration::from_millis(200);
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
    /// The events could not be caught up with: of no file is it known that nobody wrote to it.
    is_behind: Arc<AtomicBool>,
}

/// A file of our own, without a name, among those watched: the events come in order, so that when
/// one of this file has come, all have that were caused before it.
///
/// Two kinds of events take turns: one that comes late, or twice, is none that the next look waits
/// for, and has come before the look after that begins.
#[derive(Debug, Default)]
pub(super) struct Probe {
    path: PathBuf,
    file: OnceLock<File>,
    noted: Mutex<Noted>,
    changed: Condvar,
    turn: AtomicU64,
}

/// How many events of the probe have come.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    of_size: u64,
    of_mode: u64,
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
        match self.catch_up_by(&file) {
            true => {
                let _ = self.file.set(file);
                Ok(())
            }
            false => Err(notify::Error::generic("the events of a file do not come")),
        }
    }

    /// Takes an event in; true where it is the file's.
    pub(super) fn note(&self, event: &notify::Result<Event>) -> bool {
        let Ok(event) = event else { return false };
        if event.paths.first() != Some(&self.path) {
            return false;
        }
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => self.lock().of_size += 1,
            EventKind::Modify(ModifyKind::Metadata(_)) => self.lock().of_mode += 1,
            _ => {}
        }
        self.changed.notify_all();
        true
    }

    /// Returns when all events have come that were caused before; false where that is not known.
    fn catch_up(&self) -> bool {
        self.file.get().is_some_and(|file| self.catch_up_by(file))
    }

    fn catch_up_by(&self, file: &File) -> bool {
        // The removal of its name was an event of its mode: the first turn is the other's.
        let is_size = self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let of_kind = |noted: &Noted| if is_size { noted.of_size } else { noted.of_mode };
        let before = of_kind(&self.lock());
        let begun = Instant::now();
        while begun.elapsed() < LONGEST_PROBE {
            let caused = match is_size {
                true => file.set_len(0),
                false => file.set_permissions(Permissions::from_mode(0o600)),
            };
            if caused.is_err() {
                return false;
            }
            let (noted, _) = self
                .changed
                .wait_timeout_while(self.lock(), LOST_AFTER, |noted| of_kind(noted) == before)
                .unwrap_or_else(PoisonError::into_inner);
            if of_kind(&noted) > before {
                return true;
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writers {
    pub(super) fn new(raw: &Arc<Mutex<Raw>>, probe: &Arc<Probe>) -> Writers {
        let (raw, probe) = (Arc::clone(raw), Arc::clone(probe));
        Writers(Some(Events { raw, probe, is_behind: Arc::default() }))
    }

    /// Returns when the events of all that was done to files before the call have been noted.
    pub fn catch_up(&self) {
        if let Some(events) = &self.0 {
            let is_behind = events.probe.file.get().is_some() && !events.probe.catch_up();
            events.is_behind.store(is_behind, Ordering::Relaxed);
            if is_behind {
                tracing::warn!("file events do not come; files that are being read are read again");
            }
        }
    }

    /// What the events noted so far tell of a file.
    pub fn written(&self, path: &Path) -> Written {
        let Some(events) = &self.0 else { return Written::No };
        let real = real_path(path);
        let raw = lock(&events.raw);
        match &real {
            Some(real) if raw.open_files.has(real) => Written::StillOpen,
            Some(real)
                if !raw.touched.contains_key(real)
                    && !raw.lost
                    && !events.is_behind.load(Ordering::Relaxed) =>
            {
                Written::No
            }
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
